use kennard_graph::{Attribute, Tensor};

use crate::case::{Case, case, spread, uniform};

fn data(shape: &[usize]) -> Tensor {
    spread(shape, 1)
}

/// With a learned scale from 0.5..2 and bias of these shapes.
fn learned(
    name: &str,
    op: &str,
    x: &[usize],
    parameters: &[&[usize]],
    attributes: &[(&str, Attribute)],
) -> Case {
    case(&format!("normalization/{op} {name}"), |m| {
        let mut inputs = vec![m.batched(data(x))];
        let parameters = parameters.iter().enumerate();
        inputs.extend(parameters.map(|(i, shape)| m.weight(uniform(shape, 0.5, 2.0, 2 + i as u64))));
        m.op(op, &inputs, attributes);
    })
}

fn plain(name: &str, op: &str, x: &[usize], attributes: &[(&str, Attribute)]) -> Case {
    case(&format!("normalization/{op} {name}"), |m| {
        let x = m.batched(data(x));
        m.op(op, &[x], attributes);
    })
}

/// Statistics over the batch: its size must be known.
fn over_the_batch() -> Case {
    case("normalization/MeanVarianceNormalization over the batch", |m| {
        let x = m.input(data(&[2, 3, 2, 2]));
        m.op("MeanVarianceNormalization", &[x], &[]);
    })
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    let four: [&[usize]; 4] = [&[3]; 4];
    let epsilon = || ("epsilon", Attribute::Float(0.1));
    vec![
        learned("of images",  "BatchNormalization", &[2, 3, 2, 2], &four, &[]),
        learned("of vectors", "BatchNormalization", &[2, 3],       &four, &[epsilon()]),
        learned("of images",    "InstanceNormalization", &[2, 3, 2, 2], &[&[3], &[3]], &[epsilon()]),
        learned("of sequences", "InstanceNormalization", &[2, 3, 5],    &[&[3], &[3]], &[]),
        learned("of the last axis",     "LayerNormalization", &[2, 3, 4], &[&[4], &[4]],       &[epsilon()]),
        learned("of two axes",          "LayerNormalization", &[2, 3, 4], &[&[3, 4], &[3, 4]], &[("axis", 1.into())]),
        learned("without a bias",       "LayerNormalization", &[2, 3, 4], &[&[4]],             &[]),
        learned("with one scale",       "LayerNormalization", &[2, 3, 4], &[&[1], &[4]],       &[]),
        learned("in two groups", "GroupNormalization", &[2, 4, 2, 2], &[&[4], &[4]], &[("num_groups", 2.into())]),
        learned("in one group",  "GroupNormalization", &[2, 4], &[&[4], &[4]], &[("num_groups", 1.into()), epsilon()]),
        plain("p = 2",      "LpNormalization", &[2, 3, 4], &[]),
        plain("p = 2 by 1", "LpNormalization", &[2, 3, 4], &[("axis", 1.into())]),
        plain("p = 1",      "LpNormalization", &[2, 3, 4], &[("p", 1.into())]),
        plain("of 3", "LRN", &[2, 5, 2, 2], &[("size", 3.into()), ("alpha", 0.5f32.into())]),
        plain("of 4", "LRN", &[2, 5, 3], &[("size", 4.into()), ("alpha", 0.5f32.into()), ("beta", 0.5f32.into()), ("bias", 2.0f32.into())]),
        plain("of each sample", "MeanVarianceNormalization", &[2, 3, 2, 2], &[("axes", vec![1, 2, 3].into())]),
        over_the_batch(),
    ]
}
