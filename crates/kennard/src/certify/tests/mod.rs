//! Certificates of linear classifiers, whose smallest margin over a region is known.

mod floats;
mod late;
mod stages;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use kennard_graph::{Builder, DType, Dim, Graph, Tensor, TensorType};
use kennard_runtime::Choice;
use ndarray::{ArrayD, IxDyn};
use rand::RngExt;

use super::*;
use crate::data::{DataSet, Selection};
use crate::engine::{Engine, EngineOptions};
use crate::random::stream;
use crate::{Boxes, Classifier, Norm, Preprocessing, Runtime, ThreatModel};

const SHAPE: [usize; 3] = [3, 2, 2];
const D: usize = 12;
const K: usize = 4;

/// Weights (D, K) of a linear classifier of what `preprocessing` makes of the pixels.
fn weights() -> Vec<f32> {
    let mut random = stream(11, &[], "weights");
    (0..D * K).map(|_| random.random_range(-1.0f32..1.0)).collect()
}

fn engine(preprocessing: &Preprocessing, micro_batch: usize) -> Engine {
    engine_in(DType::F32, preprocessing, micro_batch)
}

/// The same, its weights and its products of this type.
fn engine_in(dtype: DType, preprocessing: &Preprocessing, micro_batch: usize) -> Engine {
    let builder = Builder::new(&Graph::default()).unwrap();
    let dims = if preprocessing.nhwc { [2, 2, 3] } else { SHAPE };
    let dims: Vec<Dim> = std::iter::once(Dim::BATCH).chain(dims.map(Dim::Known)).collect();
    let x = builder.input("x", TensorType::new(DType::F32, dims));
    let w = Tensor::from(ArrayD::from_shape_vec(IxDyn(&[D, K]), weights()).unwrap());
    let w = w.to_float_type(dtype);
    let products = x.apply("Flatten").cast(dtype).with("MatMul", builder.named("w", w));
    builder.output("logits", products.cast(DType::F32));
    let classifier = Classifier::new(&builder.finish().unwrap(), &SHAPE, preprocessing).unwrap();
    let options = EngineOptions { micro_batch: Some(micro_batch), ..EngineOptions::default() };
    Engine::new(classifier, Runtime::open(Choice::Rten).unwrap(), &options).unwrap()
}

/// An engine of a graph as it is.
fn engine_of(graph: &Graph, shape: &[usize]) -> Engine {
    let classifier = Classifier::new(graph, shape, &Preprocessing::default()).unwrap();
    Engine::new(classifier, Runtime::open(Choice::Rten).unwrap(), &EngineOptions::default()).unwrap()
}

fn samples(count: usize) -> DataSet {
    let mut random = stream(12, &[], "samples");
    let inputs: Vec<f32> = (0..count * D).map(|_| random.random_range(0.3f32..0.7)).collect();
    DataSet::from_samples(inputs, (0..count).map(|i| i % K).collect(), &SHAPE, &[]).unwrap()
}

fn found(engine: &Engine, data: &DataSet, threat: ThreatModel) -> BTreeMap<usize, Bounded> {
    let certifier = Certifier::new(engine, threat, None, BoundMethod::TIGHTEST, None).unwrap();
    let samples = data.select(Selection::All).unwrap().map(|sample| Ok(sample?));
    let mut found = BTreeMap::new();
    let each = |step| {
        if let Certifying::Found(index, bounded) = step {
            found.insert(index, bounded);
        }
        Ok(())
    };
    certifier.run(samples, &AtomicBool::new(false), each).unwrap();
    found
}

/// The smallest margin over a region around a sample that is far from the bounds of pixels: at the sample, less ε times the
/// dual norm of the row.
fn exact(input: &[f32], label: usize, threat: &ThreatModel, preprocessing: &Preprocessing) -> f64 {
    let w = weights();
    let (mean, std) = preprocessing.normalize.clone().unwrap_or((vec![0.0; 3], vec![1.0; 3]));
    let scale = preprocessing.scale.unwrap_or(1.0);
    // The element of the model's input that a pixel becomes.
    let place = |i: usize| if preprocessing.nhwc { (i % 4) * 3 + i / 4 } else { i };
    let margin = |other: usize| {
        let (mut value, mut slopes) = (0.0, Vec::new());
        for (i, &x) in input.iter().enumerate() {
            let at = |class: usize| f64::from(w[place(i) * K + class]);
            let (mean, std) = (f64::from(mean[i / 4]), f64::from(std[i / 4]));
            let row = at(label) - at(other);
            value += row * (scale * f64::from(x) - mean) / std;
            slopes.push(row * scale / std);
        }
        let dual = match threat.norm {
            Norm::Linf => slopes.iter().map(|s| s.abs()).sum::<f64>(),
            Norm::L2 => slopes.iter().map(|s| s * s).sum::<f64>().sqrt(),
            _ => slopes.iter().map(|s| s.abs()).fold(0.0, f64::max),
        };
        value - threat.eps * dual
    };
    (0..K).filter(|&other| other != label).map(margin).fold(f64::INFINITY, f64::min)
}

