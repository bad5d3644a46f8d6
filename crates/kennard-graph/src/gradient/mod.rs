//! Reverse-mode differentiation, graph → graph: one rule per operator, one file per family.
//!
//! With `L` the scalar to differentiate, every tensor `t` has an adjoint `∂L/∂t`. Walking the nodes
//! backwards, a node's rule turns the adjoints of its outputs into those of its inputs. Rules build
//! ordinary ONNX nodes, so a gradient graph can be differentiated again.

mod activation;
mod conv;
mod einsum;
mod elementwise;
mod index;
mod layout;
mod linear;
mod matmul;
mod normalization;
mod pool;
mod quantize;
mod reduce;
mod resize;
mod select;
mod softmax;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Deref;

pub(crate) use einsum::equation;

use crate::blocks::operator_of;
use crate::builder::Call;
use crate::define::{can_be_spelled, define_smoothly};
use crate::{Builder, Graph, GraphError, Node, Result, Var};

/// A rule gives the adjoints of a node's inputs, by [`Backward::give`].
type Rule = for<'a, 'b> fn(&Backward<'a, 'b>) -> Result<()>;

const TABLES: &[&[(&str, Rule)]] = &[
    activation::RULES,
    conv::RULES,
    einsum::RULES,
    elementwise::RULES,
    index::RULES,
    layout::RULES,
    matmul::RULES,
    normalization::RULES,
    pool::RULES,
    quantize::RULES,
    reduce::RULES,
    resize::RULES,
    select::RULES,
    softmax::RULES,
];

/// Operators that are flat almost everywhere, or whose results are no real numbers: no gradient
/// passes through them, and that is exact.
const STEPS: &[&str] = &[
    "ArgMax",
    "ArgMin",
    "Ceil",
    "ConstantOfShape",
    "Equal",
    "EyeLike",
    "Floor",
    "Greater",
    "GreaterOrEqual",
    "Hardmax",
    "IsInf",
    "IsNaN",
    "Less",
    "LessOrEqual",
    "NonZero",
    "Not",
    "And",
    "Or",
    "OneHot",
    "Round",
    "Shape",
    "Sign",
    "Size",
    "Xor",
];

fn rule(op: &str) -> Option<Rule> {
    TABLES.iter().copied().flatten().find(|(name, _)| *name == op).map(|(_, rule)| *rule)
}

/// Whether [`gradient`] knows this operator, apart from those it spells out by `define`: it has a
/// rule, or is flat almost everywhere.
pub fn has_rule(op: &str) -> bool {
    rule(op).is_some() || STEPS.contains(&op)
}

/// The output name under which [`gradient`] returns the gradient of the tensor `wrt`.
pub fn gradient_name(wrt: &str) -> String {
    format!("gradient/{wrt}")
}

