//! How close minimum-norm attacks come to the closest adversarial points that any of them found.

use serde::{Deserialize, Serialize};

use super::{FinishedRun, Record};
use crate::run::Shard;
use crate::stats::lower_quantile;
use crate::{Error, Mismatch, Norm, RequestError, Result};

/// Minimum-norm attacks of one or several runs, on the same samples of the same model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The norm of the distances.
    pub norm: Norm,
    /// How many samples there are.
    pub samples: u64,
    /// The shard that they are, where the runs are of one; other samples may be closer, or farther.
    #[serde(default, skip_serializing_if = "Shard::is_whole")]
    pub shard: Shard,
    /// How many of them are classified correctly.
    pub correct: u64,
    /// The largest of the best known distances: the curves are compared up to here.
    pub farthest: f64,
    /// The attacks, that of the largest optimality first.
    pub attacks: Vec<Standing>,
}

/// How one attack stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Its name.
    pub name: String,
    /// The place of its run among those given.
    pub run: usize,
    /// How close its curve of robust accuracy over epsilon is to that of the best known distances: 1 where
    /// they are the same, 0 where it finds nothing; null where no distance is known
    /// (Cinà et al. 2024, arXiv 2404.19460).
    pub optimality: Option<f64>,
    /// For how many correctly classified samples it found a point.
    pub found: u64,
    /// For how many of them its distance is within 1 % of the best known.
    pub best: u64,
    /// The median distance over correctly classified samples; null where it is infinite.
    pub median: Option<f64>,
    /// Propagations for each correctly classified sample in the mean: forward and backward passes count one each.
    pub propagations: f64,
}

/// Compares the minimum-norm attacks of runs.
///
/// The area under a curve of robust accuracy up to the largest best known distance `D` is the mean of `min(d, D)` over
/// samples, with `d = 0` where a sample is misclassified from the start; the optimality of an attack of area `A`
/// is `1 − (A − A*)/(ρ D − A*)`, with `A*` the area of the best known distances and `ρ` the clean accuracy. The best known distance
/// of a sample is the smallest that any attack here found.
///
/// # Errors
/// When the runs differ in model, samples or norm, or have no minimum-norm attack.
pub fn compare(runs: &[FinishedRun]) -> Result<Comparison> {
    let Some(first) = runs.first() else {
        return Err(RequestError::Nothing("there is no run to compare").into());
    };
    for (place, run) in runs.iter().enumerate().skip(1) {
        let (one, other) = (&first.manifest.settings, &run.manifest.settings);
        let differs = [
            ("model", one.model != other.model || one.preprocessing != other.preprocessing),
            ("data set", one.data != other.data),
            ("selection of the samples", one.samples != other.samples),
            ("shard of the samples", one.shard != other.shard),
            ("norm", one.threat_model.norm != other.threat_model.norm),
            ("bounds", one.threat_model.bounds != other.threat_model.bounds),
            ("set of points that attacks are allowed", !one.confines_alike(other)),
        ];
        if let Some(&(what, _)) = differs.iter().find(|(_, differs)| *differs) {
            let shards = [other.shard, one.shard].map(|shard| shard.to_string());
            let shards = (one.shard != other.shard).then_some(shards);
            return Err(Mismatch::OtherTask { run: place + 1, what, shards }.into());
        }
    }
    let mut tried = Vec::new();
    for (run, finished) in runs.iter().enumerate() {
        for (i, attack) in finished.outcome.summary.minimal.iter().enumerate() {
            tried.push(Tried::of(&attack.name, run, i, &finished.outcome.records));
        }
    }
    if tried.is_empty() {
        return Err(Error::Request(RequestError::Nothing("the runs have no minimum-norm attack"))
            .advise("; make them with {minimal}, for instance {minimal = fmn,ddn}"));
    }
    let correct: Vec<bool> = first.outcome.records.iter().map(Record::is_correct).collect();
    let settings = &first.manifest.settings;
    Ok(Comparison { shard: settings.shard, ..ranked(settings.threat_model.norm, &correct, tried) })
}

