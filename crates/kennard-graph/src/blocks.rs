//! Products with constant weights of few bits, `A·Wᵀ + b`, as the nodes of ONNX Runtime's `MatMulNBits` have them. Each row of W is
//! made of blocks, each with a scale and a zero point of its own.

use ndarray::Array2;

use crate::{Node, Tensor};

/// The operator.
pub(crate) const BLOCKS: &str = "com.microsoft::MatMulNBits";

/// How many bits the weights may have.
const BITS: [i64; 3] = [2, 4, 8];
/// From this accuracy level on ONNX Runtime rounds each block of A to integers of 8 bits.
const ROUNDING: i64 = 4;

/// Whether the operator rounds A too.
pub(crate) fn rounds(node: &Node) -> bool {
    level(node) >= ROUNDING
}

/// Whether the weights are known where they are constant: not those in another order, nor of other bits.
pub(crate) fn is_known(node: &Node) -> bool {
    BITS.contains(&bits(node)) && node.input(4).is_none()
}

/// A node's operator, with the settings on which it depends whether it has a gradient.
pub fn operator_of(node: &Node) -> String {
    match node.op == BLOCKS {
        true => format!("{BLOCKS} of {} bits, accuracy level {}", bits(node), level(node)),
        false => node.op.clone(),
    }
}

fn bits(node: &Node) -> i64 {
    node.int("bits", 4)
}

fn level(node: &Node) -> i64 {
    node.int("accuracy_level", 0)
}

/// The weights as they multiply A, (K, N): `s·(w − z)` along each row of W. Integers that share a byte lie in it with the lowest
/// bits first. None where they are not known.
pub(crate) fn weights(node: &Node, constant: impl Fn(usize) -> Option<Tensor>) -> Option<Tensor> {
    let size = |name: &str| usize::try_from(node.int(name, 0)).ok().filter(|size| *size > 0);
    let (rows, columns, block) = (size("N")?, size("K")?, size("block_size")?);
    if !is_known(node) {
        return None;
    }
    let bits = usize::try_from(bits(node)).ok()?;
    let (levels, scales) = (constant(1)?.to_ints()?, constant(2)?.to_floats()?);
    let zeros = match node.input(3) {
        Some(_) => Some(constant(3)?.to_ints()?),
        None => None,
    };
    let blocks = columns.div_ceil(block);
    let bytes = |integers: usize| Some(integers.checked_mul(bits)?.div_ceil(8));
    let (of_block, of_zeros) = (bytes(block)?, bytes(blocks)?);
    let all = rows.checked_mul(blocks)?;
    let fits = scales.len() == all
        && levels.len() == all.checked_mul(of_block)?
        && match &zeros {
            Some(zeros) => zeros.len() == rows.checked_mul(of_zeros)?,
            None => true,
        };
    let (each, mask, middle) = (8 / bits, (1i64 << bits) - 1, (1i64 << (bits - 1)) as f64);
    let part = |byte: i64, i: usize| ((byte >> (bits * (i % each))) & mask) as f64;
    let weight = |(k, n): (usize, usize)| {
        let (at, within) = (k / block, k % block);
        let level = part(levels[(n * blocks + at) * of_block + within / each], within);
        let zero = zeros.as_ref().map_or(middle, |zeros| part(zeros[n * of_zeros + at / each], at));
        ((level - zero) * scales[n * blocks + at]) as f32
    };
    fits.then(|| Array2::from_shape_fn((columns, rows), weight).into_dyn().into())
}
