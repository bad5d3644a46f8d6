use std::fmt;

/// What to do about an error or a warning: the end of its text, in which settings are marked. Each interface names
/// settings its own way: the command by flags, Python by arguments. `Display` names them neutrally:
/// `` `packet_samples = 2000` ``.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advice(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(&'static str),
    Setting { name: &'static str, value: Option<String> },
}

impl Advice {
    /// Reads a text in which `{name}` and `{name = value}` stand for settings.
    pub(crate) fn new(text: &'static str) -> Advice {
        let (begin, pieces) = text.split_once('{').map_or((text, None), |(begin, rest)| (begin, Some(rest)));
        let mut parts = vec![Part::Text(begin)];
        for piece in pieces.into_iter().flat_map(|rest| rest.split('{')) {
            let (setting, text) = piece.split_once('}').unwrap_or((piece, ""));
            parts.push(match setting.split_once(" = ") {
                Some((name, value)) => Part::Setting { name, value: Some(value.into()) },
                None => Part::Setting { name: setting, value: None },
            });
            parts.push(Part::Text(text));
        }
        Advice(parts)
    }

    /// The same with a value for a setting that has none yet.
    pub(crate) fn with(mut self, setting: &str, to: impl fmt::Display) -> Advice {
        for part in &mut self.0 {
            if let Part::Setting { name, value: value @ None } = part
                && *name == setting
            {
                *value = Some(to.to_string());
            }
        }
        self
    }

    /// The text, with settings as `name` words them; it is given a setting's name (`packet_samples`) and its value, if it
    /// is about one.
    pub fn worded(&self, name: impl Fn(&str, Option<&str>) -> String) -> String {
        let word = |part: &Part| match part {
            Part::Text(text) => (*text).to_string(),
            Part::Setting { name: setting, value } => name(setting, value.as_deref()),
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
        f.write_str(&self.worded(|name, value| match value {
            Some(value) => format!("`{name} = {value}`"),
            None => format!("`{name}`"),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;
    use crate::warning::Warning;

    fn flag(name: &str, value: Option<&str>) -> String {
        format!("--{name} {}", value.unwrap_or("?"))
    }

    #[test]
    fn settings_are_named_by_whoever_shows_them() {
        let advice = Advice::new(". Give {out} another, or {bounds = 0,255}, or {batch}").with("batch", 7);
        assert_eq!(advice.to_string(), ". Give `out` another, or `bounds = 0,255`, or `batch = 7`");
        assert_eq!(advice.worded(flag), ". Give --out ? another, or --bounds 0,255, or --batch 7");
        assert_eq!(Advice::new("{out}").worded(flag), "--out ?");
        assert_eq!(Advice::new("none").to_string(), "none");

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
