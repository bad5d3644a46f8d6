//! What training makes of a classifier: its weights become inputs, its normalisations use the statistics
//! of the batch, an objective is appended, and the whole is differentiated with respect to the weights.

mod certified;
mod objective;
mod weights;

use crate::{DType, Graph, GraphError, Loss, Result, gradient, simplify, with_loss};
pub use objective::Objective;
pub use weights::{Statistics, statistics, trainable};
use weights::{in_training_mode, opened};

/// A graph whose weights are inputs.
#[derive(Clone, Debug)]
pub struct Open {
    /// The graph, for one batch size. Its inputs are the images, what else the graph is told, and then
    /// the weights.
    pub graph: Graph,
    /// The names of the weights, in the order of the inputs: of the [`trainable`] constants, and where the
    /// graph reads them, the mean and variance of each of the [`statistics`].
    pub weights: Vec<String>,
}

/// One step of training on `batch` samples.
///
/// Inputs: `batch` images (of the objectives with [pairs](Objective::is_paired): those, and then `batch`
/// changed ones), their labels `I64[batch]`, of [`Objective::Certified`] its numbers, and the weights. Outputs: the logits of all images; mean and
/// variance of the batch (divided by n) for each of the [`statistics`]; the objective, one number a sample;
/// and for each weight the gradient of the objective's sum over the samples.
///
/// # Errors
/// When the graph is no classifier (see [`with_loss`]), insists on another batch size, or an operator cannot
/// be differentiated.
pub fn training_step(model: &Graph, batch: usize, objective: &Objective) -> Result<Open> {
    let rows = if objective.is_paired() { 2 * batch } else { batch };
    let weights = trainable(model);
    let input = model.single_input()?.name.clone();
    let model = model.with_floats(DType::F32);
    let graph = match objective {
        Objective::Certified { .. } => {
            // Bounds are of networks with a free batch, none of whose samples sees the others.
            if let Some(statistics) = statistics(&model).first() {
                return Err(GraphError::Shape(format!(
                    "the network normalises by the statistics of the batch (`{}`), which have no bounds; certified training takes \
                     networks without batch normalisation",
                    statistics.mean
                )));
            }
            objective.append(&model, &input, batch)?
        }
        _ => {
            let model = model.with_batch(rows);
            objective.append(&in_training_mode(&model, &statistics(&model))?, &input, batch)?
        }
    };
    let graph = opened(&graph, &weights)?;
    let wrt: Vec<&str> = weights.iter().map(String::as_str).collect();
    let graph = simplify(&gradient(&graph, Graph::LOSS, &wrt)?)?;
    Ok(Open { graph, weights })
}

/// What an attack in training asks of `batch` images: the gradient of a loss with respect to them, the
/// normalisations using their running statistics, so that no sample sees the others.
///
/// Inputs: images, labels, weights. Outputs: logits, loss, gradient. With no loss: logits alone, from images
/// and weights.
///
/// # Errors
/// See [`training_step`].
pub fn attack_step(model: &Graph, batch: usize, loss: Option<Loss>) -> Result<Open> {
    let model = model.with_floats(DType::F32).with_batch(batch);
    let input = model.single_input()?.name.clone();
    let graph = match loss {
        None => model.clone(),
        Some(loss) => gradient(&with_loss(&model, loss)?, Graph::LOSS, &[&input])?,
    };
    open_all(&model, &graph)
}

/// What TRADES asks in its inner steps: the gradient of the divergence `KL(p‖p(x))` from the class
/// probabilities p that the images began with.
///
/// Inputs: images, the logits of p `[batch, K]`, weights. Outputs: logits, divergence, gradient.
///
/// # Errors
/// See [`training_step`].
pub fn divergence_step(model: &Graph, batch: usize) -> Result<Open> {
    let model = model.with_floats(DType::F32).with_batch(batch);
    let input = model.single_input()?.name.clone();
    let graph = gradient(&objective::divergence_from(&model)?, Graph::LOSS, &[&input])?;
    open_all(&model, &graph)
}

/// Opens a graph at the weights of `model` and its running statistics.
fn open_all(model: &Graph, graph: &Graph) -> Result<Open> {
    let mut weights = trainable(model);
    weights.extend(statistics(model).into_iter().flat_map(|s| [s.mean, s.variance]));
    let graph = simplify(&opened(graph, &weights)?)?;
    Ok(Open { graph, weights })
}
