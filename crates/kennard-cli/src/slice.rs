use kennard::Figure;
use kennard::audit::Warning;
use kennard::data::{DataSet, Selection};
use kennard::engine::Engine;
use kennard::picture::{Chart, ChartPoint, Curve, PlanePacket};
use kennard::quadrature::{Direction, Slice, SlicePlan, SliceReport};
use kennard::report::{Block, Sheet};
use std::path::PathBuf;

use crate::screen::{short, to_error};
use crate::settings::{Data, Number};
use crate::source::{ModelArgs, json, prepare_new, show, write_all};
use crate::{Done, Ended};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    data: Data,
    /// The sample that the line or plane goes through, by its place in the data set
    #[arg(long, default_value_t = 0, value_name = "N")]
    sample: usize,
    /// One direction for a line, two for a plane: gradient, mode (the packet's leading one), or the number of another sample
    #[arg(long, value_name = "D[,D]", value_delimiter = ',', default_value = "gradient")]
    along: Vec<Direction>,
    /// Widths of the Gaussian windows, in input units
    #[arg(long, value_name = "S,S,…", value_delimiter = ',', required = true)]
    scale: Vec<Number>,
    /// Print the figures as JSON to standard output, and nothing else there
    #[arg(long)]
    json: bool,
    /// Where to write summary.json, the pictures of the packets and report.html
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Points of a drawn curve.
const POINTS: usize = 241;

pub fn run(args: &Args) -> Ended {
    prepare_new(args.out.as_deref())?;
    let (engine, data) = args.model.on(&args.data, Selection::All)?;
    let scales = args.scale.iter().map(|scale| scale.0).collect();
    let mut plan = SlicePlan::new(&engine, &data, args.sample, args.along.clone(), scales);
    plan.seed = args.model.seed();
    let report = data.while_unchanged(|| plan.measure())?;
    show(&report, args.json, |report| print(report, &data))?;
    if let Some(directory) = &args.out {
        let (mut files, mut parts) = (Vec::new(), Vec::new());
        for slice in &report.slices {
            let scale = short(slice.scale);
            if report.directions.len() == 1 {
                let chart = line(&report, slice, &engine)?;
                files.push((format!("line_{scale}.svg"), chart.svg()?.into_bytes()));
                parts.push(Block::chart(chart));
            } else {
                let (file, caption) = (format!("plane_{scale}.png"), format!("The packet at scale {scale}"));
                files.push((file.clone(), plane(&report, slice, &engine)?));
                parts.push(Block::picture(file, caption));
            }
        }
        files.push(("summary.json".into(), json(&report)?.into_bytes()));
        write_all(directory, &files)?;
        crate::report::leave(directory, &sheet(&report, &data, parts))?;
    }
    Ok(Done::Fully)
}

/// The page; `pictures` are those of the packets.
fn sheet(report: &SliceReport, data: &DataSet, pictures: Vec<Block>) -> Sheet {
    let title = format!("Packets along {} through sample {}", report.directions.join(" and "), report.sample);
    let taken = match report.label == report.prediction {
        true => "classified correctly".to_string(),
        false => format!("taken for {}", report.prediction),
    };
    let what = format!(
        "Sample {} of {}, label {}, {taken}. Packets under Gaussian windows by quadrature; the bound is ½.",
        report.sample,
        data.spec(),
        report.label
    );
    let mut sheet = Sheet::new(title, what, crate::command_line());
    let mut rows = Vec::new();
    for slice in &report.slices {
        sheet = sheet.lead(format!("drift at scale {}", short(slice.scale)), short(slice.drift), None);
        for (c, along) in slice.coordinates.iter().zip(&report.directions) {
            let figures = [c.mean, c.sigma_x, c.sigma_p, c.product].map(|figure| short(figure.value));
            let settled = if slice.converged { "yes" } else { "no" };
            let ends = [
                short(slice.drift),
                short(slice.dispersion),
                format!(
                    "{} ± {:.1e}",
                    to_error(slice.misclassified, slice.misclassified_error),
                    slice.misclassified_error
                ),
                format!("{:.1e}", c.product.error()),
                settled.into(),
            ];
            rows.push([short(slice.scale), along.clone()].into_iter().chain(figures).chain(ends).collect());
        }
    }
    for failed in &report.failed {
        let message = format!("scale {} is not measured: {}", short(failed.scale), failed.reason);
        sheet.warnings.push(Warning::new("not-measured", message));
    }
    let unsettled = report.slices.iter().filter(|slice| !slice.converged).count();
    if unsettled > 0 {
        let of = report.slices.len();
        let message = format!(
            "the figures of {unsettled} of {of} scales did not settle; their errors are in the table"
        );
        sheet.warnings.push(Warning::new("not-settled", message));
    }
    let header = [
        "scale",
        "along",
        "mean",
        "σ_x",
        "σ_p",
        "product",
        "drift",
        "dispersion",
        "P(wrong)",
        "error",
        "settled",
    ];
    sheet.section("Figures", vec![Block::table(&header, rows)]).section("Packets", pictures)
}

