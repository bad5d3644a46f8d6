//! What bounds by intervals cost beside the network itself.

use kennard_graph::{Graph, Method, Region, bound};
use rand::RngExt;

use crate::subject::{Bounds, model, random, tensor};

const WIDTH: usize = 6;

/// Dense layers between ReLUs.
fn net(layers: usize) -> Graph {
    let mut rng = random(7);
    let mut some = |n: usize| (0..n).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
    let weights: Vec<[Vec<f32>; 2]> = (0..layers).map(|_| [some(WIDTH * WIDTH), some(WIDTH)]).collect();
    model(&[WIDTH], |x| {
        weights.iter().enumerate().fold(x, |x, (i, [w, bias])| {
            let b = x.builder();
            let [w, bias] = [tensor(&[WIDTH, WIDTH], w.clone()), tensor(&[WIDTH], bias.clone())];
            let x = if i == 0 { x } else { x.apply("Relu") };
            b.op("Gemm", &[Some(x), Some(b.constant(w)), Some(b.constant(bias))], &[])
        })
    })
}

/// Two products, two ReLUs, `l + u`, a radius in two steps, and both ends: whatever is constant is computed beforehand, and nothing is
/// checked where weights say how far it reaches.
#[test]
fn a_layer_between_relus_takes_nine_nodes() {
    let nodes = |layers| bound(&net(layers), Method::Intervals, Region::Box, 2).unwrap().nodes.len();
    assert_eq!(nodes(5) - nodes(4), 9);
}

/// That inputs are checked alone takes no bounds from numbers that are large, but within the range.
#[test]
fn large_inputs_have_bounds() {
    let bounds = Bounds::new(&net(3), Method::Intervals, Region::Box, 1);
    let spec: Vec<f32> = (0..WIDTH).map(|i| if i == 0 { 1.0 } else { 0.0 }).collect();
    let [below, above] = bounds.run([&[1e20; WIDTH], &[1.1e20; WIDTH]], &spec, None);
    assert!(below[0].is_finite() && above[0].is_finite(), "{below:?} {above:?}");
}
