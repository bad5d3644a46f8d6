//! Operators that move elements about: reshaping, joining, cutting, repeating.

mod cut;

use cut::{pad, slice};
pub(crate) use cut::{padding, spans};

use super::{Context, Inferred, ShapeRule, Sym, broadcast_shapes, dim, one};
use crate::{Dim, Result, Shape, TensorType};

pub(super) const RULES: &[(&str, ShapeRule)] = &[
    ("Reshape", reshape),
    ("Flatten", flatten),
    ("Squeeze", squeeze),
    ("Unsqueeze", unsqueeze),
    ("Transpose", transpose),
    ("Concat", concat),
    ("Split", split),
    ("Slice", slice),
    ("Pad", pad),
    ("Expand", expand),
    ("Tile", tile),
    ("DepthToSpace", depth_to_space),
    ("SpaceToDepth", space_to_depth),
];

/// 0 keeps an extent (unless `allowzero`), one −1 takes what remains.
fn reshape(c: &Context) -> Inferred {
    let x = c.input(0)?;
    let Some(target) = c.value(1) else { return Ok(None) };
    let keep_zero = c.node.int("allowzero", 0) != 0;
    let mut dims = Vec::new();
    let mut free = None;
    for (i, sym) in target.iter().enumerate() {
        match sym {
            Sym::Known(-1) if free.is_none() => {
                free = Some(i);
                dims.push(Dim::Known(1));
            }
            Sym::Known(0) if !keep_zero => match x.shape.0.get(i) {
                Some(&d) => dims.push(d),
                None => return c.fail(format!("extent {i} of {} is to be kept, but there is none", x.shape)),
            },
            sym => match c.dim(sym)? {
                Some(d) => dims.push(d),
                None => return Ok(None),
            },
        }
    }
    let shape = Shape(dims);
    let (Some((from, from_power)), Some((to, to_power))) = (x.shape.volume(), shape.volume()) else {
        return Ok(None);
    };
    let misfit = || {
        let target: Vec<String> = target.iter().map(|s| s.to_string()).collect();
        let cure = match from_power == to_power {
            true => "",
            false => "; if the model was exported for one batch size, fix the batch of its input to it",
        };
        c.fail(format!("{} cannot be reshaped to [{}]{cure}", x.shape, target.join(", ")))
    };
    let Some(free) = free else {
        // With different powers of the batch the volumes agree for one batch size at most.
        return if (from, from_power) == (to, to_power) { one(x.dtype, shape) } else { misfit() };
    };
    let rest = match from_power.checked_sub(to_power) {
        Some(0) if to != 0 && from.is_multiple_of(to) => Dim::Known(from / to),
        Some(1) if to != 0 && from == 0 => Dim::Known(0),
        Some(1) if to != 0 && from.is_multiple_of(to) => Dim::Batch(from / to),
        // Some batch sizes supply the factor that is missing.
        Some(1) if to != 0 => return Ok(None),
        Some(2..) => return Ok(None),
        _ => return misfit(),
    };
    one(x.dtype, dim::replaced(&shape, free, rest))
}

fn flatten(c: &Context) -> Inferred {
    let x = c.input(0)?;
    let rank = x.shape.rank();
    let axis = c.node.int("axis", 1);
    let axis = if axis == rank as i64 { rank } else { c.axis(axis, rank)? };
    let (Some(rows), Some(columns)) = (dim::product(&x.shape.0[..axis]), dim::product(&x.shape.0[axis..]))
    else {
        return Ok(None);
    };
    one(x.dtype, Shape(vec![rows, columns]))
}

/// Input 1 as axes of a tensor of this rank; none may come twice.
fn axes(c: &Context, axes: &[i64], rank: usize) -> Result<Vec<usize>> {
    let wrapped: Vec<usize> = axes.iter().map(|&axis| c.axis(axis, rank)).collect::<Result<_>>()?;
    let mut sorted = wrapped.clone();
    sorted.sort_unstable();
    sorted.dedup();
    if sorted.len() != wrapped.len() { c.fail(format!("axes {axes:?} name one twice")) } else { Ok(wrapped) }
}

