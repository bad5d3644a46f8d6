use std::collections::{HashMap, HashSet};

use super::interval::Interval;
use super::reach::Anchor;
use super::region::Inputs;
use super::relax::Way;
use super::rounding::HUGE;
use super::rows::Rows;
use super::site::{Charge, Known, Reach, Site, Tightness, smallest, sound};
use super::{Method, error};
use crate::builder::Call;
use crate::{Builder, GraphError, Node, Result, Shape, Var};

/// How a walk back gets past a node.
pub(super) enum TraceStep<'b> {
    /// By its adjoint; with a charge for every output that has one.
    Linear(Vec<Option<Charge<'b>>>),
    /// Past something that is not linear.
    Past(Way<'b>, Charge<'b>),
    /// Not at all: its outputs are only known to lie in their intervals.
    Free,
}

/// What is known of a model's tensors so far, and how to walk back through the nodes that made them.
pub(super) struct Trace<'g, 'b> {
    pub builder: &'b Builder,
    /// The model's input.
    pub input: &'g str,
    pub region: Inputs<'b>,
    pub known: HashMap<&'g str, Known<'b>>,
    pub steps: Vec<(&'g Node, TraceStep<'b>)>,
    /// The place in `steps` where each tensor is made.
    pub makers: HashMap<&'g str, usize>,
    /// How many steps read each tensor.
    pub readers: HashMap<&'g str, usize>,
    /// 1 for every sample in whose intervals nothing overflowed, else 0; each `[N]`.
    sound: Vec<Var<'b>>,
    /// Tensors that are checked for the same, and for others that are known to reach only so far from them.
    anchors: Vec<Anchor<'b>>,
    pub method: Method,
    /// The nodes that were spelled out in others, by their outputs.
    pub originals: &'g HashMap<String, Node>,
    /// The inputs of nodes that are not linear, in the order in which they are met.
    pub hidden: Vec<&'g str>,
    /// Intervals of some of them that are known beforehand.
    pub given: HashMap<String, Interval<'b>>,
    /// The number of rows that slopes are chosen for from outside; none where they are not.
    pub sloped: Option<Rows>,
    /// Those slopes' inputs, each with the place of its tensor in `hidden`.
    pub slopes: Vec<(String, usize)>,
    /// The tensors of the model as it is, where the errors of what is computed in single precision are followed: what composites are
    /// spelled out in has none.
    own: Option<&'g HashSet<String>>,
    /// There, larger numbers are not followed.
    most: f64,
}

impl<'g, 'b> Trace<'g, 'b> {
    pub fn new(
        builder: &'b Builder,
        input: &'g str,
        shape: &Shape,
        region: Inputs<'b>,
        method: Method,
        originals: &'g HashMap<String, Node>,
    ) -> Result<Self> {
        let tightness = if region.is_box() { Tightness::Box } else { Tightness::Loose };
        let known = Known {
            interval: region.interval,
            shape: shape.clone(),
            tightness,
            error: None,
            not_negative: false,
            reach: None,
        };
        let (known, sound, anchors) = (HashMap::from([(input, known)]), Vec::new(), Vec::new());
        let mut trace = Trace {
            builder,
            input,
            region,
            known,
            steps: Vec::new(),
            makers: HashMap::new(),
            readers: HashMap::new(),
            sound,
            anchors,
            method,
            originals,
            hidden: Vec::new(),
            given: HashMap::new(),
            sloped: None,
            slopes: Vec::new(),
            own: None,
            most: HUGE,
        };
        let Interval { lower, upper } = region.interval;
        if lower.counts_rounding() {
            let reach = trace.anchor(Anchor::input(region.interval));
            if let Some(known) = trace.known.get_mut(input) {
                known.reach = Some(reach);
            }
            return Ok(trace);
        }
        trace.check(region.interval)?;
        // An empty box has no bounds.
        let order = upper.with("GreaterOrEqual", lower).cast_like(lower);
        trace.sound.push(smallest(order)?);
        Ok(trace)
    }

