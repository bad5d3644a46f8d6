//! Certified training: the loss at the worst logits that bounds of the network leave possible.

use crate::bound::{Method, largest};
use crate::loss::OneClass;
use crate::{Builder, DType, Dim, Graph, GraphError, Result, Shape, Tensor, TensorType, Var};

/// What a step of certified training is told beside images, labels and weights; each a number.
pub(super) const EPSILON: &str = "kennard/epsilon";
pub(super) const NATURAL: &str = "kennard/natural";
pub(super) const CROWN: &str = "kennard/crown";

/// `κ·l(z) + (1 − κ)·l(m)`, `m_j ≥ z_j − z_y` at every image within ε in linf and within `limits` (Gowal et al. 2018, arXiv
/// 1810.12715, eq. 12). m is by intervals, or for `crown` mixed of those and of CROWN-IBP's, `β·m_crown + (1 − β)·m_intervals`
/// (Zhang et al. 2020, arXiv 1906.06316, eq. 13). ε, κ, and for `crown` β, are inputs.
pub(super) fn objective<'b>(
    builder: &'b Builder,
    model: &Graph,
    labels: Var<'b>,
    limits: [f32; 2],
    crown: bool,
) -> Result<Var<'b>> {
    let input = model.inputs.first().ok_or_else(|| GraphError::Shape("there is no input".into()))?;
    let output = model.outputs.first().ok_or_else(|| GraphError::Shape("there is no output".into()))?;
    let &[_, Dim::Known(classes)] = output.ty.shape.0.as_slice() else {
        return Err(GraphError::Shape("training needs logits [N, classes]".into()));
    };
    let number = |name| builder.input(name, TensorType::new(DType::F32, Shape::fixed(&[1])));
    let (epsilon, natural) = (number(EPSILON), number(NATURAL));
    let x = builder.var(&input.name)?;
    let [lowest, highest] = limits.map(|limit| x.number(limit.into()));
    let region = [(x - epsilon).with("Max", lowest), (x + epsilon).with("Min", highest)];

    let own = OneClass::new(builder.var(&output.name)?, labels, classes).mask();
    let all = builder.constant(Tensor::from(ndarray::Array2::<f32>::eye(classes).into_dyn())).unsqueeze(&[0]);
    let spec = all - own.unsqueeze(&[1]);
    let worst = |method| -> Result<Var<'b>> {
        // That of the label itself is zero but for rounding.
        Ok(largest(builder, model, method, region, spec)? * (1.0 - own))
    };
    let mut margins = worst(Method::Intervals)?;
    if crown {
        let share = number(CROWN);
        margins = worst(Method::CrownOverIntervals)? * share + margins * (1.0 - share);
    }
    let z = builder.var(&output.name)?;
    let loss = |z: Var<'b>| z.reduce("ReduceLogSumExp", &[1], false);
    let clean = loss(z) - (z * own).reduce("ReduceSum", &[1], false);
    Ok(clean * natural + loss(margins) * (1.0 - natural))
}
