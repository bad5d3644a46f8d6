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
                // Rounded down: it is below what was asked for.
                let low = (low * 1e4).floor() / 1e4;
                write!(f, "{figure} >= {least} does not hold: the lower end of its 95 % interval is {low:.4}")
            }
            _ => write!(f, "{figure} >= {least} does not hold: the audit is not complete"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_falls_short_does_not_read_as_if_it_did_not() {
        let judged = Judged { figure: "clean".into(), least: 0.9, low: Some(0.899_981), holds: false };
        assert!(judged.to_string().ends_with("is 0.8999"), "{judged}");
    }
}