    /// What is known of a tensor that varies.
    pub fn known(&self, name: &str) -> Result<&Known<'b>> {
        self.known.get(name).ok_or_else(|| GraphError::Shape(format!("nothing is known of `{name}`")))
    }

    /// 1 for every sample of which the bounds mean something, else 0: `[N]`.
    pub fn all_sound(&self) -> Result<Option<Var<'b>>> {
        let anchors = self.anchors.iter().map(Anchor::sound).collect::<Result<Vec<_>>>()?;
        Ok(self.sound.iter().copied().chain(anchors).reduce(|a, b| a * b))
    }

    /// Takes what was found so far for checked: by this, 1 or 0 for every sample, `[N]`.
    pub fn trust(&mut self, sound: Var<'b>) {
        self.sound = vec![sound];
        self.anchors.clear();
        self.known.values_mut().for_each(|known| known.reach = None);
    }

    fn anchor(&mut self, anchor: Anchor<'b>) -> Reach {
        self.anchors.push(anchor);
        Reach { anchor: self.anchors.len() - 1, growth: 1.0, offset: 0.0 }
    }

    fn check(&mut self, interval: Interval<'b>) -> Result<()> {
        self.sound.push(sound(interval)?);
        Ok(())
    }

    /// Keeps what was found of a tensor; what was computed may have overflowed.
    pub fn learn(
        &mut self,
        name: &'g str,
        interval: Interval<'b>,
        tightness: Tightness,
        computed: bool,
    ) -> Result<()> {
        if name.is_empty() {
            return Ok(());
        }
        let mut reach = None;
        if computed && interval.lower.counts_rounding() {
            reach = Some(self.anchor(Anchor::of(interval)));
        } else if computed {
            self.check(interval)?;
        }
        let shape = interval.lower.shape()?;
        let error = self.known.get(name).and_then(|known| known.error);
        self.known.insert(name, Known { interval, shape, tightness, error, not_negative: false, reach });
        Ok(())
    }

    /// The same of what a node returns that is known to reach no further than this.
    pub fn learn_within(
        &mut self,
        name: &'g str,
        interval: Interval<'b>,
        tightness: Tightness,
        reach: Reach,
    ) -> Result<()> {
        self.learn(name, interval, tightness, false)?;
        if let Some(known) = self.known.get_mut(name) {
            known.reach = Some(reach);
        }
        if let Some(anchor) = self.anchors.get_mut(reach.anchor) {
            anchor.cover(reach);
        }
        Ok(())
    }

    /// Follows the errors of a network in single precision, from an input that has none, through these tensors.
    pub fn follow_errors(&mut self, own: &'g HashSet<String>, most: f64) -> Result<()> {
        (self.own, self.most) = (Some(own), most);
        self.check_size(self.region.interval.size())?;
        if let Some(known) = self.known.get_mut(self.input) {
            known.error = Some(known.interval.lower.zeros_like());
        }
        Ok(())
    }

    /// What is larger is not followed.
    fn check_size(&mut self, size: Var<'b>) -> Result<()> {
        let within = size.with("LessOrEqual", size.number(self.most));
        self.sound.push(smallest(within.cast_like(size))?);
        Ok(())
    }

    /// Keeps the errors of a node's outputs, where they are followed and known; `made` are those that its rule brought.
    pub fn keep_errors(&mut self, node: &'g Node, made: Vec<Option<Var<'b>>>) -> Result<()> {
        let Some(own) = self.own else { return Ok(()) };
        let errors = match self.originals.get(node.outputs[0].as_str()) {
            // It does nothing when a network is used.
            Some(original) if original.op == "Dropout" => {
                let input = original.inputs.first().and_then(|name| self.known.get(name.as_str()));
                vec![input.and_then(|known| known.error)]
            }
            // A runtime computes a composite in its own way.
            Some(_) => Vec::new(),
            None => error::of(&self.site(node), made)?,
        };
        for (name, error) in node.outputs.iter().zip(errors) {
            let Some(error) = error.filter(|_| own.contains(name)) else { continue };
            if let Some(known) = self.known.get(name.as_str()) {
                let size = known.interval.size();
                match size.ty()?.dtype.is_float() {
                    true => self.check_size(size + error)?,
                    false => self.check(Interval { lower: -error, upper: error })?,
                }
            }
            if let Some(known) = self.known.get_mut(name.as_str()) {
                known.error = Some(error);
            }
        }
        Ok(())
    }

    /// Keeps the way back past a node.
    pub fn keep(&mut self, node: &'g Node, step: TraceStep<'b>) {
        let read: HashSet<&'g str> = node.inputs.iter().map(String::as_str).collect();
        for name in read {
            *self.readers.entry(name).or_default() += 1;
        }
        for name in &node.outputs {
            self.makers.insert(name, self.steps.len());
        }
        self.steps.push((node, step));
    }

    /// What is known of the inputs of a node.
    pub fn site<'s>(&self, node: &'s Node) -> Site<'s, 'b> {
        let inputs = node.inputs.iter().map(|name| self.known.get(name.as_str()).cloned()).collect();
        let folds = self.method == Method::Intervals;
        Site::new(Call { node, builder: self.builder }, inputs, folds)
    }
}
