//! The rows of a paper's table, and the sentence that says how they were measured.

#[cfg(test)]
mod tests;

use super::Source;
use super::document::names;
use super::markup::Markup;
use crate::audit::{OWN_SIZES, RunState, Summary};
use crate::run::DataSummary;
use crate::warning::Warning;
use crate::{Norm, Precision, RequestError, Result};
use itertools::Itertools;

/// What the table's columns are called, and whether their entries are numbers. The column of certificates is there where an
/// audit has some.
const COLUMNS: [(&str, bool); 9] = [
    ("model", false),
    ("data", false),
    ("samples", true),
    ("threat model", false),
    ("clean accuracy [%]", true),
    ("robust accuracy [%]", true),
    (CERTIFIED, true),
    ("attacks", false),
    ("Kennard", false),
];

const CERTIFIED: &str = "certified accuracy [%]";

/// An audit as a row, and what its accuracy was measured by.
struct PaperRow {
    model: String,
    data: String,
    samples: u64,
    norm: Norm,
    /// The size of changes as people write it; none where it has no limit.
    eps: Option<String>,
    clean: ShownShare,
    /// What else confined attacks, in words.
    confined: Vec<String>,
    /// None where there was no attack of a size.
    robust: Option<ShownShare>,
    /// None where no certificates were sought.
    certified: Option<ShownShare>,
    /// The version of AutoAttack that the attacks are, if they are one.
    autoattack: Option<String>,
    attacks: Vec<String>,
    seed: u64,
    version: String,
}

/// A share of all samples.
enum ShownShare {
    /// With its 95 % interval.
    Known(f64, [f64; 2]),
    /// What it lies between, and of how many samples it is not known.
    Between([f64; 2], u64),
}

/// The table of all audits and the sentence, with what a reader should know before believing it.
///
/// # Errors
/// When there is no audit.
pub(super) fn table(sources: &[&Source], warnings: &[&Warning], markup: Markup) -> Result<String> {
    let audits: Vec<(&RunState, String)> = sources
        .iter()
        .zip(names(sources))
        .filter_map(|(source, name)| Some((source.audit.as_ref()?, name)))
        .collect();
    let file = |state: &RunState| file_name(&state.outcome.summary.model.file);
    // Networks of a sweep are files of one name, and so is one network that is audited several times.
    let shared = |state: &RunState| audits.iter().filter(|(other, _)| file(other) == file(state)).count() > 1;
    let row = |(state, name): &(&RunState, String)| {
        let row = PaperRow::of(state);
        match shared(state) {
            true => PaperRow { model: format!("{} ({name})", row.model), ..row },
            false => row,
        }
    };
    let rows: Vec<PaperRow> = audits.iter().map(row).collect();
    if rows.is_empty() {
        let message = "there is no audit among these runs, and a table for a paper has one row per audit";
        return Err(RequestError::Nothing(message).into());
    }
    let mut said = text(&rows, markup);
    for Warning { code, message, .. } in warnings.iter().unique_by(|warning| warning.message.clone()) {
        said += &format!("Warning ({}): {}.\n", markup.escaped(code), markup.escaped(message));
    }
    Ok(said)
}

fn text(rows: &[PaperRow], markup: Markup) -> String {
    let certified = rows.iter().any(|row| row.certified.is_some());
    let shown = |column: &&(&str, bool)| certified || column.0 != CERTIFIED;
    let columns: Vec<(&str, bool)> = COLUMNS.iter().filter(shown).copied().collect();
    let cells: Vec<Vec<String>> = rows.iter().map(|row| row.cells(certified, markup)).collect();
    format!("{}\n{}\n", markup.table(&columns, &cells), sentences(rows, markup).join("\n"))
}

impl PaperRow {
    fn of(state: &RunState) -> PaperRow {
        let Summary { model, data, clean, robust, total, .. } = &state.outcome.summary;
        let summary = &state.outcome.summary;
        let share = |known: Option<f64>, interval: Option<[f64; 2]>, bracket, pending| match (known, interval)
        {
            (Some(value), Some(interval)) => ShownShare::Known(value, interval),
            _ => ShownShare::Between(bracket, pending),
        };
        let of_all = |count: u64| count as f64 / (*total).max(1) as f64;
        let could_be = [of_all(clean.correct), of_all(clean.correct + clean.pending)];
        let search = (summary.search_precision != Precision::F32 && summary.autoattack.is_none())
            .then(|| format!("searched in {}", summary.search_precision));
        let shard =
            if summary.shard.is_whole() { String::new() } else { format!(", shard {}", summary.shard) };
        PaperRow {
            model: file_name(&model.file),
            data: format!("{}{shard}", DataSummary { name: data_name(&data.name), ..data.clone() }),
            samples: *total,
            norm: summary.threat_model.norm,
            eps: summary.threat_model.eps.is_finite().then(|| summary.eps_text.clone()),
            clean: share(clean.accuracy, clean.interval, could_be, clean.pending),
            confined: summary.confined.clone(),
            robust: robust.as_ref().map(|r| share(r.robust_accuracy, r.interval, r.bracket, r.pending)),
            certified: summary
                .certified
                .as_ref()
                .map(|c| share(c.certified_accuracy, c.interval, c.bracket, c.pending)),
            autoattack: summary.autoattack.clone(),
            attacks: summary.attacks_in_words().into_iter().chain(search).collect(),
            seed: summary.seed,
            version: state.manifest.kennard.clone(),
        }
    }

