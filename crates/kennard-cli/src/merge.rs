use std::path::PathBuf;

use kennard::audit::merge;

use crate::{Done, Outcome, report, screen};

#[derive(clap::Args)]
pub struct Args {
    /// The directory to write
    out: PathBuf,
    /// The directories of all shards
    #[arg(required = true, value_name = "SHARD")]
    shards: Vec<PathBuf>,
    /// Print summary.json to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Outcome {
    let merged = merge(&args.shards)?;
    merged.write(&args.out)?;
    if args.json {
        print!("{}", merged.outcome.summary.to_json()?);
    } else {
        screen::print(&merged.outcome.summary, None);
    }
    report::beside(&args.out, "manifest.json, samples.parquet, examples.parquet, summary.json")?;
    Ok(Done::Fully)
}
