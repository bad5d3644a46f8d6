//! Attacks by name, with parameters as in a settings file.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Apgd, Attack, AttackLoss, CarliniWagner, Ddn, Fab, Fgsm, Fmn, HopSkipJump, MinimalApgd, MinimumNorm, Pgd,
    SigmaZero, Square,
};
use crate::data::nearest;
use crate::{Error, Norm, Result, parse_number};

/// Parameters of an attack under the names of its fields; a dash is as good as an underscore, and a
/// number may be written as a fraction.
pub type Parameters = Map<String, Value>;

/// The names of all attacks.
const ATTACKS: &[&str] = &[
    "fgsm",
    "fgsm-t",
    "pgd",
    "pgd-t",
    "apgd-ce",
    "apgd-dlr",
    "apgd-t",
    "apgd-margin",
    "fab",
    "fab-t",
    "square",
    "fmn",
    "fmn-t",
    "ddn",
    "ddn-t",
    "carlini-wagner",
    "carlini-wagner-t",
    "minimal-apgd",
    "minimal-apgd-t",
    "sigma-zero",
    "hop-skip-jump",
];
/// The names of those that seek the smallest perturbation.
pub(super) const MINIMUM_NORM: &[&str] = &[
    "fab",
    "fab-t",
    "fmn",
    "fmn-t",
    "ddn",
    "ddn-t",
    "carlini-wagner",
    "carlini-wagner-t",
    "minimal-apgd",
    "minimal-apgd-t",
    "sigma-zero",
    "hop-skip-jump",
];
/// Parameters that may be zero; any other that is a number must be positive, or it would switch the attack off.
const MAY_BE_ZERO: &[&str] = &["alpha_final", "gamma_final", "bias", "back", "tau", "tau_factor"];
/// Parameters that are shares: at most 1.
const SHARES: &[&str] = &["share", "bias", "back", "tau"];
/// How many target classes a targeted attack goes towards where nothing is said.
const TARGETS: usize = 9;

/// The attack of a name.
///
/// # Errors
/// When the name or a parameter is unknown, or a parameter has no value that makes sense.
pub fn attack(name: &str, parameters: &Parameters) -> Result<Box<dyn Attack>> {
    let with = With { name, parameters };
    Ok(match name {
        "fgsm" => Box::new(with.over(Fgsm::default())?),
        "fgsm-t" => Box::new(with.over(Fgsm { targets: TARGETS })?),
        "pgd" => Box::new(with.over(Pgd::default())?),
        "pgd-t" => Box::new(with.over(Pgd { targets: TARGETS, ..Pgd::default() })?),
        "apgd-ce" => Box::new(with.apgd(AttackLoss::CrossEntropy)?),
        "apgd-dlr" => Box::new(with.apgd(AttackLoss::Dlr)?),
        "apgd-t" => Box::new(with.apgd(AttackLoss::TargetedDlr)?),
        "apgd-margin" => Box::new(with.apgd(AttackLoss::Margin)?),
        "square" => Box::new(with.over(Square::default())?),
        _ if MINIMUM_NORM.contains(&name) => minimum_norm(name, parameters)?,
        _ => return Err(unknown(name, ATTACKS)),
    })
}

/// The minimum-norm attack of a name.
///
/// # Errors
/// See [`attack`].
pub fn minimum_norm(name: &str, parameters: &Parameters) -> Result<Box<dyn MinimumNorm>> {
    let with = With { name, parameters };
    Ok(match name {
        "fab" => Box::new(with.over(Fab::default())?),
        "fab-t" => Box::new(with.over(Fab { targets: TARGETS, ..Fab::default() })?),
        "fmn" => Box::new(with.over(Fmn::default())?),
        "fmn-t" => Box::new(with.over(Fmn { targets: TARGETS, ..Fmn::default() })?),
        "ddn" => Box::new(with.over(Ddn::default())?),
        "ddn-t" => Box::new(with.over(Ddn { targets: TARGETS, ..Ddn::default() })?),
        "carlini-wagner" => Box::new(with.over(CarliniWagner::default())?),
        "carlini-wagner-t" => {
            Box::new(with.over(CarliniWagner { targets: TARGETS, ..CarliniWagner::default() })?)
        }
        "sigma-zero" => Box::new(with.over(SigmaZero::default())?),
        "minimal-apgd" => Box::new(with.over(MinimalApgd::default())?),
        "minimal-apgd-t" => Box::new(with.over(MinimalApgd { targets: TARGETS, ..MinimalApgd::default() })?),
        "hop-skip-jump" => Box::new(with.over(HopSkipJump::default())?),
        _ => return Err(unknown(name, MINIMUM_NORM)),
    })
}

