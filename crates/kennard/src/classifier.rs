use kennard_graph::{
    DType, Dim, Graph, Shape, flatten_output, log_probabilities, nhwc, normalize, reshape_input, scale,
    strip_softmax,
};

use serde::{Deserialize, Serialize};

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
#[derive(Clone, Debug)]
pub struct Classifier {
    untouched: Graph,
    graph: Graph,
    shape: Vec<usize>,
    classes: usize,
    returns_logits: bool,
    preprocessing: Preprocessing,
}

impl Classifier {
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
        let mut graph = flatten_output(&model.with_floats(DType::F32))?;
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
        if preprocessing.nhwc {
            graph = nhwc(&graph)?;
        }
        let graph = fit(&graph, shape)?;
        let &[_, Dim::Known(classes)] = graph.single_output()?.ty.shape.0.as_slice() else {
            return Err(Error::Mismatch("the model's number of classes is not fixed".into()));
        };
        if classes < 2 {
            return Err(Error::Mismatch(format!(
                "the model returns {classes} number per sample; a classifier returns one logit per class. \
                 Export a two-class model with two logits"
            )));
        }
        let stripped = strip_softmax(&graph);
        Ok(Classifier {
            returns_logits: stripped.is_none(),
            graph: stripped.unwrap_or_else(|| graph.clone()),
            untouched: graph,
            shape: shape.to_vec(),
            classes,
            preprocessing: preprocessing.clone(),
        })
    }

    /// The same classifier, its outputs taken for probabilities `p` and replaced by `ln p`.
    ///
    /// # Errors
    /// When the graph cannot be extended.
    pub fn with_log_probabilities(&self) -> Result<Classifier> {
        Ok(Classifier { graph: log_probabilities(&self.graph)?, returns_logits: false, ..self.clone() })
    }

    /// From pixels to logits.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// From pixels to the model's own outputs, nothing simplified.
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

    /// The number of weights.
    pub fn parameters(&self) -> usize {
        let floats = self.untouched.constants.values().filter(|tensor| tensor.dtype().is_float());
        floats.map(|tensor| tensor.len()).sum()
    }
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
fn fit(graph: &Graph, shape: &[usize]) -> Result<Graph> {
    let input = graph.single_input()?;
    let wanted: Option<Vec<usize>> = input.ty.shape.0.iter().skip(1).map(|d| d.known()).collect();
    let wanted = wanted.unwrap_or_default();
    if wanted == shape {
        return Ok(graph.clone());
    }
    let squeezed = |dims: &[usize]| -> Vec<usize> { dims.iter().copied().filter(|&n| n != 1).collect() };
    let flat = wanted.len() == 1 && wanted[0] == shape.iter().product::<usize>();
    if flat || squeezed(&wanted) == squeezed(shape) {
        return Ok(reshape_input(graph, shape)?);
    }
    let cure = match (wanted.as_slice(), shape) {
        (&[h, w, c], &[c2, h2, w2]) if (h, w, c) == (h2, w2, c2) => {
            "the model takes channels last: add --nhwc"
        }
        (&[c, h, w], &[h2, w2, c2]) if (h, w, c) == (h2, w2, c2) => {
            "the data has channels last: transpose it to [N, C, H, W]"
        }
        _ => "give the model that was trained for this data, or the data this model was trained for",
    };
    Err(Error::Mismatch(format!(
        "the data has samples of shape {}, the model's input `{}` takes {}; {cure}",
        Shape::fixed(shape),
        input.name,
        input.ty
    )))
}

#[cfg(test)]
mod tests {
    use kennard_graph::{Builder, TensorType};

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
        assert!(refusal(last, first).contains("--nhwc"));
        assert!(refusal(first, last).contains("transpose it"));
        assert!(refusal(first, [1, 4, 5]).contains("trained for"));
    }
}
