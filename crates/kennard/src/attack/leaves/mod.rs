//! The closest point of another leaf.

mod cells;
mod space;
mod swaps;
#[cfg(test)]
mod tests;

use kennard_graph::Tree;
use serde::{Deserialize, Serialize};

use super::{Answer, Attack, MinimumNorm, Search, Subject};
use crate::Norm;
use cells::Cells;
use space::Space;
use swaps::Swaps;

/// Leaves: tree ensembles give the same answer wherever the same leaves are reached. These cells are boxes, and the closest
/// point of each is known. The model is asked about that of the nearest cell, the next one and so on, until it errs: no point
/// is then closer. So it is for a single tree, however large, and wherever the closest adversarial point is in one of the
/// `cells` nearest cells.
///
/// An adversarial cell bounds that search from the beginning: the nearest leaf of a single tree, left for the closest
/// adversarial one of those cells that differ in the leaf of one tree, or in one element, for as long as there is a closer one
/// (Zhang, Zhang and Hsieh 2020, arXiv 2010.11598, whose neighbours are the first of the two). Where the nearest cells
/// do not decide, it goes on so from `starts` random cells.
///
/// Where there are whole numbers and groups of columns with one 1, cells have valid points alone. What is exact is so for the
/// model's own arithmetic: a threshold is the last number of single precision on its side.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Leaves {
    /// How many of the nearest cells are asked about in turn; of a single tree all are.
    pub cells: usize,
    /// From how many adversarial cells the search goes on.
    pub starts: usize,
}

impl Default for Leaves {
    fn default() -> Leaves {
        Leaves { cells: 10_000, starts: 20 }
    }
}

/// The most points that are asked about at once, enough to fill micro-batches.
const BLOCK: usize = 64;

impl Leaves {
    /// Its name.
    pub(crate) const NAME: &'static str = "leaves";
}

impl Attack for Leaves {
    fn name(&self) -> &str {
        Leaves::NAME
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!(self)
    }

    fn norms(&self) -> &[Norm] {
        &[Norm::Linf, Norm::L2, Norm::L1, Norm::L0]
    }

    fn needs_gradient(&self) -> bool {
        false
    }

    fn needs_trees(&self) -> bool {
        true
    }

    fn proves(&self) -> bool {
        true
    }

    fn run<'a>(&'a self, subject: &'a Subject<'a>) -> Search<'a> {
        Box::pin(async move {
            let trees = subject.trees().ok_or("the model is not known to be a tree ensemble")?;
            let space = Space::of(subject);
            if trees.elements != space.origin.len() {
                return Err("the trees are of inputs of another size".into());
            }
            self.search(subject, &trees.trees, &space).await;
            Ok(())
        })
    }
}

impl MinimumNorm for Leaves {}

impl Leaves {
    async fn search(&self, subject: &Subject<'_>, trees: &[Tree], space: &Space<'_>) {
        let swaps = Swaps::new(subject, trees, space);
        // A tree has no more cells than nodes, unless it asks whether numbers are equal.
        let (bound, most) = match trees {
            [tree] => (f64::INFINITY, self.cells.max(tree.0.len())),
            _ => (swaps.begin_at_leaves().await.unwrap_or(f64::INFINITY), self.cells),
        };
        let mut cells = Cells::new(trees, space, bound, most);
        let mut wanted = 1;
        loop {
            let mut block = Vec::with_capacity(wanted);
            while block.len() < wanted
                && let Some(point) = cells.next()
            {
                if point != space.origin {
                    block.push(point);
                }
            }
            if block.is_empty() {
                break;
            }
            // No other is nearer.
            if first_broken(subject, &block).await.is_some() {
                return subject.prove(true);
            }
            wanted = (2 * wanted).min(BLOCK);
        }
        match cells.is_exhausted() {
            // The adversarial cell may lie beyond epsilon.
            true => subject.prove(bound.is_finite() && bound <= space.limit),
            false => swaps.begin_anywhere(self.starts).await,
        }
    }
}

/// Which of some points is the first that the model takes for another class than the label.
async fn first_broken(subject: &Subject<'_>, points: &[Vec<f32>]) -> Option<usize> {
    let broken = |answer: &Answer| answer.prediction() != subject.label();
    subject.logits_inside(points).await.iter().position(broken)
}
