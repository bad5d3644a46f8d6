//! The experiments of the paper.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use clap::builder::PossibleValue;
use kennard::experiment::NamedFile;
use kennard::experiment::paper::{Conditions, Experiment, PaperReport, R5_IMAGES};
use kennard::report::{Block, Sheet, SheetVerdict};

use crate::settings::{Data, Number, Taken};
use crate::source::{json, say_warning, with_pdfs, write_all};
use crate::sweep::Sweep;
use crate::{Done, Ended};

/// An experiment by its number.
#[derive(Clone, Copy)]
struct Numbered(Experiment);

impl ValueEnum for Numbered {
    fn value_variants<'a>() -> &'a [Numbered] {
        use Experiment::{E1, E2, E3, E4, E5, E6, R1, R2, R3, R4, R5, R6, R7};
        &[
            Numbered(E1),
            Numbered(E2),
            Numbered(E3),
            Numbered(E4),
            Numbered(E5),
            Numbered(E6),
            Numbered(R1),
            Numbered(R2),
            Numbered(R3),
            Numbered(R4),
            Numbered(R5),
            Numbered(R6),
            Numbered(R7),
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self.0 {
            Experiment::E1 => "An accurate network under attacks of growing size",
            Experiment::E2 => "Accuracy, robust accuracy and conjugate spreads, epoch by epoch",
            Experiment::E3 => "The trade-off over methods and strengths",
            Experiment::E4 => "Two classes in the plane, by quadrature",
            Experiment::E5 => {
                "The label read from the input, and from the loss gradient, along the trade-off"
            }
            Experiment::E6 => "Attacks on features beside attacks on pixels",
            Experiment::R1 => "Images in a plane: conjugate spreads while networks of several regimes learn",
            Experiment::R2 => "What factors of the logits do to the figures of r1's networks",
            Experiment::R3 => {
                "One trunk that reads the label from the input and from the loss gradient, against two"
            }
            Experiment::R4 => "Networks beside the known frontier of accuracy and robustness",
            Experiment::R5 => {
                "Which figure of an image predicts its distance to the boundary, for given networks"
            }
            Experiment::R6 => "Attacks on features beside attacks on pixels, each in units of its own",
            Experiment::R7 => "Accuracy against certified radius of one network, through windows of noise",
        };
        Some(PossibleValue::new(self.0.name()).help(help))
    }
}

#[derive(clap::Args)]
pub struct Args {
    #[arg(value_enum)]
    experiment: Numbered,
    #[command(flatten)]
    data: Data,
    /// The networks that r5 looks at, ONNX files
    #[arg(long, value_name = "FILE", num_args = 1..)]
    models: Vec<PathBuf>,
    /// Where to keep the runs, and to write the table, the pictures and report.html
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The size of attacks (linf) [default: 0.1 for images in grey, 8/255 for those in colour]
    #[arg(long)]
    eps: Option<Number>,
    /// Fewer or more epochs than the experiment has
    #[arg(long)]
    epochs: Option<usize>,
    /// Train on, and examine, only this many samples, drawn at random: for a quick look
    #[arg(long)]
    samples: Option<usize>,
    /// Measure packets at the temperature fitted to each network too, in e2 and e3
    #[arg(long)]
    fitted: bool,
    /// Print the result as JSON to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Ended {
    kennard::run::prepare_shared(&args.out)?;
    let experiment = args.experiment.0;
    if !args.models.is_empty() && experiment != Experiment::R5 {
        return Err(format!("{} trains its own networks; --models is for r5", experiment.name()).into());
    }
    args.refuse_unused()?;
    let place = page_place(&args.out, experiment)?;
    let sweep = if args.fitted { args.sweep()?.tempered() } else { args.sweep()? };
    let seen = sweep.seen.clone();
    seen.iter().for_each(say_warning);
    let bench = sweep.bench()?;
    let conditions = Conditions {
        data: args.data.data.clone().unwrap_or_default(),
        models: args.models.clone(),
        seen: args.data.split.as_deref() == Some("test"),
        out: args.out.clone(),
        epochs: args.epochs,
        samples: args.samples,
    };
    let what = match conditions.data.as_str() {
        "" => "An experiment of the paper.".to_string(),
        data => format!("An experiment of the paper, on {data}."),
    };
    let page = Sheet {
        goes_on: Some(crate::report::SAME_COMMAND.into()),
        warnings: Vec::from_iter(seen),
        ..Sheet::new(experiment.name().to_uppercase(), what, crate::command_line())
    };
    kennard::run::prepare_shared(&place)?;
    let earlier = crate::report::Earlier::of(&place);
    crate::report::begin(&place, &page)?;
    let Some(report) = experiment.run(&bench, &conditions).inspect_err(|_| earlier.put_back())? else {
        crate::report::beside(&place, "")?;
        warn!("{}: what is done is kept; the same command continues", args.out.display());
        return Ok(Done::Interrupted);
    };
    let (name, result) = (experiment.name(), json(&report.json())?);
    let mut files = vec![
        (format!("{name}.md"), report.text.clone().into_bytes()),
        (format!("{name}.json"), result.clone().into_bytes()),
    ];
    let page = filled(page, &report)?;
    if place != args.out {
        // A page shows the pictures beside it.
        write_all(&place, &report.pictures)?;
    }
    files.extend(report.pictures);
    write_all(&args.out, &with_pdfs(files)?)?;
    crate::report::leave(&place, &page)?;
    if args.json {
        crate::out::json(&result);
    } else {
        say!("\n{}", report.text.trim_end());
    }
    Ok(Done::Fully)
}

/// Where the page of an experiment is: in its directory. R1 and R2 share their networks, as do E3 and E5, and so a directory:
/// where the other's page is there already, it is in one of the experiment's name within.
fn page_place(out: &Path, experiment: Experiment) -> Result<PathBuf, String> {
    let of = |other: Experiment| {
        let name = other.name().to_uppercase();
        move |title: &str| title.split(':').next() == Some(name.as_str())
    };
    let pair = match experiment {
        Experiment::R1 => Some(Experiment::R2),
        Experiment::R2 => Some(Experiment::R1),
        Experiment::E3 => Some(Experiment::E5),
        Experiment::E5 => Some(Experiment::E3),
        _ => None,
    };
    if pair.is_some_and(|pair| crate::report::title_of(out).is_some_and(|title| of(pair)(&title))) {
        return Ok(out.join(experiment.name()));
    }
    crate::report::refuse_others(out, of(experiment))?;
    Ok(out.into())
}

/// What a picture shows: its own title, or else its name.
fn caption((name, bytes): &NamedFile) -> String {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let first = text.split_once("<text").and_then(|(_, rest)| rest.split_once('>')?.1.split_once("</text>"));
    match first {
        Some((title, _)) => {
            let plain = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&amp;", "&")];
            plain.iter().fold(title.trim().to_owned(), |title, (code, letter)| title.replace(code, letter))
        }
        None => name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem).into(),
    }
}

