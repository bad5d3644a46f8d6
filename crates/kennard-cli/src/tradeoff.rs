use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::PathBuf;
use std::sync::Mutex;

use kennard::audit::Warning;
use kennard::data::DataSet;
use kennard::experiment::recipe::EPOCHS;
use kennard::experiment::{Point, SAMPLES, TrainingRun, correlation_lines, table, tradeoff};
use kennard::report::{Block, Sheet};
use serde_json::json;
use toml::{Table, Value};

use crate::lab::Bench;
use crate::report::{SAME_COMMAND, percent, percents, refuse_others, say_below};
use crate::settings::{Data, Named, Number, Part, Settings, Source, Taken, Temperature, Threat};
use crate::source::{show, with_pdfs, write_all};
use crate::track::{is_seen, seen_in_training};
use crate::{Done, Error, Outcome, recipe, setup};

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

pub fn run(args: &Args) -> Outcome {
    let text =
        std::fs::read_to_string(&args.config).map_err(|e| format!("{}: {e}", args.config.display()))?;
    let given = args.data.iter().map(|data| ("data".into(), Value::from(data.as_str()))).collect();
    let sweep = Sweep::read(&text, given).map_err(|e| format!("{}: {e}", args.config.display()))?;
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
        warn!("{}: what is done is kept; the same command goes on", args.out.display());
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

/// That these networks, of so many, are trained on what they are examined on; nothing where none is.
fn seen_of(names: &[&str], all: usize) -> Option<Warning> {
    let whose = match names {
        [] => return None,
        names if names.len() == all => "the networks are".to_string(),
        [one] => format!("{one} is"),
        some => format!("{} are", some.join(", ")),
    };
    Some(seen_in_training(&whose))
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

/// Training runs that differ in some settings, and the audit that all undergo, as a file says them.
#[derive(Default)]
pub struct Sweep {
    runs: Vec<(String, recipe::Settings)>,
    audit: Settings,
    /// That networks are examined on what they are trained on, as far as settings tell.
    pub seen: Option<Warning>,
}

impl Sweep {
    /// Reads a sweep. What is `given` takes the place of the file's settings for all runs.
    pub fn read(text: &str, given: Table) -> Result<Sweep, Error> {
        let file: Table = text.parse()?;
        if let Some(key) = file.keys().find(|key| !["train", "audit", "run"].contains(&key.as_str())) {
            return Err(format!("`{key}` is unknown; known are [train], [audit] and [[run]]").into());
        }
        let table = |key: &str| match file.get(key) {
            None => Ok(Table::new()),
            Some(Value::Table(table)) => Ok(table.clone()),
            Some(_) => Err(format!("`{key}` is one table of settings for all runs: [{key}]")),
        };
        let (mut common, mut audit) = (table("train")?, table("audit")?);
        common.extend(given.clone());
        // What is examined is read as what is trained on, unless it is other data.
        let reading = ["data", "classes", "label-column", "resize", "centre-crop", "interpolation"];
        let said = given.iter().filter(|(key, _)| reading.contains(&key.as_str()));
        audit.extend(said.map(|(key, value)| (key.clone(), value.clone())));
        let others = audit.contains_key("data") && !given.contains_key("data");
        let reading = if others { &[][..] } else { &reading[..] };
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
        let attacks = audit.attacks.attack.iter().flatten();
        if attacks.clone().next().is_none() || attacks.clone().any(|named| named.name == "none") {
            let message =
                "attack in [audit] names none: without an attack there is no robust accuracy to trade for";
            return Err(message.into());
        }
        if audit.threat.eps.is_none() {
            return Err("eps is missing: the size of the attacks, in [train] or [audit]".into());
        }
        let listed = match file.get("run") {
            Some(Value::Array(runs)) => runs.clone(),
            Some(_) => return Err("`run` is a list of tables, one for each run: [[run]]".into()),
            None => Vec::new(),
        };
        let mut runs: Vec<(String, recipe::Settings)> = Vec::new();
        for run in listed {
            let mut run = run.as_table().cloned().ok_or("each [[run]] is a table of settings")?;
            let name = match run.remove("name") {
                None => None,
                Some(Value::String(name)) => Some(name),
                Some(other) => {
                    let kind = other.type_str();
                    return Err(format!(
                        "the name of a run is a text, in quotes, and not of the type {kind}"
                    )
                    .into());
                }
            };
            let mut own = common.clone();
            own.extend(run);
            own.extend(given.clone());
            let settings = recipe::Settings::read_all(&Source::Table(&own)).map_err(|error| match &name {
                Some(name) => format!("the run `{}`: {error}", name.escape_debug()),
                None => format!("run {} of the file: {error}", runs.len() + 1),
            })?;
            let name = name.unwrap_or_else(|| title(&settings));
            settings.check_names().map_err(|error| format!("the run `{name}`: {error}"))?;
            if !can_be_a_directory(&name) || runs.iter().any(|r| r.0 == name) {
                let name = name.escape_debug();
                return Err(
                    format!("the run `{name}` needs a name of its own that can be a directory's").into()
                );
            }
            runs.push((name, settings));
        }
        if runs.is_empty() {
            return Err("there is no [[run]]".into());
        }
        let split = audit.data.split.as_deref().unwrap_or("test");
        let seen = |run: &recipe::Settings| {
            run.data.data == audit.data.data && run.data.split.as_deref().unwrap_or("train") == split
        };
        let names: Vec<&str> =
            runs.iter().filter(|(_, run)| seen(run)).map(|(name, _)| name.as_str()).collect();
        let seen = seen_of(&names, runs.len());
        if let Some(warning) = &seen {
            warn!("warning ({}): {}", warning.code, warning.message);
        }
        Ok(Sweep { runs, audit, seen })
    }

    /// Checks the recipe of every run, before the first is trained.
    fn check(&self) -> Result<(), String> {
        let mut opened: BTreeMap<String, DataSet> = BTreeMap::new();
        for (name, run) in &self.runs {
            let mut check = || -> kennard::Result<()> {
                let data = match opened.entry(format!("{:?}", run.data)) {
                    Entry::Occupied(entry) => entry.into_mut(),
                    Entry::Vacant(entry) => entry.insert(run.data_set()?),
                };
                run.check(data)
            };
            check().map_err(|error| format!("the run `{}`: {error}", name.escape_debug()))?;
        }
        Ok(())
    }

    /// No training runs; given networks are examined on the data with attacks of the size `eps`.
    pub fn examining(data: Data, taken: Taken, eps: f64) -> Sweep {
        let threat = Threat { eps: Some(Number(eps)), ..Threat::default() };
        let audit = Settings { data, taken, threat, ..Settings::default() };
        Sweep { audit, ..Sweep::default() }
    }

    /// The same with other numbers of epochs and samples, for a quick look.
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

    /// The same with packets at the temperature that is fitted to each network, too.
    pub fn tempered(mut self) -> Sweep {
        self.audit.own.temperature = Some(Temperature::Fit);
        self
    }

    /// The networks ready to be trained; an interrupt ends that.
    pub fn bench(self) -> Result<Bench, ctrlc::Error> {
        let run = |(name, settings): &(String, recipe::Settings)| TrainingRun {
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

/// Whether a run of this name can have a directory beside the files of its sweep.
fn can_be_a_directory(name: &str) -> bool {
    let own = ["report.html", "page.json", "SHA256SUMS"].contains(&name)
        || name.starts_with("tradeoff") && name.contains('.');
    let odd = name.chars().any(|c| c.is_control() || c == '/' || c == '\\');
    !(name.is_empty() || name.starts_with('.') || own || odd)
}

/// What a run is called: its method, and what sets its strength.
fn title(settings: &recipe::Settings) -> String {
    let method = settings.course.method.clone().unwrap_or_else(|| "standard".into());
    let number =
        |name: &str, value: Option<Number>| value.map_or(String::new(), |v| format!(" {name} {}", v.0));
    let adversarial = ["fgsm-rs", "pgd", "trades", "mart"].contains(&method.as_str());
    let eps = if adversarial { number("eps", settings.threat.eps) } else { String::new() };
    method + &number("strength", settings.course.strength) + &eps
}
