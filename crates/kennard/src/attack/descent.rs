//! What the minimum-norm attacks share: how far to look, where to begin, and how steps shrink.

use rand_chacha::ChaCha8Rng;

use super::steps::sphere;
use super::{Answer, Loss, Subject};
use crate::Norm;

/// The largest perturbation that can make a difference: epsilon, or the farthest corner of the input's bounds.
pub(super) fn reach(subject: &Subject) -> f64 {
    let threat = subject.threat();
    let [lo, hi] = threat.bounds.map(f64::from);
    let farthest = subject.origin().iter().map(|&o| (f64::from(o) - lo).max(hi - f64::from(o)));
    threat.norm.of(farthest).min(threat.eps)
}

/// The width of the input's bounds: the unit of step sizes.
pub(super) fn range(subject: &Subject) -> f64 {
    let [lo, hi] = subject.threat().bounds.map(f64::from);
    hi - lo
}

/// Where a walk begins: at the sample the first time, later at a random point as far away as the closest
/// adversarial point so far.
pub(super) fn start(subject: &Subject, restart: u64, nearest: f64, random: &mut ChaCha8Rng) -> Vec<f32> {
    let mut x = subject.origin().to_vec();
    if restart > 0 {
        let radius = nearest.min(reach(subject));
        let threat = subject.threat().at(radius);
        sphere(threat.norm, radius, &mut x, random);
        threat.project(subject.origin(), &mut x);
    }
    x
}

/// How far away a loss would be zero if it were linear; infinite where it is flat.
pub(super) fn seeming_distance(norm: Norm, answer: &Answer) -> f64 {
    f64::from(answer.loss).abs() / norm.dual_size(&answer.gradient).max(f64::MIN_POSITIVE)
}

/// The walks on a sample, each with its target class (see [`targets`]), the number of its restart and random numbers
/// of its own.
pub(super) fn walks(
    subject: &Subject,
    count: usize,
    restarts: u64,
) -> impl Iterator<Item = (Option<usize>, u64, ChaCha8Rng)> {
    (0..).zip(targets(subject, count)).flat_map(move |(stream, target)| {
        let random = move |restart| subject.random(restart * subject.classes() as u64 + stream);
        (0..restarts).map(move |restart| (target, restart, random(restart)))
    })
}

/// The target classes of the walks on a sample: any other class, or each of the `count` likeliest.
pub(super) fn targets(subject: &Subject, count: usize) -> Vec<Option<usize>> {
    match count {
        0 => vec![None],
        n => subject.rivals().into_iter().take(n).map(Some).collect(),
    }
}

/// How far the target, or any other class, leads over the label at `x`, and its gradient.
pub(super) async fn lead(subject: &Subject<'_>, x: &[f32], target: Option<usize>) -> Answer {
    match target {
        None => subject.gradient(x, Loss::Margin, subject.label()).await,
        Some(class) => subject.gradient_towards(x, Loss::LogitDifference, class).await,
    }
}

/// From `first` down to `last` along half a cosine, at step `k` of `steps`.
pub(super) fn cosine(first: f64, last: f64, k: usize, steps: usize) -> f64 {
    let turn = std::f64::consts::PI * k as f64 / steps as f64;
    last + (first - last) * (1.0 + turn.cos()) / 2.0
}

/// Adam (Kingma & Ba 2015, arXiv 1412.6980), with its usual decay rates.
pub(super) struct Adam {
    mean: Vec<f64>,
    square: Vec<f64>,
    step: i32,
}

impl Adam {
    const BETA: [f64; 2] = [0.9, 0.999];

    pub fn new(d: usize) -> Adam {
        Adam { mean: vec![0.0; d], square: vec![0.0; d], step: 0 }
    }

