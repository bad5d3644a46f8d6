//! Threat models of tables whose columns hold whole numbers, or belong to a group of which one is 1: on a small network all valid
//! points can be tried, so that it is known which samples an attack can break, how far away the closest adversarial point is, and
//! what a proof may claim.

use std::sync::atomic::AtomicBool;

use crate::common::{self, engine, rten};
use kennard::attack::{Apgd, Attack, AttackLoss, Fab, MinimumNorm, Pgd, Square, Strongest};
use kennard::audit::Audit;
use kennard::data::DataSet;
use kennard::engine::EngineOptions;
use kennard::run::ModelSummary;
use kennard::{Boxes, Graph, Lattice, Norm, ThreatModel};
use kennard_graph::{Builder, DType, Dim, Tensor, TensorType};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Two whole numbers, a group of three and a group of two.
const D: usize = 7;
const HIDDEN: usize = 12;
const CLASSES: usize = 3;
const HIGHEST: usize = 9;
const SAMPLES: usize = 80;

/// A network of one hidden layer, row by row.
struct Network {
    first: Vec<f32>,
    bias: Vec<f32>,
    second: Vec<f32>,
}

impl Network {
    fn new(random: &mut ChaCha8Rng) -> Network {
        let mut noise = |n: usize, size: f32| -> Vec<f32> {
            (0..n).map(|_| size * (2.0 * random.random::<f32>() - 1.0)).collect()
        };
        let mut first = noise(D * HIDDEN, 1.0);
        first[..2 * HIDDEN].iter_mut().for_each(|w| *w *= 0.4);
        Network { first, bias: noise(HIDDEN, 1.5), second: noise(HIDDEN * CLASSES, 1.0) }
    }

    fn model(&self) -> Graph {
        let tensor = |values: &[f32], shape: &[usize]| {
            Tensor::from(ndarray::ArrayD::from_shape_vec(shape.to_vec(), values.to_vec()).unwrap())
        };
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(D)]));
        let first = builder.constant(tensor(&self.first, &[D, HIDDEN]));
        let bias = builder.constant(tensor(&self.bias, &[HIDDEN]));
        let second = builder.constant(tensor(&self.second, &[HIDDEN, CLASSES]));
        let hidden = builder.op("Gemm", &[Some(x), Some(first), Some(bias)], &[]).apply("Relu");
        builder.output("logits", hidden.with("MatMul", second));
        builder.finish().unwrap()
    }

    /// The smallest margin over other labels, in double precision.
    fn margin(&self, x: &[f32], label: usize) -> f64 {
        let hidden: Vec<f64> = (0..HIDDEN)
            .map(|h| {
                let row = (0..D).map(|i| f64::from(x[i]) * f64::from(self.first[i * HIDDEN + h]));
                (row.sum::<f64>() + f64::from(self.bias[h])).max(0.0)
            })
            .collect();
        let logit = |class: usize| -> f64 {
            (0..HIDDEN).map(|h| hidden[h] * f64::from(self.second[h * CLASSES + class])).sum()
        };
        let others = (0..CLASSES).filter(|&class| class != label).map(logit);
        logit(label) - others.fold(f64::NEG_INFINITY, f64::max)
    }

    fn label(&self, x: &[f32]) -> usize {
        (0..CLASSES).find(|&class| self.margin(x, class) >= 0.0).unwrap()
    }
}

/// All valid points.
fn valid_points() -> Vec<[f32; D]> {
    let mut points = Vec::new();
    for a in 0..=HIGHEST {
        for b in 0..=HIGHEST {
            for (three, two) in [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)] {
                let mut x = [a as f32, b as f32, 0.0, 0.0, 0.0, 0.0, 0.0];
                (x[2 + three], x[5 + two]) = (1.0, 1.0);
                points.push(x);
            }
        }
    }
    points
}

fn lattice() -> Lattice {
    Lattice::new(vec![0, 1], vec![vec![2, 3, 4], vec![5, 6]], D).unwrap()
}

struct Bench {
    network: Network,
    data: DataSet,
    points: Vec<[f32; D]>,
    samples: Vec<[f32; D]>,
}

impl Bench {
    fn new(seed: u64) -> Bench {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let network = Network::new(&mut random);
        let points = valid_points();
        let samples: Vec<[f32; D]> =
            (0..SAMPLES).map(|_| points[random.random_range(0..points.len())]).collect();
        let labels = samples.iter().map(|x| network.label(x)).collect();
        let data = common::in_memory(&[D], samples.concat(), labels);
        Bench { network, data, points, samples }
    }

