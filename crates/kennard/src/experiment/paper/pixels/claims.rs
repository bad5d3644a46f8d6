//! What is claimed, and the tests of it.

use super::correlated::Correlated;
use super::predictors::FIRST_ORDER;
use super::{AttackedNetwork, IMAGES, NETWORKS, common_eps, in_words, robust};
use crate::experiment::paper::claim::{Claim, has_not_learnt};
use crate::experiment::short;
use crate::figure::{Figure, counted};
use crate::stats::{NORMAL_95, clopper_pearson, normal_share, rank_correlation};

/// That a figure predicts distances better than first order does on the worst network: on every one. It comes out where all are above
/// zero, and the p-value is the largest of them (an intersection-union test; Berger, *Technometrics* 24:295, 1982); where one is below
/// zero it does not, and the p-value is that network's times their number. Which network is the worst is not known: the one with the
/// smallest estimate is chosen by the noise.
pub(super) fn beats_first_order(networks: &[AttackedNetwork], figure: &str) -> Claim {
    let claim = format!("{figure}: on the worst network, closer to the distance than {FIRST_ORDER}");
    let found: Vec<(&AttackedNetwork, &Correlated)> = networks
        .iter()
        .filter_map(|network| {
            let correlated = network.correlations.iter().find(|correlated| correlated.figure == figure)?;
            Some((network, correlated))
        })
        .collect();
    let least = |end: usize| {
        let by = move |(_, c): &&(&AttackedNetwork, &Correlated)| c.difference.interval[end];
        found.iter().min_by(|a, b| by(a).total_cmp(&by(b)))
    };
    let (Some(lowest), Some(worst)) = (least(1), least(0)) else {
        return Claim::that(claim, [-1.0, 1.0], 0.0, true, String::new())
            .unless(Some("it was not measured".into()));
    };
    let ((network, correlated), p) = match lowest.1.difference.interval[1] < 0.0 {
        true => (lowest, (normal_p(&lowest.1.difference) * found.len() as f64).min(1.0)),
        false => (worst, found.iter().map(|(_, c)| normal_p(&c.difference)).fold(0.0, f64::max)),
    };
    let few = found.iter().find(|(_, correlated)| correlated.images < IMAGES);
    let too_small =
        few.map(|(few, of)| format!("{}: {}, fewer than {IMAGES}", few.name, counted(of.images, "image")));
    let too_small = too_small.or_else(|| unlearnt(networks));
    let evidence = format!("difference {} on {}", in_words(&correlated.difference), network.name);
    Claim { p: Some(p), ..Claim::that(claim, correlated.difference.interval, 0.0, true, evidence) }
        .unless(too_small)
}

/// Which network has not learnt its task, and why; nothing where all have.
fn unlearnt(networks: &[AttackedNetwork]) -> Option<String> {
    networks.iter().find_map(|network| {
        let accuracy = clopper_pearson(network.correct as u64, network.images as u64);
        Some(format!("{}: {}", network.name, has_not_learnt(accuracy, network.classes)?))
    })
}

/// The two-sided p-value of a difference of 0, of a bootstrapped figure as if it were normal.
fn normal_p(figure: &Figure) -> f64 {
    let [low, high] = figure.interval;
    let error = (high - low) / (2.0 * NORMAL_95);
    if error > 0.0 { 2.0 * normal_share(-(figure.value / error).abs()) } else { 1.0 }
}

/// That packet distance puts networks in the order of their robust accuracy better than the inverse gradient norm does.
pub(super) fn over_networks(networks: &[AttackedNetwork]) -> Claim {
    let claim = "over networks, the median packet distance goes with robust accuracy better than the inverse gradient norm does";
    let eps = common_eps(networks);
    let rows: Vec<[f64; 3]> = networks
        .iter()
        .map(|network| [robust(network, eps), network.median_packet, network.median_inverse_gradient])
        .collect();
    let rho = |chosen: &[&[f64; 3]], figure: usize| {
        rank_correlation(&chosen.iter().map(|row| (row[figure], row[0])).collect::<Vec<_>>())
    };
    let difference = Figure::over_clusters(&rows, |chosen| Some(rho(chosen, 1)? - rho(chosen, 2)?));
    let few = (networks.len() < NETWORKS)
        .then(|| format!("{}, fewer than {NETWORKS}", counted(networks.len(), "network")));
    let few = few.or_else(|| unlearnt(networks));
    match difference {
        None => Claim::that(claim, [-1.0, 1.0], 0.0, true, String::new())
            .unless(few.or(Some("the networks have no rank correlation".into()))),
        Some(figure) => {
            let evidence = format!("difference {}, at an l2 norm of {}", in_words(&figure), short(eps));
            Claim { p: Some(normal_p(&figure)), ..Claim::that(claim, figure.interval, 0.0, true, evidence) }
                .unless(few)
        }
    }
}
