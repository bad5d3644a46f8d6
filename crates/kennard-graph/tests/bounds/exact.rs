//! Networks of ReLUs against their exact minima, in rational arithmetic: along a line through the box a network is linear between
//! finitely many points, which are found exactly; all its patterns of active units on that line are met.

use dashu_ratio::RBig;
use kennard_graph::{Graph, Method, Region};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::subject::{Bounds, SHARE, hostile, model, random, tensor};

type Q = RBig;

fn q(x: f32) -> Q {
    Q::try_from(x).unwrap()
}

/// Layers of weights `[inputs, outputs]` with biases.
struct Net {
    widths: Vec<usize>,
    w: Vec<Vec<f32>>,
    b: Vec<Vec<f32>>,
}

impl Net {
    fn new(rng: &mut Xoshiro256PlusPlus, widths: &[usize], decades: f64) -> Net {
        let mut some = |n: usize| (0..n).map(|_| hostile(rng, decades)).collect::<Vec<f32>>();
        let pairs = || widths.windows(2);
        Net {
            widths: widths.to_vec(),
            w: pairs().map(|p| some(p[0] * p[1])).collect(),
            b: pairs().map(|p| some(p[1])).collect(),
        }
    }

    fn graph(&self) -> Graph {
        model(&self.widths[..1], |x| {
            let b = x.builder();
            let mut y = x;
            for (i, pair) in self.widths.windows(2).enumerate() {
                let y_in = if i > 0 { y.apply("Relu") } else { y };
                let [w, bias] = [tensor(pair, self.w[i].clone()), tensor(&pair[1..], self.b[i].clone())]
                    .map(|t| Some(b.constant(t)));
                y = b.op("Gemm", &[Some(y_in), w, bias], &[]);
            }
            y
        })
    }

    fn layer(&self, i: usize, x: &[Q]) -> Vec<Q> {
        let outputs = self.widths[i + 1];
        (0..outputs)
            .map(|o| {
                x.iter()
                    .enumerate()
                    .fold(q(self.b[i][o]), |sum, (k, x)| sum + x * q(self.w[i][k * outputs + o]))
            })
            .collect()
    }

    fn exact(&self, x: &[Q]) -> Vec<Q> {
        let zero = q(0.0);
        (0..self.w.len()).fold(x.to_vec(), |x, i| {
            let x: Vec<Q> = if i > 0 { x.into_iter().map(|v| v.max(zero.clone())).collect() } else { x };
            self.layer(i, &x)
        })
    }

    /// The positions in [0, 1] on the line from `a` to `b` between which the network is linear, its ends among them.
    fn breakpoints(&self, a: &[Q], b: &[Q]) -> Vec<Q> {
        let (zero, one) = (q(0.0), q(1.0));
        let mut points = vec![zero.clone(), one];
        for depth in 1..self.w.len() {
            let values: Vec<Vec<Q>> = points.iter().map(|t| self.hidden(a, b, t, depth)).collect();
            let mut more = Vec::new();
            for (k, pair) in values.windows(2).enumerate() {
                for (v, w) in pair[0].iter().zip(&pair[1]) {
                    // Where a unit changes its sign.
                    if (v < &zero && w > &zero) || (v > &zero && w < &zero) {
                        let share = v / (v - w);
                        more.push(&points[k] + share * (&points[k + 1] - &points[k]));
                    }
                }
            }
            points.extend(more);
            points.sort();
            points.dedup();
        }
        points
    }

    /// What layer `depth` gets before its ReLU at position t.
    fn hidden(&self, a: &[Q], b: &[Q], t: &Q, depth: usize) -> Vec<Q> {
        let zero = q(0.0);
        let x: Vec<Q> = a.iter().zip(b).map(|(a, b)| a + t * (b - a)).collect();
        (0..depth).fold(x, |x, i| {
            let x: Vec<Q> = if i > 0 { x.into_iter().map(|v| v.max(zero.clone())).collect() } else { x };
            self.layer(i, &x)
        })
    }

