use std::path::PathBuf;

use clap::ValueEnum;
use kennard_graph::{Graph, Method, Region, bound, flatten_output, strip_softmax};

use crate::out::name;
use crate::{Done, Outcome};

#[derive(clap::Args)]
pub struct Args {
    /// The model, an ONNX file
    model: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How bounds are computed
    #[arg(long, value_enum, default_value = "crown")]
    method: MethodName,
    /// The ball that the input stays in, within its box: linf (the box alone), l2 or l1
    #[arg(long, value_enum, default_value = "linf")]
    norm: NormName,
    /// Rows of the specification for each sample [default: the classes less one]
    #[arg(long, value_name = "N")]
    rows: Option<usize>,
}

#[derive(Clone, Copy, ValueEnum)]
enum MethodName {
    /// Intervals: fast and wide
    Intervals,
    /// CROWN from the outputs, with hidden tensors by intervals
    CrownOverIntervals,
    /// CROWN from the outputs and from every element of hidden tensors
    Crown,
}

impl From<MethodName> for Method {
    fn from(name: MethodName) -> Method {
        match name {
            MethodName::Intervals => Method::Intervals,
            MethodName::CrownOverIntervals => Method::CrownOverIntervals,
            MethodName::Crown => Method::Crown,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum NormName {
    Linf,
    L2,
    L1,
}

impl From<NormName> for Region {
    fn from(name: NormName) -> Region {
        match name {
            NormName::Linf => Region::Box,
            NormName::L2 => Region::L2,
            NormName::L1 => Region::L1,
        }
    }
}

pub fn run(args: &Args) -> Outcome {
    let model = Graph::load(&args.model)?;
    let logits = strip_softmax(&model).inspect(|_| {
        note!(
            "the model returns probabilities: its closing softmax is taken off, and the bounds are of the logits before it"
        );
    });
    let logits = flatten_output(&logits.unwrap_or(model))?;
    let classes = logits.single_output()?.ty.shape.0.get(1).and_then(|d| d.known()).unwrap_or(1);
    let rows = args.rows.unwrap_or(classes.saturating_sub(1).max(1));
    let result = bound(&logits, args.method.into(), args.norm.into(), rows)?;
    result.save(&args.out)?;
    note!("{}: {} nodes", args.out.display(), result.nodes.len());
    for (verb, values) in [("takes  ", &result.inputs), ("returns", &result.outputs)] {
        for value in values {
            note!("  {verb}  {} {}", name(&value.name), name(&value.ty.to_string()));
        }
    }
    Ok(Done::Fully)
}
