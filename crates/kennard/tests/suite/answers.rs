//! Models whose gradients, logits or answers are not finite, or whose logits are of any size; points that the model as
//! given judges otherwise than the graph that is attacked.

use std::sync::atomic::AtomicBool;

use crate::common::{self, engine, in_memory, labelled, linear, rten};
use kennard::attack::{Apgd, Attack, AttackLoss, Fab, Fgsm, Parameters, Pgd, Square, attack};
use kennard::audit::{Audit, Outcome, Record};
use kennard::data::DataSet;
use kennard::engine::EngineOptions;
use kennard::run::ModelSummary;
use kennard::{Graph, Norm, ThreatModel};
use kennard_graph::{Builder, DType, Dim, Tensor, TensorType, Var};

/// A data set of points.
fn samples(points: &[Vec<f32>], labels: &[usize]) -> DataSet {
    in_memory(&[points[0].len()], points.concat(), labels.to_vec())
}

/// A model of `d` inputs.
fn model(d: usize, logits: impl for<'b> FnOnce(Var<'b>) -> Var<'b>) -> Graph {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(d)]));
    builder.output("logits", logits(x));
    builder.finish().unwrap()
}

/// `x·weights`, weights by rows of `classes`.
fn times<'b>(x: Var<'b>, weights: &[f32], classes: usize) -> Var<'b> {
    let weights =
        ndarray::ArrayD::from_shape_vec(vec![weights.len() / classes, classes], weights.to_vec()).unwrap();
    x.with("MatMul", x.builder().constant(Tensor::from(weights)))
}

fn plus<'b>(x: Var<'b>, numbers: &[f32]) -> Var<'b> {
    x + x.builder().constant(Tensor::from(ndarray::arr1(numbers).into_dyn()))
}

fn run(model: &Graph, data: &DataSet, change: impl FnOnce(&mut Audit), threat: ThreatModel) -> Outcome {
    let options = EngineOptions { threads: Some(1), ..EngineOptions::default() };
    let engine = engine(model, data, rten(), &options);
    let path = common::fixture("fashion_mlp.onnx");
    let mut audit =
        Audit::new(ModelSummary::of_file(&path, engine.classifier()).unwrap(), &engine, data, threat);
    change(&mut audit);
    audit.run(&AtomicBool::new(false), |_| ()).unwrap()
}

fn named(name: &str) -> Box<dyn Attack> {
    attack(name, &Parameters::new()).unwrap()
}

fn warned<'o>(outcome: &'o Outcome, code: &str) -> Option<&'o kennard::audit::Warning> {
    outcome.summary.warnings.iter().find(|warning| warning.code == code)
}

/// `z_0 = 0.3 + a·(x_0 − ½) − 0.6 √x_1`, `z_1 = 0`, at `x_1 = 0`, where the root has an infinite slope. An l2 ball is best
/// used along the root alone: broken where `0.3 + a·(x_0 − ½) < 0.6 √ε` (the first term's part in it is second order;
/// samples within 0.02 of that are left out).
#[test]
fn an_infinite_slope_leads_somewhere() {
    let a = 0.1;
    let model = model(2, |x| {
        let root = times(x, &[0.0, 1.0], 1).apply("Sqrt");
        let lead = times(x, &[a, 0.0], 1) - root * 0.6;
        let both = lead.builder().op("Concat", &[Some(lead), Some(lead * 0.0)], &[("axis", 1i64.into())]);
        plus(both, &[0.3 - 0.5 * a, 0.0])
    });
    let points: Vec<Vec<f32>> = (0..21).map(|i| vec![i as f32 / 20.0, 0.0]).collect();
    let data = samples(&points, &[0; 21]);
    let eps = 0.25;
    for name in ["fgsm", "pgd", "apgd-ce", "apgd-margin", "fab", "fmn", "ddn"] {
        let threat = ThreatModel::new(Norm::L2, eps).unwrap();
        let outcome = run(&model, &data, |audit| audit.attacks = vec![named(name)], threat);
        assert_eq!(outcome.summary.clean.correct, 21);
        for record in &outcome.records {
            let left = f64::from(record.margin) - 0.6 * eps.sqrt();
            if left.abs() > 0.02 {
                assert_eq!(record.is_robust(), left > 0.0, "{name}: {record:?}");
            }
        }
        let met = outcome
            .records
            .iter()
            .filter(|r| r.attacks[0].as_ref().unwrap().non_finite_gradients > 0)
            .count();
        // A walk that begins at a random point need not meet the place itself.
        if name != "pgd" && !name.starts_with("apgd") {
            assert_eq!(met, 21, "{name}");
            let warning = warned(&outcome, "non-finite-gradients").unwrap();
            assert!(
                warning.message.contains("21 of 21") && warning.message.contains(name),
                "{}",
                warning.message
            );
            assert!(outcome.summary.attacks[0].non_finite_gradients >= 21);
        }
    }
}

