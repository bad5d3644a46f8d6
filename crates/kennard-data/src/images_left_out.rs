//! In place of `images` where the feature is off: no data set has encoded images.

use crate::error::DataError;
use crate::source::{Change, Raw};

#[derive(Clone)]
pub(crate) enum Form {}

impl Form {
    pub fn input(&self, _: Raw) -> Result<(Vec<f32>, Change), DataError> {
        match *self {}
    }

    pub fn colours(&self) -> &'static str {
        match *self {}
    }

    pub fn resizing(&self, _: bool) -> Option<String> {
        match *self {}
    }
}
