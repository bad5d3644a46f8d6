use std::path::PathBuf;

use clap::ValueEnum;
use kennard_graph::{
    Graph, Loss, flatten_output, gradient, gradient_name, simplify, simplify_keeping, strip_softmax,
    with_loss,
};

use crate::out::name;
use crate::{Done, Outcome};

#[derive(clap::Args)]
pub struct Args {
    /// The model, an ONNX file
    model: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// What to differentiate
    #[arg(long, value_enum, default_value = "cross-entropy")]
    loss: LossName,
    /// Differentiate this tensor of the model instead of a loss: one number per sample, or a scalar
    #[arg(long, value_name = "NAME", conflicts_with = "loss")]
    of: Option<String>,
    /// With respect to this tensor: an input, a hidden tensor, or a weight; may be repeated [default: the input]
    #[arg(long, value_name = "NAME")]
    wrt: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum LossName {
    CrossEntropy,
    LogOdds,
    Margin,
    ProbabilityMargin,
    LogitDifference,
    Dlr,
    TargetedDlr,
}

impl From<LossName> for Loss {
    fn from(name: LossName) -> Loss {
        match name {
            LossName::CrossEntropy => Loss::CrossEntropy,
            LossName::LogOdds => Loss::LogOdds,
            LossName::Margin => Loss::Margin,
            LossName::ProbabilityMargin => Loss::ProbabilityMargin,
            LossName::LogitDifference => Loss::LogitDifference,
            LossName::Dlr => Loss::Dlr,
            LossName::TargetedDlr => Loss::TargetedDlr,
        }
    }
}

pub fn run(args: &Args) -> Outcome {
    let model = Graph::load(&args.model)?;
    let wrt: Vec<&str> = match args.wrt.as_slice() {
        [] => vec![&model.single_input()?.name],
        names => names.iter().map(String::as_str).collect(),
    };
    // Simplified first, as in `audit`: shape arithmetic and operators that only it needs have no rule.
    let (graph, of) = match &args.of {
        Some(name) => {
            let named: Vec<&str> = wrt.iter().copied().chain([name.as_str()]).collect();
            (simplify_keeping(&model, &named)?, name.as_str())
        }
        None => {
            let logits = strip_softmax(&model).inspect(|_| {
                note!(
                    "the model returns probabilities: its closing softmax is taken off, and `{}` are the logits \
                     before it",
                    model.outputs[0].name
                );
            });
            let logits = flatten_output(&logits.unwrap_or_else(|| model.clone()))?;
            (with_loss(&simplify_keeping(&logits, &wrt)?, args.loss.into())?, Graph::LOSS)
        }
    };
    let result = simplify(&gradient(&graph, of, &wrt)?)?;
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
