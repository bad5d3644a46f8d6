//! Where an attack may go, and the attack.

use crate::attack::{Aim, Attack, Loss, Pgd, Search, Subject};
use crate::{Norm, ThreatModel};

/// A sample in one of the two spaces.
pub(super) struct Target {
    pub(super) index: usize,
    pub(super) label: usize,
    /// Where the attack begins: the elements that move, then those that stay.
    pub(super) origin: Vec<f32>,
    pub(super) moving: usize,
    /// The bounds of the elements; none for a hidden tensor.
    pub(super) bounds: Option<[f32; 2]>,
}

impl Target {
    /// The threat model for all elements, and that of the moving ones.
    pub(super) fn threats(&self, eps: f64, nonnegative: bool) -> [ThreatModel; 2] {
        let threat = |bounds| ThreatModel { norm: Norm::L2, eps, bounds };
        if let Some(bounds) = self.bounds {
            return [threat(bounds); 2];
        }
        // A hidden tensor has no bounds: a range that no point within the radius leaves.
        let largest = self.origin.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        let most = 1.001 * (largest + eps as f32);
        [threat([-most, most]), threat([if nonnegative { 0.0 } else { -most }, most])]
    }
}

/// Projected gradient ascent on the first elements; the others stay.
pub(super) struct PartialAscent {
    pub(super) pgd: Pgd,
    pub(super) moving: usize,
    /// What the moving elements may do.
    pub(super) threat: ThreatModel,
}

impl Attack for PartialAscent {
    fn name(&self) -> &str {
        self.pgd.name()
    }

    fn run<'a>(&'a self, subject: &'a Subject<'a>) -> Search<'a> {
        Box::pin(async move {
            let away = Aim::Away(Loss::LogOdds);
            self.pgd.ascend(subject, away, &self.threat, self.moving, &mut subject.random(0)).await;
            Ok(())
        })
    }
}