/// The page with what was found.
fn filled(mut page: Sheet, report: &PaperReport) -> Result<Sheet, serde_json::Error> {
    if let Some(title) = report.text.lines().next().and_then(|line| line.strip_prefix("# ")) {
        page.title = title.into();
    }
    let claims: Vec<SheetVerdict> = serde_json::from_value(serde_json::to_value(&report.claims)?)?;
    for (verdict, name) in [
        ("comes-out", "claims that come out"),
        ("does-not-come-out", "claims that do not come out"),
        ("undecided", "claims that stay undecided"),
        ("too-small-to-judge", "claims that the run is too small to judge"),
    ] {
        let count = claims.iter().filter(|claim| claim.verdict == verdict).count();
        if count > 0 {
            page = page.lead(name, format!("{count} of {}", claims.len()), None);
        }
    }
    let drawn =
        report.pictures.iter().filter(|(name, _)| [".svg", ".png"].iter().any(|end| name.ends_with(end)));
    let pictures: Vec<Block> = drawn.map(|file| Block::picture(file.0.clone(), caption(file))).collect();
    page.warnings.extend(report.warnings.iter().cloned());
    let claims = if claims.is_empty() { Vec::new() } else { vec![Block::Claims { claims }] };
    Ok(page.section("Claims", claims).section("Pictures", pictures).text("Figures", &report.text))
}

