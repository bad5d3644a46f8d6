//! Attacks by name, with parameters as in a settings file.

use std::fmt;
use std::str::FromStr;

use itertools::Itertools;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Alma, Apgd, Attack, AttackLoss, Best, CarliniWagner, Ddn, DeepFool, Fab, Fgsm, Fmn, HopSkipJump, Leaves,
    Malt, MinimalApgd, MinimumNorm, Pdpgd, Pgd, SigmaZero, Square, Strongest,
};
use crate::data::nearest;
use crate::{Error, Norm, Result, parse_number};

/// Parameters of an attack under the names of its fields; a dash is as good as an underscore, and a
/// number may be written as a fraction.
pub type Parameters = Map<String, Value>;

/// A line for an attack: its name, whether `NAME-t` is the same towards target classes, and what makes it.
pub(super) type Row<A> = (&'static str, bool, fn(&With) -> Result<Box<A>>);

/// The attacks within a fixed epsilon.
const FIXED: &[Row<dyn Attack>] = &[
    ("fgsm", true, |with| Ok(Box::new(with.over(Fgsm::default())?))),
    ("pgd", true, |with| Ok(Box::new(with.over(Pgd::default())?))),
    ("apgd-ce", false, |with| Ok(Box::new(with.apgd(AttackLoss::CrossEntropy)?))),
    ("apgd-dlr", false, |with| Ok(Box::new(with.apgd(AttackLoss::Dlr)?))),
    ("apgd-t", false, |with| Ok(Box::new(with.apgd(AttackLoss::TargetedDlr)?))),
    ("apgd-margin", false, |with| Ok(Box::new(with.apgd(AttackLoss::Margin)?))),
    ("pma", false, |with| Ok(Box::new(with.apgd(AttackLoss::ProbabilityMargin)?))),
    ("malt", false, |with| Ok(Box::new(with.over(Malt::default())?))),
    ("square", false, |with| Ok(Box::new(with.over(Square::default())?))),
    ("strongest", false, |with| Ok(Box::new(with.over(Strongest::default())?))),
];
/// The attacks that seek the smallest perturbation.
pub(super) const MINIMUM_NORM: &[Row<dyn MinimumNorm>] = &[
    ("fab", true, |with| Ok(Box::new(with.over(Fab::default())?))),
    ("fmn", true, |with| Ok(Box::new(with.over(Fmn::default())?))),
    ("ddn", true, |with| Ok(Box::new(with.over(Ddn::default())?))),
    ("carlini-wagner", true, |with| Ok(Box::new(with.over(CarliniWagner::default())?))),
    ("minimal-apgd", true, |with| Ok(Box::new(with.over(MinimalApgd::default())?))),
    ("deepfool", false, |with| Ok(Box::new(with.over(DeepFool::default())?))),
    ("pdpgd", false, |with| Ok(Box::new(with.over(Pdpgd::default())?))),
    ("alma", false, |with| Ok(Box::new(with.over(Alma::default())?))),
    ("sigma-zero", false, |with| Ok(Box::new(with.over(SigmaZero::default())?))),
    ("hop-skip-jump", false, |with| Ok(Box::new(with.over(HopSkipJump::default())?))),
    ("leaves", false, |with| Ok(Box::new(with.over(Leaves::default())?))),
    ("best", false, |with| Ok(Box::new(with.over(Best::default())?))),
];

/// Parameters that may be zero; any other that is a number must be positive, or it would switch the attack off.
const MAY_BE_ZERO: &[&str] = &["alpha_final", "gamma_final", "bias", "back", "tau", "tau_factor"];
/// Parameters that are shares: at most 1.
const SHARES: &[&str] = &[
    "share",
    "bias",
    "back",
    "tau",
    "reduction",
    "primal_decrease",
    "dual_decrease",
    "dual_memory",
    "dual_least_ratio",
];
/// How many target classes a targeted attack goes towards where nothing is said.
const TARGETS: usize = 9;

/// The attack of a name.
///
/// # Errors
/// When the name or a parameter is unknown, or a parameter has no value that makes sense.
pub fn attack(name: &str, parameters: &Parameters) -> Result<Box<dyn Attack>> {
    match make(FIXED, name, parameters) {
        Some(attack) => attack,
        None if make(MINIMUM_NORM, name, parameters).is_some() => Ok(minimum_norm(name, parameters)?),
        None => Err(unknown(name, &[names(FIXED), names(MINIMUM_NORM)].concat())),
    }
}

/// The minimum-norm attack of a name.
///
/// # Errors
/// See [`attack`].
pub fn minimum_norm(name: &str, parameters: &Parameters) -> Result<Box<dyn MinimumNorm>> {
    make(MINIMUM_NORM, name, parameters).unwrap_or_else(|| Err(unknown(name, &names(MINIMUM_NORM))))
}

/// The attack of a name, if it is in a table.
fn make<A: ?Sized>(rows: &[Row<A>], name: &str, parameters: &Parameters) -> Option<Result<Box<A>>> {
    rows.iter().find_map(|&(own, targeted, make)| {
        let towards = targeted && name.strip_suffix("-t") == Some(own);
        (towards || name == own).then(|| make(&With { name, towards, parameters }))
    })
}

/// The names in a table, those of targeted attacks after the untargeted.
pub(super) fn names<A: ?Sized>(rows: &[Row<A>]) -> Vec<String> {
    let both = |&(name, targeted, _): &Row<A>| {
        [name.to_string()].into_iter().chain(targeted.then(|| format!("{name}-t")))
    };
    rows.iter().flat_map(both).collect()
}

fn unknown(name: &str, known: &[String]) -> Error {
    let hint = nearest(name, known.iter().map(String::as_str)).map(|known| format!("did you mean {known}? "));
    Error::Setting(format!(
        "the attack `{name}` is unknown; {}known are {}",
        hint.unwrap_or_default(),
        known.join(", ")
    ))
}

/// What is said of an attack that is to be made.
pub(super) struct With<'p> {
    name: &'p str,
    /// Whether it goes towards target classes.
    towards: bool,
    parameters: &'p Parameters,
}