    fn cells(&self, certified: bool, markup: Markup) -> Vec<String> {
        let attacks = match &self.autoattack {
            Some(version) => format!("AutoAttack {version}"),
            None if self.attacks.is_empty() => "–".into(),
            None => self.attacks.join(", "),
        };
        let figure = |share: &Option<ShownShare>| {
            share.as_ref().map_or(markup.escaped("–"), |share| share.cell(markup))
        };
        let mut cells = vec![
            markup.escaped(&self.model),
            markup.escaped(&self.data),
            self.samples.to_string(),
            self.threat(markup),
            self.clean.cell(markup),
            figure(&self.robust),
        ];
        cells.extend(certified.then(|| figure(&self.certified)));
        cells.extend([markup.escaped(&attacks), markup.escaped(&self.version)]);
        cells
    }

    /// How its robust accuracy was measured.
    fn method(&self, markup: Markup) -> String {
        let names = self.attacks.join(", ");
        let attacks = match &self.autoattack {
            Some(version) => format!("AutoAttack {version}: {names}"),
            None => names,
        };
        let attacks = markup.escaped(&attacks);
        format!(
            "measured with Kennard {} ({attacks}; seed {}) on {} samples of {}, {}",
            markup.escaped(&self.version),
            self.seed,
            self.samples,
            markup.escaped(&self.data),
            self.threat(markup)
        )
    }

    /// What attacks were allowed.
    fn threat(&self, markup: Markup) -> String {
        // Where sizes differ, epsilon is only the largest of them.
        let differ = self.confined.iter().any(|what| OWN_SIZES.contains(&what.as_str()));
        let own = match differ {
            true => markup.norm(self.norm),
            false => markup.threat(self.norm, self.eps.as_deref()),
        };
        std::iter::once(own).chain(self.confined.iter().map(|word| markup.escaped(word))).join(", ")
    }
}

impl ShownShare {
    fn cell(&self, markup: Markup) -> String {
        match self {
            ShownShare::Known(value, [low, high]) => {
                let [value, low, high] = [value, low, high].map(|share| 100.0 * share);
                format!("{value:.2} [{low:.2}, {high:.2}]")
            }
            ShownShare::Between([low, high], _) => {
                let dash = markup.escaped("–");
                format!("unfinished: {:.2}{dash}{:.2}", 100.0 * low, 100.0 * high)
            }
        }
    }
}

/// One sentence for each way in which accuracies were measured, then what is to be known of all.
fn sentences(rows: &[PaperRow], markup: Markup) -> Vec<String> {
    let mut ways: Vec<(String, Vec<String>)> = Vec::new();
    for row in rows.iter().filter(|row| row.robust.is_some()) {
        let (way, model) = (row.method(markup), markup.escaped(&row.model));
        match ways.iter_mut().find(|(known, _)| *known == way) {
            Some((_, models)) => models.push(model),
            None => ways.push((way, vec![model])),
        }
    }
    let several = ways.len() > 1;
    let measured = ways.into_iter().map(|(way, models)| {
        let of = if several { format!(" of {}", models.join(", ")) } else { String::new() };
        format!("Robust accuracy{of} was {way}.")
    });
    let mut all: Vec<String> = measured.collect();
    if rows.iter().any(|row| row.certified.is_some()) {
        all.push(
            "Certified accuracy is the share of samples for which bounds prove, of the network in real arithmetic, that no point \
             within the threat model is misclassified."
                .into(),
        );
    }
    all.push(format!("Brackets are Clopper{}Pearson intervals at 95 {}.", markup.dash(), markup.percent()));
    all.extend(rows.iter().filter_map(|row| {
        let shares = [Some(&row.clean), row.robust.as_ref(), row.certified.as_ref()].into_iter().flatten();
        let pending = shares.filter_map(|share| match share {
            ShownShare::Between(_, pending) => Some(*pending),
            ShownShare::Known(..) => None,
        });
        let pending = pending.max()?;
        let model = markup.escaped(&row.model);
        Some(format!(
            "The run of {model} is unfinished: its shares lie between the ends given, whatever the {pending} pending samples \
             turn out to be."
        ))
    }));
    all
}

fn file_name(path: &str) -> String {
    path.rsplit(['/', '\\']).next().unwrap_or(path).into()
}

/// The name of a published data set; of others the format and the file's or folder's name.
fn data_name(spec: &str) -> String {
    match spec.split_once(':') {
        Some((kind @ ("mnist" | "fashion-mnist" | "cifar10" | "cifar100"), _)) => kind.into(),
        Some((_, path)) => path.split(',').map(file_name).join(", "),
        None => spec.into(),
    }
}
