//! Forwards through the model, node by node: every tensor gets an interval, and every node a way back.

use super::interval::Interval;
use super::rows::{Rows, column, volume};
use super::site::{Image, Known, Site, Tightness};
use super::totals::Side;
use super::trace::{Trace, TraceStep};
use super::{Method, linear, reach, relax, spans};
use crate::{DType, Dim, GraphError, Node, Result, Shape, Var};

/// A hidden tensor's functionals have at most this many elements at a time, for each sample: 64 MB.
const LARGEST: usize = 1 << 24;

impl<'g, 'b> Trace<'g, 'b> {
    /// Whether what a node computes depends on where the input is in its region; its shape does not.
    pub fn varies(&self, node: &Node) -> bool {
        !node.asks_extents() && node.inputs.iter().any(|name| self.known.contains_key(name.as_str()))
    }

    /// Follows the model by one node.
    pub fn step(&mut self, node: &'g Node) -> Result<()> {
        if !self.varies(node) {
            return self.constant(node);
        }
        self.follow(node)?;
        let first = |name: &String| self.known.get(name.as_str()).is_some_and(|known| known.not_negative);
        let not_negative = match node.op.as_str() {
            "Relu" => true,
            op => reach::MOVES.contains(&op) && node.inputs.first().is_some_and(first),
        };
        if let Some(known) = self.known.get_mut(node.outputs[0].as_str()).filter(|_| not_negative) {
            known.not_negative = true;
        }
        Ok(())
    }

    /// The interval of what a node returns, and the way back through it.
    fn follow(&mut self, node: &'g Node) -> Result<()> {
        let mut site = self.site(node);
        let reach = reach::of(&site);
        self.check_constants(&site)?;
        if let Some(rule) = linear::rule(&node.op)
            && let Some(images) = rule(&site)?
        {
            let (mut charges, mut roundings, mut moved) = (Vec::new(), Vec::new(), true);
            for (name, image) in node.outputs.iter().zip(images) {
                let Image { interval, tightness, charge, rounding } = image;
                moved &= charge.is_none();
                charges.push(charge);
                roundings.push(rounding);
                match reach {
                    Some(reach) => self.learn_within(name, interval, tightness, reach)?,
                    None => {
                        // A sum of what varies has no charge, and overflows all the same.
                        let adds = matches!(node.op.as_str(), "Add" | "Sub" | "Sum");
                        let computed = !moved || adds && interval.lower.counts_rounding();
                        self.learn(name, interval, tightness, computed)?;
                    }
                }
            }
            self.keep(node, TraceStep::Linear(charges));
            self.keep_errors(node, roundings)?;
            return self.hint(node);
        }
        self.tighten(node)?;
        site = self.site(node);
        let known = site.varying();
        let tight = known.iter().filter_map(|&i| site.known(i)).all(|x| x.tightness >= Tightness::Tight);
        let tightness = if tight && known.len() == 1 { Tightness::Tight } else { Tightness::Loose };
        if let Some(rule) = relax::rule(&node.op)
            && let Some(mut relaxed) = rule(&site)?
        {
            if let Some(rows) = self.sloped.filter(|_| node.op == "Relu") {
                let i = self.hidden.iter().position(|name| *name == node.inputs[0]).unwrap_or_default();
                let name = format!("slope/{}", self.slopes.len());
                relaxed.way = relax::sloped(&site, rows, &name)?;
                self.slopes.push((name, i));
            }
            // The ends of a ReLU are no further apart than those of its argument.
            let checked = node.op == "Relu" && self.is_checked(&node.inputs[0]);
            match reach::of(&site) {
                Some(reach) => self.learn_within(&node.outputs[0], relaxed.interval, tightness, reach)?,
                None => self.learn(&node.outputs[0], relaxed.interval, tightness, !checked)?,
            }
            let step = match self.method {
                Method::Intervals => TraceStep::Free,
                Method::Crown | Method::CrownOverIntervals => TraceStep::Past(relaxed.way, relaxed.charge),
            };
            self.keep(node, step);
            return self.keep_errors(node, Vec::new());
        }
        let interval = spans::rule(&node.op).map_or(Ok(None), |rule| rule(&site))?;
        let Some(interval) = interval else { return Err(unbounded(node)) };
        self.learn(&node.outputs[0], interval, Tightness::Loose, true)?;
        self.keep(node, TraceStep::Free);
        self.keep_errors(node, Vec::new())
    }

    /// Whether it is known of a tensor that nothing in its interval overflowed, or that it is the input.
    fn is_checked(&self, name: &str) -> bool {
        let charged = |&step: &usize| match &self.steps[step].1 {
            TraceStep::Linear(charges) => charges.iter().any(Option::is_some),
            TraceStep::Past(..) | TraceStep::Free => false,
        };
        name == self.input || self.makers.get(name).is_some_and(charged)
    }

