//! What certificates and attacks say of each other.

use super::super::{Record, Summary, Warning};

/// More samples than these are not named.
const NAMED: usize = 8;

/// A sample that is certified although an attack broke it.
pub(super) fn contradicted(summary: &Summary, records: &[Record]) -> Option<Warning> {
    let contradicted: Vec<&Record> = records.iter().filter(|record| record.is_contradicted()).collect();
    let (attacks, minimal) = summary.names();
    let names: Vec<&str> = attacks.into_iter().chain(minimal).collect();
    let name = |record: &Record| {
        record.broken_by().and_then(|place| names.get(place).copied()).unwrap_or("an attack")
    };
    let named = contradicted.iter().take(NAMED).map(|record| format!("{} by {}", record.index, name(record)));
    let named: Vec<String> = named.collect();
    (!contradicted.is_empty()).then(|| {
        let message = format!(
            "CONTRADICTION: {} samples are certified, but an attack broke them (index {}{}). They count as broken. A certificate \
             is about the network in real arithmetic: either rounding in the runtime leads to another class there, or the proof \
             or the attack is wrong. {}. The points of the first are in examples.parquet. Please report it, with model and point",
            contradicted.len(),
            named.join(", "),
            if contradicted.len() > named.len() { ", …" } else { "" },
            in_floats(&contradicted)
        );
        Warning::new("contradiction", message)
    })
}

/// How many of the samples are certified for single precision too.
fn in_floats(contradicted: &[&Record]) -> String {
    let told: Vec<bool> =
        contradicted.iter().filter_map(|record| record.bound.and_then(|bound| bound.in_floats)).collect();
    match (told.iter().filter(|proved| **proved).count(), told.len()) {
        (0, 0) => "Of float32 arithmetic nothing was proved".into(),
        (0, _) => "None of them is certified for float32 arithmetic, so rounding may explain it".into(),
        (count, _) => format!(
            "{count} of them are certified for float32 arithmetic too, which rounding to nearest in any order does not explain"
        ),
    }
}

/// Fewer correctly classified samples are no reason to warn.
const ENOUGH: u64 = 20;

/// Where bounds certify nothing, that says nothing.
pub(super) fn nothing_certified(summary: &Summary) -> Option<Warning> {
    let certified = summary.certified.as_ref()?;
    let none = certified.pending == 0 && certified.certified == 0 && summary.clean.correct >= ENOUGH;
    none.then(|| {
        let message = "no sample is certified: these bounds are too loose for this network and epsilon. That says nothing about \
                       its robustness; networks that were trained for it, and smaller epsilons, can be certified";
        Warning::note("no-certificates", message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certify::{BoundMethod, Bounded};

    /// Whether rounding may be the cause is said, where it is known.
    #[test]
    fn contradictions_tell_of_single_precision() {
        let of = |all: &[Option<bool>]| {
            let record = |in_floats: &Option<bool>| Record {
                bound: Some(Bounded { margin: 0.1, method: BoundMethod::Crown, in_floats: *in_floats }),
                ..Record::default()
            };
            let records: Vec<Record> = all.iter().map(record).collect();
            in_floats(&records.iter().collect::<Vec<_>>())
        };
        assert_eq!(of(&[None, None]), "Of float32 arithmetic nothing was proved");
        assert!(of(&[Some(false), None]).starts_with("None of them is certified for float32"));
        assert!(of(&[Some(false), Some(true), None]).starts_with("1 of them are certified for float32"));
    }
}
