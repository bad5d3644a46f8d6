//! What a reader should know before believing the figures.

mod attacks;
mod bounds;

use bounds::{contradicted, nothing_certified};

use attacks::{blind, disputed, masked};

use super::missing::missing;
use super::{AttackRecord, Outcome, Record, Summary, Warning};
use crate::attack::Transfer;
use crate::run::shard::SHARD_ALONE;
use crate::stats::Share;
use crate::survey::NOT_REACHED;

/// Fewer samples say nothing about chance.
const ENOUGH: u64 = 20;

/// Replaces the warnings that follow from the figures.
pub(super) fn review(outcome: &mut Outcome) {
    let Outcome { summary, records, .. } = outcome;
    let whole = [
        summary.shard.warning(),
        contradicted(summary, records),
        not_evaluated(summary, records),
        missing(summary, records),
        chance(summary),
        random(records),
        few_classes(summary),
        masked(summary, records),
        non_finite(summary, records),
        unanswered(summary, records),
        nothing_certified(summary),
    ];
    let found: Vec<Warning> = whole
        .into_iter()
        .flatten()
        .chain(blind(summary, records))
        .chain(disputed(summary, records))
        .chain(packets(summary))
        .collect();
    let codes = [
        SHARD_ALONE,
        "contradiction",
        "no-certificates",
        "missing-classes",
        "not-evaluated",
        "non-finite-gradients",
        "unanswered-points",
        "chance-accuracy",
        "random-outputs",
        "few-classes",
        "gradient-masking",
        "zero-gradients",
        "disputed-points",
        "packet",
    ];
    summary.warnings.retain(|warning| !codes.contains(&warning.code.as_str()));
    summary.warnings.extend(found);
}

fn not_evaluated(summary: &Summary, records: &[Record]) -> Option<Warning> {
    let missing: Vec<&Record> = records.iter().filter(|record| !record.is_evaluated()).collect();
    let first: Vec<String> = missing.iter().take(5).map(|record| record.index.to_string()).collect();
    (!missing.is_empty()).then(|| {
        let message = format!(
            "the model's answer is NaN for {} of {} samples (index {}{}); they count as neither correct nor robust in \
             every share. Check the model for divisions by zero, logarithms of negative numbers and overflows, and the data",
            missing.len(),
            summary.samples,
            first.join(", "),
            if missing.len() > first.len() { ", …" } else { "" }
        );
        Warning::new("not-evaluated", message)
    })
}