/// In every norm, through every preprocessing, the bound of a linear classifier is the truth less its rounding, and never
/// above; so what is certified is.
#[test]
fn bounds_of_linear_classifiers_are_exact() {
    let normalize = Some((vec![0.4, 0.5, 0.6], vec![0.2, 0.25, 0.3]));
    let all = [
        Preprocessing::default(),
        Preprocessing { normalize: normalize.clone(), ..Preprocessing::default() },
        Preprocessing { scale: Some(255.0), ..Preprocessing::default() },
        Preprocessing { normalize, nhwc: true, ..Preprocessing::default() },
    ];
    let data = samples(20);
    let mut certified = 0;
    for preprocessing in all {
        let engine = engine(&preprocessing, 8);
        for (norm, eps) in [(Norm::Linf, 0.01), (Norm::L2, 0.03), (Norm::L1, 0.05)] {
            let threat = ThreatModel::within(norm, eps, [0.0, 1.0]).unwrap();
            for (index, bounded) in found(&engine, &data, threat) {
                let sample = data.at(Box::new([index].into_iter())).unwrap().next().unwrap().unwrap();
                let truth = exact(&sample.input, sample.label, &threat, &preprocessing);
                let scale = preprocessing.scale.unwrap_or(1.0).max(5.0);
                let below = truth - f64::from(bounded.margin);
                assert!(below >= 0.0, "{norm} {preprocessing:?}: {bounded:?} for {truth}");
                let loose = !bounded.is_certified() || bounded.method != BoundMethod::Intervals;
                assert!(!loose || below < 2e-4 * scale, "{norm} {preprocessing:?}: {bounded:?} for {truth}");
                certified += usize::from(bounded.is_certified());
                // Rounding a sum of twelve products of such sizes changes it by less than this.
                let clear = bounded.margin > 2e-4 * scale as f32;
                assert!(bounded.is_certified() == bounded.in_floats.is_some(), "{bounded:?}");
                assert!(!clear || bounded.in_floats == Some(true), "{norm} {preprocessing:?}: {bounded:?}");
            }
        }
    }
    assert!(certified > 20, "{certified}");
}

/// Of a model that computes in half precision it is not known what rounding does, though its bounds are those of single precision.
#[test]
fn nothing_is_said_of_rounding_in_half_precision() {
    let threat = ThreatModel::within(Norm::Linf, 0.01, [0.0, 1.0]).unwrap();
    let bounded = |dtype: DType| found(&engine_in(dtype, &Preprocessing::default(), 8), &samples(20), threat);
    let (half, single) = (bounded(DType::F16), bounded(DType::F32));
    assert!(half.values().any(Bounded::is_certified));
    assert!(half.values().all(|bounded| bounded.in_floats.is_none()));
    assert!(single.values().any(|bounded| bounded.in_floats == Some(true)));
}

/// In every norm the largest radius of a linear classifier is its distance to the nearest of K − 1 planes, to the step of the
/// grid, and never more; what is known at epsilon is kept to.
#[test]
fn radii_of_linear_classifiers_are_distances() {
    let (engine, data, bounds) = (engine(&Preprocessing::default(), 8), samples(20), [-9.0, 9.0]);
    let mut positive = 0;
    for norm in [Norm::Linf, Norm::L2, Norm::L1] {
        let of = |threat: ThreatModel, known: &BTreeMap<usize, Bounded>| {
            let certifier =
                Certifier::at_any_radius(&engine, threat, None, BoundMethod::TIGHTEST, None).unwrap();
            let mut found = BTreeMap::new();
            let all = data.select(Selection::All).unwrap().map(|sample| {
                let sample = sample?;
                let known = known.get(&sample.index).copied();
                Ok((sample, known))
            });
            let each = |step| {
                if let Certifying::Found(index, radius) = step {
                    found.insert(index, radius);
                }
                Ok(())
            };
            certifier.radii(all, &AtomicBool::new(false), each).unwrap();
            found
        };
        let unlimited = ThreatModel::unlimited(norm, bounds).unwrap();
        let anywhere = of(unlimited, &BTreeMap::new());
        for sample in data.samples().unwrap() {
            let sample = sample.unwrap();
            let margin =
                |eps| exact(&sample.input, sample.label, &unlimited.at(eps), &Preprocessing::default());
            // The margin falls with the radius; where it is 0 is the distance.
            let (mut low, mut high) = (0.0, 20.0);
            for _ in 0..60 {
                let middle = 0.5 * (low + high);
                if margin(middle) > 0.0 { low = middle } else { high = middle }
            }
            let found = anywhere[&sample.index].radius;
            assert!(found <= low, "{norm} {}: {found} of {low}", sample.index);
            assert!(found > low / 1.012 - 1e-4, "{norm} {}: {found} of {low}", sample.index);
            positive += usize::from(found > 0.0);
        }
        let eps = anywhere.values().map(|found| found.radius).fold(0.0, f64::max) / 2.0;
        let threat = ThreatModel::within(norm, eps, bounds).unwrap();
        let known = self::found(&engine, &data, threat);
        for (index, found) in of(threat, &known) {
            assert_eq!(found.radius >= eps, known[&index].is_certified(), "{norm} {index}: {found:?}");
            let before = anywhere[&index].radius;
            assert!(
                (found.radius - before).abs() <= 0.012 * before,
                "{norm} {index}: {found:?}, not {before}"
            );
        }
    }
    assert!(positive > 10, "{positive}");
}

