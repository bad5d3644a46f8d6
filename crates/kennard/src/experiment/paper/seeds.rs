//! Networks that differ in their seed alone: the units of every claim about training.

use std::ops::Range;

use super::claim::{Claim, mean_over_seeds, over_seeds, worded};
use crate::audit::Followed;
use crate::experiment::Point;
use crate::experiment::points::in_a_cell;
use crate::stats::rank_correlation;

/// How many networks of each kind are trained.
pub const SEEDS: u64 = 5;

/// Settings with each `[[run]]` once for every seed, named "name, seed 3".
pub fn each_seed(settings: &str) -> String {
    repeated(settings, 0..SEEDS)
}

/// Settings with each `[[run]]` for the first seed alone, named as [`each_seed`] does.
pub fn first_seed(settings: &str) -> String {
    repeated(settings, 0..1)
}

fn repeated(settings: &str, seeds: Range<u64>) -> String {
    let mut parts = settings.split("[[run]]");
    let common = parts.next().unwrap_or_default().to_owned();
    // A run begins with its name.
    let named = |run: &str, seed: u64| {
        let run = format!("{}\n", run.trim_end()).replacen("\"\n", &format!(", seed {seed}\"\n"), 1);
        format!("[[run]]{run}seed = {seed}\n\n")
    };
    common + &parts.flat_map(|run| seeds.clone().map(move |seed| named(run, seed))).collect::<String>()
}

/// A run's name without its seed.
pub fn without_seed(name: &str) -> &str {
    name.rsplit_once(", seed ").map_or(name, |(name, _)| name)
}

/// One network of all seeds: means, with intervals over seeds.
pub fn mean_of(name: String, seeds: &[&Point]) -> Point {
    let mean = |of: &dyn Fn(&Point) -> f64| mean_over_seeds(seeds.iter().map(|p| of(p)));
    let followed: Vec<&Followed> = seeds.iter().map(|p| &p.followed).collect();
    let cosine = mean(&|p| p.cosine.unwrap_or(f64::NAN)).value;
    Point {
        name,
        epoch: seeds.first().and_then(|p| p.epoch),
        clean: mean(&|p| p.clean.value),
        robust: mean(&|p| p.robust.value),
        certified: mean(&|p| p.certified.value),
        sigma_x: mean(&|p| p.sigma_x).value,
        sigma_p: mean(&|p| p.sigma_p.value),
        product: mean(&|p| p.product).value,
        drift: mean(&|p| p.drift.value),
        dispersion: mean(&|p| p.dispersion).value,
        cosine: Some(cosine).filter(|cosine| cosine.is_finite()),
        packet_valid: seeds.iter().all(|p| p.packet_valid),
        best: false,
        classes: seeds.first().map_or(0, |p| p.classes),
        followed: Followed::joined(&followed, over_seeds),
    }
}

/// The rank correlation of two figures over points, for each seed; NaN where there is none.
pub fn correlations(seeds: &[Vec<Point>], x: impl Fn(&Point) -> f64, y: impl Fn(&Point) -> f64) -> Vec<f64> {
    let of = |points: &Vec<Point>| {
        rank_correlation(&points.iter().map(|p| (x(p), y(p))).collect::<Vec<_>>()).unwrap_or(f64::NAN)
    };
    seeds.iter().map(of).collect()
}

impl Claim {
    /// The claim with how large a figure is at both ends of training: ranks do not tell.
    pub fn between(self, first: f64, last: f64) -> Claim {
        use crate::experiment::short;
        Claim { evidence: format!("{}; from {} to {}", self.evidence, short(first), short(last)), ..self }
    }

    /// An experiment's first claims, then those that were added later, each family [adjusted](Claim::adjust) by itself: what is added
    /// changes no p of those before.
    pub fn adjusted_apart(mut first: Vec<Claim>, mut later: Vec<Claim>) -> Vec<Claim> {
        Claim::adjust(&mut first);
        Claim::adjust(&mut later);
        first.append(&mut later);
        first
    }
}

/// Columns of the table: the figure's key, and whether it is a share in percent.
const COLUMNS: [(&str, &str, bool); 12] = [
    ("clean, %", "clean", true),
    ("robust, %", "robust", true),
    ("certified, %", "certified", true),
    ("σ_x/s − 1", "excess_x", false),
    ("2sσ_p − 1", "excess_p", false),
    ("drift", "drift", false),
    ("P_ψ wrong", "misclassified", false),
    ("median distance", "distances.found", false),
    ("σ_x/s − 1, fitted T", "fitted.excess_x", false),
    ("2sσ_p − 1, fitted T", "fitted.excess_p", false),
    ("drift, fitted T", "fitted.drift", false),
    ("P_ψ wrong, fitted T", "fitted.misclassified", false),
];

