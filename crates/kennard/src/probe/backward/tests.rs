use super::*;

/// By hand. x = (3, 4), ∂u = (0, 2): cos = 8/(5·2) = 0.8. At u = 0, l = ln 2 and the slope is
/// ½/ln 2: the contributions are 0 and 8·½/ln 2.
#[test]
fn a_sample_by_hand() {
    let sample = Sample { index: 0, input: vec![3.0, 4.0], label: 1 };
    let answer = Answer::new(vec![0.0, 0.0]).with_gradient(0.0, vec![0.0, 2.0]);
    let (record, contributions) = probe(&sample, &answer);
    assert!((record.cosine.unwrap() - 0.8).abs() < 1e-15);
    assert_eq!(contributions[0], 0.0);
    assert!((record.contribution.unwrap() - 4.0 / 2f64.ln()).abs() < 1e-12);
    let still = Answer { gradient: vec![0.0, 0.0], ..answer };
    assert_eq!(probe(&sample, &still).0.cosine, None);
    assert_eq!(cosine(&[1.0, 0.0], &[f32::INFINITY, 0.0]), None);
}

/// A sample where the loss or its gradient is not finite is in no figure, and counted.
#[test]
fn what_is_not_finite_is_counted_and_left_out() {
    let sample = Sample { index: 0, input: vec![3.0, 4.0], label: 1 };
    let good = Answer::new(vec![0.0, 0.0]).with_gradient(0.0, vec![0.0, 2.0]);
    let mut records = vec![probe(&sample, &good).0];
    for (loss, gradient) in [(f32::NAN, [1.0, 1.0]), (0.0, [f32::NAN, 1.0]), (f32::INFINITY, [1.0, 0.0])] {
        let answer = Answer { loss, gradient: gradient.to_vec(), ..good.clone() };
        let (record, contributions) = probe(&sample, &answer);
        assert_eq!((record.cosine, record.contribution, contributions.len()), (None, None, 0));
        records.push(record);
    }
    let report = report(records, vec![], 4);
    assert_eq!((report.samples, report.without_cosine, report.not_finite), (4, 3, 3));
    assert!((report.contribution.unwrap().mean - 4.0 / 2f64.ln()).abs() < 1e-12);
    assert!((report.cosine.unwrap().mean - 0.8).abs() < 1e-15);
}

/// Against NumPy 2.4 (`np.quantile`, `np.mean`) and SciPy's Student quantile t(7, 0.975):
/// references/probes.py.
#[test]
fn distributions_agree_with_numpy() {
    let values = [0.3, -0.7, 0.11, 0.05, 0.9, -0.2, 0.33, 0.0];
    let d = Distribution::of(&values).unwrap();
    let found = [d.mean, d.min, d.q05, d.q25, d.median, d.q75, d.q95, d.max];
    let numpy = [0.09875, -0.7, -0.525, -0.05, 0.08, 0.3075, 0.7005, 0.9];
    for (found, numpy) in found.iter().zip(numpy) {
        assert!((found - numpy).abs() < 1e-12, "{d:?}");
    }
    let [low, high] = d.mean_interval.unwrap();
    let (scipy_low, scipy_high) = (-0.285_077_328_349_274, 0.482_577_328_349_274);
    assert!((low - scipy_low).abs() < 1e-7 && (high - scipy_high).abs() < 1e-7, "{low} {high}");
    assert_eq!(Distribution::of(&[]), None);
    assert_eq!(Distribution::of(&[2.0]).unwrap().mean_interval, None);
}

/// The ends fall into the outermost bins, and every cosine into one.
#[test]
fn histograms_count_everything() {
    let record = |cosine| ProbeRecord { index: 0, label: 0, correct: true, cosine, contribution: Some(0.0) };
    let records = [Some(-1.0), Some(1.0), Some(0.0), None, Some(0.999)].map(record).to_vec();
    let report = report(records, vec![], 5);
    let Counts { ends, counts } = &report.cosine_histogram;
    assert_eq!(*ends, [-1.0, 1.0]);
    assert_eq!((counts[0], counts[BINS / 2], counts[BINS - 1]), (1, 1, 2));
    let small = Counts::of(&[0.02, -0.019, 0.0]);
    assert_eq!((small.ends, small.counts[BINS - 1], small.counts[1]), ([-0.02, 0.02], 1, 1));
    assert_eq!(report.without_cosine, 1);
}
