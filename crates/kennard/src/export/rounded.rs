//! Examples as pictures of 256 levels have them.

use std::cmp::Ordering;

use super::Example;
use crate::answer::{is_answer, predict};
use crate::engine::{Engine, Evaluator, Query};
use crate::{Boxes, Result, ThreatModel};

/// The share of epsilon, or of the width of a box, by which the levels of samples are elsewhere by rounding.
const LEVELS: f64 = 1e-5;

/// What became of an example in a picture of 256 levels.
pub(super) struct Rounded {
    /// The picture's pixels as numbers within the bounds.
    pub point: Vec<f32>,
    /// What the untouched model takes them for; none where its answer is NaN.
    pub prediction: Option<usize>,
    pub adversarial: bool,
    /// Whether they are still within epsilon, and where each sample has a box of its own, in that.
    pub within: bool,
}

impl Rounded {
    /// What the picture's name says.
    pub fn verdict(&self) -> &'static str {
        match (self.adversarial, self.within) {
            (true, true) => "adversarial",
            (true, false) => "outside-after-rounding",
            (false, _) => "not-after-rounding",
        }
    }
}

/// The examples as pictures have them: rounded to the nearest levels, or, where that is no adversarial point within
/// epsilon and this is, to the nearest levels towards the sample.
pub(super) fn rounded(
    engine: &Engine,
    threat: &ThreatModel,
    boxes: Option<&Boxes>,
    examples: &[Example],
) -> Result<Vec<Rounded>> {
    let [lo, hi] = threat.bounds;
    let unit = |v: f32| 255.0 * (v - lo) / (hi - lo);
    // In double precision, for a level far below the bounds is held to epsilon by its own rounding.
    let value = |level: f32| {
        let [lo, hi] = [lo, hi].map(f64::from);
        (lo + (hi - lo) * (f64::from(level.clamp(0.0, 255.0)) / 255.0)) as f32
    };
    // What the sample has beside its level by rounding alone stays as it is.
    let pixel = |level: f32, own: f32| {
        let value = value(level);
        if (f64::from(value) - f64::from(own)).abs() <= threat.step() { own } else { value }
    };
    let points: Vec<[Vec<f32>; 2]> = examples
        .iter()
        .map(|example| {
            let pairs = || example.adversarial.point.iter().zip(&example.original);
            let nearest = pairs().map(|(&x, &o)| pixel(unit(x).round(), o));
            // A level itself stays where rounding put it beside; what did not change goes to its nearest.
            let towards = |x: f32, o: f32| match x.total_cmp(&o) {
                Ordering::Greater => (x + 1e-3).floor(),
                Ordering::Less => (x - 1e-3).ceil(),
                Ordering::Equal => x.round(),
            };
            let inward = pairs().map(|(&x, &o)| pixel(towards(unit(x), unit(o)), o));
            [nearest.collect(), inward.collect()]
        })
        .collect();
    let points_of_all: Vec<f32> = points.iter().flatten().flatten().copied().collect();
    let query = Query::untouched(points_of_all);
    let outputs = Evaluator::lend(engine, |mut evaluator| evaluator.evaluate(&query))?.logits;
    let outputs = outputs.chunks_exact(2 * engine.classifier().classes());
    let near = threat.at(threat.eps * (1.0 + LEVELS));
    let allowed = |Example { index, original, .. }: &Example, point: &[f32]| {
        let inside = |boxes: &Boxes| boxes.of(*index, original, None).frame().is_near(point, LEVELS);
        near.admits(original, point) && boxes.is_none_or(inside)
    };
    let judged = examples.iter().zip(points).zip(outputs).map(|((example, points), outputs)| {
        let judge = |(point, outputs): (Vec<f32>, &[f32])| {
            let prediction = is_answer(outputs).then(|| predict(outputs));
            Rounded {
                within: allowed(example, &point),
                adversarial: prediction.is_some_and(|class| class != example.label),
                prediction,
                point,
            }
        };
        let both = points.into_iter().zip(outputs.chunks_exact(outputs.len() / 2));
        let mut both = both.map(judge).collect::<Vec<_>>().into_iter();
        let (nearest, inward) = (both.next(), both.next());
        match (nearest, inward) {
            (Some(nearest), Some(inward))
                if nearest.verdict() != "adversarial" && inward.verdict() == "adversarial" =>
            {
                Some(inward)
            }
            (nearest, _) => nearest,
        }
    });
    Ok(judged.flatten().collect())
}
