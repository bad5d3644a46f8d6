use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

use clap::ValueEnum;
use kennard::Figure;
use kennard::audit::Progress;
use kennard::data::Selection;
use kennard::engine::Engine;
use kennard::packet::{ESS_FLOOR, Effort, Hidden, Lobe, Modes};
use kennard::run::{ModelSummary, write_set};
use kennard::survey::{
    DistanceFigures, Failure, Figures, Lobes, PacketKind, Survey, SurveyManifest, SurveySummary, write_survey,
};

use crate::portrait::pictures;
use crate::progress::Display;
use crate::screen::{grouped, line, short};
use crate::settings::{Bounds, Data, Number, Temperature};
use crate::source::{Given, json, prepare, show};
use crate::{Done, Outcome, screen, setup};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: Given,
    #[command(flatten)]
    data: Data,
    /// The packet, by where the loss is looked at
    #[arg(long, default_value = "gaussian")]
    packet: Packet,
    /// Widths of the window in input units, for a curve over them: 1/255,2/255,4/255
    #[arg(long, value_name = "S,S,…", value_delimiter = ',')]
    scale: Vec<Number>,
    /// The box of packet box: smallest and largest value of an input element
    #[arg(long, value_name = "LO,HI", default_value_t = Bounds::default())]
    bounds: Bounds,
    /// The packets of this hidden tensor instead of the input's; scales are in its units
    #[arg(long, value_name = "NAME")]
    tensor: Option<String>,
    /// Only samples of this label
    #[arg(long)]
    label: Option<usize>,
    /// How many samples of the data are used, drawn at random by the seed [default: 32 as centres of
    /// gaussian, as many of each label as can be; 1000 of each label otherwise]
    #[arg(long, visible_alias = "samples", value_name = "N")]
    centres: Option<usize>,
    /// Use the first N samples, in the order of the files; of each label where packets are of labels
    #[arg(long, value_name = "N", conflicts_with = "centres")]
    first: Option<usize>,
    /// Points per packet, to begin with
    #[arg(long, value_name = "N", default_value_t = 2000)]
    draws: usize,
    /// Points per packet at the most: more are taken until their effective sample size is enough
    #[arg(long, value_name = "N", default_value_t = 32_000)]
    max_draws: usize,
    /// Sample until the half-widths of all intervals are below this share of their values
    #[arg(long)]
    rel_tol: Option<f64>,
    /// Measure the packets with the logits divided by this temperature too: a number, or the file of `kennard calibrate`
    #[arg(long, value_name = "T|FILE", conflicts_with = "temperatures")]
    temperature: Option<Temperature>,
    /// The same packets at each of these temperatures, which change no decision: what moves with them is no measure of
    /// robustness
    #[arg(long, value_name = "T,T,…", value_delimiter = ',')]
    temperatures: Vec<Number>,
    /// Succeed even where packets have too few effective samples; they are marked as not to be trusted
    #[arg(long)]
    accept_few: bool,
    /// Refused: a clamped packet is another packet
    #[arg(long)]
    clamp: bool,
    /// Print summary.json to standard output, and nothing else there
    #[arg(long)]
    json: bool,
    /// Where to write manifest.json, packets.parquet, summary.json, report.html, and pictures of maps, modes and curves
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Packet {
    /// Under a Gaussian window around a sample
    Gaussian,
    /// Under a mixture of Gaussian windows around the samples of a label
    Data,
    /// Everywhere in the box of all inputs
    Box,
    /// At the samples of a label
    Empirical,
}

impl Args {
    fn kind(&self) -> Result<PacketKind, String> {
        let kind = match self.packet {
            Packet::Gaussian => PacketKind::Gaussian,
            Packet::Data => PacketKind::Data,
            Packet::Empirical => PacketKind::Empirical,
            Packet::Box => PacketKind::Box(self.bounds.0),
        };
        match (kind.has_scale(), self.scale.is_empty()) {
            (true, true) => {
                Err("--scale is missing: the widths of the window, for example 1/255,2/255".into())
            }
            (false, false) => Err("--scale: this packet has no window; leave it out".into()),
            _ => Ok(kind),
        }
    }
}

/// At most this many failures are shown.
const FAILURES_SHOWN: usize = 10;

/// This many samples are probed by one gradient each.
const PROBED: usize = 1000;

const CLAMP: &str = "--clamp: points of a packet are not clamped. A window on all of space has no boundary, which is \
                     what makes 1/2 the bound; clamping piles samples up on the faces and adds a boundary term, and the \
                     identities fail. The network is evaluated outside the range of the data instead: it is a function \
                     there too. For a packet that lives inside the range, take --packet box";