/// The graph that computes, beside the outputs of `graph`, the gradient of `of` with respect to each
/// of `wrt` (inputs, hidden tensors, or constants), as outputs named by [`gradient_name`].
///
/// `of` has one element per sample, or is a scalar; its elements are summed. As samples do not mix,
/// the gradient with respect to the input holds each sample's own gradient; the gradient with respect
/// to a weight is the sum over the batch. A gradient has the shape of its tensor.
///
/// # Errors
/// When an operator between `wrt` and `of` has no rule, a name is unknown or no float tensor, or a
/// shape that a rule needs cannot be inferred.
pub fn gradient(graph: &Graph, of: &str, wrt: &[&str]) -> Result<Graph> {
    let results = wrt.iter().map(|name| gradient_name(name));
    let results: Vec<String> = results.filter(|name| name != of && !wrt.contains(&name.as_str())).collect();
    let graph = &graph.freeing(&results);
    let between = Path::new(graph, of, wrt);
    let composite = |node: &Node| between.crosses(node) && rule(&node.op).is_none() && can_be_spelled(node);
    let graph = define_smoothly(graph, composite)?;
    let path = Path::new(&graph, of, wrt);

    let builder = Builder::new(&graph)?;
    let loss = float(&builder, of)?;
    let seed = loss.number(1.0).expand_like(loss);
    let mut adjoints: HashMap<&str, Var> = HashMap::from([(of, seed)]);
    for node in graph.nodes.iter().rev().filter(|node| path.crosses(node)) {
        let outputs: Vec<Option<Var>> =
            node.outputs.iter().map(|name| adjoints.get(name.as_str()).copied()).collect();
        if outputs.iter().all(Option::is_none) {
            continue;
        }
        let given = given(node, &builder, outputs, &path)?;
        for (i, term) in given {
            let sum = |&other: &Var<'_>| builder.op("Add", &[Some(other), Some(term)], &[]);
            let adjoint = adjoints.get(node.inputs[i].as_str()).map_or(term, sum);
            adjoints.insert(&node.inputs[i], adjoint);
        }
    }
    for &name in wrt {
        let var = float(&builder, name)?;
        let adjoint = adjoints.get(name).copied().unwrap_or_else(|| var.number(0.0).expand_like(var));
        builder.output(&gradient_name(name), adjoint);
    }
    builder.finish()
}

/// The adjoints of a node's inputs, by its rule.
fn given<'b>(
    node: &Node,
    builder: &'b Builder,
    adjoints: Vec<Option<Var<'b>>>,
    path: &Path,
) -> Result<BTreeMap<usize, Var<'b>>> {
    let rule = rule(&node.op)
        .ok_or_else(|| GraphError::NoRule { node: node.label().into(), op: operator_of(node) })?;
    let backward = Backward { call: Call { node, builder }, adjoints, path, given: RefCell::default() };
    rule(&backward)?;
    Ok(backward.given.into_inner())
}

/// The adjoints of those inputs of a node that are among `wanted`, from those of its outputs: what a node that is linear
/// in them sends back. Its tensors must be the builder's.
///
/// # Errors
/// When the operator has no rule, or a shape that the rule needs is not known.
pub(crate) fn adjoints<'b>(
    node: &Node,
    builder: &'b Builder,
    outputs: Vec<Option<Var<'b>>>,
    wanted: &[&str],
) -> Result<BTreeMap<usize, Var<'b>>> {
    given(node, builder, outputs, &Path { tensors: wanted.iter().copied().collect() })
}

/// The nodes between the graph's inputs and its outputs whose operators have no gradient rule. A rule may still refuse a mode, which
/// [`gradient`] says.
pub fn undifferentiable(graph: &Graph) -> Vec<&Node> {
    let inputs: Vec<&str> = graph.inputs.iter().map(|v| v.name.as_str()).collect();
    let lacks_rule = |node: &&Node| rule(&node.op).is_none() && !can_be_spelled(node);
    let mut nodes: Vec<&Node> = Vec::new();
    for output in &graph.outputs {
        let path = Path::new(graph, &output.name, &inputs);
        let lacking = graph.nodes.iter().filter(|node| path.crosses(node)).filter(lacks_rule);
        nodes.extend(lacking.filter(|node| !nodes.contains(node)).collect::<Vec<_>>());
    }
    nodes
}

/// Whether all ways from a graph's inputs to its outputs lead through operators that are flat almost everywhere, so that its gradient
/// is 0.
pub fn is_flat(graph: &Graph) -> bool {
    let inputs: Vec<&str> = graph.inputs.iter().map(|v| v.name.as_str()).collect();
    graph.outputs.iter().all(|output| {
        let path = Path::new(graph, &output.name, &inputs);
        !inputs.contains(&output.name.as_str()) && !graph.nodes.iter().any(|node| path.crosses(node))
    })
}

fn float<'b>(builder: &'b Builder, name: &str) -> Result<Var<'b>> {
    let var = builder.var(name)?;
    if var.ty()?.dtype.is_float() {
        Ok(var)
    } else {
        Err(GraphError::Shape(format!("`{name}` is no float tensor, it has no gradient")))
    }
}

