use std::path::PathBuf;

use kennard::Figure;
use kennard::audit::Warning;
use kennard::data::Problem;
use kennard::engine::Engine;
use kennard::picture::{Chart, PlanePacket};
use kennard::quadrature::{CoordinateFigures, PlanePlan, PlaneReport, SQUARE, WindowPackets};
use kennard::report::{Block, Sheet};

use crate::portrait::curve;
use crate::report::{percent, percents, span};
use crate::screen::{grouped, short, to_error};
use crate::settings::Number;
use crate::source::{ModelArgs, json, prepare_new, show, write_all};
use crate::{Done, Ended};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// The two-class problem: moons, circles, xor
    #[arg(long)]
    problem: Problem,
    /// Standard deviation of the points' noise, in input units
    #[arg(long, default_value = "0.03")]
    noise: Number,
    /// How many points to classify
    #[arg(long, default_value_t = 2000)]
    samples: usize,
    /// Widths of the Gaussian windows, in input units
    #[arg(long, value_delimiter = ',', default_value = "0.02,0.05,0.1,0.2")]
    scale: Vec<Number>,
    /// Print the figures as JSON to standard output, and nothing else there
    #[arg(long)]
    json: bool,
    /// Where to write summary.json, the pictures and report.html
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// The number of points that are drawn.
const DRAWN: usize = 150;

pub fn run(args: &Args) -> Ended {
    prepare_new(args.out.as_deref())?;
    let mut plan = PlanePlan::new(args.problem, args.scale.iter().map(|scale| scale.0).collect());
    plan.noise = args.noise.0;
    plan.seed = args.model.seed();
    plan.samples = args.samples;
    let first: Vec<Vec<f32>> = plan.points().into_iter().take(8).map(|sample| sample.input).collect();
    let engine = args.model.engine(&[2], &first)?;
    let report = plan.measure(&engine)?;
    show(&report, args.json, print)?;
    if let Some(directory) = &args.out {
        let mut files = pictures(&report, &engine, &plan)?;
        files.push(("summary.json", json(&report)?.into_bytes()));
        write_all(directory, &files)?;
        crate::report::leave(directory, &sheet(&report, &args.model))?;
    }
    Ok(Done::Fully)
}

