use std::fmt;
use std::sync::Arc;

use kennard_graph::{
    Builder, DType, Dim, Graph, Shape, TensorType, Value, flatten_output, log_probabilities, nhwc, normalize,
    reshape_input, scale, strip_softmax, temper,
};

use kennard_runtime::Live;
use serde::{Deserialize, Serialize};

use crate::warning::Warning;
use crate::{Error, Result};

/// How a model sees the user's pixels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// The model wants inputs multiplied by this (255 for a model of pixels 0..255).
    pub scale: Option<f64>,
    /// The model wants `(x − mean) / std`, per channel.
    pub normalize: Option<(Vec<f32>, Vec<f32>)>,
    /// The model wants channels last.
    pub nhwc: bool,
}

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
    /// Refuses a sample whose label is none of the model's classes.
    ///
    /// # Errors
    /// Names the sample, its label and the classes.
    pub fn check_label(&self, index: usize, label: usize) -> Result<()> {
        let classes = self.classes();
        if label < classes {
            return Ok(());
        }
        Err(Error::Mismatch(format!(
            "sample {index} has the label {label}, the model has {classes} classes (0 to {}). Is this the data set it was \
             trained for?",
            classes - 1
        )))
    }

    /// Fits a model to samples of `shape` (without the batch).
    ///
    /// A closing softmax is taken off: the logits before it are its result's logarithm up to a
    /// constant, and losses of logits do not saturate.
    ///
    /// # Errors
    /// When the model has not one input and one output of fitting shapes, or a weight that is not
    /// a finite number.
    pub fn new(model: &Graph, shape: &[usize], preprocessing: &Preprocessing) -> Result<Classifier> {
        check_weights(model)?;
        let single = model.with_floats(DType::F32);
        let (graph, mut warnings) = fitted(&flatten_output(&single)?, shape, preprocessing)?;
        let (front, untouched) = if single == *model {
            (None, graph.clone())
        } else if model.single_input()?.ty.dtype == DType::F32 {
            (None, fitted(&flatten_output(model)?, shape, preprocessing)?.0)
        } else {
            (Some(fitted(&same(single.single_input()?)?, shape, preprocessing)?.0), flatten_output(model)?)
        };
        let &[_, Dim::Known(classes)] = graph.single_output()?.ty.shape.0.as_slice() else {
            return Err(Error::Mismatch("the model's number of classes is not fixed".into()));
        };
        check_classes(classes)?;
        let stripped = strip_softmax(&graph);
        if model.bfloat16 {
            let message = "the model computes in bfloat16, and is computed in single precision here: the figures are those \
                           of the model so computed, not of the model as given. Export it in float32";
            warnings.push(Warning::new("untouched-model", message));
        }
        let mixes = untouched.nodes.iter().any(|node| node.op == "DynamicQuantizeLinear");
        Ok(Classifier {
            front,
            mixes,
            returns_logits: stripped.is_none(),
            graph: stripped.unwrap_or(graph),
            untouched,
            shape: shape.to_vec(),
            classes,
            preprocessing: preprocessing.clone(),
            module: None,
            parameters: model.constants.values().filter(|t| t.dtype().is_float()).map(|t| t.len()).sum(),
            warnings,
        })
    }

    /// A live module that takes samples of `shape` (without the batch) and returns a logit for each of `classes`.
    /// `parameters` is the number of its weights.
    ///
    /// # Errors
    /// When there are fewer than two classes.
    pub fn live(
        module: Arc<dyn Live>,
        shape: &[usize],
        classes: usize,
        parameters: usize,
    ) -> Result<Classifier> {
        check_classes(classes)?;
        let builder = Builder::new(&Graph::default())?;
        let outputs = TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(classes)]);
        let outputs = builder.input("kennard/outputs", outputs);
        builder.output("kennard/logits", outputs.apply("Identity"));
        let graph = builder.finish()?;
        Ok(Classifier {
            front: None,
            untouched: graph.clone(),
            graph,
            shape: shape.to_vec(),
            classes,
            returns_logits: true,
            preprocessing: Preprocessing::default(),
            parameters,
            mixes: false,
            warnings: Vec::new(),
            module: Some(Module(module)),
        })
    }

    /// The same classifier, its outputs taken for probabilities `p` and replaced by `ln p`.
    ///
    /// # Errors
    /// When the graph cannot be extended.
    pub fn with_log_probabilities(&self) -> Result<Classifier> {
        Ok(Classifier { graph: log_probabilities(&self.graph)?, returns_logits: false, ..self.clone() })
    }

    /// The same classifier, its logits divided by a temperature. Decisions stay as they are, and so does the untouched
    /// model.
    ///
    /// # Errors
    /// When the temperature is not positive and finite.
    pub fn at_temperature(&self, temperature: f64) -> Result<Classifier> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(Error::Setting(format!(
                "the temperature is {temperature}; logits are divided by it, so it must be positive and finite: 1 leaves \
                 them as they are"
            )));
        }
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

