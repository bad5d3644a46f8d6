//! The walk back from functionals of a tensor to functionals of the input (Zhang et al. 2018, arXiv 1811.00866; Xu et al.
//! 2020, arXiv 2002.12920).
//!
//! A computed functional need not be the exact one: by how much `⟨Λ, y⟩` changes when Λ is rounded is known from the sizes
//! of what it is applied to, which the intervals say. That is charged at once, at every node, and does not grow on the way.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::Method;
use super::relax::{Slopes, Way};
use super::rounding::{TINY, U};
use super::rows::{Rows, batch_axis};
use super::site::{Charge, Known, summed};
use super::totals::{Side, Totals};
use super::trace::{Trace, TraceStep};
use crate::gradient::adjoints;
use crate::{GraphError, Node, Result, Shape, Var};

/// Functionals on their way, by the tensors they are of.
struct Functionals<'g, 'b> {
    of: HashMap<&'g str, Var<'b>>,
    /// The tensors whose nodes' errors are accounted for already, by what comes after them.
    paid: HashSet<&'g str>,
    rows: Rows,
    sign: f64,
    totals: Totals<'b>,
}

impl<'g, 'b> Functionals<'g, 'b> {
    /// Adds to the functional of a tensor; the sum is rounded.
    fn add(&mut self, name: &'g str, functional: Var<'b>, known: &Known<'b>) -> Result<()> {
        let Some(&other) = self.of.get(name) else {
            self.of.insert(name, functional);
            return Ok(());
        };
        let sum = other + functional;
        let size = known.interval.size();
        let floor = Some(summed(size)? * TINY + TINY);
        let charge = Charge { value: None, spread: None, error: size * (2.0 * U) + TINY, floor };
        self.charge(sum, &charge, &known.shape, true)?;
        self.of.insert(name, sum);
        Ok(())
    }

    /// Adds what a node costs, for a functional of a tensor of this shape.
    fn charge(
        &mut self,
        functional: Var<'b>,
        charge: &Charge<'b>,
        shape: &Shape,
        errors: bool,
    ) -> Result<()> {
        let flat = self.rows.flat(functional, shape)?;
        self.totals.charge(self.rows, flat, charge, shape, self.sign, errors)
    }
}

