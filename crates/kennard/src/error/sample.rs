/// What is wrong with one sample; messages go on where its number stands.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SampleError {
    /// A value lies outside the bounds of the input, or is not a number.
    #[error(
        "has the value {value}, outside the input bounds {} to {}: whatever keeps to the bounds would \
         begin at another point",
        .bounds[0], .bounds[1]
    )]
    Outside {
        /// The first such value.
        value: f32,
        /// The smallest and the largest value that there may be.
        bounds: [f32; 2],
    },
    /// The label is not one of the model's classes.
    #[error("has the label {label}, {}", classes_of(.classes, .one_number))]
    Label {
        /// The label, from 0.
        label: usize,
        /// How many classes the model has.
        classes: usize,
        /// Whether the model returns one number per sample, which tells two classes apart.
        one_number: bool,
    },
    /// Results of a run name another label for this sample than the data.
    #[error(
        "has the label {label}, and {kept} among the samples that are kept: the journal is of other data. \
         Remove it to begin anew"
    )]
    OtherLabel {
        /// The label in the data.
        label: usize,
        /// The label among the results.
        kept: usize,
    },
    /// An element lies outside the sample's own box.
    #[error(
        "lies outside its own box: element {element} is {value}, outside [{}, {}]; {cure}", .ends[0], .ends[1]
    )]
    OutsideBox {
        /// The first such element.
        element: usize,
        /// Its value.
        value: f32,
        /// The lower and the upper end of the box there.
        ends: [f32; 2],
        /// What to do.
        cure: &'static str,
    },
    /// An element holds another number than it is said to.
    #[error(
        "has {value} in {name}, which is to hold {holds}: {must} before it is attacked; are the data scaled?"
    )]
    OffLevels {
        /// The element.
        element: usize,
        /// What it is called: `` `age` `` or `element 3`.
        name: String,
        /// Its value.
        value: f32,
        /// What it is to hold: whole numbers, multiples of 1/255.
        holds: String,
        /// What is asked of it before it is attacked.
        must: &'static str,
    },
    /// Not one element of a group is 1 and the others 0.
    #[error("has {found} in the group {group}, of which one is to be 1 and the others 0")]
    NotOneHot {
        /// The elements of the group.
        elements: Vec<usize>,
        /// What they are called.
        group: String,
        /// What is there: a value in an element, a number of ones.
        found: String,
    },
}

/// The part of a sentence that says which classes a model has.
fn classes_of(classes: &usize, one_number: &bool) -> String {
    if *one_number {
        return "but the model returns one number per sample, which tells two classes apart, 0 and 1. A \
                regression cannot be audited: it has no classes"
            .into();
    }
    let last = classes.saturating_sub(1);
    format!("the model has {classes} classes (0 to {last}). Is this the data set it was trained for?")
}
