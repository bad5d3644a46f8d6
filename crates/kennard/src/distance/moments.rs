//! Moments of an error packet along a direction.

use super::radius::RARE_FLOOR;
use crate::Figure;
use crate::stats::pseudo_values;

/// Weighted samples are taken in this many groups for their intervals.
pub(super) const GROUPS: usize = 64;

/// What one sample adds: its weight, its place along the direction, and the square of the log-gradient's numerator
/// there, `(∂l − l t/2)²` (in units of `s`), none where it was not asked for.
pub(super) struct MomentRow {
    pub group: usize,
    /// `ln` of the weight without `l²`, and `ln l`.
    pub log_weight: f64,
    pub log_lead: f64,
    pub along: f64,
    pub slope: f64,
    pub class: usize,
    /// The part of the proposal that it is most likely of, and its place along that one's axis.
    pub nearest: (usize, f64),
}

/// Sums over a group: of the weights, of `t` and `t²`, and of `g²`.
#[derive(Clone, Copy, Debug, Default)]
struct GroupSums([f64; 4]);

impl GroupSums {
    fn mean(&self) -> f64 {
        self.0[1] / self.0[0]
    }

    fn variance(&self) -> f64 {
        (self.0[2] / self.0[0] - self.mean().powi(2)).max(0.0)
    }

    /// `E[g²]`, which is the variance, as `E[g]` vanishes with the packet's boundary term.
    fn momentum(&self) -> f64 {
        self.0[3] / self.0[0]
    }

    fn without(&self, other: &GroupSums) -> GroupSums {
        GroupSums(std::array::from_fn(|k| self.0[k] - other.0[k]))
    }
}

/// The figures of rows, in units of `s`.
pub(super) struct ErrorMoments {
    pub mean: Figure,
    pub sigma_x: Figure,
    pub sigma_p: Figure,
    pub product: Figure,
    /// The shares of the classes that lead, by class.
    pub shares: Vec<(usize, f64)>,
    pub ess: f64,
}

impl ErrorMoments {
    /// The moments of these rows; none where no row has weight.
    pub fn of(rows: &[MomentRow]) -> Option<ErrorMoments> {
        let log = |row: &MomentRow| row.log_weight + 2.0 * row.log_lead;
        let top = rows.iter().map(log).fold(f64::NEG_INFINITY, f64::max);
        if top == f64::NEG_INFINITY {
            return None;
        }
        // Places relative to the mean, so that squares of far ones do not cancel.
        let (mut total, mut square, mut origin) = (0.0, 0.0, 0.0);
        for row in rows {
            let weight = (log(row) - top).exp();
            total += weight;
            square += weight * weight;
            origin += weight * row.along;
        }
        origin /= total;
        let mut groups = [GroupSums::default(); GROUPS];
        let mut shares: Vec<(usize, f64)> = Vec::new();
        for row in rows {
            let weight = (log(row) - top).exp();
            let t = row.along - origin;
            // l² stays in the numerator: the weight of g² is that of the window.
            let momentum = (log(row) - top - 2.0 * row.log_lead).exp() * row.slope;
            let sums = &mut groups[row.group].0;
            sums.iter_mut().zip([weight, weight * t, weight * t * t, momentum]).for_each(|(s, x)| *s += x);
            match shares.iter_mut().find(|(class, _)| *class == row.class) {
                Some((_, share)) => *share += weight / total,
                None => shares.push((row.class, weight / total)),
            }
        }
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        let whole = GroupSums(std::array::from_fn(|k| groups.iter().map(|group| group.0[k]).sum()));
        let figure = |of: fn(&GroupSums) -> f64| {
            Figure::mean(&pseudo_values(of(&whole), groups.iter().map(|group| of(&whole.without(group)))))
        };
        let mean = figure(GroupSums::mean);
        let [low, high] = mean.interval.map(|end| end + origin);
        Some(ErrorMoments {
            mean: Figure { value: mean.value + origin, interval: [low, high], ..mean },
            sigma_x: figure(GroupSums::variance).root(),
            sigma_p: figure(GroupSums::momentum).root(),
            product: figure(|sums| sums.variance() * sums.momentum()).root(),
            shares,
            ess: total * total / square,
        })
    }

    /// Whether the weights say enough.
    pub fn enough(&self) -> bool {
        self.ess >= RARE_FLOOR
    }
}
