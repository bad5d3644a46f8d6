use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// How the size of a perturbation `δ` is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Norm {
    /// `max_i |δ_i|`.
    Linf,
    /// `√Σ δ_i²`.
    L2,
    /// `Σ |δ_i|`.
    L1,
    /// The number of elements that change; for minimum-norm attacks only.
    L0,
}

impl Norm {
    /// The norm of `b − a`, in double precision.
    pub fn distance(self, a: &[f32], b: &[f32]) -> f64 {
        self.of(a.iter().zip(b).map(|(&a, &b)| f64::from(b) - f64::from(a)))
    }

    /// The norm of `δ`, in double precision.
    pub fn size(self, delta: &[f32]) -> f64 {
        self.of(delta.iter().map(|&v| f64::from(v)))
    }

    /// The dual norm of a gradient: what `w·δ` can be at most for `δ` of norm 1.
    pub fn dual_size(self, w: &[f32]) -> f64 {
        match self {
            Norm::Linf => Norm::L1,
            Norm::L2 => Norm::L2,
            Norm::L1 | Norm::L0 => Norm::Linf,
        }
        .size(w)
    }

    /// The norm of a sequence of elements.
    pub(crate) fn of(self, delta: impl Iterator<Item = f64>) -> f64 {
        match self {
            Norm::Linf => delta.fold(0.0, |most, v| most.max(v.abs())),
            Norm::L2 => delta.map(|v| v * v).sum::<f64>().sqrt(),
            Norm::L1 => delta.map(f64::abs).sum(),
            Norm::L0 => delta.filter(|v| *v != 0.0).count() as f64,
        }
    }

    /// The norm of a vector of `d` ones.
    pub(crate) fn of_ones(self, d: usize) -> f64 {
        match self {
            Norm::Linf => 1.0,
            Norm::L2 => (d as f64).sqrt(),
            Norm::L1 => d as f64,
            Norm::L0 => 0.0,
        }
    }
}

impl FromStr for Norm {
    type Err = Error;

    fn from_str(text: &str) -> Result<Norm> {
        match text.to_ascii_lowercase().as_str() {
            "linf" | "inf" => Ok(Norm::Linf),
            "l2" | "2" => Ok(Norm::L2),
            "l1" | "1" => Ok(Norm::L1),
            "l0" | "0" => Ok(Norm::L0),
            _ => Err(Error::Unknown {
                what: "norm",
                name: text.into(),
                nearest: None,
                known: "linf, l2, l1 and l0".into(),
            }),
        }
    }
}

impl fmt::Display for Norm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Norm::Linf => "linf",
            Norm::L2 => "l2",
            Norm::L1 => "l1",
            Norm::L0 => "l0",
        })
    }
}
