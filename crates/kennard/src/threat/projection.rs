//! Nearest points: of balls and of hyperplanes, each within the bounds of the input.

use super::bounds::clip;
use super::norm::Norm;

/// Brings `x` to the nearest point (Euclidean) of the l1 ball of radius `eps` around `origin` within
/// the bounds (Croce & Hein 2021, arXiv 2103.01208, prop. 2.1).
///
/// Each element moves back towards its origin by the same `λ`, at most all the way, after what lies
/// beyond the bounds is taken off: `|u_i − o_i| = min(max(|δ_i| − λ, 0), room_i)`.
pub(crate) fn onto_l1_ball(origin: &[f32], x: &mut [f32], eps: f64, bounds: [f32; 2]) {
    if Norm::L1.distance(origin, x) <= eps {
        return clip(x, bounds);
    }
    let [lo, hi] = bounds.map(f64::from);
    // Size of the displacement, and how much of it the bounds leave.
    let sizes: Vec<(f64, f64)> = origin
        .iter()
        .zip(&*x)
        .map(|(&o, &x)| {
            let (o, delta) = (f64::from(o), f64::from(x) - f64::from(o));
            (delta.abs(), if delta > 0.0 { hi - o } else { o - lo })
        })
        .collect();
    let size = |lambda: f64, (size, room): (f64, f64)| (size - lambda).max(0.0).min(room.max(0.0));
    let lambda = if sizes.iter().map(|&pair| size(0.0, pair)).sum::<f64>() <= eps {
        0.0
    } else {
        let largest = sizes.iter().fold(0.0, |most: f64, (size, _)| most.max(*size));
        root(0.0, largest, |lambda| {
            let (mut sum, mut moving) = (0.0, 0.0);
            for &(full, room) in &sizes {
                let left = full - lambda;
                sum += left.max(0.0).min(room.max(0.0));
                moving += f64::from(u8::from(left > 0.0 && left < room));
            }
            (eps - sum, moving)
        })
    };
    for ((x, &o), &pair) in x.iter_mut().zip(origin).zip(&sizes) {
        let delta = size(lambda, pair).copysign(f64::from(*x) - f64::from(o));
        *x = (f64::from(o) + delta) as f32;
    }
    clip(x, bounds);
}

/// Brings `x` to the nearest point (Euclidean) that differs from `origin` in at most `eps` elements,
/// within the bounds: the largest differences stay, at equal ones the first.
pub(crate) fn onto_l0_ball(origin: &[f32], x: &mut [f32], eps: f64, bounds: [f32; 2]) {
    clip(x, bounds);
    if Norm::L0.distance(origin, x) <= eps {
        return;
    }
    let mut order: Vec<usize> = (0..x.len()).collect();
    let size = |i: usize| (x[i] - origin[i]).abs();
    order.sort_by(|&a, &b| size(b).total_cmp(&size(a)).then(a.cmp(&b)));
    for &i in order.iter().skip(eps as usize) {
        x[i] = origin[i];
    }
}

/// The smallest displacement, in `norm`, that takes `x` to the hyperplane where `value + w·δ = 0`
/// within the bounds; or, if the bounds do not reach it, as far towards it as they let
/// (Croce & Hein 2020, arXiv 1907.02044, section 3.1). A multiple of value and gradient is the same plane.
pub(crate) fn to_hyperplane(norm: Norm, x: &[f32], value: f64, w: &[f32], bounds: [f32; 2]) -> Vec<f32> {
    let [lo, hi] = bounds;
    // Every element moves against (value > 0) or along the gradient, as far as it has room.
    let along = if value > 0.0 { -1.0 } else { 1.0 };
    // An element that hardly counts would only lengthen the way where the bounds are reached first.
    let least = FLAT * w.iter().fold(0.0f32, |most, w| most.max(w.abs()));
    let room = |x: f32, w: f32| {
        if w.abs() <= least {
            0.0
        } else if along * w > 0.0 {
            hi - x
        } else {
            x - lo
        }
    };
    let weights: Vec<(f64, f64)> =
        x.iter().zip(w).map(|(&x, &w)| (f64::from(w.abs()), f64::from(room(x, w).max(0.0)))).collect();
    let wanted = value.abs();
    let sizes: Vec<f64> = match norm {
        Norm::L1 | Norm::L0 => fill_steepest(&weights, wanted),
        Norm::Linf => move_together(&weights, wanted, |_| 1.0),
        Norm::L2 => move_together(&weights, wanted, |w| w),
    };
    let signed = |(size, &w): (f64, &f32)| if w == 0.0 { 0.0 } else { (size as f32).copysign(along * w) };
    sizes.into_iter().zip(w).map(signed).collect()
}

