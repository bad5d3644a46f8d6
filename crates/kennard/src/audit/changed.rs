//! What is not as usual about the attacks of an audit, in words: their parameters, and the passes that they may spend.

use serde_json::Value;

use super::{AuditSettings, NamedAttack, Summary};
use crate::attack::{Parameters, attack};
use crate::figure::significant;

/// Numbers that are read back from a file may differ in the last digit.
const SAME: f64 = 1e-12;

impl NamedAttack {
    /// Its parameters that are not those of its name, in words: `1 step`, `step size 0.01`, `no random start`. Nothing is known of
    /// attacks that are not this crate's.
    fn changed(&self) -> Vec<String> {
        let (name, own) = match self.name.strip_prefix("transfer-") {
            Some(name) => (name, &self.parameters["attack"]),
            None => (self.name.as_str(), &self.parameters),
        };
        let Ok(usual) = attack(name, &Parameters::new()) else { return Vec::new() };
        let usual = usual.settings();
        let Some(own) = own.as_object() else { return Vec::new() };
        let differs = |(key, value): &(&String, &Value)| {
            let default = &usual[key.as_str()];
            // How many targets an attack has that goes towards none says nothing.
            let idle = key.as_str() == "targets" && default.as_u64() == Some(0);
            usual.get(key.as_str()).is_some() && !idle && !same(value, default)
        };
        own.iter().filter(differs).map(|(key, value)| worded(key, value)).collect()
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() <= SAME * b.abs(),
        _ => a == b,
    }
}

/// A parameter and its value.
fn worded(key: &str, value: &Value) -> String {
    let name = key.replace('_', " ");
    match value {
        Value::Bool(true) => name,
        Value::Bool(false) => format!("no {name}"),
        _ => match (value.as_u64(), value.as_f64()) {
            (Some(1), _) => format!("1 {}", singular(&name)),
            (Some(count), _) if name.ends_with('s') => format!("{count} {name}"),
            (_, Some(number)) => format!("{name} {}", significant(number, 4)),
            _ => format!("{name} {value}"),
        },
    }
}

/// `step` of `steps`, `query` of `queries`, `pass` of `passes`.
fn singular(name: &str) -> String {
    if let Some(stem) = name.strip_suffix("ies") {
        return format!("{stem}y");
    }
    let stem = name.strip_suffix("sses").map(|stem| format!("{stem}ss"));
    stem.unwrap_or_else(|| name.strip_suffix('s').unwrap_or(name).into())
}

/// An attack, and what is not as usual about it.
fn with<'a>(attack: &str, own: impl Iterator<Item = &'a String>) -> String {
    let own: Vec<&str> = own.map(String::as_str).collect();
    match own.as_slice() {
        [] => attack.into(),
        own => format!("{attack} with {}", own.join(" and ")),
    }
}

impl Summary {
    /// Takes over what is said of the attacks. Those of AutoAttack have their parameters from there.
    pub(super) fn take_parameters(&mut self, settings: &AuditSettings) {
        self.budget = settings.budget;
        if self.autoattack.is_none() {
            for (attack, named) in self.attacks.iter_mut().zip(&settings.attacks) {
                attack.changed = named.changed();
            }
        }
        for (attack, named) in self.minimal.iter_mut().zip(&settings.minimal) {
            attack.changed = named.changed();
        }
    }

    /// The attacks, minimum-norm attacks last, each with its parameters that are not as usual: `pgd with 1 step`; and the most passes
    /// that they may spend on a sample, where there is a limit.
    pub fn attacks_in_words(&self) -> Vec<String> {
        let own = self.attacks.iter().map(|attack| (&attack.name, &attack.changed, ""));
        let minimal = self.minimal.iter().map(|attack| (&attack.name, &attack.changed, " (minimum norm)"));
        let all: Vec<(&String, &Vec<String>, &str)> = own.chain(minimal).collect();
        let limit = self.limit();
        let alone = all.len() == 1;
        let said = |(name, changed, kind): &(&String, &Vec<String>, &str)| {
            with(&format!("{name}{kind}"), changed.iter().chain(limit.iter().filter(|_| alone)))
        };
        let mut words: Vec<String> = all.iter().map(said).collect();
        words.extend(limit.iter().filter(|_| all.len() > 1).map(|limit| format!("each with {limit}")));
        words
    }

    /// The attacks, minimum-norm attacks left out, each with all that is not as usual about it: `pgd with 1 step and at most 50
    /// passes per sample`.
    pub fn each_attack_in_words(&self) -> Vec<String> {
        let limit = self.limit();
        self.attacks.iter().map(|attack| with(&attack.name, attack.changed.iter().chain(&limit))).collect()
    }

    /// The most passes that attacks may spend on a sample, where there is a limit.
    fn limit(&self) -> Option<String> {
        let plural = if self.budget == Some(1) { "" } else { "es" };
        self.budget.map(|passes| format!("at most {passes} pass{plural} per sample"))
    }

    /// Whether an attack has parameters that are not as usual, or a limit to its passes.
    pub fn attacks_are_changed(&self) -> bool {
        let mut changed = self.attacks.iter().map(|attack| &attack.changed);
        let mut minimal = self.minimal.iter().map(|attack| &attack.changed);
        let limited = self.budget.is_some() && !(self.attacks.is_empty() && self.minimal.is_empty());
        limited || changed.any(|own| !own.is_empty()) || minimal.any(|own| !own.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Norm;
    use crate::attack::{Attack, Version};

    fn changed(name: &str, parameters: Value) -> Vec<String> {
        let made = attack(name, parameters.as_object().unwrap()).unwrap();
        NamedAttack::of(made.as_ref()).changed()
    }

    #[test]
    fn what_is_not_as_usual_is_in_words() {
        for name in ["fgsm", "pgd-t", "apgd-ce", "apgd-t", "square", "fmn", "strongest", "best", "leaves"] {
            assert!(changed(name, json!({})).is_empty(), "{name}");
        }
        assert_eq!(changed("pgd", json!({"steps": 1})), ["1 step"]);
        assert_eq!(changed("pgd", json!({"random_start": false})), ["no random start"]);
        assert_eq!(changed("pgd", json!({"step_size": 0.01})), ["step size 0.01"]);
        assert_eq!(changed("square", json!({"queries": 1})), ["1 query"]);
        assert_eq!(changed("strongest", json!({"passes": 1})), ["1 pass"]);
        assert_eq!(changed("apgd-t", json!({"targets": 3})), ["3 targets"]);
        assert_eq!(changed("fab", json!({"bias": 0.5})), ["bias 0.5"]);
        // AutoAttack makes the attacks of a name with fields that say nothing, and in l1 with others of its own.
        let own = |norm| -> Vec<Vec<String>> {
            let attacks: Vec<Box<dyn Attack>> = Version::Standard.attacks(norm);
            attacks.iter().map(|attack| NamedAttack::of(attack.as_ref()).changed()).collect()
        };
        assert!(own(Norm::Linf).iter().all(Vec::is_empty), "{:?}", own(Norm::Linf));
        assert_eq!(own(Norm::L1)[..2], [["5 restarts"], ["5 targets"]]);
        let there = json!({"surrogate": "x", "attack": {"loss": "ce", "steps": 7}});
        let transfer = NamedAttack { name: "transfer-apgd-t".into(), parameters: there };
        assert!(transfer.changed().contains(&"7 steps".to_string()), "{:?}", transfer.changed());
        let foreign = NamedAttack { name: "mine".into(), parameters: json!({"steps": 1}) };
        assert!(foreign.changed().is_empty());
    }
}