fn unknown(name: &str, known: &[&str]) -> Error {
    let hint = nearest(name, known.iter().copied()).map(|known| format!("did you mean {known}? "));
    Error::Setting(format!(
        "the attack `{name}` is unknown; {}known are {}",
        hint.unwrap_or_default(),
        known.join(", ")
    ))
}

struct With<'p> {
    name: &'p str,
    parameters: &'p Parameters,
}

impl With<'_> {
    fn apgd(&self, loss: AttackLoss) -> Result<Apgd> {
        let targets = if loss == AttackLoss::TargetedDlr { TARGETS } else { 0 };
        Ok(Apgd { loss, ..self.over(Apgd { targets, ..Apgd::default() })? })
    }

    /// An attack with the parameters in place of its defaults.
    fn over<A: Serialize + DeserializeOwned>(&self, default: A) -> Result<A> {
        let error = |message: String| Error::Setting(format!("the attack {}: {message}", self.name));
        let Ok(Value::Object(mut fields)) = serde_json::to_value(default) else {
            return Err(error("it takes no parameters".into()));
        };
        for (key, value) in self.parameters {
            let known = fields.keys().cloned().collect::<Vec<_>>().join(", ");
            let Some(field) = fields.get_mut(&key.replace('-', "_")) else {
                return Err(error(format!("it has no parameter `{key}`; it has {known}")));
            };
            let given = match value {
                Value::String(text) => Value::from(parse_number(text)?),
                other => other.clone(),
            };
            check(key, &given, field).map_err(error)?;
            *field = given;
        }
        serde_json::from_value(Value::Object(fields)).map_err(|e| error(e.to_string()))
    }
}

/// Refuses a value that would switch off what was asked for, or makes no sense in place of `default`.
fn check(key: &str, given: &Value, default: &Value) -> Result<(), String> {
    let field = key.replace('-', "_");
    let among = |names: &[&str]| names.contains(&field.as_str());
    if given.is_boolean() {
        return Ok(());
    }
    // NaN and infinities are null in JSON.
    let number = given.as_f64().ok_or_else(|| format!("`{key}` must be a finite number"))?;
    // An untargeted attack has none, a targeted one at least one.
    let may_be_zero = among(MAY_BE_ZERO) || default.as_u64() == Some(0);
    if number < 0.0 || number == 0.0 && !may_be_zero {
        let least = if may_be_zero { "at least 0" } else { "larger than 0" };
        return Err(format!("`{key}` is {given}, and must be {least}"));
    }
    // In some attacks these are shares by which something grows and shrinks.
    let factor = among(&["gamma", "gamma_final", "tolerance"]) && default.as_f64().is_some_and(|v| v < 1.0);
    if number > 1.0 && among(SHARES) || number >= 1.0 && factor {
        return Err(format!("`{key}` is {given}, and must be a share, below 1"));
    }
    Ok(())
}

/// A version of AutoAttack (Croce & Hein 2020, arXiv 2003.01690): attacks in a row, each of which tries
/// what those before it left standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// APGD-CE, APGD-T, FAB-T, Square: the figure that the field reports.
    Standard,
    /// More restarts, and the untargeted attacks too.
    Plus,
    /// For models that answer at random: gradients averaged over 20 answers.
    Rand,
}

