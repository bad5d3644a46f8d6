//! Support vector machines: kernels, votes and probabilities in basic operators. The columns of scores are those of ONNX Runtime.

use ndarray::{Array1, Array2, Zip};

use super::exact::{Expansion, difference};
use crate::builder::Call;
use crate::machine::{Kernel, Machine, classes};
use crate::{Attribute, DType, Result, Tensor, Var};

/// The label and the scores.
pub(super) fn classifier<'b>(c: &Call<'_, 'b>) -> Result<Vec<Var<'b>>> {
    let b = c.builder;
    let machine = Machine::of(c.node)?;
    let x = c.x(0).cast(DType::F32);
    let scores = kernel(x, machine.kernel, &machine.vectors)
        .with("MatMul", constant(x, machine.coefficients.into_dyn().into()))
        + constant(x, Array1::from(machine.offsets).into_dyn().into());
    // A class j is the second of j pairs: without a positive score it has j votes.
    let behind = Array1::from_iter((0..machine.classes).map(|j| j as f32));
    let votes = scores.above(0.0).with("MatMul", constant(x, machine.sides.into_dyn().into()))
        + constant(x, behind.into_dyn().into());
    let best = votes.apply_with("ArgMax", &[("axis", 1.into()), ("keepdims", 0.into())]);
    // Labels that are texts are no tensor here, and nothing reads them.
    let label = classes(c.node).0.map_or(best, |labels| b.ints(&labels).with("Gather", best));
    let columns = match machine.likely {
        Some([slope, offset]) => {
            let odds = -(scores * f64::from(slope) + f64::from(offset));
            // As a softmax it can be taken off.
            odds.beside(odds * 0.0).apply_with("Softmax", &[("axis", Attribute::Int(1))])
        }
        // They contradict the label.
        None if machine.classes == 2 => (-scores).beside(scores),
        None => scores,
    };
    Ok(vec![label, columns])
}

/// The most numbers that a square is spelled out in.
const PIECES: usize = 8;

/// A constant of the type of `x`.
fn constant<'b>(x: Var<'b>, array: Tensor) -> Var<'b> {
    x.builder().constant(array).cast_like(x)
}

/// The kernel of inputs (N, d) and vectors (V, d): (N, V).
fn kernel<'b>(x: Var<'b>, kernel: Kernel, vectors: &Array2<f32>) -> Var<'b> {
    let affine = |gamma: f32, origin: f32| products(x, vectors) * f64::from(gamma) + f64::from(origin);
    match kernel {
        Kernel::Linear => products(x, vectors),
        Kernel::Tanh { gamma, origin } => affine(gamma, origin).apply("Tanh"),
        Kernel::Power { gamma, origin, degree } => {
            let base = affine(gamma, origin);
            (1..degree).fold(base, |power, _| power * base)
        }
        Kernel::Radial { gamma } => {
            let squares = about_centre(x, vectors).unwrap_or_else(|| apart(x, vectors));
            (squares * f64::from(-gamma)).apply("Exp")
        }
    }
}

/// `x·v` of inputs (N, d) and vectors (V, d): (N, V).
fn products<'b>(x: Var<'b>, vectors: &Array2<f32>) -> Var<'b> {
    x.with("MatMul", constant(x, vectors.t().as_standard_layout().to_owned().into_dyn().into()))
}

/// `|x − v|²` as `|x|² − 2 x·v + |v|²` about a point near the mean of the vectors, where little is lost by the difference: (N, V). In
/// real arithmetic these are the vectors' own distances: each number that single precision does not hold is a sum of several.
/// Nothing where it would take too many, or smaller ones than there are.
fn about_centre<'b>(x: Var<'b>, vectors: &Array2<f32>) -> Option<Var<'b>> {
    let centre = centre(vectors);
    let (mut high, mut low) = (vectors.clone(), vectors.clone());
    for (mut high, mut low) in high.rows_mut().into_iter().zip(low.rows_mut()) {
        Zip::from(&mut high).and(&mut low).and(&centre).for_each(|high, low, &centre| {
            [*high, *low] = difference(*high, centre);
        });
    }
    let norm = |row: usize| {
        let mut norm = Expansion::default();
        for (&high, &low) in high.row(row).iter().zip(low.row(row)) {
            let [high, low] = [high, low].map(f64::from);
            [high * high, 2.0 * high * low, low * low].into_iter().for_each(|term| norm.add(term));
        }
        norm.pieces(PIECES)
    };
    let norms = (0..vectors.nrows()).map(norm).collect::<Option<Vec<Vec<f32>>>>()?;
    let count = norms.iter().map(Vec::len).max().unwrap_or_default();
    let piece = |i: usize| {
        let piece = norms.iter().map(|norm| norm.get(i).copied().unwrap_or_default());
        constant(x, Array1::from_iter(piece).into_dyn().into())
    };
    let x = x - constant(x, centre.into_dyn().into());
    let square = (x * x).reduce("ReduceSum", &[1], true);
    let distance = square - products(x, &high) * 2.0 + piece(0);
    if count < 2 && low.iter().all(|low| *low == 0.0) {
        return Some(distance);
    }
    // The small parts by themselves: their sum loses next to nothing.
    let rest = (1..count).rev().fold(products(x, &low) * -2.0, |rest, i| rest + piece(i));
    Some(distance + rest)
}

/// The same, each difference taken: (N, V).
fn apart<'b>(x: Var<'b>, vectors: &Array2<f32>) -> Var<'b> {
    let apart = x.unsqueeze(&[1]) - constant(x, vectors.clone().into_dyn().into());
    (apart * apart).reduce("ReduceSum", &[2], false)
}

/// A point near the mean of vectors, of few digits: differences from it are short.
fn centre(vectors: &Array2<f32>) -> Array1<f32> {
    let of = |column: usize| {
        let column = vectors.column(column);
        let mean = column.iter().copied().map(f64::from).sum::<f64>() / column.len() as f64;
        let spread = column.iter().map(|&v| (f64::from(v) - mean).abs()).fold(0.0, f64::max);
        match spread > 0.0 && spread.is_finite() {
            true => {
                let step = (spread.log2().floor() - 6.0).exp2();
                ((mean / step).round() * step) as f32
            }
            false => column.first().copied().unwrap_or_default(),
        }
    };
    (0..vectors.ncols()).map(of).collect()
}
