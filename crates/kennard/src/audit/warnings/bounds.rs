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
             or the attack is wrong. The points of the first are in examples.parquet. Please report it, with model and point",
            contradicted.len(),
            named.join(", "),
            if contradicted.len() > named.len() { ", …" } else { "" }
        );
        Warning::new("contradiction", message)
    })
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
