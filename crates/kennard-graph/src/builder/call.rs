use super::{Builder, Var};
use crate::{DType, Node, Result, Tensor, TensorType};

/// A node whose tensors are at hand as variables: what rules and definitions work on.
pub(crate) struct Call<'a, 'b> {
    pub node: &'a Node,
    pub builder: &'b Builder,
}

impl<'a, 'b> Call<'a, 'b> {
    /// Input `i`. If the node lacks it, the builder fails.
    pub fn x(&self, i: usize) -> Var<'b> {
        self.optional(i).unwrap_or_else(|| {
            self.builder.fail(self.node.error(format!("input {i} is missing")));
            self.builder.constant(Tensor::scalar(0.0, DType::F32))
        })
    }

    /// Input `i`, if the node has it.
    pub fn optional(&self, i: usize) -> Option<Var<'b>> {
        self.node.input(i).and_then(|name| self.builder.var(name).ok())
    }

    /// The type that the first output has, whether or not the node stands in the graph.
    ///
    /// # Errors
    /// When it cannot be inferred.
    pub fn inferred(&self) -> Result<TensorType> {
        self.builder.inferred(self.node)
    }

    /// Output `i`. Only for nodes that stand in the graph already.
    pub fn y(&self, i: usize) -> Var<'b> {
        let name = self.node.outputs.get(i).map_or("", String::as_str);
        self.builder.var(name).unwrap_or_else(|error| {
            self.builder.fail(error);
            self.builder.constant(Tensor::scalar(0.0, DType::F32))
        })
    }

    /// An axis attribute brought to `0..rank`.
    ///
    /// # Errors
    /// When there is no such axis.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize> {
        let wrapped = if axis < 0 { axis + rank as i64 } else { axis };
        usize::try_from(wrapped)
            .ok()
            .filter(|&a| a < rank)
            .ok_or_else(|| self.node.error(format!("axis {axis} does not exist in a tensor of rank {rank}")))
    }
}
