//! Transforms at a classifier's two ends: the user's pixel space in front, logits behind.

use crate::{
    Builder, DType, Dim, Graph, GraphError, Names, Node, Result, Shape, Tensor, TensorType, Value, Var,
};

/// The classifier that takes `x` where the given one takes `(x − mean) / std`, channel by channel.
/// `mean` and `std` have one element per channel (axis 1 of the input) or one for all.
///
/// # Errors
/// When their lengths do not fit the input, a mean is no finite number, or a standard deviation is not positive and finite.
pub fn normalize(graph: &Graph, mean: &[f32], std: &[f32]) -> Result<Graph> {
    let input = graph.single_input()?;
    let rank = input.ty.shape.rank();
    let channels = input.ty.shape.0.get(1).and_then(|d| d.known()).unwrap_or(1);
    if [mean, std].iter().any(|v| v.len() != channels && v.len() != 1) {
        return Err(GraphError::Shape(format!(
            "normalisation has {} means and {} deviations, the input `{}` has {channels} channels",
            mean.len(),
            std.len(),
            input.name
        )));
    }
    if let Some(mean) = mean.iter().find(|mean| !mean.is_finite()) {
        return Err(GraphError::Shape(format!("a mean is {mean}; it must be a finite number")));
    }
    if let Some(std) = std.iter().find(|std| !(**std > 0.0 && std.is_finite())) {
        return Err(GraphError::Shape(format!(
            "a standard deviation is {std}; pixels are divided by it, so it must be positive and finite"
        )));
    }
    let dtype = input.ty.dtype;
    let per_channel = |values: &[f32]| {
        let mut shape = vec![1; rank];
        if let Some(axis) = shape.get_mut(1) {
            *axis = values.len();
        }
        let array = ndarray::ArrayD::from_shape_vec(shape, values.to_vec());
        let array = array.map_err(|e| GraphError::Shape(format!("normalisation: {e}")))?;
        Ok::<_, GraphError>(Tensor::from(array).to_float_type(dtype))
    };
    let (mean, std) = (per_channel(mean)?, per_channel(std)?);
    prepend(graph, input.ty.clone(), |x| (x - x.builder().constant(mean)) / x.builder().constant(std))
}

/// The classifier that takes `x` where the given one takes `factor · x`.
///
/// # Errors
/// When the graph has not exactly one input.
pub fn scale(graph: &Graph, factor: f64) -> Result<Graph> {
    prepend(graph, graph.single_input()?.ty.clone(), |x| x * factor)
}

/// The classifier that takes `w` where the given one takes `factor · w + shift`, element by element, no element outside
/// `[lo, hi]`. `factors` and `shifts` have one number for each element of a sample.
///
/// # Errors
/// When their lengths do not fit the input.
pub fn stretch(graph: &Graph, factors: &[f32], shifts: &[f32], [lo, hi]: [f32; 2]) -> Result<Graph> {
    let input = graph.single_input()?;
    let dims: Vec<usize> = input.ty.shape.0.iter().skip(1).filter_map(|d| d.known()).collect();
    let elements: usize = dims.iter().product();
    if factors.len() != elements || shifts.len() != elements {
        return Err(GraphError::Shape(format!(
            "there are {} factors and {} shifts, a sample of the input `{}` has {elements} elements",
            factors.len(),
            shifts.len(),
            input.name
        )));
    }
    let dtype = input.ty.dtype;
    let shape: Vec<usize> = [1].into_iter().chain(dims).collect();
    let constant = |values: &[f32]| {
        let array = ndarray::ArrayD::from_shape_vec(shape.clone(), values.to_vec());
        let array = array.map_err(|e| GraphError::Shape(format!("the input `{}`: {e}", input.name)))?;
        Ok::<_, GraphError>(Tensor::from(array).to_float_type(dtype))
    };
    let (factors, shifts) = (constant(factors)?, constant(shifts)?);
    prepend(graph, input.ty.clone(), |w| {
        let builder = w.builder();
        let x = w * builder.constant(factors) + builder.constant(shifts);
        builder.op("Clip", &[Some(x), Some(x.number(f64::from(lo))), Some(x.number(f64::from(hi)))], &[])
    })
}

/// The classifier that takes images as `[N, C, H, W]` where the given one takes `[N, H, W, C]`.
///
/// # Errors
/// When the input has not rank 4.
pub fn nhwc(graph: &Graph) -> Result<Graph> {
    let input = graph.single_input()?;
    let &[n, h, w, c] = input.ty.shape.0.as_slice() else {
        return Err(GraphError::Shape(format!(
            "channels-last images have the shape [N, H, W, C], the input `{}` is {}",
            input.name, input.ty
        )));
    };
    let outside = TensorType::new(input.ty.dtype, vec![n, c, h, w]);
    prepend(graph, outside, |x| x.transpose(&[0, 2, 3, 1]))
}

