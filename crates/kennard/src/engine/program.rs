use kennard_graph::Loss;

/// What can be asked about a point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Program {
    /// The logits.
    Logits,
    /// The logits of the model as it was given, without any simplification: the last word on
    /// whether a point is misclassified.
    Untouched,
    /// The logits, a loss, and its gradient with respect to the input.
    Gradient(Loss),
    /// The logits, as precisely as [searches](super::Engine::searching_in) are computed.
    SearchLogits,
    /// The logits, a loss, and its gradient, likewise.
    SearchGradient(Loss),
    /// The logits of the [surrogate](super::Engine::with_surrogate).
    SurrogateLogits,
    /// The logits, a loss, and its gradient, of the surrogate.
    SurrogateGradient(Loss),
}

impl Program {
    /// The loss that is differentiated.
    pub(crate) fn loss(self) -> Option<Loss> {
        match self {
            Program::Gradient(loss) | Program::SearchGradient(loss) | Program::SurrogateGradient(loss) => {
                Some(loss)
            }
            Program::Logits | Program::Untouched | Program::SearchLogits | Program::SurrogateLogits => None,
        }
    }

    /// The program of the same question where the answer has no last word.
    pub(crate) fn of_search(self) -> Program {
        self.loss().map_or(Program::SearchLogits, Program::SearchGradient)
    }

    /// Whether its answers have no last word.
    pub(super) fn is_search(self) -> bool {
        !matches!(self, Program::Logits | Program::Untouched | Program::Gradient(_))
    }

    /// The same question to the surrogate.
    pub(crate) fn of_surrogate(self) -> Program {
        self.loss().map_or(Program::SurrogateLogits, Program::SurrogateGradient)
    }
}
