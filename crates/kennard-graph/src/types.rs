use std::fmt;

use crate::DType;

/// One extent of a tensor: a number, or a multiple of the batch size.
///
/// The batch is the only symbolic dimension; `Batch(k)` is `k × batch` (a reshape may merge the
/// batch with `k` positions of a sequence).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dim {
    /// A fixed extent.
    Known(usize),
    /// This many times the batch size.
    Batch(usize),
}

impl Dim {
    /// The batch itself.
    pub const BATCH: Dim = Dim::Batch(1);

    /// The extent, if it is fixed.
    pub fn known(self) -> Option<usize> {
        match self {
            Dim::Known(n) => Some(n),
            Dim::Batch(_) => None,
        }
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Dim::Known(n) => write!(f, "{n}"),
            Dim::Batch(1) => write!(f, "N"),
            Dim::Batch(k) => write!(f, "{k}N"),
        }
    }
}

/// No sensible tensor has more axes.
const MAX_RANK: usize = 64;
/// No sensible tensor has more elements (a sample).
const LARGEST: usize = 1 << 40;

/// The extents of a tensor, outermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Shape(pub Vec<Dim>);

impl Shape {
    /// A shape without a batch dimension.
    pub fn fixed(dims: &[usize]) -> Shape {
        Shape(dims.iter().map(|&n| Dim::Known(n)).collect())
    }

    /// The number of axes.
    pub fn rank(&self) -> usize {
        self.0.len()
    }

    /// All extents, if none depends on the batch.
    pub fn known(&self) -> Option<Vec<usize>> {
        self.0.iter().map(|d| d.known()).collect()
    }

    /// The shape with the batch size put in.
    pub fn with_batch(&self, batch: usize) -> Shape {
        let fix = |&d: &Dim| match d {
            Dim::Batch(k) => Dim::Known(k.saturating_mul(batch)),
            known => known,
        };
        Shape(self.0.iter().map(fix).collect())
    }

    /// The number of elements as one extent, if at most one axis depends on the batch.
    pub(crate) fn flat(&self) -> Option<Dim> {
        match self.volume()? {
            (n, 0) => Some(Dim::Known(n)),
            (n, 1) => Some(Dim::Batch(n)),
            _ => None,
        }
    }

    /// Whether a tensor may have this shape. Files that claim more are broken or hostile; and within
    /// these bounds the arithmetic on extents does not overflow.
    pub(crate) fn is_possible(&self) -> bool {
        let extent = |d: &Dim| match *d {
            Dim::Known(n) | Dim::Batch(n) => n <= LARGEST,
        };
        self.rank() <= MAX_RANK
            && self.0.iter().all(extent)
            && self.volume().is_some_and(|(n, _)| n <= LARGEST)
    }

    /// The number of elements: a coefficient and the power of the batch size it goes with.
    /// `None` if it overflows.
    pub fn volume(&self) -> Option<(usize, u32)> {
        self.0.iter().try_fold((1usize, 0), |(n, power), d| match d {
            Dim::Known(k) => Some((n.checked_mul(*k)?, power)),
            Dim::Batch(k) => Some((n.checked_mul(*k)?, power + 1)),
        })
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dims: Vec<String> = self.0.iter().map(Dim::to_string).collect();
        write!(f, "[{}]", dims.join(", "))
    }
}

/// Element type and shape of a tensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorType {
    /// The element type.
    pub dtype: DType,
    /// The extents.
    pub shape: Shape,
}

impl TensorType {
    /// A type from its parts.
    pub fn new(dtype: DType, shape: impl Into<Shape>) -> TensorType {
        TensorType { dtype, shape: shape.into() }
    }
}

impl From<Vec<Dim>> for Shape {
    fn from(dims: Vec<Dim>) -> Shape {
        Shape(dims)
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}{}", self.dtype, self.shape)
    }
}

/// The element type in memory of ONNX's type number `code`: bfloat16 is kept as `F32`. Integer types
/// that Kennard lacks are widened in constants only, because what is computed in them may wrap around.
pub(crate) fn stored_type(code: i64) -> Option<DType> {
    match code {
        16 => Some(DType::F32),
        _ => DType::from_code(code),
    }
}

/// What ONNX calls the types that Kennard does not hold.
pub(crate) fn type_name(code: i64) -> String {
    match code {
        8 => "string".into(),
        12 | 13 => "unsigned integer".into(),
        14 | 15 => "complex".into(),
        17..=20 | 24 => "8-bit float".into(),
        21 | 22 => "4-bit integer".into(),
        _ => format!("type number {code}"),
    }
}
