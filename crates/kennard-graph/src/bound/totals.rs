use super::rounding::{TINY, U, gamma};
use super::rows::{Rows, batch_axis, column, sample, sum_of_last, volume};
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

/// Terms of a bound, and what they may be off by; each `[N, R, 1]` (floors `[N, 1, 1]`).
#[derive(Default)]
pub(super) struct Totals<'b> {
    values: Vec<Var<'b>>,
    errors: Vec<Var<'b>>,
    floors: Vec<Var<'b>>,
}

impl<'b> Totals<'b> {
    /// Numbers `[N, R]` that need no margin of their own.
    pub fn of(value: Var<'b>) -> Totals<'b> {
        Totals { values: vec![value.unsqueeze(&[2])], ..Totals::default() }
    }

    /// Adds `⟨Λ, value⟩ + sign·⟨|Λ|, spread⟩` for functionals `[N, R, n]`, and the error `⟨|Λ|, error⟩` unless that is accounted
    /// for ([`Charge::all_errors`]).
    pub fn charge(
        &mut self,
        rows: Rows,
        flat: Var<'b>,
        charge: &Charge<'b>,
        shape: &Shape,
        sign: f64,
        errors: bool,
    ) -> Result<()> {
        let n = volume(shape)?;
        let sizes = (errors || charge.spread.is_some()).then(|| flat.apply("Abs"));
        let spread = charge.spread.map(|spread| spread * sign);
        for (functional, factor) in [(Some(flat), charge.value), (sizes, spread)] {
            if let (Some(functional), Some(factor)) = (functional, factor) {
                self.values.push(dot(rows, functional, factor, shape)?);
            }
        }
        if let Some(sizes) = sizes.filter(|_| errors) {
            let error = column(charge.all_errors(shape)? * (1.0 + 2.0 * gamma(n)?), shape)?;
            self.errors.push(sizes.with("MatMul", error));
        }
        if let Some(floor) = charge.floor {
            self.floors.push(floor);
        }
        Ok(())
    }

    /// Adds an error `[N, R, 1]`.
    pub fn error(&mut self, error: Var<'b>) {
        self.errors.push(error);
    }

    /// Adds the terms of another part of the same bound.
    pub fn join(&mut self, other: Totals<'b>) {
        self.values.extend(other.values);
        self.errors.extend(other.errors);
        self.floors.extend(other.floors);
    }

    /// The sum `[N, R]`, less (`sign` −1) or more (1) all errors and what adding them up is off by.
    pub fn end(&self, rows: Rows, sign: f64) -> Result<Option<Var<'b>>> {
        let Some(values) = side_by_side(&self.values) else { return Ok(None) };
        let roundings = (self.values.len() + self.errors.len() + self.floors.len() + 8) as f64 * U;
        let mut margin = sum_of_last(values.apply("Abs"))? * (2.0 * roundings) + TINY;
        if let Some(errors) = side_by_side(&self.errors) {
            margin = margin + sum_of_last(errors)? * (1.0 + 4.0 * roundings);
        }
        if let Some(floors) = self.floors.iter().copied().reduce(|a, b| a + b) {
            margin = margin + floors * (1.0 + 4.0 * roundings);
        }
        let sum = sum_of_last(values)?;
        let sum = if sign < 0.0 { sum - margin } else { sum + margin };
        Ok(Some(sum.reshape(&Shape(vec![Dim::BATCH, Dim::Known(rows.0)]))))
    }
}

impl<'b> Charge<'b> {
    /// The error, and what rounding does to the products with the value and the spread: for functionals of a tensor of this shape.
    pub fn all_errors(&self, shape: &Shape) -> Result<Var<'b>> {
        let mut error = self.error;
        for factor in [self.value, self.spread].into_iter().flatten() {
            let part = part(volume(shape)?, uniform(factor, shape)?);
            error = error + factor.apply("Abs") * gamma(part + volume(shape)? / part)?;
        }
        Ok(error)
    }
}

/// Terms `[N, R, 1]` as `[N, R, k]`.
fn side_by_side<'b>(terms: &[Var<'b>]) -> Option<Var<'b>> {
    match terms {
        [] => None,
        [one] => Some(*one),
        [first, ..] => {
            let terms: Vec<Option<Var>> = terms.iter().copied().map(Some).collect();
            Some(first.builder().op("Concat", &terms, &[("axis", 2i64.into())]))
        }
    }
}

/// `⟨Λ, v⟩` as a sum of sums of `part` products each, so that little is lost to rounding.
fn dot<'b>(rows: Rows, flat: Var<'b>, factor: Var<'b>, shape: &Shape) -> Result<Var<'b>> {
    let (n, uniform) = (volume(shape)?, uniform(factor, shape)?);
    let part = part(n, uniform);
    let column = column(factor, shape)?;
    if part == n {
        return Ok(flat.with("MatMul", column));
    }
    let (parts, part) = (Dim::Known(n / part), Dim::Known(part));
    let apart = flat.reshape(&Shape(vec![Dim::BATCH, Dim::Known(rows.0), parts, part]));
    if uniform > 1 && column.shape()?.rank() == 2 {
        let one_each = column.reshape(&Shape(vec![parts, part])).slice(&[1], &[0], &[1], &[1]);
        return Ok(apart.reduce("ReduceSum", &[3], false).with("MatMul", one_each));
    }
    let lead = column.shape()?.0.first().copied().filter(|_| column.shape().is_ok_and(|s| s.rank() == 3));
    let column = column.reshape(&Shape(vec![lead.unwrap_or(Dim::Known(1)), Dim::Known(1), parts, part]));
    sum_of_last((apart * column).reduce("ReduceSum", &[3], false))
}

/// How many products are summed first: the divisor of n that is nearest to its root, of those that fill registers if there are
/// some; n itself where the sum is short. Where `uniform` elements in a row have one factor, a divisor of their number if that
/// costs little: they are then summed without products.
fn part(n: usize, uniform: usize) -> usize {
    if n <= 256 {
        return n.max(1);
    }
    let divisors = |n: usize, most: usize| {
        (1..=most).rev().flat_map(move |d| [d, n / d]).filter(move |&d| n.is_multiple_of(d))
    };
    let roundings = |d: usize| d + n / d;
    if let Some(block) = divisors(uniform, uniform.isqrt()).min_by_key(|&d| roundings(d))
        && roundings(block) <= 4 * n.isqrt()
    {
        return block;
    }
    let near = || divisors(n, n.isqrt()).filter(|&d| d >= 5 && n / d >= 5);
    near().find(|d| d.is_multiple_of(8)).or_else(|| near().next()).unwrap_or(n)
}

/// How many elements in a row have the same factor, which is broadcast against a tensor of this shape.
fn uniform(factor: Var, shape: &Shape) -> Result<usize> {
    let factor = factor.shape()?;
    let Some(factor) = factor.known().filter(|_| batch_axis(shape).is_ok_and(|axis| axis == 0)) else {
        return Ok(1);
    };
    let sample = sample(shape)?;
    let own = |i: usize| (i + factor.len()).checked_sub(sample.len()).map_or(1, |at| factor[at]);
    Ok((0..sample.len()).rev().take_while(|&i| own(i) == 1).map(|i| sample[i]).product())
}
