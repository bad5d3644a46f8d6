//! What distances ask of a classifier.

use super::DistanceError;
use crate::packet::vector::dot;

/// Logits beyond this, ±∞ above all, count as it: a class that is masked is infinitely far for all purposes.
const BOUND: f32 = 1e30;

/// A classifier as distances see it: its logits, and slopes of their differences.
pub trait Margins {
    /// Why it cannot answer.
    type Error: std::error::Error + 'static;

    /// How many classes there are, K.
    fn classes(&self) -> usize;

    /// How many points the oracle likes to get at once. Results do not depend on it, up to the oracle's rounding.
    fn batch_size(&self) -> usize;

    /// The logits (n×K) at `points` (n×d, row-major), n at most [`batch_size`](Self::batch_size). Points outside the
    /// data's range must not be clamped.
    ///
    /// # Errors
    /// Whatever keeps the oracle from evaluating.
    fn logits(&mut self, points: &[f32]) -> Result<Vec<f32>, Self::Error>;

    /// At each of `points` (n×d), the logits and the gradient of `z_j − z_y`, `y = label`, `j` the point's own of
    /// `others` (n).
    ///
    /// # Errors
    /// Whatever keeps the oracle from evaluating.
    fn slopes(&mut self, points: &[f32], label: usize, others: &[usize]) -> Result<Slopes, Self::Error>;
}

/// Logits and gradients at n points.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slopes {
    /// n×K.
    pub logits: Vec<f32>,
    /// `∂(z_j − z_y)` (n×d).
    pub gradient: Vec<f32>,
}

/// One sample's questions to an oracle, in batches and counted.
pub(super) struct CountedOracle<'a, O> {
    pub oracle: &'a mut O,
    pub label: usize,
    pub centre: &'a [f32],
    /// Passes so far: points whose logits were asked for, and three for each whose gradient was.
    pub passes: u64,
}

/// `z_j − z_y` for every class `j` at a point (K), zero for the label itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leads {
    pub label: usize,
    pub of: Vec<f64>,
}

impl Leads {
    fn new(logits: &[f32], label: usize) -> Leads {
        let z = |class: usize| f64::from(logits[class].clamp(-BOUND, BOUND));
        Leads { label, of: (0..logits.len()).map(|class| z(class) - z(label)).collect() }
    }

    /// The class that leads over the label by most, or is nearest to that, and its lead; ties count as the label's.
    pub fn largest(&self) -> (usize, f64) {
        let others = self.of.iter().copied().enumerate().filter(|(class, _)| *class != self.label);
        others
            .fold((self.label, f64::NEG_INFINITY), |best, other| if other.1 > best.1 { other } else { best })
    }

    /// Whether the point is misclassified.
    pub fn wrong(&self) -> bool {
        self.largest().1 > 0.0
    }
}

/// The lead of one class at a point, and its gradient.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Slope {
    pub leads: Leads,
    /// `z_j − z_y`.
    pub lead: f64,
    /// `∂(z_j − z_y)` (d).
    pub gradient: Vec<f64>,
}

impl Slope {
    /// The l2 norm of the gradient; zero where it is not finite.
    pub fn steepness(&self) -> f64 {
        let norm = dot(&self.gradient, &self.gradient).sqrt();
        if norm.is_finite() { norm } else { 0.0 }
    }
}

impl<'a, O: Margins> CountedOracle<'a, O> {
    /// Looks at one labelled point.
    ///
    /// # Errors
    /// When there is no other class, or the label or the centre is invalid.
    pub fn new(
        oracle: &'a mut O,
        centre: &'a [f32],
        label: usize,
    ) -> Result<CountedOracle<'a, O>, DistanceError<O::Error>> {
        let classes = oracle.classes();
        if classes < 2 {
            return Err(DistanceError::OneClass(classes));
        }
        if label >= classes {
            return Err(DistanceError::Label { label, classes });
        }
        if centre.is_empty() || centre.iter().any(|x| !x.is_finite()) {
            return Err(DistanceError::Centre);
        }
        Ok(CountedOracle { oracle, label, centre, passes: 0 })
    }

    /// The leads at points (n×d).
    pub fn leads(&mut self, points: &[f32]) -> Result<Vec<Leads>, DistanceError<O::Error>> {
        let (d, k) = (self.centre.len(), self.oracle.classes());
        let mut found = Vec::with_capacity(points.len() / d);
        for points in points.chunks(d * self.oracle.batch_size().max(1)) {
            let logits = self.oracle.logits(points).map_err(DistanceError::Oracle)?;
            self.passes += (points.len() / d) as u64;
            for logits in logits.chunks_exact(k) {
                found.push(self.checked(logits)?);
            }
        }
        Ok(found)
    }

    /// The lead of each point's own class, with its gradient, at points (n×d).
    pub fn slopes(
        &mut self,
        points: &[f32],
        others: &[usize],
    ) -> Result<Vec<Slope>, DistanceError<O::Error>> {
        let (d, k) = (self.centre.len(), self.oracle.classes());
        let batch = self.oracle.batch_size().max(1);
        let mut found = Vec::with_capacity(others.len());
        for (points, others) in points.chunks(d * batch).zip(others.chunks(batch)) {
            let slopes = self.oracle.slopes(points, self.label, others).map_err(DistanceError::Oracle)?;
            self.passes += 3 * others.len() as u64;
            let rows = slopes.logits.chunks_exact(k).zip(slopes.gradient.chunks_exact(d));
            for (&other, (logits, gradient)) in others.iter().zip(rows) {
                let leads = self.checked(logits)?;
                let gradient = gradient.iter().map(|g| f64::from(*g)).collect();
                found.push(Slope { lead: leads.of[other], leads, gradient });
            }
        }
        Ok(found)
    }

    fn checked(&self, logits: &[f32]) -> Result<Leads, DistanceError<O::Error>> {
        match logits.iter().any(|z| z.is_nan()) {
            true => Err(DistanceError::NotANumber),
            false => Ok(Leads::new(logits, self.label)),
        }
    }

    /// The point displaced from the centre by `shift` (d), times `share`, appended to `points`.
    pub fn displace(&self, shift: &[f64], share: f64, points: &mut Vec<f32>) {
        points.extend(self.centre.iter().zip(shift).map(|(x, shift)| (f64::from(*x) + share * shift) as f32));
    }

    /// How far a point is from the centre, in l2.
    pub fn distance(&self, point: &[f32]) -> f64 {
        let apart = |(a, b): (&f32, &f32)| (f64::from(*a) - f64::from(*b)).powi(2);
        point.iter().zip(self.centre).map(apart).sum::<f64>().sqrt()
    }
}
