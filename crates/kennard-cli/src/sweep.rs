//! Sweeps: training runs and the audit that all undergo, as a TOML file says them.

use std::collections::BTreeMap;
use std::sync::Mutex;

use kennard::audit::Warning;
use kennard::experiment::recipe::EPOCHS;
use kennard::experiment::{SAMPLES, TrainingRun};
use toml::{Table, Value};

use crate::lab::Bench;
use crate::settings::{Data, Named, Number, Part, Settings, Source, Taken, Temperature, Threat};
use crate::track::seen_in_training;
use crate::{Error, recipe, setup};

/// Training runs that differ in some settings, and the audit that all undergo.
#[derive(Default)]
pub struct Sweep {
    runs: Vec<NamedRun>,
    audit: Settings,
    /// The warning that networks are examined on the samples they are trained on, as far as the settings tell.
    pub seen: Option<Warning>,
}

impl Sweep {
    /// Reads a sweep. The settings `given` take the place of the file's, for all runs.
    pub fn read(text: &str, given: &Table) -> Result<Sweep, Error> {
        let file: Table = text.parse()?;
        if let Some(key) = file.keys().find(|key| !["train", "audit", "run"].contains(&key.as_str())) {
            return Err(format!("`{key}` is unknown; known are [train], [audit] and [[run]]").into());
        }
        let (mut common, audit) = (for_all(&file, "train")?, for_all(&file, "audit")?);
        common.extend(given.clone());
        let audit = audit_of(audit, &common, given)?;
        let runs = runs_of(&file, &common, given)?;
        let seen = seen_by_settings(&runs, &audit);
        Ok(Sweep { runs, audit, seen })
    }

    /// Checks the recipe of every run, before the first is trained.
    pub fn check(&self) -> Result<(), String> {
        let mut opened = BTreeMap::new();
        for (name, run) in &self.runs {
            run.check(&mut opened).map_err(|error| format!("the run `{}`: {error}", name.escape_debug()))?;
        }
        Ok(())
    }

    /// No training runs; given networks are examined on the data with attacks of the size `eps`.
    pub fn examining(data: Data, taken: Taken, eps: f64) -> Sweep {
        let threat = Threat { eps: Some(Number(eps)), ..Threat::default() };
        let audit = Settings { data, taken, threat, ..Settings::default() };
        Sweep { audit, ..Sweep::default() }
    }

    /// The sweep with other numbers of epochs and samples, for a quick look.
    pub fn shortened(mut self, epochs: Option<usize>, samples: Option<usize>) -> Sweep {
        for (_, run) in &mut self.runs {
            run.course.epochs = epochs.or(run.course.epochs);
        }
        if samples.is_some() {
            let all = self.runs.iter_mut().map(|(_, run)| &mut run.taken).chain([&mut self.audit.taken]);
            all.for_each(|taken| *taken = Taken { samples, first: None });
        }
        self
    }

    /// The sweep with packets measured also at the temperature that is fitted to each network.
    pub fn tempered(mut self) -> Sweep {
        self.audit.own.temperature = Some(Temperature::Fit);
        self
    }

    /// The networks ready to be trained; an interrupt ends that.
    pub fn bench(self) -> Result<Bench, ctrlc::Error> {
        let run = |(name, settings): &NamedRun| TrainingRun {
            name: name.clone(),
            arch: settings.course.arch.clone(),
            epochs: settings.course.epochs.unwrap_or(EPOCHS),
        };
        let runs = self.runs.iter().map(run).collect();
        let training = self.runs.into_iter().map(|(_, settings)| settings).collect();
        Ok(Bench {
            runs,
            training,
            audit: self.audit,
            stop: setup::stop_on_interrupt()?,
            page: Mutex::default(),
        })
    }
}

/// The table of settings for all runs, or for all audits.
fn for_all(file: &Table, key: &str) -> Result<Table, String> {
    match file.get(key) {
        None => Ok(Table::new()),
        Some(Value::Table(table)) => Ok(table.clone()),
        Some(_) => Err(format!("`{key}` is one table of settings for all runs: [{key}]")),
    }
}

/// The settings that say how data are read.
const READING: [&str; 6] = ["data", "classes", "label-column", "resize", "centre-crop", "interpolation"];

