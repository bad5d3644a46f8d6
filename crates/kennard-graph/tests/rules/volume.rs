//! Convolutions and pools over three axes, and pools with gaps, as those over two spell them out, against the sums that they
//! stand for.

use kennard_graph::{Attribute, Builder, DType, Graph, Shape, Tensor, TensorType, define};
use ndarray::{ArrayD, IxDyn};

use crate::case::uniform;
use crate::rten::Runner;

type List = [i64; 3];

/// A window over three axes.
#[derive(Clone, Copy)]
struct Window {
    kernel: List,
    strides: List,
    dilations: List,
    before: List,
    after: List,
}

const PLAIN: Window =
    Window { kernel: [2, 3, 2], strides: [1; 3], dilations: [1; 3], before: [0; 3], after: [0; 3] };

fn windows() -> [Window; 4] {
    let strided = Window { strides: [2, 1, 3], before: [1, 0, 1], after: [0, 2, 1], ..PLAIN };
    let gaps = Window { dilations: [2, 1, 3], before: [1, 1, 0], after: [1, 0, 2], ..PLAIN };
    [PLAIN, strided, gaps, Window { strides: [2, 2, 1], ..gaps }]
}

impl Window {
    fn attributes(&self) -> Vec<(&'static str, Attribute)> {
        vec![
            ("kernel_shape", self.kernel[..].into()),
            ("strides", self.strides[..].into()),
            ("dilations", self.dilations[..].into()),
            ("pads", [self.before, self.after].concat().into()),
        ]
    }

    /// The positions that output `o` sees, by taps; those outside of `extents` too.
    fn seen(&self, o: List) -> Vec<(List, List)> {
        let mut all = Vec::new();
        for q in ndarray::indices(IxDyn(&self.kernel.map(|k| k as usize))) {
            let at = |i: usize| o[i] * self.strides[i] + q[i] as i64 * self.dilations[i] - self.before[i];
            all.push(([0, 1, 2].map(|i| q[i] as i64), [0, 1, 2].map(at)));
        }
        all
    }
}

fn array(tensor: &Tensor) -> ArrayD<f64> {
    ArrayD::from_shape_vec(IxDyn(tensor.shape()), tensor.to_floats().unwrap()).unwrap()
}

fn inside(at: List, extents: &[usize]) -> Option<[usize; 3]> {
    let fits = (0..3).all(|i| at[i] >= 0 && at[i] < extents[i] as i64);
    fits.then(|| at.map(|n| n as usize))
}

/// What rten makes of the definition.
fn defined(op: &str, inputs: &[Tensor], attributes: &[(&str, Attribute)]) -> ArrayD<f64> {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(inputs[0].shape())));
    let others = inputs[1..].iter().map(|tensor| builder.constant(tensor.clone()));
    let all: Vec<_> = [x].into_iter().chain(others).map(Some).collect();
    builder.output("y", builder.op(op, &all, attributes));
    let graph = define(&builder.finish().unwrap(), |node| node.op == op).unwrap();
    assert!(graph.nodes.iter().all(|node| node.op != op || !node.name.starts_with("y")));
    let values = [("x".to_string(), inputs[0].clone())].into();
    Runner::new(&graph).unwrap().run(&values).unwrap()["y"].mapv(f64::from)
}

fn close(found: &ArrayD<f64>, wanted: impl Fn(&[usize]) -> f64, what: &str) {
    for (at, y) in found.indexed_iter() {
        let at = ndarray::Dimension::slice(&at).to_vec();
        let right = wanted(&at);
        assert!((y - right).abs() < 1e-5, "{what} at {at:?}: {y} instead of {right}");
    }
}

#[test]
fn convolutions_over_three_axes() {
    for window in windows() {
        let (x, w, b) = (
            uniform(&[2, 4, 5, 4, 7], -1.0, 1.0, 1),
            uniform(&[6, 2, 2, 3, 2], -1.0, 1.0, 2),
            uniform(&[6], -1.0, 1.0, 3),
        );
        let attributes = [window.attributes(), vec![("group", 2.into())]].concat();
        let y = defined("Conv", &[x.clone(), w.clone(), b.clone()], &attributes);
        let (x, w, b) = (array(&x), array(&w), array(&b));
        close(
            &y,
            |at| {
                let mut sum = b[[at[1]]];
                for (q, p) in window.seen([2, 3, 4].map(|i| at[i] as i64)) {
                    let Some(p) = inside(p, &x.shape()[2..]) else { continue };
                    for c in 0..2 {
                        let q = q.map(|n| n as usize);
                        sum +=
                            w[[at[1], c, q[0], q[1], q[2]]] * x[[at[0], at[1] / 3 * 2 + c, p[0], p[1], p[2]]];
                    }
                }
                sum
            },
            "Conv",
        );
    }
}