/// Ranks attacks by what they found on samples, of which it is known whether they are classified correctly.
fn ranked(norm: Norm, correct: &[bool], tried: Vec<Tried>) -> Comparison {
    let count = correct.iter().filter(|correct| **correct).count();
    let least = |i: usize| tried.iter().map(|tried| tried.distances[i]).fold(f64::INFINITY, f64::min);
    let best: Vec<f64> = (0..correct.len()).map(least).collect();
    let farthest = best.iter().copied().filter(|d| d.is_finite()).fold(0.0, f64::max);
    let area = |distances: &[f64]| -> f64 { distances.iter().map(|d| d.min(farthest)).sum() };
    let (least, most) = (area(&best), count as f64 * farthest);
    let stand = |tried: Tried| {
        let own: Vec<(f64, f64)> = (tried.distances.iter().copied().zip(best.iter().copied()))
            .zip(correct)
            .filter_map(|(pair, correct)| correct.then_some(pair))
            .collect();
        let mut sorted: Vec<f64> = own.iter().map(|pair| pair.0).collect();
        sorted.sort_by(f64::total_cmp);
        Standing {
            optimality: (most > least).then(|| 1.0 - (area(&tried.distances) - least) / (most - least)),
            found: sorted.iter().filter(|d| d.is_finite()).count() as u64,
            best: own.iter().filter(|(d, best)| d.is_finite() && *d <= 1.01 * best).count() as u64,
            median: lower_quantile(&sorted, 0.5).filter(|d| d.is_finite()),
            propagations: tried.propagations as f64 / count.max(1) as f64,
            name: tried.name,
            run: tried.run,
        }
    };
    let mut attacks: Vec<Standing> = tried.into_iter().map(stand).collect();
    let rank = |standing: &Standing| standing.optimality.unwrap_or(f64::NEG_INFINITY);
    attacks.sort_by(|a, b| rank(b).total_cmp(&rank(a)).then_with(|| a.name.cmp(&b.name)));
    Comparison {
        norm,
        shard: Shard::WHOLE,
        samples: correct.len() as u64,
        correct: count as u64,
        farthest,
        attacks,
    }
}

/// What one attack found.
struct Tried {
    name: String,
    run: usize,
    /// The distance of each sample.
    distances: Vec<f64>,
    propagations: u64,
}

impl Tried {
    fn of(name: &str, run: usize, i: usize, records: &[Record]) -> Tried {
        let made = records.iter().filter_map(|record| record.minimal[i].as_ref());
        Tried {
            name: name.into(),
            run,
            distances: records.iter().map(|record| record.distance_by(i)).collect(),
            propagations: made.map(|attack| attack.forwards + 2 * attack.backwards).sum(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(name: &str, distances: [f64; 5]) -> Tried {
        Tried { name: name.into(), run: 0, distances: distances.into(), propagations: 8 }
    }

    /// The first sample is misclassified. The best known distances are 1, 2, 3, 4: `D = 4`, `A* = 10` of 16. The second
    /// attack's are 1, 3, 3 and none: `A = 11`, so that it reaches five sixths of what can be reached.
    #[test]
    fn optimality_is_the_share_of_the_area_between_the_curves() {
        let correct = [false, true, true, true, true];
        let found = vec![
            tried("second", [0.0, 1.0, 3.0, 3.0, f64::INFINITY]),
            tried("first", [0.0, 1.5, 2.0, 3.5, 4.0]),
            tried("none", [0.0, f64::INFINITY, f64::INFINITY, f64::INFINITY, f64::INFINITY]),
        ];
        let ranked = ranked(Norm::L2, &correct, found);
        let optimality: Vec<f64> = ranked.attacks.iter().map(|attack| attack.optimality.unwrap()).collect();
        assert!((optimality[0] - 5.0 / 6.0).abs() < 1e-12 && optimality[0] == optimality[1]);
        assert_eq!(optimality[2], 0.0);
        let names: Vec<&str> = ranked.attacks.iter().map(|attack| attack.name.as_str()).collect();
        assert_eq!(names, ["first", "second", "none"]);
        let [first, second, none] = &ranked.attacks[..] else { unreachable!() };
        assert_eq!((first.median, first.found, first.best), (Some(2.0), 4, 2));
        assert_eq!((second.median, second.found, second.best), (Some(3.0), 3, 2));
        assert_eq!((none.median, none.found, none.best, none.propagations), (None, 0, 0, 2.0));
        assert_eq!((ranked.correct, ranked.samples, ranked.farthest), (4, 5, 4.0));
    }

    #[test]
    fn where_nothing_is_known_nothing_is_said() {
        let ranked = ranked(
            Norm::Linf,
            &[true],
            vec![Tried { name: "none".into(), run: 0, distances: vec![f64::INFINITY], propagations: 0 }],
        );
        assert_eq!(ranked.attacks[0].optimality, None);
    }
}
