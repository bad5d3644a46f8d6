use super::region::Region;
use crate::classifier::Levels;
use crate::data::Sample;
use crate::{Boxes, Lattice, Norm, ThreatModel};

/// What is to be proved of each sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms<'b> {
    /// Where its points may be.
    pub threat: ThreatModel,
    /// Boxes of the samples' own, in place of the threat model's region.
    pub boxes: Option<&'b Boxes>,
    /// Which points are valid, where not all are.
    pub lattice: Option<&'b Lattice>,
    /// How the model rounds its input, if it does.
    pub levels: Option<Levels>,
    /// How many classes there are, K.
    pub classes: usize,
}

impl Terms<'_> {
    /// Where a sample's points may be.
    pub fn region(&self, sample: &Sample) -> Region {
        let region = match self.boxes {
            Some(boxes) => Region::of(boxes.of(sample.index, &sample.input, self.lattice).frame()),
            None => {
                let mut region = Region::around(&sample.input, &self.threat);
                if let Some(lattice) = self.lattice {
                    lattice.draw_in(&sample.input, &mut region.lower, &mut region.upper);
                }
                region
            }
        };
        match &self.levels {
            Some(levels) => region.rounded(levels, self.threat.norm),
            None => region,
        }
    }

    /// Whether regions are balls within boxes.
    pub fn has_ball(&self) -> bool {
        self.threat.norm != Norm::Linf
    }

    /// How many margins a label has, K − 1.
    pub fn margins(&self) -> usize {
        self.classes - 1
    }

    /// The margins `z_y − z_j` of a label y as rows over the logits (K − 1, K), j in ascending order.
    pub fn spec(&self, label: usize) -> Vec<f32> {
        let classes = self.classes;
        let mut spec = vec![0.0; (classes - 1) * classes];
        for (row, other) in spec.chunks_exact_mut(classes).zip((0..classes).filter(|&j| j != label)) {
            (row[label], row[other]) = (1.0, -1.0);
        }
        spec
    }
}
