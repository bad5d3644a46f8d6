use std::collections::BTreeMap;
use std::path::PathBuf;

use kennard_graph::{
    Graph, GraphError, Method, ModelFile, Node, Region, bound, gradient, infer, simplify, simplify_keeping,
    undifferentiable,
};
use serde_json::json;

use crate::grad::in_floats;
use crate::out::name;
use crate::settings::Ends;
use crate::{Done, Ended};

#[derive(clap::Args)]
pub struct Args {
    /// The model, an ONNX file
    model: PathBuf,
    #[command(flatten)]
    ends: Ends,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Ended {
    let file = ModelFile::open(&args.model)?;
    let model = args.ends.graph(&file)?;
    let (classifier, is_whole) = match args.ends.classifier(&file) {
        Ok(classifier) => (classifier, true),
        Err(_) => (model.clone(), false),
    };
    let graph = simplify(&model)?;
    let types = infer(&graph)?;
    let weights: usize = model.constants.values().filter(|t| t.dtype().is_float()).map(|t| t.len()).sum();
    let stuck = undifferentiable(&graph);
    let no_scores = classifier.single_output().is_ok().then(|| classifier.scores().err()).flatten();
    let tries = is_whole && stuck.is_empty() && no_scores.is_none();
    let refusal = tries.then(|| gradient_refusal(&classifier)).flatten();
    let unbounded = bound(&classifier, Method::CrownOverIntervals, Region::Box, 1).err();
    let shape = |value: &str| types.get(value).map_or("?".into(), |ty| ty.to_string());
    let mut operators: BTreeMap<&str, usize> = BTreeMap::new();
    for node in &graph.nodes {
        *operators.entry(&node.op).or_default() += 1;
    }
    let values = |values: &[kennard_graph::Value]| -> Vec<(String, String)> {
        values.iter().map(|v| (v.name.clone(), v.ty.to_string())).collect()
    };
    let (inputs, outputs) = (values(&model.inputs), values(&model.outputs));
    if args.json {
        let nodes = graph.nodes.iter().map(|node| {
            let outputs: Vec<String> = node.outputs.iter().map(|name| shape(name)).collect();
            json!({"name": node.label(), "operator": node.op, "outputs": outputs})
        });
        let report = json!({
            "model": args.model.display().to_string(), "inputs": inputs, "outputs": outputs, "parameters": weights,
            "operators": operators, "nodes": nodes.collect::<Vec<_>>(),
            "undifferentiable": undifferentiable_as_json(&stuck, refusal.as_ref()),
            "unattackable": no_scores.map(|problem| problem.to_string()),
            "unbounded": unbounded.map(|error| match error {
                GraphError::NoBound { node, op } => json!({"name": node, "operator": op}),
                other => json!({"problem": other.to_string()}),
            }),
        });
        crate::out::json(&format!("{report:#}\n"));
        return Ok(Done::Fully);
    }
    say!("{}", name(&args.model.display().to_string()));
    for (what, list) in [("takes", inputs), ("returns", outputs)] {
        for (value, ty) in list {
            say!("  {what:8} {} {}", name(&value), name(&ty));
        }
    }
    say!("  weights  {weights}");
    say!("\n{} nodes as given, {} simplified", model.nodes.len(), graph.nodes.len());
    for (operator, count) in &operators {
        say!("  {count:5}  {}", name(operator));
    }
    say!("\nlayers");
    for node in &graph.nodes {
        let outputs: Vec<String> = node.outputs.iter().map(|name| shape(name)).collect();
        say!("  {:24} {:32} {}", name(&node.op), name(node.label()), name(&outputs.join(" ")));
    }
    if let Some(problem) = no_scores {
        say!("\ncannot be attacked: {}", name(&problem.to_string()));
        return Ok(Done::Fully);
    }
    say_differentiable(&stuck, refusal.as_ref());
    match unbounded {
        None => say!("every operator can be bounded"),
        Some(GraphError::NoBound { node, op }) => {
            say!("\ncan be attacked, cannot be bounded:\n  {:24} {}", name(&op), name(&node));
        }
        Some(_) if classifier.inputs.len() > 1 => {
            say!("\ncan be attacked and bounded when --input names one of its inputs, and --hold the others");
        }
        Some(other) => say!("\ncannot be bounded: {}", name(&other.to_string())),
    }
    Ok(Done::Fully)
}

/// Why the answer of a classifier has no gradient with respect to its input, though all its operators have rules: a rule may lack a
/// mode. `grad` and attacks fail likewise.
fn gradient_refusal(classifier: &Graph) -> Option<GraphError> {
    let (input, output) = (classifier.single_input().ok()?, classifier.single_output().ok()?);
    if !output.ty.dtype.is_float() {
        return None;
    }
    let made = in_floats(classifier.clone()).and_then(|graph| {
        let graph = simplify_keeping(&graph, &[&input.name])?;
        gradient(&graph, &output.name, &[&input.name])
    });
    made.err()
}

/// The nodes that cannot be differentiated, and why, where that is not the operator.
fn undifferentiable_as_json(stuck: &[&Node], refusal: Option<&GraphError>) -> Vec<serde_json::Value> {
    let lacking = stuck.iter().map(|node| json!({"name": node.label(), "operator": node.op}));
    let refused = refusal.map(|error| match error {
        GraphError::NoRule { node, op } => json!({"name": node, "operator": op}),
        GraphError::Node { node, op, message } => json!({"name": node, "operator": op, "reason": message}),
        other => json!({"reason": other.to_string()}),
    });
    lacking.chain(refused).collect()
}

fn say_differentiable(stuck: &[&Node], refusal: Option<&GraphError>) {
    if stuck.is_empty() && refusal.is_none() {
        say!("\nevery operator can be differentiated");
        return;
    }
    say!("\ncannot be differentiated (attacks that need no gradient still work):");
    for node in stuck {
        say!("  {:24} {}", name(&node.op), name(node.label()));
    }
    match refusal {
        None => {}
        Some(GraphError::NoRule { node, op }) => say!("  {:24} {}", name(op), name(node)),
        Some(GraphError::Node { node, op, message }) => {
            say!("  {:24} {}: {}", name(op), name(node), name(message));
        }
        Some(other) => say!("  {}", name(&other.to_string())),
    }
}
