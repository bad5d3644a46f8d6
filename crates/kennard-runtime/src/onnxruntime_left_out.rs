//! In place of `onnxruntime` where the feature is off: the library is never found.

use std::convert::Infallible;
use std::path::PathBuf;

use kennard_graph::Graph;

use crate::Result;
use crate::input::Input;

pub const NAME: &str = "onnxruntime";

#[derive(Debug)]
pub struct OnnxRuntimeLibrary {
    pub path: PathBuf,
    pub version: String,
    never: Infallible,
}

pub struct OnnxRuntimeProgram(Infallible);

pub fn load() -> Result<&'static OnnxRuntimeLibrary, String> {
    Err("this build of Kennard leaves it out (the feature `onnxruntime` of the crate)".into())
}

impl OnnxRuntimeLibrary {
    pub fn compile(&self, _: &Graph, _: usize) -> Result<OnnxRuntimeProgram> {
        match self.never {}
    }

    pub fn compile_as_given(&self, _: &Graph, _: usize) -> Result<OnnxRuntimeProgram> {
        match self.never {}
    }
}

impl OnnxRuntimeProgram {
    pub fn run(&mut self, _: &[Input<'_>], _: &mut [Vec<f32>]) -> Result<()> {
        match self.0 {}
    }
}