/// A network that standardises its input, and a constant one: its standard deviation is 0, whose root has no slope, so that
/// the gradient there is NaN. The sample is attacked like any other, and those beside it are as without it.
#[test]
fn a_gradient_of_nan_ends_nothing() {
    let weights: Vec<f32> = (0..16 * 3).map(|i| ((i * 37 + 11) % 41) as f32 / 41.0 - 0.5).collect();
    let standardised = model(16, |x| {
        let shift = x - x.reduce("ReduceMean", &[1], true);
        let deviation = (shift * shift).reduce("ReduceMean", &[1], true).apply("Sqrt");
        let divisor = deviation.with("Max", deviation.number(0.25));
        plus(times(shift / divisor, &weights, 3), &[0.02, 0.0, 0.0])
    });
    let point = |i: usize| (0..16).map(|j| 0.2 + 0.6 * ((i * 31 + j * 17) % 23) as f32 / 23.0).collect();
    let mut points: Vec<Vec<f32>> = (1..8).map(point).collect();
    let without = samples(&points, &[0; 7]);
    points.push(vec![0.5; 16]);
    let with = samples(&points, &[0; 8]);
    let attacks = || ["fgsm", "pgd", "apgd-ce", "fab"].map(named).into_iter().collect::<Vec<_>>();
    let threat = ThreatModel::new(Norm::L2, 0.2).unwrap();
    let [with, without] =
        [with, without].map(|data| run(&standardised, &data, |audit| audit.attacks = attacks(), threat));
    assert_eq!(with.records[..7], without.records[..]);
    let last = &with.records[7];
    assert!(last.is_correct() && last.is_evaluated());
    let fgsm = last.attacks[0].as_ref().unwrap();
    assert_eq!((fgsm.non_finite_gradients, fgsm.backwards, fgsm.unanswered), (1, 1, 0));
    assert!(warned(&with, "non-finite-gradients").is_some());
    // PGD begins beside the place, where there is a slope, and the lead of 0.02 is soon lost.
    assert!(last.attacks[1].as_ref().unwrap().broken, "{last:?}");
}

/// `z_0 = ln(x_0 − 0.3) + 2`, `z_1 = x_1`: no number where x_0 < 0.3. Such samples are counted apart; near the others an
/// attack finds such points on its way, and they count as nothing. With `x_1 = 0.5` adversarial are only points with
/// x_0 < 0.3 + e^(x_1 − 2), which a ball of 0.1 reaches from x_0 < 0.4 + e^(0.6 − 2) ≈ 0.6466.
#[test]
fn an_answer_of_nan_is_an_outcome_of_its_own() {
    let logarithm = model(2, |x| {
        let one = plus(times(x, &[1.0, 0.0], 1), &[-0.3]).apply("Log");
        let other = times(x, &[0.0, 1.0], 1);
        let both = one.builder().op("Concat", &[Some(one), Some(other)], &[("axis", 1i64.into())]);
        plus(both, &[2.0, 0.0])
    });
    let points: Vec<Vec<f32>> = (0..20).map(|i| vec![0.025 + 0.05 * i as f32, 0.5]).collect();
    let labels: Vec<usize> = points.iter().map(|x| usize::from(x[0] < 0.5231)).collect();
    let data = samples(&points, &labels);
    let threat = ThreatModel::new(Norm::Linf, 0.1).unwrap();
    let change = |audit: &mut Audit| {
        audit.attacks = ["pgd", "apgd-ce", "apgd-margin", "fab", "square"].map(named).into_iter().collect();
        audit.probe = true;
    };
    let outcome = run(&logarithm, &data, change, threat);
    assert_eq!((outcome.summary.samples, outcome.summary.not_evaluated), (20, 6));
    assert_eq!(outcome.summary.clean.correct, 14, "the other samples are right");
    assert!(warned(&outcome, "not-evaluated").unwrap().message.contains("6 of 20"));
    assert!(warned(&outcome, "unanswered-points").is_some() && warned(&outcome, "random-outputs").is_none());
    for (record, x) in outcome.records.iter().zip(&points) {
        assert_eq!(record.is_evaluated(), x[0] > 0.3, "{record:?}");
        if !record.is_evaluated() {
            assert!(
                !record.is_correct() && !record.is_robust() && record.attacks.iter().all(Option::is_none)
            );
            continue;
        }
        if record.label == 0 {
            // Away from the threshold the closed form decides; all attacks find what there is.
            assert_eq!(record.is_robust(), x[0] > 0.6466, "{record:?}");
        }
        for attack in record.attacks.iter().flatten() {
            assert!(!attack.margin.is_nan());
        }
    }
}

