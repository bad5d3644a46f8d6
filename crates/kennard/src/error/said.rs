//! What errors say: their advice, the model that they are of, their causes.

use std::path::Path;

use kennard_graph::{GraphError, Shape};

use super::Error;
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

    /// The error with the name of the model's file, and `role` before it, where several models are at work. What is no fault of a
    /// model's, or names the file already, stays as it is.
    #[must_use]
    pub fn of_model(self, role: &str, file: &Path) -> Error {
        let is_model = matches!(
            self.kind(),
            Error::Graph(_)
                | Error::Runtime(_)
                | Error::Mismatch(_)
                | Error::Sample { .. }
                | Error::InputShape { .. }
                | Error::NotANumber(_)
                | Error::NoGradient { .. }
                | Error::FixedBatch { .. }
        );
        let named =
            matches!(self, Error::OfModel { .. }) || self.to_string().contains(&file.display().to_string());
        if !is_model || named {
            return self;
        }
        Error::OfModel { model: format!("{role}{}", file.display()), error: Box::new(self) }
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
    use crate::{Error, Norm};

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