/// The classifier that takes samples of another shape with as many elements, in the same order.
///
/// # Errors
/// When the number of elements differs.
pub fn reshape_input(graph: &Graph, sample: &[usize]) -> Result<Graph> {
    let input = graph.single_input()?;
    let inside = input.ty.shape.clone();
    let Some((&batch, rest)) = inside.0.split_first() else {
        return Err(GraphError::Shape(format!("the input `{}` is a scalar", input.name)));
    };
    let count = |dims: &[usize]| dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
    let known: Option<Vec<usize>> = rest.iter().map(|d| d.known()).collect();
    if known.is_none_or(|dims| count(&dims) != count(sample)) {
        return Err(GraphError::Shape(format!(
            "samples of shape {} do not fit the input `{}` {}",
            Shape::fixed(sample),
            input.name,
            input.ty
        )));
    }
    let dims = [batch].into_iter().chain(sample.iter().map(|&n| Dim::Known(n))).collect::<Vec<_>>();
    prepend(graph, TensorType::new(input.ty.dtype, dims), |x| x.reshape(&inside))
}

/// The classifier with its closing `Softmax` removed, if it has one: logits instead of
/// probabilities. (The logits are `ln p` up to a constant per sample, which no loss sees.)
pub fn strip_softmax(graph: &Graph) -> Option<Graph> {
    let last = closing(graph, |node| node.op == "Identity")?;
    let graph = &without_share(graph, last).unwrap_or_else(|| graph.clone());
    let last = closing(graph, |node| node.op == "Identity")?;
    let rank = graph.outputs[0].ty.shape.rank() as i64;
    let over_classes = [-1, rank - 1].contains(&graph.nodes[last].int("axis", -1));
    (graph.nodes[last].op == "Softmax" && over_classes).then(|| without(graph, last))
}

/// The graph in which a node that divides by the sum of absolute values over classes passes its input on: scikit-learn's
/// converter puts a `Normalizer` behind probabilities, which have that sum.
fn without_share(graph: &Graph, node: usize) -> Option<Graph> {
    let producers = graph.producers();
    let made = |name: Option<&str>| producers.get(name?).map(|&i| &graph.nodes[i]);
    let share = &graph.nodes[node];
    // The divisor is the sum, and 1 more where that is 0.
    let divisor = made(share.input(1)).filter(|n| share.op == "Div" && n.op == "Add")?;
    let sum = made(divisor.input(0)).filter(|n| n.op == "ReduceL1" && n.input(0) == share.input(0))?;
    let over_classes = graph.constants.get(sum.input(1)?)?.to_ints()? == [1];
    let at_zero = made(divisor.input(1)).filter(|n| n.op == "Cast").and_then(|n| made(n.input(0)))?;
    let fits = over_classes && at_zero.op == "Equal" && at_zero.input(0) == divisor.input(0);
    fits.then(|| without(graph, node)).map(|mut graph| {
        graph.nodes[node].inputs.truncate(1);
        graph
    })
}

/// The graph with its closing `Sigmoid` removed, if it has one: log-odds instead of probabilities.
pub fn strip_sigmoid(graph: &Graph) -> Option<Graph> {
    const ARRANGING: [&str; 6] = ["Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"];
    let last = closing(graph, |node| ARRANGING.contains(&node.op.as_str()))?;
    (graph.nodes[last].op == "Sigmoid").then(|| without(graph, last))
}

/// The last node before those that are passed over.
fn closing(graph: &Graph, passed: impl Fn(&Node) -> bool) -> Option<usize> {
    let producers = graph.producers();
    let mut last = *producers.get(graph.single_output().ok()?.name.as_str())?;
    while passed(&graph.nodes[last]) {
        last = *producers.get(graph.nodes[last].input(0)?)?;
    }
    Some(last)
}

/// The graph in which this node passes its input on.
fn without(graph: &Graph, node: usize) -> Graph {
    let mut graph = graph.clone();
    graph.nodes[node].op = "Identity".into();
    graph.nodes[node].attributes.clear();
    graph
}

/// The classifier in two classes `[N, 2]` where the given graph returns one number `y` per sample, `[N, 1]`: its outputs are
/// `constant` and `y`.
///
/// # Errors
/// When the graph has not exactly one output.
pub fn against(graph: &Graph, constant: f64) -> Result<Graph> {
    append(graph, |y| {
        let pads = y.builder().ints(&[0, 1, 0, 0]);
        y.builder().op("Pad", &[Some(y), Some(pads), Some(y.number(constant))], &[])
    })
}

