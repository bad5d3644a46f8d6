//! The command `kennard`, as a library: whoever ships the command calls [`main`].

#![warn(missing_docs)]
// Printing goes through `out.rs` alone.
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[macro_use]
mod out;
#[macro_use]
mod settings;

mod attack;
mod attacks;
mod audit;
mod bound;
mod calibrate;
pub mod calls;
mod certify;
mod command;
mod features;
mod grad;
mod inspect;
mod lab;
mod manual;
mod merge;
mod noise;
mod pace;
mod packets;
mod plane;
mod portrait;
mod probe;
mod progress;
mod recipe;
mod report;
mod reproduce;
mod resolve;
mod screen;
mod search;
mod setup;
mod slice;
mod smooth;
mod source;
mod sweep;
mod track;
mod tradeoff;
mod train;
mod uncertainty;
mod watch;

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::error::ErrorKind;
use clap::{FromArgMatches, Parser, Subcommand};
/// The library, whose types the calls take and return.
pub use kennard;
use kennard_runtime::{Choice, Runtime};

/// How accurate a neural network is, how robust it is, and how close it stands to the bound that
/// ties the two together.
#[derive(Parser)]
#[command(name = "kennard", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// No progress and no notes; results, warnings and errors stay
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Measure accuracy, accuracy under attack, and conjugate spreads
    Audit(Box<audit::Args>),
    /// Prove of samples that nothing within eps is misclassified: the lower end of robust accuracy
    Certify(Box<certify::Args>),
    /// Write adversarial examples as arrays and pictures
    Attack(Box<attack::Args>),
    /// Train a network, and keep every epoch as an ONNX file
    Train(Box<train::Args>),
    /// Audit every checkpoint of a training run: one table, one picture
    Track(Box<track::Args>),
    /// Train networks by several methods, and draw clean against robust accuracy
    Tradeoff(tradeoff::Args),
    /// Repeat an experiment of the paper, and say whether its claim comes out
    Reproduce(reproduce::Args),
    /// Compare minimum-norm attacks
    #[command(subcommand)]
    Attacks(attacks::Attacks),
    /// Put the shards of a run together
    Merge(merge::Args),
    /// Measure packets of a two-class problem in the plane by quadrature, and draw them
    Plane(plane::Args),
    /// Attack a hidden tensor and the pixels, side by side at equal relative size
    Features(features::Args),
    /// Fit probes that read the label from the input and from the loss gradient
    Resolve(resolve::Args),
    /// Measure what one gradient per sample says: cosines with the input, and contributions
    Probe(probe::Args),
    /// Measure the packet along a line or a plane through a sample by quadrature, and draw it
    Slice(slice::Args),
    /// Fit the temperature at which a network is as confident as it is right, and measure what it does
    Calibrate(calibrate::Args),
    /// Certify the smoothed classifier (the model under noise): the radius within which its class cannot change, with a
    /// stated error probability
    Smooth(Box<smooth::Args>),
    /// Measure conjugate spreads: a packet's figures over its scale, with the bound that holds
    Uncertainty(Box<uncertainty::Args>),
    /// Make a page of runs that people look at, compare and share
    Report(report::Args),
    /// Serve the page of a run on this machine while the run goes on
    Watch(watch::Args),
    /// Show operators, weights and shapes, and what cannot be differentiated or bounded
    Inspect(inspect::Args),
    /// Write the gradient of a model as an ONNX file of its own
    Grad(grad::Args),
    /// Write certified bounds of a model as an ONNX file of its own
    Bound(bound::Args),
    /// Print the script by which a shell completes commands and options
    Completions(manual::Completions),
    /// Print the man page, or write those of all commands
    Man(manual::Pages),
}

/// What a command ends with when nothing went wrong.
enum Done {
    Fully,
    /// A requirement does not hold.
    Short,
    Interrupted,
}

type Error = Box<dyn std::error::Error>;

/// How a command ended, well or not.
type Ended = Result<Done, Error>;

