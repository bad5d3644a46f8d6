use serde::Serialize;

use crate::Figure;
use crate::experiment::short;
use crate::figure::counted;
use crate::stats::{holm, student_p};

/// A claim of the paper, and what became of it.
#[derive(Clone, Debug, Serialize)]
pub struct Claim {
    /// The claim, in words.
    pub claim: String,
    /// Whether it comes out.
    pub verdict: ClaimVerdict,
    /// The figure with its 95 % interval.
    pub evidence: String,
    /// The p-value, where the verdict needs one below 0.05; adjusted for the number of claims by [`Claim::adjust`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
}

/// A claim with a p-value comes out, or does not, below this.
pub const LEVEL: f64 = 0.05;

/// A claim about trained networks takes at least this many seeds.
const SEEDS: usize = 5;

/// Whether a claim comes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimVerdict {
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
    (epochs < EPOCHS).then(|| format!("{} of training, fewer than {EPOCHS}", counted(epochs, "epoch")))
}

/// Why a network has not learnt its task: the lower end of its accuracy must be above a quarter of the way from chance to
/// 1.
pub fn has_not_learnt(interval: [f64; 2], classes: usize) -> Option<String> {
    below(interval, classes, 0.25, "to have learnt its task")
}

/// Why a network is not accurate: the lower end of its accuracy must be above half of the way from chance to 1.
pub fn is_not_accurate(interval: [f64; 2], classes: usize) -> Option<String> {
    below(interval, classes, 0.5, "to be accurate")
}