    /// How far each element moves down the gradient at a learning rate.
    pub fn step<'a>(&'a mut self, gradient: &'a [f64], rate: f64) -> impl Iterator<Item = f64> + 'a {
        self.step += 1;
        let [first, second] = Adam::BETA.map(|beta| 1.0 - beta.powi(self.step));
        let moments = self.mean.iter_mut().zip(&mut self.square);
        gradient.iter().zip(moments).map(move |(&g, (mean, square))| {
            *mean += (1.0 - Adam::BETA[0]) * (g - *mean);
            *square += (1.0 - Adam::BETA[1]) * (g * g - *square);
            -rate * (*mean / first) / ((*square / second).sqrt() + 1e-8)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::atomic::AtomicBool;

    use kennard_graph::{Builder, DType, Dim, Graph, Tensor, TensorType};
    use rand::{RngExt, SeedableRng};
    use rand_distr::{Distribution, StandardNormal};
    use serde_json::json;

    use super::*;
    use crate::answer::predict;
    use crate::attack::named::{MINIMUM_NORM, names};
    use crate::attack::{Attack, AttackConditions, AttackedSample, Criterion, minimum_norm};
    use crate::data::Sample;
    use crate::engine::{Engine, EngineOptions, Oracle, Query, Task};
    use crate::{Classifier, Preprocessing, Runtime, RuntimeChoice, ThreatModel};

    #[test]
    fn a_cosine_falls_from_first_to_last() {
        let at = |k| cosine(1.0, 0.2, k, 10);
        assert_eq!(at(0), 1.0);
        assert!((at(5) - 0.6).abs() < 1e-12 && (at(10) - 0.2).abs() < 1e-12);
    }

    /// The first step has the length of the learning rate whatever the gradient; a quadratic's minimum is
    /// found.
    #[test]
    fn adam_descends() {
        let mut adam = Adam::new(2);
        let moves: Vec<f64> = adam.step(&[1e3, -1e-3], 0.1).collect();
        assert!((moves[0] + 0.1).abs() < 1e-6 && (moves[1] - 0.1).abs() < 1e-5);
        let mut adam = Adam::new(2);
        let mut x = [3.0, -2.0];
        for _ in 0..2000 {
            let gradient = [x[0] - 1.0, 10.0 * x[1]];
            x.iter_mut().zip(adam.step(&gradient, 0.02)).for_each(|(x, step)| *x += step);
        }
        assert!((x[0] - 1.0).abs() < 1e-3 && x[1].abs() < 1e-3, "{x:?}");
    }

    /// A network of two layers with normal weights: 4 inputs, 6 hidden units, 3 classes.
    fn network(random: &mut ChaCha8Rng) -> Engine {
        let builder = Builder::new(&Graph::default()).unwrap();
        let mut x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(4)]));
        for (i, [rows, columns]) in [[6, 4], [3, 6]].into_iter().enumerate() {
            let weights: Vec<f32> = (0..rows * columns).map(|_| StandardNormal.sample(random)).collect();
            let weights = ndarray::ArrayD::from_shape_vec(vec![rows, columns], weights).unwrap();
            let biases: Vec<f32> = (0..rows).map(|_| StandardNormal.sample(random)).collect();
            let [weights, biases] =
                [weights, ndarray::arr1(&biases).into_dyn()].map(|t| builder.constant(Tensor::from(t)));
            x = if i > 0 { x.apply("Relu") } else { x };
            x = builder.op("Gemm", &[Some(x), Some(weights), Some(biases)], &[("transB", 1i64.into())]);
        }
        builder.output("logits", x);
        let model = builder.finish().unwrap();
        let classifier = Classifier::new(&model, &[4], &Preprocessing::default()).unwrap();
        let runtime = Runtime::open(RuntimeChoice::Rten).unwrap();
        Engine::new(classifier, runtime, &EngineOptions { threads: Some(1), ..Default::default() }).unwrap()
    }

    /// The distance of the closest adversarial point of each sample; with `last`, of the last point if it is
    /// adversarial: what was found is forgotten before every answer.
    fn distances(
        engine: &Engine,
        points: &[Vec<f32>],
        norm: Norm,
        attack: &dyn Attack,
        last: bool,
    ) -> Vec<f64> {
        let threat = ThreatModel::unlimited(norm, [0.0, 1.0]).unwrap();
        let conditions =
            AttackConditions { threat, criterion: Criterion::Closest, seed: 0, budget: None, rough: false };
        let task = |oracle: Oracle, sample: Sample| -> Task<'_, (usize, f64)> {
            Box::pin(async move {
                let index = sample.index;
                let clean = oracle.ask(Query::logits(sample.input.clone())).await.logits;
                let label = predict(&clean);
                let attacked = AttackedSample::new(&sample.input, &[4], label, index, &clean);
                let subject = Subject::new(attack.name(), attacked, conditions, 0, oracle);
                let mut run = attack.run(&subject);
                poll_fn(|context| {
                    while last && subject.best().is_some() {
                        subject.reject_best();
                    }
                    run.as_mut().poll(context)
                })
                .await
                .unwrap();
                let found = subject.adversarial();
                Ok((index, found.map_or(f64::INFINITY, |x| norm.distance(&sample.input, &x))))
            })
        };
        let samples = points.iter().enumerate();
        let samples = samples.map(|(index, input)| Ok(Sample { index, input: input.clone(), label: 0 }));
        let mut distances = vec![f64::INFINITY; points.len()];
        let each = |(index, distance): (usize, f64)| {
            distances[index] = distance;
            Ok(())
        };
        engine.run(samples, task, &AtomicBool::new(false), each).unwrap();
        distances
    }

    /// Attacks find their closest point on the way: their last point is often farther away, or not
    /// adversarial. Counts the samples on which the last point is within 1 % of the closest. (FAB's walk ends
    /// where it is closest, DeepFool's at its first adversarial point, and in l0 FMN's where it is closest in so few
    /// dimensions: nothing is lost there.)
    #[test]
    fn the_last_point_alone_is_not_the_closest() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let engine = network(&mut random);
        let points: Vec<Vec<f32>> = (0..40).map(|_| (0..4).map(|_| random.random()).collect()).collect();
        let attack_of = |name: &str| {
            let parameters = if name.starts_with("carlini") { json!({"steps": 1000}) } else { json!({}) };
            minimum_norm(name, parameters.as_object().unwrap()).unwrap()
        };
        let mut good = Vec::new();
        for name in &names(MINIMUM_NORM) {
            if name.starts_with("fab") || name == "deepfool" || attack_of(name).needs_trees() {
                continue;
            }
            let attack = attack_of(name);
            let settled = |norm: &Norm| *norm == Norm::L0 && name.starts_with("fmn");
            for &norm in attack.norms().iter().filter(|norm| !settled(norm)) {
                let [all, last] =
                    [false, true].map(|last| distances(&engine, &points, norm, attack.as_ref(), last));
                let found = all.iter().filter(|d| d.is_finite()).count();
                let hits = all.iter().zip(&last).filter(|(a, l)| a.is_finite() && **l <= 1.01 * **a).count();
                println!("{name} in {norm}: {hits} of {found}");
                if found < 10 || hits * 10 > found * 9 {
                    good.push(format!("{name} in {norm}: {hits} of {found}"));
                }
            }
        }
        assert!(good.is_empty(), "{good:?}");
    }
}