impl Version {
    /// Its attacks for a norm, in order.
    pub fn attacks(self, norm: Norm) -> Vec<Box<dyn Attack>> {
        let (restarts, targets) = if norm == Norm::L1 { (5, 5) } else { (1, TARGETS) };
        let apgd = |loss, restarts| Apgd { loss, restarts, ..Apgd::default() };
        match self {
            Version::Standard => vec![
                Box::new(apgd(AttackLoss::CrossEntropy, restarts)),
                Box::new(Apgd { targets, ..apgd(AttackLoss::TargetedDlr, 1) }),
                Box::new(Fab { targets: TARGETS, ..Fab::default() }),
                Box::new(Square::default()),
            ],
            Version::Plus => vec![
                Box::new(apgd(AttackLoss::CrossEntropy, 5)),
                Box::new(apgd(AttackLoss::Dlr, 5)),
                Box::new(Fab { restarts: 5, ..Fab::default() }),
                Box::new(Square::default()),
                Box::new(apgd(AttackLoss::TargetedDlr, 1)),
                Box::new(Fab { targets: TARGETS, ..Fab::default() }),
            ],
            Version::Rand => vec![
                Box::new(Apgd { averaged: 20, ..apgd(AttackLoss::CrossEntropy, 1) }),
                Box::new(Apgd { averaged: 20, ..apgd(AttackLoss::Dlr, 1) }),
            ],
        }
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Version> {
        match text {
            "standard" | "autoattack" => Ok(Version::Standard),
            "plus" => Ok(Version::Plus),
            "rand" => Ok(Version::Rand),
            _ => Err(Error::Setting(format!(
                "AutoAttack has no version `{text}`; it has standard (autoattack), plus and rand"
            ))),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Version::Standard => "standard",
            Version::Plus => "plus",
            Version::Rand => "rand",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_name_makes_an_attack_of_that_name() {
        for name in ATTACKS {
            assert_eq!(attack(name, &Map::new()).unwrap().name(), *name);
        }
        for name in MINIMUM_NORM {
            assert!(ATTACKS.contains(name));
            assert_eq!(minimum_norm(name, &Map::new()).unwrap().name(), *name);
        }
    }

    #[test]
    fn parameters_replace_defaults() {
        let parameters = json!({"steps": 7, "step-size": "2/255"});
        let pgd = attack("pgd", parameters.as_object().unwrap()).unwrap();
        assert_eq!(pgd.settings()["steps"], 7);
        assert_eq!(pgd.settings()["step_size"], 2.0 / 255.0);
        assert_eq!(pgd.settings()["random_start"], true);
    }

    /// Every parameter of every attack that counts or measures something: none can be set so that the attack does
    /// nothing. Those that may be zero are listed, with the least value that is refused.
    #[test]
    fn no_parameter_switches_an_attack_off() {
        let refusal = |name: &str, key: &str, value: Value| {
            let parameters = Map::from_iter([(key.to_string(), value)]);
            attack(name, &parameters).map(|_| ()).err().map(|error| error.to_string())
        };
        for name in ATTACKS {
            let Value::Object(fields) = attack(name, &Map::new()).unwrap().settings() else { unreachable!() };
            for (key, default) in fields.iter().filter(|(_, default)| !default.is_boolean()) {
                let untargeted = key == "targets" && *default == json!(0);
                for bad in [json!(-1), json!(-0.5), json!(null), json!("-1/2")] {
                    let said =
                        refusal(name, key, bad.clone()).unwrap_or_else(|| panic!("{name} {key} {bad}"));
                    assert!(said.contains(name) && said.contains(key.as_str()), "{said}");
                }
                let zero = [json!(0), json!("0")].map(|zero| refusal(name, key, zero).is_none());
                assert_eq!(zero[0], untargeted || MAY_BE_ZERO.contains(&key.as_str()), "{name} {key}");
                if default.is_number() {
                    assert_eq!(refusal(name, key, default.clone()), None, "its own default");
                }
            }
        }
        for (name, key, value) in [
            ("ddn", "gamma", 1.0),
            ("fmn", "gamma", 2.0),
            ("minimal-apgd", "tolerance", 1.0),
            ("square", "share", 1.5),
            ("fab", "bias", 1.1),
        ] {
            assert!(
                refusal(name, key, json!(value)).is_some_and(|said| said.contains("share")),
                "{name} {key}"
            );
        }
        assert_eq!(refusal("hop-skip-jump", "gamma", json!(2.0)), None);
        assert_eq!(refusal("pgd", "random_start", json!(false)), None);
    }

    #[test]
    fn autoattack_is_a_name_of_the_standard_version() {
        assert_eq!("autoattack".parse::<Version>().unwrap(), "standard".parse().unwrap());
        assert_eq!(Version::Standard.to_string(), "standard");
    }

    #[test]
    fn what_is_unknown_is_named() {
        let text = |name: &str, parameters: Value| {
            attack(name, parameters.as_object().unwrap()).map(|_| ()).unwrap_err().to_string()
        };
        assert!(text("apgd_ce", json!({})).contains("did you mean apgd-ce?"));
        assert!(text("pdg", json!({})).contains("did you mean pgd?"));
        let message = text("square", json!({"step": 3}));
        assert!(message.contains("`step`") && message.contains("queries"), "{message}");
        assert!(text("square", json!({"queries": -3})).contains("square"));
    }
}