fn below([low, _]: [f64; 2], classes: usize, way: f64, what: &str) -> Option<String> {
    let chance = 1.0 / classes.max(1) as f64;
    let limit = chance + way * (1.0 - chance);
    let problem = || {
        format!(
            "one network's accuracy is only known to be above {:.1} %; {:.1} % is needed {what}, of {classes} classes",
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
    (learnt < PAIRS).then(|| {
        format!("{learnt} of {}, fewer than {PAIRS}, learnt the task", counted(found.len(), "network"))
    })
}

impl Claim {
    /// The claim without a verdict where there is a reason why it cannot have one.
    pub fn unless(self, reason: Option<String>) -> Claim {
        match reason {
            None => self,
            Some(reason) => Claim {
                verdict: ClaimVerdict::TooSmallToJudge,
                evidence: match self.evidence.is_empty() {
                    true => reason,
                    false => format!("{reason} ({})", self.evidence),
                },
                p: None,
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
            (true, _) => ClaimVerdict::ComesOut,
            (_, true) => ClaimVerdict::DoesNotComeOut,
            _ => ClaimVerdict::Undecided,
        };
        Claim { claim: claim.into(), verdict, evidence, p: None }
    }

    /// That a rank correlation is positive, or negative.
    pub fn of_correlation(claim: impl Into<String>, pairs: &[(f64, f64)], positive: bool) -> Claim {
        let claim = claim.into();
        if pairs.len() < PAIRS {
            let evidence = format!("{}, fewer than {PAIRS}", counted(pairs.len(), "pair"));
            return Claim { claim, verdict: ClaimVerdict::TooSmallToJudge, evidence, p: None };
        }
        match crate::stats::spearman(pairs) {
            None => Claim {
                claim,
                verdict: ClaimVerdict::Undecided,
                evidence: format!("{} pairs have no rank correlation", pairs.len()),
                p: None,
            },
            Some((rho, [low, high])) => {
                let evidence = format!("ρ = {rho:+.2} [{low:+.2}, {high:+.2}], {} pairs", pairs.len());
                Claim::that(claim, [low, high], 0.0, positive, evidence)
            }
        }
    }

    /// That the mean over seeds of a figure is above a limit (or below, where `above` is false). The interval is the
    /// bootstrap's over seeds, the p-value that of Student's test; seeds that are all alike have none, and the evidence
    /// says so. `values` are one figure for each seed; what is no number, and fewer than five seeds, has no verdict.
    pub fn over_seeds(claim: impl Into<String>, values: &[f64], limit: f64, above: bool) -> Claim {
        let claim = claim.into();
        let seeds = values.len();
        let finite = values.iter().all(|value| value.is_finite());
        let too_small = match finite {
            false => Some(format!("the figure is no number for some of {seeds} seeds")),
            true => (seeds < SEEDS).then(|| format!("{}, fewer than {SEEDS}", counted(seeds, "seed"))),
        };
        match over_seeds(values) {
            None => Claim { claim, verdict: ClaimVerdict::TooSmallToJudge, evidence: String::new(), p: None },
            Some(figure) => {
                let p = student_p(values, limit);
                let alike = if p.is_none() { ", all alike, so without a p" } else { "" };
                let evidence = format!("{}, {seeds} seeds{alike}", worded(&figure));
                Claim { p, ..Claim::that(claim, figure.interval, limit, above, evidence) }
            }
        }
        .unless(too_small)
    }

    /// Adjusts the p-values of an experiment's claims for their number, by Holm's method; those that are not below
    /// 0.05 then are undecided. Claims without a verdict, or without a p-value, do not count.
    pub fn adjust(claims: &mut [Claim]) {
        let mut judged: Vec<&mut Claim> = claims.iter_mut().filter(|c| c.p.is_some()).collect();
        let adjusted = holm(&judged.iter().filter_map(|claim| claim.p).collect::<Vec<_>>());
        for (claim, p) in judged.iter_mut().zip(adjusted) {
            claim.p = Some(p);
            if p >= LEVEL {
                claim.verdict = ClaimVerdict::Undecided;
            }
        }
    }

    /// A line of the report.
    pub fn line(&self) -> String {
        let verdict = match self.verdict {
            ClaimVerdict::ComesOut => "comes out",
            ClaimVerdict::DoesNotComeOut => "does NOT come out",
            ClaimVerdict::Undecided => "undecided",
            ClaimVerdict::TooSmallToJudge => "too small to judge",
        };
        let p = self.p.map_or(String::new(), |p| format!(", p = {} after Holm", chance(p)));
        format!("- {}: **{verdict}**; {}{p}\n", self.claim, self.evidence)
    }
}

/// The mean of a figure over seeds, with the bootstrap's interval; none of fewer than three, or of what is no number.
pub fn over_seeds(values: &[f64]) -> Option<Figure> {
    if values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    Figure::over_clusters(values, |chosen| Some(chosen.iter().copied().sum::<f64>() / chosen.len() as f64))
}

/// The mean of a figure over seeds as [`over_seeds`] has it; unknown where that has none.
pub fn mean_over_seeds(values: impl Iterator<Item = f64>) -> Figure {
    over_seeds(&values.collect::<Vec<_>>()).unwrap_or(Figure::UNKNOWN)
}

/// A figure with its interval, in words.
pub fn worded(figure: &Figure) -> String {
    figure.worded("", short)
}

/// A p-value in words, with as many digits as it takes to be on its own side of 0.05.
fn chance(p: f64) -> String {
    if p < 1e-4 {
        return "0.0001 or less".into();
    }
    let own_side = |said: &String| said.parse::<f64>().is_ok_and(|said| (said < LEVEL) == (p < LEVEL));
    let said = |digits| crate::figure::significant(p, digits);
    (2..12).map(said).find(own_side).unwrap_or_else(|| p.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_follow_from_the_interval() {
        let verdict = |low, high, above| Claim::that("", [low, high], 0.0, above, String::new()).verdict;
        assert_eq!(verdict(0.1, 0.2, true), ClaimVerdict::ComesOut);
        assert_eq!(verdict(0.1, 0.2, false), ClaimVerdict::DoesNotComeOut);
        assert_eq!(verdict(-0.1, 0.2, true), ClaimVerdict::Undecided);
        let falling: Vec<(f64, f64)> = (0..8).map(|i| (f64::from(i), -f64::from(i * i))).collect();
        assert_eq!(Claim::of_correlation("", &falling, false).verdict, ClaimVerdict::ComesOut);
        assert_eq!(Claim::of_correlation("", &falling, true).verdict, ClaimVerdict::DoesNotComeOut);
        assert_eq!(Claim::of_correlation("", &falling[..4], true).verdict, ClaimVerdict::TooSmallToJudge);
    }

    /// From SciPy's `ttest_1samp`: 0.0122. Seeds that are all alike have no p-value, and do not count in Holm's number: as the
    /// least of them they would change no other.
    #[test]
    fn claims_over_seeds_need_p_and_interval() {
        let equal = Claim::over_seeds("a", &[0.3; 5], 0.0, true);
        assert_eq!((equal.verdict, equal.p), (ClaimVerdict::ComesOut, None));
        assert!(equal.line().ends_with("5 seeds, all alike, so without a p\n"), "{}", equal.line());
        let spread = [0.2, 0.5, 0.1, 0.4, 0.35];
        let above = Claim::over_seeds("b", &spread, 0.0, true);
        assert!((above.p.unwrap() - 0.012_244_581_685).abs() < 1e-9);
        let below = Claim::over_seeds("c", &spread, 0.0, false);
        assert_eq!(below.verdict, ClaimVerdict::DoesNotComeOut);
        let few = Claim::over_seeds("d", &spread[..4], 0.0, true);
        assert_eq!((few.verdict, few.p), (ClaimVerdict::TooSmallToJudge, None));
        assert!(few.line().contains("4 seeds, fewer than 5"), "{}", few.line());
        let none = Claim::over_seeds("e", &[f64::NAN; 5], 0.0, true);
        assert_eq!(none.verdict, ClaimVerdict::TooSmallToJudge);

        let mut claims = vec![above.clone(), equal, few];
        Claim::adjust(&mut claims);
        assert!(
            claims[0].verdict == ClaimVerdict::ComesOut && claims[1].p.is_none() && claims[2].p.is_none()
        );
        assert!(claims[0].line().ends_with(", p = 0.012 after Holm\n"), "{}", claims[0].line());
        // Rounded to two digits it would be 0.05, which does not come out.
        let close = Claim { p: Some(0.049_94), ..above.clone() };
        assert!(close.line().contains("**comes out**"), "{}", close.line());
        assert!(close.line().ends_with(", p = 0.0499 after Holm\n"), "{}", close.line());
        assert_eq!(
            [0.05, 0.050_01, 0.012_24, 0.049_999_6].map(chance),
            ["0.05", "0.05", "0.012", "0.0499996"]
        );
        let mut many = vec![above; 5];
        Claim::adjust(&mut many);
        assert!(many.iter().all(|claim| claim.verdict == ClaimVerdict::Undecided && claim.p.unwrap() > 0.06));
    }

    /// Of ten classes chance is 10 %; half of the way to 1 is 55 %, a quarter 32.5 %.
    #[test]
    fn what_is_too_small_has_no_verdict() {
        let said = is_not_accurate([0.10, 0.12], 10).unwrap();
        assert!(said.contains("above 10.0 %; 55.0 % is needed to be accurate"), "{said}");
        assert!(is_not_accurate([0.54, 0.60], 10).is_some());
        assert_eq!(is_not_accurate([0.56, 0.60], 10), None);
        assert!(has_not_learnt([0.32, 0.40], 10).is_some() && has_not_learnt([0.33, 0.40], 10).is_none());
        // A coin is right half the time.
        assert!(is_not_accurate([0.74, 0.8], 2).is_some() && is_not_accurate([0.76, 0.8], 2).is_none());
        assert!(has_not_learnt([f64::NAN, 1.0], 10).is_some());
        assert!(too_brief(4).is_some() && too_brief(5).is_none());
        let [good, bad] = [[0.8, 0.9], [0.1, 0.2]];
        assert!(too_few(&[good, good, good, good, bad, bad], 10).unwrap().contains("4 of 6 networks, fewer"));
        assert_eq!(too_few(&[good, good, good, good, good, bad], 10), None);

        let claim = || Claim::that("c", [0.1, 0.2], 0.5, false, "0.15".into());
        assert_eq!(claim().unless(None).verdict, ClaimVerdict::ComesOut);
        let small = claim().unless(too_brief(2));
        assert_eq!(small.verdict, ClaimVerdict::TooSmallToJudge);
        assert_eq!(small.line(), "- c: **too small to judge**; 2 epochs of training, fewer than 5 (0.15)\n");
        assert_eq!(serde_json::json!(small)["verdict"], "too-small-to-judge");
    }
}