    /// In double precision, with the sum of the sizes of all terms.
    fn double(&self, x: &[f64]) -> (Vec<f64>, f64) {
        let (mut x, mut sizes) = (x.to_vec(), x.iter().map(|v| v.abs()).collect::<Vec<_>>());
        for i in 0..self.w.len() {
            if i > 0 {
                x.iter_mut().for_each(|v| *v = v.max(0.0));
            }
            let outputs = self.widths[i + 1];
            let sum = |v: &[f64], o: usize, f: fn(f64) -> f64| {
                v.iter().enumerate().fold(f(f64::from(self.b[i][o])), |s, (k, v)| {
                    s + v * f(f64::from(self.w[i][k * outputs + o]))
                })
            };
            let next = (0..outputs).map(|o| sum(&x, o, |w| w)).collect();
            sizes = (0..outputs).map(|o| sum(&sizes, o, f64::abs)).collect();
            x = next;
        }
        (x, sizes.iter().fold(0.0, |a: f64, b| a.max(*b)))
    }
}

const METHODS: [Method; 3] = [Method::Intervals, Method::CrownOverIntervals, Method::Crown];

fn boxes(rng: &mut Xoshiro256PlusPlus, n: usize, decades: f64) -> [Vec<f32>; 2] {
    let lower: Vec<f32> = (0..n).map(|_| hostile(rng, decades)).collect();
    let width = 10f32.powf(rng.random_range(-6.0..1.0));
    let upper = lower.iter().map(|l| l + l.abs() * width * rng.random_range(0.0..1.0f32)).collect();
    [lower, upper]
}

/// Exact minima along lines: never below a bound, never above the other.
#[test]
fn no_bound_is_inside_exact_minima() {
    let mut rng = random(1);
    let (mut cases, mut finite, mut patterns) = (0, 0, 0);
    for net in 0..200 / SHARE {
        let decades = [0.3, 1.0, 3.0, 8.0][net % 4];
        let net = Net::new(&mut rng, &[[1, 3, 3, 2], [2, 4, 3, 2], [3, 3, 3, 2]][net % 3], decades);
        let n = net.widths[0];
        let [lower, upper] = boxes(&mut rng, 8 * n, decades);
        let spec: Vec<f32> = (0..8).flat_map(|_| [1.0, -1.0, 1.0, 0.0]).collect();
        for method in METHODS {
            let [below, above] =
                Bounds::new(&net.graph(), method, Region::Box, 2).run([&lower, &upper], &spec, None);
            for sample in 0..8 {
                let ends: [Vec<Q>; 2] =
                    [&lower, &upper].map(|v| v[sample * n..][..n].iter().map(|v| q(*v)).collect());
                // From one corner to the opposite one, whichever.
                let flips: Vec<bool> = (0..n).map(|_| rng.random_bool(0.5)).collect();
                let corner = |other: bool| {
                    (0..n).map(|i| ends[usize::from(flips[i] != other)][i].clone()).collect::<Vec<Q>>()
                };
                let (a, b) = (corner(false), corner(true));
                let points = net.breakpoints(&a, &b);
                patterns += points.len() - 1;
                for t in &points {
                    let y = net.exact(&a.iter().zip(&b).map(|(a, b)| a + t * (b - a)).collect::<Vec<_>>());
                    for row in 0..2 {
                        let value = q(spec[2 * row]) * &y[0] + q(spec[2 * row + 1]) * &y[1];
                        let (low, high) = (below[2 * sample + row], above[2 * sample + row]);
                        cases += 1;
                        finite += usize::from(low.is_finite());
                        assert!(
                            low == f32::NEG_INFINITY || q(low) <= value,
                            "{method:?}: {low} is above {value}"
                        );
                        assert!(
                            high == f32::INFINITY || q(high) >= value,
                            "{method:?}: {high} is below {value}"
                        );
                    }
                }
            }
        }
    }
    println!("{cases} exact values on {patterns} pieces, {finite} with bounds; none violated");
    assert!(finite * 4 > cases * 3);
}

