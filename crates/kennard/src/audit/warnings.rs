use super::missing::missing;
use super::{AttackRecord, Outcome, Record, Summary, Warning};
use crate::stats::clopper_pearson;

/// The share of samples with zero gradients above which attacks are said to be blind.
const BLIND: f64 = 0.01;
/// The share of samples that an attack without gradients may break after those with, before the gradients
/// are said to mislead (AutoAttack's own threshold). It must be exceeded surely, not by single samples.
const MASKED: f64 = 0.002;
/// A look at less says nothing about chance.
const ENOUGH: u64 = 20;

/// Replaces the warnings that follow from the figures.
pub(super) fn review(outcome: &mut Outcome) {
    let Outcome { summary, records, .. } = outcome;
    let found: Vec<Warning> = [
        missing(summary, records),
        chance(summary),
        random(records),
        few_classes(summary),
        masked(summary, records),
    ]
    .into_iter()
    .flatten()
    .chain(blind(summary, records))
    .chain(disputed(summary, records))
    .chain(packets(summary))
    .collect();
    let codes = [
        "missing-classes",
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

fn chance(summary: &Summary) -> Option<Warning> {
    let classes = summary.model.classes as f64;
    let clean = &summary.clean;
    let (accuracy, [low, _]) = (clean.accuracy?, clean.interval?);
    let at_chance = low <= 1.0 / classes && accuracy < 2.5 / classes;
    (summary.samples >= ENOUGH && at_chance).then(|| {
        let message = format!(
            "the accuracy, {:.1} %, is at chance level. Likely causes: the model wants pixels 0..255 where the data is 0..1 \
             (--input-scale 255), or the other way round (--input-scale 1/255), or normalised ones (--mean, --std), another channel order (--nhwc), or the labels are in another order",
            100.0 * accuracy
        );
        Warning::new("chance-accuracy", message)
    })
}

fn random(records: &[Record]) -> Option<Warning> {
    records.iter().any(|record| record.random).then(|| {
        let message = "the model answers differently when asked twice; robust accuracy of a randomised model needs \
                       attacks that average over its randomness: --attack rand";
        Warning::new("random-outputs", message)
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
             logits, is climbed instead",
            names.join(", ")
        );
        Warning::new("few-classes", message)
    })
}

/// An attack that sees none of the model's gradients should not find what those that see them tried and
/// missed. A minimum-norm attack counts where its point lies within epsilon.
fn masked(summary: &Summary, records: &[Record]) -> Option<Warning> {
    let attacks = summary.attacks.len();
    let (names, minimal) = summary.names();
    let names: Vec<&str> = names.into_iter().chain(minimal).collect();
    let attempt = |record: &Record, i: usize| match i.checked_sub(attacks) {
        None => record.attacks[i].clone(),
        Some(i) => record.minimal[i].clone(),
    };
    let sees = |i: &usize| records.iter().filter_map(|r| attempt(r, *i)).any(|a| a.backwards > 0);
    let (seeing, unseeing): (Vec<usize>, Vec<usize>) = (0..names.len()).partition(sees);
    let broke = |a: &AttackRecord, i: usize| {
        a.broken && (i < attacks || a.norm.is_some_and(|norm| norm <= summary.threat_model.eps))
    };
    let breaks =
        |record: &Record, of: &[usize]| of.iter().any(|&i| attempt(record, i).is_some_and(|a| broke(&a, i)));
    let tried = |record: &Record| seeing.iter().any(|&i| attempt(record, i).is_some());
    let missed = |record: &&Record| tried(record) && !breaks(record, &seeing) && breaks(record, &unseeing);
    let missed: Vec<&Record> = records.iter().filter(missed).collect();
    let [surely, _] = clopper_pearson(missed.len() as u64, summary.total);
    (surely > MASKED).then(|| {
        let breaking = unseeing.iter().filter(|&&i| missed.iter().any(|record| breaks(record, &[i])));
        let breaking: Vec<&str> = breaking.map(|&i| names[i]).collect();
        let message = format!(
            "gradient masking suspected: {} samples stood attacks with gradients and are broken by {}. Either the model's \
             gradients mislead, or those attacks are too weak; the accuracy under them is overstated. Try --attack \
             standard, more queries, or an adaptive attack",
            missed.len(),
            breaking.join(", ")
        );
        Warning::new("gradient-masking", message)
    })
}

/// The records of each attack, with its name.
fn by_attack<'a>(
    summary: &'a Summary,
    records: &'a [Record],
) -> impl Iterator<Item = (&'a str, Vec<&'a AttackRecord>)> {
    let attacks = summary.attacks.iter().enumerate().map(|(i, attack)| {
        (attack.name.as_str(), records.iter().filter_map(|r| r.attacks[i].as_ref()).collect())
    });
    let minimal = summary.minimal.iter().enumerate().map(|(i, attack)| {
        (attack.name.as_str(), records.iter().filter_map(|r| r.minimal[i].as_ref()).collect())
    });
    attacks.chain(minimal)
}

fn blind(summary: &Summary, records: &[Record]) -> Vec<Warning> {
    if !summary.is_whole() {
        return Vec::new();
    }
    let warn = |(name, tried): (&str, Vec<&AttackRecord>)| {
        let blind = tried.iter().filter(|record| record.zero_gradients > 0).count();
        (blind as f64 > BLIND * tried.len() as f64).then(|| {
            let message = format!(
                "{name}: the gradient was exactly zero at some point for {blind} of {} samples. Its robust accuracy may \
                 overstate the model's: use an attack that needs no gradient beside it, --attack square say",
                tried.len()
            );
            Warning::new("zero-gradients", message)
        })
    };
    by_attack(summary, records).filter_map(warn).collect()
}

fn disputed(summary: &Summary, records: &[Record]) -> Vec<Warning> {
    let warn = |(name, tried): (&str, Vec<&AttackRecord>)| {
        let disputed = tried.iter().filter(|record| record.disputed).count();
        (disputed > 0).then(|| {
            let message = format!(
                "{name}: for {disputed} samples a point was misclassified in the simplified graph but not by the model as \
                 given; such points were not counted"
            );
            Warning::new("disputed-points", message)
        })
    };
    by_attack(summary, records).filter_map(warn).collect()
}

fn packets(summary: &Summary) -> Vec<Warning> {
    let warn = |packet: &super::PacketSummary| {
        let cause = if packet.enough_samples {
            format!(
                "Stein's identities fail (their mean is {:.4}, it should be -0.5, or the packet is displaced otherwise than \
                 its gradient says): the gradient is not the loss's, or a part of the packet was never sampled",
                packet.stein
            )
        } else {
            format!(
                "a centre has fewer than 1000 effective samples ({:.0} in all): ask for more with --packet-samples",
                packet.ess
            )
        };
        Warning::new("packet", format!("the packet at scale {} is not to be trusted: {cause}", packet.scale))
    };
    summary.packets.iter().filter(|packet| !packet.valid).map(warn).collect()
}
