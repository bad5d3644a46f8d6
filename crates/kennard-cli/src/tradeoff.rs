use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use kennard::picture::{Dot, Scatter};
use kennard::train::TrainingDirectory;
use serde_json::json;
use toml::{Table, Value};

use crate::points::{self, Correlation, Point};
use crate::settings::{Named, Number, Settings};
use crate::source::{json, write_all};
use crate::{Done, Outcome, recipe, train};

type Error = Box<dyn std::error::Error>;

#[derive(clap::Args)]
pub struct Args {
    /// A TOML file: settings for all runs in the tables `train` and `audit`, and for each run a table `run`
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
    /// Where to keep the runs, and to write tradeoff.md, .csv, .json and .svg
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
    let stop = crate::setup::stop_on_interrupt()?;
    let Some(points) = sweep.run(&args.out, &stop)? else {
        warn!("{}: what is done is kept; the same command goes on", args.out.display());
        return Ok(Done::Interrupted);
    };
    let found = write(&points, "Clean and robust accuracy", &args.out)?;
    if args.json {
        crate::out::json(&json(&json!({ "points": points, "correlations": found }))?);
    } else {
        say!(
            "\n{}\n{}{}",
            points::table(&points),
            front(&points),
            points::correlation_lines(&found).trim_end()
        );
    }
    Ok(Done::Fully)
}

/// Training runs that differ in some settings, and the audit that all undergo.
pub struct Sweep {
    runs: Vec<(String, recipe::Settings)>,
    audit: Settings,
}

impl Sweep {
    /// Reads a sweep. What is `given` takes the place of the file's settings for all runs.
    pub fn read(text: &str, given: Table) -> Result<Sweep, Error> {
        let file: Table = text.parse()?;
        if let Some(key) = file.keys().find(|key| !["train", "audit", "run"].contains(&key.as_str())) {
            return Err(format!("`{key}` is unknown; known are [train], [audit] and [[run]]").into());
        }
        let table = |key: &str| file.get(key).and_then(Value::as_table).cloned().unwrap_or_default();
        let (mut common, mut audit) = (table("train"), table("audit"));
        common.extend(given);
        for key in ["data", "classes", "norm", "eps", "bounds"] {
            if let Some(value) = common.get(key).filter(|_| !audit.contains_key(key)) {
                audit.insert(key.into(), value.clone());
            }
        }
        let mut audit: Settings = audit.try_into()?;
        if audit.first.is_none() {
            audit.samples = audit.samples.or(Some(crate::track::SAMPLES));
        }
        audit.attack = audit.attack.or_else(|| Some(vec![Named::plain("pgd")]));
        if audit.eps.is_none() {
            return Err("eps is missing: the size of the attacks, in [train] or [audit]".into());
        }
        let listed = file.get("run").and_then(Value::as_array).cloned().unwrap_or_default();
        let mut runs: Vec<(String, recipe::Settings)> = Vec::new();
        for run in listed {
            let mut run = run.as_table().cloned().ok_or("each [[run]] is a table of settings")?;
            let name = run.remove("name").and_then(|name| name.as_str().map(String::from));
            let mut own = common.clone();
            own.extend(run);
            let settings: recipe::Settings = own.try_into()?;
            let name = name.unwrap_or_else(|| title(&settings));
            if name.is_empty()
                || name.contains(['/', '\\'])
                || name.starts_with('.')
                || runs.iter().any(|r| r.0 == name)
            {
                return Err(
                    format!("the run `{name}` needs a name of its own that can be a directory's").into()
                );
            }
            runs.push((name, settings));
        }
        if runs.is_empty() {
            return Err("there is no [[run]]".into());
        }
        let split = audit.split.as_deref().unwrap_or("test");
        let seen = |run: &recipe::Settings| {
            run.data == audit.data && run.split.as_deref().unwrap_or("train") == split
        };
        if runs.iter().any(|(_, run)| seen(run)) {
            warn!("warning: networks are examined on what they are trained on; accuracies are too high");
        }
        Ok(Sweep { runs, audit })
    }

    /// The same with other numbers of epochs and samples, for a quick look.
    pub fn shortened(mut self, epochs: Option<usize>, samples: Option<usize>) -> Sweep {
        for (_, run) in &mut self.runs {
            run.epochs = epochs.or(run.epochs);
            if samples.is_some() {
                (run.samples, run.first) = (samples, None);
            }
        }
        if samples.is_some() {
            (self.audit.samples, self.audit.first) = (samples, None);
        }
        self
    }