impl<'g, 'b> Trace<'g, 'b> {
    /// The lower or upper bounds `[N, R]` of functionals `[N·R, …]` of a tensor over the region: the better of what a walk to the
    /// input says and of what one says that ends at the intervals of the first nodes that are not linear.
    pub fn walk(&self, tensor: &'g str, functional: Var<'b>, rows: Rows, side: Side) -> Result<Var<'b>> {
        let short = self.walk_to(tensor, functional, rows, side, false)?;
        if self.method == Method::Intervals {
            return Ok(short);
        }
        let long = self.walk_to(tensor, functional, rows, side, true)?;
        Ok(if side == Side::Lower { long.with("Max", short) } else { long.with("Min", short) })
    }

    /// To the input between planes, or only to the first nodes that are not linear.
    pub fn walk_to(
        &self,
        tensor: &'g str,
        functional: Var<'b>,
        rows: Rows,
        side: Side,
        planes: bool,
    ) -> Result<Var<'b>> {
        let mut on_way = Functionals {
            of: HashMap::from([(tensor, functional)]),
            paid: HashSet::new(),
            rows,
            sign: side.sign(),
            totals: Totals::default(),
        };
        for (node, step) in self.steps.iter().rev() {
            if node.outputs.iter().any(|output| on_way.of.contains_key(output.as_str())) {
                let step =
                    if planes || matches!(step, TraceStep::Linear(_)) { step } else { &TraceStep::Free };
                self.pass(node, step, &mut on_way, side)?;
            }
        }
        let mut totals = on_way.totals;
        if let Some(&functional) = on_way.of.get(self.input) {
            let shape = &self.known(self.input)?.shape;
            totals.join(self.region.extreme(rows, rows.flat(functional, shape)?, shape, side.sign())?);
        }
        let nothing = || GraphError::Shape(format!("`{tensor}` does not depend on the input"));
        totals.end(rows, side.sign())?.ok_or_else(nothing)
    }

    /// Takes the functionals of a node's outputs to its inputs.
    fn pass(
        &self,
        node: &'g Node,
        step: &TraceStep<'b>,
        on_way: &mut Functionals<'g, 'b>,
        side: Side,
    ) -> Result<()> {
        let outputs: Vec<Option<Var>> =
            node.outputs.iter().map(|name| on_way.of.remove(name.as_str())).collect();
        let present =
            node.outputs.iter().zip(&outputs).enumerate().filter_map(|(i, (name, v))| Some((i, name, (*v)?)));
        for (i, name, functional) in present {
            let shape = &self.known(name)?.shape;
            let errors = !on_way.paid.contains(name.as_str());
            let charge = match step {
                TraceStep::Linear(charges) => charges.get(i).cloned().flatten(),
                TraceStep::Past(Way::Planes(slopes), charge) => {
                    Some(self.prepaid(node, slopes, charge, on_way)?)
                }
                TraceStep::Past(Way::At(_), charge) => Some(charge.clone()),
                TraceStep::Free => {
                    let interval = self.known(name)?.interval;
                    let (value, error) = (Some(interval.centre()), interval.radius());
                    Some(Charge { value, spread: None, error, floor: None })
                }
            };
            if let Some(charge) = charge {
                on_way.charge(functional, &charge, shape, errors)?;
            }
        }
        match step {
            TraceStep::Free => Ok(()),
            TraceStep::Linear(_) => self.adjoint(node, outputs, on_way, &[]),
            TraceStep::Past(Way::At(values), _) => self.adjoint(node, outputs, on_way, values),
            TraceStep::Past(Way::Planes(slopes), _) => {
                let Some(functional) = outputs[0] else { return Ok(()) };
                self.between(node, functional, slopes, on_way, side)
            }
        }
    }

    /// What a node between planes costs, and with it the errors of the linear node before it, where nothing else reads what that
    /// returns: a functional behind the planes is nowhere larger than before them, but for their slopes. One product in place of two.
    fn prepaid(
        &self,
        node: &'g Node,
        slopes: &[Slopes<'b>],
        charge: &Charge<'b>,
        on_way: &mut Functionals<'g, 'b>,
    ) -> Result<Charge<'b>> {
        let mut charge = charge.clone();
        let [slope] = slopes else { return Ok(charge) };
        let name = node.inputs[slope.input].as_str();
        let shape = &self.known(name)?.shape;
        let made = self.makers.get(name).and_then(|&at| {
            let (made, step) = &self.steps[at];
            let i = made.outputs.iter().position(|output| output == name)?;
            let TraceStep::Linear(charges) = step else { return None };
            charges.get(i)?.as_ref()
        });
        if let Some(before) = made
            && self.readers.get(name) == Some(&1)
            && !on_way.of.contains_key(name)
            && [slope.lower.shape()?, slope.upper.shape()?].iter().all(|own| own == shape)
        {
            let steepest = slope.lower.apply("Abs").with("Max", slope.upper.apply("Abs"));
            charge.error = charge.error + before.all_errors(shape)? * steepest * (1.0 + 16.0 * U);
            on_way.paid.insert(name);
        }
        Ok(charge)
    }

    /// Between planes: where the functional is positive, the plane on its side counts, else the other.
    fn between(
        &self,
        node: &'g Node,
        functional: Var<'b>,
        slopes: &[Slopes<'b>],
        on_way: &mut Functionals<'g, 'b>,
        side: Side,
    ) -> Result<()> {
        let rows = on_way.rows;
        let shape = &self.known(&node.outputs[0])?.shape;
        let apart = rows.split(functional, shape)?;
        let positive = apart.apply("Relu");
        for slope in slopes {
            let (above, below) = match side {
                Side::Lower => (slope.lower, slope.upper),
                Side::Upper => (slope.upper, slope.lower),
            };
            let each = |slope: Var<'b>| {
                if slope.shape()? == rows.of(shape) { rows.split(slope, shape) } else { rows.lift(slope) }
            };
            let passed = match above.shape()? == below.shape()? {
                true => apart * each(below)? + positive * each(above - below)?,
                false => positive * each(above)? + (apart - positive) * each(below)?,
            };
            let name = node.inputs[slope.input].as_str();
            on_way.add(name, rows.join(passed, shape), self.known(name)?)?;
        }
        Ok(())
    }

    /// By the adjoint of a node: the rule of its gradient, for rows in the place of samples. What the rule reads of the node's own
    /// inputs is given, and is their shape alone where the node is linear.
    fn adjoint(
        &self,
        node: &'g Node,
        outputs: Vec<Option<Var<'b>>>,
        on_way: &mut Functionals<'g, 'b>,
        values: &[(usize, Var<'b>)],
    ) -> Result<()> {
        let rows = on_way.rows;
        let stand_in = |name: &String| match self.known.get(name.as_str()) {
            Some(known) => Ok(rows.repeat(known.interval.lower)?.name()),
            None => self.for_rows(name, rows),
        };
        let mut shaped = node.clone();
        for (i, name) in shaped.inputs.iter_mut().enumerate() {
            *name = match values.iter().find(|(j, _)| *j == i) {
                Some((_, value)) => rows.repeat(*value)?.name(),
                None => stand_in(name)?,
            };
        }
        for (name, functional) in shaped.outputs.iter_mut().zip(&outputs) {
            *name = match functional {
                Some(functional) => functional.name(),
                None => stand_in(name)?,
            };
        }
        let varying: Vec<usize> =
            (0..node.inputs.len()).filter(|&i| self.known.contains_key(node.inputs[i].as_str())).collect();
        let wanted: BTreeSet<&str> = varying.iter().map(|&i| shaped.inputs[i].as_str()).collect();
        let wanted: Vec<&str> = wanted.into_iter().collect();
        for (i, functional) in adjoints(&shaped, self.builder, outputs, &wanted)? {
            let name = node.inputs[i].as_str();
            on_way.add(name, functional, self.known(name)?)?;
        }
        Ok(())
    }

    /// A tensor that does not depend on the input, repeated for every row where it has the batch.
    fn for_rows(&self, name: &str, rows: Rows) -> Result<String> {
        let batched =
            |var: &Var<'b>| var.ty().is_ok_and(|ty| ty.dtype.is_float() && batch_axis(&ty.shape).is_ok());
        match self.builder.var(name).ok().filter(batched) {
            Some(var) => Ok(rows.repeat(var)?.name()),
            None => Ok(name.into()),
        }
    }
}
