//! How large an experiment is by itself, and that it was made smaller.

use super::claim::{Claim, ClaimVerdict};

/// What an experiment trains and looks at where nothing else is asked for.
pub struct OwnSize {
    /// Passes over the training samples; none where nothing is trained.
    pub epochs: Option<usize>,
    /// Samples to train on, or to look at; none where it trains on all of a split.
    pub samples: Option<usize>,
}

impl OwnSize {
    /// What is smaller than that, in words; nothing where nothing is.
    pub fn shortened(&self, epochs: Option<usize>, samples: Option<usize>) -> Option<String> {
        let samples = samples.and_then(|given| match self.samples {
            Some(own) => (given < own).then(|| format!("{given} of {own} samples")),
            None => Some(format!("at most {given} samples of the split to train on")),
        });
        let fewer = epochs.zip(self.epochs).filter(|(given, own)| given < own);
        let epochs = fewer.map(|(given, own)| format!("{given} of {own} epochs"));
        let smaller: Vec<String> = [samples, epochs].into_iter().flatten().collect();
        (!smaller.is_empty()).then(|| format!("shortened: {}", smaller.join(", ")))
    }
}

/// The epochs that settings in TOML name.
pub fn epochs_of(settings: &str) -> Option<usize> {
    settings.lines().find_map(|line| line.strip_prefix("epochs = ")?.trim().parse().ok())
}

impl Claim {
    /// The claim of an experiment that was made smaller, which is not judged; what was found stays in the evidence.
    pub(super) fn unjudged(self, why: &str) -> Claim {
        if self.evidence.starts_with(why) {
            return self;
        }
        match self.verdict {
            ClaimVerdict::TooSmallToJudge => Claim { evidence: format!("{why}; {}", self.evidence), ..self },
            _ => self.unless(Some(why.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_smaller_is_said() {
        let own = OwnSize { epochs: Some(20), samples: Some(4000) };
        let said = |epochs, samples| own.shortened(epochs, samples);
        assert_eq!(said(Some(5), Some(200)).unwrap(), "shortened: 200 of 4000 samples, 5 of 20 epochs");
        assert_eq!(said(Some(20), Some(3999)).unwrap(), "shortened: 3999 of 4000 samples");
        assert_eq!([said(None, None), said(Some(20), Some(4000)), said(Some(40), None)], [None, None, None]);
        // How large the split is, is not known: fewer may have been asked for than it has.
        let whole = OwnSize { epochs: Some(10), samples: None };
        assert!(whole.shortened(None, Some(5000)).unwrap().contains("5000 samples of the split"));
        let examined = OwnSize { epochs: None, samples: Some(150) };
        assert_eq!(examined.shortened(Some(1), None), None);
        assert_eq!(epochs_of("[train]\narch = \"cnn\"\nepochs = 12\n"), Some(12));
    }

    #[test]
    fn no_claim_of_a_shortened_experiment_is_judged() {
        let why = "shortened: 5 of 20 epochs";
        let judged = Claim::that("c", [0.1, 0.2], 0.0, true, "0.15".into());
        assert_eq!(judged.verdict, ClaimVerdict::ComesOut);
        let unjudged = Claim { p: Some(0.01), ..judged }.unjudged(why);
        assert_eq!(unjudged.line(), "- c: **too small to judge**; shortened: 5 of 20 epochs (0.15)\n");
        assert_eq!(unjudged.clone().unjudged(why).line(), unjudged.line());
        let small = Claim::of_correlation("c", &[(0.0, 1.0)], true).unjudged(why);
        assert!(small.evidence.starts_with("shortened: 5 of 20 epochs; 1 pair"), "{}", small.evidence);
        assert_eq!((small.verdict, small.p), (ClaimVerdict::TooSmallToJudge, None));
    }
}
