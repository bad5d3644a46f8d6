use std::path::PathBuf;

use clap::ValueEnum;
use kennard::Result;
use kennard_graph::{Graph, Method, ModelFile, Region, bound, flatten_output, strip_softmax};
use serde::Deserialize;

use crate::out::name;
use crate::settings::Ends;
use crate::{Done, Outcome};

#[derive(clap::Args)]
pub struct Args {
    /// The model, an ONNX file
    model: PathBuf,
    /// The file to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    bounds: Bounds,
}

parts! {
    /// Bounds of a model.
    Bounds {
        enclosure: Enclosure,
        ends: Ends,
    }
}

impl Bounds {
    /// The bounds of a file's model as a graph of its own.
    pub fn of_model(&self, file: &ModelFile) -> Result<Graph> {
        self.enclosure.of_model(&self.ends.classifier(file)?)
    }
}

part! {
    /// How a model is bounded, and over what.
    Enclosure {
        /// How bounds are computed [default: crown]
        #[arg(long, value_enum)]
        method: MethodName,
        /// The ball that the input stays in, within its box: linf (the box alone), l2 or l1 [default: linf]
        #[arg(long, value_enum)]
        norm: NormName,
        /// Rows of the specification for each sample [default: the classes less one]
        #[arg(long, value_name = "N")]
        rows: usize,
    }
}

/// Methods of bounds by their names.
#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum MethodName {
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

/// Norms by their names.
#[derive(Clone, Copy, Debug, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum NormName {
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

impl Enclosure {
    /// The bounds of `model` as a graph of its own.
    fn of_model(&self, model: &Graph) -> Result<Graph> {
        let logits = strip_softmax(model).inspect(|_| {
            note!(
                "the model returns probabilities: its closing softmax is taken off, and the bounds are of the logits before it"
            );
        });
        let logits = flatten_output(&logits.unwrap_or_else(|| model.clone()))?;
        let classes = logits.single_output()?.ty.shape.0.get(1).and_then(|d| d.known()).unwrap_or(1);
        let rows = self.rows.unwrap_or(classes.saturating_sub(1).max(1));
        let method = self.method.unwrap_or(MethodName::Crown).into();
        let region = self.norm.unwrap_or(NormName::Linf).into();
        Ok(bound(&logits, method, region, rows)?)
    }
}

pub fn run(args: &Args) -> Outcome {
    crate::source::apart(&args.out, &args.model)?;
    let result = args.bounds.of_model(&ModelFile::open(&args.model)?)?;
    result.save(&args.out)?;
    note!("{}: {} nodes", args.out.display(), result.nodes.len());
    for (verb, values) in [("takes  ", &result.inputs), ("returns", &result.outputs)] {
        for value in values {
            note!("  {verb}  {} {}", name(&value.name), name(&value.ty.to_string()));
        }
    }
    Ok(Done::Fully)
}