/// A class that is masked by −∞, in every attack: it is an answer, and the attack on the other classes is what it was.
#[test]
fn a_masked_class_is_an_answer() {
    let shape = [1, 4, 4];
    let plain = linear(&shape, 4);
    let data = labelled(&plain, &shape, 12);
    let builder = Builder::new(&plain).unwrap();
    let mask = builder.constant(Tensor::from(ndarray::arr1(&[0.0, 0.0, 0.0, f32::NEG_INFINITY]).into_dyn()));
    let z = builder.var("logits").map(|z| z + mask);
    let z = z.unwrap();
    builder.clear_outputs();
    builder.output("masked", z);
    let masked = builder.finish().unwrap();
    let threat = ThreatModel::new(Norm::Linf, 0.02).unwrap();
    let change =
        |audit: &mut Audit| audit.attacks = vec![Box::new(Square { queries: 300, ..Square::default() })];
    let outcome = run(&masked, &data, change, threat);
    assert_eq!(outcome.summary.not_evaluated, 0);
    for record in &outcome.records {
        assert_eq!(record.is_correct(), record.label != 3, "{record:?}");
        if record.label == 3 {
            assert_eq!(record.margin, f32::NEG_INFINITY);
        } else {
            assert!(record.margin.is_finite(), "{record:?}");
        }
    }
}

/// Half-way between the distances, in closed form, of the middle two samples of a linear classifier: the smallest of
/// `(z_y − z_j) / ‖w_y − w_j‖*`.
fn middle(model: &Graph, data: &DataSet, norm: Norm) -> f64 {
    let weights = model.constants.values().find(|t| t.shape().len() == 2).unwrap().to_floats().unwrap();
    let d = data.shape().iter().product();
    let rows: Vec<&[f64]> = weights.chunks(d).collect();
    let distance = |x: &[f32], label: usize| {
        let others = (0..rows.len()).filter(|&j| j != label).map(|j| {
            let w: Vec<f32> = rows[label].iter().zip(rows[j]).map(|(a, b)| (a - b) as f32).collect();
            w.iter().zip(x).map(|(w, x)| f64::from(w * x)).sum::<f64>() / norm.dual_size(&w)
        });
        others.fold(f64::INFINITY, f64::min)
    };
    let mut distances: Vec<f64> =
        data.samples().unwrap().map(Result::unwrap).map(|s| distance(&s.input, s.label)).collect();
    distances.sort_by(f64::total_cmp);
    let half = distances.len() / 2;
    (distances[half - 1] + distances[half]) / 2.0
}

