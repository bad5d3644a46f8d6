//! The one screen that an audit ends with.

use kennard::audit::{CertifiedRadii, MinimalSummary, Summary, Warning};
use kennard::data::Selection;
use kennard::engine::Plan;
pub use kennard::experiment::short;
use kennard::probe::Cosines;
use kennard::run::{ModelSummary, Shard};
use kennard::{Figure, Precision};

use crate::command::flag;

/// All of it.
pub fn print(summary: &Summary, plan: Option<Plan>) {
    accuracies(summary, plan);
    packets(summary);
    warnings(&summary.warnings);
}

/// What was run, the accuracies, the distances and the cosines.
pub fn accuracies(summary: &Summary, plan: Option<Plan>) {
    say!("");
    conditions(summary, plan);
    say!("");
    table(summary);
    if summary.clean.pending == 0 {
        certified(summary);
    }
    if !summary.minimal.is_empty() {
        minimal(&summary.minimal);
        summary.radii.iter().for_each(radii);
    }
    if let Some(probed) = summary.cosines.as_ref().filter(|_| summary.clean.pending == 0) {
        say!("");
        say!("{}", cosines(probed));
    }
}

/// The line of the model.
pub fn model(model: &ModelSummary) {
    let shape: Vec<String> = model.input.iter().map(usize::to_string).collect();
    say!(
        "model    {}   {} weights, {} in, {} classes",
        crate::out::name(&model.file),
        grouped(model.parameters),
        shape.join("×"),
        model.classes
    );
}

/// Which part of the data the samples are, where they are not all.
pub fn part(selection: Selection, shard: Shard) -> String {
    let selected = match (selection, shard) {
        (Selection::All, _) => String::new(),
        (Selection::First(_), Shard::WHOLE) => ", the first".into(),
        (Selection::First(count), _) => format!(" of the first {}", grouped(count as u64)),
        (Selection::Random { seed, .. }, _) => format!(", drawn at random by seed {seed}"),
    };
    let shard = if shard == Shard::WHOLE { String::new() } else { format!(", shard {shard}") };
    selected + &shard
}

/// What was run: model, data, threat model and process.
fn conditions(summary: &Summary, plan: Option<Plan>) {
    model(&summary.model);
    let part = part(summary.selection, summary.shard);
    say!(
        "data     {} ({})   {} samples{part}",
        summary.data.name,
        summary.data.split,
        grouped(summary.total)
    );
    for note in &summary.data.notes {
        say!("         {note}");
    }
    let (threat, eps) = (&summary.threat_model, &summary.eps_text);
    // Where more confines attacks, epsilon is only the most that an element may change.
    let size = match (threat.eps.is_finite(), summary.confined.is_empty()) {
        (false, _) => String::new(),
        (true, true) => format!(" ≤ {eps}"),
        (true, false) => format!(", at most {eps}"),
    };
    let confined: String = summary.confined.iter().map(|what| format!(", {what}")).collect();
    say!("threat   {}{size}{confined}, inputs in [{}, {}]", threat.norm, threat.bounds[0], threat.bounds[1]);
    if let Some(version) = &summary.autoattack {
        say!("attack   AutoAttack ({version})");
    }
    if summary.attacks_are_changed() {
        say!("attack   {}", summary.attacks_in_words().join(", "));
    }
    if summary.search_precision != Precision::F32 {
        say!("search   in {}; verdicts, margins and distances in float32", summary.search_precision);
    }
    let plan = plan.map_or(String::new(), |plan| {
        let plural = if plan.threads_per_session == 1 { "" } else { "s" };
        format!(
            ", micro-batch {}, {} × {} thread{plural}",
            plan.micro_batch, plan.sessions, plan.threads_per_session
        )
    });
    say!("run      {}{plan}, seed {}, {:.1} s", summary.runtime, summary.seed, summary.seconds);
}

/// An accuracy and its interval in per cent; a bracket and a count in place of one that is not known yet.
fn accuracy(share: Option<f64>, interval: Option<[f64; 2]>, bracket: [f64; 2], pending: u64) -> String {
    let percent = |share: f64| 100.0 * share;
    match share.zip(interval.map(|ends| ends.map(percent))) {
        Some((share, [low, high])) => format!("{:>7.2} %   {low:>5.2} – {high:>5.2} %", percent(share)),
        None => {
            let [low, high] = bracket.map(percent);
            format!("{:<27}", format!("{low:>5.2} – {high:>5.2} %, {} pending", grouped(pending)))
        }
    }
}