/// The tensors that depend on what is differentiated for and on which what is differentiated depends.
struct Path<'g> {
    tensors: HashSet<&'g str>,
}

impl<'g> Path<'g> {
    fn new(graph: &'g Graph, of: &'g str, wrt: &[&'g str]) -> Path<'g> {
        let after = graph.reached(wrt.iter().copied(), |node| !STEPS.contains(&node.op.as_str()));
        let mut before = HashSet::from([of]);
        for node in graph.nodes.iter().rev() {
            if node.outputs.iter().any(|name| before.contains(name.as_str()) && after.contains(name.as_str()))
            {
                before.extend(node.inputs.iter().map(String::as_str));
            }
        }
        Path { tensors: after.intersection(&before).copied().collect() }
    }

    /// Whether a gradient passes backwards through this node.
    fn crosses(&self, node: &Node) -> bool {
        !STEPS.contains(&node.op.as_str())
            && node.reads(&self.tensors)
            && node.outputs.iter().any(|name| self.tensors.contains(name.as_str()))
    }
}

/// A node on the way back: its tensors, the adjoints of its outputs, and where its inputs' go.
struct Backward<'a, 'b> {
    call: Call<'a, 'b>,
    adjoints: Vec<Option<Var<'b>>>,
    path: &'a Path<'a>,
    given: RefCell<BTreeMap<usize, Var<'b>>>,
}

impl<'a, 'b> Deref for Backward<'a, 'b> {
    type Target = Call<'a, 'b>;

    fn deref(&self) -> &Call<'a, 'b> {
        &self.call
    }
}

impl<'a, 'b> Backward<'a, 'b> {
    /// The adjoint of output `i`, zeros where nothing depends on it.
    fn adjoint(&self, i: usize) -> Var<'b> {
        self.adjoints[i].unwrap_or_else(|| {
            let y = self.y(i);
            y.number(0.0).expand_like(y)
        })
    }

    /// The adjoint of the first output.
    fn g(&self) -> Var<'b> {
        self.adjoint(0)
    }

    /// Whether the gradient with respect to input `i` is asked for. Rules need not ask before cheap
    /// formulas: what nobody uses is pruned.
    fn wants(&self, i: usize) -> bool {
        self.node.input(i).is_some_and(|name| self.path.tensors.contains(name))
    }

    /// Adds to the adjoint of input `i`. If the input was broadcast, the adjoint is summed back to
    /// its shape; if it has another float type, the adjoint is cast. 8-bit and 16-bit integers stand for real numbers, and have the
    /// adjoint of those; other types have no gradient.
    fn give(&self, i: usize, adjoint: Var<'b>) -> Result<()> {
        if !self.wants(i) {
            return Ok(());
        }
        match self.x(i).ty()?.dtype {
            dtype if dtype.is_float() => self.give_real(i, adjoint.cast(dtype)),
            dtype if dtype.levels().is_some() => self.give_real(i, adjoint),
            _ => Ok(()),
        }
    }

    /// The same, uncast, for an input that holds integers which stand for real numbers.
    fn give_real(&self, i: usize, adjoint: Var<'b>) -> Result<()> {
        if self.wants(i) {
            let adjoint = adjoint.sum_to(&self.x(i).shape()?);
            let mut given = self.given.borrow_mut();
            let sum = given.get(&i).map_or(adjoint, |&other| other + adjoint);
            given.insert(i, sum);
        }
        Ok(())
    }

    /// `y = f(x)` elementwise: the adjoint of `x` from `(g, x, y)`.
    fn unary(&self, formula: impl Fn(Var<'b>, Var<'b>, Var<'b>) -> Var<'b>) -> Result<()> {
        self.give(0, formula(self.g(), self.x(0), self.y(0)))
    }
}