/// The graph that returns what it takes.
fn same(input: &Value) -> Result<Graph> {
    let builder = Builder::new(&Graph::default())?;
    let x = builder.input(&input.name, input.ty.clone());
    builder.output(&format!("{}/fitted", input.name), x.apply("Identity"));
    Ok(builder.finish()?)
}

/// The graph with the user's pixels in front.
fn fitted(graph: &Graph, shape: &[usize], preprocessing: &Preprocessing) -> Result<(Graph, Vec<Warning>)> {
    let mut graph = graph.clone();
    // Next to the model: means and deviations are of the data's channels.
    if preprocessing.nhwc {
        graph = nhwc(&graph)?;
    }
    if let Some((mean, std)) = &preprocessing.normalize {
        graph = normalize(&graph, mean, std)?;
    }
    if let Some(factor) = preprocessing.scale {
        if factor == 0.0 || !factor.is_finite() {
            return Err(Error::Setting(format!(
                "the input scale is {factor}: the model would see nothing of its input; 255 or 1/255 is usual"
            )));
        }
        graph = scale(&graph, factor)?;
    }
    fit(&graph, shape)
}

fn check_classes(classes: usize) -> Result<()> {
    if classes >= 2 {
        return Ok(());
    }
    Err(Error::Mismatch(format!(
        "the model returns {classes} number per sample; a classifier returns one logit per class. Export a two-class model \
         with two logits"
    )))
}

fn check_weights(model: &Graph) -> Result<()> {
    for (name, tensor) in &model.constants {
        if tensor.to_floats().is_some_and(|values| values.iter().any(|v| v.is_nan())) {
            return Err(Error::NotANumber(format!(
                "the weight `{name}` contains NaN: the training diverged, or the file is damaged"
            )));
        }
    }
    Ok(())
}

/// Gives the model samples of `shape`, if it takes as many elements in the same order.
fn fit(graph: &Graph, shape: &[usize]) -> Result<(Graph, Vec<Warning>)> {
    let input = graph.single_input()?;
    let wanted: Option<Vec<usize>> = input.ty.shape.0.iter().skip(1).map(|d| d.known()).collect();
    let wanted = wanted.unwrap_or_default();
    if wanted == shape {
        return Ok((graph.clone(), Vec::new()));
    }
    let squeezed = |dims: &[usize]| -> Vec<usize> { dims.iter().copied().filter(|&n| n != 1).collect() };
    let [takes, has] = [&wanted, shape].map(squeezed);
    if takes == has || takes == [shape.iter().product::<usize>()] {
        return Ok((reshape_input(graph, shape)?, Vec::new()));
    }
    if has == [wanted.iter().product::<usize>()] {
        let message = format!(
            "the data has samples of shape {}, which become {} for the model's input `{}`, their elements in the same \
             order",
            Shape::fixed(shape),
            Shape::fixed(&wanted),
            input.name
        );
        return Ok((reshape_input(graph, shape)?, vec![Warning::new("reshaped", message)]));
    }
    let cure = match (wanted.as_slice(), shape) {
        (&[h, w, c], &[c2, h2, w2]) if (h, w, c) == (h2, w2, c2) => {
            "; the model takes channels last: add {nhwc}"
        }
        (&[c, h, w], &[h2, w2, c2]) if (h, w, c) == (h2, w2, c2) => {
            "; the data has channels last: transpose it to [N, C, H, W]"
        }
        _ => "; give the model that was trained for this data, or the data this model was trained for",
    };
    Err(Error::Mismatch(format!(
        "the data has samples of shape {}, the model's input `{}` takes {}",
        Shape::fixed(shape),
        input.name,
        input.ty
    ))
    .advise(cure))
}

