//! What a file may ask for. A runtime divides integers by zero and the process dies; it makes a tensor as
//! large as it is told to. So what no honest classifier needs is refused when the file is read.

mod work;

use std::collections::{HashMap, HashSet};

use work::Sums;

use super::format::format_error;
use crate::infer::{Sym, Symbolic, Types};
use crate::{DType, Dim, Graph, Node, Result, Shape, TensorType, fold};

/// Nodes in a graph, functions inlined.
const NODES: usize = 50_000;
/// Nodes of which each reads the one before: runtimes and compilers go down such chains on their stack.
const CHAIN: usize = 10_000;
/// Elements of a vector that holds one or two numbers per axis.
const AXES: usize = 128;

/// Which inputs say how large the result is.
const SIZES: &[(&str, &[usize])] = &[
    ("ConstantOfShape", &[0]),
    ("Expand", &[1]),
    ("OneHot", &[1]),
    ("Pad", &[1]),
    ("Range", &[0, 1, 2]),
    ("Resize", &[2, 3]),
    ("Tile", &[1]),
];

/// Which inputs have one or two elements per axis.
const PER_AXIS: &[(&str, &[usize])] = &[
    ("ConstantOfShape", &[0]),
    ("Expand", &[1]),
    ("Pad", &[1, 3]),
    ("Reshape", &[1]),
    ("Resize", &[1, 2, 3]),
    ("Slice", &[1, 2, 3, 4]),
    ("Squeeze", &[1]),
    ("Tile", &[1]),
    ("Unsqueeze", &[1]),
];

/// Operators whose results have extents that depend on the data.
const DATA_SIZED: &[&str] = &["Compress", "NonZero", "Unique"];

/// Checks a graph of which `types` are known.
///
/// # Errors
/// When it asks for what is refused; the message names the node.
pub(super) fn check(graph: &Graph, types: &Types) -> Result<()> {
    if graph.nodes.len() > NODES {
        return Err(format_error(format!("it has {} nodes, more than {NODES}", graph.nodes.len())));
    }
    check_chain(graph)?;
    let mut sums = Sums::new(graph);
    let mut traced = Traced::new(graph, types);
    for node in &graph.nodes {
        check_vectors(node, types)?;
        traced.check_size(node)?;
        check_division(node, graph, types)?;
        sums.add(node, types, traced.step(node))?;
    }
    Ok(())
}

fn check_chain(graph: &Graph) -> Result<()> {
    let mut depths: HashMap<&str, usize> = HashMap::new();
    for node in &graph.nodes {
        let before = node.inputs.iter().filter_map(|name| depths.get(name.as_str())).max();
        let depth = before.map_or(1, |depth| depth + 1);
        if depth > CHAIN {
            return Err(node.error(format!(
                "it stands at the end of a chain of more than {CHAIN} nodes, which runtimes do not survive; export \
                 the model with fewer steps"
            )));
        }
        depths.extend(node.outputs.iter().map(|name| (name.as_str(), depth)));
    }
    Ok(())
}

