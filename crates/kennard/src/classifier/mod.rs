//! A model fitted to the data: the user's pixels in, logits out.

mod build;
mod fit;
mod one_number;
mod own_label;
mod preprocessing;
#[cfg(test)]
pub(crate) mod tests;

use std::fmt;
use std::sync::Arc;

use kennard_graph::{Graph, log_probabilities, temper};
use kennard_runtime::Live;

pub(crate) use fit::Levels;
use one_number::OneNumber;
pub use own_label::OwnLabel;
pub use preprocessing::Preprocessing;

use crate::warning::Warning;
use crate::{Error, Result, SampleError};

/// A model as attacks and packets see it: from the user's pixel space, `[N, …shape]` in single
/// precision, to logits `[N, K]`.
///
/// Beside it stands the model as it was given, in its own types. The user's pixels are scaled, normalised,
/// transposed and reshaped for it in single precision, and then cast if it takes others.
#[derive(Clone, Debug)]
pub struct Classifier {
    front: Option<Graph>,
    untouched: Graph,
    graph: Graph,
    shape: Vec<usize>,
    classes: usize,
    returns_logits: bool,
    preprocessing: Preprocessing,
    parameters: usize,
    mixes: bool,
    warnings: Vec<Warning>,
    /// What the number is that the model returns, if it is one alone.
    one_number: Option<OneNumber>,
    levels: Option<Levels>,
    /// What computes the outputs that `graph` starts from, where that is no graph.
    module: Option<Module>,
}

/// A live module, shared.
#[derive(Clone)]
struct Module(Arc<dyn Live>);

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a module of {} {}", self.0.name(), self.0.version())
    }
}

impl Classifier {
    /// Refuses a sample whose label is not one of the model's classes.
    ///
    /// # Errors
    /// Names the sample, its label and the classes.
    pub fn check_label(&self, index: usize, label: usize) -> Result<()> {
        let classes = self.classes();
        if label < classes {
            return Ok(());
        }
        let problem = SampleError::Label { label, classes, one_number: self.one_number.is_some() };
        let cure = match self.one_number {
            Some(_) => {
                "; labels in a file that do not count from 0 take a list of their numbers: {classes = FILE}"
            }
            None => {
                " Labels in a file that do not count from 0 take a list of their numbers: {classes = FILE}"
            }
        };
        Err(Error::Sample { index, problem }.advise(cure))
    }

    /// How the model rounds its input, if it takes integers.
    pub(crate) fn levels(&self) -> Option<Levels> {
        self.levels
    }

    /// How many levels one unit of samples has, where the model takes integers and samples are scaled to them at most.
    pub fn levels_per_unit(&self) -> Option<f64> {
        let levels = self.levels.filter(|_| self.preprocessing.normalize.is_none())?;
        Some(f64::from(levels.scale).abs())
    }

    /// The same classifier, its outputs taken for probabilities `p` and replaced by `ln p`.
    ///
    /// # Errors
    /// When the graph cannot be extended.
    pub fn with_log_probabilities(&self) -> Result<Classifier> {
        Ok(Classifier { graph: log_probabilities(&self.graph)?, returns_logits: false, ..self.clone() })
    }

    /// Whether nothing in the model says what the one number is that it returns.
    pub(crate) fn is_of_open_number(&self) -> bool {
        self.one_number.is_some_and(OneNumber::is_open)
    }

    /// The threshold by whose logit the logits are moved, so that they are not those of the model's probability.
    pub(crate) fn moved_by_threshold(&self) -> Option<f64> {
        self.one_number.and_then(OneNumber::moved)
    }

    /// Whether its logits are the log-odds of what the model returns.
    pub(crate) fn is_of_log_odds(&self) -> bool {
        self.one_number.is_some_and(OneNumber::is_shown)
    }

    /// The same classifier, if `answers`, pairs of [untouched](Classifier::untouched) outputs, show that the one number
    /// that the model returns, and that was taken for a logit, is a probability.
    pub(crate) fn of_probability(&self, answers: &[[f32; 2]]) -> Result<Option<Classifier>> {
        let Some(number) = self.one_number.filter(|number| number.may_be_probability(answers)) else {
            return Ok(None);
        };
        let (number, graph, untouched) = number.as_probability(&self.graph, &self.untouched)?;
        let warnings =
            self.warnings.iter().filter(|warning| warning.code != OneNumber::CODE).cloned().collect();
        let one_number = Some(number);
        Ok(Some(Classifier { graph, untouched, one_number, warnings, returns_logits: false, ..self.clone() }))
    }

    /// The same classifier, its logits divided by a temperature. Decisions stay as they are, and so does the untouched
    /// model.
    ///
    /// # Errors
    /// When the temperature is not positive and finite.
    pub fn at_temperature(&self, temperature: f64) -> Result<Classifier> {
        Ok(Classifier { graph: temper(&self.graph, temperature)?, ..self.clone() })
    }

    /// From pixels to logits; none of a live module.
    pub fn graph(&self) -> Option<&Graph> {
        self.module.is_none().then_some(&self.graph)
    }

    /// From pixels to logits, or, of a live module, from its outputs to logits.
    pub(crate) fn head(&self) -> &Graph {
        &self.graph
    }

    /// The live module that this is.
    pub(crate) fn module(&self) -> Option<&dyn Live> {
        self.module.as_ref().map(|module| &*module.0)
    }

    /// From pixels to what the [untouched](Classifier::untouched) model takes, where that is not of single
    /// precision: a runtime that sees both in one graph may leave out the rounding in between.
    pub fn front(&self) -> Option<&Graph> {
        self.front.as_ref()
    }

    /// From pixels (or what [`Classifier::front`] makes of them) to the model's own outputs, all in the model's
    /// own types, nothing simplified.
    pub fn untouched(&self) -> &Graph {
        &self.untouched
    }

    /// How the model sees the user's pixels.
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.preprocessing
    }

    /// The shape of one sample.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The number of elements of one sample, `d`.
    pub fn dimension(&self) -> usize {
        self.shape.iter().product()
    }

    /// The number of classes, `K`.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Whether the untouched model returns the logits itself, rather than probabilities.
    pub fn returns_logits(&self) -> bool {
        self.returns_logits
    }

    /// The batch size that the model insists on, if it does.
    pub fn fixed_batch(&self) -> Option<usize> {
        self.graph.inputs.first().and_then(|input| input.ty.shape.0.first()).and_then(|dim| dim.known())
    }

    /// The number of weights: of all float constants in the model's file.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// What a reader should know of how the data were fitted to the model.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Whether a sample's answer depends on the others in its batch, as where activations are quantised by
    /// their range in the whole batch.
    pub fn mixes_samples(&self) -> bool {
        self.mixes
    }

    /// The same, known to be one whose answers depend on the others in a batch.
    pub(crate) fn mixing(self) -> Classifier {
        Classifier { mixes: true, ..self }
    }
}
