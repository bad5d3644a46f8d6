use std::path::PathBuf;

/// The result of this crate's functions.
pub type Result<T, E = GraphError> = std::result::Result<T, E>;

/// What can go wrong with a graph. Every message says what, where, and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GraphError {
    /// A file could not be read or written.
    #[error("{path}: {message}")]
    File {
        /// The file.
        path: PathBuf,
        /// What happened and what to do.
        message: String,
    },
    /// The bytes are no ONNX model, or a broken one.
    #[error("not a usable ONNX model: {0}")]
    Format(String),
    /// A node does not fit what its operator demands.
    #[error("node `{node}` ({op}): {message}")]
    Node {
        /// The node's name, or its first output's.
        node: String,
        /// The operator.
        op: String,
        /// What is wrong.
        message: String,
    },
    /// An operator has no gradient rule.
    #[error(
        "node `{node}`: the operator {op} has no gradient rule. Attacks that need no gradient still work; \
         for the others, export the model with {op} written in basic operators, or add a rule to kennard-graph"
    )]
    NoRule {
        /// The node's name, or its first output's.
        node: String,
        /// The operator.
        op: String,
    },
    /// An operator has no certified bounds.
    #[error(
        "node `{node}`: the operator {op} has no bounds where its inputs vary. The model can be attacked, but not certified; \
         export it with {op} written in basic operators, or add a rule to kennard-graph"
    )]
    NoBound {
        /// The node's name, or its first output's.
        node: String,
        /// The operator.
        op: String,
    },
    /// A tensor that a call names is not in the graph.
    #[error("the graph has no tensor `{name}`; {hint}")]
    NoTensor {
        /// The name asked for.
        name: String,
        /// The names there are.
        hint: String,
    },
    /// A model's input are token ids.
    #[error(
        "token ids have no gradient; the integers of the input `{input}` only choose rows of a table (Gather). Export the \
         model from its embeddings on, with a float input, and give embedded samples as data"
    )]
    Tokens {
        /// The input.
        input: String,
    },
    /// A model takes the columns of a table as inputs of their own.
    #[error(
        "a classifier has one input, this model has {inputs}, each of one number: a table whose columns are inputs of their own. \
         Export it with one input, for example to_onnx(model, X.to_numpy())"
    )]
    Columns {
        /// How many inputs there are.
        inputs: usize,
    },
    /// A model file leaves extents of its input open.
    #[error(
        "the input `{input}` {shape} has extents that are not fixed; only the first axis, the batch, may vary. Say the \
         shape of one sample"
    )]
    OpenShape {
        /// The input.
        input: String,
        /// Its shape as the file has it.
        shape: String,
    },
    /// It is open which input samples go to, or what goes into another.
    #[error("{message}")]
    SeveralInputs {
        /// The input that lacks something to go into it.
        input: Option<String>,
        /// What is the matter.
        message: String,
    },
    /// It is open which output has the logits.
    #[error("{0}")]
    SeveralOutputs(String),
    /// The label that a file returns beside its scores cannot be compared with them.
    #[error("{0}")]
    Label(String),
    /// A shape is not known, or does not fit.
    #[error("{0}")]
    Shape(String),
    /// A temperature by which logits cannot be divided.
    #[error("the temperature is {0}; logits are divided by it, so it must be positive and finite")]
    Temperature(f64),
    /// A batch normalisation whose running statistics training would not average.
    #[error(
        "the batch normalisation of `{mean}` mixes a batch into its running statistics with the weight {rate} (1 − momentum); \
         give it a momentum of at least 0 and below 1, as 0.9 in ONNX, which is 0.1 in PyTorch"
    )]
    Momentum {
        /// The constant with the running means.
        mean: String,
        /// The weight of a new batch: 1 less the momentum.
        rate: f32,
    },
}