/// The same in double precision, which is too good for the difference to matter, for very many.
#[test]
fn no_bound_is_inside_many_values() {
    let mut rng = random(2);
    let (mut cases, mut finite) = (0, 0);
    for net in 0..400 / SHARE {
        let decades = [0.3, 1.0, 3.0, 6.0][net % 4];
        let net = Net::new(&mut rng, &[3, 5, 4, 2], decades);
        let [lower, upper] = boxes(&mut rng, 32 * 3, decades);
        let spec: Vec<f32> =
            (0..32 * 4).flat_map(|_| [hostile(&mut rng, decades), hostile(&mut rng, decades)]).collect();
        for method in METHODS {
            let [below, above] =
                Bounds::new(&net.graph(), method, Region::Box, 4).run([&lower, &upper], &spec, None);
            for row in 0..below.len() {
                cases += 1;
                finite += usize::from(below[row].is_finite());
                for _ in 0..16 {
                    let x: Vec<f64> = (row / 4 * 3..row / 4 * 3 + 3)
                        .map(|i| {
                            let (l, u) = (f64::from(lower[i]), f64::from(upper[i]));
                            match rng.random_range(0..3) {
                                0 => l,
                                1 => u,
                                _ => l + (u - l) * rng.random_range(0.0..1.0),
                            }
                        })
                        .collect();
                    let (y, size) = net.double(&x);
                    let value: f64 = (0..2).map(|k| f64::from(spec[2 * row + k]) * y[k]).sum();
                    let off = 1e-13 * size * f64::from(spec[2 * row].abs().max(spec[2 * row + 1].abs()));
                    assert!(
                        f64::from(below[row]) <= value + off && value - off <= f64::from(above[row]),
                        "{method:?}"
                    );
                }
            }
        }
    }
    println!("{cases} cases, {finite} with bounds; none violated");
    assert!(finite * 2 > cases);
}

/// A point a hair inside the box at which the margin is just not positive, exactly: no bound may be positive.
#[test]
fn planted_counterexamples_are_never_certified() {
    let mut rng = random(3);
    let mut planted = 0;
    for net in 0..2000 / SHARE {
        let decades = [0.1, 0.5, 2.0, 4.0][net % 4];
        let widths: &[usize] = if net % 2 == 0 { &[4, 1] } else { &[3, 4, 1] };
        let mut net = Net::new(&mut rng, widths, decades);
        let last = net.b.len() - 1;
        net.b[last][0] = 0.0;
        let [lower, upper] = boxes(&mut rng, widths[0], decades);
        // At the corner where the first layer's pull is largest, a hair inside.
        let x: Vec<f32> = (0..widths[0])
            .map(|i| {
                if net.w[0][i * widths[1]] > 0.0 {
                    lower[i].next_up().min(upper[i])
                } else {
                    upper[i].next_down().max(lower[i])
                }
            })
            .collect();
        let value = net.exact(&x.iter().map(|v| q(*v)).collect::<Vec<_>>()).remove(0);
        // The largest bias with which the exact margin is not positive.
        let rounded: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
        let mut bias = -(net.double(&rounded).0[0] as f32);
        while q(bias) + &value > q(0.0) {
            bias = bias.next_down();
        }
        while q(bias.next_up()) + &value <= q(0.0) {
            bias = bias.next_up();
        }
        net.b[last][0] = bias;
        planted += 1;
        for method in METHODS {
            let [below, _] =
                Bounds::new(&net.graph(), method, Region::Box, 1).run([&lower, &upper], &[1.0], None);
            assert!(below[0] <= 0.0, "{method:?}: certified by {}", below[0]);
        }
    }
    println!("{planted} planted, none certified");
}
