//! Attacks against linear classifiers, whose robustness has a closed form: with `w = w_y − w_j`, the
//! smallest margin in the ball of radius ε is `w·x + b − ε ‖w‖*`, `‖·‖*` the dual norm.

use std::sync::LazyLock;

use crate::common::{self, audit, engine, fashion, rten};
use kennard::attack::{Apgd, Attack, AttackLoss, Fgsm, Malt, Pgd, Square, Strongest};
use kennard::audit::{AttackRecord, Record};
use kennard::data::DataSet;
use kennard::engine::EngineOptions;
use kennard::{Graph, Norm, ThreatModel};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

const D: usize = 784;

/// Two classes, `z_0 = w·x + ½`, `z_1 = −z_0`, so that every image of class 0 or 1 has a margin.
fn classifier() -> (Graph, Vec<f32>) {
    let w: Vec<f32> = (0..D).map(|i| ((i * 7919 + 13) % 101) as f32 / 101.0 - 0.5).collect();
    let rows: Vec<f32> = w.iter().copied().chain(w.iter().map(|v| -v)).collect();
    (common::affine(&[1, 28, 28], rows, Some(&[0.5, -0.5])), w)
}

/// Images whose labels are what the classifier says, kept in a data set of its own; written once, because
/// tests run side by side.
static TWO_CLASSES: LazyLock<DataSet> = LazyLock::new(|| {
    let samples: Vec<_> = fashion().samples().unwrap().take(60).map(Result::unwrap).collect();
    let (_, w) = classifier();
    let score = |x: &[f32]| x.iter().zip(&w).map(|(x, w)| x * w).sum::<f32>() + 0.5;
    let labels = samples.iter().map(|s| usize::from(score(&s.input) < 0.0)).collect();
    common::in_memory(&[1, 28, 28], samples.into_iter().flat_map(|s| s.input).collect(), labels)
});

fn dual(norm: Norm, w: &[f32]) -> f64 {
    let sizes = w.iter().map(|v| f64::from(v.abs()));
    match norm {
        Norm::Linf => sizes.sum(),
        Norm::L2 => sizes.map(|v| v * v).sum::<f64>().sqrt(),
        _ => sizes.fold(0.0, f64::max),
    }
}

fn attacked(record: &Record) -> &AttackRecord {
    record.attacks[0].as_ref().unwrap()
}

/// Runs an attack with its whole budget and returns the worst relative shortfall of the decrease of the
/// margin against the closed form, over all samples.
fn shortfall(norm: Norm, eps: f64, attack: Box<dyn Attack>) -> f64 {
    let (model, w) = classifier();
    let data = &*TWO_CLASSES;
    let engine = engine(&model, data, rten(), &EngineOptions { threads: Some(1), ..Default::default() });
    let threat = ThreatModel::within(norm, eps, [-100.0, 100.0]).unwrap();
    let outcome = audit(&engine, data, threat, vec![attack], 60, true);
    assert_eq!(outcome.summary.clean.correct, 60);
    let best = 2.0 * eps * dual(norm, &w);
    let achieved = |r: &Record| f64::from(r.margin) - f64::from(attacked(r).margin);
    let worst = outcome.records.iter().map(|r| 1.0 - achieved(r) / best).fold(0.0, f64::max);
    for record in &outcome.records {
        assert!(achieved(record) < best * (1.0 + 1e-4), "{norm}: better than the best possible");
        let left = f64::from(record.margin) - best;
        if left.abs() > 1.1 * worst * best {
            assert_eq!(attacked(record).broken, left < 0.0, "{norm}: sample {}", record.index);
        }
    }
    worst
}

#[test]
fn fgsm_is_optimal_on_a_linear_classifier() {
    for (norm, eps) in [(Norm::Linf, 0.01), (Norm::L2, 0.2)] {
        let shortfall = shortfall(norm, eps, Box::new(Fgsm::default()));
        assert!(shortfall < 1e-3, "{norm}: falls short by {shortfall}");
    }
}

#[test]
fn pgd_reaches_the_optimum_of_a_linear_classifier() {
    for (norm, eps) in [(Norm::Linf, 0.01), (Norm::L2, 0.2), (Norm::L1, 5.0)] {
        for targets in [0, 1] {
            let attack = Pgd { steps: 200, step_size: Some(0.05 * eps), targets, ..Pgd::default() };
            let shortfall = shortfall(norm, eps, Box::new(attack));
            assert!(shortfall < 0.01, "{norm}, {targets} targets: falls short by {shortfall}");
        }
    }
}

