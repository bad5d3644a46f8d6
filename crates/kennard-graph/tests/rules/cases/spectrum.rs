use kennard_graph::Attribute;

use crate::case::{Case, case, uniform};

/// Of a signal of this shape, in frames of 6 every 2, with a window or of that length.
fn stft(name: &str, parts: usize, windowed: bool, onesided: bool) -> Case {
    let built = case(&format!("spectrum/STFT {name}"), |m| {
        let x = m.batched(uniform(&[2, 11, parts], -1.0, 1.0, 1));
        let step = m.ints(&[2]).squeeze(&[0]);
        let window = windowed.then(|| m.constant(uniform(&[6], 0.2, 1.0, 2)));
        let length = (!windowed).then(|| m.ints(&[6]).squeeze(&[0]));
        let sides = [("onesided", i64::from(onesided).into())];
        m.output(m.builder.op("STFT", &[Some(x), Some(step), window, length], &sides));
    });
    built.without_rten()
}

fn dft(
    name: &str,
    shape: &[usize],
    axis: i64,
    length: Option<i64>,
    attributes: &[(&str, Attribute)],
) -> Case {
    let built = case(&format!("spectrum/DFT {name}"), |m| {
        let x = m.batched(uniform(shape, -1.0, 1.0, 1));
        let length = length.map(|n| m.ints(&[n]).squeeze(&[0]));
        let axis = m.ints(&[axis]).squeeze(&[0]);
        m.output(m.builder.op("DFT", &[Some(x), length, Some(axis)], attributes));
    });
    built.without_rten()
}

fn affine_grid(name: &str, size: &[i64], aligned: bool) -> Case {
    let built = case(&format!("spectrum/AffineGrid {name}"), |m| {
        let d = size.len() - 2;
        let theta = m.input(uniform(&[2, d, d + 1], -1.0, 1.0, 1));
        let corners = [("align_corners", i64::from(aligned).into())];
        m.output(m.builder.op("AffineGrid", &[Some(theta), Some(m.ints(size))], &corners));
    });
    built.without_rten()
}

pub fn cases() -> Vec<Case> {
    vec![
        stft("windowed", 1, true, true),
        stft("both sides", 1, false, false),
        stft("complex", 2, true, false),
        dft("real", &[2, 7, 1], 1, None, &[]),
        dft("onesided", &[2, 3, 8, 1], 2, None, &[("onesided", 1i64.into())]),
        dft("inner", &[2, 5, 3, 2], -3, None, &[]),
        dft("inverse", &[2, 6, 2], 1, None, &[("inverse", 1i64.into())]),
        dft("half, even", &[2, 5, 2], 1, Some(8), &[("inverse", 1i64.into()), ("onesided", 1i64.into())]),
        dft("half, odd", &[2, 5, 2], 1, Some(9), &[("inverse", 1i64.into()), ("onesided", 1i64.into())]),
        dft("longer", &[2, 5, 1], 1, Some(8), &[]),
        dft("shorter", &[2, 5, 2], 1, Some(4), &[]),
        affine_grid("edges", &[2, 3, 3, 4], false),
        affine_grid("centres", &[2, 3, 3, 4], true),
        affine_grid("volume", &[2, 1, 2, 3, 4], false),
    ]
}
