use std::path::PathBuf;

use kennard::audit::merge;

use crate::{Done, Outcome, Usage, report, screen};

#[derive(clap::Args)]
pub struct Args {
    /// The directories of all shards; without --out the first directory is the one to write
    #[arg(required = true, value_name = "SHARD")]
    shards: Vec<PathBuf>,
    /// The directory to write
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print summary.json to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Outcome {
    let (out, shards) = match (&args.out, args.shards.as_slice()) {
        (Some(out), shards) => (out, shards),
        (None, [out, shards @ ..]) if !shards.is_empty() => (out, shards),
        _ => return Err(Usage("--out is missing: the directory to write".into()).into()),
    };
    if out.join("manifest.json").exists() {
        return Err(format!("{} holds a run already; name a directory that does not", out.display()).into());
    }
    let merged = merge(shards)?;
    merged.write(out)?;
    if args.json {
        crate::out::json(&merged.outcome.summary.to_json()?);
    } else {
        screen::print(&merged.outcome.summary, None);
    }
    report::beside(out, "manifest.json, samples.parquet, examples.parquet, summary.json");
    Ok(Done::Fully)
}