type Files = Vec<(&'static str, Vec<u8>)>;

fn pictures(
    report: &PlaneReport,
    engine: &Engine,
    plan: &PlanePlan,
) -> Result<Files, Box<dyn std::error::Error>> {
    let drawn: Vec<([f64; 2], usize)> = plan
        .points()
        .iter()
        .take(DRAWN)
        .map(|sample| ([f64::from(sample.input[0]), f64::from(sample.input[1])], sample.label))
        .collect();
    let grid = PlanePacket::grid(SQUARE);
    let mut files = Files::new();
    for (packet, name) in report.boxes.iter().zip(["packet-0.png", "packet-1.png"]) {
        let (density, margin) = packet.at(engine, &grid)?;
        let title = format!("{}: box packet of label {}", report.problem, packet.label);
        let picture = PlanePacket {
            title: &title,
            sides: SQUARE,
            density: &density,
            margin: &margin,
            points: &drawn,
            kinds: ["label 0", "label 1"],
        };
        files.push((name, picture.png()?));
    }
    for (name, chart) in charts(report) {
        files.push((name, chart.svg()?.into_bytes()));
    }
    Ok(files)
}

/// The figures of the windows over their scale, by the names of the files.
fn charts(report: &PlaneReport) -> Vec<(&'static str, Chart)> {
    if report.windows.is_empty() {
        return Vec::new();
    }
    let curve = |name: &str, of: fn(&WindowPackets) -> Figure| {
        curve(name, report.windows.iter().map(|window| (window.scale, of(window))))
    };
    let title =
        format!("{}, Gaussian windows: mean of {} centres", report.problem, report.windows[0].centres);
    let x = "scale s [input unit]";
    let product = Chart {
        title: format!("{title}, 95 % band"),
        x: x.into(),
        y: "spread product [1]".into(),
        curves: vec![curve("σ_x σ_p", |w| w.product)],
        linear: false,
        bound: Some(("bound ½".into(), 0.5)),
    };
    let signal = Chart {
        title: format!("{title}, 95 % bands"),
        x: x.into(),
        y: "drift, dispersion [1]".into(),
        curves: vec![curve("drift", |w| w.drift), curve("dispersion", |w| w.dispersion)],
        linear: false,
        bound: None,
    };
    vec![("product.svg", product), ("drift.svg", signal)]
}

/// The page.
fn sheet(report: &PlaneReport, model: &ModelArgs) -> Sheet {
    let what = format!(
        "{} on {} points of the problem {}, noise {}, seed {}; packets by quadrature.",
        model.file.display(),
        grouped(report.samples),
        report.problem,
        short(report.noise),
        report.seed
    );
    let title = format!("Packets in the plane: {}", report.problem);
    let mut sheet = Sheet::new(title, what, crate::command_line()).lead(
        "accuracy",
        percent(report.accuracy.value),
        Some(percents(report.accuracy.interval)),
    );
    for window in &report.windows {
        let (name, drift) = (format!("drift, window of width {}", short(window.scale)), window.drift);
        sheet = sheet.lead(name, short(drift.value), Some(span(drift.interval)));
    }
    let settled = |converged: bool| if converged { "yes" } else { "no" }.to_string();
    let boxes = report.boxes.iter().flat_map(|packet| {
        let row = move |(i, c): (usize, &CoordinateFigures)| {
            let figures = [c.sigma_x, c.sigma_p, c.product, c.bound, c.boundary].map(|f| short(f.value));
            let error = format!("{:.1e}", c.product.error().max(c.bound.error()));
            let names = [packet.label.to_string(), format!("x{}", i + 1)];
            names.into_iter().chain(figures).chain([error, settled(packet.converged)]).collect()
        };
        packet.coordinates.iter().enumerate().map(row)
    });
    let header = ["label", "coordinate", "σ_x", "σ_p", "product", "bound ½|1 − B|", "B", "error", "settled"];
    let mut parts = vec![Block::table(&header, boxes.collect())];
    let drawn = report.boxes.iter().zip(["packet-0.png", "packet-1.png"]);
    parts.extend(drawn.map(|(packet, file)| {
        Block::picture(
            file,
            format!(
                "The box packet of label {}, ψ² in colour, with data points and the decision boundary",
                packet.label
            ),
        )
    }));
    let windows = report.windows.iter().map(|w| {
        let figures = [w.sigma_x, w.sigma_p, w.product, w.drift, w.dispersion];
        let cell = |f: Figure| format!("{} [{}]", short(f.value), span(f.interval));
        let share = to_error(w.misclassified.value, w.misclassified_error);
        let rest = [
            format!("{share} [{}] ± {:.1e}", span(w.misclassified.interval), w.misclassified_error),
            format!("{:.1e}", w.error),
            settled(w.converged),
        ];
        let figures = figures.map(cell).into_iter().chain(rest);
        [short(w.scale)].into_iter().chain(figures).collect()
    });
    let header =
        ["scale", "σ_x", "σ_p", "product, bound ½", "drift", "dispersion", "P(wrong)", "error", "settled"];
    let mut under = charts(report).into_iter().map(|(_, chart)| Block::chart(chart)).collect::<Vec<_>>();
    if !report.windows.is_empty() {
        under.push(Block::table(&header, windows.collect()));
        under.push(Block::note(format!(
            "Means over {} centres with 95 % intervals; ± is the largest estimated error of a centre's P(wrong).",
            report.windows[0].centres
        )));
    }
    let unsettled = report.boxes.iter().filter(|packet| !packet.converged).count()
        + report.windows.iter().filter(|window| !window.converged).count();
    if unsettled > 0 {
        let of = report.boxes.len() + report.windows.len();
        let message = format!(
            "the figures of {unsettled} of {of} rows did not settle to 1e-5; their errors are in the tables"
        );
        sheet.warnings.push(Warning::new("not-settled", message));
    }
    sheet.section("Under Gaussian windows", under).section("On the unit square, ψ ∝ l", parts)
}

fn print(report: &PlaneReport) {
    let Figure { value, interval: [low, high], .. } = report.accuracy;
    say!(
        "{}, noise {}, seed {}: {} of {} points classified correctly",
        report.problem,
        short(report.noise),
        report.seed,
        grouped(report.correct),
        grouped(report.samples)
    );
    say!("accuracy {:.2} %   [{:.2}, {:.2}] %", 100.0 * value, 100.0 * low, 100.0 * high);
    say!("");
    say!("box packets, ψ ∝ l on the unit square; ± estimates the error of the quadrature");
    say!("label  coordinate        σ_x        σ_p    product  ≥ ½|1 − B|          B          ±");
    for packet in &report.boxes {
        for (i, c) in packet.coordinates.iter().enumerate() {
            let cell = |figure: Figure| format!("{:>10}", short(figure.value));
            say!(
                "{:<6} x{:<9} {} {} {}  {} {} {:>10.1e}{}",
                packet.label,
                i + 1,
                cell(c.sigma_x),
                cell(c.sigma_p),
                cell(c.product),
                cell(c.bound),
                cell(c.boundary),
                c.product.error().max(c.bound.error()),
                verdict(packet.converged),
            );
        }
    }
    if report.windows.is_empty() {
        return;
    }
    say!("");
    say!("Gaussian windows, mean of {} centres; bound ½", report.windows[0].centres);
    say!("± estimates the error of the quadrature, of a product and of a P(wrong)");
    say!(
        "scale           σ_x        σ_p    product   smallest          ±      drift dispersion   P(wrong)          ±"
    );
    for window in &report.windows {
        let cell = |value: f64| format!("{:>10}", short(value));
        say!(
            "{:<8} {} {} {} {} {:>10.1e} {} {} {:>10} {:>10.1e}{}",
            short(window.scale),
            cell(window.sigma_x.value),
            cell(window.sigma_p.value),
            cell(window.product.value),
            cell(window.product_min),
            window.error,
            cell(window.drift.value),
            cell(window.dispersion.value),
            to_error(window.misclassified.value, window.misclassified_error),
            window.misclassified_error,
            verdict(window.converged),
        );
    }
}

fn verdict(converged: bool) -> &'static str {
    if converged { "" } else { "  not settled to 1e-5" }
}
