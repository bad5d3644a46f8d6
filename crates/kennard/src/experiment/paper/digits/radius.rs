//! Distances to the nearest misclassified point of the plane, along rays.

use std::f64::consts::TAU;

use super::points::PlanePoints;
use crate::Result;
use crate::answer::predict;
use crate::engine::{Engine, Evaluator, Query};

/// Rays from each point.
const RAYS: usize = 32;
/// Distances that are tried on each ray, in equal ratios.
const TRIED: usize = 24;
const NEAREST: f64 = 0.01;
/// Steps between two tried distances. Rays that cross within one step lie less than 8° apart from the nearest crossing, which
/// turning makes up for.
const STEPS: usize = 32;
/// Where no misclassified point is nearer, this is the distance.
pub const FARTHEST: f64 = 2.5;
/// Halvings of the interval along a ray, and of the angle that a ray is turned by, from a right one.
const HALVINGS: usize = 10;
const TURNS: usize = 8;

/// A misclassified point of a ray, with one before it that is not.
#[derive(Clone, Copy)]
struct RayCrossing {
    angle: f64,
    inside: f64,
    outside: f64,
}

/// The l2 distance from each point to the nearest one that does not get its label, as rays find it: an upper bound, as that of
/// any attack. 0 where the point itself does not get it, [`FARTHEST`] where none is found. The nearest crossing of
/// 32 rays is bisected, and its ray turned to where it comes sooner.
///
/// # Errors
/// When the runtime fails.
pub fn radii(engine: &Engine, points: &PlanePoints) -> Result<Vec<f64>> {
    Evaluator::lend(engine, |mut evaluator| {
        let n = points.labels.len();
        let mut wrong = |asked: &[(usize, f64, f64)]| -> Result<Vec<bool>> {
            let at = |&(place, angle, distance): &(usize, f64, f64)| {
                let [x, y] = points.at(place);
                [(x + distance * angle.cos()) as f32, (y + distance * angle.sin()) as f32]
            };
            let query = Query::logits(asked.iter().flat_map(at).collect());
            let classes = evaluator.classes();
            let logits = evaluator.evaluate(&query)?.logits;
            let answers = logits.chunks_exact(classes).zip(asked);
            Ok(answers.map(|(z, (place, ..))| predict(z) != points.labels[*place]).collect())
        };
        let own = wrong(&(0..n).map(|place| (place, 0.0, 0.0)).collect::<Vec<_>>())?;
        let mut crossings: Vec<Option<RayCrossing>> = vec![None; n];
        for place in (0..n).filter(|&place| !own[place]) {
            crossings[place] = first_crossing(place, &mut wrong)?;
        }
        bisect(&mut crossings, &mut wrong)?;
        let mut turn = TAU / RAYS as f64;
        for _ in 0..TURNS {
            turn /= 2.0;
            for side in [-turn, turn] {
                let turned = |c: RayCrossing| (c.angle + side, c.outside);
                let asked: Vec<_> = crossings
                    .iter()
                    .enumerate()
                    .filter_map(|(place, c)| c.map(turned).map(|(angle, r)| (place, angle, r)))
                    .collect();
                // Whoever is misclassified at the same distance already crosses sooner on the turned ray.
                let sooner = wrong(&asked)?;
                let mut moved = vec![None; n];
                for ((place, angle, outside), sooner) in asked.into_iter().zip(sooner) {
                    if sooner {
                        moved[place] = Some(RayCrossing { angle, inside: 0.0, outside });
                    }
                }
                bisect(&mut moved, &mut wrong)?;
                crossings.iter_mut().zip(moved).for_each(|(kept, moved)| *kept = moved.or(*kept));
            }
        }
        Ok((0..n)
            .map(|place| match crossings[place] {
                _ if own[place] => 0.0,
                Some(crossing) => crossing.outside,
                None => FARTHEST,
            })
            .collect())
    })
}

type Wrong<'w> = dyn FnMut(&[(usize, f64, f64)]) -> Result<Vec<bool>> + 'w;

/// The nearest misclassified one of the tried points around a point.
fn first_crossing(place: usize, wrong: &mut Wrong) -> Result<Option<RayCrossing>> {
    let tried = |k: usize| NEAREST * (FARTHEST / NEAREST).powf(k as f64 / (TRIED - 1) as f64);
    let angle = |ray: usize| TAU * ray as f64 / RAYS as f64;
    let asked: Vec<_> =
        (0..TRIED).flat_map(|k| (0..RAYS).map(move |ray| (place, angle(ray), tried(k)))).collect();
    let Some(at) = wrong(&asked)?.iter().position(|wrong| *wrong) else { return Ok(None) };
    let k = at / RAYS;
    let (inside, outside) = (if k == 0 { 0.0 } else { tried(k - 1) }, tried(k));
    // Several rays may cross before the next distance; in small steps the nearest of them comes first.
    let step = |n: usize| inside + (outside - inside) * n as f64 / STEPS as f64;
    let asked: Vec<_> =
        (1..=STEPS).flat_map(|n| (0..RAYS).map(move |ray| (place, angle(ray), step(n)))).collect();
    let first = wrong(&asked)?.iter().position(|wrong| *wrong);
    Ok(first.map(|at| {
        let n = at / RAYS + 1;
        RayCrossing { angle: angle(at % RAYS), inside: step(n - 1), outside: step(n) }
    }))
}

/// Halves the intervals of all crossings, together.
fn bisect(crossings: &mut [Option<RayCrossing>], wrong: &mut Wrong) -> Result<()> {
    for _ in 0..HALVINGS {
        let middle = |c: &RayCrossing| 0.5 * (c.inside + c.outside);
        let asked: Vec<_> = crossings
            .iter()
            .enumerate()
            .filter_map(|(place, c)| c.as_ref().map(|c| (place, c.angle, middle(c))))
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        for ((place, _, distance), wrong) in asked.iter().zip(wrong(&asked)?) {
            if let Some(crossing) = &mut crossings[*place] {
                if wrong {
                    crossing.outside = *distance;
                } else {
                    crossing.inside = *distance;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::EngineOptions;
    use crate::{Classifier, Graph, Preprocessing, Runtime, RuntimeChoice};
    use kennard_graph::{Builder, DType, Dim, TensorType};

    /// Logits x and y: the line x = y is |x − y|/√2 away.
    #[test]
    fn distances_to_a_line() {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(2)]));
        builder.output("logits", x.apply("Identity"));
        let classifier =
            Classifier::new(&builder.finish().unwrap(), &[2], &Preprocessing::default()).unwrap();
        let runtime = Runtime::open(RuntimeChoice::Rten).unwrap();
        let engine = Engine::new(classifier, runtime, &EngineOptions::default()).unwrap();
        let values = vec![0.5, 0.1, -0.3, 0.9, 0.2, 0.0, 0.1, 0.9, 9.0, 0.0];
        let points = PlanePoints { values, labels: vec![0, 1, 0, 0, 0], classes: 2 };
        let found = radii(&engine, &points).unwrap();
        let exact = [0.4 / 2f64.sqrt(), 1.2 / 2f64.sqrt(), 0.2 / 2f64.sqrt(), 0.0, FARTHEST];
        for (found, exact) in found.iter().zip(exact) {
            // The angle is off by 6 mrad at most, the bisection by a thousandth of a step.
            assert!((found - exact).abs() <= 1e-3 * exact, "{found} {exact}");
        }
    }
}
