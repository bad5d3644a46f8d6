//! The space of a classifier's inputs, each element in units of its standard deviation over data.

use kennard_graph::stretch;

use crate::attack::{
    Aim, Attack, AttackConditions, AttackedSample, Criterion, Fab, Loss, Pgd, Search, Subject, run_attack,
};
use crate::data::Sample;
use crate::engine::{Engine, EngineOptions, Oracle, Query};
use crate::{Classifier, Mismatch, Norm, Preprocessing, Result, ThreatModel};

/// Each element's mean and scatter over data, as they come (Welford 1962).
#[derive(Clone, Debug, Default)]
pub(super) struct Deviations {
    count: f64,
    first: Vec<f32>,
    varies: Vec<bool>,
    mean: Vec<f64>,
    scatter: Vec<f64>,
}

impl Deviations {
    /// Takes a point (d) in.
    pub fn push(&mut self, point: &[f32]) {
        if self.count == 0.0 {
            self.first = point.to_vec();
            self.varies = vec![false; point.len()];
            (self.mean, self.scatter) = (vec![0.0; point.len()], vec![0.0; point.len()]);
        }
        self.count += 1.0;
        for (i, &x) in point.iter().enumerate() {
            self.varies[i] |= x != self.first[i];
            let (x, before) = (f64::from(x), self.mean[i]);
            self.mean[i] += (x - before) / self.count;
            self.scatter[i] += (x - before) * (x - self.mean[i]);
        }
    }

    /// The standard deviations (d); exactly 0 where all points are equal.
    fn of(&self) -> Vec<f64> {
        let of = |(varies, scatter): (&bool, &f64)| if *varies { (scatter / self.count).sqrt() } else { 0.0 };
        self.varies.iter().zip(&self.scatter).map(of).collect()
    }
}

/// A classifier of whitened inputs: `w_i = x_i / σ_i`. Elements that never vary have no such unit, and stay as they are.
pub(super) struct Whitened {
    engine: Engine,
    /// σ (d), as the classifier multiplies by it.
    deviations: Vec<f32>,
    /// How many elements vary.
    pub live: usize,
}

/// What attacks found around one sample, in the whitened space.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Attacked {
    /// The l2 norm of the smallest step that changes the decision, of those found.
    pub smallest: Option<f64>,
    /// Whether projected gradient ascent breaks the sample, at each size of the l2 norm.
    pub at_sizes: Vec<bool>,
    /// Whether it breaks the sample at each share of the smallest step's norm; empty where there is none.
    pub at_shares: Vec<bool>,
}

/// Bounds that no step reaches: the classifier itself keeps inputs in their range.
const FAR: f32 = 1e6;

impl Whitened {
    /// The whitened inputs of `engine`'s classifier, whose elements stay in the range.
    ///
    /// # Errors
    /// When no element varies, or a runtime fails.
    pub fn new(
        engine: &Engine,
        data: &Deviations,
        range: [f32; 2],
        options: &EngineOptions,
    ) -> Result<Whitened> {
        let deviations: Vec<f32> = data.of().into_iter().map(|s| s as f32).collect();
        let live = deviations.iter().filter(|s| **s > 0.0).count();
        if live == 0 {
            return Err(Mismatch::Degenerate("no element of the space varies over the samples").into());
        }
        let shift = |(&s, &first): (&f32, &f32)| if s > 0.0 { 0.0 } else { first };
        let shifts: Vec<f32> = deviations.iter().zip(&data.first).map(shift).collect();
        let classifier = engine.classifier();
        let graph = classifier.graph().ok_or_else(|| Mismatch::no_graph("whose inputs could be whitened"))?;
        let graph = stretch(graph, &deviations, &shifts, range)?;
        let classifier = Classifier::new(&graph, classifier.shape(), &Preprocessing::default())?;
        let engine = Engine::new(classifier, engine.runtime().clone(), options)?;
        Ok(Whitened { engine, deviations, live })
    }

    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Where an input is in this space.
    pub fn place(&self, input: &[f32]) -> Vec<f32> {
        input.iter().zip(&self.deviations).map(|(x, s)| if *s > 0.0 { x / s } else { 0.0 }).collect()
    }

    /// Attacks a sample, whose input is a place in this space: fast adaptive boundary attack for the smallest step, and
    /// projected gradient ascent of the margin loss, which no temperature changes, at l2 `sizes` and at `shares` of the
    /// smallest step. None where it is misclassified as it is.
    pub async fn attack(
        &self,
        oracle: &Oracle,
        sample: &Sample,
        sizes: &[f64],
        shares: &[f64],
        seed: u64,
    ) -> Result<Option<Attacked>> {
        let clean = oracle.ask(Query::untouched(sample.input.clone())).await;
        if clean.prediction() != sample.label {
            return Ok(None);
        }
        let shape = [sample.input.len()];
        let attacked = AttackedSample::new(&sample.input, &shape, sample.label, sample.index, &clean.logits);
        let threat = ThreatModel::unlimited(Norm::L2, [-FAR, FAR])?;
        let conditions =
            AttackConditions { threat, criterion: Criterion::Closest, seed, budget: None, rough: false };
        let fab = Fab { steps: FAB_STEPS, ..Fab::default() };
        let closest = run_attack(&fab, attacked, conditions, 0, oracle.clone()).await?.adversarial;
        let smallest = closest.map(|found| Norm::L2.distance(&sample.input, &found.point));
        let (mut at_sizes, mut at_shares) = (Vec::new(), Vec::new());
        let of_smallest = smallest.iter().flat_map(|norm| shares.iter().map(move |share| share * norm));
        for (place, eps) in sizes.iter().copied().chain(of_smallest).enumerate() {
            let conditions = AttackConditions {
                threat: ThreatModel::within(Norm::L2, eps, [-FAR, FAR])?,
                criterion: Criterion::First,
                ..conditions
            };
            let attack = MarginAscent(Pgd::default());
            let broken = run_attack(&attack, attacked, conditions, 0, oracle.clone()).await?.broken;
            if place < sizes.len() { at_sizes.push(broken) } else { at_shares.push(broken) }
        }
        Ok(Some(Attacked { smallest, at_sizes, at_shares }))
    }
}