fn squeeze(c: &Context) -> Inferred {
    let x = c.input(0)?;
    let removed: Vec<usize> = match (c.optional(1), c.ints(1)) {
        (Some(_), None) => return Ok(None),
        (Some(_), Some(named)) => axes(c, &named, x.shape.rank())?,
        (None, _) => (0..x.shape.rank()).filter(|&i| x.shape.0[i] == Dim::Known(1)).collect(),
    };
    if let Some(&axis) = removed.iter().find(|&&axis| x.shape.0[axis] != Dim::Known(1)) {
        return c.fail(format!("axis {axis} of {} is not of extent 1", x.shape));
    }
    let dims = x.shape.0.iter().enumerate().filter(|(i, _)| !removed.contains(i)).map(|(_, &d)| d);
    one(x.dtype, Shape(dims.collect()))
}

fn unsqueeze(c: &Context) -> Inferred {
    let x = c.input(0)?;
    c.input(1)?;
    let Some(named) = c.ints(1) else { return Ok(None) };
    let rank = x.shape.rank() + named.len();
    let added = axes(c, &named, rank)?;
    let mut old = x.shape.0.iter();
    let dims = (0..rank).map(|i| if added.contains(&i) { Some(Dim::Known(1)) } else { old.next().copied() });
    Ok(dims.collect::<Option<Vec<Dim>>>().map(|dims| vec![TensorType::new(x.dtype, dims)]))
}

/// The order of axes of a `Transpose`; reversed where it is not given.
pub(crate) fn permutation(c: &Context, rank: usize) -> Result<Vec<usize>> {
    let Some(order) = c.node.ints("perm") else { return Ok((0..rank).rev().collect()) };
    let wrapped = axes(c, order, rank)?;
    if wrapped.len() == rank { Ok(wrapped) } else { c.fail(format!("perm {order:?} is not of rank {rank}")) }
}

fn transpose(c: &Context) -> Inferred {
    let x = c.input(0)?;
    let order = permutation(c, x.shape.rank())?;
    one(x.dtype, Shape(order.iter().map(|&i| x.shape.0[i]).collect()))
}

fn concat(c: &Context) -> Inferred {
    let x = c.input(0)?;
    let axis = c.axis(c.node.int("axis", 0), x.shape.rank())?;
    let mut total = x.shape.0[axis];
    for i in 1..c.arity() {
        let y = c.shape(i)?;
        let fits = y.rank() == x.shape.rank() && (0..y.rank()).all(|k| k == axis || y.0[k] == x.shape.0[k]);
        if !fits {
            return c.fail(format!("{} and {y} cannot be joined along axis {axis}", x.shape));
        }
        match dim::plus(total, y.0[axis]) {
            Some(sum) => total = sum,
            None => return Ok(None),
        }
    }
    one(x.dtype, dim::replaced(&x.shape, axis, total))
}

