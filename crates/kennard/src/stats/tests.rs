use super::*;

#[test]
fn the_front_has_what_no_other_beats() {
    let points = [[0.9, 0.1], [0.8, 0.5], [0.8, 0.4], [0.7, 0.5], [0.9, 0.1], [f64::NAN, 0.9]];
    assert_eq!(pareto_front(&points), [true, true, false, false, true, true]);
}

/// Ranks of the sign test's intervals (Conover, Practical Nonparametric Statistics, 3rd edition, table A3): 2 and 9 of
/// 10, 10 and 23 of 32.
#[test]
fn medians_have_the_intervals_of_the_sign_test() {
    let of = |n: u32| median((1..=n).map(f64::from)).unwrap();
    assert_eq!(of(10), (5.5, Some([2.0, 9.0])));
    assert_eq!(of(32), (16.5, Some([10.0, 23.0])));
    assert!(median([]).is_none());
}

#[test]
fn lower_quantiles_are_values_themselves() {
    let of = |n: u32, p: f64| lower_quantile(&(1..=n).map(f64::from).collect::<Vec<_>>(), p);
    assert_eq!([0.0, 0.25, 0.5, 0.75, 1.0].map(|p| of(8, p)), [1.0, 2.0, 4.0, 6.0, 8.0].map(Some));
    assert_eq!([0.25, 0.5, 0.75].map(|p| of(5, p)), [2.0, 3.0, 4.0].map(Some));
    assert_eq!((of(1, 0.5), of(0, 0.5)), (Some(1.0), None));
}

/// The range of n values misses the median in 2/2ⁿ of all cases: 6.25 % of five, 3.125 % of six.
#[test]
fn medians_of_up_to_five_values_have_no_interval() {
    let of = |n: u32| median((1..=n).map(f64::from)).unwrap();
    for n in 1..=5 {
        assert_eq!(of(n), (f64::from(n + 1) / 2.0, None), "{n}");
    }
    assert_eq!(of(6), (3.5, Some([1.0, 6.0])));
}

#[test]
fn medians_beside_infinite_values_are_values() {
    const FAR: f64 = f64::INFINITY;
    let of = |values: &[f64]| median(values.iter().copied()).unwrap();
    assert_eq!(of(&[2.0, FAR, 1.0, FAR]), (2.0, None));
    assert_eq!(of(&[1.0, 2.0, 3.0, FAR, FAR]), (3.0, None));
    assert_eq!(of(&[1.0, FAR, FAR, FAR]), (FAR, None));
    assert_eq!(of(&[-FAR, -FAR, 1.0, 2.0]), (-FAR, None));
    assert_eq!(of(&[1.0, 2.0, 3.0, 4.0, 5.0, FAR]), (3.5, Some([1.0, FAR])));
}

/// Against SciPy's quantiles of Student's distribution.
#[test]
fn quantiles_match_tables() {
    for (degrees, rate, quantile) in [
        (31, 0.05, 2.039513446396408),
        (31, 0.01, 2.744041919294269),
        (31, 0.001 / 3.0, 4.032918876509941),
        (62, 0.05, 1.9989715170333788),
        (62, 0.01, 2.6574785649511563),
        (62, 0.001 / 3.0, 3.799103881575841),
        (63, 0.05, 1.998340542520741),
        (63, 0.01, 2.6561450250998613),
        (63, 0.001 / 3.0, 3.795581733146964),
    ] {
        let t = two_sided(degrees, rate);
        assert!((t / quantile - 1.0).abs() < 1e-7, "t({degrees}, {rate}) = {t}");
    }
}

/// By hand: the variance estimate of 1, 2, 6 has the bias −1/n times itself, which the
/// jackknife of single values removes: 14/3 becomes the unbiased 7.
#[test]
fn the_jackknife_removes_bias() {
    let variance = |values: &[f64]| scatter(values) / values.len() as f64;
    let deleted = [[2.0, 6.0], [1.0, 6.0], [1.0, 2.0]].map(|values| variance(&values));
    let values = pseudo_values(variance(&[1.0, 2.0, 6.0]), deleted.into_iter());
    assert!((mean(&values) - 7.0).abs() < 1e-12, "{values:?}");
}

/// Coefficients: SciPy 1.17, `scipy.stats.spearmanr`. The interval of ρ = 0.6, n = 20 by hand:
/// `tanh(0.693147 ± 1.959964·√(1.18/17))`.
#[test]
fn rank_correlations_agree_with_scipy() {
    let pairs = [(1.0, 2.0), (2.0, 1.0), (3.0, 4.0), (4.0, 3.0), (5.0, 7.0), (6.0, 5.0), (7.0, 6.0)];
    let (rho, _) = spearman(&pairs).unwrap();
    assert!((rho - 0.821_428_571_428_571_5).abs() < 1e-12, "{rho}");
    let ties = [(1.0, 1.0), (1.0, 2.0), (2.0, 2.0), (3.0, 4.0), (4.0, 3.0)];
    let (rho, _) = spearman(&ties).unwrap();
    assert!((rho - 0.815_789_473_684_210_4).abs() < 1e-12, "{rho}");
    assert!(spearman(&[(1.0, 1.0); 6]).is_none());
    // Four pairs in order are one in 24 by chance: nothing is shown yet.
    let (rho, [low, high]) = spearman(&[(0.0, 3.0), (1.0, 2.0), (2.0, 1.0), (3.0, 0.0)]).unwrap();
    assert!(rho == -1.0 && low == -1.0 && high > 0.0, "{high}");
    let eight: Vec<(f64, f64)> = (0..8).map(|i| (f64::from(i), f64::from(i))).collect();
    assert!(spearman(&eight).unwrap().1[0] > 0.8);
}

