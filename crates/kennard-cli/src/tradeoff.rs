use std::path::PathBuf;
use std::sync::Mutex;

use kennard::experiment::{Point, correlation_lines, table, tradeoff};
use kennard::report::{Block, Sheet};
use serde_json::json;
use toml::Value;

use crate::lab::Bench;
use crate::report::{SAME_COMMAND, percent, percents, refuse_others, say_below};
use crate::source::{say_warning, show, with_pdfs, write_all};
use crate::sweep::{Sweep, seen_of};
use crate::track::is_seen;
use crate::{Done, Ended};

/// The title of the page.
const TITLE: &str = "Clean and robust accuracy";

#[derive(clap::Args)]
pub struct Args {
    /// A TOML file: settings for all runs in the tables `train` and `audit`, and for each run a table `run`
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
    /// Where to keep the runs, and to write tradeoff.md, .csv, .json, .svg and report.html
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The data set, in place of the file's
    #[arg(long, value_name = "KIND:PATH")]
    data: Option<String>,
    /// Print the figures as JSON to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Ended {
    let text =
        std::fs::read_to_string(&args.config).map_err(|e| format!("{}: {e}", args.config.display()))?;
    let given = args.data.iter().map(|data| ("data".into(), Value::from(data.as_str()))).collect();
    let sweep = Sweep::read(&text, &given).map_err(|e| format!("{}: {e}", args.config.display()))?;
    sweep.seen.iter().for_each(say_warning);
    sweep.check().map_err(|e| format!("{}: {e}", args.config.display()))?;
    let what = format!("Networks trained and audited as {} says.", args.config.display());
    let page = Sheet {
        audits: true,
        goes_on: Some(SAME_COMMAND.into()),
        warnings: Vec::from_iter(sweep.seen.clone()),
        ..Sheet::new(TITLE, what, crate::command_line())
    };
    let bench = Bench { page: Mutex::new(Some((args.out.clone(), page.clone()))), ..sweep.bench()? };
    kennard::run::prepare_shared(&args.out)?;
    refuse_others(&args.out, |title| title == TITLE)?;
    let Some(points) = tradeoff::run(&bench, &args.out)? else {
        crate::report::beside(&args.out, "")?;
        warn!("{}: what is done is kept; the same command continues", args.out.display());
        return Ok(Done::Interrupted);
    };
    let (mut files, found) = tradeoff::files(&points, TITLE)?;
    let certified = files.iter().any(|(name, _)| name == tradeoff::CERTIFIED);
    let names = points.iter().map(|point| point.name.as_str());
    let seen: Vec<&str> = names
        .filter(|name| {
            let place = args.out.join(name);
            is_seen(&place, &place.join("audit"))
        })
        .collect();
    let warnings = seen_of(&seen, points.len()).map_or_else(|| page.warnings.clone(), |seen| vec![seen]);
    say_below(&mut files, "tradeoff.md", &warnings);
    write_all(&args.out, &with_pdfs(files)?)?;
    let page = Sheet { warnings, ..filled(page, &points, &correlation_lines(&found, false), certified) };
    crate::report::leave(&args.out, &page)?;
    show(&json!({ "points": points, "correlations": found }), args.json, |_| {
        let front = tradeoff::front(&points);
        say!("\n{}\n{front}{}", table(&points), correlation_lines(&found, false).trim_end());
    })?;
    Ok(Done::Fully)
}

/// The page with what was found, the picture of what is certified among it where there is one.
fn filled(mut page: Sheet, points: &[Point], correlations: &str, certified: bool) -> Sheet {
    for point in points.iter().filter(|point| point.best) {
        let accuracies = format!("{} and {}", percent(point.clean.value), percent(point.robust.value));
        page = page.lead(
            point.name.clone(),
            accuracies,
            Some(format!(
                "clean {}, robust {}; none is as good in both and better in one",
                percents(point.clean.interval),
                percents(point.robust.interval)
            )),
        );
    }
    let lines = correlations.lines().map(Block::note);
    let certified =
        certified.then(|| Block::picture(tradeoff::CERTIFIED, "The same, certified accuracy as colour"));
    let drift = Block::picture("tradeoff-drift.svg", "Clean against robust accuracy, the drift as colour");
    let parts = [Some(drift), certified].into_iter().flatten();
    page.text("Networks", &table(points)).section("What goes together", parts.chain(lines).collect())
}
