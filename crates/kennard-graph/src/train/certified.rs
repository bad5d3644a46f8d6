//! Certified training: the loss at the worst logits that bounds of the network leave possible.

use crate::bound::{Method, largest, prepared};
use crate::loss::OneClass;
use crate::{Builder, DType, Dim, Graph, GraphError, Result, Shape, Tensor, TensorType, Var};

/// What a step of certified training is told beside images, labels and weights; each a number.
const EPSILON: &str = "kennard/epsilon";
const NATURAL: &str = "kennard/natural";
const CROWN: &str = "kennard/crown";

/// `e⁻⁶⁰` is far below the precision of 1.
const NEGLIGIBLE: f64 = 60.0;

/// The model, of a free batch, with [`crate::Objective::Certified`] as output [`Graph::LOSS`], and labels, ε, for `clean` κ, and for `crown`
/// β as inputs. `limits` are those of the input.
pub(super) fn append(model: &Graph, limits: [f32; 2], crown: bool, clean: bool) -> Result<Graph> {
    let input = model.single_input()?;
    let model = prepared(model, &input.name)?;
    let output = model.graph.outputs.first().ok_or_else(|| GraphError::Shape("there is no output".into()))?;
    let &[batch, Dim::Known(classes)] = output.ty.shape.0.as_slice() else {
        return Err(GraphError::Shape("training needs logits [N, classes]".into()));
    };
    let builder = Builder::new(&model.graph)?;
    builder.ignore_rounding();
    let labels = builder.input(Graph::LABEL, TensorType::new(DType::I64, vec![batch]));
    let number = |name| builder.input(name, TensorType::new(DType::F32, Shape::fixed(&[1])));
    let epsilon = number(EPSILON);
    let natural = clean.then(|| number(NATURAL));
    let x = builder.var(&input.name)?;
    let [lowest, highest] = limits.map(|limit| x.number(limit.into()));
    let region = [(x - epsilon).with("Max", lowest), (x + epsilon).with("Min", highest)];

    let z = builder.var(&output.name)?;
    let own = OneClass::new(z, labels, classes).mask();
    let all = builder.constant(Tensor::from(ndarray::Array2::<f32>::eye(classes).into_dyn())).unsqueeze(&[0]);
    let spec = all - own.unsqueeze(&[1]);
    let worst = |method| -> Result<Var<'_>> {
        // The bound of the label itself is zero but for rounding.
        Ok(largest(&builder, &model, method, region, spec)? * (1.0 - own))
    };
    let mut margins = worst(Method::Intervals)?;
    if crown {
        let share = number(CROWN);
        margins = worst(Method::CrownOverIntervals)? * share + margins * (1.0 - share);
    }
    // What is this far below the largest adds nothing that could be seen, and its gradient would be numbers below the normal range in
    // all that is computed of its row.
    let margins = margins.with("Max", margins.reduce("ReduceMax", &[1], true) - NEGLIGIBLE);
    let mut loss = margins.reduce("ReduceLogSumExp", &[1], false);
    if let Some(natural) = natural {
        let clean = z.reduce("ReduceLogSumExp", &[1], false) - (z * own).reduce("ReduceSum", &[1], false);
        loss = clean * natural + loss * (1.0 - natural);
    }
    builder.output(Graph::LOSS, loss.reshape(&Shape(vec![batch])));
    builder.finish()
}
