//! The one screen that an audit ends with.

mod attacks;
mod numbers;

use kennard::audit::{Summary, Warning};
use kennard::calibration::{Calibrated, Quality};
use kennard::data::Selection;
use kennard::engine::Plan;
pub use kennard::experiment::short;
use kennard::probe::Cosines;
use kennard::run::{ModelSummary, Shard};
use kennard::{Figure, Precision};

use attacks::{certified, minimal, radii, table};
pub use numbers::{far, far_line, grouped, line, rounded, signal, to_error};

use crate::command::flag;

/// Prints the whole screen.
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

/// Prints the line of the model.
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

/// How many samples there are, and which part of the data they are.
pub fn samples(total: u64, selection: Selection, shard: Shard) -> String {
    let plural = if total == 1 { "" } else { "s" };
    let samples = format!("{} sample{plural}", grouped(total));
    match selection {
        // So many there are not.
        Selection::First(count) | Selection::Random { count, .. }
            if shard == Shard::WHOLE && total < count as u64 =>
        {
            format!("all {samples} ({} were asked for)", grouped(count as u64))
        }
        _ => samples + &part(selection, shard),
    }
}

/// What was run: model, data, threat model and process.
fn conditions(summary: &Summary, plan: Option<Plan>) {
    model(&summary.model);
    let samples = samples(summary.total, summary.selection, summary.shard);
    say!("data     {}   {samples}", summary.data);
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

/// How well confidence and accuracy agree, before and after the logits are divided by a fitted temperature.
pub fn calibration(found: &Calibrated) {
    let Calibrated { data, fitted, measured, temperature, before, after, .. } = found;
    let error = |quality: &Quality| {
        let Figure { value, interval: [low, high], .. } = quality.calibration_error;
        format!("{:.2} % [{:.2}, {:.2}]", 100.0 * value, 100.0 * low, 100.0 * high)
    };
    say!("");
    say!(
        "expected calibration error {}, at the fitted temperature {} {}",
        error(before),
        short(temperature.value),
        error(after)
    );
    say!("(fitted to {} samples of {data}, measured on {} others)", grouped(*fitted), grouped(*measured));
}

/// The blocks of the packets.
pub fn packets(summary: &Summary) {
    distances(summary);
    summary.calibration.iter().for_each(calibration);
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
        signal(
            [packet.excess_x, packet.excess_p],
            packet.modes.as_ref(),
            [Some(packet.drift), Some(packet.dispersion), packet.misclassified],
        );
        say!("  σ_x         {:>9}", short(packet.sigma_x));
        say!("  σ_p         {:>9}", short(packet.sigma_p));
        line("product", packet.product, &format!("  ≥ {}", packet.bound));
        line("Stein check", packet.stein, check);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_samples_than_there_are_were_not_drawn() {
        let random = |count| Selection::Random { count, seed: 3 };
        assert_eq!(samples(60, random(500), Shard::WHOLE), "all 60 samples (500 were asked for)");
        assert_eq!(samples(60, Selection::First(61), Shard::WHOLE), "all 60 samples (61 were asked for)");
        assert_eq!(samples(60, random(60), Shard::WHOLE), "60 samples, drawn at random by seed 3");
        assert_eq!(samples(1, Selection::First(1), Shard::WHOLE), "1 sample, the first");
        assert_eq!(samples(1, Selection::All, Shard::WHOLE), "1 sample");
        let half = Shard { number: 1, of: 2 };
        assert_eq!(samples(30, random(60), half), "30 samples, drawn at random by seed 3, shard 1/2");
    }
}