    /// A node that was spelled out in others may have an interval of its own that is tighter.
    fn hint(&mut self, node: &'g Node) -> Result<()> {
        let Some(original) = self.originals.get(node.outputs[0].as_str()) else { return Ok(()) };
        let at_hand = |name: &String| {
            name.is_empty() || self.known.contains_key(name.as_str()) || self.builder.var(name).is_ok()
        };
        if !original.inputs.iter().all(at_hand) {
            return Ok(());
        }
        let site = self.site(original);
        if let Some(interval) = spans::rule(&original.op).map_or(Ok(None), |rule| rule(&site))? {
            let known = self.known(&node.outputs[0])?.clone();
            self.learn(&node.outputs[0], known.interval.meet(interval), known.tightness, true)?;
        }
        Ok(())
    }

    /// A node that nothing varying reaches stands in the graph of bounds as it is. Of what varies it may ask the shape.
    fn constant(&self, node: &Node) -> Result<()> {
        let mut node = node.clone();
        for name in &mut node.inputs {
            if let Some(known) = self.known.get(name.as_str()) {
                *name = known.interval.lower.name();
            }
        }
        self.builder.push(node);
        Ok(())
    }

    /// Weights that are no numbers have no bounds.
    fn check_constants(&self, site: &Site<'_, 'b>) -> Result<()> {
        let limits = matches!(site.node.op.as_str(), "Clip" | "Max" | "Min");
        for i in 0..site.node.inputs.len() {
            if site.floats(i).is_some_and(|v| v.iter().any(|v| v.is_nan() || v.is_infinite() && !limits)) {
                return Err(site.node.error(format!(
                    "its input `{}` holds an infinity or NaN; no bounds follow from that",
                    site.node.inputs[i]
                )));
            }
        }
        Ok(())
    }

    /// What is known of the inputs of a node that is not linear is made as tight as the method says.
    fn tighten(&mut self, node: &'g Node) -> Result<()> {
        for name in &node.inputs {
            let Some(known) = self.known.get(name.as_str()).cloned() else { continue };
            if !self.hidden.contains(&name.as_str()) {
                self.hidden.push(name);
            }
            if let Some(&given) = self.given.get(name.as_str()) {
                self.learn(name, given, known.tightness, false)?;
            }
        }
        if self.method == Method::Crown { self.refine(node) } else { Ok(()) }
    }

    /// Bounds of a node's inputs by walks from each of their elements, where intervals are loose. The tighter of the two count.
    fn refine(&mut self, node: &'g Node) -> Result<()> {
        for name in &node.inputs {
            let Some(known) = self.known.get(name.as_str()).cloned() else { continue };
            if known.tightness >= Tightness::Tight {
                continue;
            }
            let n = volume(&known.shape)?;
            let widest = self.known.values().map(|k| volume(&k.shape)).collect::<Result<Vec<_>>>()?;
            let at_once = (LARGEST / widest.into_iter().max().unwrap_or(1).max(1)).clamp(1, n.max(1));
            let mut sides = Vec::new();
            for side in [Side::Lower, Side::Upper] {
                let mut parts = Vec::new();
                for first in (0..n).step_by(at_once) {
                    let rows = Rows(at_once.min(n - first));
                    let units = self.units(&known, first, rows)?;
                    parts.push(Some(self.walk_to(name, units, rows, side, true)?));
                }
                let all = match parts.as_slice() {
                    [Some(one)] => *one,
                    _ => self.builder.op("Concat", &parts, &[("axis", 1i64.into())]),
                };
                sides.push(Rows(1).unflat(all, &known.shape)?);
            }
            let interval = known.interval.meet(Interval { lower: sides[0], upper: sides[1] });
            self.learn(name, interval, Tightness::Loose, true)?;
        }
        Ok(())
    }

    /// Functionals that are single elements of a tensor, from element `first` on.
    fn units(&self, known: &Known<'b>, first: usize, rows: Rows) -> Result<Var<'b>> {
        let n = volume(&known.shape)?;
        let ints = |from: usize, count: usize| {
            self.builder.ints(&(from as i64..(from + count) as i64).collect::<Vec<_>>())
        };
        let units = ints(first, rows.0).unsqueeze(&[1]).with("Equal", ints(0, n)).cast(DType::F32);
        let column = column(known.interval.lower, &known.shape)?;
        let one_row = column.reshape(&Shape(vec![Dim::BATCH, Dim::Known(1), Dim::Known(n)]));
        let all = units.with("Expand", one_row.apply("Shape"));
        rows.unflat(all, &known.shape)
    }
}

/// The error that a node has no bounds.
fn unbounded(node: &Node) -> GraphError {
    GraphError::NoBound { node: node.label().into(), op: node.op.clone() }
}