/// The command line makes no sense.
#[derive(Debug)]
struct Usage(String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Does what the words of the process's command line say, and returns the status to end with.
pub fn main() -> ExitCode {
    ExitCode::from(answer_to(std::env::args_os().collect()))
}

/// Does what a command line says, the command's own name first, and returns the status to end with.
pub fn answer_to(words: Vec<OsString>) -> u8 {
    kennard_runtime::start_without_telemetry();
    let words = WORDS.get_or_init(|| words);
    // Models may be tens of thousands of nodes deep.
    kennard_runtime::on_deep_stack(|| answered(words))
}

/// The words that the process answers to, for the record.
static WORDS: OnceLock<Vec<OsString>> = OnceLock::new();

/// The status that the command line ends with.
fn answered(words: &[OsString]) -> u8 {
    let cli = command::command().try_get_matches_from(words).and_then(|words| Cli::from_arg_matches(&words));
    let outcome = match cli {
        Ok(cli) => {
            if cli.quiet {
                out::be_quiet();
            }
            match run(cli.command) {
                Ok(Done::Fully) => 0,
                Ok(Done::Short) => 3,
                Ok(Done::Interrupted) => 130,
                Err(error) => {
                    complain(error.as_ref());
                    if error.is::<Usage>() { 2 } else { 1 }
                }
            }
        }
        Err(said) if said.kind() == ErrorKind::DisplayVersion => {
            say!("{}", version());
            0
        }
        Err(said) => answer(&said),
    };
    match out::finish() {
        Err(error) if outcome == 0 => {
            warn!("kennard: standard output cannot be written: {error}");
            1
        }
        _ => outcome,
    }
}

fn run(command: Command) -> Ended {
    match command {
        Command::Audit(args) => audit::run(*args),
        Command::Certify(args) => certify::run(*args),
        Command::Attack(args) => attack::run(*args),
        Command::Track(args) => track::run(*args),
        Command::Tradeoff(args) => tradeoff::run(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Attacks(attacks::Attacks::Compare(args)) => attacks::compare(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Plane(args) => plane::run(&args),
        Command::Features(args) => features::run(&args),
        Command::Resolve(args) => resolve::run(&args),
        Command::Probe(args) => probe::run(&args),
        Command::Slice(args) => slice::run(&args),
        Command::Calibrate(args) => calibrate::run(&args),
        Command::Smooth(args) => smooth::run(&args),
        Command::Uncertainty(args) => uncertainty::run(*args),
        Command::Report(args) => report::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Grad(args) => grad::run(&args),
        Command::Bound(args) => bound::run(&args),
        Command::Completions(args) => manual::completions(&args),
        Command::Man(args) => manual::pages(&args),
    }
}

/// Says what went wrong. Further lines are set in, so that no name with a line end in it can pose as a message.
fn complain(error: &(dyn std::error::Error + 'static)) {
    let set_in = |text: String| text.replace('\n', "\n    ");
    let advised = error.downcast_ref::<kennard::Error>().map(|error| error.worded(command::flag));
    let mut said = advised.unwrap_or_else(|| error.to_string());
    warn!("kennard: {}", set_in(said.clone()));
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        // Some messages end with their cause.
        if !said.contains(&text) {
            warn!("  because {}", set_in(text.clone()));
            said = text;
        }
        source = cause.source();
    }
}

/// Says what a command line was answered with: help, the version, or what is wrong with it.
fn answer(said: &clap::Error) -> u8 {
    let failed = said.use_stderr();
    // Colours only where no word of the command line can bring its own.
    let plain = command_line().iter().any(|word| out::escaped(word) != *word);
    match (failed, plain) {
        (true, true) => warn!("{}", said.render().to_string().trim_end()),
        (true, false) => drop(said.print()),
        (false, _) => out::keep(said.print()),
    }
    said.exit_code() as u8
}

/// What this program is, and what it would run models with.
fn version() -> String {
    let commit = match env!("KENNARD_COMMIT") {
        "" => String::new(),
        commit => format!(" ({commit})"),
    };
    let rten = Runtime::open(Choice::Rten).map_or("rten".into(), |rten| format!("rten {}", rten.version()));
    let onnxruntime = match Runtime::open(Choice::OnnxRuntime) {
        Ok(library) => format!("ONNX Runtime {}, {}", library.version(), library.reason()),
        Err(_) => "ONNX Runtime not found".into(),
    };
    format!("kennard {}{commit}, {rten}, {onnxruntime}", env!("CARGO_PKG_VERSION"))
}

/// The words of the command line, for the record.
fn command_line() -> Vec<String> {
    let words = WORDS.get_or_init(|| std::env::args_os().collect());
    words.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}
