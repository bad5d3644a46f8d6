//! The exact distance of a point to the decision boundary of a small two-layer ReLU network: within each
//! activation pattern the network is affine, so that the closest misclassified point solves a linear or a
//! quadratic program; the smallest over all patterns and classes counts.

use clarabel::algebra::CscMatrix;
use clarabel::solver::{
    DefaultSettings, DefaultSolver, IPSolver, NonnegativeConeT, SolverStatus, SupportedConeT,
};
use kennard::Norm;

/// `z = W₂ max(W₁ x + b₁, 0) + b₂`.
pub struct TwoLayers {
    /// One row per hidden unit, and one per class.
    pub weights: [Vec<Vec<f32>>; 2],
    pub biases: [Vec<f32>; 2],
}

/// An affine function: `w·x + b`.
struct Affine {
    w: Vec<f64>,
    b: f64,
}

/// Constraints `row · v ≤ bound` on the variables of a program.
#[derive(Clone, Default)]
struct Program {
    rows: Vec<Vec<f64>>,
    bounds: Vec<f64>,
}

impl Program {
    fn add(&mut self, row: Vec<f64>, bound: f64) {
        self.rows.push(row);
        self.bounds.push(bound);
    }

    /// The minimum of `½ quadratic · Σ v² + linear · v`, with the variables there; none where nothing is
    /// allowed.
    fn minimum(&self, quadratic: f64, linear: &[f64]) -> Option<(f64, Vec<f64>)> {
        let n = linear.len();
        let diagonal = |i: usize| (0..n).map(|j| if i == j { quadratic } else { 0.0 }).collect::<Vec<_>>();
        let p = CscMatrix::from(&(0..n).map(diagonal).collect::<Vec<_>>());
        let a = CscMatrix::from(&self.rows);
        let cones: [SupportedConeT<f64>; 1] = [NonnegativeConeT(self.rows.len())];
        let settings = DefaultSettings {
            verbose: false,
            tol_gap_abs: 1e-10,
            tol_gap_rel: 1e-10,
            tol_feas: 1e-10,
            ..DefaultSettings::default()
        };
        let mut solver = DefaultSolver::new(&p, linear, &a, &self.bounds, &cones, settings).unwrap();
        solver.solve();
        match solver.solution.status {
            SolverStatus::Solved | SolverStatus::AlmostSolved => {
                Some((solver.solution.obj_val, solver.solution.x.clone()))
            }
            SolverStatus::PrimalInfeasible | SolverStatus::AlmostPrimalInfeasible => None,
            other => panic!("the program is neither solved nor infeasible: {other:?}"),
        }
    }
}

impl TwoLayers {
    pub fn logits(&self, x: &[f64]) -> Vec<f64> {
        let layer = |l: usize, x: &[f64]| -> Vec<f64> {
            let rows = self.weights[l].iter().zip(&self.biases[l]);
            rows.map(|(w, b)| w.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>() + f64::from(*b))
                .collect()
        };
        layer(1, &layer(0, x).iter().map(|h| h.max(0.0)).collect::<Vec<_>>())
    }

    pub fn predict(&self, x: &[f64]) -> usize {
        let z = self.logits(x);
        (0..z.len()).max_by(|&a, &b| z[a].total_cmp(&z[b])).unwrap()
    }

    /// The smallest norm of `v − x` over the misclassified points `v` within the bounds, and such a point;
    /// none where there is no misclassified point.
    pub fn distance(&self, norm: Norm, x: &[f64], [lo, hi]: [f64; 2]) -> Option<(f64, Vec<f64>)> {
        let label = self.predict(x);
        let mut best: Option<(f64, Vec<f64>)> = None;
        for pattern in 0..1 << self.weights[0].len() {
            for target in (0..self.weights[1].len()).filter(|&class| class != label) {
                let (region, lead) = self.affine(pattern, target, label);
                let bounds = vec![[lo, hi]; x.len()];
                let found = match norm {
                    Norm::L0 => fewest(&region, &lead, x, &bounds),
                    _ => closest(norm, &region, &lead, x, &bounds),
                };
                if let Some(found) = found
                    && best.as_ref().is_none_or(|best| found.0 < best.0)
                {
                    best = Some(found);
                }
            }
        }
        best
    }

