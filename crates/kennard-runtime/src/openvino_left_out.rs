//! In place of `openvino` where the feature is off: the library is never found.

use std::convert::Infallible;
use std::path::PathBuf;

use kennard_graph::Graph;

use crate::input::Input;
use crate::{Precision, Result};

pub const NAME: &str = "openvino";

#[derive(Debug)]
pub struct Library {
    pub path: PathBuf,
    pub version: String,
    never: Infallible,
}

pub struct Program(Infallible);

pub fn load() -> Result<&'static Library, String> {
    Err("this build of Kennard leaves it out (the feature `openvino` of the crate)".into())
}

impl Library {
    pub fn compile(&self, _: &Graph, _: usize, _: Precision) -> Result<Program> {
        match self.never {}
    }
}

impl Program {
    pub fn run(&mut self, _: &[Input<'_>], _: &mut [Vec<f32>]) -> Result<()> {
        match self.0 {}
    }
}
