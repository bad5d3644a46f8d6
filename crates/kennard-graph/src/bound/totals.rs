use super::rounding::{TINY, U, gamma};
use super::rows::{Rows, column, sum_of_last, volume};
use super::site::Charge;
use crate::{Dim, Result, Shape, Var};

/// Which side is bounded.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Lower,
    Upper,
}

impl Side {
    /// The sign with which errors count.
    pub fn sign(self) -> f64 {
        if self == Side::Lower { -1.0 } else { 1.0 }
    }
}

/// Terms of a bound, and what they may be off by; each `[N, R]` (floors `[N, 1]`).
#[derive(Default)]
pub(super) struct Totals<'b> {
    values: Vec<Var<'b>>,
    errors: Vec<Var<'b>>,
    floors: Vec<Var<'b>>,
}

impl<'b> Totals<'b> {
    /// One number that needs no margin of its own.
    pub fn of(value: Var<'b>) -> Totals<'b> {
        Totals { values: vec![value], ..Totals::default() }
    }

    /// Adds `⟨Λ, value⟩ + sign·⟨|Λ|, spread⟩` and the error `⟨|Λ|, error⟩` for functionals `[N, R, n]`.
    pub fn charge(
        &mut self,
        rows: Rows,
        flat: Var<'b>,
        charge: &Charge<'b>,
        shape: &Shape,
        sign: f64,
    ) -> Result<()> {
        let n = volume(shape)?;
        let mut error = column(charge.error, shape)?;
        let sizes = flat.apply("Abs");
        let part = part(n);
        for (functional, factor) in [(flat, charge.value), (sizes, charge.spread.map(|spread| spread * sign))]
        {
            if let Some(factor) = factor {
                let factor = column(factor, shape)?;
                self.values.push(dot(rows, functional, factor, n, part)?);
                error = error + factor.apply("Abs") * gamma(part + n / part)?;
            }
        }
        error = error * (1.0 + 2.0 * gamma(n)?);
        self.errors.push(two_axes(rows, sizes.with("MatMul", error)));
        if let Some(floor) = charge.floor {
            self.floors.push(floor.unsqueeze(&[1]));
        }
        Ok(())
    }

    /// Adds an error `[N, R, 1]`.
    pub fn error(&mut self, rows: Rows, error: Var<'b>) {
        self.errors.push(two_axes(rows, error));
    }

    /// Adds the terms of another part of the same bound.
    pub fn join(&mut self, other: Totals<'b>) {
        self.values.extend(other.values);
        self.errors.extend(other.errors);
        self.floors.extend(other.floors);
    }

    /// The sum, less (`sign` −1) or more (1) all errors and what adding them up is off by.
    pub fn end(&self, sign: f64) -> Option<Var<'b>> {
        let sum = |terms: &[Var<'b>]| terms.iter().copied().reduce(|a, b| a + b);
        let roundings = (self.values.len() + self.errors.len() + self.floors.len() + 8) as f64 * U;
        let value = sum(&self.values)?;
        let sizes: Vec<Var> = self.values.iter().map(|v| v.apply("Abs")).collect();
        let mut margin = sum(&sizes)? * (2.0 * roundings) + TINY;
        for errors in [&self.errors, &self.floors] {
            if let Some(errors) = sum(errors) {
                margin = margin + errors * (1.0 + 4.0 * roundings);
            }
        }
        Some(value + margin * sign)
    }
}

/// `⟨Λ, v⟩` as a sum of sums of `part` products each, so that little is lost to rounding.
fn dot<'b>(rows: Rows, flat: Var<'b>, column: Var<'b>, n: usize, part: usize) -> Result<Var<'b>> {
    if part == n {
        return Ok(two_axes(rows, flat.with("MatMul", column)));
    }
    let (parts, part) = (Dim::Known(n / part), Dim::Known(part));
    let lead = column.shape()?.0.first().copied().filter(|_| column.shape().is_ok_and(|s| s.rank() == 3));
    let column = column.reshape(&Shape(vec![lead.unwrap_or(Dim::Known(1)), Dim::Known(1), parts, part]));
    let products = flat.reshape(&Shape(vec![Dim::BATCH, Dim::Known(rows.0), parts, part])) * column;
    Ok(two_axes(rows, sum_of_last(products.reduce("ReduceSum", &[3], false))?))
}

/// The divisor of n that is nearest to its root, of those that fill registers if there are some; n itself where the sum is short.
fn part(n: usize) -> usize {
    if n <= 256 {
        return n.max(1);
    }
    let root = n.isqrt();
    let divisors = || (5..=root).rev().flat_map(|d| [d, n / d]).filter(|&d| n.is_multiple_of(d));
    divisors().find(|d| d.is_multiple_of(8)).or_else(|| divisors().next()).unwrap_or(n)
}

fn two_axes<'b>(rows: Rows, three: Var<'b>) -> Var<'b> {
    three.reshape(&Shape(vec![Dim::BATCH, Dim::Known(rows.0)]))
}
