//! The way from a graph's input to its trees.

use std::collections::HashMap;

use ndarray::{ArrayD, IxDyn};

use super::ENSEMBLES;
use super::column::{Column, ColumnStep};
use crate::{DType, Dim, Graph, GraphError, Node, Result, Types, infer};

/// The ensembles of a graph with what each looks at, and how many elements an input has.
pub(super) struct Seen<'a> {
    pub elements: usize,
    pub ensembles: Vec<(&'a Node, Vec<Column>)>,
}

/// The most values that are followed between an input and its trees, and operations on them, in all.
const MOST: usize = 1 << 22;

/// Follows the input to where trees read it.
pub(super) fn front(graph: &Graph) -> Result<Seen<'_>> {
    let input = graph.single_input()?;
    let types = infer(graph)?;
    let elements: usize = extents(&types, &input.name)
        .ok_or_else(|| GraphError::Shape(format!("the input `{}` has no fixed shape", input.name)))?
        .iter()
        .product();
    let double = input.ty.dtype == DType::F64;
    if !double && input.ty.dtype != DType::F32 {
        return Err(GraphError::Shape(format!(
            "the input `{}` is of no single or double precision",
            input.name
        )));
    }
    if elements > MOST {
        return Err(GraphError::Shape(format!("{elements} elements are more than trees are followed for")));
    }
    let all: Vec<Column> = (0..elements).map(|element| Column::new(element, double)).collect();
    let mut columns = HashMap::from([(input.name.as_str(), all)]);
    let (mut ensembles, mut size) = (Vec::new(), elements);
    // What says which elements are no numbers, and of what.
    let mut tests: HashMap<&str, &str> = HashMap::new();
    for node in &graph.nodes {
        if !node.inputs.iter().any(|name| columns.contains_key(name.as_str())) {
            continue;
        }
        if ENSEMBLES.contains(&node.op.as_str()) {
            ensembles.extend(node.input(0).and_then(|x| columns.get(x)).map(|x| (node, x.clone())));
            continue;
        }
        // A shape says nothing of values, and none of them is no number.
        if node.op == "Shape" || node.op == "IsNaN" {
            tests.extend(
                node.outputs
                    .first()
                    .zip(node.input(0))
                    .filter(|_| node.op == "IsNaN")
                    .map(|(test, of)| (test.as_str(), of)),
            );
            continue;
        }
        let next = follow(graph, &types, node, &columns, &tests);
        size += next.as_deref().map_or(0, cost);
        match (next, node.outputs.as_slice()) {
            (Some(next), [output]) if size <= MOST => drop(columns.insert(output, next)),
            _ => {
                return Err(node.error(
                    "it reads the input, or what is made of it, before the trees, and is no sum or product with constants for each \
                     feature by itself",
                ));
            }
        }
    }
    if let Some(output) = graph.outputs.iter().find(|output| columns.contains_key(output.name.as_str())) {
        return Err(GraphError::Shape(format!(
            "the output `{}` is made of the input, past the trees",
            output.name
        )));
    }
    Ok(Seen { elements, ensembles })
}

/// How many values and operations columns are.
fn cost(columns: &[Column]) -> usize {
    columns.iter().map(|column| 1 + column.len()).sum()
}

/// The shape of one sample of a tensor that has one row per sample.
fn extents(types: &Types, name: &str) -> Option<Vec<usize>> {
    let (first, rest) = types.get(name)?.shape.0.split_first()?;
    matches!(*first, Dim::BATCH | Dim::Known(_)).then(|| rest.iter().map(|dim| dim.known()).collect())?
}

