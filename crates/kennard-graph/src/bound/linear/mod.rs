//! Nodes that are linear in the tensors that vary. The way back through them is the rule of their gradient; here is which
//! nodes count, what intervals become, and what constants and rounding cost.

mod elementwise;
mod layout;
mod reduce;
mod weights;

use super::site::{Image, Site};
use crate::Result;

/// What a node's outputs are, or `None` where it is not linear in what varies there.
pub(super) type Linear = for<'a, 'b> fn(&Site<'a, 'b>) -> Result<Option<Vec<Image<'b>>>>;

const TABLES: &[&[(&str, Linear)]] = &[elementwise::RULES, layout::RULES, reduce::RULES, weights::RULES];

pub(super) fn rule(op: &str) -> Option<Linear> {
    TABLES.iter().copied().flatten().find(|(name, _)| *name == op).map(|(_, rule)| *rule)
}