    /// The runs by name.
    pub fn runs(&self) -> &[(String, recipe::Settings)] {
        &self.runs
    }

    /// How many epochs each of the networks is trained at least.
    pub fn epochs(&self) -> usize {
        self.runs.iter().map(|(_, run)| run.epochs.unwrap_or(recipe::EPOCHS)).min().unwrap_or(0)
    }

    pub fn audit(&self) -> &Settings {
        &self.audit
    }

    /// Trains and audits all; what is done already is not done again. `None`: interrupted.
    pub fn run(&self, out: &Path, stop: &AtomicBool) -> Result<Option<Vec<Point>>, Error> {
        let mut points = Vec::new();
        for (i, (name, settings)) in self.runs.iter().enumerate() {
            note!("{} of {}: {name}", i + 1, self.runs.len());
            let place = out.join(name);
            if !teach(settings, &place, stop)? {
                return Ok(None);
            }
            let directory = place.join("audit");
            std::fs::create_dir_all(&directory).map_err(|e| format!("--out {}: {e}", directory.display()))?;
            let audit = Settings { out: Some(directory), ..self.audit.clone() };
            let Some(summary) = points::examine(&place.join("last.onnx"), None, &audit, stop)? else {
                return Ok(None);
            };
            points.push(Point::of(name.clone(), None, &summary));
        }
        points::mark_best(&mut points);
        Ok(Some(points))
    }
}

/// Trains a network into a directory, or finishes what an earlier run began. Whether it came to its end.
pub fn teach(settings: &recipe::Settings, place: &Path, stop: &AtomicBool) -> Result<bool, Error> {
    let course = settings.prepare(|_| ())?;
    let command = crate::command_line();
    let directory = TrainingDirectory::open(place, command, &course.settings, true)?;
    let trained = train::teach(&course, &directory, stop, |epoch| note!("{}", train::line(epoch)))?;
    Ok(!trained.interrupted)
}

/// What a run is called: its method, and what sets its strength.
fn title(settings: &recipe::Settings) -> String {
    let method = settings.method.clone().unwrap_or_else(|| "standard".into());
    let number =
        |name: &str, value: Option<Number>| value.map_or(String::new(), |v| format!(" {name} {}", v.0));
    let adversarial = ["fgsm-rs", "pgd", "trades", "mart"].contains(&method.as_str());
    let eps = if adversarial { number("eps", settings.eps) } else { String::new() };
    method + &number("strength", settings.strength) + &eps
}

/// Which networks no other is better than.
pub fn front(points: &[Point]) -> String {
    let names: Vec<&str> = points.iter().filter(|p| p.best).map(|p| p.name.as_str()).collect();
    format!("no other network has both accuracies higher: {}\n", names.join(", "))
}

/// Writes a sweep's points as table, picture and JSON; returns the correlations with robust accuracy.
pub fn write(points: &[Point], title: &str, out: &Path) -> Result<Vec<Correlation>, Error> {
    let found = points::correlations(points, "robust accuracy", |p| p.robust);
    let json = serde_json::to_string_pretty(&json!({ "points": points, "correlations": found }))? + "\n";
    let text = points::table(points) + "\n" + &front(points) + "\n" + &points::correlation_lines(&found);
    let mut files = vec![
        ("tradeoff.json", json.into_bytes()),
        ("tradeoff.csv", points::csv(points).into_bytes()),
        ("tradeoff.md", text.into_bytes()),
    ];
    for (name, what, of) in [
        ("tradeoff.svg", "σ_p [1/input]", (|p: &Point| p.sigma_p) as fn(&Point) -> f64),
        ("tradeoff-drift.svg", "drift [1]", |p| p.drift),
    ] {
        let dot = |p: &Point| Dot {
            name: p.name.clone(),
            x: p.clean,
            x_interval: p.clean_interval,
            y: p.robust,
            y_interval: p.robust_interval,
            colour: of(p),
            front: p.best,
        };
        let picture = Scatter {
            title: title.into(),
            x: "clean accuracy [1]".into(),
            y: "robust accuracy [1]".into(),
            colour: what.into(),
            dots: points.iter().map(dot).collect(),
        };
        files.push((name, picture.svg()?.into_bytes()));
    }
    write_all(out, &files)?;
    Ok(found)
}
