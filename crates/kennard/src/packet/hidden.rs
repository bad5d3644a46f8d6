//! Packets of a hidden tensor.

use std::sync::{Arc, Mutex};

use kennard_graph::{Cut, Graph, cut, infer};
use kennard_runtime::{Input, Session};

use crate::data::by_likeness;
use crate::engine::{Engine, EngineOptions};
use crate::{Classifier, Error, Mismatch, Preprocessing, Result};

/// A classifier cut at a hidden tensor, whose elements take the place of the input.
///
/// What skip connections carry past the tensor is kept as it is at the sample: the packet is one of
/// the tensor's elements alone.
pub struct Hidden {
    /// The part from the tensor (and what goes past it) to the logits.
    engine: Engine,
    front: Arc<Mutex<(Session, Vec<Vec<f32>>)>>,
    name: String,
    shape: Vec<usize>,
    dimension: usize,
    rest: usize,
    nonnegative: bool,
}

/// A sample's values where the classifier is cut.
pub(crate) struct Values {
    pub tensor: Vec<f32>,
    /// What goes past the tensor.
    pub rest: Vec<f32>,
}

impl Hidden {
    /// Cuts the classifier of `engine` at the tensor `name`.
    ///
    /// # Errors
    /// When there is no such tensor (the message names near ones), it is no float tensor with a row
    /// per sample, the logits do not depend on it, or the runtime cannot run the parts.
    pub fn new(engine: &Engine, name: &str, options: &EngineOptions) -> Result<Hidden> {
        let live = || Mismatch::no_graph("to cut at a tensor");
        let graph = engine.classifier().graph().ok_or_else(live)?;
        if infer(graph)?.get(name).is_none() {
            return Err(Error::Mismatch(no_tensor(graph, name)).advise(". {!inspect} lists its operators"));
        }
        let Cut { front, back, shape, rest } = cut(graph, name)?;
        let dimension = shape.iter().product();
        let classifier = Classifier::new(&back, &[dimension + rest], &Preprocessing::default())?;
        let runtime = engine.runtime();
        let session = runtime.compile(&front.with_batch(1), &runtime.threads(1))?;
        Ok(Hidden {
            engine: Engine::new(classifier, runtime.clone(), options)?.for_samples(engine.samples()),
            front: Arc::new(Mutex::new((session, Vec::new()))),
            name: name.into(),
            nonnegative: graph.nodes.iter().any(|n| n.op == "Relu" && n.outputs.iter().any(|o| o == name)),
            shape,
            dimension,
            rest,
        })
    }

    /// The same, the logits divided by a temperature; see [`Classifier::at_temperature`].
    ///
    /// # Errors
    /// When the temperature is not positive and finite.
    pub fn at_temperature(&self, temperature: f64) -> Result<Hidden> {
        Ok(Hidden {
            engine: self.engine.at_temperature(temperature)?,
            front: self.front.clone(),
            name: self.name.clone(),
            shape: self.shape.clone(),
            ..*self
        })
    }

    /// From the tensor to the logits.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The tensor's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The tensor's shape for one sample: the order of what a packet's maps hold.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many elements go past the tensor, in skip connections.
    pub fn rest(&self) -> usize {
        self.rest
    }

    /// Whether it is the output of a Relu, and so has no negative element.
    pub fn is_nonnegative(&self) -> bool {
        self.nonnegative
    }

    /// The values at one input.
    pub(crate) fn values(&self, input: &[f32]) -> Result<Values> {
        let mut front = self.front.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (session, outputs) = &mut *front;
        session.run(&[Input::F32(input)], outputs)?;
        let values = outputs.first().map_or(&[][..], Vec::as_slice);
        let (tensor, rest) = values.split_at(self.dimension.min(values.len()));
        Ok(Values { tensor: tensor.to_vec(), rest: rest.to_vec() })
    }
}

fn no_tensor(graph: &Graph, name: &str) -> Mismatch {
    let outputs = graph.nodes.iter().flat_map(|node| &node.outputs).filter(|name| !name.is_empty());
    let nearest = by_likeness(name, outputs).take(3).map(|name| name.to_string()).collect();
    Mismatch::NoTensor { name: name.into(), nearest }
}
