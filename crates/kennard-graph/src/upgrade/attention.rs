//! `Attention` (since 23), written in basic operators.

use super::{UpgradeStep, replace};
use crate::builder::Call;
use crate::types::stored_type;
use crate::{Builder, DType, Dim, Node, Result, Shape, Tensor, Var};

#[rustfmt::skip]
pub(super) const NEWER: &[(&str, i64, UpgradeStep)] = &[("Attention", 23, attention)];

/// `softmax(q kᵀ · scale + mask) v` for each head (Vaswani et al. 2017, arXiv 1706.03762, eq. 1).
///
/// Caches of earlier keys and values, which text generation needs, are not supported.
fn attention(node: Node, b: &Builder) -> Result<Option<Node>> {
    let c = Call { node: &node, builder: b };
    let windows = ["left_window_size", "right_window_size"].iter().any(|name| node.int(name, -1) != -1);
    if (4..node.inputs.len()).any(|i| node.input(i).is_some()) || node.outputs.len() > 1 || windows {
        return Err(node.error("caches and windows are not supported; export the model with opset 21"));
    }
    let (query, key, value) =
        (heads(&c, 0, "q_num_heads")?, heads(&c, 1, "kv_num_heads")?, heads(&c, 2, "kv_num_heads")?);
    let (q, k) = (sizes(&node, query)?, sizes(&node, key)?);
    let [key, value] = [repeated(&node, key, q.heads)?, repeated(&node, value, q.heads)?];

    let scale = node.float("scale", 1.0 / (q.width as f64).sqrt()).sqrt();
    let mut scores = (query * scale).with("MatMul", (key * scale).transpose(&[0, 1, 3, 2]));
    let cap = node.float("softcap", 0.0);
    if cap != 0.0 {
        scores = (scores / cap).apply("Tanh") * cap;
    }
    let mut allowed = None;
    if let Some(mask) = c.optional(3) {
        if mask.ty()?.dtype == DType::Bool {
            allowed = Some(mask);
        } else {
            scores = scores + mask;
        }
    }
    let causal = (node.int("is_causal", 0) != 0).then(|| lower_triangle(b, q.length, k.length));
    for mask in allowed.iter().chain(&causal) {
        scores = b.op("Where", &[Some(*mask), Some(scores), Some(lowest(scores))], &[]);
    }
    let precision = match node.int("softmax_precision", 0) {
        0 => scores.ty()?.dtype,
        code => stored_type(code)
            .ok_or_else(|| node.error("its softmax_precision is no type that Kennard holds"))?,
    };
    let wide = if precision == scores.ty()?.dtype { scores } else { scores.cast(precision) };
    let mut weights = wide.apply_with("Softmax", &[("axis", (-1).into())]);
    if precision != scores.ty()?.dtype {
        weights = weights.cast_like(scores);
    }
    // A query that may attend to nothing gets zeros.
    if let Some(mask) = allowed {
        weights = weights * mask.cast_like(weights);
    }
    let mut result = weights.with("MatMul", value);
    if c.x(0).shape()?.rank() == 3 {
        let width = sizes(&node, value)?.width;
        let flat = vec![q.batch, Dim::Known(q.length), Dim::Known(q.heads * width)];
        result = result.transpose(&[0, 2, 1, 3]).reshape(&Shape(flat));
    }
    replace(&node, result)
}

/// The extents of a tensor `[batch, heads, length, width]`.
struct Sizes {
    batch: Dim,
    heads: usize,
    length: usize,
    width: usize,
}

fn sizes(node: &Node, x: Var) -> Result<Sizes> {
    match x.shape()?.0[..] {
        [batch, Dim::Known(heads), Dim::Known(length), Dim::Known(width)] if width > 0 && heads > 0 => {
            Ok(Sizes { batch, heads, length, width })
        }
        _ => Err(node.error("the extents of its inputs are not known")),
    }
}

/// Input `i` as `[batch, heads, length, width]`; it may come as `[batch, length, heads · width]`.
fn heads<'b>(c: &Call<'_, 'b>, i: usize, count: &str) -> Result<Var<'b>> {
    let x = c.x(i);
    let (batch, length, all) = match x.shape()?.0[..] {
        [_, _, _, _] => return Ok(x),
        [batch, length, Dim::Known(all)] => (batch, length, all),
        _ => return Err(c.node.error("its inputs should have three or four axes")),
    };
    match usize::try_from(c.node.int(count, 0)) {
        Ok(heads) if heads > 0 && all % heads == 0 => {
            let split = vec![batch, length, Dim::Known(heads), Dim::Known(all / heads)];
            Ok(x.reshape(&Shape(split)).transpose(&[0, 2, 1, 3]))
        }
        _ => Err(c.node.error(format!("{all} channels cannot be divided by its {count}"))),
    }
}

/// Keys and values shared by several heads of queries, repeated for each.
fn repeated<'b>(node: &Node, x: Var<'b>, heads: usize) -> Result<Var<'b>> {
    let own = sizes(node, x)?;
    if own.heads == heads {
        return Ok(x);
    }
    if !heads.is_multiple_of(own.heads) {
        return Err(node.error(format!("{heads} heads of queries cannot share {} of keys", own.heads)));
    }
    let times = x.builder().ints(&[1, 1, (heads / own.heads) as i64, 1, 1]);
    let spread = x.unsqueeze(&[2]).with("Expand", times);
    Ok(spread.reshape(&Shape(vec![
        own.batch,
        Dim::Known(heads),
        Dim::Known(own.length),
        Dim::Known(own.width),
    ])))
}

/// Whether key `j` is not later than query `i`: `[queries, keys]`. Computed in the graph, because a
/// file may claim any length.
fn lower_triangle(b: &Builder, queries: usize, keys: usize) -> Var<'_> {
    let range = |n: usize| {
        let number = |v: usize| Some(b.constant(Tensor::scalar(v as f64, DType::I64)));
        b.op("Range", &[number(0), number(n), number(1)], &[])
    };
    range(queries).unsqueeze(&[1]).with("GreaterOrEqual", range(keys))
}

/// A score beside which softmax gives 0.
fn lowest(scores: Var<'_>) -> Var<'_> {
    scores.number(if scores.ty().is_ok_and(|ty| ty.dtype == DType::F16) { -6e4 } else { -1e30 })
}
