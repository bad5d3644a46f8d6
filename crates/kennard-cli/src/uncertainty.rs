use std::time::Instant;

use kennard::Figure;
use kennard::audit::Progress;
use kennard::data::Selection;
use kennard::engine::Engine;
use kennard::packet::{Hidden, Lobe, Modes};
use kennard::run::ModelSummary;
use kennard::survey::{DistanceFigures, Figures, Lobes, SurveySummary};

use crate::packets::{Packets, failure};
use crate::progress::Display;
use crate::screen::{far, far_line, grouped, line, short};
use crate::settings::Data;
use crate::source::{ModelArgs, show};
use crate::{Done, Ended, screen, setup};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    data: Data,
    #[command(flatten)]
    packets: Packets,
    /// Print summary.json to standard output, and nothing else there
    #[arg(long)]
    json: bool,
}

/// At most this many failures are shown.
const FAILURES_SHOWN: usize = 10;

pub fn run(args: Args) -> Ended {
    let packets = args.packets;
    packets.check()?;
    let (engine, data) = args.model.on(&args.data, Selection::All)?;
    let hidden = packets.hidden(&engine, &args.model.options())?;
    let model = ModelSummary::of_file(&args.model.file, engine.classifier())?;
    let survey = packets.survey(&engine, hidden.as_ref(), &data, &model, args.model.seed())?;
    setup::say_left_out(&survey.without);
    let stop = setup::stop_on_interrupt()?;
    let (begin, mut display) = (Instant::now(), Display::new());
    let result = survey.run(&stop, |done, total| display.show(Progress::Packets { done, total }));
    display.finish();
    let outcome = result?;
    let summary = packets.summary(&survey, model, &outcome, begin.elapsed())?;

    show(&summary, args.json, |summary| print(summary, &engine, hidden.as_ref()))?;
    packets.write(&survey, &outcome, &summary, crate::command_line())?;
    if !outcome.complete {
        return Ok(Done::Interrupted);
    }
    packets.too_few(&outcome)?;
    Ok(Done::Fully)
}

/// The table: a block per scale.
fn print(summary: &SurveySummary, engine: &Engine, hidden: Option<&Hidden>) {
    let plan = engine.plan();
    say!("");
    screen::model(&summary.model);
    say!("data     {}", summary.data);
    if let Some(hidden) = hidden {
        let shape: Vec<String> = hidden.shape().iter().map(usize::to_string).collect();
        say!(
            "tensor   {}   {}, {} elements held fixed beside it",
            hidden.name(),
            shape.join("×"),
            hidden.rest()
        );
    }
    say!(
        "run      {}, micro-batch {}, {} sessions, seed {}, {:.1} s",
        summary.runtime,
        plan.micro_batch,
        plan.sessions,
        summary.seed,
        summary.seconds
    );
    summary.calibration.iter().for_each(screen::calibration);
    for figures in &summary.curve {
        say!("");
        block(figures);
    }
    lobes(&summary.lobes);
    if !summary.failed.is_empty() {
        say!("");
        say!("not measured");
    }
    for failed in summary.failed.iter().take(FAILURES_SHOWN) {
        say!("  {}", failure(failed));
    }
    if summary.failed.len() > FAILURES_SHOWN {
        say!("  and {} more; summary.json has them all", summary.failed.len() - FAILURES_SHOWN);
    }
    if let Some(cosines) = &summary.cosines {
        say!("");
        say!("{}", screen::cosines(cosines));
    }
    screen::warnings(&summary.warnings);
}

fn block(figures: &Figures) {
    let label = figures.label.map_or(String::new(), |label| format!(", label {label}"));
    let scale = figures.scale.map_or(String::new(), |scale| format!(", scale {}", short(scale)));
    say!(
        "{} packet{scale}{label}{}: mean of {}, {} points, effective sample size {}",
        figures.packet,
        screen::at_temperature(figures.temperature),
        figures.packets,
        grouped(figures.samples),
        grouped(figures.ess as u64)
    );
    if let Some(r_hat) = figures.r_hat {
        say!("  by Markov chains where weights fail, R̂ ≤ {r_hat:.3}");
    }
    let modes = figures.modes.as_ref();
    screen::signal(
        [figures.excess_x, figures.excess_p],
        modes,
        [figures.drift, figures.dispersion, figures.misclassified],
    );
    line("σ_x", figures.sigma_x, "");
    line("σ_p", figures.sigma_p, "");
    let bound = figures.bound.map_or(String::new(), |bound| format!("  ≥ {}", short(bound)));
    line("product", figures.product, &bound);
    if let Some(found) = modes {
        along_modes(found);
    }
    distances(&figures.distances);
    if !figures.reached {
        say!("  a part of the packet may not have been reached");
    }
    checks(figures);
    for note in &figures.notes {
        say!("  {note}");
    }
}

