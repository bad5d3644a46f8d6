use kennard_graph::Tensor;
use ndarray::{ArrayD, IxDyn};

use crate::case::{Case, case, spread, uniform};

fn top_k(name: &str, k: i64, axis: i64, largest: i64) -> Case {
    case(&format!("select/TopK {name}"), |m| {
        let x = m.batched(spread(&[2, 4, 3], 1));
        let attributes = [("axis", axis.into()), ("largest", largest.into())];
        m.output(m.builder.op_n("TopK", &[Some(x), Some(m.ints(&[k]))], &attributes, 2)[0]);
    })
}

fn indices(shape: &[usize], values: &[i64]) -> Tensor {
    ArrayD::from_shape_vec(IxDyn(shape), values.to_vec()).unwrap().into()
}

fn gather(name: &str, shape: &[usize], at: &[i64], axis: i64) -> Case {
    case(&format!("select/GatherElements {name}"), |m| {
        let x = m.input(uniform(&[2, 3, 2], -1.0, 1.0, 1));
        m.op("GatherElements", &[x, m.constant(indices(shape, at))], &[("axis", axis.into())]);
    })
}

fn scatter(reduction: &str, at: &[i64]) -> Case {
    case(&format!("select/ScatterElements {reduction}"), |m| {
        let x = m.input(uniform(&[2, 3], -1.0, 1.0, 1));
        let updates = m.weight(uniform(&[2, 2], -1.0, 1.0, 2));
        let attributes = [("axis", 1.into()), ("reduction", reduction.into())];
        m.op("ScatterElements", &[x, m.constant(indices(&[2, 2], at)), updates], &attributes);
    })
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    vec![
        top_k("largest",  2,  1, 1),
        top_k("smallest", 2, -1, 0),
        gather("each once",       &[2, 3, 2], &[0, 1, 2, 0, 1, 2, 2, 2, 0, 1, 1, 0], 1),
        gather("with repetition", &[2, 2, 2], &[0, 1, 0, -1, 2, 2, 2, 0], 1),
        gather("the beginning",   &[1, 2, 3], &[0, 1, 1, 1, 0, 0], 2),
        scatter("none", &[0, 2, 1, 0]),
        scatter("add",  &[0, 0, 1, -1]),
    ]
}
