use serde::Serialize;

/// A claim of the paper, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Claim {
    /// The claim, in words.
    pub claim: String,
    pub verdict: Verdict,
    /// The figure with its 95 % interval.
    pub evidence: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The whole interval is on the claim's side.
    ComesOut,
    /// The whole interval is on the other side.
    DoesNotComeOut,
    /// The interval holds both.
    Undecided,
}

impl Claim {
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
        match kennard::stats::spearman(pairs) {
            None => Claim {
                claim: claim.into(),
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
        assert_eq!(Claim::of_correlation("", &falling[..2], true).verdict, Verdict::Undecided);
    }
}