/// Slopes up to this share of the steepest count as none: they are smaller than its rounding.
const FLAT: f32 = 1e-8;

/// Sizes `min(t · speed(w_i), room_i)` with `Σ w_i size_i = wanted`. The sum is concave in `t`, so that
/// Newton's method from zero approaches `t` from below and ends after a few steps.
fn move_together(weights: &[(f64, f64)], wanted: f64, speed: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut t = 0.0;
    loop {
        let (mut sum, mut slope) = (0.0, 0.0);
        for &(w, room) in weights {
            let size = t * speed(w);
            sum += w * size.min(room);
            slope += if size < room { w * speed(w) } else { 0.0 };
        }
        let next = t + (wanted - sum) / slope;
        // Nothing moves any more, or rounding is all that is left.
        if slope <= 0.0 || next <= t * (1.0 + 1e-12) || !next.is_finite() {
            break;
        }
        t = next;
    }
    weights.iter().map(|&(w, room)| (t * speed(w)).min(room)).collect()
}

/// Sizes with `Σ w_i size_i = wanted` of smallest sum: the steepest elements go as far as they have
/// room, one after the other.
fn fill_steepest(weights: &[(f64, f64)], wanted: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..weights.len()).filter(|&i| weights[i].0 > 0.0).collect();
    order.sort_unstable_by(|&a, &b| weights[b].0.total_cmp(&weights[a].0).then(a.cmp(&b)));
    let mut sizes = vec![0.0; weights.len()];
    let mut left = wanted;
    for i in order {
        let (w, room) = weights[i];
        if left <= w * room {
            sizes[i] = left / w;
            break;
        }
        sizes[i] = room;
        left -= w * room;
    }
    sizes
}

