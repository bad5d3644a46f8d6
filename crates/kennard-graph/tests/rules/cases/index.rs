use kennard_graph::{DType, Tensor};

use crate::case::{Case, case, uniform};

/// A part of a `[2, 5, 6]` tensor, the first axis the batch, from `starts` to `ends` along `axes`.
fn slice(name: &str, starts: &[i64], ends: &[i64], axes: &[i64], steps: &[i64]) -> Case {
    case(&format!("index/Slice {name}"), |m| {
        let x = m.batched(uniform(&[2, 5, 6], -1.0, 1.0, 1));
        m.output(x.slice(axes, starts, ends, steps));
    })
}

/// A `[2, 4, 5]` tensor with a margin around the last two axes.
fn pad(mode: &str, top: i64, left: i64, bottom: i64, right: i64) -> Case {
    case(&format!("index/Pad {mode} {top} {left} {bottom} {right}"), |m| {
        let x = m.batched(uniform(&[2, 4, 5], -1.0, 1.0, 1));
        let pads = m.ints(&[0, top, left, 0, bottom, right]);
        m.op("Pad", &[x, pads], &[("mode", mode.into())]);
    })
}

/// Elements of a `[2, 5, 3]` tensor, the first axis the batch, by constant indices along an axis.
fn gather(name: &str, axis: i64, shape: &[usize], indices: &[i64]) -> Case {
    case(&format!("index/Gather {name}"), |m| {
        let x = m.batched(uniform(&[2, 5, 3], -1.0, 1.0, 1));
        let index = m.constant(ints(shape, indices));
        m.op("Gather", &[x, index], &[("axis", axis.into())]);
    })
}

fn ints(shape: &[usize], values: &[i64]) -> Tensor {
    ndarray::ArrayD::from_shape_vec(shape, values.to_vec()).unwrap().into()
}

/// Rows of a table put in or added.
fn scatter(reduction: &str) -> Case {
    case(&format!("index/ScatterND {reduction}"), |m| {
        let x = m.input(uniform(&[4, 3, 2], -1.0, 1.0, 1));
        let index = m.input(ints(&[2, 2], &[3, 1, 0, -1]));
        let updates = m.input(uniform(&[2, 2], -1.0, 1.0, 2));
        m.op("ScatterND", &[x, index, updates], &[("reduction", reduction.into())]);
    })
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    vec![
        slice("one axis",       &[1],       &[4],        &[1],     &[1]),
        slice("from the end",   &[-3],      &[i64::MAX], &[-1],    &[1]),
        slice("two axes",       &[1, 2],    &[-1, 5],    &[1, 2],  &[1, 1]),
        slice("every second",   &[0, 1],    &[5, 6],     &[1, 2],  &[2, 2]),
        slice("every third",    &[1],       &[3],        &[2],     &[3]),
        slice("up to the end",  &[1],       &[6],        &[2],     &[4]),
        slice("reversed",       &[-1],      &[i64::MIN], &[2],     &[-1]),
        slice("backwards",      &[4],       &[0],        &[2],     &[-3]),
        slice("beyond the end", &[100],     &[1],        &[1],     &[-2]),
        slice("nothing cut",    &[0],       &[i64::MAX], &[0],     &[1]),
        case("index/Slice without axes", |m| {
            let x = m.input(uniform(&[3, 4], -1.0, 1.0, 1));
            m.op("Slice", &[x, m.ints(&[1, 1]), m.ints(&[3, 3])], &[]);
        }),
        pad("constant", 1, 0, 2, 3),
        pad("constant", -1, 1, 2, -2),
        pad("reflect", 1, 2, 3, 0),
        pad("edge", 2, 1, 0, 3),
        pad("wrap", 1, 2, 3, 1),
        case("index/Pad a learned value", |m| {
            let x = m.input(uniform(&[2, 3], -1.0, 1.0, 1));
            let value = m.weight(uniform(&[], -1.0, 1.0, 2));
            m.op("Pad", &[x, m.ints(&[1, 0, 1, 2]), value], &[]);
        }),
        case("index/Pad some axes", |m| {
            let x = m.input(uniform(&[2, 3, 2], -1.0, 1.0, 1));
            let operands = [Some(x), Some(m.ints(&[1, 2, 0, 1])), None, Some(m.ints(&[-1, 1]))];
            m.output(m.builder.op("Pad", &operands, &[]));
        }).without_rten(),
        gather("one",           1,  &[],     &[2]),
        gather("the last",      -1, &[],     &[-1]),
        gather("a range",       1,  &[3],    &[1, 2, 3]),
        gather("every second",  1,  &[3],    &[0, 2, 4]),
        gather("backwards",     1,  &[3],    &[4, 3, 2]),
        gather("a permutation", 1,  &[5],    &[3, 1, 4, 0, 2]),
        gather("repeated",      2,  &[4],    &[0, 0, 2, 0]),
        gather("a table",       1,  &[2, 2], &[4, 0, -1, 1]),
        case("index/Gather rows of a table", |m| {
            let table = m.weight(uniform(&[5, 3], -1.0, 1.0, 1));
            let index = m.batched(ints(&[2, 3], &[1, 4, 1, 0, 4, -2]));
            m.op("Gather", &[table, index], &[]);
        }),
        case("index/Gather by 32-bit indices", |m| {
            let x = m.input(uniform(&[2, 4], -1.0, 1.0, 1));
            let index = m.input(Tensor::full(&[2], 3.0, DType::I32));
            m.op("Gather", &[x, index], &[("axis", 1i64.into())]);
        }),
        case("index/GatherND", |m| {
            let x = m.input(uniform(&[3, 4, 2], -1.0, 1.0, 1));
            let index = m.input(ints(&[3, 2], &[0, 1, 2, -1, 0, 1]));
            m.op("GatherND", &[x, index], &[]);
        }),
        scatter("none"),
        scatter("add"),
    ]
}
