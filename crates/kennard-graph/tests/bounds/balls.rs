//! Bounds of linear models over balls that a box cuts, against their exact extremes: never inside, and close.

use kennard_graph::{Method, Region};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::subject::{Bounds, SHARE, hostile, model, random, tensor};

/// How far `⟨w, δ⟩` can rise, each element by at most its room in the direction of its weight: along the steepest elements first (l1),
/// or by a multiple of w that is cut off at the rooms (l2, Karush–Kuhn–Tucker).
fn rise(region: Region, sizes: &[f64], room: &[f64], radius: f64) -> f64 {
    let gain = |step: &dyn Fn(usize) -> f64| (0..sizes.len()).map(|i| sizes[i] * step(i)).sum::<f64>();
    if region == Region::L1 {
        let mut order: Vec<usize> = (0..sizes.len()).collect();
        order.sort_by(|a, b| sizes[*b].total_cmp(&sizes[*a]));
        let (mut left, mut steps) = (radius, vec![0.0; sizes.len()]);
        for i in order {
            steps[i] = room[i].min(left);
            left -= steps[i];
        }
        return gain(&|i| steps[i]);
    }
    let step = |scale: f64, i: usize| (scale * sizes[i]).min(room[i]);
    let length = |scale: f64| (0..sizes.len()).map(|i| step(scale, i).powi(2)).sum::<f64>().sqrt();
    let (mut low, mut high) = (1e-30, 1e30);
    for _ in 0..300 {
        let middle = f64::sqrt(low * high);
        if length(middle) <= radius { low = middle } else { high = middle }
    }
    gain(&|i| step(low, i))
}

/// A linear model and a ball in a box.
struct Case {
    w: Vec<f32>,
    lower: Vec<f32>,
    upper: Vec<f32>,
    centre: Vec<f32>,
}

impl Case {
    /// With weights over some decades and centres in the unit cube, of which a part lies at an end of the box, or may not move.
    fn new(rng: &mut Xoshiro256PlusPlus, n: usize, decades: f64) -> Case {
        let w = (0..n).map(|_| hostile(rng, decades)).collect();
        let share = rng.random_range(0.0..0.6);
        let centre: Vec<f32> = (0..n)
            .map(|_| match rng.random_bool(share) {
                true => [0.0, 1e-3, 1.0][rng.random_range(0..3usize)],
                false => rng.random_range(0.0..1.0),
            })
            .collect();
        let frozen: Vec<bool> = (0..n).map(|_| rng.random_bool(0.05)).collect();
        let end = |free: f32| -> Vec<f32> {
            centre.iter().zip(&frozen).map(|(x, &frozen)| if frozen { *x } else { free }).collect()
        };
        Case { lower: end(0.0), upper: end(1.0), w, centre }
    }

    /// The least and the largest value, and the sum of the sizes of all terms.
    fn exact(&self, region: Region, radius: f64) -> ([f64; 2], f64) {
        let doubles = |v: &[f32]| v.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
        let [w, lower, upper, centre] = [&self.w, &self.lower, &self.upper, &self.centre].map(|v| doubles(v));
        let at: f64 = w.iter().zip(&centre).map(|(w, x)| w * x).sum();
        let sizes: Vec<f64> = w.iter().map(|w| w.abs()).collect();
        let way = |sign: f64| {
            let room = |i: usize| if sign * w[i] > 0.0 { upper[i] - centre[i] } else { centre[i] - lower[i] };
            rise(region, &sizes, &(0..w.len()).map(room).collect::<Vec<f64>>(), radius)
        };
        let all = sizes.iter().zip(&centre).map(|(w, x)| w * (x.abs() + 1.0)).sum();
        ([at - way(-1.0), at + way(1.0)], all)
    }

    /// What bounds say.
    fn bounds(&self, region: Region, radius: f32) -> [f64; 2] {
        let (n, w) = (self.w.len(), self.w.clone());
        let graph = model(&[n], |x| x.with("MatMul", x.builder().constant(tensor(&[n, 1], w.clone()))));
        let bounds = Bounds::new(&graph, Method::Crown, region, 1);
        let ball = Some((self.centre.as_slice(), &[radius][..]));
        let [below, above] = bounds.run([&self.lower, &self.upper], &[1.0], ball);
        [f64::from(below[0]), f64::from(above[0])]
    }
}

#[test]
fn balls_cut_by_a_box_are_bounded_from_outside_and_closely() {
    let mut rng = random(11);
    let mut cases = 0;
    for region in [Region::L1, Region::L2] {
        for (n, count) in [(1, 20), (8, 300), (50, 200), (784, 60)] {
            for k in 0..count / SHARE {
                let case = Case::new(&mut rng, n, [0.3, 0.6, 1.5, 6.0][k % 4]);
                // From balls within the box to boxes within the ball.
                let most = if region == Region::L1 { n as f64 } else { (n as f64).sqrt() };
                let radius = (most * 10f64.powf(rng.random_range(-3.0..0.0))) as f32;
                let ([least, largest], all) = case.exact(region, f64::from(radius));
                let [below, above] = case.bounds(region, radius);
                assert!(
                    below <= least + 1e-13 * all && largest - 1e-13 * all <= above,
                    "{region:?}, {n} elements, radius {radius}: {least} to {largest} is not within {below} to {above}"
                );
                // What the ball of 0.95 of the radius is said to reach, the ball itself does; but for rounding, and where it hardly grows.
                let [below, above] = case.bounds(region, 0.95 * radius);
                let off = 3e-5 * all + 3e-3 * (largest - least);
                assert!(
                    least - off <= below && above <= largest + off,
                    "{region:?}, {n} elements, radius {radius}: {below} to {above} for {least} to {largest}"
                );
                cases += 1;
            }
        }
    }
    println!("{cases} balls, all bounded from outside and from 0.95 of their radius on");
}

/// A ball of no size, and one whose box is a point.
#[test]
fn balls_of_no_size_are_points() {
    let mut rng = random(12);
    for region in [Region::L1, Region::L2] {
        let mut case = Case::new(&mut rng, 8, 0.3);
        let ([at, _], _) = case.exact(region, 0.0);
        let [below, above] = case.bounds(region, 0.0);
        assert!(
            below <= at && at <= above && above - below < 1e-3,
            "{region:?}: {below} to {above} for {at}"
        );
        (case.lower, case.upper) = (case.centre.clone(), case.centre.clone());
        let [below, above] = case.bounds(region, 0.5);
        assert!(
            below <= at && at <= above && above - below < 1e-3,
            "{region:?}: {below} to {above} for {at}"
        );
    }
}