/// The reference goes another way: the correlation of the residuals of the ranks' regressions on the ranks of the
/// third, by NumPy (`lstsq`, `corrcoef`).
#[test]
fn partial_correlations_agree_with_residuals() {
    let rows = [
        [1.0, 2.1, 0.5],
        [2.0, 1.0, 0.7],
        [3.5, 4.0, 0.1],
        [4.0, 3.0, 0.9],
        [5.0, 7.5, 0.4],
        [6.0, 5.0, 1.3],
        [7.0, 6.0, 1.1],
        [8.0, 9.0, 0.9],
    ];
    let r = partial_rank_correlation(&rows).unwrap();
    assert!((r - 0.9680174975009868).abs() < 1e-12, "{r}");
    assert_eq!(partial_rank_correlation(&rows.map(|[a, b, _]| [a, b, a])), None);
}

/// Reference values: SciPy 1.17, `scipy.stats.binomtest(min(b, c), b + c).pvalue`.
#[test]
fn mcnemar_agrees_with_scipy() {
    let cases =
        [(12, 2, 0.012_939_453_125), (5, 5, 1.0), (0, 0, 1.0), (30, 55, 0.008_836_206), (0, 9, 0.003_906_25)];
    for (b, c, p) in cases {
        assert!((mcnemar(b, c) - p).abs() < 1e-8, "{b}, {c}: {}", mcnemar(b, c));
    }
}

/// The examples of Newcombe's table III, method 10.
#[test]
fn paired_differences_agree_with_newcombe() {
    let cases = [([[20, 12], [2, 16]], [0.0562, 0.3292]), ([[36, 12], [2, 0]], [0.0569, 0.3404])];
    for (table, expected) in cases {
        let found = paired_difference(table);
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 6e-5), "{table:?}: {found:?}");
    }
}

/// How often the interval holds the true difference, summed exactly over all tables of 24 samples: no
/// chance, no false alarm. It must be near 95 % on average, and nowhere far below.
#[test]
fn paired_differences_cover() {
    const N: u64 = 24;
    let log_factorials: Vec<f64> = (0..=N)
        .scan(0.0, |sum, n| {
            *sum += (n.max(1) as f64).ln();
            Some(*sum)
        })
        .collect();
    let truths = [
        [0.6, 0.1, 0.1, 0.2],
        [0.5, 0.3, 0.05, 0.15],
        [0.8, 0.1, 0.02, 0.08],
        [0.25, 0.25, 0.25, 0.25],
        [0.3, 0.02, 0.4, 0.28],
    ];
    let mut coverages = Vec::new();
    for truth in truths {
        let difference = truth[1] - truth[2];
        let mut covered = 0.0;
        for a in 0..=N {
            for b in 0..=N - a {
                for c in 0..=N - a - b {
                    let counts = [a, b, c, N - a - b - c];
                    let log: f64 = counts
                        .iter()
                        .zip(truth)
                        .map(|(&k, p): (&u64, f64)| k as f64 * p.ln() - log_factorials[k as usize])
                        .sum();
                    let [low, high] = paired_difference([[a, b], [c, counts[3]]]);
                    if (low..=high).contains(&difference) {
                        covered += (log + log_factorials[N as usize]).exp();
                    }
                }
            }
        }
        coverages.push(covered);
    }
    let mean = coverages.iter().sum::<f64>() / coverages.len() as f64;
    assert!((0.945..0.98).contains(&mean), "{coverages:?}");
    assert!(coverages.iter().all(|covered| *covered > 0.93), "{coverages:?}");
}

/// Reference values: SciPy 1.17, `beta.ppf(failure, k, n - k + 1)`; all agreeing, by hand.
#[test]
fn lower_limits_agree_with_scipy() {
    let cases = [
        (900, 1000, 1e-3, 0.867_464_018_025_748_4),
        (530, 1000, 1e-3, 0.480_655_391_026_232_46),
        (99_500, 100_000, 1e-3, 0.994_271_818_396_607_9),
        (8, 10, 0.05, 0.493_098_698_936_797_6),
        (4, 1000, 1e-3, 0.000_429_104_408_413_471_2),
        (3, 3, 0.125, 0.5),
        (0, 3, 0.05, 0.0),
        (0, 0, 0.05, 0.0),
    ];
    for (k, n, failure, expected) in cases {
        let found = lower_limit(k, n, failure);
        assert!((found - expected).abs() < 1e-9, "{k}/{n}: {found}");
    }
}

/// Reference values: SciPy 1.17, `scipy.stats.binomtest(k, n).proportion_ci(0.95, "exact")`.
#[test]
fn intervals_agree_with_scipy() {
    let cases = [
        (9820, 10_000, 0.979_199_32, 0.984_514_69),
        (5, 10, 0.187_086_03, 0.812_913_97),
        (0, 20, 0.0, 0.168_433_47),
        (20, 20, 0.831_566_53, 1.0),
        (1, 1000, 0.000_025_317, 0.005_558_924),
    ];
    for (k, n, low, high) in cases {
        let [a, b] = clopper_pearson(k, n);
        assert!((a - low).abs() < 2e-8 && (b - high).abs() < 2e-8, "{k}/{n}: {a} {b}");
    }
}