    /// The smallest margin over valid points within a threat model around a sample.
    fn least(&self, x: &[f32], admits: impl Fn(&[f32]) -> bool) -> f64 {
        let label = self.network.label(x);
        let allowed = self.points.iter().filter(|point| admits(&point[..]));
        allowed.map(|point| self.network.margin(point, label)).fold(f64::INFINITY, f64::min)
    }

    fn with<R>(&self, threat: ThreatModel, run: impl FnOnce(Audit) -> R) -> R {
        let model = self.network.model();
        let options = EngineOptions { threads: Some(1), ..Default::default() };
        let engine = engine(&model, &self.data, rten(), &options);
        let file = common::fixture("fashion_mlp.onnx");
        let summary = ModelSummary::of_file(&file, engine.classifier()).unwrap();
        run(Audit { lattice: Some(lattice()), ..Audit::new(summary, &engine, &self.data, threat) })
    }
}

fn attacks() -> Vec<(&'static str, Box<dyn Attack>)> {
    vec![
        ("pgd", Box::new(Pgd::default())),
        ("apgd", Box::new(Apgd { loss: AttackLoss::CrossEntropy, ..Apgd::default() })),
        ("square", Box::new(Square { queries: 500, ..Square::default() })),
        ("strongest", Box::new(Strongest::default())),
    ]
}

/// Every point that counts is valid, allowed and misclassified, and of the samples that can be broken attacks miss few: in linf each by
/// itself, in balls, where gradients say little of which of many small changes to make whole, together.
#[test]
fn attacks_break_what_valid_points_can_break() {
    let threats = [(Norm::Linf, 1.0), (Norm::Linf, 2.0), (Norm::L2, 1.5), (Norm::L1, 3.0)];
    for (seed, (norm, eps)) in [0, 1, 2, 0].into_iter().zip(threats) {
        let bench = Bench::new(seed);
        let threat = ThreatModel::within(norm, eps, [0.0, HIGHEST as f32]).unwrap();
        let breakable: Vec<bool> =
            bench.samples.iter().map(|x| bench.least(x, |point| threat.admits(x, point)) < 0.0).collect();
        let possible = breakable.iter().filter(|can| **can).count();
        let mut any = [false; SAMPLES];
        for (name, attack) in attacks() {
            let mut broken = 0;
            bench
                .with(threat, |audit| {
                    let audit = Audit { attacks: vec![attack], ..audit };
                    audit.adversarials(&AtomicBool::new(false), |examined| {
                        let (index, label) = (examined.record.index, examined.record.label);
                        for found in examined.adversarials.iter().flatten() {
                            let point: [f32; D] = found.point[..].try_into().unwrap();
                            assert!(bench.points.contains(&point), "{norm} {name}: {point:?} is not valid");
                            assert!(threat.admits(&bench.samples[index], &point), "{norm} {name}: {point:?}");
                            assert!(bench.network.margin(&point, label) < 1e-4, "{norm} {name}: {point:?}");
                            any[index] = true;
                            broken += 1;
                        }
                        Ok(())
                    })
                })
                .unwrap();
            println!("{norm} {eps}: {name} broke {broken} of {possible} that can be");
            let enough = norm != Norm::Linf || broken * 10 >= possible * 9;
            assert!(enough, "{norm} {eps}: {name} broke {broken} of {possible}");
        }
        let any = any.into_iter().filter(|broken| *broken).count();
        assert!(possible > 10 && any * 10 >= possible * 9, "{norm} {eps}: {any} of {possible} broken");
    }
}

/// With an epsilon of its own for each column, within a box, points are valid too.
#[test]
fn epsilons_of_columns_and_valid_points_go_together() {
    let bench = Bench::new(4);
    let radii = vec![2.5, 1.0, 1.0, 1.0, 0.5, 0.0, 1.0];
    let boxes = Boxes::around(radii.clone(), [0.0, HIGHEST as f32]).unwrap();
    // The third of the group cannot change, and the second group not at all.
    let admits = |x: &[f32], point: &[f32]| {
        (0..D).all(|i| f64::from((x[i] - point[i]).abs()) <= radii[i]) && point[5..] == x[5..]
    };
    let breakable: Vec<bool> =
        bench.samples.iter().map(|x| bench.least(x, |point| admits(x, point)) < 0.0).collect();
    let possible = breakable.iter().filter(|can| **can).count();
    let threat = boxes.threat(&bench.data).unwrap();
    let outcome = bench.with(threat, |audit| {
        let attacks: Vec<Box<dyn Attack>> = vec![Box::new(Pgd::default()), Box::new(Square::default())];
        let audit = Audit { attacks, boxes: Some(boxes.clone()), certify: true, ..audit };
        audit.run(&AtomicBool::new(false), |_| ()).unwrap()
    });
    let (mut broken, mut certified) = (0, 0);
    for record in &outcome.records {
        assert!(!record.is_certified() || !breakable[record.index], "sample {}", record.index);
        assert!(record.broken_by().is_none() || breakable[record.index], "sample {}", record.index);
        (broken, certified) = (
            broken + usize::from(record.broken_by().is_some()),
            certified + usize::from(record.is_certified()),
        );
    }
    println!("{broken} of {possible} broken, {certified} certified");
    assert!(
        possible > 10 && broken * 10 >= possible * 9 && certified > 10,
        "{broken} of {possible}, {certified}"
    );
    assert!(outcome.summary.data.notes.iter().any(|note| note.contains("2 columns of whole numbers")));
}

