use std::path::PathBuf;

use kennard::Figure;
use kennard::data::DataSet;
use kennard::experiment::{AtSize, Features, FeaturesReport};
use kennard::packet::Hidden;
use kennard::picture::Chart;
use kennard::probe::Accuracy;
use kennard::report::{Block, Sheet};

use crate::portrait::curve;
use crate::report::{flagged, percent, percents};
use crate::screen::{grouped, short};
use crate::settings::{Bounds, Number};
use crate::source::{ModelArgs, Subject, json, prepare_new, show, write_all};
use crate::{Done, Ended, screen};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    subject: Subject,
    /// The hidden tensor
    #[arg(long, value_name = "NAME")]
    tensor: String,
    /// The radii as shares of the l2 norm, of the tensor and of the pixels: 0.02,0.05,0.1
    #[arg(long, value_name = "R,R,…", value_delimiter = ',', required = true)]
    eps_relative: Vec<Number>,
    /// Smallest and largest value of an input element
    #[arg(long, value_name = "LO,HI", default_value_t = Bounds::default())]
    bounds: Bounds,
    /// Print the figures as JSON to standard output, and nothing else there
    #[arg(long)]
    json: bool,
    /// Where to write summary.json, features.svg and report.html
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub fn run(args: &Args) -> Ended {
    prepare_new(args.out.as_deref())?;
    let model = &args.subject.model;
    let (samples, engine, data) = args.subject.open()?;
    let hidden = Hidden::new(&engine, &args.tensor, &model.options())?;
    let relative = args.eps_relative.iter().map(|r| r.0).collect();
    let mut features = Features::new(&engine, &hidden, &data, relative);
    features.bounds = args.bounds.single();
    features.samples = samples;
    features.seed = model.seed();
    let stop = crate::setup::stop_on_interrupt()?;
    let report = data.while_unchanged(|| features.measure(&stop, |_| ()))?;
    if report.records.is_empty() {
        warn!("no sample was finished");
        return Ok(Done::Interrupted);
    }
    show(&report, args.json, print)?;
    if let Some(directory) = &args.out {
        let svg = chart(&report).svg()?.into_bytes();
        write_all(directory, &[("features.svg", svg), ("summary.json", json(&report)?.into_bytes())])?;
        crate::report::leave(directory, &sheet(&report, model, &data))?;
    }
    Ok(if report.complete { Done::Fully } else { Done::Interrupted })
}

/// The page.
fn sheet(report: &FeaturesReport, model: &ModelArgs, data: &DataSet) -> Sheet {
    let what = format!(
        "{} on {} samples of {}: pgd, {} steps in l2, radius r times the norm of what is attacked.",
        model.file.display(),
        grouped(report.clean.tested),
        data.in_words(),
        report.steps
    );
    let title = format!("Attacks on {} and on pixels", report.tensor);
    let mut sheet = Sheet::new(title, what, crate::command_line());
    sheet.finished = report.complete;
    sheet.warnings = flagged(&report.warnings);
    let clean = &report.clean;
    sheet = sheet.lead("clean accuracy", percent(clean.accuracy), Some(percents(clean.interval)));
    if let Some(last) = report.sizes.last() {
        for (what, share) in [("features", &last.features), ("pixels", &last.pixels)] {
            let name = format!("{what} attacked, r = {}", short(last.relative));
            sheet = sheet.lead(name, percent(share.accuracy), Some(percents(share.interval)));
        }
    }
    let row = |size: &AtSize| {
        let shares = [&size.features, &size.pixels]
            .map(|s| format!("{} [{}]", percent(s.accuracy), percents(s.interval)));
        let alone = [size.features_alone, size.pixels_alone].map(grouped);
        let ends = alone.into_iter().chain([format!("{:.2e}", size.p_value)]);
        [short(size.relative)].into_iter().chain(shares).chain(ends).collect()
    };
    let header = [
        "r",
        "accuracy, features attacked",
        "accuracy, pixels attacked",
        "broken by features alone",
        "broken by pixels alone",
        "McNemar p",
    ];
    let parts = vec![
        Block::chart(chart(report)),
        Block::table(&header, report.sizes.iter().map(row).collect()),
        Block::note("There need be no input with the features that an attack on them finds."),
    ];
    sheet.section("At equal relative size", parts)
}

fn print(report: &FeaturesReport) {
    let shape: Vec<String> = report.shape.iter().map(usize::to_string).collect();
    say!(
        "tensor   {}   {}{}, {} elements held fixed beside it",
        report.tensor,
        shape.join("×"),
        if report.nonnegative { ", at least 0 (Relu)" } else { "" },
        grouped(report.held_fixed as u64)
    );
    say!("attacks  pgd, {} steps in l2, radius r times the l2 norm of what is attacked", report.steps);
    let [low, high] = report.clean.interval;
    say!(
        "clean    {:.2} %  ({:.2} – {:.2} %) of {} samples",
        100.0 * report.clean.accuracy,
        100.0 * low,
        100.0 * high,
        grouped(report.clean.tested)
    );
    say!("");
    say!(
        "              under the attack on features     under the attack on pixels        broken by one alone"
    );
    say!(
        "       r      accuracy   95 % interval         accuracy   95 % interval      features   pixels   McNemar p"
    );
    for size in &report.sizes {
        say!(
            "{:>8}   {}   {}   {:>9} {:>8}   {:>9.2e}",
            short(size.relative),
            share(&size.features),
            share(&size.pixels),
            grouped(size.features_alone),
            grouped(size.pixels_alone),
            size.p_value
        );
    }
    say!("");
    say!("There need be no input with the features that an attack on them finds.");
    screen::warnings(&report.warnings);
}

fn share(share: &Accuracy) -> String {
    let [low, high] = share.interval.map(|v| 100.0 * v);
    format!("{:>8.2} %   {low:>6.2} – {high:>6.2} %", 100.0 * share.accuracy)
}

fn chart(report: &FeaturesReport) -> Chart {
    let curve = |name: &str, of: fn(&AtSize) -> &Accuracy| {
        let figure = |Accuracy { accuracy, interval, .. }: &Accuracy| Figure::new(*accuracy, *interval);
        curve(name, report.sizes.iter().map(|size| (size.relative, figure(of(size)))))
    };
    Chart {
        title: format!("accuracy under attacks on {} and on pixels, 95 % bands", report.tensor),
        x: "radius / l2 norm of what is attacked [1]".into(),
        y: "accuracy [1]".into(),
        curves: vec![curve("features", |size| &size.features), curve("pixels", |size| &size.pixels)],
        linear: true,
        bound: None,
    }
}
