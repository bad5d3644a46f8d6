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
                let said = refusal(name, key, bad.clone()).unwrap_or_else(|| panic!("{name} {key} {bad}"));
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
        assert!(refusal(name, key, json!(value)).is_some_and(|said| said.contains("share")), "{name} {key}");
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
