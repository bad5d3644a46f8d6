use super::rounding::{TINY, U, gamma};
use super::rows::{Rows, column, volume};
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

    /// Adds `⟨Λ, value⟩` and the error `⟨|Λ|, error⟩` for functionals `[N, R, n]`.
    pub fn charge(&mut self, rows: Rows, flat: Var<'b>, charge: &Charge<'b>, shape: &Shape) -> Result<()> {
        let share = gamma(volume(shape)?)?;
        let mut error = column(charge.error, shape)?;
        if let Some(value) = charge.value {
            let value = column(value, shape)?;
            self.values.push(two_axes(rows, flat.with("MatMul", value)));
            error = error + value.apply("Abs") * share;
        }
        error = error * (1.0 + 2.0 * share);
        self.errors.push(two_axes(rows, flat.apply("Abs").with("MatMul", error)));
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

fn two_axes<'b>(rows: Rows, three: Var<'b>) -> Var<'b> {
    three.reshape(&Shape(vec![Dim::BATCH, Dim::Known(rows.0)]))
}
