//! The command `kennard`.

mod attack;
mod audit;
mod features;
mod grad;
mod inspect;
mod merge;
mod plane;
mod points;
mod portrait;
mod probe;
mod progress;
mod recipe;
mod report;
mod reproduce;
mod resolve;
mod screen;
mod settings;
mod setup;
mod slice;
mod source;
mod track;
mod tradeoff;
mod train;
mod uncertainty;
mod watch;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const AFTER_HELP: &str = "\
Exit status:
  0    done
  1    something went wrong; the message says what, where, and what to do
  2    the command line makes no sense
  130  interrupted; what was finished is kept and said";

/// How accurate a neural network is, how robust it is, and how close it stands to the bound that
/// ties the two together.
#[derive(Parser)]
#[command(name = "kennard", version, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure accuracy, accuracy under attack, and conjugate spreads
    Audit(Box<audit::Args>),
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
    /// Measure conjugate spreads: a packet's figures over its scale, with the bound that holds
    Uncertainty(Box<uncertainty::Args>),
    /// Make a page of runs that people look at, compare and share
    Report(report::Args),
    /// Serve the page of a run on this machine while the run goes on
    Watch(watch::Args),
    /// Show operators, weights and shapes, and what cannot be differentiated
    Inspect(inspect::Args),
    /// Write the gradient of a model as an ONNX file of its own
    Grad(grad::Args),
}

/// What a command ends with when nothing went wrong.
enum Done {
    Fully,
    Interrupted,
}

type Outcome = Result<Done, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    kennard_runtime::start_without_telemetry();
    // Models may be tens of thousands of nodes deep.
    kennard_runtime::on_deep_stack(run)
}

fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Audit(args) => audit::run(*args),
        Command::Attack(args) => attack::run(*args),
        Command::Track(args) => track::run(*args),
        Command::Tradeoff(args) => tradeoff::run(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Merge(args) => merge::run(&args),
        Command::Plane(args) => plane::run(&args),
        Command::Features(args) => features::run(&args),
        Command::Resolve(args) => resolve::run(&args),
        Command::Probe(args) => probe::run(&args),
        Command::Slice(args) => slice::run(&args),
        Command::Uncertainty(args) => uncertainty::run(*args),
        Command::Report(args) => report::run(&args),
        Command::Watch(args) => watch::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Grad(args) => grad::run(&args),
    };
    match outcome {
        Ok(Done::Fully) => ExitCode::SUCCESS,
        Ok(Done::Interrupted) => ExitCode::from(130),
        Err(error) => {
            eprintln!("kennard: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  because {cause}");
                source = cause.source();
            }
            ExitCode::FAILURE
        }
    }
}
