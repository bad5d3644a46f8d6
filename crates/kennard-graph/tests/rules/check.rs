use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use kennard_graph::{
    Builder, DType, Graph, Result, Shape, Tensor, TensorType, Value, define, gradient, gradient_name,
};
use ndarray::Dimension;
use serde_json::json;

use crate::case::{Case, uniform};
use crate::rten::Runner;

/// The scalar that a case is differentiated for.
const OBJECTIVE: &str = "objective";

/// Step of the differences in single precision.
const STEP: f64 = 1e-2;

/// How far the gradient may be from the differences, relative to the largest entry (or to 1).
const TOLERANCE: f32 = 2e-3;

/// Operators that ONNX has, or defines by others, in single precision alone.
const SINGLE: [&str; 3] = ["Celu", "GroupNormalization", "MeanVarianceNormalization"];

/// A scalar as a function of its inputs, and graphs that should compute its gradient.
struct Derivative {
    name: String,
    /// All that is differentiated for is an input here.
    function: Graph,
    gradients: Vec<Graph>,
}

/// Differentiates a case and compares with differences.
pub fn check(case: &Case) -> Result<(), String> {
    for derivative in derivatives(case).map_err(|e| e.to_string())? {
        write(case, &derivative).map_err(|e| e.to_string())?;
        if case.rten {
            compare(case, &derivative).map_err(|message| format!("{}: {message}", derivative.name))?;
        }
    }
    Ok(())
}

/// The first derivative and, if wanted, the second, each with constants as constants and as inputs.
fn derivatives(case: &Case) -> Result<Vec<Derivative>> {
    let wrt: Vec<&str> = case.wrt.iter().map(String::as_str).collect();
    let outputs: Vec<String> = case.graph.outputs.iter().map(|v| v.name.clone()).collect();
    let fixed = with_objective(&case.graph, &outputs, true)?;
    let free = with_inputs(&fixed, case);
    let gradients = [gradient(&fixed, OBJECTIVE, &wrt)?, gradient(&free, OBJECTIVE, &wrt)?];
    let file = case.name.replace(['/', ' '], "-");
    let mut all = Vec::new();
    if case.twice {
        let again = |graph: &Graph| {
            let graph = gradients_renamed(graph, &wrt);
            with_objective(&graph, &wrt.iter().map(|name| format!("first/{name}")).collect::<Vec<_>>(), false)
        };
        let [fixed, free] = [again(&gradients[0])?, again(&gradients[1])?];
        let gradients = vec![gradient(&fixed, OBJECTIVE, &wrt)?, gradient(&free, OBJECTIVE, &wrt)?];
        all.push(Derivative { name: format!("{file}.second"), function: free, gradients });
    }
    all.push(Derivative { name: format!("{file}.first"), function: free, gradients: gradients.into() });
    for derivative in &mut all {
        derivative.function.outputs.retain(|v| v.name == OBJECTIVE);
        derivative.function.prune();
        for graph in &mut derivative.gradients {
            graph.outputs.retain(|v| v.name == OBJECTIVE || wrt.iter().any(|w| v.name == gradient_name(w)));
            graph.prune();
        }
    }
    Ok(all)
}

/// With an output `Σ w·(y + y²/2)` over all float `outputs` y, or `Σ w·y`, with fixed random w that
/// are the same for all samples. The square gives linear operators a second derivative.
fn with_objective(graph: &Graph, outputs: &[String], squared: bool) -> Result<Graph> {
    let builder = Builder::new(graph)?;
    let mut sum = None;
    for (seed, name) in outputs.iter().enumerate() {
        let y = builder.var(name)?;
        let TensorType { dtype, shape } = y.ty()?;
        if !dtype.is_float() {
            continue;
        }
        let extents: Vec<usize> = shape.0.iter().map(|d| d.known().unwrap_or(1)).collect();
        let weights = builder.constant(uniform(&extents, -1.0, 1.0, 1000 + seed as u64));
        let bent = if squared { y + 0.5 * y * y } else { y };
        let axes: Vec<usize> = (0..shape.rank()).collect();
        let term = (bent * weights).reduce("ReduceSum", &axes, false);
        sum = Some(sum.map_or(term, |sum| sum + term));
    }
    builder.clear_outputs();
    for value in &graph.outputs {
        builder.output(&format!("kept/{}", value.name), builder.var(&value.name)?);
    }
    builder.output(OBJECTIVE, sum.expect("a float output"));
    builder.finish()
}

