use super::sample::SampleError;

/// What does not belong together: a model, its answers, data, results.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// There are not as many of one thing as of another.
    #[error("there are {found} {what} and {wanted} {other}")]
    Counts {
        /// Of what there are too many or too few.
        what: &'static str,
        /// How many of these there are.
        found: usize,
        /// What there should be as many of.
        other: &'static str,
        /// How many of those there are.
        wanted: usize,
    },
    /// Values in memory that are not as many as samples of this shape have.
    #[error("{values} values are not {samples} samples of shape {shape:?}")]
    Values {
        /// How many values there are.
        values: usize,
        /// How many labels, and so samples.
        samples: usize,
        /// The shape of a sample.
        shape: Vec<usize>,
    },
    /// Samples whose results are kept are not in the data.
    #[error(
        "only {met} of the {kept} samples that are kept are among those of this run: the journal is of \
         other data. Remove it to begin anew"
    )]
    Kept {
        /// How many of them are.
        met: usize,
        /// How many are kept.
        kept: usize,
    },
    /// A sample of a data set does not belong to what else is given.
    #[error("{data}: sample {index} {problem}")]
    InData {
        /// The data set.
        data: String,
        /// The sample's place in there.
        index: usize,
        /// What is wrong with it.
        problem: SampleError,
    },
    /// Something needs a graph, and the model is a live module, which has none.
    #[error("{model} has no graph {needs}; export it to ONNX")]
    NoGraph {
        /// What the model is: `a live module`.
        model: String,
        /// What a graph would be needed for: `to bound`.
        needs: &'static str,
    },
    /// The model has no tensor of this name.
    #[error("the model has no tensor `{name}`; the nearest names are {}", quoted(.nearest))]
    NoTensor {
        /// The name.
        name: String,
        /// Names that are like it.
        nearest: Vec<String>,
    },
    /// The number of the model's classes is open.
    #[error("the model's number of classes is not fixed")]
    OpenClasses,
    /// The model returns fewer than two numbers.
    #[error(
        "the model returns {classes} number per sample; a classifier returns one logit per class. Export a \
         two-class model with two logits"
    )]
    Classes {
        /// How many it returns.
        classes: usize,
    },
    /// The model returns not one row for each sample.
    #[error(
        "the model returns `{output}` {shape}, which is {rows} rows for {samples} samples; a classifier \
         returns one row of logits for each sample. Export it with an output of shape [N, classes]: keep \
         the batch as the first axis, and pool or flatten the others"
    )]
    Rows {
        /// The output.
        output: String,
        /// Its type and shape.
        shape: String,
        /// How many rows it has: a number, or a multiple of the batch, `4N`.
        rows: String,
        /// How many samples go in.
        samples: String,
    },
    /// The model returned another number of figures than it declares.
    #[error(
        "the model's answer about {samples} samples has {found} numbers, {} were expected: {width} for \
         each sample. Export it so that it returns one row for each sample",
        samples * width
    )]
    Answers {
        /// How many samples it was asked about.
        samples: usize,
        /// How many numbers it returned.
        found: usize,
        /// How many there are of a sample.
        width: usize,
    },
    /// The model takes a sample that is to be attacked for another class than its own.
    #[error("the sample is of class {label}, and the model takes it for class {class} as it is")]
    Prediction {
        /// The sample's class.
        label: usize,
        /// The class that the model says.
        class: usize,
    },
    /// A function returned a gradient of another size than the sample's.
    #[error(
        "the attack asks for the gradient of {loss}, of {elements} elements; the function returned {found}"
    )]
    Gradient {
        /// The loss.
        loss: String,
        /// How many elements the sample has.
        elements: usize,
        /// How many were returned.
        found: usize,
    },
    /// The model is a regression.
    #[error(
        "the model is a regression: its node `{node}` is a {op}. A classifier returns one logit per class"
    )]
    Regression {
        /// The node.
        node: String,
        /// Its operator.
        op: String,
    },
    /// A surrogate is not of the model's inputs and classes.
    #[error(
        "the surrogate takes {other}, the model {own}; give a surrogate that was trained for the same data"
    )]
    Surrogate {
        /// What the surrogate takes.
        other: String,
        /// What the model takes.
        own: String,
    },
    /// A surrogate has its classes in another order.
    #[error(
        "the surrogate's file lists its classes in the order {}, the model's in the order {}; give a \
         surrogate whose outputs are those of the model",
        .other.join(", "), .own.join(", ")
    )]
    SurrogateClasses {
        /// The surrogate's order.
        other: Vec<String>,
        /// The model's.
        own: Vec<String>,
    },
    /// Runs that are compared are not of one task.
    #[error(
        "run {run} has another {what} than the first: attacks compare on the same task alone{}",
        shards_of(.shards)
    )]
    OtherTask {
        /// Which run, from 1.
        run: usize,
        /// What differs.
        what: &'static str,
        /// The shards of samples that this run and the first are of, where these differ.
        shards: Option<[String; 2]>,
    },
    /// A temperature was fitted to another model.
    #[error("{file}: this temperature was fitted to another model, {model}")]
    OtherTemperature {
        /// The file of the temperature.
        file: String,
        /// The model that it was fitted to.
        model: String,
    },
    /// A model of other than two numbers and two classes, where points of the plane are integrated over.
    #[error(
        "the model takes {elements} numbers and knows {classes} classes; give one of [N, 2] points and 2 \
         logits"
    )]
    NotOfPlane {
        /// How many numbers a sample has.
        elements: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// The model lacks what an experiment looks at.
    #[error("the network has no {0}")]
    Lacks(&'static str),
    /// Elements go past a hidden tensor, where none may.
    #[error(
        "{elements} elements go past the tensor {tensor} in skip connections; {taker} takes networks \
         without"
    )]
    Past {
        /// How many.
        elements: usize,
        /// The tensor.
        tensor: String,
        /// What takes networks without.
        taker: &'static str,
    },
    /// All samples of a training set have one label.
    #[error("all {samples} samples of {data} have the label {label}: there is nothing to tell apart")]
    OneLabel {
        /// How many there are.
        samples: usize,
        /// The data set.
        data: String,
        /// Their label.
        label: usize,
    },
    /// Samples that differ too little for a figure.
    #[error("{0}")]
    Degenerate(&'static str),
}

impl Mismatch {
    /// That a live module has none of the graph that is needed for something.
    pub(crate) fn no_graph(needs: &'static str) -> Mismatch {
        Mismatch::NoGraph { model: "a live module".into(), needs }
    }
}

/// Names with the mark of names around each.
fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The end of a sentence that says which shards runs are of.
fn shards_of(shards: &Option<[String; 2]>) -> String {
    shards
        .as_ref()
        .map_or(String::new(), |[own, first]| format!("; it is of shard {own}, the first of {first}"))
}