#[cfg(test)]
mod tests {
    use kennard_graph::TensorType;

    use super::*;

    /// A model of images that need not be square, so that the order of the axes shows.
    fn refusal(takes: [usize; 3], has: [usize; 3]) -> String {
        let builder = Builder::new(&Graph::default()).unwrap();
        let dims = std::iter::once(Dim::BATCH).chain(takes.map(Dim::Known));
        let x = builder.input("x", TensorType::new(DType::F32, Shape(dims.collect())));
        builder.output("y", x.apply("Flatten"));
        let model = builder.finish().unwrap();
        Classifier::new(&model, &has, &Preprocessing::default()).unwrap_err().to_string()
    }

    #[test]
    fn an_input_scale_that_hides_the_input_is_refused() {
        let model = Graph::load(
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/fashion_mlp.onnx"),
        );
        let scaled = |factor| {
            let preprocessing = Preprocessing { scale: Some(factor), ..Preprocessing::default() };
            Classifier::new(model.as_ref().unwrap(), &[1, 28, 28], &preprocessing).map(drop)
        };
        assert!(scaled(255.0).is_ok());
        for factor in [0.0, f64::NAN, f64::INFINITY] {
            assert!(scaled(factor).unwrap_err().to_string().contains("input scale"));
        }
    }

    #[test]
    fn channels_on_the_wrong_side_are_noticed() {
        let [first, last] = [[3, 4, 5], [4, 5, 3]];
        assert!(refusal(last, first).contains("`nhwc`"));
        assert!(refusal(first, last).contains("transpose it"));
        assert!(refusal(first, [1, 4, 5]).contains("trained for"));
    }

    fn flat(takes: &[usize]) -> Graph {
        let builder = Builder::new(&Graph::default()).unwrap();
        let dims = std::iter::once(Dim::BATCH).chain(takes.iter().map(|&n| Dim::Known(n)));
        let x = builder.input("x", TensorType::new(DType::F32, Shape(dims.collect())));
        let w = builder.constant(kennard_graph::Tensor::full(&[takes.iter().product(), 3], 0.5, DType::F32));
        builder.output("y", x.apply("Flatten").with("MatMul", w));
        builder.finish().unwrap()
    }

    /// The same numbers in the same order fit, with or without axes of one; what makes images of vectors is said.
    #[test]
    fn samples_of_as_many_elements_fit() {
        let plain = Preprocessing::default();
        for (takes, has, said) in [
            (&[12][..], &[3, 4][..], false),
            (&[12, 1], &[1, 3, 4], false),
            (&[1, 12, 1, 1], &[3, 4], false),
            (&[1, 3, 4], &[3, 4, 1], false),
            (&[1, 3, 4], &[12], true),
            (&[3, 2, 2], &[1, 12], true),
        ] {
            let classifier = Classifier::new(&flat(takes), has, &plain).unwrap();
            assert_eq!(classifier.shape(), has);
            assert_eq!(!classifier.warnings().is_empty(), said, "{takes:?} {has:?}");
        }
        for (takes, has) in [(&[1, 3, 4][..], &[1, 4, 3][..]), (&[12, 1], &[13]), (&[2, 6], &[3, 4])] {
            assert!(Classifier::new(&flat(takes), has, &plain).is_err(), "{takes:?} {has:?}");
        }
    }

    /// Constants of the preprocessing are no weights, nor is a shape that samples are given.
    #[test]
    fn weights_are_those_of_the_model() {
        let preprocessing = Preprocessing {
            scale: Some(255.0),
            normalize: Some((vec![0.5; 3], vec![0.25; 3])),
            ..Preprocessing::default()
        };
        let classifier = Classifier::new(&flat(&[3, 2, 2]), &[12], &preprocessing).unwrap();
        assert_eq!(classifier.parameters(), 12 * 3);
    }
}