impl Args {
    /// Refuses options that the experiment has no use for.
    fn refuse_unused(&self) -> Result<(), String> {
        use Experiment::{E2, E3, E4, R1, R2, R3, R4, R5};
        let experiment = self.experiment.0;
        let Data { data, split, classes, label_column, resize, centre_crop, interpolation } = &self.data;
        let makes_points = matches!(experiment, E4 | R4);
        let own_way = matches!(experiment, E4 | R1 | R2 | R3 | R4);
        let unused = [
            ("--data", data.is_some() && makes_points),
            ("--split", split.is_some() && makes_points),
            ("--classes", classes.is_some() && own_way),
            ("--label-column", label_column.is_some() && own_way),
            ("--resize", resize.is_some() && own_way),
            ("--centre-crop", centre_crop.is_some() && own_way),
            ("--interpolation", interpolation.is_some() && own_way),
            ("--eps", self.eps.is_some() && (own_way || experiment == R5)),
            ("--epochs", self.epochs.is_some() && experiment == R5),
            ("--fitted", self.fitted && !matches!(experiment, E2 | E3)),
        ];
        match unused.iter().find(|(_, given)| *given) {
            Some((option, _)) => Err(format!("{} has no use for {option}; leave it out", experiment.name())),
            None => Ok(()),
        }
    }

    /// The networks of the experiment's settings, on the data of the command line.
    fn sweep(&self) -> Result<Sweep, Box<dyn std::error::Error>> {
        let Data { data, split, classes, label_column, resize, centre_crop, interpolation } = &self.data;
        let data = data.as_deref().unwrap_or_default();
        let colour = ["cifar10:", "cifar100:"].iter().any(|kind| data.starts_with(kind));
        let eps = self.eps.map_or(if colour { 8.0 / 255.0 } else { 0.1 }, |eps| eps.0);
        if self.experiment.0 == Experiment::R5 {
            let taken = Taken { samples: self.samples, first: None }.or_samples(R5_IMAGES);
            return Ok(Sweep::examining(self.data.clone(), taken, eps));
        }
        let Some(text) = self.experiment.0.settings(eps) else { return Ok(Sweep::default()) };
        let mut common = toml::Table::new();
        common.insert("data".into(), data.into());
        common.insert("eps".into(), eps.into());
        if let Some(split) = split {
            common.insert("split".into(), split.as_str().into());
        }
        if let Some(file) = classes {
            common.insert("classes".into(), file.to_string_lossy().into_owned().into());
        }
        for (name, side) in [("resize", resize), ("centre-crop", centre_crop)] {
            if let Some(side) = side {
                common.insert(name.into(), (*side as i64).into());
            }
        }
        if let Some(how) = interpolation {
            common.insert("interpolation".into(), how.as_str().into());
        }
        if let Some(column) = label_column {
            common.insert("label-column".into(), column.as_str().into());
        }
        Ok(Sweep::read(&text, &common)?.shortened(self.epochs, self.samples))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experiments_of_the_same_networks_share_a_directory() {
        let out = tempfile::tempdir().unwrap();
        let place = |experiment| page_place(out.path(), experiment);
        for (first, second) in [(Experiment::E3, Experiment::E5), (Experiment::R2, Experiment::R1)] {
            let title = format!("{}: a title", first.name().to_uppercase());
            crate::report::begin(out.path(), &Sheet::new(title, "", Vec::new())).unwrap();
            assert_eq!(place(first), Ok(out.path().into()));
            assert_eq!(place(second), Ok(out.path().join(second.name())));
            assert!(place(Experiment::E4).is_err());
        }
    }
}
