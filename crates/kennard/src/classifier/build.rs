//! Classifiers made of graphs and of modules.

use std::sync::Arc;

use kennard_graph::{
    Builder, DType, Dim, Graph, TensorType, Value, define, flatten_output, relaxed_input, strip_sigmoid,
    strip_softmax, whole_input,
};
use kennard_runtime::Live;

use super::fit::{Levels, fitted};
use super::preprocessing::Preprocessing;
use super::{Classifier, Module, fit, one_number};
use crate::warning::Warning;
use crate::{Error, Mismatch, Result};

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
        model.scores()?;
        let dtype = model.single_input()?.ty.dtype;
        let mut levels = None;
        if !dtype.is_float() {
            levels = fit::levels(dtype, preprocessing);
        }
        let fitting = levels.as_ref().map_or(preprocessing, |(fitting, _)| fitting);
        // Operators of tables have the last word themselves, and basic ones the gradient.
        let plain = define(model, |node| node.op.contains("::"))?;
        let real = if dtype.is_float() { plain } else { relaxed_input(&plain)? };
        let single = real.with_floats(DType::F32);
        let (graph, mut warnings) = fitted(&flatten_output(&single)?, shape, fitting)?;
        let (front, untouched) = if single == *model {
            (None, graph.clone())
        } else if !dtype.is_float() {
            (None, fitted(&flatten_output(&whole_input(model)?)?, shape, fitting)?.0)
        } else if dtype == DType::F32 {
            (None, fitted(&flatten_output(model)?, shape, fitting)?.0)
        } else {
            (Some(fitted(&same(single.single_input()?)?, shape, fitting)?.0), flatten_output(model)?)
        };
        let rounding = (!dtype.is_float()).then(|| Levels::of(dtype, fitting));
        warnings.extend(levels.map(|(_, warning)| warning));
        for graph in [&graph, &untouched] {
            check_rows(graph)?;
        }
        let &[_, Dim::Known(classes)] = graph.single_output()?.ty.shape.0.as_slice() else {
            return Err(Mismatch::OpenClasses.into());
        };
        let (one_number, graph, untouched, stripped) = if classes == 1 {
            let threshold = preprocessing.threshold;
            let (number, logits, answer) = one_number::two_classes(model, &graph, &untouched, threshold)?;
            warnings.extend(number.warning());
            let stripped = (!number.is_open()).then(|| logits.clone());
            (Some(number), logits, answer, stripped)
        } else {
            check_classes(classes)?;
            if preprocessing.threshold.is_some() {
                return Err(one_number::no_threshold(classes));
            }
            let stripped = strip_softmax(&graph).or_else(|| strip_sigmoid(&graph));
            (None, graph, untouched, stripped)
        };
        let classes = classes.max(2);
        if model.bfloat16 {
            let message = "the model computes in bfloat16, but here it runs in single precision: the figures are those of \
                           the model in single precision, not of the model as given. Export it in float32";
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
            one_number,
            levels: rounding,
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
            one_number: None,
            levels: None,
            module: Some(Module(module)),
        })
    }
}

/// The graph that returns what it takes.
fn same(input: &Value) -> Result<Graph> {
    let builder = Builder::new(&Graph::default())?;
    let x = builder.input(&input.name, input.ty.clone());
    builder.output(&format!("{}/fitted", input.name), x.apply("Identity"));
    Ok(builder.finish()?)
}

/// Refuses a model that does not return one row of numbers for each sample.
fn check_rows(graph: &Graph) -> Result<()> {
    let (input, output) = (graph.single_input()?, graph.single_output()?);
    let (samples, rows) = (input.ty.shape.0.first(), output.ty.shape.0.first());
    let (Some(samples), Some(rows)) = (samples, rows) else { return Ok(()) };
    // A file may declare one row where it returns one for each sample: what it returns is counted when it runs.
    let is_open = matches!((samples, rows), (Dim::Batch(1), Dim::Known(1)) | (Dim::Known(_), Dim::Batch(1)));
    if samples == rows || is_open {
        return Ok(());
    }
    Err(Mismatch::Rows {
        output: output.name.clone(),
        shape: output.ty.to_string(),
        rows: rows.to_string(),
        samples: samples.to_string(),
    }
    .into())
}

fn check_classes(classes: usize) -> Result<()> {
    if classes >= 2 { Ok(()) } else { Err(Mismatch::Classes { classes }.into()) }
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
