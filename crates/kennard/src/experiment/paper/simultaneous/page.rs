//! What is said and drawn.

use super::inputs::KINDS;
use super::{ReaderAccuracies, SEEDS, WIDTHS, names};
use crate::Result;
use crate::experiment::paper::Conditions;
use crate::experiment::paper::claim::{Claim, has_not_learnt, over_seeds, worded};
use crate::figure::counted;
use crate::picture::{Chart, Curve};
use crate::stats::{clopper_pearson, mean, rank_correlation};

/// The gaps of a second input at a width, in the order of seeds.
fn gaps(found: &[ReaderAccuracies], second: &str, width: usize) -> Vec<f64> {
    found.iter().filter(|f| f.second == second && f.width == width).map(ReaderAccuracies::gap).collect()
}

pub(super) fn claims(found: &[ReaderAccuracies], too_small: &Option<String>) -> Vec<Claim> {
    let delta = KINDS[0].0;
    let widest = WIDTHS[WIDTHS.len() - 1];
    let of_delta = gaps(found, delta, widest);
    let mut claims = vec![Claim::over_seeds(
        format!("a joint trunk of width {widest} loses by x and Δ together: gap, points"),
        &of_delta,
        0.0,
        true,
    )];
    for (control, _) in &KINDS[1..] {
        let specific: Vec<f64> =
            of_delta.iter().zip(gaps(found, control, widest)).map(|(delta, other)| delta - other).collect();
        claims.push(Claim::over_seeds(
            format!("the gap is specific to Δ: less that of `{control}`, width {widest}, points"),
            &specific,
            0.0,
            true,
        ));
    }
    let trend: Vec<f64> = (0..SEEDS)
        .map(|seed| {
            let of_seed = found.iter().filter(|f| f.seed == seed && f.second == delta);
            let pairs: Vec<(f64, f64)> = of_seed.map(|f| (f.width as f64, f.gap())).collect();
            rank_correlation(&pairs).unwrap_or(f64::NAN)
        })
        .collect();
    claims.push(Claim::over_seeds(
        "the gap shrinks as the width grows: rank correlation with the width",
        &trend,
        0.0,
        false,
    ));
    claims = claims.into_iter().map(|claim| claim.unless(too_small.clone())).collect();
    Claim::adjust(&mut claims);
    claims
}

/// Why the widest readers of x have not learnt to read it, tested on this many samples; nothing where all have.
pub(super) fn unlearnt(found: &[ReaderAccuracies], tested: usize, classes: usize) -> Option<String> {
    let (delta, widest) = (KINDS[0].0, WIDTHS[WIDTHS.len() - 1]);
    let readers = found.iter().filter(|f| f.second == delta && f.width == widest);
    let right = readers.map(|f| (f.separate[0] * tested as f64).round() as u64);
    right.map(|right| clopper_pearson(right, tested as u64)).find_map(|read| has_not_learnt(read, classes))
}

pub(super) fn text(on: &Conditions, found: &[ReaderAccuracies], sizes: &str, epochs: usize) -> String {
    let mut text = format!(
        "# R3: one trunk or two\n\n{}: {sizes}; {}, {SEEDS} seeds.\nGaps are separate − joint, mean of both tasks, \
         in percentage points, means over seeds with the bootstrap's interval.\n\n| second input | width | x alone, % | \
         second alone, % | x jointly, % | second jointly, % | gap, points |\n|---|---|---|---|---|---|---|\n",
        on.data,
        counted(epochs, "epoch")
    );
    for second in names() {
        for width in WIDTHS {
            let rows = || found.iter().filter(|f| f.second == second && f.width == width);
            let percent = |of: &dyn Fn(&ReaderAccuracies) -> f64| {
                format!("{:.1}", 100.0 * mean(&rows().map(of).collect::<Vec<_>>()))
            };
            let cells = [
                percent(&|f| f.separate[0]),
                percent(&|f| f.separate[1]),
                percent(&|f| f.joint[0]),
                percent(&|f| f.joint[1]),
            ];
            let gap = over_seeds(&gaps(found, second, width)).map_or("–".into(), |figure| worded(&figure));
            text += &format!("| {second} | {width} | {} | {gap} |\n", cells.join(" | "));
        }
    }
    text + "\n"
}

/// The gaps over the width, a curve for each second input.
pub(super) fn picture(found: &[ReaderAccuracies]) -> Result<String> {
    let curve = |second: &str| {
        let points = WIDTHS.iter().filter_map(|&width| {
            let gap = over_seeds(&gaps(found, second, width))?;
            Some((width as f64, gap.value, gap.interval))
        });
        Curve::new(second, points)
    };
    let chart = Chart {
        title: format!("What a joint trunk loses, mean of {SEEDS} seeds, 95 % bands"),
        x: "hidden units in all [1]".into(),
        y: "gap [percentage points]".into(),
        curves: names().map(curve).collect(),
        linear: false,
        bound: Some(("no gap".into(), 0.0)),
    };
    chart.svg()
}