/// The settings of the audits: those in `audit`; the data and the threat model are those of the training, `common`, where
/// `audit` does not set them.
fn audit_of(mut audit: Table, common: &Table, given: &Table) -> Result<Settings, Error> {
    let said = given.iter().filter(|(key, _)| READING.contains(&key.as_str()));
    audit.extend(said.map(|(key, value)| (key.clone(), value.clone())));
    // Other data are not read as those of the training.
    let others = audit.contains_key("data") && !given.contains_key("data");
    let reading = if others { &[][..] } else { &READING[..] };
    for key in reading.iter().chain(&["norm", "eps", "bounds"]) {
        let given = common.get(*key).or_else(|| common.get(&key.replace('-', "_")));
        if let Some(value) = given.filter(|_| !audit.contains_key(*key)) {
            audit.insert((*key).into(), value.clone());
        }
    }
    let mut audit = Settings::read_all(&Source::Table(&audit))?;
    let own = [(audit.sharding.shard.is_some(), "shard"), (audit.output.out.is_some(), "out")];
    if let Some((_, key)) = own.iter().find(|(given, _)| *given) {
        return Err(format!(
            "{key} in [audit]: the audits of a sweep are whole, and in its directory; leave it out"
        )
        .into());
    }
    audit.taken = audit.taken.or_samples(SAMPLES);
    audit.attacks.attack.get_or_insert_with(|| vec![Named::plain("pgd")]);
    let mut attacks = audit.attacks.attack.iter().flatten().peekable();
    if attacks.peek().is_none() || attacks.any(|named| named.name == "none") {
        let message =
            "attack in [audit] names none: without an attack there is no robust accuracy to trade for";
        return Err(message.into());
    }
    if audit.threat.eps.is_none() {
        return Err("eps is missing: the size of the attacks, in [train] or [audit]".into());
    }
    Ok(audit)
}

/// A training run, by its name.
type NamedRun = (String, recipe::Settings);

/// The training runs of a file. All have the settings `given`, and those in `common` that they do not set themselves.
fn runs_of(file: &Table, common: &Table, given: &Table) -> Result<Vec<NamedRun>, Error> {
    let listed = match file.get("run") {
        Some(Value::Array(runs)) => runs.as_slice(),
        Some(_) => return Err("`run` is a list of tables, one for each run: [[run]]".into()),
        None => &[],
    };
    let mut runs: Vec<NamedRun> = Vec::new();
    for run in listed {
        let own = run.as_table().ok_or("each [[run]] is a table of settings")?;
        let (name, settings) = run_of(own.clone(), runs.len() + 1, common, given)?;
        if !can_be_a_directory(&name) || runs.iter().any(|(other, _)| *other == name) {
            let name = name.escape_debug();
            return Err(format!("the run `{name}` needs a name of its own that can be a directory's").into());
        }
        runs.push((name, settings));
    }
    if runs.is_empty() { Err("there is no [[run]]".into()) } else { Ok(runs) }
}

/// The training run number `place` of a file, with settings of its `own`.
fn run_of(mut own: Table, place: usize, common: &Table, given: &Table) -> Result<NamedRun, Error> {
    let name = match own.remove("name") {
        None => None,
        Some(Value::String(name)) => Some(name),
        Some(other) => {
            let kind = other.type_str();
            let message = format!("the name of a run is a text, in quotes, and not of the type {kind}");
            return Err(message.into());
        }
    };
    let mut all = common.clone();
    all.extend(own);
    all.extend(given.clone());
    let settings = recipe::Settings::read_all(&Source::Table(&all)).map_err(|error| match &name {
        Some(name) => format!("the run `{}`: {error}", name.escape_debug()),
        None => format!("run {place} of the file: {error}"),
    })?;
    let name = name.unwrap_or_else(|| title(&settings));
    settings.check_names().map_err(|error| format!("the run `{name}`: {error}"))?;
    Ok((name, settings))
}

/// The warning that networks are examined on the samples they are trained on, as far as the settings tell.
fn seen_by_settings(runs: &[NamedRun], audit: &Settings) -> Option<Warning> {
    let split = audit.data.split.as_deref().unwrap_or("test");
    let seen = |run: &recipe::Settings| {
        run.data.data == audit.data.data && run.data.split.as_deref().unwrap_or("train") == split
    };
    let names: Vec<&str> = runs.iter().filter(|(_, run)| seen(run)).map(|(name, _)| name.as_str()).collect();
    seen_of(&names, runs.len())
}

/// The warning that the networks of these names were trained on the samples that they are examined on; none without names.
/// `all` is how many networks the sweep has.
pub fn seen_of(names: &[&str], all: usize) -> Option<Warning> {
    let whose = match names {
        [] => return None,
        names if names.len() == all => "the networks are".to_string(),
        [one] => format!("{one} is"),
        some => format!("{} are", some.join(", ")),
    };
    Some(seen_in_training(&whose))
}

/// Whether a run of this name can have a directory beside the files of its sweep.
fn can_be_a_directory(name: &str) -> bool {
    let own = ["report.html", "page.json", "SHA256SUMS"].contains(&name)
        || name.starts_with("tradeoff") && name.contains('.');
    let odd = name.chars().any(|c| c.is_control() || c == '/' || c == '\\');
    !(name.is_empty() || name.starts_with('.') || own || odd)
}

/// The name of a run that has none: its method, and what sets the method's strength.
fn title(settings: &recipe::Settings) -> String {
    let method = settings.course.method.clone().unwrap_or_else(|| "standard".into());
    let number =
        |name: &str, value: Option<Number>| value.map_or(String::new(), |v| format!(" {name} {}", v.0));
    let adversarial = ["fgsm-rs", "pgd", "trades", "mart"].contains(&method.as_str());
    let eps = if adversarial { number("eps", settings.threat.eps) } else { String::new() };
    method + &number("strength", settings.course.strength) + &eps
}