/// For how many samples each attack met something, as text; nothing where none did.
fn met(summary: &Summary, records: &[Record], of: fn(&AttackRecord) -> bool) -> Option<String> {
    let count = |(name, tried): (&str, Vec<&AttackRecord>)| {
        let met = tried.iter().filter(|record| of(record)).count();
        (met > 0).then(|| format!("{name} (near {met} of {} samples)", tried.len()))
    };
    let all: Vec<String> = attacks::by_attack(summary, records).filter_map(count).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

fn non_finite(summary: &Summary, records: &[Record]) -> Option<Warning> {
    met(summary, records, |a| a.non_finite_gradients > 0).map(|who| {
        let message = format!(
            "gradients with infinite entries or NaN were met by {who}. An infinite entry counted as the largest number \
             of its sign, NaN as zero; if that is frequent, the attacks are weaker than they seem. Look for square roots, \
             logarithms and divisions at zero in the model"
        );
        Warning::new("non-finite-gradients", message)
    })
}

fn unanswered(summary: &Summary, records: &[Record]) -> Option<Warning> {
    met(summary, records, |a| a.unanswered > 0).map(|who| {
        // A transfer asks the surrogate too.
        let names = attacks::by_attack(summary, records);
        let mut meeting = names.filter(|(_, tried)| tried.iter().any(|a| a.unanswered > 0));
        let (whose, what) = match meeting.any(|(name, _)| name.starts_with(Transfer::PREFIX)) {
            true => ("the answer of the model, or in a transfer of the surrogate,", "both"),
            false => ("the model's answer", "the model"),
        };
        let message = format!(
            "points where {whose} is NaN were met by {who}. They count neither as adversarial nor as robust. \
             Check {what} for divisions by zero, logarithms of negative numbers and overflows within the bounds"
        );
        Warning::new("unanswered-points", message)
    })
}

fn chance(summary: &Summary) -> Option<Warning> {
    let Summary { clean, total, model, .. } = summary;
    if !attacks::is_live(summary) {
        return chance_accuracy(clean.correct, *total, model.classes).filter(|_| clean.pending == 0);
    }
    at_chance(clean.correct, *total, model.classes).filter(|_| clean.pending == 0).map(|message| {
        let causes = "Likely causes: the model expects pixels 0..255 and the samples are 0..1, or the other way round, or a \
                      normalisation that belongs into the model, or another order of channels, or the labels are in another order";
        Warning::new("chance-accuracy", format!("{message}. {causes}"))
    })
}

/// What a reader should know where no more samples of `total` are classified correctly than by guessing.
pub fn chance_accuracy(correct: u64, total: u64, classes: u64) -> Option<Warning> {
    at_chance(correct, total, classes).map(|message| {
        Warning::new("chance-accuracy", message).advise(
            ". Likely causes: the model expects pixels 0..255 and the data is 0..1 ({input_scale = 255}), or the other way \
             round ({input_scale = 1/255}), or normalised ones ({mean}, {std}), another channel order ({nhwc}), or the \
             labels are in another order",
        )
    })
}

/// What is said where no more samples are classified correctly than by guessing.
fn at_chance(correct: u64, total: u64, classes: u64) -> Option<String> {
    let classes = classes as f64;
    let share = Share { count: correct, pending: 0, total };
    let (accuracy, [low, _]) = (share.known()?, share.interval()?);
    let at_chance = low <= 1.0 / classes && accuracy < 2.5 / classes;
    (total >= ENOUGH && at_chance)
        .then(|| format!("the accuracy, {:.1} %, is at chance level", 100.0 * accuracy))
}

fn random(records: &[Record]) -> Option<Warning> {
    records.iter().any(|record| record.random).then(|| {
        let message = "the model answers differently when asked twice; robust accuracy of a randomised model needs \
                       attacks that average over its randomness";
        Warning::new("random-outputs", message).advise(": {attack = rand}")
    })
}

fn few_classes(summary: &Summary) -> Option<Warning> {
    let classes = summary.model.classes;
    let lacking = |name: &str| name == "apgd-dlr" && classes < 3 || name == "apgd-t" && classes < 4;
    let names: Vec<&str> =
        summary.attacks.iter().map(|a| a.name.as_str()).filter(|name| lacking(name)).collect();
    (!names.is_empty()).then(|| {
        let message = format!(
            "{}: the difference of logits ratio is not defined for {classes} classes; its numerator, the difference of two \
             logits, is used instead",
            names.join(", ")
        );
        Warning::new("few-classes", message)
    })
}

fn packets(summary: &Summary) -> Vec<Warning> {
    let warn = |packet: &super::PacketSummary| {
        let distrusted = |cause: String| {
            let message = format!("the packet at scale {} is not to be trusted: {cause}", packet.scale);
            Warning::new("packet", message)
        };
        if packet.enough_samples && !packet.reached {
            distrusted(NOT_REACHED.into())
        } else if packet.enough_samples {
            distrusted(format!(
                "Stein's identities fail (their mean is {:.4}, it should be -0.5, or the displacement of the packet is not \
                 what its gradient says): the gradient is not that of the loss, or a part of the packet was never sampled",
                packet.stein.value
            ))
        } else {
            let cause = format!(
                "a centre has fewer effective samples than its share of 1000 ({:.0} in all of {})",
                packet.ess, packet.centres
            );
            distrusted(cause).advise(": ask for more with {packet_samples}")
        }
    };
    summary.packets.iter().filter(|packet| !packet.valid).map(warn).collect()
}
