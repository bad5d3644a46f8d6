//! A way uphill on a packet's log-density.

use super::log_loss::log_softplus;
use super::vector::dot;

/// A point of a track.
#[derive(Clone)]
pub(super) struct TrackPoint {
    /// In units of `s` from the centre (d).
    pub z: Vec<f64>,
    /// The log-odds loss `u`, and `s ∂u`.
    pub u: f64,
    pub slope: Vec<f64>,
}

impl TrackPoint {
    /// `ln l`
    pub fn log_loss(&self) -> f64 {
        log_softplus(self.u).0
    }

    /// `F`
    pub fn height(&self) -> f64 {
        2.0 * self.log_loss() - dot(&self.z, &self.z) / 2.0
    }

    /// The summit of `F` for log-odds that are linear, with the value and slope here: on the ray along the
    /// slope, where `F` is concave.
    fn summit(&self) -> Vec<f64> {
        let steepness = dot(&self.slope, &self.slope).sqrt();
        if steepness == 0.0 {
            return vec![0.0; self.z.len()];
        }
        let at_origin = self.u - dot(&self.slope, &self.z);
        let (mut low, mut high) = (0.0, 2.0 * steepness);
        for _ in 0..60 {
            let middle = 0.5 * (low + high);
            let rises = 2.0 * steepness * log_softplus(at_origin + steepness * middle).1 > middle;
            if rises { low = middle } else { high = middle }
        }
        self.slope.iter().map(|slope| low / steepness * slope).collect()
    }
}

/// A way uphill, by steps to the summit of the tangent. A step whose end is lower than the tangent says is
/// halved.
pub(super) struct Track {
    pub at: TrackPoint,
    /// The highest point so far.
    pub best: TrackPoint,
    step: f64,
    /// The point to be seen next.
    pub next: Vec<f64>,
    pub done: bool,
}

/// How much lower than the tangent's `ln l` a step may end.
const TOLERANCE: f64 = 1.0;

impl Track {
    pub fn new(start: TrackPoint) -> Self {
        let mut track = Self { best: start.clone(), next: Vec::new(), at: start, step: 1.0, done: false };
        track.aim();
        track
    }

    fn aim(&mut self) {
        let summit = self.at.summit();
        self.next = self.at.z.iter().zip(&summit).map(|(z, s)| z + self.step * (s - z)).collect();
    }

    /// Takes what was seen at `next`; nothing where the network is not finite there.
    pub fn take(&mut self, seen: Option<TrackPoint>) {
        let step: Vec<f64> = self.next.iter().zip(&self.at.z).map(|(next, z)| next - z).collect();
        let length = dot(&step, &step).sqrt();
        let tangent = log_softplus(self.at.u + dot(&self.at.slope, &step)).0;
        match seen {
            Some(seen) if seen.log_loss() >= tangent - TOLERANCE => {
                if seen.height() > self.best.height() {
                    self.best = seen.clone();
                }
                self.done = length < 0.05;
                self.at = seen;
                self.step = (1.5 * self.step).min(1.0);
            }
            seen => {
                if let Some(seen) = seen.filter(|seen| seen.height() > self.best.height()) {
                    self.best = seen;
                }
                self.step /= 2.0;
                self.done = length < 0.05;
            }
        }
        self.aim();
    }
}