/// Proofs hold for all valid points, and there are more of them than where points need not be valid.
#[test]
fn certificates_hold_for_valid_points() {
    for (norm, eps) in [(Norm::Linf, 0.9), (Norm::Linf, 1.5), (Norm::L2, 1.2), (Norm::L1, 1.5)] {
        let bench = Bench::new(5);
        let threat = ThreatModel::within(norm, eps, [0.0, HIGHEST as f32]).unwrap();
        let certified = |of_valid: bool| -> Vec<bool> {
            let run = |audit: Audit| {
                let lattice = audit.lattice.clone().filter(|_| of_valid);
                let audit = Audit { certify: true, lattice, ..audit };
                audit.run(&AtomicBool::new(false), |_| ()).unwrap().records
            };
            bench.with(threat, run).iter().map(|record| record.is_certified()).collect()
        };
        let [valid, all] = [true, false].map(certified);
        for (index, x) in bench.samples.iter().enumerate() {
            let least = bench.least(x, |point| threat.admits(x, point));
            assert!(!valid[index] || least > 0.0, "{norm} {eps}: sample {index} has the margin {least}");
            assert!(valid[index] || !all[index], "{norm} {eps}: sample {index}");
        }
        let [valid, all] = [valid, all].map(|proved| proved.iter().filter(|p| **p).count());
        println!("{norm} {eps}: {valid} certified over valid points, {all} over all");
        assert!(valid > 0 && (norm != Norm::Linf || valid > all), "{norm} {eps}: {valid} and {all}");
    }
}

/// Distances are those of valid points: never below the smallest, and mostly that.
#[test]
fn distances_are_those_of_valid_points() {
    let bench = Bench::new(6);
    for norm in [Norm::L2, Norm::Linf] {
        let threat = ThreatModel::unlimited(norm, [0.0, HIGHEST as f32]).unwrap();
        let minimal: Vec<Box<dyn MinimumNorm>> = vec![Box::new(Fab { targets: 2, ..Fab::default() })];
        let records = bench.with(threat, |audit| {
            let audit = Audit { minimal, ..audit };
            audit.run(&AtomicBool::new(false), |_| ()).unwrap().records
        });
        let (mut found, mut closest) = (0, 0);
        for record in &records {
            let (x, label) = (&bench.samples[record.index], record.label);
            let wrong = bench.points.iter().filter(|point| bench.network.margin(&point[..], label) < 1e-4);
            let least = wrong.map(|point| norm.distance(x, point)).fold(f64::INFINITY, f64::min);
            let Some(distance) = record.minimal[0].as_ref().and_then(|attack| attack.norm) else { continue };
            assert!(distance >= least - 1e-6, "{norm}: {distance} below {least}");
            found += 1;
            closest += usize::from(distance < least + 1e-6);
        }
        println!("{norm}: {found} found, {closest} of them the closest");
        assert!(found > SAMPLES / 2 && closest * 2 > found, "{norm}: {found} found, {closest} the closest");
    }
}

#[test]
fn samples_that_are_not_valid_are_refused() {
    let bench = Bench::new(7);
    let mut inputs = bench.samples.concat();
    inputs[D * 3 + 1] = 4.5;
    let data = common::in_memory(&[D], inputs, vec![0; SAMPLES]);
    let threat = ThreatModel::within(Norm::Linf, 1.0, [0.0, HIGHEST as f32]).unwrap();
    let broken = Bench { data, ..bench };
    let error = broken.with(threat, |audit| audit.run(&AtomicBool::new(false), |_| ()).err().unwrap());
    assert!(
        error.to_string().contains("sample 3 has 4.5 in element 1, which is to hold whole numbers"),
        "{error}"
    );
}
