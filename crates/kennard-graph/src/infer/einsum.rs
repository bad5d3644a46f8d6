//! `Einsum`: an equation over named axes.

use std::collections::HashMap;

use super::{Context, Inferred, ShapeRule, broadcast_shapes, one};
use crate::{Dim, Result, Shape};

pub(super) const RULES: &[(&str, ShapeRule)] = &[("Einsum", einsum)];

/// The axes of one term: letters, and where the unnamed axes `...` stand.
struct EinsumTerm {
    letters: Vec<char>,
    ellipsis: Option<usize>,
}

impl EinsumTerm {
    fn parse(c: &Context, text: &str) -> Result<EinsumTerm> {
        let text = text.trim();
        let ellipsis = text.find("...");
        let letters: Vec<char> = text.replacen("...", "", 1).chars().filter(|l| *l != ' ').collect();
        if letters.iter().all(char::is_ascii_alphabetic) {
            let ellipsis = ellipsis.map(|at| text[..at].chars().filter(|l| *l != ' ').count());
            Ok(EinsumTerm { letters, ellipsis })
        } else {
            c.fail(format!("`{text}` is no term of an equation"))
        }
    }
}

fn einsum(c: &Context) -> Inferred {
    let equation = c.node.text("equation", "");
    let (left, right) = match equation.split_once("->") {
        Some((left, right)) => (left, Some(EinsumTerm::parse(c, right)?)),
        None => (equation, None),
    };
    let terms: Vec<EinsumTerm> =
        left.split(',').map(|text| EinsumTerm::parse(c, text)).collect::<Result<_>>()?;
    if terms.len() != c.arity() {
        return c.fail(format!("`{equation}` has {} terms, the node {} inputs", terms.len(), c.arity()));
    }
    let mut extents: HashMap<char, Dim> = HashMap::new();
    let mut unnamed = Shape::default();
    for (i, term) in terms.iter().enumerate() {
        let shape = c.shape(i)?;
        let misfit = || c.node.error(format!("input {i} {shape} does not fit `{equation}`"));
        let rest = shape.rank().checked_sub(term.letters.len()).ok_or_else(misfit)?;
        let at = match term.ellipsis {
            Some(at) => at,
            None if rest == 0 => 0,
            None => return Err(misfit()),
        };
        let named = shape.0[..at].iter().chain(&shape.0[at + rest..]);
        for (&letter, &d) in term.letters.iter().zip(named) {
            let extent = extents.entry(letter).or_insert(d);
            match (*extent, d) {
                (a, b) if a == b => {}
                (_, Dim::Known(1)) => {}
                (Dim::Known(1), _) => *extent = d,
                _ => return Err(misfit()),
            }
        }
        unnamed = broadcast_shapes(&unnamed, &Shape(shape.0[at..at + rest].to_vec())).ok_or_else(misfit)?;
    }
    // Without a right side: the unnamed axes, then the letters that come once, in order.
    let right = right.unwrap_or_else(|| {
        let all: Vec<char> = terms.iter().flat_map(|t| t.letters.iter().copied()).collect();
        let mut once: Vec<char> =
            all.iter().copied().filter(|l| all.iter().filter(|m| *m == l).count() == 1).collect();
        once.sort_unstable();
        EinsumTerm { letters: once, ellipsis: Some(0) }
    });
    let named: Option<Vec<Dim>> = right.letters.iter().map(|l| extents.get(l).copied()).collect();
    let Some(mut dims) = named else {
        return c.fail(format!("`{equation}` has a letter on the right that is not on the left"));
    };
    if let Some(at) = right.ellipsis {
        dims.splice(at..at, unnamed.0);
    }
    one(c.input(0)?.dtype, Shape(dims))
}
