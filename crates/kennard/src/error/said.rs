//! What errors say: their advice, the model that they are of, their causes.

use std::path::Path;

use kennard_graph::{GraphError, Shape};
use kennard_runtime::RuntimeError;

use super::{Error, PacketError, Result};
use crate::{Advice, Mark};

impl From<GraphError> for Error {
    fn from(error: GraphError) -> Error {
        let advice = match &error {
            GraphError::OpenShape { .. } => {
                ": {input_shape = 3,224,224}, in the model's order of axes, or export the model with fixed extents"
            }
            GraphError::SeveralInputs { input: Some(_), .. } => ". Hold it at a number: {hold = NAME=0}",
            GraphError::SeveralInputs { input: None, .. } => {
                ". Say which one samples go to, {input}, and hold the others at numbers, {hold = NAME=0}"
            }
            GraphError::SeveralOutputs(_) => ". Say which one has the logits: {output}",
            GraphError::Temperature(value) => {
                return Error::OutOfRange {
                    setting: "the temperature".into(),
                    value: *value,
                    allowed: "logits are divided by it, so it must be positive and finite: 1 leaves them as \
                              they are"
                        .into(),
                };
            }
            _ => return Error::Graph(error),
        };
        Error::Graph(error).advise(advice)
    }
}

impl Error {
    /// The error with what to do about it.
    pub(crate) fn advise(self, advice: impl Into<Advice>) -> Error {
        Error::Advised { error: Box::new(self), advice: advice.into() }
    }

    /// That something, with its article, could not be put into its format.
    pub(crate) fn format(
        what: &'static str,
        why: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Error {
        Error::Format { what, source: why.into() }
    }

    /// The error with the name of the model's file, and `role` before it, where several models are at work. What is no fault of a
    /// model's, or names the file already, stays as it is.
    #[must_use]
    pub fn of_model(self, role: &str, file: &Path) -> Error {
        if !self.kind().is_of_model() || self.names(file) {
            return self;
        }
        Error::OfModel { model: format!("{role}{}", file.display()), error: Box::new(self) }
    }

    /// Whether a model is at fault, or does not go with what else is given.
    fn is_of_model(&self) -> bool {
        match self {
            Error::Runtime(error) => !is_choice(error),
            Error::Graph(_)
            | Error::Mismatch(_)
            | Error::Sample { .. }
            | Error::InputShape { .. }
            | Error::NotANumber(_)
            | Error::NoGradient { .. }
            | Error::FixedBatch { .. } => true,
            _ => false,
        }
    }

    /// Whether the message begins with the name of a model, or is about this file.
    fn names(&self, model: &Path) -> bool {
        match self {
            Error::OfModel { .. } => true,
            Error::Advised { error, .. } => error.names(model),
            Error::Graph(GraphError::File { path, .. })
            | Error::Runtime(RuntimeError::Graph(GraphError::File { path, .. })) => path == model,
            _ => false,
        }
    }

    /// Whether an argument is at fault: what was asked for, or data that were given, or a model that does not go with
    /// them. All else is of the machine, of files of models and results, or of this program.
    pub fn is_argument(&self) -> bool {
        match self {
            Error::Advised { error, .. } | Error::OfModel { error, .. } => error.is_argument(),
            Error::Runtime(error) => is_choice(error),
            Error::Data(_)
            | Error::Unknown { .. }
            | Error::Unreadable { .. }
            | Error::OutOfRange { .. }
            | Error::NotOfMethod { .. }
            | Error::AttackParameter { .. }
            | Error::Missing { .. }
            | Error::TooFew { .. }
            | Error::Request(_)
            | Error::NoSamples { .. }
            | Error::NoSuch { .. }
            | Error::Sample { .. }
            | Error::InputShape { .. }
            | Error::NoImages { .. }
            | Error::NotCertifiable { .. }
            | Error::NoEpsilon(_)
            | Error::Threat(_)
            | Error::Setting(_)
            | Error::TooFewSamples { .. }
            | Error::Mismatch(_)
            | Error::NotANumber(_)
            | Error::NoGradient { .. }
            | Error::FixedBatch { .. }
            | Error::Graph(GraphError::Momentum { .. }) => true,
            Error::Packet(error) => {
                !matches!(error, PacketError::NoneMeasured { .. } | PacketError::FewEffective { .. })
            }
            Error::Graph(_)
            | Error::Write { .. }
            | Error::Run { .. }
            | Error::InUse(_)
            | Error::Json(_)
            | Error::Format { .. }
            | Error::Picture { .. }
            | Error::Unmeasured { .. }
            | Error::Stopped
            | Error::Panicked(_)
            | Error::Diverged(_)
            | Error::Attack { .. }
            | Error::IdleTask => false,
        }
    }

    /// What went wrong, without advice.
    pub fn kind(&self) -> &Error {
        match self {
            Error::Advised { error, .. } | Error::OfModel { error, .. } => error.kind(),
            error => error,
        }
    }

    /// The whole message, with settings and commands as `word` says them; see [`Advice::worded`].
    pub fn worded(&self, word: impl Fn(Mark<'_>) -> String) -> String {
        match self {
            Error::Advised { error, advice } => error.to_string() + &advice.worded(word),
            Error::OfModel { model, error } => format!("{model}: {}", error.worded(word)),
            error => error.to_string(),
        }
    }
}

/// Whether the choice of a runtime or a precision is at fault, and no model.
fn is_choice(error: &RuntimeError) -> bool {
    matches!(
        error,
        RuntimeError::Precision { .. } | RuntimeError::UnknownChoice(_) | RuntimeError::UnknownPrecision(_)
    )
}

/// Whether a width or another scale is positive and finite.
pub(crate) fn is_scale(value: f64) -> bool {
    value > 0.0 && value.is_finite()
}

/// Refuses a number that is not positive and finite; `allowed` says what it must be.
pub(crate) fn positive(setting: &str, value: f64, allowed: &str) -> Result<()> {
    if is_scale(value) {
        return Ok(());
    }
    Err(Error::OutOfRange { setting: setting.into(), value, allowed: allowed.into() })
}

/// An error with all of its causes, but those that a text before them says already.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        source = cause.source();
    }
    said
}

