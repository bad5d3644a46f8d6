//! Element types, and how they are computed with: floats in double precision, rounded once; integers
//! in 64 bits, refused where they leave their type.

use half::f16;
use ndarray::{ArrayD, ArrayViewD};

use crate::Tensor;

/// A type that tensors hold.
pub(super) trait Element: Copy + Default + PartialEq {
    /// The array of a tensor of this type.
    fn view(tensor: &Tensor) -> Option<ArrayViewD<'_, Self>>;
    /// The tensor of an array.
    fn tensor(array: ArrayD<Self>) -> Tensor;
}

/// A float.
pub(super) trait Real: Element {
    fn wide(self) -> f64;
    fn narrow(wide: f64) -> Self;
}

/// An integer, or a truth value as 0 and 1.
pub(super) trait Int: Element {
    fn wide(self) -> i64;
    /// `None` where the type cannot hold the number.
    fn fit(wide: i64) -> Option<Self>;
    /// The lowest bits, as a cast takes them.
    fn wrap(wide: i64) -> Self;
}

macro_rules! element {
    ($($type:ty => $variant:ident),*) => {$(
        impl Element for $type {
            fn view(tensor: &Tensor) -> Option<ArrayViewD<'_, $type>> {
                if let Tensor::$variant(array) = tensor { Some(array.view()) } else { None }
            }
            fn tensor(array: ArrayD<$type>) -> Tensor {
                array.into()
            }
        }
    )*};
}
element!(f32 => F32, f64 => F64, f16 => F16, i64 => I64, i32 => I32, i8 => I8, u8 => U8, i16 => I16, u16 => U16, bool => Bool);

macro_rules! int {
    ($($type:ty),*) => {$(
        impl Int for $type {
            fn wide(self) -> i64 {
                self.into()
            }
            fn fit(wide: i64) -> Option<$type> {
                wide.try_into().ok()
            }
            fn wrap(wide: i64) -> $type {
                wide as $type
            }
        }
    )*};
}
int!(i64, i32, i8, u8, i16, u16);

impl Int for bool {
    fn wide(self) -> i64 {
        self.into()
    }
    fn fit(wide: i64) -> Option<bool> {
        Some(wide != 0)
    }
    fn wrap(wide: i64) -> bool {
        wide != 0
    }
}

impl Real for f32 {
    fn wide(self) -> f64 {
        self.into()
    }
    fn narrow(wide: f64) -> f32 {
        wide as f32
    }
}

impl Real for f64 {
    fn wide(self) -> f64 {
        self
    }
    fn narrow(wide: f64) -> f64 {
        wide
    }
}

impl Real for f16 {
    fn wide(self) -> f64 {
        self.into()
    }
    fn narrow(wide: f64) -> f16 {
        f16::from_f64(wide)
    }
}

/// Runs an expression with `$T` bound to a tensor's element type.
macro_rules! with_element {
    ($tensor:expr, $T:ident => $body:expr) => {
        match $tensor {
            $crate::Tensor::Bool(_) => {
                type $T = bool;
                $body
            }
            tensor => $crate::fold::element::with_number!(tensor, $T => $body, $T => $body),
        }
    };
}

/// The same for numbers: one expression for floats, one for integers; truth values are refused.
macro_rules! with_number {
    ($tensor:expr, $R:ident => $real:expr, $I:ident => $int:expr) => {
        match $tensor {
            $crate::Tensor::F32(_) => {
                type $R = f32;
                $real
            }
            $crate::Tensor::F64(_) => {
                type $R = f64;
                $real
            }
            $crate::Tensor::F16(_) => {
                type $R = half::f16;
                $real
            }
            $crate::Tensor::I64(_) => {
                type $I = i64;
                $int
            }
            $crate::Tensor::I32(_) => {
                type $I = i32;
                $int
            }
            $crate::Tensor::I8(_) => {
                type $I = i8;
                $int
            }
            $crate::Tensor::U8(_) => {
                type $I = u8;
                $int
            }
            $crate::Tensor::I16(_) => {
                type $I = i16;
                $int
            }
            $crate::Tensor::U16(_) => {
                type $I = u16;
                $int
            }
            $crate::Tensor::Bool(_) => return None,
        }
    };
}
pub(super) use {with_element, with_number};
