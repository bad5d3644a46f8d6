use serde::{Deserialize, Serialize};

use crate::Advice;

/// Something a reader should know before believing the figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// A fixed name, for machines.
    pub code: String,
    /// What it is and what to do, for people.
    pub message: String,
    /// Whether it is only worth knowing, and makes no figure doubtful.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub note: bool,
    /// The end of the message, where it speaks of settings; none in a warning that was read from a file.
    #[serde(skip)]
    advice: Option<Advice>,
}

impl Warning {
    /// A warning.
    pub fn new(code: &str, message: impl Into<String>) -> Warning {
        Warning { code: code.into(), message: message.into(), note: false, advice: None }
    }

    /// Something worth knowing that makes no figure doubtful.
    pub fn note(code: &str, message: impl Into<String>) -> Warning {
        Warning { note: true, ..Warning::new(code, message) }
    }

    /// The warning with what to do about it.
    pub(crate) fn advise(mut self, advice: impl Into<Advice>) -> Warning {
        let advice = advice.into();
        self.message += &advice.to_string();
        self.advice = Some(advice);
        self
    }

    /// The message, with settings as `name` words them; see [`Advice::worded`].
    pub fn worded(&self, name: impl Fn(&str, Option<&str>) -> String) -> String {
        let advice = self.advice.as_ref();
        let known = advice.and_then(|advice| Some((self.message.strip_suffix(&advice.to_string())?, advice)));
        known.map_or_else(|| self.message.clone(), |(begin, advice)| begin.to_string() + &advice.worded(name))
    }

    /// `warning`, or `note`.
    pub fn kind(&self) -> &'static str {
        if self.note { "note" } else { "warning" }
    }
}