/// What a sample is told does not depend on its company.
#[test]
fn bounds_do_not_depend_on_batches() {
    let data = samples(9);
    let threat = ThreatModel::within(Norm::L2, 0.05, [0.0, 1.0]).unwrap();
    let of =
        |micro_batch, data: &DataSet| found(&engine(&Preprocessing::default(), micro_batch), data, threat);
    let all = of(4, &data);
    assert_eq!(all.len(), 9);
    let first = samples(3);
    assert!(of(4, &first).iter().all(|(index, bounded)| all[index] == *bounded));
}

/// An operator without bounds is named, and so is one whose answer is no function of the input, though the input does not
/// reach it.
#[test]
fn what_has_no_bounds_is_refused() {
    let refusal = |op: &str| {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(4)]));
        let out = match op {
            "RandomNormal" => x + builder.op(op, &[], &[("shape", vec![1i64, 4].into())]),
            _ => x.apply(op),
        };
        builder.output("logits", out);
        let engine = engine_of(&builder.finish().unwrap(), &[4]);
        let threat = ThreatModel::within(Norm::Linf, 0.1, [0.0, 1.0]).unwrap();
        Certifier::new(&engine, threat, None, BoundMethod::TIGHTEST, None)
            .err()
            .map(|error| error.to_string())
    };
    assert_eq!(refusal("Relu"), None);
    let message = refusal("Tan").unwrap();
    assert!(message.contains("cannot be certified") && message.contains("Tan"), "{message}");
    assert!(refusal("RandomNormal").unwrap().contains("draws random numbers"));
}

/// Boxes of the samples' own: the linear classifier's smallest margin over each is at a corner.
#[test]
fn boxes_of_their_own_are_bounded() {
    let (engine, data) = (engine(&Preprocessing::default(), 4), samples(8));
    let inputs: Vec<f32> = data.samples().unwrap().flat_map(|sample| sample.unwrap().input).collect();
    let reach = |i: usize| 0.01 * (1 + i / D) as f32;
    let lower: Vec<f32> = inputs.iter().enumerate().map(|(i, x)| x - reach(i)).collect();
    let upper: Vec<f32> = inputs.iter().enumerate().map(|(i, x)| x + 0.5 * reach(i)).collect();
    let boxes = Boxes::new(lower.clone(), upper.clone(), D).unwrap();
    let threat = boxes.threat(&data).unwrap();
    let certifier = Certifier::new(&engine, threat, Some(&boxes), BoundMethod::TIGHTEST, None).unwrap();
    let each = |step: Certifying<Bounded>| {
        let Certifying::Found(index, bounded) = step else { return Ok(()) };
        let (w, label) = (weights(), index % K);
        let margin = |other: usize| {
            let term = |i: usize| {
                let slope = f64::from(w[i * K + label]) - f64::from(w[i * K + other]);
                let ends = [lower[index * D + i], upper[index * D + i]].map(|end| slope * f64::from(end));
                ends[0].min(ends[1])
            };
            (0..D).map(term).sum::<f64>()
        };
        let exact = (0..K).filter(|&j| j != label).map(margin).fold(f64::INFINITY, f64::min);
        let found = f64::from(bounded.margin);
        assert!(found <= exact && exact - found < 1e-4, "{index}: {found} of {exact}");
        Ok(())
    };
    let all = data.select(Selection::All).unwrap().map(|sample| Ok(sample?));
    certifier.run(all, &AtomicBool::new(false), each).unwrap();
}

/// The verdict on a model of integers is that of rounded levels, and so is the certificate: a point of the region may round to a
/// level outside of it.
#[test]
fn rounded_levels_are_certified() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::U8, vec![Dim::BATCH, Dim::Known(2)]));
    let w = Tensor::from(ArrayD::from_shape_vec(IxDyn(&[2, 2]), vec![1.0f32, -1.0, -1.0, 1.0]).unwrap());
    builder.output("y", x.cast(DType::F32).with("MatMul", builder.constant(w)));
    let engine = engine_of(&builder.finish().unwrap(), &[2]);
    // The levels of a sample, epsilon in levels, and whether all that can be reached is of class 0.
    for (levels, eps, certified) in [
        ([101.4, 100.2], 0.5, false),
        ([101.4, 100.2], 0.25, true),
        ([101.0, 90.0], 5.0, true),
        ([101.0, 90.0], 5.5, false),
    ] {
        let inputs: Vec<f32> = levels.iter().map(|level| level / 255.0).collect();
        let data = DataSet::from_samples(inputs, vec![0], &[2], &[]).unwrap();
        let threat = ThreatModel::within(Norm::Linf, eps / 255.0, [0.0, 1.0]).unwrap();
        let bounded = &found(&engine, &data, threat)[&0];
        assert_eq!(bounded.is_certified(), certified, "{levels:?} {eps}: {bounded:?}");
    }
}