/// Steps of the search for the smallest step.
const FAB_STEPS: usize = 30;

/// Projected gradient ascent of the margin loss.
struct MarginAscent(Pgd);

impl Attack for MarginAscent {
    fn name(&self) -> &str {
        "pgd-margin"
    }

    fn run<'a>(&'a self, subject: &'a Subject<'a>) -> Search<'a> {
        Box::pin(async move {
            let (away, d) = (Aim::Away(Loss::Margin), subject.origin().len());
            self.0.ascend(subject, away, subject.threat(), d, &mut subject.random(0)).await;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use kennard_graph::{Builder, DType, Dim, Graph, Tensor, TensorType};
    use ndarray::{ArrayD, IxDyn};

    use super::*;
    use crate::engine::Task;
    use crate::{Runtime, RuntimeChoice};

    /// NumPy 2.3: `np.std([[0, 1, 5], [2, 1, 5.5], [7, 1, 5]], axis=0)`.
    #[test]
    fn deviations_agree_with_numpy() {
        let mut data = Deviations::default();
        for point in [[0.0, 1.0, 5.0], [2.0, 1.0, 5.5], [7.0, 1.0, 5.0]] {
            data.push(&point);
        }
        let expected = [2.943_920_288_775_949, 0.0, 0.235_702_260_395_515_84];
        assert!(data.of().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{:?}", data.of());
    }

    /// Two classes, the second where `3 x₀ + x₁ + 10 x₂ > 6`; x₂ is ½ at all data, x₀ and x₁ have the deviations 1 and 4.
    fn linear() -> (Engine, Deviations) {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(3)]));
        let tensor = |shape: &[usize], values: &[f32]| {
            Tensor::from(ArrayD::from_shape_vec(IxDyn(shape), values.to_vec()).unwrap())
        };
        let w = builder.named("w", tensor(&[3, 2], &[-3.0, 3.0, -1.0, 1.0, -10.0, 10.0]));
        let b = builder.named("b", tensor(&[2], &[6.0, -6.0]));
        builder.output("logits", x.with("MatMul", w) + b);
        let classifier =
            Classifier::new(&builder.finish().unwrap(), &[3], &Preprocessing::default()).unwrap();
        let runtime = Runtime::open(RuntimeChoice::Rten).unwrap();
        let engine = Engine::new(classifier, runtime, &EngineOptions::default()).unwrap();
        let mut data = Deviations::default();
        data.push(&[0.0, 0.0, 0.5]);
        data.push(&[2.0, 8.0, 0.5]);
        (engine, data)
    }

    fn attacked(space: &Whitened, input: &[f32], label: usize) -> Option<Attacked> {
        let sample = Sample { index: 0, label, input: space.place(input) };
        let task = |oracle: Oracle, sample: Sample| -> Task<'_, Option<Attacked>> {
            Box::pin(async move { space.attack(&oracle, &sample, &[0.15, 0.25], &[0.5, 1.1], 0).await })
        };
        let mut found = None;
        space
            .engine()
            .run_in_order([Ok(sample)].into_iter(), task, &AtomicBool::new(false), |attacked| {
                found = attacked;
                Ok(())
            })
            .unwrap();
        found
    }

    /// In units of its deviations a linear classifier's boundary is |f|/‖σ a‖ away: f = 0.5·3 + 5 − 6 = ½ at (½, 0, ½),
    /// σ a = (3, 4) without the element that never varies, hence 0.1. Within a range that x₁ is at the end of, one element
    /// alone is left to move down: f/3.
    #[test]
    fn the_smallest_whitened_step_of_a_linear_classifier() {
        let (engine, data) = linear();
        let free = Whitened::new(&engine, &data, [-100.0, 100.0], &EngineOptions::default()).unwrap();
        assert_eq!(free.live, 2);
        let found = attacked(&free, &[0.5, 0.0, 0.5], 1).unwrap();
        assert!((found.smallest.unwrap() - 0.1).abs() < 1e-3, "{found:?}");
        assert_eq!((found.at_sizes, found.at_shares), (vec![true, true], vec![false, true]));
        assert_eq!(attacked(&free, &[0.5, 0.0, 0.5], 0), None, "it is misclassified as it is");

        let kept = Whitened::new(&engine, &data, [0.0, 100.0], &EngineOptions::default()).unwrap();
        let found = attacked(&kept, &[0.5, 0.0, 0.5], 1).unwrap();
        assert!((found.smallest.unwrap() - 0.5 / 3.0).abs() < 2e-3, "{found:?}");
        assert_eq!((found.at_sizes, found.at_shares), (vec![false, true], vec![false, true]));

        let mut constant = Deviations::default();
        constant.push(&[1.0; 3]);
        assert!(Whitened::new(&engine, &constant, [0.0, 1.0], &EngineOptions::default()).is_err());
    }
}
