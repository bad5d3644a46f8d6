use std::path::{Path, PathBuf};

use kennard::audit::merge;
use kennard::smoothing::{FinishedSmoothing, merge_smoothing};
use serde_json::Value;

use crate::source::show;
use crate::{Done, Ended, Usage, command_line, report, screen, smooth};

#[derive(clap::Args)]
pub struct Args {
    /// The directories of all shards; without --out, the first names the directory to write and is no shard
    #[arg(required = true, value_name = "SHARD")]
    shards: Vec<PathBuf>,
    /// The directory to write
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print summary.json to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

/// Whether a directory holds a part of a run.
fn is_shard(directory: &Path) -> bool {
    let text = std::fs::read(directory.join("manifest.json")).unwrap_or_default();
    let manifest: Value = serde_json::from_slice(&text).unwrap_or_default();
    manifest.pointer("/settings/shard/of").and_then(Value::as_u64).is_some_and(|of| of > 1)
}

pub fn run(args: &Args) -> Ended {
    let (out, shards) = match (&args.out, args.shards.as_slice()) {
        (Some(out), shards) => (out, shards),
        (None, [out, shards @ ..]) if !shards.is_empty() => {
            if is_shard(out) {
                let message = format!(
                    "{} is a shard, and would be the directory to write, as there is no --out; give --out",
                    out.display()
                );
                return Err(Usage(message).into());
            }
            (out, shards)
        }
        _ => return Err(Usage("--out is missing: the directory to write".into()).into()),
    };
    if shards.first().is_some_and(|first| FinishedSmoothing::is_in(first)) {
        let mut merged = merge_smoothing(shards)?;
        merged.manifest.command = command_line();
        merged.write(out)?;
        smooth::end(&merged.outcome.summary, args.json, Some(out))?;
        return Ok(Done::Fully);
    }
    let mut merged = merge(shards)?;
    merged.manifest.command = command_line();
    merged.write(out)?;
    show(&merged.outcome.summary, args.json, |summary| screen::print(summary, None))?;
    report::beside(out, "manifest.json, samples.parquet, examples.parquet, summary.json")?;
    Ok(Done::Fully)
}
