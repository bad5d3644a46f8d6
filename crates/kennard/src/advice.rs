use std::fmt;

/// What to do about an error or a warning: the end of its text, in which settings and commands are marked. Each interface
/// names them its own way: the command by flags, Python by arguments and functions. `Display` names settings neutrally,
/// `` `packet_samples = 2000` ``, and commands as they are called, `` `kennard inspect` ``.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice(Vec<AdvicePart>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum AdvicePart {
    Text(&'static str),
    Setting { name: &'static str, value: Option<String> },
    Command(&'static str),
}

/// What an [`Advice`] leaves to an interface to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark<'a> {
    /// A setting.
    Setting {
        /// Its name, `packet_samples`.
        name: &'a str,
        /// A value of it, where the advice is about one.
        value: Option<&'a str>,
    },
    /// A command, `inspect`.
    Command(&'a str),
}

impl fmt::Display for Mark<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mark::Setting { name, value: Some(value) } => write!(f, "`{name} = {value}`"),
            Mark::Setting { name, value: None } => write!(f, "`{name}`"),
            Mark::Command(name) => write!(f, "`kennard {name}`"),
        }
    }
}

impl Advice {
    /// Reads a text in which `{name}` and `{name = value}` stand for settings, and `{!name}` for commands.
    pub(crate) fn new(text: &'static str) -> Advice {
        let (begin, pieces) = text.split_once('{').map_or((text, None), |(begin, rest)| (begin, Some(rest)));
        let mut parts = vec![AdvicePart::Text(begin)];
        for piece in pieces.into_iter().flat_map(|rest| rest.split('{')) {
            let (mark, text) = piece.split_once('}').unwrap_or((piece, ""));
            parts.push(match (mark.strip_prefix('!'), mark.split_once(" = ")) {
                (Some(command), _) => AdvicePart::Command(command),
                (None, Some((name, value))) => AdvicePart::Setting { name, value: Some(value.into()) },
                (None, None) => AdvicePart::Setting { name: mark, value: None },
            });
            parts.push(AdvicePart::Text(text));
        }
        Advice(parts)
    }

    /// The same with a value for a setting that has none yet.
    pub(crate) fn with(mut self, setting: &str, to: impl fmt::Display) -> Advice {
        for part in &mut self.0 {
            if let AdvicePart::Setting { name, value: value @ None } = part
                && *name == setting
            {
                *value = Some(to.to_string());
            }
        }
        self
    }

    /// The text, with settings and commands as `word` says them.
    pub fn worded(&self, word: impl Fn(Mark<'_>) -> String) -> String {
        let word = |part: &AdvicePart| match part {
            AdvicePart::Text(text) => (*text).to_string(),
            AdvicePart::Setting { name, value } => word(Mark::Setting { name, value: value.as_deref() }),
            AdvicePart::Command(name) => word(Mark::Command(name)),
        };
        self.0.iter().map(word).collect()
    }
}

impl From<&'static str> for Advice {
    fn from(text: &'static str) -> Advice {
        Advice::new(text)
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.worded(|mark| mark.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::warning::Warning;

    fn flag(mark: Mark<'_>) -> String {
        match mark {
            Mark::Setting { name, value } => format!("--{name} {}", value.unwrap_or("?")),
            Mark::Command(name) => format!("call {name}"),
        }
    }

    #[test]
    fn settings_are_named_by_whoever_shows_them() {
        let advice = Advice::new(". Give {out} another, or {bounds = 0,255}, or {batch}").with("batch", 7);
        assert_eq!(advice.to_string(), ". Give `out` another, or `bounds = 0,255`, or `batch = 7`");
        assert_eq!(advice.worded(flag), ". Give --out ? another, or --bounds 0,255, or --batch 7");
        assert_eq!(Advice::new("{out}").worded(flag), "--out ?");
        assert_eq!(Advice::new("none").to_string(), "none");
        let command = Advice::new("; {!inspect} lists them");
        assert_eq!(command.to_string(), "; `kennard inspect` lists them");
        assert_eq!(command.worded(flag), "; call inspect lists them");

        let error = Error::Setting("no".into()).advise(advice.clone());
        assert_eq!(error.to_string(), format!("no{advice}"));
        assert_eq!(error.worded(flag), format!("no{}", advice.worded(flag)));
        assert!(matches!(error.kind(), Error::Setting(message) if message == "no"));
        let warning = Warning::new("code", "no").advise(advice.clone());
        assert_eq!(warning.message, format!("no{advice}"));
        assert_eq!(warning.worded(flag), format!("no{}", advice.worded(flag)));
        let text = serde_json::to_string(&warning).unwrap();
        let read: Warning = serde_json::from_str(&text).unwrap();
        assert_eq!(read.worded(flag), warning.message);
    }
}
