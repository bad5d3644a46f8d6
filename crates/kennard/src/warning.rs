use serde::{Deserialize, Serialize};

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
}

impl Warning {
    /// A warning.
    pub fn new(code: &str, message: impl Into<String>) -> Warning {
        Warning { code: code.into(), message: message.into(), note: false }
    }

    /// Something worth knowing that makes no figure doubtful.
    pub fn note(code: &str, message: impl Into<String>) -> Warning {
        Warning { note: true, ..Warning::new(code, message) }
    }

    /// `warning`, or `note`.
    pub fn kind(&self) -> &'static str {
        if self.note { "note" } else { "warning" }
    }
}