/// The root of an increasing, piecewise linear function, given with its slope, between `low` and
/// `high`: Newton's method, halving the interval where that does not.
fn root(mut low: f64, mut high: f64, f: impl Fn(f64) -> (f64, f64)) -> f64 {
    let mut t = low;
    // Each second step halves the interval at least, so rounding is reached before.
    for step in 0..128 {
        let (value, slope) = f(t);
        if value == 0.0 {
            return t;
        }
        if value < 0.0 {
            low = t;
        } else {
            high = t;
        }
        let newton = t - value / slope;
        let middle = 0.5 * (low + high);
        let next = if step % 2 == 0 && newton > low && newton < high { newton } else { middle };
        if next <= low || next >= high {
            break;
        }
        t = next;
    }
    // The side on which the function is negative or zero: the ball is not left.
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn points(seed: u64, d: usize) -> (Vec<f32>, Vec<f32>) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let origin: Vec<f32> = (0..d).map(|_| random.random::<f32>()).collect();
        let x = origin.iter().map(|o| o + 2.0 * random.random::<f32>() - 1.0).collect();
        (origin, x)
    }

    /// The nearest point of a convex set is the only one from which the direction back to `x` makes no
    /// acute angle with that to any other point of the set: `(x − u)·(v − u) ≤ 0`.
    #[test]
    fn the_l1_projection_is_the_nearest_point_in_ball_and_box() {
        let mut random = ChaCha8Rng::seed_from_u64(0);
        for seed in 0..50 {
            let (origin, x) = points(seed, 12);
            let eps = 0.3 + 0.05 * seed as f64;
            let mut u = x.clone();
            onto_l1_ball(&origin, &mut u, eps, [0.0, 1.0]);
            assert!(Norm::L1.distance(&origin, &u) <= eps + 1e-6);
            assert!(u.iter().all(|v| (0.0..=1.0).contains(v)));
            for _ in 0..200 {
                // Another point of the set: a step along few coordinates.
                let mut v = origin.clone();
                let mut left = eps * random.random::<f64>();
                for _ in 0..4 {
                    let i = random.random_range(0..v.len());
                    let step = (left * random.random::<f64>()) as f32;
                    let to = if random.random() { v[i] + step } else { v[i] - step };
                    left -= f64::from(step);
                    v[i] = to.clamp(0.0, 1.0);
                }
                let angle: f32 = (0..12).map(|i| (x[i] - u[i]) * (v[i] - u[i])).sum();
                assert!(angle < 1e-5, "seed {seed}: {angle}");
            }
        }
    }

    /// Closed forms where no bound is near: `|v|/‖w‖₁` (linf), `|v|/‖w‖₂` (l2), `|v|/max|w_i|` (l1).
    #[test]
    fn hyperplanes_are_as_far_as_the_dual_norm_says() {
        let w = [3.0f32, -4.0, 0.0, 1.0];
        let x = [0.5f32; 4];
        for value in [2.0f32, -2.0] {
            for (norm, distance) in [(Norm::Linf, 2.0 / 8.0), (Norm::L2, 2.0 / 26f64.sqrt()), (Norm::L1, 0.5)]
            {
                let delta = to_hyperplane(norm, &x, value.into(), &w, [-9.0, 9.0]);
                let moved: Vec<f32> = x.iter().zip(&delta).map(|(x, d)| x + d).collect();
                assert!((norm.distance(&x, &moved) - distance).abs() < 1e-6, "{norm}");
                let left: f32 = value + w.iter().zip(&delta).map(|(w, d)| w * d).sum::<f32>();
                assert!(left.abs() < 1e-6, "{norm}: {left}");
            }
        }
    }

    /// With bounds in the way, against a fine search over the one free parameter of each norm, and at a
    /// hyperplane out of reach every element goes to its bound.
    #[test]
    fn hyperplanes_are_reached_within_the_bounds() {
        for seed in 0..40 {
            let (x, w) = points(seed, 9);
            let reach: f32 = (0..9).map(|i| if w[i] > 0.0 { w[i] * x[i] } else { w[i] * (x[i] - 1.0) }).sum();
            for norm in [Norm::Linf, Norm::L2, Norm::L1] {
                let delta = to_hyperplane(norm, &x, (0.7 * reach).into(), &w, [0.0, 1.0]);
                let moved: Vec<f32> = x.iter().zip(&delta).map(|(x, d)| x + d).collect();
                assert!(moved.iter().all(|v| (-1e-6..=1.0 + 1e-6).contains(v)), "{norm}");
                let left: f32 = 0.7 * reach + w.iter().zip(&delta).map(|(w, d)| w * d).sum::<f32>();
                assert!(left.abs() < 1e-5, "{norm}: {left}");
                // Any other point of the plane and box is at least as far: pairs of elements, traded.
                let size = norm.distance(&x, &moved);
                for i in 0..9 {
                    for j in 0..9 {
                        let step = 1e-3;
                        let mut other = moved.clone();
                        other[i] += step;
                        other[j] -= step * w[i] / w[j];
                        let allowed = other.iter().all(|v| (0.0..=1.0).contains(v));
                        if i != j && allowed {
                            assert!(norm.distance(&x, &other) > size - 1e-5, "{norm} seed {seed}");
                        }
                    }
                }
                let out = to_hyperplane(norm, &x, (2.0 * reach).into(), &w, [0.0, 1.0]);
                let left: f32 = 2.0 * reach + w.iter().zip(&out).map(|(w, d)| w * d).sum::<f32>();
                assert!((left - reach).abs() < 1e-5, "{norm}: {left} of {reach}");
            }
        }
    }

    /// The plane is the same whatever its equation is multiplied by, down to where single precision ends. (A power of
    /// two, so that nothing is rounded.)
    #[test]
    fn hyperplanes_have_no_scale() {
        for seed in 0..20 {
            let (x, w) = points(seed, 9);
            for norm in [Norm::Linf, Norm::L2, Norm::L1] {
                let plain = to_hyperplane(norm, &x, 0.3, &w, [0.0, 1.0]);
                for power in [-100, -30, 60, 120] {
                    let factor = 2f32.powi(power);
                    let scaled: Vec<f32> = w.iter().map(|w| w * factor).collect();
                    let delta = to_hyperplane(norm, &x, 0.3 * f64::from(factor), &scaled, [0.0, 1.0]);
                    let apart = Norm::Linf.distance(&plain, &delta);
                    assert!(apart <= 1e-6, "{norm} by 2^{power}: {apart}");
                }
            }
        }
    }

    #[test]
    fn the_l0_projection_keeps_the_largest() {
        let mut x = [0.9f32, 0.2, 0.5, 1.7];
        onto_l0_ball(&[0.5; 4], &mut x, 2.0, [0.0, 1.0]);
        assert_eq!(x, [0.9, 0.5, 0.5, 1.0]);
    }
}