/// The constants that are differentiated for made inputs.
fn with_inputs(graph: &Graph, case: &Case) -> Graph {
    let mut graph = graph.clone();
    for name in &case.wrt {
        if let Some(tensor) = graph.constants.remove(name) {
            let ty = TensorType { dtype: tensor.dtype(), shape: Shape::fixed(tensor.shape()) };
            graph.inputs.push(Value { name: name.clone(), ty });
        }
    }
    graph
}

/// The gradients under other names, and no objective, so that it can be differentiated again.
fn gradients_renamed(graph: &Graph, wrt: &[&str]) -> Graph {
    let mut names: BTreeMap<String, String> =
        wrt.iter().map(|w| (gradient_name(w), format!("first/{w}"))).collect();
    names.insert(OBJECTIVE.into(), "first objective".into());
    let mut graph = graph.clone();
    let rename = |name: &mut String| {
        if let Some(new) = names.get(name) {
            *name = new.clone();
        }
    };
    for node in &mut graph.nodes {
        rename(&mut node.name);
        node.inputs.iter_mut().chain(&mut node.outputs).for_each(rename);
    }
    graph.outputs.retain(|v| v.name.starts_with("gradient/"));
    graph.outputs.iter_mut().for_each(|v| rename(&mut v.name));
    graph
}

/// Compares every entry of every gradient with central differences, in rten.
fn compare(case: &Case, derivative: &Derivative) -> Result<(), String> {
    let function = Runner::new(&derivative.function)?;
    let objective = |values: &BTreeMap<String, Tensor>| -> Result<f64, String> {
        Ok(function.run(values)?[OBJECTIVE].first().copied().unwrap().into())
    };
    let analytic: Vec<_> = derivative
        .gradients
        .iter()
        .map(|g| Runner::new(g)?.run(&case.values))
        .collect::<Result<_, String>>()?;
    for name in &case.wrt {
        let Tensor::F32(point) = &case.values[name] else { return Err(format!("`{name}` is no f32")) };
        let mut differences = point.to_owned();
        let mut values = case.values.clone();
        for (index, d) in differences.indexed_iter_mut() {
            let mut at = |offset: f64| {
                let mut moved = point.clone();
                moved[&index] += offset as f32;
                let taken = f64::from(moved[&index]);
                values.insert(name.clone(), Tensor::F32(moved));
                objective(&values).map(|value| (taken, value))
            };
            let ((x1, y1), (x0, y0)) = (at(STEP)?, at(-STEP)?);
            *d = ((y1 - y0) / (x1 - x0)) as f32;
        }
        let scale = differences.iter().fold(1.0f32, |m, d| m.max(d.abs()));
        for (graph, kind) in analytic.iter().zip(["constants fixed", "constants as inputs"]) {
            let g = &graph[&gradient_name(name)];
            if g.shape() != differences.shape() {
                return Err(format!("{kind}: the gradient of `{name}` has shape {:?}", g.shape()));
            }
            for ((index, g), d) in g.indexed_iter().zip(&differences) {
                let error = (g - d).abs() / scale;
                if error.is_nan() || error > TOLERANCE {
                    let at = index.slice();
                    return Err(format!(
                        "{kind}: gradient of `{name}` at {at:?} is {g}, differences give {d}"
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Writes the graphs in both precisions, and the point, for `references/check_rules.py`.
fn write(case: &Case, derivative: &Derivative) -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::var_os("KENNARD_RULE_CASES")
        .map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("rule-cases"), PathBuf::from);
    fs::create_dir_all(&folder)?;
    for (dtype, precision) in [(DType::F32, "f32"), (DType::F64, "f64")] {
        let save = |graph: &Graph, what: &str| -> Result<(), Box<dyn std::error::Error>> {
            let file = folder.join(format!("{}.{what}.{precision}.onnx", derivative.name));
            let graph = define(graph, |node| dtype == DType::F64 && SINGLE.contains(&node.op.as_str()))?;
            Ok(fs::write(file, graph.with_floats(dtype).to_bytes())?)
        };
        save(&derivative.function, "function")?;
        save(&derivative.gradients[0], "gradient")?;
        save(&derivative.gradients[1], "gradient-free")?;
    }
    let value = |tensor: &Tensor| {
        let (floats, ints) = (tensor.to_floats(), tensor.to_ints());
        json!({"dtype": tensor.dtype().code(), "shape": tensor.shape(), "floats": floats, "ints": ints})
    };
    let values: BTreeMap<&str, _> = case.values.iter().map(|(n, t)| (n.as_str(), value(t))).collect();
    let point = json!({"wrt": case.wrt, "values": values});
    fs::write(folder.join(format!("{}.json", derivative.name)), serde_json::to_string(&point)?)?;
    Ok(())
}
