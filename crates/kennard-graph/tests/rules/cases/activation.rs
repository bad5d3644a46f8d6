use kennard_graph::Attribute;

use crate::case::{Case, case, spread, uniform};

/// A smooth activation function.
fn smooth(name: &str, op: &str, attributes: &[(&str, Attribute)]) -> Case {
    case(&format!("activation/{op}{name}"), |m| {
        let x = m.batched(uniform(&[2, 3, 2], -3.0, 3.0, 1));
        m.op(op, &[x], attributes);
    })
}

/// One with kinks at multiples of 0.1, on both sides of each: the numbers are 0.05 away.
fn kinked(name: &str, op: &str, attributes: &[(&str, f32)]) -> Case {
    case(&format!("activation/{op}{name}"), |m| {
        let x = m.batched(spread(&[2, 36], 1));
        let attributes: Vec<_> = attributes.iter().map(|&(name, v)| (name, v.into())).collect();
        m.op(op, &[x], &attributes);
    })
}

/// One slope per channel.
fn p_relu() -> Case {
    case("activation/PRelu", |m| {
        let x = m.batched(spread(&[2, 3, 2, 2], 1));
        let slope = m.weight(uniform(&[3, 1, 1], -0.5, 1.5, 2));
        m.op("PRelu", &[x, slope], &[]);
    })
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    vec![
        smooth("", "Sigmoid",  &[]),
        smooth("", "Tanh",     &[]),
        smooth("", "Softplus", &[]),
        smooth("", "Mish",     &[]),
        smooth("",      "Gelu", &[]),
        smooth(" tanh", "Gelu", &[("approximate", "tanh".into())]),

        kinked("", "Relu",     &[]),
        kinked("", "Softsign", &[]),
        kinked("",         "LeakyRelu", &[]),
        kinked(" steeper", "LeakyRelu", &[("alpha", 1.5)]),
        kinked(" falling", "LeakyRelu", &[("alpha", -0.2)]),
        p_relu(),
        kinked("",      "ThresholdedRelu", &[]),
        kinked(" at 2", "ThresholdedRelu", &[("alpha", 2.0)]),
        kinked("",      "Elu",  &[]),
        kinked(" half", "Elu",  &[("alpha", 0.5)]),
        kinked("",      "Selu", &[]),
        kinked(" own",  "Selu", &[("alpha", 0.5), ("gamma", 1.2)]),
        kinked("",      "Celu", &[]),
        kinked(" half", "Celu", &[("alpha", 0.5)]),
        kinked("",      "HardSigmoid", &[]),
        kinked(" own",  "HardSigmoid", &[("alpha", 0.5), ("beta", 0.3)]),
        kinked("",      "HardSwish", &[]),
        kinked("",      "Shrink", &[]),
        kinked(" soft", "Shrink", &[("lambd", 0.7), ("bias", 0.7)]),
    ]
}