/// A row for each accuracy.
fn table(summary: &Summary) {
    let names = summary.attacks.iter().map(|attack| attack.name.len());
    let width = names.chain([11]).max().unwrap_or(11);
    let clean = &summary.clean;
    if clean.pending > 0 {
        say!(
            "clean pass not finished: {} of {} samples seen, so no share is known",
            grouped(summary.samples),
            grouped(summary.total)
        );
        return;
    }
    say!("{:<width$}  accuracy   95 % interval    forward  +gradient   seconds", "");
    say!("{:<width$} {}", "clean", accuracy(clean.accuracy, clean.interval, [0.0, 1.0], 0));
    for attack in &summary.attacks {
        say!(
            "{:<width$} {}  {:>9}  {:>9}  {:>8.1}",
            attack.name,
            accuracy(attack.robust_accuracy, attack.interval, attack.bracket, attack.pending),
            grouped(attack.forwards),
            grouped(attack.backwards),
            attack.seconds
        );
    }
    // What one attack left stands in its own row.
    let several = summary.attacks.len() > 1 || !summary.minimal.is_empty();
    if let Some(robust) = summary.robust.as_ref().filter(|_| several) {
        let found = accuracy(robust.robust_accuracy, robust.interval, robust.bracket, robust.pending);
        say!("{:<width$} {found}", "robust");
    }
    for (attack, proved) in summary.attacks.iter().filter_map(|attack| Some((attack, attack.proved?))) {
        let (name, all) = (&attack.name, grouped(attack.robust));
        say!(
            "{name:<width$} {} of {all} robust samples proved: no point within epsilon is misclassified",
            grouped(proved)
        );
    }
}

/// What is proved, and what lies between that and what attacks leave.
fn certified(summary: &Summary) {
    let (Some(certified), Some(undecided)) = (&summary.certified, summary.undecided) else { return };
    let found =
        accuracy(certified.certified_accuracy, certified.interval, certified.bracket, certified.pending);
    say!("");
    say!("{:<11} {found}   proved of the network in real arithmetic", "certified");
    let methods = certified.methods.iter().filter(|by| by.certified > 0);
    let methods: Vec<String> = methods
        .map(|by| format!("{} by {} in {:.1} s", grouped(by.certified), by.name, by.seconds))
        .collect();
    let by = if methods.is_empty() { String::new() } else { format!("   ({})", methods.join(", ")) };
    say!(
        "{} certified, {} undecided of {} samples{by}",
        grouped(certified.certified),
        grouped(undecided),
        grouped(summary.total)
    );
    let attacked = summary.robust.as_ref().and_then(|robust| robust.robust_accuracy);
    if let Some((low, high)) = certified.certified_accuracy.zip(attacked) {
        say!("{:.2} % ≤ robust accuracy on these samples ≤ {:.2} %", 100.0 * low, 100.0 * high);
    }
}

/// Predicted and found distances on a line.
pub fn distances(summary: &Summary) {
    let Some(distances) = &summary.distances else { return };
    let correlation =
        distances.correlation.map_or(String::new(), |rho| format!(", rank correlation {:.2}", rho.value));
    say!("");
    say!(
        "median distance to the boundary, predicted {}, found by {} {}   ({}, {} samples{correlation})",
        far(distances.predicted.value),
        distances.found_by,
        far(distances.found.value),
        distances.predicted_by,
        distances.samples
    );
    if distances.found_by == "boundary search" {
        say!("(both of all inputs, beyond the bounds too: neither bounds how far an attack has to go)");
    }
}

/// What a block says of the temperature that the logits are divided by.
pub fn at_temperature(temperature: Option<f64>) -> String {
    temperature.map_or(String::new(), |temperature| format!(", temperature {}", short(temperature)))
}

/// The blocks of the packets.
pub fn packets(summary: &Summary) {
    distances(summary);
    for packet in &summary.packets {
        let check = if packet.valid { "  holds" } else { "  NOT TO BE TRUSTED" };
        say!("");
        say!(
            "{} packet, scale {}{}, {} centres, {} points, effective sample size {}",
            packet.packet,
            short(packet.scale),
            at_temperature(packet.temperature),
            packet.centres,
            grouped(packet.samples),
            grouped(packet.ess as u64)
        );
        let modes = packet.modes.as_ref();
        signal(&[
            ("excess σ_x", packet.excess_x),
            ("excess σ_p", packet.excess_p),
            ("along drift", modes.and_then(|m| m.drift.as_ref()).map(|mode| mode.product)),
            ("along modes", modes.and_then(|m| m.leading.first()).map(|mode| mode.product)),
            ("drift", Some(packet.drift)),
            ("dispersion", Some(packet.dispersion)),
            ("P(wrong)", packet.misclassified),
        ]);
        say!("  σ_x         {:>9}", short(packet.sigma_x));
        say!("  σ_p         {:>9}", short(packet.sigma_p));
        line("product", packet.product, &format!("  ≥ {}", packet.bound));
        line("Stein check", packet.stein, check);
    }
}

