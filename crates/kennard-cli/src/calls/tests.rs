use std::collections::BTreeSet;

use super::*;

/// What a call says of a setting that no command has: it lists those that it reads.
fn refusal(command: &str) -> Option<Error> {
    let model = Model::File("nowhere.onnx".into());
    let stop = AtomicBool::new(false);
    let mut options = Arguments::from_iter([("nothing".to_owned(), Value::from(1))]);
    if command == "train" {
        options.insert("out".into(), "nowhere".into());
    }
    match command {
        "audit" => audit(&model, None, options, None, &stop, |_| ()).err(),
        "attack" => attack(&model, None, options, &stop, |_| (), |_| Ok(())).err(),
        "uncertainty" => uncertainty(&model, None, options, &stop, |_, _| ()).err(),
        "calibrate" => calibrate(&model, None, options, &stop, |_, _| ()).err(),
        "train" => train(Some(&model), None, options, &stop, |_, _| ()).err(),
        "certify" => certify(&model, None, options, &stop, |_| ()).err(),
        "smooth" => smooth(&model, None, options, &stop, |_, _| ()).err(),
        "bound" => bound(&model, options).err(),
        "grad" => grad(&model, options).err(),
        _ => None,
    }
}

/// The option names of a call are the options of its command, but for those that only a command line has a use for, and the
/// keys that the call reads.
#[test]
fn option_names_are_those_of_the_command_and_those_that_the_call_reads() {
    let root = crate::command::command();
    let mut calls = 0;
    for command in root.get_subcommands() {
        let name = command.get_name();
        let Some(names) = option_names(name) else { continue };
        calls += 1;
        let names = BTreeSet::from_iter(names);
        let unused: &[&str] = match name {
            // What it finds is returned.
            "attack" => &["config", "out", "certify", "temperature"],
            "bound" | "grad" => &["out"],
            _ => &["config", "json"],
        };
        let longs =
            command.get_arguments().filter(|arg| !arg.is_global_set()).filter_map(|arg| arg.get_long());
        let options: BTreeSet<String> =
            longs.filter(|long| !unused.contains(long)).map(|long| long.replace('-', "_")).collect();
        assert_eq!(names, options, "{name}");

        let said = refusal(name).unwrap().to_string();
        let (_, known) = said.split_once("known are ").unwrap_or_else(|| panic!("{name}: {said}"));
        let read: BTreeSet<String> = known.split(", ").map(|key| key.replace('-', "_")).collect();
        // What is asked for before settings are read.
        let before = ["out", "require", "resume"].map(String::from);
        let beside: Vec<&String> = names.difference(&read).collect();
        assert!(beside.iter().all(|name| before.contains(name)), "{name}: {beside:?} are not read");
        assert!(read.difference(&names).all(|name| unused.contains(&name.as_str())), "{name}: {said}");
    }
    assert_eq!(calls, 9);
}

/// What says how far perturbations may go: epsilon, a reach of each sample or feature, or that the smallest are sought.
#[test]
fn sizes_are_said_in_one_of_four_ways() {
    let check = |setting: &str, value: Value| check_size(Arguments::from_iter([(setting.to_owned(), value)]));
    for (setting, value) in [
        ("eps", Value::from("8/255")),
        ("eps_per_feature", Value::from(vec![0.1, 0.2])),
        ("boxes", Value::from(true)),
        ("minimal", Value::from(vec!["fab"])),
    ] {
        check(setting, value).unwrap();
    }
    for (setting, value) in [("boxes", false), ("resume", true)] {
        assert!(
            matches!(check(setting, value.into()), Err(Error::Missing { setting, .. }) if setting == "--eps")
        );
    }
}
