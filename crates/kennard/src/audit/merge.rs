use std::path::PathBuf;

use serde_json::Value;

use super::directory::FinishedRun;
use super::{Shard, gallery, warnings};
use crate::run::files::differences;
use crate::{Advice, Error, Result};

/// The run whose shards lie in `parts`, as if it had been run as one.
///
/// # Errors
/// When a part is missing, unfinished or damaged, there twice, or of another run; the message names the
/// difference.
pub fn merge(parts: &[PathBuf]) -> Result<FinishedRun> {
    let runs: Vec<FinishedRun> = parts.iter().map(|path| FinishedRun::open(path)).collect::<Result<_>>()?;
    let Some(first) = runs.first() else {
        return Err(Error::Setting("there is nothing to merge; name the directories of the shards".into()));
    };
    let mut taken: Vec<Option<&PathBuf>> = Vec::new();
    for (run, path) in runs.iter().zip(parts) {
        let error = |message: String| Error::Run { path: path.clone(), message };
        let apart = differences(&whole(first)?, &whole(run)?);
        if !apart.is_empty() {
            return Err(error(format!(
                "is part of another run than {}: {}",
                parts[0].display(),
                apart.join("; ")
            )));
        }
        let shard = shard(run)?;
        if !taken.is_empty() && taken.len() != shard.of {
            let message = format!("is shard {shard}, {} is one of {}", parts[0].display(), taken.len());
            return Err(error(message));
        }
        taken.resize(shard.of, None);
        if let Some(twin) = taken[shard.number - 1].replace(path) {
            return Err(error(format!("is shard {shard}, and so is {}", twin.display())));
        }
    }
    if let Some(missing) = taken.iter().position(Option::is_none) {
        let shard = Shard { number: missing + 1, of: taken.len() };
        return Err(Error::Setting(format!("shard {shard} is missing"))
            .advise(Advice::new("; run it with {shard}, and name its directory").with("shard", shard)));
    }
    let mut merged = first.clone();
    merged.manifest.settings = whole(first)?;
    merged.manifest.about.samples = runs.iter().map(|run| run.manifest.about.samples).sum();
    let outcome = &mut merged.outcome;
    // What a shard had to reach, the whole need not.
    outcome.summary.requirements.clear();
    for run in &runs[1..] {
        let (sum, part) = (&mut outcome.summary, &run.outcome.summary);
        outcome.records.extend_from_slice(&run.outcome.records);
        sum.total += part.total;
        sum.seconds += part.seconds;
        sum.attacks.iter_mut().zip(&part.attacks).for_each(|(sum, part)| sum.seconds += part.seconds);
        sum.minimal.iter_mut().zip(&part.minimal).for_each(|(sum, part)| sum.seconds += part.seconds);
        sum.packets.extend_from_slice(&part.packets);
        let news = part.warnings.iter().filter(|warning| !sum.warnings.contains(warning));
        let news: Vec<_> = news.cloned().collect();
        sum.warnings.extend(news);
    }
    let mine = std::mem::take(&mut outcome.shown);
    let theirs = runs[1..].iter().flat_map(|run| run.outcome.shown.iter().cloned());
    outcome.shown = gallery::choose(mine.into_iter().chain(theirs).collect());
    outcome.records.sort_by_key(|record| record.index);
    outcome.summary.count(&outcome.records);
    warnings::review(outcome);
    Ok(merged)
}

fn shard(run: &FinishedRun) -> Result<Shard> {
    let shard = run.manifest.settings.get("shard").cloned().unwrap_or_default();
    serde_json::from_value(shard).map_err(|e| Error::Setting(format!("the manifest names no shard ({e})")))
}

/// The settings of the whole run that a shard belongs to.
fn whole(run: &FinishedRun) -> Result<Value> {
    let mut settings = run.manifest.settings.clone();
    if let Some(fields) = settings.as_object_mut() {
        let whole = serde_json::to_value(Shard::WHOLE).map_err(|e| Error::Setting(e.to_string()))?;
        fields.insert("shard".into(), whole);
    }
    Ok(settings)
}
