//! Figures whose unit is a cluster, such as all networks of one seed: the bootstrap over clusters, Student's test, and Holm's
//! adjustment for several claims.

use rand::RngExt;
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{mean, normal_share, scatter, two_sided};
use crate::random::stream;

/// Up to this many clusters all resamples are taken, each with its probability.
const ALL: usize = 7;
/// Above that, this many at random.
const RESAMPLES: usize = 4000;

/// A statistic of clusters with its 95 % interval by the bootstrap over clusters, in expanded percentiles (Hesterberg,
/// *What Teachers Should Know About the Bootstrap*, The American Statistician 69:371, 2015, section 3.4): percentiles
/// farther out than 2.5 %, which make up for the narrowness of few clusters. Of 5 clusters the interval nearly
/// reaches from the least to the largest. `None` where there are fewer than 3 clusters, or no statistic of all of them.
pub(crate) fn cluster_bootstrap<C>(
    clusters: &[C],
    statistic: impl Fn(&[&C]) -> Option<f64>,
) -> Option<(f64, [f64; 2])> {
    let n = clusters.len();
    if n < 3 {
        return None;
    }
    let value = statistic(&clusters.iter().collect::<Vec<_>>())?;
    let mut resampled: Vec<(f64, f64)> = Vec::new();
    let mut add = |places: &mut dyn Iterator<Item = usize>, weight: f64| {
        let chosen: Vec<&C> = places.map(|place| &clusters[place]).collect();
        resampled.extend(statistic(&chosen).map(|value| (value, weight)));
    };
    if n <= ALL {
        for counts in multisets(n) {
            let orders = factorial(n) / counts.iter().map(|&count| factorial(count)).product::<f64>();
            let mut places =
                counts.iter().enumerate().flat_map(|(place, &count)| std::iter::repeat_n(place, count));
            add(&mut places, orders);
        }
    } else {
        let mut random = stream(0, &[n as u64], "cluster bootstrap");
        for _ in 0..RESAMPLES {
            add(&mut (0..n).map(|_| random.random_range(0..n)), 1.0);
        }
    }
    resampled.sort_by(|a, b| a.0.total_cmp(&b.0));
    let tail = tail(n);
    Some((value, [percentile(&resampled, tail), percentile(&resampled, 1.0 - tail)]))
}

/// The two-sided p-value of Student's test that independent values have the mean `expected`: 1 of fewer than two values,
/// where one is no number and where the mean is just that. `None` where all are equal and another: without scatter there
/// is nothing to measure the distance by, and the 0 that the formula gives is no chance that one could state.
pub(crate) fn student_p(values: &[f64], expected: f64) -> Option<f64> {
    let n = values.len() as f64;
    let off = mean(values) - expected;
    if values.len() < 2 || off == 0.0 || !off.is_finite() {
        return Some(1.0);
    }
    if values.iter().all(|value| *value == values[0]) {
        return None;
    }
    let t = off / (scatter(values) / (n * (n - 1.0))).sqrt();
    Some(StudentsT::new(0.0, 1.0, n - 1.0).map_or(1.0, |student| 2.0 * student.cdf(-t.abs())))
}

/// P-values adjusted for their number, in their order (Holm 1979, *Scandinavian Journal of Statistics* 6:65): rejecting
/// those below 0.05 rejects a true hypothesis of all of them with a probability of 0.05 at most.
pub(crate) fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![1.0; p.len()];
    let mut largest: f64 = 0.0;
    for (rank, place) in order.into_iter().enumerate() {
        largest = largest.max((p.len() - rank) as f64 * p[place]).min(1.0);
        adjusted[place] = largest;
    }
    adjusted
}

/// How many of the resamples lie outside at each end.
fn tail(n: usize) -> f64 {
    let reach = two_sided(n - 1, 0.05) * (n as f64 / (n - 1) as f64).sqrt();
    normal_share(-reach)
}

/// The least value that this share of the weight lies at or below.
fn percentile(sorted: &[(f64, f64)], share: f64) -> f64 {
    let total: f64 = sorted.iter().map(|(_, weight)| weight).sum();
    let mut sum = 0.0;
    for &(value, weight) in sorted {
        sum += weight;
        if sum >= share * total {
            return value;
        }
    }
    sorted.last().map_or(f64::NAN, |(value, _)| *value)
}

/// All ways to draw `n` times from `n` places: how often each was drawn.
fn multisets(n: usize) -> Vec<Vec<usize>> {
    fn extend(begun: &mut Vec<usize>, left: usize, n: usize, all: &mut Vec<Vec<usize>>) {
        if begun.len() == n - 1 {
            all.push([&begun[..], &[left]].concat());
            return;
        }
        for count in 0..=left {
            begun.push(count);
            extend(begun, left - count, n, all);
            begun.pop();
        }
    }
    let mut all = Vec::new();
    extend(&mut Vec::new(), n, n, &mut all);
    all
}

fn factorial(n: usize) -> f64 {
    (1..=n).map(|k| k as f64).product()
}

#[cfg(test)]
mod tests {
    use rand_distr::{Distribution, StandardNormal, Uniform};

    use super::*;
    use crate::stats::{partial_rank_correlation, rank_correlation};

    fn of_means(values: &[&f64]) -> Option<f64> {
        Some(values.iter().copied().sum::<f64>() / values.len() as f64)
    }

    fn contains(found: Option<(f64, [f64; 2])>, truth: f64) -> bool {
        found.is_some_and(|(_, [low, high])| low <= truth && truth <= high)
    }

