use serde::{Deserialize, Serialize};

use crate::{Advice, Mark};

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
    /// The end of the message, where it speaks of settings or commands; none in a warning that was read from a file.
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

    /// That a measurement was stopped which cannot be gone on with: what is missing.
    pub(crate) fn interrupted(missing: impl std::fmt::Display) -> Warning {
        Warning::new("interrupted", format!("the run was stopped: {missing}"))
            .advise(". It cannot be gone on with; run it again, where {out} was given with another")
    }

    /// The warning with what to do about it.
    pub(crate) fn advise(mut self, advice: impl Into<Advice>) -> Warning {
        let advice = advice.into();
        self.message += &advice.to_string();
        self.advice = Some(advice);
        self
    }

    /// The message, with settings and commands as `word` says them; see [`Advice::worded`].
    pub fn worded(&self, word: impl Fn(Mark<'_>) -> String) -> String {
        let advice = self.advice.as_ref();
        let known = advice.and_then(|advice| Some((self.message.strip_suffix(&advice.to_string())?, advice)));
        known.map_or_else(|| self.message.clone(), |(begin, advice)| begin.to_string() + &advice.worded(word))
    }

    /// Appends the warnings of another part of the run that are not among these.
    pub(crate) fn join(these: &mut Vec<Warning>, others: &[Warning]) {
        let news: Vec<_> = others.iter().filter(|warning| !these.contains(warning)).cloned().collect();
        these.extend(news);
    }

    /// `warning`, or `note`.
    pub fn kind(&self) -> &'static str {
        if self.note { "note" } else { "warning" }
    }
}
