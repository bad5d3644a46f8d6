use std::fmt;

use serde::{Deserialize, Serialize};

/// How a requirement came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The figure.
    pub figure: String,
    /// What it must reach.
    pub least: f64,
    /// The lower end of its 95 % interval; null while samples are pending.
    pub low: Option<f64>,
    /// Whether the lower end reaches it, and the audit is complete.
    pub holds: bool,
}

impl fmt::Display for Judged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Judged { figure, least, low, holds } = self;
        match low {
            _ if *holds => write!(f, "{figure} >= {least} holds"),
            Some(low) if low < least => {
                write!(f, "{figure} >= {least} does not hold: the lower end of its 95 % interval is {low:.4}")
            }
            _ => write!(f, "{figure} >= {least} does not hold: the audit is not complete"),
        }
    }
}