/// Verdicts do not depend on the size of the logits: of a linear classifier, by each attack whose paper measures nothing
/// in logits. The cross-entropy weighs classes by their probabilities, which that size sets; so attacks that climb it are
/// compared among sizes at which all classes are equally likely.
#[test]
fn verdicts_have_no_scale() {
    let shape = [1, 4, 4];
    let plain = linear(&shape, 4);
    let data = labelled(&plain, &shape, 16);
    let scaled = |factor: f64| {
        let builder = Builder::new(&plain).unwrap();
        let z = builder.var("logits").unwrap();
        let z = z * factor;
        builder.clear_outputs();
        builder.output("scaled", z);
        builder.finish().unwrap()
    };
    // Powers of two, so that nothing is rounded otherwise.
    let models = [0, -30, -66, -100, 66].map(|power| (power, scaled(2f64.powi(power))));
    let names = ["pgd", "apgd-ce", "apgd-dlr", "apgd-t", "apgd-margin", "fab", "fab-t", "fmn", "ddn"];
    let names = names.into_iter().chain(["minimal-apgd", "square", "hop-skip-jump"]);
    for norm in [Norm::Linf, Norm::L2, Norm::L1] {
        let threat = ThreatModel::new(norm, middle(&plain, &data, norm)).unwrap();
        for name in names.clone().filter(|name| named(name).norms().contains(&norm)) {
            let climbs_probabilities = ["pgd", "apgd-ce", "ddn"].contains(&name);
            let compared = if climbs_probabilities { &models[1..4] } else { &models[..] };
            let verdicts = |model: &Graph| -> Vec<bool> {
                let outcome = run(model, &data, |audit| audit.attacks = vec![named(name)], threat);
                outcome.records.iter().map(Record::is_robust).collect()
            };
            let plain = verdicts(&compared[0].1);
            let standing = plain.iter().filter(|robust| **robust).count();
            // Where no single class is gone towards, or patches are wide, the optimum may be missed.
            let least = ["apgd-t", "fab", "fab-t"].contains(&name);
            assert!(standing == 8 || !least && standing > 8, "{name} in {norm}: {standing}");
            for (power, model) in &compared[1..] {
                assert_eq!(verdicts(model), plain, "{name} in {norm}, logits × 2^{power}");
            }
        }
    }
}

/// `softmax(0, 10⁻⁶·(x − ½))`: the graph that is attacked ends before the softmax, and sees class 1 as soon as x > ½; in
/// single precision the model as given returns ½ and ½ there, the first class, until x − ½ is 0.03 to 0.12 (the softmax
/// of that is one or two units in the last place from ½). From x = 0.45 the graph is broken by 0.05, the model by 0.08 to
/// 0.17.
fn undecided() -> (Graph, DataSet) {
    let softmax = model(1, |x| {
        let z = plus(times(x, &[0.0, 1e-6], 2), &[0.0, -0.5e-6]);
        z.apply_with("Softmax", &[("axis", 1i64.into())])
    });
    // Without the identity behind it that a builder's output is.
    let softmax = kennard_graph::simplify(&softmax).unwrap();
    (softmax, samples(&[vec![0.45], vec![0.45], vec![0.45]], &[0; 3]))
}

#[test]
fn the_model_as_given_has_the_last_word() {
    let (softmax, data) = undecided();
    let pgd = || vec![named("pgd"), named("minimal-apgd"), named("square")];
    // Every aim: the first adversarial point, the worst, and the closest.
    for full in [false, true] {
        for (eps, robust) in [(0.06, 3), (0.25, 0)] {
            let threat = ThreatModel::new(Norm::Linf, eps).unwrap();
            let change = |audit: &mut Audit| (audit.attacks, audit.full) = (pgd(), full);
            let outcome = run(&softmax, &data, change, threat);
            for attack in &outcome.summary.attacks {
                assert_eq!(attack.robust, robust, "{}, full {full}, eps {eps}", attack.name);
            }
            if robust == 3 {
                for attack in outcome.records.iter().flat_map(|record| record.attacks.iter().flatten()) {
                    assert!(attack.disputed && !attack.broken && attack.norm.is_none(), "{attack:?}");
                }
                assert!(warned(&outcome, "disputed-points").is_some());
            }
        }
    }
    let threat = ThreatModel::unlimited(Norm::Linf, [0.0, 1.0]).unwrap();
    let change = |audit: &mut Audit| {
        audit.minimal = vec![Box::new(kennard::attack::Fmn::default()), Box::new(Fab::default())];
    };
    let outcome = run(&softmax, &data, change, threat);
    for record in &outcome.records {
        let fmn = record.minimal[0].as_ref().unwrap();
        assert!(fmn.disputed, "points closer than the model's threshold were looked at: {fmn:?}");
        for attack in record.minimal.iter().flatten() {
            assert!(attack.norm.is_none_or(|norm| norm > 0.075), "{attack:?}");
        }
    }
}