fn split(c: &Context) -> Inferred {
    let x = c.input(0)?;
    let axis = c.axis(c.node.int("axis", 0), x.shape.rank())?;
    let extent = x.shape.0[axis];
    let count = c.node.outputs.len();
    let part = |d: Dim| TensorType::new(x.dtype, dim::replaced(&x.shape, axis, d));
    if c.optional(1).is_some() {
        let Some(sizes) = c.value(1) else { return Ok(None) };
        if sizes.len() != count {
            return c.fail(format!("{} sizes for {count} outputs", sizes.len()));
        }
        let Some(sizes) = sizes.iter().map(|s| c.dim(s)).collect::<Result<Option<Vec<Dim>>>>()? else {
            return Ok(None);
        };
        let total = sizes.iter().try_fold(Dim::Known(0), |a, &b| dim::plus(a, b));
        return match total {
            Some(total) if total == extent => Ok(Some(sizes.into_iter().map(part).collect())),
            Some(Dim::Known(_)) if extent.known().is_some() => {
                c.fail(format!("the sizes do not sum to axis {axis} of {}", x.shape))
            }
            _ => Ok(None),
        };
    }
    if c.node.int("num_outputs", count as i64) != count as i64 || count == 0 {
        return c.fail(format!("num_outputs is not the number of outputs, {count}"));
    }
    let Dim::Known(n) = extent else {
        return Ok(dim::divided(extent, count).map(|d| vec![part(d); count]));
    };
    // All of one size but the last, which may be smaller.
    let size = n.div_ceil(count);
    let mut sizes = vec![size; count];
    match n.checked_sub(size * (count - 1)) {
        Some(last) => sizes[count - 1] = last,
        None => return c.fail(format!("axis {axis} of {} does not split into {count}", x.shape)),
    }
    Ok(Some(sizes.into_iter().map(|n| part(Dim::Known(n))).collect()))
}

fn expand(c: &Context) -> Inferred {
    let x = c.input(0)?;
    c.input(1)?;
    let Some(target) = c.dims(1)? else { return Ok(None) };
    match broadcast_shapes(&x.shape, &target) {
        Some(shape) => one(x.dtype, shape),
        None => c.fail(format!("{} does not expand to {target}", x.shape)),
    }
}

fn tile(c: &Context) -> Inferred {
    let x = c.input(0)?;
    c.input(1)?;
    let Some(repeats) = c.dims(1)? else { return Ok(None) };
    if repeats.rank() != x.shape.rank() {
        return c.fail(format!("{} repeats for {}", repeats.rank(), x.shape));
    }
    let overflows = |(d, n): (&Dim, &Dim)| match (d.known(), n.known()) {
        (Some(d), Some(n)) => d.checked_mul(n).is_none_or(|product| product > isize::MAX as usize),
        _ => false,
    };
    if x.shape.0.iter().zip(&repeats.0).any(overflows) {
        return c.fail(format!("{} repeated {repeats} times is too large", x.shape));
    }
    let dims = x.shape.0.iter().zip(&repeats.0).map(|(&d, &n)| dim::times(d, n));
    Ok(dims.collect::<Option<Vec<Dim>>>().map(|dims| vec![TensorType::new(x.dtype, dims)]))
}

/// `[N, C, H, W]` and the block size.
fn image<'a>(c: &Context<'a>) -> Result<(&'a TensorType, [Dim; 4], usize)> {
    let x = c.input(0)?;
    match (x.shape.0.as_slice(), usize::try_from(c.node.int("blocksize", 0))) {
        (&[n, channels, h, w], Ok(block)) if block > 0 => Ok((x, [n, channels, h, w], block)),
        _ => c.fail(format!("data {} must have 4 axes, and the block size be positive", x.shape)),
    }
}

fn depth_to_space(c: &Context) -> Inferred {
    let (x, [n, channels, h, w], block) = image(c)?;
    let fewer = block.checked_mul(block).and_then(|b| dim::divided(channels, b));
    let Some(fewer) = fewer else {
        return c.fail(format!("the channels of {} do not divide into blocks of {block}", x.shape));
    };
    let (h, w) = (dim::times(h, Dim::Known(block)), dim::times(w, Dim::Known(block)));
    Ok(h.zip(w).map(|(h, w)| vec![TensorType::new(x.dtype, vec![n, fewer, h, w])]))
}

fn space_to_depth(c: &Context) -> Inferred {
    let (x, [n, channels, h, w], block) = image(c)?;
    let (Some(h), Some(w)) = (dim::divided(h, block), dim::divided(w, block)) else {
        return c.fail(format!("{} does not divide into blocks of {block}", x.shape));
    };
    let more = block.checked_mul(block).and_then(|b| dim::times(channels, Dim::Known(b)));
    Ok(more.map(|more| vec![TensorType::new(x.dtype, vec![n, more, h, w])]))
}