/// What the network did to a packet: the figures that there are, each with what it says.
pub fn signal(figures: &[(&str, Option<Figure>)]) {
    for (name, figure) in figures.iter().filter_map(|(name, figure)| Some((*name, (*figure)?))) {
        line(name, figure, meaning(name));
    }
}

fn meaning(name: &str) -> &'static str {
    match name {
        "excess σ_x" => "  σ_x/s − 1",
        "excess σ_p" => "  2 s σ_p − 1",
        "along drift" => "  the product along the drift",
        "along modes" => "  the product along the leading mode",
        "P(wrong)" => "  the packet's share at misclassified points",
        _ => "",
    }
}

/// A figure with its interval, if it has one.
pub fn line(name: &str, figure: Figure, note: &str) {
    written(name, figure, note, short);
}

/// The same of a distance, which may be infinite.
pub fn far_line(name: &str, figure: Figure, note: &str) {
    written(name, figure, note, far);
}

fn written(name: &str, figure: Figure, note: &str, number: fn(f64) -> String) {
    let interval = match figure.known_interval() {
        Some([low, high]) => format!("[{}, {}]", number(low), number(high)),
        None => "[too few for an interval]".into(),
    };
    say!("  {name:<11} {:>9}  {interval}{note}", number(figure.value));
}

/// A distance: one that was not found is beyond those that were.
pub fn far(distance: f64) -> String {
    if distance.is_infinite() { "beyond".into() } else { short(distance) }
}

/// The warnings.
pub fn warnings(warnings: &[Warning]) {
    if !warnings.is_empty() {
        say!("");
    }
    for warning in warnings {
        say!("{} ({}): {}", warning.kind(), warning.code, warning.worded(flag));
    }
}

/// The distances to the closest adversarial points.
fn minimal(attacks: &[MinimalSummary]) {
    say!("");
    say!("closest          25 %      50 %      75 %    forward  +gradient   seconds");
    for attack in attacks {
        if attack.pending > 0 {
            say!("{:<11} not known while {} samples are pending", attack.name, grouped(attack.pending));
            continue;
        }
        let quartile = |q: Option<f64>| q.map_or("none".into(), short);
        let [a, b, c] = attack.distances.quartiles.map(quartile);
        say!(
            "{:<11} {a:>9} {b:>9} {c:>9}  {:>9}  {:>9}  {:>8.1}",
            attack.name,
            grouped(attack.forwards),
            grouped(attack.backwards),
            attack.seconds
        );
        if let Some(proved) = attack.proved {
            let proved = grouped(proved);
            say!("{:<11} of {proved} samples proved: no misclassified point is closer", "");
        }
    }
}

/// How far around the samples is proved.
fn radii(radii: &CertifiedRadii) {
    if radii.pending > 0 {
        say!("certified   not known while {} samples are pending", grouped(radii.pending));
        return;
    }
    let [a, b, c] = radii.quartiles.map(|q| q.map_or("all".into(), short));
    let seconds: f64 = radii.methods.iter().map(|by| by.seconds).sum();
    say!("certified   {a:>9} {b:>9} {c:>9}   proved, in {seconds:.1} s");
}

/// The single-backward probe on a line.
pub fn cosines(probed: &Cosines) -> String {
    let Some(cosine) = &probed.cosine else {
        return "cos(x, ∂l)       none: every sample or gradient is zero".into();
    };
    let interval = cosine
        .mean_interval
        .map_or(String::new(), |[low, high]| format!("  [{}, {}]", short(low), short(high)));
    let without = match probed.without {
        0 => String::new(),
        n => format!("; {} have none", grouped(n)),
    };
    format!(
        "cos(x, ∂l)    {:>8}{interval}  90 % of {} samples within [{}, {}]{without}",
        short(cosine.mean),
        grouped(probed.samples),
        short(cosine.q05),
        short(cosine.q95)
    )
}

/// Thousands set apart.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Two significant digits, thousands set apart.
pub fn rounded(value: f64) -> String {
    let unit = 10f64.powi((value.max(1.0).log10().floor() as i32 - 1).max(0));
    grouped(((value / unit).round() * unit) as u64)
}