    /// In an activation pattern: functions that are positive there, and the lead of `target` over `label`.
    fn affine(&self, pattern: usize, target: usize, label: usize) -> (Vec<Affine>, Affine) {
        let [first, second] = &self.weights;
        let mut lead = Affine {
            w: vec![0.0; first[0].len()],
            b: f64::from(self.biases[1][target]) - f64::from(self.biases[1][label]),
        };
        let mut region = Vec::new();
        for (unit, row) in first.iter().enumerate() {
            let active = pattern >> unit & 1 == 1;
            let sign = if active { 1.0 } else { -1.0 };
            let bias = f64::from(self.biases[0][unit]);
            region.push(Affine { w: row.iter().map(|w| sign * f64::from(*w)).collect(), b: sign * bias });
            if active {
                let share = f64::from(second[target][unit]) - f64::from(second[label][unit]);
                lead.w.iter_mut().zip(row).for_each(|(lead, w)| *lead += share * f64::from(*w));
                lead.b += share * bias;
            }
        }
        (region, lead)
    }
}

/// The program in the point's `d` variables and `extra` more: the region, the bounds, and no lead lost.
fn program(region: &[Affine], lead: Option<&Affine>, bounds: &[[f64; 2]], extra: usize) -> Program {
    let padded = |w: Vec<f64>| w.into_iter().chain(std::iter::repeat_n(0.0, extra)).collect::<Vec<_>>();
    let mut program = Program::default();
    for Affine { w, b } in region.iter().chain(lead) {
        program.add(padded(w.iter().map(|w| -w).collect()), *b);
    }
    for (i, &[lo, hi]) in bounds.iter().enumerate() {
        let unit = |sign: f64| padded((0..bounds.len()).map(|j| if i == j { sign } else { 0.0 }).collect());
        program.add(unit(1.0), hi);
        program.add(unit(-1.0), -lo);
    }
    program
}

/// By a quadratic program (l2) or a linear one (linf, l1).
fn closest(
    norm: Norm,
    region: &[Affine],
    lead: &Affine,
    x: &[f64],
    bounds: &[[f64; 2]],
) -> Option<(f64, Vec<f64>)> {
    let d = x.len();
    let extra = match norm {
        Norm::L2 => 0,
        Norm::Linf => 1,
        _ => d,
    };
    let mut program = program(region, Some(lead), bounds, extra);
    let point = if norm == Norm::L2 {
        program.minimum(1.0, &x.iter().map(|x| -x).collect::<Vec<_>>())?.1
    } else {
        // Each element's move is at most the bound that is minimised: one for all, or one each.
        for i in 0..d {
            for sign in [1.0, -1.0] {
                let mut row = vec![0.0; d + extra];
                row[i] = sign;
                row[d + if norm == Norm::Linf { 0 } else { i }] = -1.0;
                program.add(row, sign * x[i]);
            }
        }
        let cost: Vec<f64> = (0..d + extra).map(|i| if i < d { 0.0 } else { 1.0 }).collect();
        program.minimum(0.0, &cost)?.1
    };
    let moved = point[..d].iter().zip(x).map(|(p, x)| (p - x).abs());
    let size = match norm {
        Norm::L2 => moved.map(|v| v * v).sum::<f64>().sqrt(),
        Norm::Linf => moved.fold(0.0, f64::max),
        _ => moved.sum(),
    };
    Some((size, point[..d].to_vec()))
}

/// By trying the sets of elements that may move, and asking how far the lead can go.
fn fewest(region: &[Affine], lead: &Affine, x: &[f64], bounds: &[[f64; 2]]) -> Option<(f64, Vec<f64>)> {
    let mut sets: Vec<u32> = (1..1 << x.len()).collect();
    sets.sort_by_key(|set| set.count_ones());
    let cost: Vec<f64> = lead.w.iter().map(|w| -w).collect();
    sets.into_iter().find_map(|set| {
        let moves = |i: usize| set >> i & 1 == 1;
        let free = |(i, &b): (usize, &[f64; 2])| if moves(i) { b } else { [x[i] - 1e-9, x[i] + 1e-9] };
        let bounds: Vec<[f64; 2]> = bounds.iter().enumerate().map(free).collect();
        let (least, point) = program(region, None, &bounds, 0).minimum(0.0, &cost)?;
        // A lead that is next to nothing could be rounding.
        (lead.b - least > 1e-5).then_some((f64::from(set.count_ones()), point))
    })
}
