use kennard_graph::{Attribute, DType, Tensor};
use ndarray::{ArrayD, IxDyn};

use crate::case::{Case, case, spread, uniform};

/// Where one number is made of many: `axes`, if named, and whether they stay.
fn reduction(name: &str, op: &str, values: Tensor, axes: Option<&[i64]>, keep: bool) -> Case {
    case(&format!("reduce/{op} {name}"), |m| {
        let x = m.batched(values);
        let inputs = [Some(x), axes.map(|axes| m.ints(axes))];
        m.output(m.builder.op(op, &inputs, &[("keepdims", i64::from(keep).into())]));
    })
}

/// A reduction over the last axis.
fn last(op: &str, values: Tensor) -> Case {
    reduction("over the last axis", op, values, Some(&[-1]), false)
}

/// Without axes, nothing is reduced. (rten infers the shape of a full reduction here.)
fn none() -> Case {
    case("reduce/ReduceSum over nothing", |m| {
        let x = m.batched(spread(&[2, 3], 1));
        let attributes = [("noop_with_empty_axes", Attribute::Int(1))];
        m.output(m.builder.op("ReduceSum", &[Some(x), None], &attributes));
    })
    .without_rten()
}

fn cumulative(name: &str, axis: i64, exclusive: i64, reverse: i64) -> Case {
    case(&format!("reduce/CumSum {name}"), |m| {
        let x = m.batched(uniform(&[2, 3, 2], -1.0, 1.0, 1));
        let axis = m.constant(Tensor::scalar(axis as f64, DType::I64));
        m.op("CumSum", &[x, axis], &[("exclusive", exclusive.into()), ("reverse", reverse.into())]);
    })
}

/// Numbers with no, one and two zeros in a row.
fn with_zeros() -> Tensor {
    let values = vec![0.5, 2.0, -1.0, 3.0, 0.0, -2.0, 0.0, 1.5, 0.0];
    ArrayD::<f32>::from_shape_vec(IxDyn(&[3, 3]), values).unwrap().into()
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    let any = || uniform(&[2, 3, 4], -1.0, 1.0, 1);
    let apart = || spread(&[2, 3, 4], 1);
    let positive = || uniform(&[2, 3, 4], 0.5, 2.0, 1);
    vec![
        last("ReduceSum",       any()),
        last("ReduceMean",      any()),
        last("ReduceMax",       apart()),
        last("ReduceMin",       apart()),
        last("ReduceProd",      positive()),
        last("ReduceL1",        apart()),
        last("ReduceL2",        any()),
        last("ReduceLogSum",    positive()),
        last("ReduceLogSumExp", any()),
        last("ReduceSumSquare", any()),
        reduction("over two axes",     "ReduceSum",       any(),   Some(&[1, 2]), true),
        reduction("over two axes",     "ReduceMean",      any(),   Some(&[-1, 1]), false),
        reduction("over the batch",    "ReduceMean",      any(),   Some(&[0]), false),
        reduction("over all",          "ReduceMean",      any(),   None, false),
        reduction("over all, kept",    "ReduceSum",       any(),   None, true),
        reduction("over the middle",   "ReduceMax",       apart(), Some(&[1]), false),
        reduction("over two axes",     "ReduceMin",       apart(), Some(&[1, 2]), true),
        reduction("over the middle",   "ReduceProd",      positive(), Some(&[1]), true),
        reduction("over two axes",     "ReduceL2",        any(),   Some(&[1, 2]), false),
        reduction("over the middle",   "ReduceLogSumExp", any(),   Some(&[1]), false),
        last("ReduceProd", with_zeros()).once(),
        none(),
        cumulative("",                     1, 0, 0),
        cumulative("exclusive",            2, 1, 0),
        cumulative("reverse",             -1, 0, 1),
        cumulative("exclusive reverse",    1, 1, 1),
    ]
}