#[test]
fn transposed_convolutions_over_three_axes() {
    for window in windows() {
        let (x, w) = (uniform(&[2, 4, 3, 2, 3], -1.0, 1.0, 1), uniform(&[4, 3, 2, 3, 2], -1.0, 1.0, 2));
        let attributes = [window.attributes(), vec![("group", 2.into())]].concat();
        let y = defined("ConvTranspose", &[x.clone(), w.clone()], &attributes);
        let (x, w) = (array(&x), array(&w));
        let mut wanted = ArrayD::zeros(y.raw_dim());
        for n in 0..2 {
            for o in ndarray::indices(IxDyn(&x.shape()[2..])) {
                for (q, p) in window.seen([0, 1, 2].map(|i| o[i] as i64)) {
                    let Some(p) = inside(p, &y.shape()[2..]) else { continue };
                    let q = q.map(|n| n as usize);
                    for (c, m) in (0..4).flat_map(|c| (0..3).map(move |m| (c, m))) {
                        wanted[[n, c / 2 * 3 + m, p[0], p[1], p[2]]] +=
                            w[[c, m, q[0], q[1], q[2]]] * x[[n, c, o[0], o[1], o[2]]];
                    }
                }
            }
        }
        close(&y, |at| wanted[IxDyn(at)], "ConvTranspose");
    }
}

#[test]
fn pools_over_three_axes_and_with_gaps() {
    for (window, op, margin) in windows()
        .into_iter()
        .flat_map(|w| [(w, "MaxPool", false), (w, "AveragePool", false), (w, "AveragePool", true)])
    {
        let x = uniform(&[2, 2, 5, 4, 7], -1.0, 1.0, 1);
        let mut attributes = window.attributes();
        if margin {
            attributes.push(("count_include_pad", 1.into()));
        }
        let y = defined(op, std::slice::from_ref(&x), &attributes);
        let x = array(&x);
        close(
            &y,
            |at| {
                let seen = window.seen([2, 3, 4].map(|i| at[i] as i64));
                let values: Vec<f64> = seen
                    .iter()
                    .filter_map(|(_, p)| inside(*p, &x.shape()[2..]))
                    .map(|p| x[[at[0], at[1], p[0], p[1], p[2]]])
                    .collect();
                match op {
                    "MaxPool" => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
                    _ => values.iter().sum::<f64>() / (if margin { seen.len() } else { values.len() }) as f64,
                }
            },
            op,
        );
    }
}

/// Over two axes, with a margin: a tap beyond the edge is none of the window, and neither is the edge itself.
#[test]
fn pools_with_gaps_and_a_margin() {
    let x = uniform(&[2, 2, 5, 7], -1.0, 1.0, 1);
    let (kernel, strides, dilations, before) = ([3i64, 2], [1i64, 2], [2i64, 3], [2i64, 1]);
    let attributes = [
        ("kernel_shape", kernel[..].into()),
        ("strides", strides[..].into()),
        ("dilations", dilations[..].into()),
        ("pads", vec![before[0], before[1], 1, 2].into()),
    ];
    let y = defined("MaxPool", std::slice::from_ref(&x), &attributes);
    assert_eq!(y.shape(), [2, 2, 4, 4]);
    let x = array(&x);
    close(
        &y,
        |at| {
            let mut largest = f64::NEG_INFINITY;
            for (p, q) in (0..kernel[0]).flat_map(|p| (0..kernel[1]).map(move |q| (p, q))) {
                let row = at[2] as i64 * strides[0] + p * dilations[0] - before[0];
                let column = at[3] as i64 * strides[1] + q * dilations[1] - before[1];
                if (0..5).contains(&row) && (0..7).contains(&column) {
                    largest = f64::max(largest, x[[at[0], at[1], row as usize, column as usize]]);
                }
            }
            largest
        },
        "MaxPool",
    );
}
