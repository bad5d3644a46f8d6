use std::path::PathBuf;

use kennard::audit::{Comparison, FinishedRun, compare as compared};

use kennard::run::Shard;

use crate::report::percent;
use crate::screen::short;
use crate::source::show;
use crate::{Done, Ended};

#[derive(clap::Subcommand)]
pub enum Attacks {
    /// Rank minimum-norm attacks by how close they come to the closest points that any of them found
    Compare(Args),
}

#[derive(clap::Args)]
pub struct Args {
    /// Directories of audits with --minimal, of the same model, samples and norm
    #[arg(required = true, value_name = "RUN_DIR")]
    runs: Vec<PathBuf>,
    /// Print the table as JSON to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

pub fn compare(args: &Args) -> Ended {
    let runs: Vec<FinishedRun> =
        args.runs.iter().map(|run| FinishedRun::open(run)).collect::<Result<_, _>>()?;
    let comparison = compared(&runs)?;
    show(&comparison, args.json, |comparison| print(comparison, args))?;
    Ok(Done::Fully)
}

fn print(comparison: &Comparison, args: &Args) {
    let Comparison { norm, samples, shard, correct, farthest, attacks } = comparison;
    let of = if *shard == Shard::WHOLE { String::new() } else { format!(" in shard {shard} alone") };
    say!(
        "distances in {norm} of {correct} correctly classified samples of {samples}{of}, compared up to {}",
        short(*farthest)
    );
    let width = attacks.iter().map(|attack| attack.name.len()).max().unwrap_or(0).max("attack".len());
    say!("{:width$}  optimality    median   found  within 1 %  propagations", "attack");
    for attack in attacks {
        let optimality = attack.optimality.map_or("-".into(), percent);
        let median = attack.median.map_or("-".into(), short);
        let run = match args.runs.get(attack.run) {
            Some(run) if args.runs.len() > 1 => format!("  {}", run.display()),
            _ => String::new(),
        };
        say!(
            "{:width$}  {optimality:>10}  {median:>8}  {:>6}  {:>10}  {:>12.0}{run}",
            attack.name,
            attack.found,
            attack.best,
            attack.propagations
        );
    }
}
