//! What attacks and proofs found.

use kennard::audit::{CertifiedRadii, MinimalSummary, Summary};
use kennard::experiment::short;

use super::numbers::grouped;

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
pub(super) fn table(summary: &Summary) {
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
    // A single attack has its row already.
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
pub(super) fn certified(summary: &Summary) {
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
    if let Some(in_floats) = certified.in_floats {
        say!(
            "certified also for float32 arithmetic in any order of summation: {} of {}",
            grouped(in_floats),
            grouped(certified.certified)
        );
    }
    let attacked = summary.robust.as_ref().and_then(|robust| robust.robust_accuracy);
    if let Some((low, high)) = certified.certified_accuracy.zip(attacked) {
        say!("{:.2} % ≤ robust accuracy on these samples ≤ {:.2} %", 100.0 * low, 100.0 * high);
    }
}

/// The distances to the closest adversarial points.
pub(super) fn minimal(attacks: &[MinimalSummary]) {
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
pub(super) fn radii(radii: &CertifiedRadii) {
    if radii.pending > 0 {
        say!("certified   not known while {} samples are pending", grouped(radii.pending));
        return;
    }
    let [a, b, c] = radii.quartiles.map(|q| q.map_or("all".into(), short));
    let seconds: f64 = radii.methods.iter().map(|by| by.seconds).sum();
    say!("certified   {a:>9} {b:>9} {c:>9}   proved, in {seconds:.1} s");
}