/// What a node makes of values, if it is one of those that keep to each by itself.
fn follow(
    graph: &Graph,
    types: &Types,
    node: &Node,
    columns: &HashMap<&str, Vec<Column>>,
    tests: &HashMap<&str, &str>,
) -> Option<Vec<Column>> {
    let of = |i: usize| node.input(i).and_then(|name| columns.get(name));
    let output = node.outputs.first()?;
    let steps = |x: &[Column], steps: &[ColumnStep]| -> Vec<Column> {
        let mut next = x.to_vec();
        let repeated = next.iter_mut().zip(steps.iter().cycle());
        repeated.for_each(|(column, step)| column.then(*step));
        next
    };
    match node.op.as_str() {
        "Identity" => Some(of(0)?.clone()),
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => {
            let x = of(0).filter(|_| of(1).is_none())?;
            (extents(types, output)?.iter().product::<usize>() == x.len()).then(|| x.clone())
        }
        "Cast" => match types.get(output)?.dtype {
            DType::F32 => Some(steps(of(0)?, &[ColumnStep::Single])),
            DType::F64 => Some(steps(of(0)?, &[ColumnStep::Double])),
            DType::I32 | DType::I64 => Some(steps(of(0)?, &[ColumnStep::Whole])),
            _ => None,
        },
        "Round" => Some(steps(of(0)?, &[ColumnStep::Round])),
        // What stands in the place of those that are no numbers.
        "Where" => {
            let x = of(2).filter(|_| of(1).is_none())?;
            let of_others = tests.get(node.input(0)?).copied() == node.input(2);
            (of_others && extents(types, output)?.iter().product::<usize>() == x.len()).then(|| x.clone())
        }
        "Neg" => Some(steps(of(0)?, &[ColumnStep::Times(-1.0)])),
        "Gather" => {
            let (x, rank) = (of(0)?, types.get(node.input(0)?)?.shape.rank());
            let places = graph.constants.get(node.input(1)?)?;
            let last = [1, -1].contains(&node.int("axis", 0)) && rank == 2 && places.shape().len() == 1;
            let n = i64::try_from(x.len()).ok()?;
            let place = |&i: &i64| x.get(usize::try_from(if i < 0 { i + n } else { i }).ok()?).cloned();
            let longest = x.iter().map(|column| 1 + column.len()).max().unwrap_or(1);
            let fits = last && places.len().saturating_mul(longest) <= MOST;
            places.to_ints().filter(|_| fits)?.iter().map(place).collect()
        }
        "Concat" => {
            let flat = |name: &String| types.get(name).is_some_and(|ty| ty.shape.rank() == 2);
            let flat = node.inputs.iter().all(flat) && [1, -1].contains(&node.int("axis", 0));
            let parts: Option<Vec<&Vec<Column>>> = (0..node.inputs.len()).map(of).collect();
            let all = |parts: &Vec<&Vec<Column>>| parts.iter().map(|part| cost(part)).sum::<usize>();
            parts
                .filter(|parts| flat && all(parts) <= MOST)
                .map(|parts| parts.into_iter().flatten().cloned().collect())
        }
        "Add" | "Sub" | "Mul" | "Div" => {
            let (i, x) = (0..2).find_map(|i| Some((i, of(i)?)))?;
            let shape = extents(types, output)?;
            let values = constant(graph, node.input(1 - i)?, &shape)?;
            let step = |&by: &f64| match (node.op.as_str(), i) {
                _ if !by.is_finite() => None,
                ("Add", _) => Some(ColumnStep::Plus(by)),
                ("Sub", 0) => Some(ColumnStep::Minus(by)),
                ("Sub", _) => Some(ColumnStep::From(by)),
                ("Mul", _) => Some(ColumnStep::Times(by)),
                ("Div", 0) => (by != 0.0).then_some(ColumnStep::Over(by)),
                _ => None,
            };
            let made: Vec<ColumnStep> = values.iter().map(step).collect::<Option<_>>()?;
            (x.len() == made.len()).then(|| steps(x, &made))
        }
        _ => None,
    }
}

/// A constant as it is added to a tensor whose samples have this shape, a number for each element.
fn constant(graph: &Graph, name: &str, shape: &[usize]) -> Option<Vec<f64>> {
    let tensor = graph.constants.get(name)?;
    let values = ArrayD::from_shape_vec(IxDyn(tensor.shape()), tensor.to_floats()?).ok()?;
    let whole: Vec<usize> = [1].iter().chain(shape).copied().collect();
    Some(values.broadcast(IxDyn(&whole))?.iter().copied().collect())
}
