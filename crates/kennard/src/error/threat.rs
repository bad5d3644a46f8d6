/// Why a threat model makes no sense, or the points that it allows.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ThreatError {
    /// The bounds of the input are no range.
    #[error("the bounds {low}, {high} are no range; give the smaller number first")]
    Bounds {
        /// The smallest value of an element.
        low: f32,
        /// The largest.
        high: f32,
    },
    /// An epsilon in linf is larger than the range of the input.
    #[error(
        "epsilon {eps} is larger than the input range {} to {}: any input could become any other. If it is \
         meant on the scale 0 to 255, write {eps}/255",
        .bounds[0], .bounds[1]
    )]
    EpsilonBeyond {
        /// The epsilon.
        eps: f64,
        /// The smallest and the largest value of an element.
        bounds: [f32; 2],
    },
    /// Every input of the bounds is within epsilon, so that there is nothing to prove.
    #[error(
        "within {within} every input of the bounds [{}, {}] can be reached ({most} reaches all of them): \
         only a model that returns one class for every input could be certified. Is epsilon in the units \
         of the input?",
        .bounds[0], .bounds[1]
    )]
    AllInReach {
        /// The norm and epsilon, `l2 ≤ 300`.
        within: String,
        /// The epsilon.
        eps: f64,
        /// The smallest and the largest value of an element.
        bounds: [f32; 2],
        /// The smallest epsilon that reaches every input.
        most: f64,
    },
    /// Epsilon is 0, and there is nothing to prove.
    #[error("epsilon is 0: the sample itself is all that there is, and its accuracy needs no certificate")]
    NothingToProve,
    /// An epsilon in the l0 norm, in which attacks only seek the smallest perturbation.
    #[error("no attack works at a fixed l0 epsilon")]
    FixedL0,
    /// Lists of ends that are no boxes.
    #[error("{lower} lower and {upper} upper ends are no boxes of {elements} elements")]
    BoxCount {
        /// How many lower ends there are.
        lower: usize,
        /// How many upper ends there are.
        upper: usize,
        /// How many elements a sample has.
        elements: usize,
    },
    /// The lower end of a box is larger than the upper, or one of them is no finite number.
    #[error(
        "the box of sample {sample} reaches from {low} to {high} in element {element}: the lower end must \
         not be larger"
    )]
    Box {
        /// Which box.
        sample: usize,
        /// Which element.
        element: usize,
        /// The lower end.
        low: f32,
        /// The upper end.
        high: f32,
    },
    /// Boxes within which no element may change.
    #[error("no element may change: there is nothing to attack")]
    NothingMoves,
    /// Boxes, and a distance within them is asked for.
    #[error("a box has no distance and no norm: an attack finds a point in there, or none")]
    BoxHasNoNorm,
    /// An element that samples do not have.
    #[error("there is no element {element} among {elements}")]
    NoElement {
        /// Its number, from 0.
        element: usize,
        /// How many there are.
        elements: usize,
    },
    /// An element that is given two meanings.
    #[error("element {element} is named twice: it holds whole numbers, or belongs to one group")]
    ElementTwice {
        /// Its number, from 0.
        element: usize,
    },
    /// A group of which one element is 1 has fewer than two.
    #[error(
        "a group of {elements} elements has nothing to choose from: one of them is 1 and the others are 0"
    )]
    Group {
        /// How many it has.
        elements: usize,
    },
}
