//! In place of `openvino` where the feature is off: the library is never found.

use std::convert::Infallible;
use std::path::PathBuf;

use kennard_graph::Graph;

use crate::input::Input;
use crate::{Precision, Result};

pub const NAME: &str = "openvino";

#[derive(Debug)]
pub struct OpenVinoLibrary {
    pub path: PathBuf,
    pub version: String,
    never: Infallible,
}

pub struct OpenVinoProgram(Infallible);

pub fn load() -> Result<&'static OpenVinoLibrary, String> {
    Err("this build of Kennard leaves it out (the feature `openvino` of the crate)".into())
}

impl OpenVinoLibrary {
    pub fn compile(&self, _: &Graph, _: usize, _: Precision) -> Result<OpenVinoProgram> {
        match self.never {}
    }
}

impl OpenVinoProgram {
    pub fn run(&mut self, _: &[Input<'_>], _: &mut [Vec<f32>]) -> Result<()> {
        match self.0 {}
    }
}
