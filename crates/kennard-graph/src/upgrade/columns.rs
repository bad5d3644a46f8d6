//! What pipelines of `ai.onnx.ml` make of columns of tables before a model, in plain operators.

use std::collections::HashSet;

use ndarray::Array1;

use super::{UpgradeStep, replace};
use crate::builder::Call;
use crate::machine::floats;
use crate::{Attribute, Builder, DType, Dim, Node, Result, Tensor, Var};

pub(super) const FORMS: &[(&str, UpgradeStep)] = &[
    ("ai.onnx.ml::Binarizer", binarizer),
    ("ai.onnx.ml::FeatureVectorizer", feature_vectorizer),
    ("ai.onnx.ml::Imputer", imputer),
    ("ai.onnx.ml::OneHotEncoder", one_hot_encoder),
];

/// 1 above the threshold, else 0, in the input's type.
fn binarizer(node: Node, b: &Builder) -> Result<Option<Node>> {
    let x = Call { node: &node, builder: b }.x(0);
    let real = if x.ty().is_ok_and(|ty| ty.dtype.is_float()) { x } else { x.cast(DType::F32) };
    let above = real.with("Greater", real.number(node.float("threshold", 0.0)));
    replace(&node, above.cast_like(x))
}

/// Columns side by side, in single precision. Stays as it is where it would cut columns off or fill some up.
fn feature_vectorizer(node: Node, b: &Builder) -> Result<Option<Node>> {
    let c = Call { node: &node, builder: b };
    let parts: Vec<Var> = (0..node.inputs.len()).map(|i| c.x(i)).collect();
    let widths = node.ints("inputdimensions").unwrap_or_default();
    let is_whole = |(x, width): (&Var, &i64)| {
        let shape = x.shape().unwrap_or_default();
        matches!(shape.0.as_slice(), [_, Dim::Known(n)] if *n as i64 == *width)
    };
    if parts.is_empty() || parts.len() != widths.len() || !parts.iter().zip(widths).all(is_whole) {
        return Ok(Some(node));
    }
    let parts: Vec<Option<Var>> = parts.into_iter().map(|x| Some(x.cast(DType::F32))).collect();
    replace(&node, b.op("Concat", &parts, &[("axis", Attribute::Int(1))]))
}

/// Values, one for all or one for each feature, in the place of a number that stands for none.
fn imputer(node: Node, b: &Builder) -> Result<Option<Node>> {
    let x = Call { node: &node, builder: b }.x(0);
    let Ok(ty) = x.ty() else { return Ok(Some(node)) };
    let width = ty.shape.0.last().and_then(|dim| dim.known());
    let (missing, values): (Tensor, Tensor) = if ty.dtype.is_float() {
        let missing = node.float("replaced_value_float", 0.0) as f32;
        let values = fitting(floats(&node, "imputed_value_floats"), width);
        (Array1::from(vec![missing]).into_dyn().into(), Array1::from(values).into_dyn().into())
    } else {
        let values = node.ints("imputed_value_int64s").unwrap_or_default().to_vec();
        (Tensor::ints(&[node.int("replaced_value_int64", 0)]), Tensor::ints(&fitting(values, width)))
    };
    if !(1..=2).contains(&ty.shape.rank()) || values.is_empty() {
        return Ok(Some(node));
    }
    let is_missing = match missing.item() {
        Some(number) if number.is_nan() => x.apply("IsNaN"),
        _ => x.with("Equal", b.constant(missing).cast_like(x)),
    };
    let values = b.constant(values).cast_like(x);
    replace(&node, b.op("Where", &[Some(is_missing), Some(values), Some(x)], &[]))
}

/// One value for each feature, or the first for all of them.
fn fitting<T>(mut values: Vec<T>, features: Option<usize>) -> Vec<T> {
    if features != Some(values.len()) {
        values.truncate(1);
    }
    values
}

/// For each category 1 where the element is that number, else 0, also where no category is. Of floats the part before the point
/// counts.
fn one_hot_encoder(node: Node, b: &Builder) -> Result<Option<Node>> {
    let categories = node.ints("cats_int64s").unwrap_or_default();
    let distinct = categories.iter().collect::<HashSet<_>>().len();
    if categories.is_empty() || distinct < categories.len() {
        return Ok(Some(node));
    }
    let x = Call { node: &node, builder: b }.x(0).cast(DType::I64);
    let axis = x.shape().map_or(-1, |shape| shape.rank() as i64);
    let hits = x.unsqueeze(&[axis]).with("Equal", b.ints(categories));
    replace(&node, hits.cast(DType::F32))
}