/// What claims at the fitted temperature say.
const AT_FITTED: &str = ", at the fitted temperature";

/// The key of a figure at the fitted temperature.
pub fn at_fitted(key: &str) -> String {
    format!("fitted.{key}")
}

/// A claim about that.
pub fn said_at_fitted(claim: &str) -> String {
    format!("{claim}{AT_FITTED}")
}

/// Whether a claim is one.
pub fn is_at_fitted(claim: &Claim) -> bool {
    claim.claim.contains(AT_FITTED)
}

/// What a page says of claims that are [adjusted apart](Claim::adjusted_apart).
pub fn families(first: usize) -> String {
    format!(
        "The p-values of the first {first} claims are adjusted for their number, and those of the others, which were added later, for \
         theirs.\n"
    )
}

/// Whether networks have such figures.
pub fn are_fitted(points: &[Point]) -> bool {
    points.iter().any(|point| point.followed.figure("fitted.drift").is_some())
}

/// Means over seeds with their intervals, in Markdown.
pub fn table(what: &str, means: &[Point]) -> String {
    let known = |key: &str| means.iter().any(|mean| mean.followed.figure(key).is_some());
    let always = |key: &str| key != "certified" && !key.starts_with("fitted.");
    let columns = || COLUMNS.into_iter().filter(|(_, key, _)| always(key) || known(key));
    let names: String = columns().map(|(name, ..)| format!(" {name} |")).collect();
    let mut text = format!("| {what} |{names}\n|---|{}\n", "---|".repeat(columns().count()));
    for mean in means {
        let cell = |(_, key, percent): (&str, &str, bool)| match mean.followed.figure(key) {
            None => " – |".into(),
            Some(figure) if percent => {
                let [low, high] = figure.interval.map(|end| 100.0 * end);
                format!(" {:.1} [{low:.1}, {high:.1}] |", 100.0 * figure.value)
            }
            Some(figure) => format!(" {} |", worded(&figure)),
        };
        let doubt = if mean.packet_valid || mean.drift.value.is_nan() { "" } else { " ✗" };
        text += &format!("| {}{doubt} |{}\n", in_a_cell(&mean.name), columns().map(cell).collect::<String>());
    }
    if means.iter().any(|mean| !mean.packet_valid && !mean.drift.value.is_nan()) {
        text += "\n✗ packets of one seed have too few effective samples, or fail their check\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_repeated_for_every_seed() {
        let text = each_seed(
            "[train]\nepochs = 3\n\n[[run]]\nname = \"a b\"\narch = \"mlp\"\n\n[[run]]\nname = \"c\"\n",
        );
        assert!(text.starts_with(
            "[train]\nepochs = 3\n\n[[run]]\nname = \"a b, seed 0\"\narch = \"mlp\"\nseed = 0\n"
        ));
        assert!(text.ends_with("[[run]]\nname = \"c, seed 4\"\nseed = 4\n\n"), "{text}");
        assert_eq!(text.matches("[[run]]").count(), 10);
        assert_eq!(without_seed("a b, seed 3"), "a b");
        assert_eq!(without_seed("a b"), "a b");
    }

    /// By hand, by Holm's method: the p of the first two are doubled at most, whatever is added, and those of the later three
    /// trebled at most.
    #[test]
    fn later_claims_change_no_p_of_the_first() {
        let claim = |p: f64| Claim { p: Some(p), ..Claim::that("", [0.1, 0.2], 0.0, true, String::new()) };
        let found =
            Claim::adjusted_apart(vec![claim(0.01), claim(0.03)], [0.01, 0.02, 0.5].map(claim).into());
        let p: Vec<f64> = found.iter().filter_map(|claim| claim.p).collect();
        let expected = [0.02, 0.03, 0.03, 0.04, 0.5];
        assert!(p.len() == 5 && p.iter().zip(expected).all(|(p, by)| (p - by).abs() < 1e-12), "{p:?}");
        assert!(
            is_at_fitted(&Claim { claim: said_at_fitted("a"), ..claim(0.1) }) && !is_at_fitted(&claim(0.1))
        );
    }
}
