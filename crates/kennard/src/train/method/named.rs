//! Methods by their names.

use super::Method;
use crate::{Error, Result};

/// The methods' names.
pub const METHODS: &[&str] = &[
    "standard",
    "gaussian-noise",
    "fgsm-rs",
    "pgd",
    "trades",
    "mart",
    "ibp",
    "crown-ibp",
    "conjugate",
    "conjmask",
    "logitreg",
];

/// What the methods' parameters are where a user gives none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Strength {
    /// σ of `gaussian-noise`; the share of `conjmask`; β of `trades` and `mart`; κ at the end of `ibp` and `crown-ibp`; λ of
    /// `conjugate` and `logitreg`.
    pub strength: Option<f64>,
    /// Steps of `pgd`, `trades` and `mart`.
    pub steps: Option<usize>,
}

impl Method {
    /// A method by its name.
    ///
    /// # Errors
    /// When there is no such method, a parameter is not one of it, or makes no sense.
    pub fn named(name: &str, given: Strength) -> Result<Method> {
        let strength = given.strength;
        let steps = given.steps.unwrap_or(10);
        let method = match name {
            "standard" => Method::Standard,
            "gaussian-noise" => Method::GaussianNoise { sigma: strength.unwrap_or(0.1) },
            "fgsm-rs" => Method::FgsmRs,
            "pgd" => Method::Pgd { steps },
            "trades" => Method::Trades { beta: strength.unwrap_or(6.0), steps },
            "mart" => Method::Mart { beta: strength.unwrap_or(5.0), steps },
            "ibp" => Method::Ibp { natural: strength.unwrap_or(0.5) },
            "crown-ibp" => Method::CrownIbp { natural: strength.unwrap_or(0.5) },
            "conjugate" => Method::Conjugate { lambda: strength.unwrap_or(0.01) },
            "conjmask" => Method::ConjMask { share: strength.unwrap_or(0.1) },
            "logitreg" => Method::LogitReg { lambda: strength.unwrap_or(0.1) },
            _ => {
                let known = METHODS.join(", ");
                return Err(Error::Unknown { what: "method", name: name.into(), nearest: None, known });
            }
        };
        if strength.is_some() && method.strength().is_none() {
            return Err(Error::NotOfMethod { method: name.into(), setting: "strength beside epsilon" });
        }
        if given.steps.is_some() && method.steps().is_none_or(|steps| steps == 0) {
            let setting = "steps, or none at all were asked for";
            return Err(Error::NotOfMethod { method: name.into(), setting });
        }
        // κ is the share of what training is without the method.
        let is_kappa = matches!(method, Method::Ibp { .. } | Method::CrownIbp { .. });
        let off = if is_kappa { 1.0 } else { 0.0 };
        if given.strength == Some(off) {
            return Err(Error::OutOfRange {
                setting: format!("the strength of {name}"),
                value: off,
                allowed: "that switches it off, and the method standard is what is left".into(),
            });
        }
        let is_share = is_kappa || matches!(method, Method::ConjMask { .. });
        let most = if is_share { 1.0 } else { f64::INFINITY };
        let range = match (is_kappa, is_share) {
            (true, _) => "from 0 on, smaller than 1",
            (false, true) => "larger than 0, 1 at most",
            (false, false) => "larger than 0",
        };
        match method.strength() {
            Some(value) if !(0.0..=most).contains(&value) || value.is_infinite() => Err(Error::OutOfRange {
                setting: format!("the strength of {name}"),
                value,
                allowed: format!("it must be a number {range}"),
            }),
            _ => Ok(method),
        }
    }
}
