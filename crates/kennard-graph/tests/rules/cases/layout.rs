use kennard_graph::Attribute;

use crate::case::{Case, case, uniform};

/// One operator on one tensor of the given shape, with or without a batch axis, and vectors of
/// integers as its other inputs.
fn one(
    name: &str,
    op: &str,
    shape: &[usize],
    others: &[&[i64]],
    attributes: &[(&str, Attribute)],
) -> Vec<Case> {
    let with = |batch: bool| {
        case(&format!("layout/{op} {name}{}", if batch { ", batch" } else { "" }), |m| {
            let values = uniform(shape, -1.0, 1.0, 1);
            let x = if batch { m.batched(values) } else { m.input(values) };
            let operands: Vec<_> = [x].into_iter().chain(others.iter().map(|v| m.ints(v))).collect();
            m.op(op, &operands, attributes);
        })
    };
    vec![with(false), with(true)]
}

/// The same, for the fixed shape alone.
fn fixed(
    name: &str,
    op: &str,
    shape: &[usize],
    others: &[&[i64]],
    attributes: &[(&str, Attribute)],
) -> Vec<Case> {
    one(name, op, shape, others, attributes).into_iter().take(1).collect()
}

fn joined(name: &str, axis: i64) -> Case {
    case(&format!("layout/Concat {name}"), |m| {
        let x = m.batched(uniform(&[2, 2, 3], -1.0, 1.0, 1));
        let y = m.batched(uniform(&[2, 2, 3], -1.0, 1.0, 2));
        m.op("Concat", &[x, y, x], &[("axis", axis.into())]);
    })
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    let axis = |v: i64| ("axis", Attribute::from(v));
    let block = |mode: &str| [("blocksize", Attribute::from(2i64)), ("mode", mode.into())];
    let perm = |v: &[i64]| [("perm", Attribute::from(v))];
    let mut cases = [
        one("rows",          "Reshape",   &[2, 3, 4], &[&[-1, 6, 2]],   &[]),
        one("zero copies",   "Reshape",   &[2, 3, 4], &[&[0, -1]],      &[]),
        one("the batch",     "Reshape",   &[2, 3, 4], &[&[-1, 4]],      &[]),
        one("default",       "Flatten",   &[2, 3, 2], &[],              &[]),
        one("last",          "Flatten",   &[2, 3, 2], &[],              &[axis(-1)]),
        one("all",           "Flatten",   &[2, 3, 2], &[],              &[axis(0)]),
        one("two",           "Squeeze",   &[2, 1, 3, 1], &[&[1, -1]],   &[]),
        fixed("all",         "Squeeze",   &[2, 1, 3, 1], &[],           &[]),
        one("two",           "Unsqueeze", &[2, 3],    &[&[1, -1]],      &[]),
        one("reversed",      "Transpose", &[2, 3, 4], &[],              &[]),
        one("cycle",         "Transpose", &[2, 3, 4], &[],              &perm(&[1, 2, 0])),
        one("in rows",       "Expand",    &[2, 1, 3], &[&[1, 4, 3]],    &[]),
        one("new axes",      "Expand",    &[2, 1],    &[&[3, 1, 4]],    &[]),
        one("nothing",       "Expand",    &[2, 3],    &[&[1, 1]],       &[]),
        one("two axes",      "Tile",      &[2, 3, 2], &[&[1, 2, 3]],    &[]),
        one("single",        "Tile",      &[2, 1, 3], &[&[1, 4, 1]],    &[]),
        fixed("all",         "Tile",      &[2, 3],    &[&[2, 2]],       &[]),
        one("upper",         "Trilu",     &[2, 3, 4], &[],              &[]),
        one("lower",         "Trilu",     &[2, 3, 4], &[],              &[("upper", 0i64.into())]),
        one("DCR",           "DepthToSpace", &[2, 8, 2, 1], &[],        &block("DCR")),
        one("CRD",           "DepthToSpace", &[2, 8, 1, 2], &[],        &block("CRD")),
    ].into_iter().flatten().collect::<Vec<_>>();
    cases.push(joined("channels", 1));
    cases.push(joined("last", -1));
    cases.push(joined("batches", 0));
    cases.push(case("layout/Trilu off the diagonal", |m| {
        let x = m.input(uniform(&[3, 4], -1.0, 1.0, 1));
        let k = m.constant(kennard_graph::Tensor::scalar(-1.0, kennard_graph::DType::I64));
        m.op("Trilu", &[x, k], &[]);
    }));
    cases.push(case("layout/SpaceToDepth", |m| {
        let x = m.batched(uniform(&[2, 2, 4, 2], -1.0, 1.0, 1));
        m.op("SpaceToDepth", &[x], &[("blocksize", 2i64.into())]);
    }).without_rten());
    for (name, used) in [("all", &[0, 1, 2][..]), ("one", &[1])] {
        cases.push(case(&format!("layout/Split {name}"), |m| {
            let x = m.batched(uniform(&[2, 6, 2], -1.0, 1.0, 1));
            let inputs = [Some(x), Some(m.ints(&[1, 3, 2]))];
            let parts = m.builder.op_n("Split", &inputs, &[axis(1)], 3);
            used.iter().for_each(|&i| m.output(parts[i]));
        }));
    }
    cases.push(case("layout/Split evenly", |m| {
        let x = m.batched(uniform(&[2, 5], -1.0, 1.0, 1));
        let parts = m.builder.op_n("Split", &[Some(x)], &[axis(-1), ("num_outputs", 2i64.into())], 2);
        parts.into_iter().for_each(|part| m.output(part));
    }));
    cases
}