/// The graph that returns the second of the two outputs per sample, `[N, 1]`.
///
/// # Errors
/// When the graph has not exactly one output.
pub fn second_of_two(graph: &Graph) -> Result<Graph> {
    append(graph, |y| y.slice(&[1], &[1], &[2], &[1]))
}

/// The graph that returns `ln (p / (1 − p))` where the given one returns probabilities `p` (those nearer than 10⁻³⁰ to 0, or
/// than 6·10⁻⁸ to 1, count as that far away).
///
/// # Errors
/// When the graph has not exactly one output.
pub fn log_odds(graph: &Graph) -> Result<Graph> {
    append(graph, |p| {
        let (no, yes) = ((1.0 - p).with("Max", p.number(6e-8)), p.with("Max", p.number(1e-30)));
        yes.apply("Log") - no.apply("Log")
    })
}

/// The classifier that returns `ln p` where the given one returns probabilities `p` (those below
/// 10⁻³⁰ count as 10⁻³⁰).
///
/// # Errors
/// When the graph has not exactly one output.
pub fn log_probabilities(graph: &Graph) -> Result<Graph> {
    append(graph, |p| p.with("Max", p.number(1e-30)).apply("Log"))
}

/// The graph that returns the integers of the given one as floats.
///
/// # Errors
/// When the graph has not exactly one output.
pub fn numbers(graph: &Graph) -> Result<Graph> {
    append(graph, |y| y.cast(DType::F32))
}

/// The classifier whose logits are the given one's divided by `temperature`.
///
/// # Errors
/// When the graph has not exactly one output, or the temperature is not positive and finite in single precision, or its
/// inverse is not.
pub fn temper(graph: &Graph, temperature: f64) -> Result<Graph> {
    let usable = |number: f64| number as f32 > 0.0 && (number as f32).is_finite();
    if !(usable(temperature) && usable(1.0 / temperature)) {
        return Err(GraphError::Temperature(temperature));
    }
    append(graph, |z| z * (1.0 / temperature))
}

/// The classifier with logits of shape `[N, K]` where the given one has `[N, K, 1, …]`, or `[N]`.
///
/// # Errors
/// When the only output has another shape.
pub fn flatten_output(graph: &Graph) -> Result<Graph> {
    let output = graph.single_output()?;
    match output.ty.shape.0.as_slice() {
        [_, Dim::Known(_)] => Ok(graph.clone()),
        [n] => append(graph, |z| z.reshape(&Shape(vec![*n, Dim::Known(1)]))),
        [n, k @ Dim::Known(_), rest @ ..] if rest.iter().all(|d| *d == Dim::Known(1)) => {
            append(graph, |z| z.reshape(&Shape(vec![*n, *k])))
        }
        _ => Err(GraphError::Shape(format!(
            "a classifier returns logits of shape [N, classes], the output `{}` is {}",
            output.name, output.ty
        ))),
    }
}

/// Puts `f` in front of the graph: its input is given the type `outside`, and what `f` makes of it
/// goes where the input went. The input keeps its name.
fn prepend(graph: &Graph, outside: TensorType, f: impl for<'b> FnOnce(Var<'b>) -> Var<'b>) -> Result<Graph> {
    let name = graph.single_input()?.name.clone();
    let mut bare = graph.clone();
    bare.inputs[0].ty = outside;
    let builder = Builder::without_nodes(&bare)?;
    let inside = f(builder.var(&name)?).name();
    for node in &graph.nodes {
        let mut node = node.clone();
        for input in node.inputs.iter_mut().filter(|input| **input == name) {
            input.clone_from(&inside);
        }
        builder.push(node);
    }
    builder.finish()
}

/// Puts `f` behind the graph's only output. The output keeps its name.
fn append(graph: &Graph, f: impl for<'b> FnOnce(Var<'b>) -> Var<'b>) -> Result<Graph> {
    let Value { name, ty } = graph.single_output()?.clone();
    let mut renamed = graph.clone();
    let inner = Names::of(graph).fresh(&format!("{name}/before"));
    let tensors =
        renamed.nodes.iter_mut().flat_map(|Node { inputs, outputs, .. }| inputs.iter_mut().chain(outputs));
    for tensor in tensors.filter(|tensor| **tensor == name) {
        tensor.clone_from(&inner);
    }
    let builder = Builder::new(&Graph { outputs: Vec::new(), ..renamed })?;
    // Of an operator that inference does not know the file says what it returns.
    builder.assume(&inner, ty);
    builder.output(&name, f(builder.var(&inner)?));
    builder.finish()
}
