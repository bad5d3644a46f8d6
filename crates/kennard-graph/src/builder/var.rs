use std::ops;

use super::Builder;
use crate::{Attribute, DType, Dim, GraphError, Result, Shape, Tensor, TensorType};

/// A tensor of the graph under construction.
#[derive(Clone, Copy)]
pub struct Var<'b> {
    pub(super) builder: &'b Builder,
    pub(super) id: u32,
}

impl<'b> Var<'b> {
    /// The builder this tensor belongs to.
    pub fn builder(self) -> &'b Builder {
        self.builder
    }

    /// The tensor's name in the graph.
    pub fn name(self) -> String {
        self.builder.state.borrow().names[self.id as usize].clone()
    }

    /// The tensor's type.
    ///
    /// # Errors
    /// When it could not be inferred.
    pub fn ty(self) -> Result<TensorType> {
        let state = self.builder.state.borrow();
        let name = &state.names[self.id as usize];
        if let Some(error) = &state.error {
            return Err(error.clone());
        }
        state.types.get(name).cloned().ok_or_else(|| state.untyped(name))
    }

    /// The tensor's shape.
    ///
    /// # Errors
    /// When it could not be inferred.
    pub fn shape(self) -> Result<Shape> {
        Ok(self.ty()?.shape)
    }

    /// The tensor's constant value, if it is one.
    pub fn as_constant(self) -> Option<Tensor> {
        let state = self.builder.state.borrow();
        state.graph.constants.get(&state.names[self.id as usize]).cloned()
    }

    /// The elements of a small integer tensor, if they are known numbers.
    pub fn as_ints(self) -> Option<Vec<i64>> {
        let state = self.builder.state.borrow();
        state.types.value(&state.names[self.id as usize])?.known()
    }

    /// Whether bounds of this tensor leave room for rounding.
    pub(crate) fn counts_rounding(self) -> bool {
        self.builder.state.borrow().counts_rounding
    }

    /// A number of this tensor's element type.
    pub fn number(self, value: f64) -> Var<'b> {
        let dtype = self.ty().map_or(DType::F32, |ty| ty.dtype);
        self.builder.constant(Tensor::scalar(value, dtype))
    }

    /// A one-input operator applied.
    pub fn apply(self, op: &str) -> Var<'b> {
        self.builder.op(op, &[Some(self)], &[])
    }

    /// A one-input operator with attributes applied.
    pub fn apply_with(self, op: &str, attributes: &[(&str, Attribute)]) -> Var<'b> {
        self.builder.op(op, &[Some(self)], attributes)
    }

    /// This column and another, side by side.
    pub(crate) fn beside(self, other: Var<'b>) -> Var<'b> {
        self.builder.op("Concat", &[Some(self), Some(other)], &[("axis", Attribute::Int(1))])
    }

    /// A two-input operator applied.
    pub fn with(self, op: &str, other: Var<'b>) -> Var<'b> {
        self.builder.op(op, &[Some(self), Some(other)], &[])
    }

    /// 1 where `self > threshold`, else 0, in this tensor's element type.
    pub fn above(self, threshold: f64) -> Var<'b> {
        self.with("Greater", self.number(threshold)).cast_like(self)
    }

    /// 1 where `self < threshold`, else 0, in this tensor's element type.
    pub fn below(self, threshold: f64) -> Var<'b> {
        self.with("Less", self.number(threshold)).cast_like(self)
    }

    /// Cast to another element type; itself if it has that type.
    pub fn cast(self, dtype: DType) -> Var<'b> {
        if self.ty().is_ok_and(|ty| ty.dtype == dtype) {
            return self;
        }
        self.apply_with("Cast", &[("to", dtype.code().into())])
    }

    /// Cast to the element type of `other`; to single precision where that is not known.
    pub fn cast_like(self, other: Var<'b>) -> Var<'b> {
        self.cast(other.ty().map_or(DType::F32, |ty| ty.dtype))
    }

    /// Reshaped; at most one extent may depend on the batch.
    pub fn reshape(self, shape: &Shape) -> Var<'b> {
        if self.shape().is_ok_and(|s| s == *shape) {
            return self;
        }
        let mut free = 0;
        let dims: Vec<i64> = shape
            .0
            .iter()
            .map(|d| match d {
                Dim::Known(n) => *n as i64,
                Dim::Batch(_) => {
                    free += 1;
                    -1
                }
            })
            .collect();
        if free > 1 {
            let message = format!("cannot reshape to {shape}: two extents depend on the batch");
            self.builder.fail(GraphError::Shape(message));
        }
        self.with("Reshape", self.builder.ints(&dims))
    }

    /// Broadcast to the shape of `other`.
    pub fn expand_like(self, other: Var<'b>) -> Var<'b> {
        let Ok(shape) = other.shape() else { return self };
        if self.shape().is_ok_and(|s| s == shape) {
            return self;
        }
        match shape.known() {
            Some(dims) => {
                let dims: Vec<i64> = dims.iter().map(|&n| n as i64).collect();
                self.with("Expand", self.builder.ints(&dims))
            }
            None => self.with("Expand", other.apply("Shape")),
        }
    }

    /// Zeros of the type and shape of this tensor.
    pub fn zeros_like(self) -> Var<'b> {
        self.number(0.0).expand_like(self)
    }

    /// Axes permuted: axis `i` of the result is axis `order[i]` of this tensor.
    pub fn transpose(self, order: &[usize]) -> Var<'b> {
        let order: Vec<i64> = order.iter().map(|&i| i as i64).collect();
        self.apply_with("Transpose", &[("perm", order.into())])
    }

    /// A reduction (`ReduceSum`, `ReduceMean` …) over `axes`.
    pub fn reduce(self, op: &str, axes: &[usize], keep: bool) -> Var<'b> {
        if axes.is_empty() {
            return self;
        }
        let axes: Vec<i64> = axes.iter().map(|&i| i as i64).collect();
        let axes = self.builder.ints(&axes);
        self.builder.op(op, &[Some(self), Some(axes)], &[("keepdims", i64::from(keep).into())])
    }

    /// Extents of 1 put in at `axes` (counted in the result).
    pub fn unsqueeze(self, axes: &[i64]) -> Var<'b> {
        self.with("Unsqueeze", self.builder.ints(axes))
    }

    /// Extents of 1 at `axes` removed.
    pub fn squeeze(self, axes: &[i64]) -> Var<'b> {
        self.with("Squeeze", self.builder.ints(axes))
    }

    /// `self[starts[i]..ends[i]; steps[i]]` along each of `axes`.
    pub fn slice(self, axes: &[i64], starts: &[i64], ends: &[i64], steps: &[i64]) -> Var<'b> {
        let ints = |v: &[i64]| Some(self.builder.ints(v));
        self.builder.op("Slice", &[Some(self), ints(starts), ints(ends), ints(axes), ints(steps)], &[])
    }

    /// Summed down to `shape`, the reverse of broadcasting from it.
    pub fn sum_to(self, shape: &Shape) -> Var<'b> {
        let Ok(from) = self.shape() else { return self };
        if from == *shape {
            return self;
        }
        let lead = from.rank().saturating_sub(shape.rank());
        let stretched = (lead..from.rank()).filter(|&i| from.0[i] != shape.0[i - lead]);
        let axes: Vec<usize> = (0..lead).chain(stretched).collect();
        self.reduce("ReduceSum", &axes, true).reshape(shape)
    }
}

macro_rules! arithmetic {
    ($($trait:ident :: $method:ident => $op:literal),*) => {$(
        impl<'b> ops::$trait for Var<'b> {
            type Output = Var<'b>;
            fn $method(self, other: Var<'b>) -> Var<'b> {
                self.with($op, other)
            }
        }
        impl<'b> ops::$trait<f64> for Var<'b> {
            type Output = Var<'b>;
            fn $method(self, other: f64) -> Var<'b> {
                self.with($op, self.number(other))
            }
        }
        impl<'b> ops::$trait<Var<'b>> for f64 {
            type Output = Var<'b>;
            fn $method(self, other: Var<'b>) -> Var<'b> {
                other.number(self).with($op, other)
            }
        }
    )*};
}
arithmetic!(Add::add => "Add", Sub::sub => "Sub", Mul::mul => "Mul", Div::div => "Div");

impl<'b> ops::Neg for Var<'b> {
    type Output = Var<'b>;
    fn neg(self) -> Var<'b> {
        self.apply("Neg")
    }
}