/// Medians of the distances to the decision boundary, and of the error packet along the attack.
fn distances(medians: &DistanceFigures) {
    let rows = [
        ("first_order", "first order", "  margin over slope at the sample, l2"),
        ("packet", "packet dist.", "  margin over mean slope under the window, l2"),
        ("radius", "radius", "  smoothed radius, l2"),
        ("searched", "boundary", "  the nearest crossing found, l2"),
        ("error.mean", "errors ⟨x⟩", "  along the attack, of the error packet"),
        ("error.sigma_x", "errors σ_x", ""),
        ("error.sigma_p", "errors σ_p", ""),
        ("error.product", "errors σσ", "  ≥ 0.5"),
    ];
    if rows.iter().any(|(name, ..)| medians.contains_key(*name)) {
        say!("  distances to the decision boundary, medians");
    }
    for (name, shown, note) in rows {
        if let Some(figure) = medians.get(name) {
            far_line(shown, *figure, note);
        }
        let in_linf = medians.get("first_order.linf").zip(medians.get("packet.linf"));
        if let ("packet", Some((first, packet))) = (name, in_linf) {
            let (first, packet) = (far(first.value), far(packet.value));
            say!("  in linf     {first:>9}  to first order, {packet} by the packet distance");
        }
    }
}

/// The spreads along the leading modes.
fn along_modes(modes: &Modes) {
    for (rank, mode) in modes.leading.iter().enumerate() {
        let note = format!(
            "  dispersion {}, squeeze {}, residual {}",
            short(mode.dispersion.value),
            short(mode.squeeze.value),
            short(mode.residual)
        );
        line(&format!("  mode {}", rank + 1), mode.product, &note);
    }
    let list = |values: &[f64]| values.iter().map(|v| short(*v)).collect::<Vec<_>>().join(", ");
    let interval = |m: &Figure| {
        let [value, low, high] = [m.value, m.interval[0], m.interval[1]].map(short);
        format!("{value} [{low}, {high}]")
    };
    // A flat loss has no modes.
    let rows = [
        (
            "principal",
            modes.principal.iter().map(interval).collect::<Vec<_>>().join(", "),
            "along the modes and their conjugates; 0.5 where the log-loss is quadratic",
        ),
        ("squeeze", list(&modes.squeeze), "among the modes"),
        ("s² Cov(g)", list(&modes.momentum), "among the modes; the window has 0.25"),
    ];
    for (name, values, note) in rows.iter().filter(|(_, values, _)| !values.is_empty()) {
        say!("  {name:<11} {values}  {note}");
    }
}

/// The packets that fall into lobes.
fn lobes(packets: &[Lobes]) {
    if !packets.is_empty() {
        say!("");
        say!("packets of several lobes, by share of ψ²");
    }
    for packet in packets.iter().take(FAILURES_SHOWN) {
        let lobe = |lobe: &Lobe| {
            let Lobe { share, distance, starts } = *lobe;
            let plural = if starts == 1 { "" } else { "s" };
            format!("{:.0} % at {} s, {starts} start{plural}", 100.0 * share, short(distance))
        };
        let list: Vec<String> = packet.lobes.iter().map(lobe).collect();
        let scale = packet.scale.map_or(String::new(), |scale| format!(", scale {}", short(scale)));
        let doubt = if packet.reached { "" } else { "  NOT TO BE TRUSTED" };
        say!("  sample {}{scale}: {}{doubt}", packet.centre.unwrap_or_default(), list.join("; "));
    }
    if packets.len() > FAILURES_SHOWN {
        say!("  and {} more; summary.json has them all", packets.len() - FAILURES_SHOWN);
    }
}

/// Stein's identities, and the boundary terms of a packet that has a boundary.
fn checks(figures: &Figures) {
    let verdict = if figures.valid { "  holds" } else { "  NOT TO BE TRUSTED" };
    if let Some(stein) = figures.stein {
        let name = if figures.boundary.is_some() { "Cov(x, g)" } else { "Stein check" };
        line(name, stein, if figures.boundary.is_some() { "" } else { verdict });
    }
    if let Some((inside, faces)) = figures.boundary.zip(figures.boundary_faces) {
        line("boundary B", inside, "  the bound is the mean of ½ |1 − B_i| over coordinates");
        line("  on faces", faces, verdict);
    }
}