/// The packet and its window along a line.
fn line(report: &SliceReport, slice: &Slice, engine: &Engine) -> kennard::Result<Chart> {
    let [low, high] = slice.ends()[0];
    let at: Vec<f64> = (0..POINTS).map(|i| low + (high - low) * i as f64 / (POINTS - 1) as f64).collect();
    let (density, margin) = slice.at(engine, &at)?;
    let s = slice.scale;
    let window = |t: f64| (-t * t / (2.0 * s * s)).exp() / (s * std::f64::consts::TAU.sqrt());
    let curve = |name: &str, of: &dyn Fn(usize) -> Option<f64>| {
        let figure = |i: usize| of(i).map(|value| ChartPoint { x: at[i], value, low: value, high: value });
        Curve { name: name.into(), figures: (0..POINTS).filter_map(figure).collect(), nested: false }
    };
    let mut curves = vec![curve("packet", &|i| Some(density[i])), curve("window", &|i| Some(window(at[i])))];
    // Another class is predicted where the margin is positive; drawn along the foot.
    let other = curve("misclassified", &|i| (margin[i] > 0.0).then_some(0.0));
    curves.extend(Some(other).filter(|curve| !curve.figures.is_empty()));
    Ok(Chart {
        title: format!("packet of label {} along {}, s = {}", report.label, report.directions[0], short(s)),
        x: format!("distance from sample {} [input unit]", report.sample),
        y: "ψ² [1/input unit]".into(),
        curves,
        linear: true,
        bound: None,
    })
}

fn plane(
    report: &SliceReport,
    slice: &Slice,
    engine: &Engine,
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let ends = slice.ends();
    // A circle is to look like one.
    let side = ends.iter().map(|[low, high]| high - low).fold(0.0, f64::max);
    let sides = [0, 1].map(|i| {
        let middle = 0.5 * (ends[i][0] + ends[i][1]);
        [middle - 0.5 * side, middle + 0.5 * side]
    });
    let (density, margin) = slice.at(engine, PlanePacket::grid(sides).as_flattened())?;
    let mean = [slice.coordinates[0].mean.value, slice.coordinates[1].mean.value];
    let title = format!(
        "label {}, s = {}: x1 {}, x2 {}",
        report.label,
        short(slice.scale),
        report.directions[0],
        report.directions[1]
    );
    let picture = PlanePacket {
        title: &title,
        sides,
        density: &density,
        margin: &margin,
        points: &[([0.0; 2], 0), (mean, 1)],
        kinds: ["sample", "mean"],
    };
    Ok(picture.png()?)
}

fn print(report: &SliceReport, data: &DataSet) {
    let right = if report.label == report.prediction {
        "classified correctly".into()
    } else {
        format!("taken for {}", report.prediction)
    };
    say!("sample {} of {}, label {}, {right}", report.sample, data.spec(), report.label);
    say!("Gaussian windows; bound ½; ± estimates the error of the quadrature");
    say!("");
    say!("scale    along               mean        σ_x        σ_p    product          ±");
    for slice in &report.slices {
        let settled = if slice.converged { "" } else { "  not settled" };
        for (c, along) in slice.coordinates.iter().zip(&report.directions) {
            let cell = |figure: Figure| format!("{:>10}", short(figure.value));
            say!(
                "{:<8} {along:<13} {} {} {} {} {:>10.1e}{settled}",
                short(slice.scale),
                cell(c.mean),
                cell(c.sigma_x),
                cell(c.sigma_p),
                cell(c.product),
                c.product.error(),
            );
        }
        say!(
            "         drift {}, dispersion {}, P(wrong) {} ± {:.1e}",
            short(slice.drift),
            short(slice.dispersion),
            to_error(slice.misclassified, slice.misclassified_error),
            slice.misclassified_error
        );
    }
    for failed in &report.failed {
        say!("{:<8} not measured: {}", short(failed.scale), failed.reason);
    }
}