impl With<'_> {
    fn apgd(&self, loss: AttackLoss) -> Result<Apgd> {
        let targets = if loss == AttackLoss::TargetedDlr { TARGETS } else { 0 };
        let given = self.parameters.get("targets").filter(|given| **given != 0 && **given != "0");
        if let Some(given) = given.filter(|_| targets == 0) {
            let message =
                format!("the attack {}: targets is {given}, and its loss goes towards none", self.name);
            return Err(Error::Setting(message));
        }
        Ok(Apgd { loss, ..self.over(Apgd { targets, ..Apgd::default() })? })
    }

    /// An attack with the parameters in place of its defaults.
    fn over<A: Serialize + DeserializeOwned>(&self, default: A) -> Result<A> {
        let error = |message: String| Error::Setting(format!("the attack {}: {message}", self.name));
        let Ok(Value::Object(mut fields)) = serde_json::to_value(default) else {
            return Err(error("it takes no parameters".into()));
        };
        if self.towards {
            fields["targets"] = TARGETS.into();
        }
        for (key, value) in self.parameters {
            let known = fields.keys().join(", ");
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
    let factor =
        among(&["alpha", "gamma", "gamma_final", "tolerance"]) && default.as_f64().is_some_and(|v| v < 1.0);
    if number > 1.0 && among(SHARES) || number >= 1.0 && factor {
        return Err(format!("`{key}` is {given}, and must be a share, below 1"));
    }
    Ok(())
}

/// A version of AutoAttack (Croce & Hein 2020, arXiv 2003.01690): attacks in a row, each of which tries
/// what those before it left standing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
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
        for name in [names(FIXED), names(MINIMUM_NORM)].concat() {
            assert_eq!(attack(&name, &Map::new()).unwrap().name(), name);
        }
        for name in names(MINIMUM_NORM) {
            assert_eq!(minimum_norm(&name, &Map::new()).unwrap().name(), name);
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
        for name in &[names(FIXED), names(MINIMUM_NORM)].concat() {
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
            ("alma", "alpha", 1.0),
            ("pdpgd", "dual_least_ratio", 1.5),
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
        for name in ["apgd-ce", "apgd-dlr"] {
            assert!(
                refusal(name, "targets", json!(5)).is_some_and(|said| said.contains("towards none")),
                "{name}"
            );
        }
        assert_eq!(refusal("apgd-t", "targets", json!(5)), None);
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
