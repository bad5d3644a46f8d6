use std::path::PathBuf;

use clap::builder::PossibleValue;
use kennard::Result;
use kennard_graph::{Graph, Method, ModelFile, Region, bound, flatten_output, strip_softmax};

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
    bounding: Bounding,
}

parts! {
    /// Bounds of a model.
    Bounding {
        enclosure: Enclosure,
        ends: Ends,
    }
}

impl Bounding {
    /// The bounds of a file's model as a graph of its own.
    pub fn of_model(&self, file: &ModelFile) -> Result<Graph> {
        self.enclosure.of_model(&self.ends.classifier(file)?)
    }
}

part! {
    /// How a model is bounded, and over what.
    Enclosure {
        /// How bounds are computed [default: crown]
        #[arg(long, value_parser = METHODS.map(|(name, _, about)| PossibleValue::new(name).help(about)))]
        method: String,
        /// The ball that the input stays in, within its box: linf (the box alone), l2 or l1 [default: linf]
        #[arg(long, value_parser = BALLS.map(|(name, _)| name))]
        norm: String,
        /// Rows of the specification for each sample [default: the classes less one]
        #[arg(long, value_name = "N")]
        rows: usize,
    }
}

/// Methods by name, and what the help says of each.
const METHODS: [(&str, Method, &str); 3] = [
    ("intervals", Method::Intervals, "Intervals: fast and wide"),
    (
        "crown-over-intervals",
        Method::CrownOverIntervals,
        "CROWN from the outputs, with hidden tensors by intervals",
    ),
    ("crown", Method::Crown, "CROWN from the outputs and from every element of hidden tensors"),
];

/// The balls of the norms.
const BALLS: [(&str, Region); 3] = [("linf", Region::Box), ("l2", Region::L2), ("l1", Region::L1)];

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
        let methods = METHODS.map(|(name, method, _)| (name, method));
        let method = by_name("method of bounds", self.method.as_deref().unwrap_or("crown"), &methods)?;
        let region = by_name("norm of bounds", self.norm.as_deref().unwrap_or("linf"), &BALLS)?;
        Ok(bound(&logits, method, region, rows)?)
    }
}

pub fn run(args: &Args) -> Ended {
    crate::source::apart(&args.out, &args.model)?;
    let result = args.bounding.of_model(&ModelFile::open(&args.model)?)?;
    result.save(&args.out)?;
    note!("{}: {} nodes", args.out.display(), result.nodes.len());
    for (verb, values) in [("takes  ", &result.inputs), ("returns", &result.outputs)] {
        for value in values {
            note!("  {verb}  {} {}", name(&value.name), name(&value.ty.to_string()));
        }
    }
    Ok(Done::Fully)
}