/// A point within epsilon that a minimum-norm attack found breaks the sample, whatever the others found; one beyond does
/// not. On a linear classifier FAB's distances are exact, and an FGSM of a tenth of epsilon breaks next to nothing.
#[test]
fn the_worst_case_includes_minimum_norm_attacks() {
    let shape = [1, 4, 4];
    let plain = linear(&shape, 4);
    let data = labelled(&plain, &shape, 16);
    let eps = middle(&plain, &data, Norm::Linf);
    let small = eps / 20.0;
    let threat = |eps| ThreatModel::new(Norm::Linf, eps).unwrap();
    let weak = run(&plain, &data, |audit| audit.attacks = vec![Box::new(Fgsm::default())], threat(small));
    let strong = run(&plain, &data, |audit| audit.attacks = vec![named("apgd-t")], threat(eps));
    let weakly = Pgd { steps: 1, step_size: Some(small), random_start: false, ..Pgd::default() };
    let change = |audit: &mut Audit| {
        audit.attacks = vec![Box::new(weakly)];
        audit.minimal = vec![Box::new(Fab::default())];
    };
    let both = run(&plain, &data, change, threat(eps));
    let robust = |outcome: &Outcome| outcome.summary.robust.as_ref().unwrap().robust;
    assert!(robust(&weak) > robust(&strong), "{} and {}", robust(&weak), robust(&strong));
    assert_eq!(robust(&both), robust(&strong));
    assert_eq!(both.summary.attacks[0].robust, robust(&weak), "its own row is its own");
    for (record, other) in both.records.iter().zip(&strong.records) {
        assert_eq!(record.is_robust(), other.is_robust());
        let fab = record.minimal[0].as_ref().unwrap();
        assert!(fab.broken);
        assert_eq!(fab.within, fab.norm.unwrap() <= eps + 1.2e-7, "{fab:?}");
        let under = record.prediction_under_attack();
        assert_eq!(under == record.prediction, record.is_robust());
    }
    // By itself too, and never without an epsilon.
    let alone = |audit: &mut Audit| audit.minimal = vec![Box::new(Fab::default())];
    assert_eq!(robust(&run(&plain, &data, alone, threat(eps))), robust(&strong));
    let unlimited = run(&plain, &data, alone, ThreatModel::unlimited(Norm::Linf, [0.0, 1.0]).unwrap());
    assert!(unlimited.summary.robust.is_none() && unlimited.records.iter().all(Record::is_robust));
}

/// Two logits that are equal at the sample: the boundary is there, and the search for the smallest epsilon still ends.
#[test]
fn a_tie_at_the_sample_ends_the_search() {
    let tie = model(2, |x| times(x, &[1.0, 0.0, 0.0, 1.0], 2));
    let data = samples(&[vec![0.5, 0.5]], &[0]);
    let threat = ThreatModel::new(Norm::Linf, 0.1).unwrap();
    let outcome = run(&tie, &data, |audit| audit.attacks = vec![named("minimal-apgd")], threat);
    assert_eq!(outcome.summary.attacks[0].robust, 0);
}

/// The difference of logits ratio has no scale, and where the three largest logits are equal its numerator is climbed.
#[test]
fn the_ratio_is_climbed_at_ties() {
    let equal = model(3, |x| times(x, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], 3));
    let data = samples(&[vec![0.5; 3]], &[0]);
    let threat = ThreatModel::new(Norm::Linf, 0.1).unwrap();
    let apgd = Apgd { loss: AttackLoss::Dlr, steps: 5, ..Apgd::default() };
    let outcome = run(&equal, &data, |audit| audit.attacks = vec![Box::new(apgd)], threat);
    assert_eq!(outcome.summary.attacks[0].robust, 0);
}
