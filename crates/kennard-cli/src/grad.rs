use std::path::PathBuf;

use kennard::{Error, Result};
use kennard_graph::{
    Dim, Graph, Loss, ModelFile, TensorType, against, define, flatten_output, gradient, gradient_name, infer,
    relaxed_input, simplify, simplify_keeping, strip_sigmoid, strip_softmax, with_loss,
};

use crate::out::name;
use crate::settings::{Ends, by_name};
use crate::{Done, Ended};

#[derive(clap::Args)]
pub struct Args {
    /// The model, an ONNX file
    model: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    derivative: Derivative,
}

parts! {
    /// A gradient of a model.
    Derivative {
        slope: Slope,
        ends: Ends,
    }
}

impl Derivative {
    /// The gradient as a graph of its own, and the tensors that it is with respect to.
    pub fn of_model(&self, file: &ModelFile) -> Result<(Graph, Vec<String>)> {
        let of_loss = self.slope.of.is_none() && self.slope.wrt.as_ref().is_none_or(Vec::is_empty);
        let graph =
            if of_loss { whole_floats(self.ends.classifier(file)?)? } else { self.ends.graph(file)? };
        self.slope.of_model(&graph)
    }
}

part! {
    /// What is differentiated, and with respect to what.
    Slope {
        /// What to differentiate [default: cross-entropy]
        #[arg(long, value_parser = LOSSES.map(|(name, _)| name))]
        loss: String,
        /// Differentiate this tensor of the model instead of a loss: one number per sample, or a scalar
        #[arg(long, value_name = "NAME", conflicts_with = "loss")]
        of: String,
        /// With respect to this tensor: an input, a hidden tensor, or a weight; may be repeated [default: the input]
        #[arg(long, value_name = "NAME")]
        wrt: Vec<String>,
    }
}

/// Losses by name.
const LOSSES: [(&str, Loss); 7] = [
    ("cross-entropy", Loss::CrossEntropy),
    ("log-odds", Loss::LogOdds),
    ("margin", Loss::Margin),
    ("probability-margin", Loss::ProbabilityMargin),
    ("logit-difference", Loss::LogitDifference),
    ("dlr", Loss::Dlr),
    ("targeted-dlr", Loss::TargetedDlr),
];

impl Slope {
    /// The gradient of `model` as a graph of its own, and the tensors that it is with respect to.
    fn of_model(&self, model: &Graph) -> Result<(Graph, Vec<String>)> {
        if self.of.is_some() && self.loss.is_some() {
            let message =
                "--of and --loss exclude each other: a tensor of the model, or a loss, is differentiated";
            return Err(Error::Setting(message.into()));
        }
        let wrt = match self.wrt.as_deref().unwrap_or_default() {
            [] => vec![model.single_input()?.name.clone()],
            names => names.to_vec(),
        };
        let all: Vec<&str> = wrt.iter().map(String::as_str).collect();
        // Simplified first, as in `audit`: shape arithmetic and operators that only it needs have no rule.
        let (graph, of) = match &self.of {
            Some(name) => {
                let named: Vec<&str> = all.iter().copied().chain([name.as_str()]).collect();
                let graph = simplify_keeping(model, &named)?;
                check_single(&graph, name)?;
                (graph, name.as_str())
            }
            None => {
                let logits = with_logits(model)?;
                let loss = self.loss.as_deref().unwrap_or("cross-entropy");
                let loss = by_name("loss", loss, &LOSSES)?;
                (with_loss(&simplify_keeping(&logits, &all)?, loss)?, Graph::LOSS)
            }
        };
        let result = simplify(&gradient(&graph, of, &all)?)?;
        Ok((result, wrt))
    }
}

/// Refuses a tensor of more than one number for each sample: the gradient would be that of their sum.
fn check_single(graph: &Graph, of: &str) -> Result<()> {
    let types = infer(graph)?;
    let Some(TensorType { shape, .. }) = types.get(of) else { return Ok(()) };
    let batch = graph.inputs.first().and_then(|input| input.ty.shape.0.first().copied());
    let own = shape.0.iter().enumerate().filter(|&(axis, &dim)| !(axis == 0 && Some(dim) == batch));
    let numbers: Vec<Dim> = own.map(|(_, &dim)| dim).filter(|dim| dim.known() != Some(1)).collect();
    if numbers.iter().all(|dim| matches!(dim, Dim::Batch(1))) && numbers.len() <= 1 {
        return Ok(());
    }
    Err(Error::Setting(format!(
        "--of {}: the tensor is {shape}, and what is differentiated has one number for each sample, or is a scalar; reduce it in \
         the model first, for instance by a sum, or differentiate a --loss",
        name(of)
    )))
}

/// A model in which there is a gradient: one of integers with floats in their place.
pub fn in_floats(model: Graph) -> kennard_graph::Result<Graph> {
    if model.single_input()?.ty.dtype.is_float() { Ok(model) } else { relaxed_input(&model) }
}

/// As [`in_floats`]. Prints a note of the change.
fn whole_floats(model: Graph) -> Result<Graph> {
    let input = model.single_input()?;
    if !input.ty.dtype.is_float() {
        note!(
            "`{}` is {}: the gradient is with respect to floats in the place of these integers",
            name(&input.name),
            input.ty
        );
    }
    Ok(in_floats(model)?)
}

/// The model with logits as its output. Prints notes of the changes that this takes.
fn with_logits(model: &Graph) -> kennard_graph::Result<Graph> {
    let model = &define(model, |node| node.op.contains("::"))?;
    let returns = &model.single_output()?.name;
    if let Some(logits) = strip_softmax(model) {
        note!(
            "the model returns probabilities: its closing softmax is taken off, and `{returns}` are the logits before it"
        );
        return flatten_output(&logits);
    }
    let flat = flatten_output(model)?;
    let logits = strip_sigmoid(&flat);
    if flat.single_output()?.ty.shape.0.get(1) != Some(&Dim::Known(1)) {
        if logits.is_some() {
            note!(
                "the model returns sigmoids: they are taken off, and `{returns}` are the numbers before them"
            );
        }
        return Ok(logits.unwrap_or(flat));
    }
    let before = if logits.is_some() { " before its closing sigmoid" } else { "" };
    note!(
        "the model returns one number: `{returns}` are 0 and that number{before}, the logits of two classes"
    );
    against(&logits.unwrap_or(flat), 0.0)
}

pub fn run(args: &Args) -> Ended {
    crate::source::apart(&args.out, &args.model)?;
    let (result, wrt) = args.derivative.of_model(&ModelFile::open(&args.model)?)?;
    result.save(&args.out)?;
    note!("{}: {} nodes", args.out.display(), result.nodes.len());
    for value in &result.inputs {
        note!("  takes    {} {}", name(&value.name), name(&value.ty.to_string()));
    }
    for value in &result.outputs {
        let what = wrt.iter().find(|wrt| gradient_name(wrt) == value.name);
        let what = what.map_or(String::new(), |wrt| format!("   gradient with respect to {}", name(wrt)));
        note!("  returns  {} {}{what}", name(&value.name), name(&value.ty.to_string()));
    }
    Ok(Done::Fully)
}