/// In l1 the best way goes along the steepest element up to its bound, then along the next: that gives the smallest margin within
/// ball and bounds. An element that is at its bound must not be chosen on and on.
#[test]
fn pgd_goes_on_from_the_bounds_in_l1() {
    const FEATURES: usize = 8;
    const SAMPLES: usize = 80;
    let eps = 0.4;
    let mut beyond = 0;
    for seed in 0..16 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut normal = || -> f32 { StandardNormal.sample(&mut random) };
        let rows: Vec<f32> = (0..2 * FEATURES).map(|_| normal()).collect();
        let bias = [0.1 * normal(), 0.1 * normal()];
        let x: Vec<f32> = (0..SAMPLES * FEATURES).map(|_| random.random()).collect();
        // The slope of the first logit's lead.
        let lead: Vec<f64> =
            (0..FEATURES).map(|i| f64::from(rows[i]) - f64::from(rows[FEATURES + i])).collect();
        let margin = |x: &[f32]| {
            let terms = lead.iter().zip(x).map(|(w, x)| w * f64::from(*x));
            terms.sum::<f64>() + f64::from(bias[0]) - f64::from(bias[1])
        };
        let robust = |x: &[f32]| {
            let (mut left, mut size) = (eps, margin(x).abs());
            let falls = if margin(x) > 0.0 { 1.0 } else { -1.0 };
            let mut ways: Vec<(f64, f64)> = lead
                .iter()
                .zip(x)
                .map(|(w, &x)| (w.abs(), f64::from(if falls * w > 0.0 { x } else { 1.0 - x })))
                .collect();
            ways.sort_by(|a, b| b.0.total_cmp(&a.0));
            for (slope, room) in ways {
                let moved = room.min(left);
                size -= slope * moved;
                left -= moved;
            }
            size > 0.0
        };
        let exact = x.chunks(FEATURES).filter(|x| robust(x)).count();
        let labels = x.chunks(FEATURES).map(|x| usize::from(margin(x) < 0.0)).collect();
        let model = common::affine(&[FEATURES], rows.clone(), Some(&bias));
        let data = common::in_memory(&[FEATURES], x.clone(), labels);
        let engine = engine(&model, &data, rten(), &EngineOptions { threads: Some(1), ..Default::default() });
        let threat = ThreatModel::new(Norm::L1, eps).unwrap();
        let outcome = audit(&engine, &data, threat, vec![Box::new(Pgd::default())], SAMPLES, true);
        let left = outcome.records.iter().filter(|r| !attacked(r).broken).count();
        println!("model {seed}: {left} robust to pgd, {exact} in truth");
        assert!(exact <= left && left <= exact + 3, "model {seed}: {left} robust to pgd, {exact} in truth");
        beyond += left - exact;
    }
    assert!(beyond <= 16, "{beyond} samples that can be broken are not");
}

const LOSSES: [AttackLoss; 5] = [
    AttackLoss::CrossEntropy,
    AttackLoss::ProbabilityMargin,
    AttackLoss::Dlr,
    AttackLoss::TargetedDlr,
    AttackLoss::Margin,
];

#[test]
fn apgd_reaches_the_optimum_of_a_linear_classifier() {
    for (norm, eps) in [(Norm::Linf, 0.01), (Norm::L2, 0.2), (Norm::L1, 5.0)] {
        for loss in LOSSES {
            let shortfall = shortfall(norm, eps, Box::new(Apgd { loss, ..Apgd::default() }));
            assert!(shortfall < 0.01, "{norm}, {loss:?}: falls short by {shortfall}");
        }
    }
}

#[test]
fn malt_and_the_contest_reach_the_optimum_of_a_linear_classifier() {
    for (norm, eps) in [(Norm::Linf, 0.01), (Norm::L2, 0.2), (Norm::L1, 5.0)] {
        let attacks: [Box<dyn Attack>; 2] = [Box::new(Malt::default()), Box::new(Strongest::default())];
        for attack in attacks {
            let name = attack.name().to_string();
            let shortfall = shortfall(norm, eps, attack);
            assert!(shortfall < 0.01, "{name} in {norm}: falls short by {shortfall}");
        }
    }
}

/// Square needs no gradient. With few elements it comes down to patches of one, and 2 000 queries set each of
/// 16 elements many times (one is left out with a probability of 10⁻¹⁴); its bumps in l2 and l1 are at least
/// three wide, and reach a part.
#[test]
fn square_makes_good_use_of_its_queries_on_a_linear_classifier() {
    let shape = [16];
    let model = common::linear(&shape, 2);
    let data = common::labelled(&model, &shape, 20);
    let engine = engine(&model, &data, rten(), &EngineOptions { threads: Some(1), ..Default::default() });
    let rows = model.constants.values().find(|t| t.shape().len() == 2).unwrap().to_floats().unwrap();
    let w: Vec<f32> = (0..16).map(|i| (rows[i] - rows[16 + i]) as f32).collect();
    for (norm, eps, most) in [(Norm::Linf, 0.01, 1e-3), (Norm::L2, 0.04, 0.5), (Norm::L1, 0.1, 0.7)] {
        let threat = ThreatModel::new(norm, eps).unwrap();
        let square = Square { queries: 2000, ..Square::default() };
        let outcome = audit(&engine, &data, threat, vec![Box::new(square)], 20, true);
        let best = eps * dual(norm, &w);
        let reached = |r: &Record| f64::from(r.margin - attacked(r).margin) / best;
        let shortfall = outcome.records.iter().map(|r| 1.0 - reached(r)).fold(0.0, f64::max);
        println!("square in {norm}: falls short by {shortfall:.3}");
        assert!(shortfall < most, "{norm}: falls short by {shortfall}");
    }
}

/// The test above can fail: an attack that goes the wrong way, and one that makes too few steps, do.
#[test]
fn weakened_attacks_fall_short() {
    let too_short = Pgd { steps: 2, step_size: Some(0.0005), random_start: false, ..Pgd::default() };
    assert!(shortfall(Norm::Linf, 0.01, Box::new(too_short)) > 0.5);
}
