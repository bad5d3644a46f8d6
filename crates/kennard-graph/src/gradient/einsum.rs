use super::{Backward, Rule};
use crate::builder::Call;
use crate::{Result, Var};

pub(super) const RULES: &[(&str, Rule)] = &[("Einsum", einsum)];

/// `y[out] = Σ x₀[term₀] · x₁[term₁] · …`: the adjoint of an operand is again a sum of products, of the
/// adjoint of `y` with the other operands. Along an axis that the others lack, or have with extent 1, it
/// is constant.
fn einsum(b: &Backward) -> Result<()> {
    let (terms, out) = equation(b)?;
    for (i, term) in terms.iter().enumerate().filter(|(i, _)| b.wants(*i)) {
        let others = || (0..terms.len()).filter(|&j| j != i);
        let shared = |letter: char| out.contains(letter) || others().any(|j| terms[j].contains(letter));
        let kept: String = term.chars().filter(|&letter| shared(letter)).collect();
        let alone: Vec<i64> =
            (0i64..).zip(term.chars()).filter(|(_, l)| !shared(*l)).map(|(axis, _)| axis).collect();

        // A scalar is multiplied apart, as not all runtimes take an empty term.
        let with_g = (!out.is_empty()).then(|| (out.as_str(), b.g()));
        let factors: Vec<(&str, Var)> =
            with_g.into_iter().chain(others().map(|j| (terms[j].as_str(), b.x(j)))).collect();
        let product = match factors.as_slice() {
            [] => None,
            [(only, factor)] if *only == kept => Some(*factor),
            factors => {
                let left: Vec<&str> = factors.iter().map(|(term, _)| *term).collect();
                let equation = format!("{}->{kept}", left.join(","));
                let operands: Vec<Option<Var>> = factors.iter().map(|(_, factor)| Some(*factor)).collect();
                Some(b.builder.op("Einsum", &operands, &[("equation", equation.into())]))
            }
        };
        let adjoint = match product {
            Some(product) if out.is_empty() => product * b.g(),
            Some(product) => product,
            None => b.g(),
        };
        let adjoint = if alone.is_empty() { adjoint } else { adjoint.unsqueeze(&alone) };
        b.give(i, adjoint.expand_like(b.x(i)))?;
    }
    Ok(())
}

/// The letters of the operands and of the output. Without an arrow, the output has the letters that
/// come once, in alphabetical order.
///
/// # Errors
/// When axes are not named, or one is twice in a term.
pub(crate) fn equation(c: &Call) -> Result<(Vec<String>, String)> {
    let equation: String = c.node.text("equation", "").split_whitespace().collect();
    if equation.contains("...") {
        return Err(c.node.error(format!("`{equation}`: unnamed axes have no gradient rule, name them")));
    }
    let (left, out) = match equation.split_once("->") {
        Some((left, out)) => (left, Some(out.to_string())),
        None => (equation.as_str(), None),
    };
    let terms: Vec<String> = left.split(',').map(String::from).collect();
    let repeats = |term: &String| term.chars().any(|letter| term.matches(letter).count() > 1);
    if terms.iter().any(repeats) {
        return Err(c
            .node
            .error(format!("`{equation}`: an axis named twice in a term has no gradient rule")));
    }
    let out = out.unwrap_or_else(|| {
        let mut once: Vec<char> =
            left.chars().filter(|l| *l != ',' && left.matches(*l).count() == 1).collect();
        once.sort_unstable();
        once.into_iter().collect()
    });
    Ok((terms, out))
}