fn of(table: &[(&str, &'static [usize])], op: &str) -> &'static [usize] {
    table.iter().find(|(name, _)| *name == op).map_or(&[], |(_, inputs)| inputs)
}

fn check_vectors(node: &Node, types: &Types) -> Result<()> {
    let reduction: &[usize] = if node.op.starts_with("Reduce") { &[1] } else { &[] };
    for &i in of(PER_AXIS, &node.op).iter().chain(reduction) {
        let length =
            node.input(i).and_then(|name| types.get(name)).and_then(|ty| ty.shape.0.first().copied());
        if let Some(Dim::Known(length)) = length
            && length > AXES
        {
            return Err(node.error(format!("its input {i} names {length} axes, more than a tensor can have")));
        }
    }
    Ok(())
}

/// Which tensors depend on the inputs.
struct Traced<'g> {
    types: &'g Types,
    /// What a caller feeds is the caller's choice, not the file's.
    inputs: HashSet<&'g str>,
    /// Tensors that depend on them in any way, through a shape too.
    fed: HashSet<&'g str>,
    /// Tensors whose elements do.
    by_value: HashSet<&'g str>,
    /// Tensors whose extents depend on the inputs' elements.
    by_extent: HashSet<&'g str>,
}

impl<'g> Traced<'g> {
    fn new(graph: &'g Graph, types: &'g Types) -> Traced<'g> {
        let names = |floats: bool| {
            let chosen = graph.inputs.iter().filter(move |v| v.ty.dtype.is_float() || !floats);
            chosen.map(|v| v.name.as_str()).collect::<HashSet<&str>>()
        };
        // Integers that a caller feeds are labels and the like, and no pixels.
        Traced {
            types,
            inputs: names(false),
            fed: graph.reached(names(false), |_| true),
            by_value: names(true),
            by_extent: HashSet::new(),
        }
    }

    fn check_size(&self, node: &Node) -> Result<()> {
        let unknown = node.outputs.iter().any(|name| !name.is_empty() && self.types.get(name).is_none());
        let by_value = |i: &usize| {
            node.input(*i).is_some_and(|name| self.by_value.contains(name) && !self.inputs.contains(name))
        };
        if unknown && of(SIZES, &node.op).iter().any(by_value) {
            return Err(node.error(
                "how large its result is depends on the values of the input, so that it has no bound; export the model \
                 with fixed shapes",
            ));
        }
        Ok(())
    }

    /// Whether the node depends on an input.
    fn step(&mut self, node: &'g Node) -> bool {
        let outputs = || node.outputs.iter().filter(|name| !name.is_empty()).map(String::as_str);
        let by_extent = node.reads(&self.by_extent);
        let by_value = if node.asks_extents() { by_extent } else { node.reads(&self.by_value) };
        if by_value {
            self.by_value.extend(outputs());
        }
        if !node.asks_extents() && (by_extent || by_value && DATA_SIZED.contains(&node.op.as_str())) {
            self.by_extent.extend(outputs().filter(|name| self.types.get(name).is_none()));
        }
        node.reads(&self.fed)
    }
}

/// Refuses to divide integers by 0, or the least by −1: the processor stops the program.
fn check_division(node: &Node, graph: &Graph, types: &Types) -> Result<()> {
    if !matches!(node.op.as_str(), "Div" | "Mod") {
        return Ok(());
    }
    let (Some(dividend), Some(divisor)) = (node.input(0), node.input(1)) else { return Ok(()) };
    let Some(dtype) = types.get(divisor).or(types.get(dividend)).map(|ty| ty.dtype) else { return Ok(()) };
    if dtype.is_float() || graph.inputs.iter().any(|input| input.name == divisor) {
        return Ok(());
    }
    let folded = std::cell::OnceCell::new();
    let known = |name: &str| {
        let followed = || types.value(name).map(|v: &Symbolic| v.iter().collect::<Vec<Sym>>());
        let all = |graph: &Graph| {
            let ints = graph.constants.get(name)?.to_ints()?;
            Some(ints.into_iter().map(Sym::Known).collect::<Vec<Sym>>())
        };
        let computed = || {
            let folded = folded.get_or_init(|| kept(graph, name).unwrap_or_default());
            all(folded)
        };
        followed().or_else(|| all(graph)).or_else(computed)
    };
    let Some(divisors) = known(divisor) else {
        return Err(node.error(
            "it divides integers by numbers that are known only while it runs; were one of them 0, the process would \
             end. Export the model with fixed shapes, or divide floats",
        ));
    };
    if divisors.contains(&Sym::Known(0)) {
        return Err(node.error("it divides integers by 0"));
    }
    let least = Sym::Known(if dtype == DType::I32 { i32::MIN.into() } else { i64::MIN });
    if divisors.contains(&Sym::Known(-1)) && known(dividend).is_none_or(|all| all.contains(&least)) {
        return Err(node.error(
            "it divides integers by −1, and they are or may be the least of their type, for which there is no result",
        ));
    }
    Ok(())
}

/// The graph of a tensor, folded.
fn kept(graph: &Graph, name: &str) -> Option<Graph> {
    let ty = TensorType::new(DType::I64, Shape::default());
    let output = "kennard/kept".to_string();
    let identity = Node {
        op: "Identity".into(),
        inputs: vec![name.into()],
        outputs: vec![output.clone()],
        ..Node::default()
    };
    let mut part = graph.clone();
    part.nodes.push(identity);
    part.outputs = vec![crate::Value { name: output, ty }];
    fold(&part).ok()
}