    /// By hand: of three clusters there are 10 multisets of 27 resamples, and the expanded tail is below 1/27.
    #[test]
    fn few_clusters_are_resampled_in_all_ways() {
        assert_eq!(multisets(3).len(), 10);
        assert_eq!(multisets(5).len(), 126);
        assert!(tail(3) < 1.0 / 27.0);
        assert_eq!(cluster_bootstrap(&[1.0, 2.0, 6.0], of_means), Some((3.0, [1.0, 6.0])));
        assert!(cluster_bootstrap(&[1.0, 2.0], of_means).is_none());
    }

    /// How often the interval holds the truth, in 1 000 simulations each. The bounds of 90 and 98 % are 1.7 standard
    /// errors of the simulation (0.9 points) below the 91.5 % that five normal clusters have, and more from the others:
    /// streams are keyed, so that it fails always or never; for new streams it would fail in 5 % of cases.
    #[test]
    fn intervals_cover_the_truth() {
        const RUNS: u64 = 1000;
        let covered = |name: &str, truth: f64, draw: &dyn Fn(&mut rand_chacha::ChaCha8Rng) -> f64, n: u64| {
            let holds = |run: &u64| {
                let mut random = stream(1, &[*run], name);
                let values: Vec<f64> = (0..n).map(|_| draw(&mut random)).collect();
                contains(cluster_bootstrap(&values, of_means), truth)
            };
            let held = (0..RUNS).filter(holds).count() as f64;
            let share = held / RUNS as f64;
            assert!((0.90..0.98).contains(&share), "{name}: {share}");
        };
        for n in [5, 6, 10] {
            covered(&format!("normal {n}"), 0.0, &|random| StandardNormal.sample(random), n);
            let uniform = Uniform::new(0.0, 1.0).unwrap();
            covered(&format!("uniform {n}"), 0.5, &|random| uniform.sample(random), n);
        }
    }

    /// Rows (a, b, c) in clusters, pooled: a = e + c + n₁ with e the cluster's own, of standard deviation ½; b = c + n₂; so
    /// normal, with the rank correlations `6/π asin(r/2)` of r_ab = √(2/9), r_ac = ⅔, r_bc = √½. As above, but 300 simulations
    /// (standard error 1.3 points).
    #[test]
    fn correlations_of_clusters_are_covered() {
        let cluster = |random: &mut rand_chacha::ChaCha8Rng| -> Vec<[f64; 3]> {
            let mut normal = || -> f64 { StandardNormal.sample(random) };
            let own = 0.5 * normal();
            let mut row = || {
                let shared = normal();
                [own + shared + normal(), shared + normal(), shared]
            };
            (0..12).map(|_| row()).collect()
        };
        let ranks = |r: f64| 6.0 / std::f64::consts::PI * (r / 2.0).asin();
        let (ab, ac, bc) = (ranks((2.0f64 / 9.0).sqrt()), ranks(2.0 / 3.0), ranks(0.5f64.sqrt()));
        let given = (ab - ac * bc) / ((1.0 - ac * ac) * (1.0 - bc * bc)).sqrt();
        let (mut plain, mut partial) = (0, 0);
        for run in 0..300 {
            let mut random = stream(2, &[run], "correlations");
            let clusters: Vec<Vec<[f64; 3]>> = (0..6).map(|_| cluster(&mut random)).collect();
            let of_pairs = |chosen: &[&Vec<[f64; 3]>]| {
                let pairs: Vec<_> =
                    chosen.iter().flat_map(|rows| rows.iter().map(|r| (r[0], r[1]))).collect();
                rank_correlation(&pairs)
            };
            let of_rows = |chosen: &[&Vec<[f64; 3]>]| {
                partial_rank_correlation(&chosen.iter().copied().flatten().copied().collect::<Vec<_>>())
            };
            plain += usize::from(contains(cluster_bootstrap(&clusters, of_pairs), ab));
            partial += usize::from(contains(cluster_bootstrap(&clusters, of_rows), given));
        }
        assert!((270..=294).contains(&plain), "{plain} of 300");
        assert!((270..=294).contains(&partial), "{partial} of 300");
    }

    /// SciPy 1.17: `scipy.stats.ttest_1samp`.
    #[test]
    fn tests_agree_with_scipy() {
        let values = [0.2, 0.5, 0.1, 0.4, 0.35];
        let p = |expected| student_p(&values, expected).unwrap();
        assert!((p(0.0) - 0.012244581685259073).abs() < 1e-9, "{}", p(0.0));
        assert!((p(0.5) - 0.05635908479529025).abs() < 1e-9, "{}", p(0.5));
        assert_eq!((student_p(&[1.0], 0.0), student_p(&[1.0, 1.0], 1.0)), (Some(1.0), Some(1.0)));
        assert_eq!(student_p(&[1.0, f64::NAN, 2.0], 0.0), Some(1.0));
        // There the mean of equal values is off by a rounding, and their scatter is not 0.
        assert_eq!((student_p(&[1.0; 3], 0.0), student_p(&[0.1; 3], 0.0)), (None, None));
    }

    /// By hand, and as `statsmodels.stats.multitest.multipletests(p, method="holm")` has it.
    #[test]
    fn holm_by_hand() {
        let near = |p: &[f64], expected: &[f64]| {
            let found = holm(p);
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        };
        near(&[0.01, 0.04, 0.03, 0.005], &[0.03, 0.06, 0.06, 0.02]);
        near(&[0.04, 0.02, 0.9], &[0.08, 0.06, 0.9]);
        near(&[0.7, 0.6], &[1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
