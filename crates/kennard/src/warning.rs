use serde::{Deserialize, Serialize};

/// Something a reader should know before believing the figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// A fixed name, for machines.
    pub code: String,
    /// What it is and what to do, for people.
    pub message: String,
}

impl Warning {
    /// A warning.
    pub fn new(code: &str, message: impl Into<String>) -> Warning {
        Warning { code: code.into(), message: message.into() }
    }
}
