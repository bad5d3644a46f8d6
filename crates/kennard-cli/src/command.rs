//! The command line as a whole: what options that several commands have share, and an example of each command.

mod examples;

use std::str::FromStr;

use clap::builder::RangedU64ValueParser;
use clap::{Arg, Command, CommandFactory};
use kennard::Mark;
use kennard::attack::{Parameters, Version, attack, minimum_norm};
use kennard::data::{DataSpec, Split, nearest};
use kennard_runtime::Choice;

use examples::EXAMPLES;

use crate::search::Search;
use crate::settings::Named;

const STATUS: &str = "\
Exit status:
  0    done
  1    something went wrong; the message says what, where, and what to do
  2    the command line makes no sense
  3    what --require asks for does not hold
  130  interrupted; what was finished is kept and said";

/// Lines of help are not wider than this.
const WIDTH: usize = 110;

/// The headings of the help, and the options under them, in whatever command they are.
const HEADINGS: [(&str, &str); 8] = [
    ("Model", "arch init tensor input_shape input hold output threshold input_scale mean std nhwc"),
    (
        "Data",
        "data split samples first classes label_column resize centre_crop interpolation shard held_out label sample problem noise",
    ),
    ("Threat", "norm eps eps_relative bounds boxes eps_per_feature frozen integer one_hot"),
    (
        "Attacks",
        "attack certify minimal transfer steps step_size restarts random_start targets queries budget full \
         search_precision",
    ),
    (
        "Packets",
        "packet packet_samples temperature temperatures scale centres draws max_draws max_samples rel_tol accept_few clamp",
    ),
    ("Smoothing", "sigma radius choosing alpha"),
    ("Run", "config resume seed runtime micro_batch threads memory"),
    ("Output", "out json require quiet"),
];

/// Options of real numbers, which may begin with a minus. Where a negative number is wrong, the option's own check refuses it.
const NUMBERS: &str = "alpha average bounds clip eps eps_relative eps_warmup input_scale label_smoothing \
                       learning_rate mean momentum noise radius rel_tol scale sigma std step_size strength temperature \
                       temperatures threshold weight_decay";

/// More threads than these are a slip of the finger.
const THREADS: u64 = 1024;

/// The whole command line.
pub fn command() -> Command {
    crate::Cli::command()
        .max_term_width(WIDTH)
        .after_help(STATUS)
        .mut_args(|arg| common(arg, "kennard"))
        .mut_subcommands(|command| {
            let name = command.get_name().to_string();
            let examples = EXAMPLES.iter().find(|(of, _)| *of == name).map_or("", |(_, lines)| *lines);
            command.after_help(format!("Examples:{examples}")).mut_args(|arg| common(arg, &name))
        })
}

/// The help of options that mean something narrower in one command than elsewhere.
const OTHERWISE: [(&str, &str, &str); 15] = [
    ("track", "attack", "The attacks, in this order, by the names that `kennard audit` takes [default: pgd]"),
    (
        "track",
        "certify",
        "Before attacks, try to prove of each sample that nothing within eps breaks it: true or false [default: where that costs little]",
    ),
    (
        "attack",
        "out",
        "A new directory for adversarials.npz, and of images pictures and their list, pictures.csv",
    ),
    (
        "reproduce",
        "data",
        "The data set, to train and to test on: mnist:DIR, fashion-mnist:DIR, cifar10:DIR …; e4 and r4 make their own",
    ),
    (
        "reproduce",
        "split",
        "The part of it to train on: train, or test for a quick look (it is also examined) [default: train]",
    ),
    ("train", "split", "The part of it: train or test [default: train]"),
    ("train", "norm", "How changes are measured: linf, l2, l1 [default: linf]"),
    ("train", "eps", "The size of changes, for example 8/255; also of the PGD that validates"),
    ("train", "samples", "Use only this many samples of the data, drawn at random by the seed"),
    ("train", "first", "Use only the first N samples of the data, in the order of the files"),
    ("train", "seed", "Seeds weights, order, variations and attacks [default: 0]"),
    ("train", "micro_batch", "Samples worked on together by one core; divides the batch [default: 32]"),
    ("features", "seed", "The seed of the random starts [default: 0]"),
    ("plane", "seed", "The seed of the points [default: 0]"),
    ("slice", "seed", "The seed of the samples that find a mode [default: 0]"),
];