pub fn run(args: Args) -> Outcome {
    if args.clamp {
        return Err(CLAMP.into());
    }
    let kind = args.kind()?;
    prepare(args.out.as_deref())?;
    if let Some(tolerance) = args.rel_tol.filter(|tolerance| tolerance.is_nan() || *tolerance <= 0.0) {
        return Err(format!("--rel-tol {tolerance}: it must be positive, 0.05 for five per cent").into());
    }
    let (engine, data) = args.model.on(&args.data)?;
    let hidden = match &args.tensor {
        Some(name) => Some(Hidden::new(&engine, name, &args.model.options())?),
        None => None,
    };
    let model = ModelSummary::of_file(&args.model.file, engine.classifier())?;
    let (temperatures, without) = match &args.temperature {
        Some(temperature) => {
            let (temperature, fitted) = temperature.of(&model.sha256, &data)?;
            (vec![1.0, temperature], fitted)
        }
        None => (args.temperatures.iter().map(|temperature| temperature.0).collect(), Vec::new()),
    };
    if !without.is_empty() {
        note!(
            "the {} samples that the temperature was fitted to are left out",
            grouped(without.len() as u64)
        );
    }
    let survey = Survey {
        engine: &engine,
        hidden: hidden.as_ref(),
        data: &data,
        kind,
        scales: args.scale.iter().map(|scale| scale.0).collect(),
        label: args.label,
        centres: match args.first {
            Some(count) => Selection::First(count),
            None => Selection::Random {
                count: args.centres.unwrap_or(if kind == PacketKind::Gaussian { 32 } else { 1000 }),
                seed: args.model.seed(),
            },
        },
        among: Selection::All,
        without,
        temperatures,
        stratified: true,
        samples: args.draws.min(args.max_draws),
        effort: Effort {
            max_samples: args.max_draws,
            rel_tol: args.rel_tol,
            modes: true,
            ..Effort::default()
        },
        distances: true,
        seed: args.model.seed(),
        probed: PROBED,
    };
    let stop = setup::stop_on_interrupt()?;
    let (begin, mut display) = (Instant::now(), Display::new());
    let result = survey.run(&stop, |done, total| display.show(Progress::Packets { done, total }));
    display.finish();
    let (outcome, stopped) = (result?, stop.load(Ordering::Relaxed));
    if let (true, Some(first), false) = (outcome.packets.is_empty(), outcome.failed.first(), stopped) {
        let all = outcome.failed.len();
        return Err(format!("none of {all} packets could be measured. {}", failure(first)).into());
    }
    let summary = survey.summary(model, &outcome, begin.elapsed())?;

    show(&summary, args.json, |summary| print(summary, &engine, hidden.as_ref()))?;
    if let Some(directory) = &args.out {
        write_survey(directory, &summary, &outcome.packets)?;
        let manifest = SurveyManifest::new(&survey, &summary, crate::command_line());
        let shape = hidden.as_ref().map_or(data.shape(), |hidden| hidden.shape());
        let mut files = pictures(&outcome, shape)?;
        files.push(("manifest.json".into(), json(&manifest)?.into_bytes()));
        write_set(directory, &files)?;
        let count = files.len() - 1;
        let written = format!("manifest.json, packets.parquet, summary.json, {count} pictures");
        crate::report::beside(directory, &written)?;
    }
    let few = outcome.packets.iter().filter(|packet| !packet.enough_samples).count();
    if few > 0 && !args.accept_few && !stopped {
        return Err(format!(
            "{few} of {} packets have fewer than {ESS_FLOOR} effective samples and are not to be trusted: ask for more \
             with --max-draws, take a smaller scale, or go on all the same with --accept-few",
            outcome.packets.len()
        )
        .into());
    }
    Ok(if stopped { Done::Interrupted } else { Done::Fully })
}

/// Which packet could not be measured, and why.
fn failure(failure: &Failure) -> String {
    let scale = failure.scale.map_or(String::new(), |scale| format!(" at scale {}", short(scale)));
    let place = match failure.centre {
        Some(centre) => format!("sample {centre} (label {})", failure.label),
        None => format!("label {}", failure.label),
    };
    format!("{place}{scale}: {}", failure.reason)
}

/// The table: a block per scale.
fn print(summary: &SurveySummary, engine: &Engine, hidden: Option<&Hidden>) {
    let plan = engine.plan();
    say!("");
    screen::model(&summary.model);
    say!("data     {} ({})", summary.data.name, summary.data.split);
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
    screen::signal(&[
        ("excess σ_x", figures.excess_x),
        ("excess σ_p", figures.excess_p),
        ("along drift", modes.and_then(|m| m.drift.as_ref()).map(|mode| mode.product)),
        ("along modes", modes.and_then(|m| m.leading.first()).map(|mode| mode.product)),
        ("drift", figures.drift),
        ("dispersion", figures.dispersion),
        ("P(wrong)", figures.misclassified),
    ]);
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
    if !medians.is_empty() {
        say!("  distances to the decision boundary, medians");
    }
    for (name, shown, note) in rows {
        if let Some(figure) = medians.get(name) {
            line(shown, *figure, note);
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
    let principal: Vec<String> = modes.principal.iter().map(interval).collect();
    say!(
        "  principal   {}  along the modes and their conjugates; 0.5 where the log-loss is quadratic",
        principal.join(", ")
    );
    say!("  squeeze     {}  among the modes", list(&modes.squeeze));
    say!("  s² Cov(g)   {}  among the modes; the window has 0.25", list(&modes.momentum));
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
