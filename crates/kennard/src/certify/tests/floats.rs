//! What is proved of single precision.

use kennard_graph::{Attribute, Var};

use super::*;
use crate::classifier::tests::machines::linear;

/// `z = (x + c, x)` behind ReLUs that are always open, around 0.5.
fn apart(c: f32) -> Engine {
    behind(c, |z| z)
}

/// The same with something behind it.
fn behind(c: f32, end: impl for<'b> Fn(Var<'b>) -> Var<'b>) -> Engine {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(1)]));
    let tensor = |shape: &[usize], values: [f32; 2]| {
        builder.constant(Tensor::from(ArrayD::from_shape_vec(IxDyn(shape), values.to_vec()).unwrap()))
    };
    let sums = x.with("MatMul", tensor(&[1, 2], [1.0, 1.0])) + tensor(&[2], [c, 0.0]);
    builder.output("z", end(sums.apply("Relu")));
    engine_of(&builder.finish().unwrap(), &[1])
}

/// By intervals the margin is `c − 2ε` and may be as small as what rounding can do; the true one is c. The certificate stays that of
/// intervals, and is one in single precision by tighter bounds.
#[test]
fn cheap_bounds_prove_it_in_floats_too() {
    let data = DataSet::from_samples(vec![0.5, 0.5], vec![0, 1], &[1], &[]).unwrap();
    let threat = ThreatModel::within(Norm::Linf, 0.25, [0.0, 1.0]).unwrap();
    let mut tiny = 0;
    for step in 0..200u32 {
        let c = f32::from_bits(0.5f32.to_bits() + 8 * step);
        let bounded = found(&apart(c), &data, threat)[&0];
        assert!(bounded.is_certified() && bounded.in_floats == Some(true), "{c}: {bounded:?}");
        if bounded.method == BoundMethod::Intervals {
            assert!(bounded.margin < 1e-4, "{c}: {bounded:?}");
            tiny += 1;
        }
    }
    assert!(tiny > 100, "{tiny}");
}

/// Single precision rounds a closing sigmoid to 1, and sums constants in an order of the runtime's own; and a machine is computed
/// in the runtime's own way.
#[test]
fn nothing_is_said_of_what_single_precision_does_otherwise() {
    let data = DataSet::from_samples(vec![0.5], vec![0], &[1], &[]).unwrap();
    let threat = ThreatModel::within(Norm::Linf, 0.01, [0.0, 1.0]).unwrap();
    let of = |engine: &Engine| {
        let bounded = found(engine, &data, threat)[&0];
        assert!(bounded.is_certified(), "{bounded:?}");
        bounded.in_floats
    };
    assert_eq!(of(&behind(0.5, |z| z + 4.0)), Some(true));
    assert_eq!(of(&behind(0.5, summed)), None);
    assert_eq!(of(&behind(0.5, |z| z.apply("Sigmoid"))), None);
    assert_eq!(of(&behind(0.5, |z| z.apply_with("Softmax", &[("axis", 1i64.into())]))), None);
    let either = DataSet::from_samples(vec![0.5, 0.5], vec![0, 1], &[1], &[]).unwrap();
    let of_machine = found(&machine(), &either, threat);
    assert!(of_machine.values().any(Bounded::is_certified), "{of_machine:?}");
    assert!(of_machine.values().all(|bounded| bounded.in_floats.is_none()), "{of_machine:?}");
}

fn summed<'b>(z: Var<'b>) -> Var<'b> {
    let ones = Tensor::from(ArrayD::from_elem(IxDyn(&[4]), 1.0f32));
    z + z.builder().constant(ones).reduce("ReduceSum", &[0], true)
}

/// A machine of two classes: `s = x + ½`.
fn machine() -> Engine {
    engine_of(&linear(&[1.0, 0.0], 0.5, false), &[1])
}

/// A product that rounds its input to integers has a gradient, that of real numbers, of which a proof would not be one.
#[test]
fn nothing_is_proved_of_what_rounds_to_integers() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(32)]));
    let levels = builder.constant(Tensor::full(&[2, 1, 32], 130.0, DType::U8));
    let scales = builder.constant(Tensor::full(&[2], 0.5, DType::F32));
    let settings = [("K", 32i64), ("N", 2), ("bits", 8), ("block_size", 32), ("accuracy_level", 4)];
    let settings = settings.map(|(name, value)| (name, Attribute::Int(value)));
    let y = builder.op("com.microsoft::MatMulNBits", &[Some(x), Some(levels), Some(scales)], &settings);
    builder.output("y", y);
    let engine = engine_of(&builder.finish().unwrap(), &[32]);
    assert!(engine.gradient_error().is_none(), "{:?}", engine.gradient_error());
    assert!(engine.warnings().iter().any(|warning| warning.code == "untouched-model"));
    let threat = ThreatModel::within(Norm::Linf, 0.01, [0.0, 1.0]).unwrap();
    let refusal = Certifier::new(&engine, threat, None, BoundMethod::TIGHTEST, None).err().unwrap();
    assert!(refusal.to_string().contains("8 bits, accuracy level 4"), "{refusal}");
}
