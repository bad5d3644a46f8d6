//! The versions of AutoAttack, attack by attack.

use kennard::attack::{Attack, Parameters, Version, attack};
use kennard::serde_json::Value;
use kennard::{Norm, Result};

use super::Arguments;

/// The attacks of a version of AutoAttack in a norm, as an audit takes them one by one: each its name, and the parameters that are not
/// the usual ones of an attack of that name.
///
/// # Errors
/// When there is no such version or norm.
pub fn version_attacks(version: &str, norm: &str) -> Result<Vec<Arguments>> {
    let version: Version = version.parse()?;
    let norm: Norm = norm.parse()?;
    version.attacks(norm).iter().map(|own| named(own.as_ref())).collect()
}

/// An attack by its name and what is not usual about it.
fn named(own: &dyn Attack) -> Result<Arguments> {
    let usual = attack(own.name(), &Parameters::new())?.settings();
    let settings = own.settings();
    let is_other = |key: &str| {
        // An attack towards no class has no use for their number.
        settings[key] != usual[key] && !(key == "targets" && usual[key].as_u64() == Some(0))
    };
    let parameters = settings.as_object().into_iter().flatten().filter(|(key, _)| is_other(key));
    let name = ("name".to_owned(), Value::from(own.name()));
    Ok([name].into_iter().chain(parameters.map(|(key, value)| (key.clone(), value.clone()))).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Budgets of Croce & Hein's implementation: restarts, target classes, and passes that are averaged.
    #[test]
    fn attacks_of_versions_keep_their_budgets() {
        let of = |version: &str, norm: &str| json!(version_attacks(version, norm).unwrap());
        let plain = |name: &str| json!({"name": name});
        let apgd = |name: &str| json!({"name": name, "restarts": 5});
        let [apgd_t, fab_t, square] = ["apgd-t", "fab-t", "square"].map(plain);
        assert_eq!(of("standard", "linf"), json!([plain("apgd-ce"), apgd_t, fab_t, square]));
        let few = json!({"name": "apgd-t", "targets": 5});
        assert_eq!(of("standard", "l1"), json!([apgd("apgd-ce"), few, fab_t, square]));
        let fab = json!({"name": "fab", "restarts": 5});
        assert_eq!(of("plus", "l2"), json!([apgd("apgd-ce"), apgd("apgd-dlr"), fab, square, apgd_t, fab_t]));
        let mean = |name: &str| json!({"name": name, "averaged": 20});
        assert_eq!(of("rand", "linf"), json!([mean("apgd-ce"), mean("apgd-dlr")]));
        assert!(version_attacks("third", "linf").is_err() && version_attacks("plus", "l7").is_err());
    }

    /// What is named is the version's own attack.
    #[test]
    fn what_is_named_is_made_again() {
        for (version, norm) in [("standard", "l1"), ("plus", "linf"), ("rand", "l2")] {
            let own = version.parse::<Version>().unwrap().attacks(norm.parse().unwrap());
            for (own, mut named) in own.iter().zip(version_attacks(version, norm).unwrap()) {
                assert_eq!(named.remove("name"), Some(Value::from(own.name())));
                let made = attack(own.name(), &named).unwrap();
                let [mut made, mut own] = [made.settings(), own.settings()];
                if made["targets"] == 0 {
                    (made["targets"], own["targets"]) = (Value::Null, Value::Null);
                }
                assert_eq!(made, own, "{version} {norm}");
            }
        }
    }
}