/// The part of a sentence that names a name which may have been meant.
pub(super) fn hint(nearest: Option<&str>) -> String {
    nearest.map_or(String::new(), |nearest| format!("did you mean {nearest}? "))
}

/// A sentence behind another.
pub(super) fn more(sentence: Option<&str>) -> String {
    sentence.map_or(String::new(), |sentence| format!(". {sentence}"))
}

/// The part of a sentence that names the shape of samples, `turned` where channels are put last.
pub(super) fn samples(shape: &[usize], turned: Option<&[usize]>) -> String {
    let shape = Shape::fixed(shape);
    match turned {
        Some(turned) => format!("the images are {shape}, with channels last {}, and", Shape::fixed(turned)),
        None => format!("the data has samples of shape {shape},"),
    }
}

#[cfg(test)]
mod tests {
    use kennard_graph::GraphError;

    use crate::{Error, Norm, SampleError, ThreatError};

    /// What depends on the kind of an error goes by the error itself, whatever is put around it.
    #[test]
    fn advice_and_the_name_of_a_model_leave_the_kind() {
        let file = std::path::Path::new("m.onnx");
        let outside = crate::threat::check_inside(3, &[0.5, 1.5], [0.0, 1.0]).unwrap_err();
        let named = outside.of_model("the surrogate ", file);
        let problem = SampleError::Outside { value: 1.5, bounds: [0.0, 1.0] };
        assert!(matches!(named.kind(), Error::Sample { index: 3, problem: found } if *found == problem));
        assert!(named.is_argument() && named.to_string().starts_with("the surrogate m.onnx: sample 3 has"));
        assert_eq!(named.to_string().matches("m.onnx").count(), 1);
        let again = named.of_model("", file);
        assert_eq!(again.to_string().matches("m.onnx").count(), 1);

        let missing = Error::Graph(GraphError::File { path: file.into(), message: "is gone".into() });
        assert!(!missing.is_argument());
        assert_eq!(missing.of_model("", file).to_string(), "m.onnx: is gone");

        let far = crate::Lattice::new(vec![6], Vec::new(), 6).unwrap_err();
        assert!(matches!(&far, Error::Threat(ThreatError::NoElement { element: 6, elements: 6 })));
        assert!(far.is_argument());
        assert_eq!(far.of_model("", file).to_string(), "there is no element 6 among 6");

        let broken = Error::from(serde_json::from_str::<u8>("x").unwrap_err());
        assert!(matches!(&broken, Error::Json(_)) && !broken.is_argument());
        assert!(std::error::Error::source(&broken).is_some());
    }

    /// What a program matches on, and the sentence that a person reads.
    #[test]
    fn errors_have_fields_and_say_them() {
        let unknown = "l3".parse::<Norm>().unwrap_err();
        assert!(matches!(&unknown, Error::Unknown { what: "norm", name, .. } if name == "l3"));
        assert_eq!(unknown.to_string(), "the norm `l3` is unknown; known are linf, l2, l1 and l0");

        let parameters = crate::attack::Parameters::default();
        let near = crate::attack::minimum_norm("fmm", &parameters).err().unwrap();
        assert!(matches!(&near, Error::Unknown { nearest: Some(near), .. } if near == "fmn"));
        assert!(near.to_string().starts_with("the attack `fmm` is unknown; did you mean fmn? known are "));

        let outside = crate::ThreatModel::within(Norm::L2, -1.0, [0.0, 1.0]).unwrap_err();
        assert!(matches!(outside, Error::OutOfRange { value: -1.0, .. }));
        assert_eq!(outside.to_string(), "epsilon is -1; it must be zero or a positive number");

        let without = |needed: Option<&str>| Error::NoGradient {
            why: "the model is a function without gradients".into(),
            needed: needed.map(String::from),
        };
        assert_eq!(without(None).to_string(), "the model is a function without gradients");
        assert_eq!(
            without(Some("Packets need one")).to_string(),
            "the model is a function without gradients. Packets need one"
        );

        let shapes = |turned| Error::InputShape {
            samples: vec![3, 8, 9],
            turned,
            input: "x".into(),
            takes: "f32 [N, 4]".into(),
        };
        assert_eq!(
            shapes(None).to_string(),
            "the data has samples of shape [3, 8, 9], the model's input `x` takes f32 [N, 4]"
        );
        assert_eq!(
            shapes(Some(vec![8, 9, 3])).to_string(),
            "the images are [3, 8, 9], with channels last [8, 9, 3], and the model's input `x` takes \
             f32 [N, 4]"
        );
    }
}
