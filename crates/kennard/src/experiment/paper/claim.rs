use serde::Serialize;

/// A claim of the paper, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Claim {
    /// The claim, in words.
    pub claim: String,
    /// Whether it comes out.
    pub verdict: Verdict,
    /// The figure with its 95 % interval.
    pub evidence: String,
}

/// Whether a claim comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The whole interval is on the claim's side.
    ComesOut,
    /// The whole interval is on the other side.
    DoesNotComeOut,
    /// The interval holds both.
    Undecided,
    /// The networks are too few, too little trained or too inaccurate to say anything about the claim; the evidence says
    /// which, and the figure that was found all the same.
    TooSmallToJudge,
}

/// A claim about training takes at least this many epochs.
const EPOCHS: usize = 5;

/// A rank correlation takes at least this many pairs: with four the interval is never on one side of zero.
const PAIRS: usize = 5;

/// Why `epochs` of training are too few to judge by; nothing where they are not.
pub fn too_brief(epochs: usize) -> Option<String> {
    (epochs < EPOCHS).then(|| format!("{epochs} epochs of training are fewer than {EPOCHS}"))
}

/// Why a network is none that has learnt its task: the lower end of its accuracy must be above a quarter of the way from
/// chance to 1.
pub fn has_not_learnt(interval: [f64; 2], classes: usize) -> Option<String> {
    below(interval, classes, 0.25, "has not learnt its task")
}

/// Why a network is no accurate one: the lower end of its accuracy must be above half of the way from chance to 1.
pub fn is_not_accurate(interval: [f64; 2], classes: usize) -> Option<String> {
    below(interval, classes, 0.5, "is not accurate")
}

fn below([low, _]: [f64; 2], classes: usize, way: f64, what: &str) -> Option<String> {
    let chance = 1.0 / classes.max(1) as f64;
    let limit = chance + way * (1.0 - chance);
    let problem = || {
        format!(
            "a network of at least {:.1} % {what}, which takes {:.1} % for {classes} classes",
            100.0 * low,
            100.0 * limit
        )
    };
    // A figure that is no number is no accuracy.
    (low.is_nan() || low <= limit).then(problem)
}

/// Why networks are too few: at least [`PAIRS`] of them must have learnt their task. `found` are their accuracies.
pub fn too_few(found: &[[f64; 2]], classes: usize) -> Option<String> {
    let learnt = found.iter().filter(|interval| has_not_learnt(**interval, classes).is_none()).count();
    (learnt < PAIRS)
        .then(|| format!("{learnt} of {} networks have learnt their task, fewer than {PAIRS}", found.len()))
}

impl Claim {
    /// The claim without a verdict where there is a reason why it cannot have one.
    pub fn unless(self, reason: Option<String>) -> Claim {
        match reason {
            None => self,
            Some(reason) => Claim {
                verdict: Verdict::TooSmallToJudge,
                evidence: format!("{reason} ({})", self.evidence),
                ..self
            },
        }
    }

    /// That a figure, known to lie in an interval, is above a limit (or below, where `above` is false).
    pub fn that(
        claim: impl Into<String>,
        [low, high]: [f64; 2],
        limit: f64,
        above: bool,
        evidence: String,
    ) -> Claim {
        let (yes, no) = if above { (low > limit, high < limit) } else { (high < limit, low > limit) };
        let verdict = match (yes, no) {
            (true, _) => Verdict::ComesOut,
            (_, true) => Verdict::DoesNotComeOut,
            _ => Verdict::Undecided,
        };
        Claim { claim: claim.into(), verdict, evidence }
    }

    /// That a rank correlation is positive, or negative.
    pub fn of_correlation(claim: impl Into<String>, pairs: &[(f64, f64)], positive: bool) -> Claim {
        let claim = claim.into();
        if pairs.len() < PAIRS {
            let evidence = format!("{} pairs are fewer than {PAIRS}", pairs.len());
            return Claim { claim, verdict: Verdict::TooSmallToJudge, evidence };
        }
        match crate::stats::spearman(pairs) {
            None => Claim {
                claim,
                verdict: Verdict::Undecided,
                evidence: format!("{} pairs have no rank correlation", pairs.len()),
            },
            Some((rho, [low, high])) => {
                let evidence = format!("ρ = {rho:+.2} [{low:+.2}, {high:+.2}], {} pairs", pairs.len());
                Claim::that(claim, [low, high], 0.0, positive, evidence)
            }
        }
    }

    /// A line of the report.
    pub fn line(&self) -> String {
        let verdict = match self.verdict {
            Verdict::ComesOut => "comes out",
            Verdict::DoesNotComeOut => "does NOT come out",
            Verdict::Undecided => "undecided",
            Verdict::TooSmallToJudge => "too small to judge",
        };
        format!("- {}: **{verdict}**; {}\n", self.claim, self.evidence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_follow_from_the_interval() {
        let verdict = |low, high, above| Claim::that("", [low, high], 0.0, above, String::new()).verdict;
        assert_eq!(verdict(0.1, 0.2, true), Verdict::ComesOut);
        assert_eq!(verdict(0.1, 0.2, false), Verdict::DoesNotComeOut);
        assert_eq!(verdict(-0.1, 0.2, true), Verdict::Undecided);
        let falling: Vec<(f64, f64)> = (0..8).map(|i| (f64::from(i), -f64::from(i * i))).collect();
        assert_eq!(Claim::of_correlation("", &falling, false).verdict, Verdict::ComesOut);
        assert_eq!(Claim::of_correlation("", &falling, true).verdict, Verdict::DoesNotComeOut);
        assert_eq!(Claim::of_correlation("", &falling[..4], true).verdict, Verdict::TooSmallToJudge);
    }

    /// Of ten classes chance is 10 %; half of the way to 1 is 55 %, a quarter 32.5 %.
    #[test]
    fn what_is_too_small_has_no_verdict() {
        assert!(
            is_not_accurate([0.10, 0.12], 10).unwrap().contains("10.0 % is not accurate, which takes 55.0 %")
        );
        assert!(is_not_accurate([0.54, 0.60], 10).is_some());
        assert_eq!(is_not_accurate([0.56, 0.60], 10), None);
        assert!(has_not_learnt([0.32, 0.40], 10).is_some() && has_not_learnt([0.33, 0.40], 10).is_none());
        // A coin is right half the time.
        assert!(is_not_accurate([0.74, 0.8], 2).is_some() && is_not_accurate([0.76, 0.8], 2).is_none());
        assert!(has_not_learnt([f64::NAN, 1.0], 10).is_some());
        assert!(too_brief(4).is_some() && too_brief(5).is_none());
        let [good, bad] = [[0.8, 0.9], [0.1, 0.2]];
        assert!(too_few(&[good, good, good, good, bad, bad], 10).unwrap().contains("4 of 6 networks"));
        assert_eq!(too_few(&[good, good, good, good, good, bad], 10), None);

        let claim = || Claim::that("c", [0.1, 0.2], 0.5, false, "0.15".into());
        assert_eq!(claim().unless(None).verdict, Verdict::ComesOut);
        let small = claim().unless(too_brief(2));
        assert_eq!(small.verdict, Verdict::TooSmallToJudge);
        assert_eq!(
            small.line(),
            "- c: **too small to judge**; 2 epochs of training are fewer than 5 (0.15)\n"
        );
        assert_eq!(serde_json::json!(small)["verdict"], "too-small-to-judge");
    }
}
