use std::fmt;
use std::str::FromStr;

use crate::{Precision, Result, RuntimeError};

/// Which runtime to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Choice {
    /// ONNX Runtime where it is installed, else rten.
    #[default]
    Auto,
    /// The built-in runtime.
    Rten,
    /// ONNX Runtime, which must be installed.
    OnnxRuntime,
    /// OpenVINO, which must be installed.
    OpenVino,
}

impl FromStr for Choice {
    type Err = RuntimeError;

    fn from_str(text: &str) -> Result<Choice> {
        match text {
            "auto" => Ok(Choice::Auto),
            "rten" => Ok(Choice::Rten),
            "onnxruntime" => Ok(Choice::OnnxRuntime),
            "openvino" => Ok(Choice::OpenVino),
            other => Err(RuntimeError::UnknownChoice(other.into())),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Choice::Auto => "auto",
            Choice::Rten => "rten",
            Choice::OnnxRuntime => "onnxruntime",
            Choice::OpenVino => "openvino",
        })
    }
}

impl FromStr for Precision {
    type Err = RuntimeError;

    fn from_str(text: &str) -> Result<Precision> {
        match text {
            "f32" => Ok(Precision::F32),
            "bf16" => Ok(Precision::Bf16),
            other => Err(RuntimeError::UnknownPrecision(other.into())),
        }
    }
}
