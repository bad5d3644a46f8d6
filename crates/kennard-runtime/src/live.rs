use crate::Result;

/// A classifier that is no graph: whoever has it computes its passes, as PyTorch does those of a live module.
///
/// Points come as one micro-batch, always of the same size n, row-major (n×d); a sample's figures must not depend on
/// the others in it.
pub trait Live: Send + Sync {
    /// What computes, in files: `torch`.
    fn name(&self) -> &str;

    /// Its version.
    fn version(&self) -> &str;

    /// Writes what the module returns at the points into `outputs` (n×K, row-major).
    ///
    /// # Errors
    /// [`RuntimeError::Live`](crate::RuntimeError::Live), where the module fails.
    fn outputs(&self, points: &[f32], outputs: &mut [f32]) -> Result<()>;

    /// The same as [`outputs`](Live::outputs), in the module's full precision: the last word on a point, where other passes
    /// may be computed in less.
    ///
    /// # Errors
    /// As there.
    fn untouched(&self, points: &[f32], outputs: &mut [f32]) -> Result<()> {
        self.outputs(points, outputs)
    }

    /// Writes `Σ_k c_k ∂z_k/∂x` into `gradient` (n×d), z being the module's outputs and c (n×K) what `slopes` makes of
    /// them: the derivative of a loss with respect to the outputs.
    ///
    /// # Errors
    /// As [`Live::outputs`]; what `slopes` returns; and where the module has no gradient.
    fn gradient(
        &self,
        points: &[f32],
        slopes: &mut dyn FnMut(&[f32]) -> Result<Vec<f32>>,
        gradient: &mut [f32],
    ) -> Result<()>;

    /// Whether there is a gradient.
    fn is_differentiable(&self) -> bool {
        true
    }

    /// The same module computing in less precision, where it can: for passes that search, and have no last word.
    fn searching(&self) -> Option<&dyn Live> {
        None
    }

    /// How many passes an answer is the mean of, where the module answers at random (expectation over transformations,
    /// Athalye et al. 2018, arXiv 1707.07397): logits, losses and gradients alike.
    fn passes(&self) -> usize {
        1
    }

    /// How many micro-batches may be under way at once, each from a thread of its own.
    fn workers(&self) -> usize {
        1
    }
}
