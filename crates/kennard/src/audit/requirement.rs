//! What an audit must show, for those who let a program decide.

use std::str::FromStr;

use super::judged::Judged;
use super::summary::Summary;
use crate::{Error, Result, parse_number};

/// A share that must be reached: `robust>=0.6`.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// `clean`, `robust`, `certified`, or the name of an attack.
    pub figure: String,
    /// The least share, in \[0, 1\].
    pub least: f64,
}

impl Requirement {
    /// Checks that an audit by these attacks has such a figure.
    ///
    /// # Errors
    /// When it has not; the message names those that it has.
    pub fn check(&self, attacks: &[&str], has_robust: bool, certifies: bool) -> Result<()> {
        let others = [has_robust.then_some("robust"), certifies.then_some("certified")];
        let others = others.into_iter().flatten();
        let known: Vec<&str> = ["clean"].into_iter().chain(others).chain(attacks.iter().copied()).collect();
        match known.contains(&self.figure.as_str()) {
            true => Ok(()),
            false => Err(Error::Unreadable {
                text: self.figure.clone(),
                what: "figure of this audit",
                form: format!("those that can be required are {}", known.join(", ")),
            }),
        }
    }

    /// Whether the figure surely reaches it: the lower end of its interval counts. Nothing is sure of an audit
    /// that is not complete.
    pub fn judge(&self, summary: &Summary) -> Judged {
        let attack = || summary.attacks.iter().find(|attack| attack.name == self.figure);
        let interval = match self.figure.as_str() {
            "clean" => summary.clean.interval,
            "certified" => summary.certified.as_ref().and_then(|certified| certified.interval),
            "robust" => summary.robust.as_ref().and_then(|robust| robust.interval),
            _ => attack().and_then(|attack| attack.interval),
        };
        let low = interval.map(|[low, _]| low);
        let holds = summary.complete && low.is_some_and(|low| low >= self.least);
        Judged { figure: self.figure.clone(), least: self.least, low, holds }
    }
}

impl FromStr for Requirement {
    type Err = Error;

    fn from_str(text: &str) -> Result<Requirement> {
        let error = || Error::Unreadable {
            text: text.into(),
            what: "requirement",
            form: "write robust>=0.6, with a share from 0 to 1".into(),
        };
        let (figure, least) = text.split_once(">=").ok_or_else(error)?;
        let (figure, least) = (figure.trim(), parse_number(least).map_err(|_| error())?);
        match !figure.is_empty() && (0.0..=1.0).contains(&least) {
            true => Ok(Requirement { figure: figure.into(), least }),
            false => Err(error()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requirements_are_read_or_refused() {
        let read = |text: &str| text.parse::<Requirement>();
        assert_eq!(read("robust>=0.6").unwrap(), Requirement { figure: "robust".into(), least: 0.6 });
        assert_eq!(read("apgd-t >= 1/2").unwrap().least, 0.5);
        for wrong in ["robust", "robust>0.5", ">=0.5", "robust>=60", "robust>=-1", "robust>=x", "robust>=nan"]
        {
            let message = read(wrong).unwrap_err().to_string();
            assert!(message.contains(wrong) && message.contains("write robust>=0.6"), "{message}");
        }
        let wanted = read("pgdd>=0.5").unwrap();
        let message = wanted.check(&["fgsm", "pgd"], true, false).unwrap_err().to_string();
        assert!(message.contains("clean, robust, fgsm, pgd"), "{message}");
        assert!(read("pgd>=0.5").unwrap().check(&["pgd"], true, false).is_ok());
        assert!(read("robust>=0.5").unwrap().check(&[], false, true).is_err());
        assert!(read("certified>=0.5").unwrap().check(&[], false, true).is_ok());
    }
}
