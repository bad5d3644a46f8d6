//! A temperature as people write it, and as it is found.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::atomic::AtomicBool;

use kennard::calibration::{Calibrate, Calibration};
use kennard::data::DataSet;
use kennard::engine::Engine;
use kennard::run::ModelSummary;
use kennard::{Error, Mismatch, Result, parse_number};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// A temperature: a number, the file that `kennard calibrate` wrote, or one to be fitted.
#[derive(Clone, Debug, PartialEq)]
pub enum Temperature {
    Number(f64),
    File(PathBuf),
    Fit,
}

/// A temperature of packets.
pub struct Tempered {
    pub temperature: f64,
    /// The samples that it was fitted to, by their places in the data set.
    pub fitted_to: Vec<usize>,
    /// What it does to confidence; none of a mere number.
    pub calibration: Option<Calibration>,
}

impl FromStr for Temperature {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Temperature, Self::Err> {
        Ok(match parse_number(text) {
            Ok(number) => Temperature::Number(number),
            Err(_) if text == "fit" => Temperature::Fit,
            Err(_) => Temperature::File(text.into()),
        })
    }
}

impl<'de> Deserialize<'de> for Temperature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Temperature, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a number, the name of a file, or fit")]
        enum Form {
            Number(f64),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Number(number) => Ok(Temperature::Number(number)),
            Form::Text(text) => text.parse().map_err(D::Error::custom),
        }
    }
}

impl Temperature {
    /// The temperature for a model and a data set; one that is to be fitted, by `how`.
    pub fn of(
        &self,
        model: &ModelSummary,
        engine: &Engine,
        data: &DataSet,
        how: Calibrate,
    ) -> Result<Tempered> {
        let file = match self {
            Temperature::Number(number) => {
                return Ok(Tempered { temperature: *number, fitted_to: Vec::new(), calibration: None });
            }
            Temperature::Fit => {
                let found = how.measure(model.clone(), engine, data, &AtomicBool::new(false), |_, _| ())?;
                let found =
                    found.ok_or_else(|| Error::Setting("the fit of a temperature was stopped".into()))?;
                return Ok(Tempered::fitted(found, data.len()));
            }
            Temperature::File(file) => file,
        };
        let found = Calibration::read(file)?;
        if found.model.sha256 != model.sha256 {
            let (file, model) = (file.display().to_string(), found.model.file);
            let other = Error::Mismatch(Mismatch::OtherTemperature { file, model });
            let advice = "; fit one to this model with {!calibrate}".into();
            return Err(Error::Advised { error: Box::new(other), advice });
        }
        // Of other data, none of its samples is one of these.
        let len = if found.is_of(data)? { data.len() } else { 0 };
        Ok(Tempered::fitted(found, len))
    }
}

impl Tempered {
    /// What was fitted to some of `len` samples.
    fn fitted(found: Calibration, len: usize) -> Tempered {
        Tempered {
            temperature: found.temperature.value,
            fitted_to: found.fitted_to(len),
            calibration: Some(found),
        }
    }
}
