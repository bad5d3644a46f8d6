//! In what the passes of searches are computed.

use kennard_runtime::{Live, Precision};

use super::plan::Engine;
use super::program::Program;
use crate::{Error, RequestError, Result};

impl Engine {
    /// An engine that computes as this one does, but the passes of attacks' searches, the surrogate's with them, in another
    /// precision. What counts is as before: a point that looks adversarial is asked about again in single precision, and the
    /// untouched model has the last word.
    ///
    /// # Errors
    /// Where runtime, processor or live module do not compute in it.
    pub fn searching_in(self, precision: Precision) -> Result<Engine> {
        match self.classifier.module() {
            _ if precision == Precision::F32 => {}
            None => self.runtime.computes_in(precision).map_err(|error| {
                Error::Runtime(error).advise(match self.runtime.name() {
                    "openvino" => "; leave {search_precision} out",
                    _ => ": {runtime = openvino}; or leave {search_precision} out",
                })
            })?,
            Some(module) if module.searching().is_some() => {}
            Some(module) => {
                let exact = RequestError::Precision { module: module.name().into(), precision };
                return Err(Error::Request(exact).advise("; leave {search_precision} out"));
            }
        }
        Ok(Engine { search: precision, ..self })
    }

    /// The lowest precision that is sure to make searches faster here, and why, from the runtime and the processor's features alone.
    pub fn fastest_search(&self) -> (Precision, String) {
        match self.classifier.module() {
            None => self.runtime.fastest_precision(),
            Some(module) => (Precision::F32, format!("{} computes the passes of the module", module.name())),
        }
    }

    /// What the passes of searches are computed in.
    pub fn search_precision(&self) -> Precision {
        self.search
    }

    /// What a session of a program computes in. What follows on a live module's outputs is little work.
    pub(super) fn precision(&self, program: Program) -> Precision {
        match self.classifier.module() {
            None if program.is_search() => self.search,
            _ => Precision::F32,
        }
    }

    /// The live module that computes a program's passes, if one does.
    pub(super) fn module(&self, program: Program) -> Result<Option<&dyn Live>> {
        let module = self.asked(program)?.module();
        Ok(match module.and_then(Live::searching) {
            Some(searching) if program.is_search() && self.search != Precision::F32 => Some(searching),
            _ => module,
        })
    }
}