/// An option as all commands that have it take it.
fn common(arg: Arg, command: &str) -> Arg {
    let id = arg.get_id().as_str().to_string();
    let id = id.as_str();
    if arg.is_positional() {
        return arg;
    }
    let among = |options: &str| options.split_whitespace().any(|option| option == id);
    let arg = match HEADINGS.iter().find(|(_, options)| among(options)) {
        Some((heading, _)) => arg.help_heading(*heading),
        None => arg,
    };
    let arg = match OTHERWISE.iter().find(|(of, option, _)| (*of, *option) == (command, id)) {
        Some((_, _, help)) => arg.help(help),
        None => arg,
    };
    let arg = if among(NUMBERS) { arg.allow_hyphen_values(true) } else { arg };
    // These options are of audits, whose settings attack shares.
    let silent = command == "attack" && among("certify packet_samples temperature");
    // A tracked run has no shards, and says so.
    let silent = silent || (command, id) == ("track", "shard");
    let arg = if silent { arg.hide(true) } else { arg };
    let arg = match id {
        "out" => arg.short('o'),
        "threads" => arg.value_parser(RangedU64ValueParser::<usize>::new().range(1..=THREADS)),
        "data" => arg.value_parser(valid::<DataSpec>),
        "split" => arg.value_parser(valid::<Split>),
        "search_precision" => arg.value_parser(valid::<Search>),
        "runtime" => arg.value_parser(valid::<Choice>),
        "attack" => arg.value_parser(attack_name),
        "minimal" => arg.value_parser(minimal_name),
        // In train, --crop is the augmentation's.
        "centre_crop" if command != "train" => arg.visible_alias("crop"),
        _ => arg,
    };
    // What may also come from a file is asked for only where there is none.
    match (command, id) {
        ("audit" | "attack", "data") => arg.required_unless_present("config"),
        ("smooth", "sigma") => arg.required(true),
        ("certify", "eps") => arg.required_unless_present_any(["boxes", "eps_per_feature"]),
        ("audit" | "attack", "eps") => {
            arg.required_unless_present_any(["config", "minimal", "boxes", "eps_per_feature"])
        }
        ("attack", "out") => arg.required_unless_present("config"),
        (
            "train" | "certify" | "features" | "resolve" | "probe" | "slice" | "smooth" | "uncertainty"
            | "calibrate",
            "data",
        ) => arg.required(true),
        // A word that follows is the model.
        (
            "certify" | "features" | "resolve" | "probe" | "slice" | "smooth" | "uncertainty" | "calibrate"
            | "plane",
            "nhwc",
        ) => arg.require_equals(true),
        ("train", "arch") => arg.required_unless_present("init"),
        ("reproduce", "data") => arg.required_if_eq_any(
            ["e1", "e2", "e3", "e5", "e6", "r1", "r2", "r3", "r5", "r6", "r7"]
                .map(|name| ("experiment", name)),
        ),
        ("reproduce", "models") => arg.required_if_eq("experiment", "r5"),
        ("uncertainty", "scale") => arg
            .required_unless_present("packet")
            .required_if_eq_any(["gaussian", "data"].map(|packet| ("packet", packet))),
        _ => arg,
    }
}

/// A setting of the library as the command names it: `packet_samples` is `--packet-samples`.
pub fn flag(mark: Mark<'_>) -> String {
    let Mark::Setting { name, value } = mark else { return mark.to_string() };
    let value = value.map_or(String::new(), |value| format!(" {value}"));
    format!("--{}{value}", name.replace('_', "-"))
}

/// A text that is one of the values of `T`.
fn valid<T: FromStr>(text: &str) -> Result<String, T::Err> {
    text.parse::<T>().map(|_| text.into())
}

fn attack_name(text: &str) -> Result<Named, String> {
    let named = Named::plain(text);
    if named.name == "none" || named.name.parse::<Version>().is_ok() {
        return Ok(named);
    }
    attack(&named.name, &Parameters::new()).map(|_| named).map_err(|error| {
        let near = nearest(text, ["standard", "plus", "rand", "none"]);
        near.map_or(String::new(), |known| format!("did you mean {known}? ")) + &error.to_string()
    })
}

fn minimal_name(text: &str) -> Result<Named, kennard::Error> {
    let named = Named::plain(text);
    minimum_norm(&named.name, &Parameters::new()).map(|_| named)
}
