//! R2: what factors of the logits, which change no decision, do to the figures, beside what regimes do to them.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::claim::{Claim, ClaimVerdict, has_not_learnt, over_seeds, too_brief, worded};
use super::super::{PaperReport, value};
use super::network::{EpochNetwork, Setup};
use super::packets::{FIGURES, Packets};
use super::regimes::REGIMES;
use super::{SEEDS, of_each};
use crate::Result;
use crate::experiment::Lab;
use crate::figure::counted;
use crate::stats::{mean, scatter};

/// What logits are multiplied with.
const FACTORS: [f64; 7] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];
/// Which of them is the network as it is.
const OWN: usize = 2;

/// A trained network and its packets under each factor.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Tempered {
    regime: String,
    seed: u64,
    packets: Vec<Packets>,
}

pub fn report(setup: &Setup, lab: &dyn Lab, too_small: &Option<String>) -> Result<Option<PaperReport>> {
    let found = of_each(lab, |regime, seed| {
        let Some(networks) = setup.networks(regime, seed)? else { return Ok(None) };
        let tempered = setup.kept(regime, seed, "factors.json", |directory| {
            let engine = setup.engine(&directory.checkpoint(setup.epochs))?;
            let centres = setup.centres();
            let packets: Result<Vec<Packets>> = FACTORS
                .iter()
                .map(|factor| Packets::measure(&engine.at_temperature(1.0 / factor)?, &centres))
                .collect();
            Ok(Some(Tempered { regime: regime.name.into(), seed, packets: packets? }))
        })?;
        Ok(networks.into_iter().next_back().zip(tempered))
    })?;
    let Some(found) = found else { return Ok(None) };
    let learns = |name: &str| REGIMES.iter().any(|regime| regime.name == name && regime.learns());
    let found: Vec<(EpochNetwork, Tempered)> = found.into_iter().filter(|(n, _)| learns(&n.regime)).collect();
    let plain = found.iter().map(|(n, _)| n).filter(|n| n.regime == REGIMES[0].name);
    let worst = plain.map(|n| n.clean.interval).min_by(|a, b| a[0].total_cmp(&b[0])).unwrap_or([f64::NAN; 2]);
    let too_small = too_small
        .clone()
        .or_else(|| too_brief(setup.epochs))
        .or_else(|| has_not_learnt(worst, setup.points.test.classes));

    let mut rows = Vec::new();
    let mut claims = Vec::new();
    for (name, figure) in FIGURES {
        let table: Vec<(u64, Vec<f64>)> =
            found.iter().map(|(_, t)| (t.seed, t.packets.iter().map(figure).collect())).collect();
        let logarithms: Vec<f64> = (0..SEEDS).map(|seed| ratio(&table, seed).ln()).collect();
        let claim = format!("{name} is moved less by temperature than by regimes: logarithm of the ratio");
        claims.push(Claim::over_seeds(claim, &logarithms, 0.0, false).unless(too_small.clone()));
        rows.push((name, over_seeds(&logarithms)));
    }
    Claim::adjust(&mut claims);
    let mut text = format!(
        "# R2: the null of temperature\n\n{}, the networks of R1 after {}, {SEEDS} seeds. Logits times ¼ to 16 change no \
         decision.\nThe ratio is how far they move a figure (standard deviation over the factors, mean over regimes), by \
         how far the\nregimes do at factor 1 (standard deviation over regimes).\n\n| figure | ratio | |\n|---|---|---|\n",
        setup.data,
        counted(setup.epochs, "epoch")
    );
    for ((name, logarithm), claim) in rows.iter().zip(&claims) {
        let ratio = logarithm.map_or("–".into(), |figure| worded(&figure.map(f64::exp)));
        let remark = match claim.verdict {
            ClaimVerdict::DoesNotComeOut => "**disqualified** as a measure of robustness",
            ClaimVerdict::ComesOut => "survives",
            ClaimVerdict::Undecided => "undecided",
            ClaimVerdict::TooSmallToJudge => "too small to judge",
        };
        text += &format!("| {name} | {ratio} | {remark} |\n");
    }
    text +=
        "| clean accuracy, robust accuracy, median radius | 0 | survive: no factor changes a decision |\n\n";
    text += &means(&found);
    let mut report = PaperReport::new(text);
    report.claims = claims;
    report.figures = json!({
        "factors": FACTORS,
        "networks": value(&found.iter().map(|(_, t)| t).collect::<Vec<_>>())?,
        "log_ratios": rows.iter().map(|(name, f)| json!({ "figure": name, "log_ratio": f })).collect::<Vec<_>>(),
    });
    Ok(Some(report))
}

/// How far factors move a figure by how far regimes do, of one seed's networks.
fn ratio(table: &[(u64, Vec<f64>)], seed: u64) -> f64 {
    let of_seed: Vec<&Vec<f64>> = table.iter().filter(|(s, _)| *s == seed).map(|(_, row)| row).collect();
    let by_temperature = mean(&of_seed.iter().map(|row| deviation(row)).collect::<Vec<_>>());
    let between = deviation(&of_seed.iter().map(|row| row[OWN]).collect::<Vec<_>>());
    by_temperature / between
}

fn deviation(values: &[f64]) -> f64 {
    (scatter(values) / (values.len() - 1) as f64).sqrt()
}

/// Means over regimes and seeds under each factor.
fn means(found: &[(EpochNetwork, Tempered)]) -> String {
    let mut text = String::from("Means over regimes and seeds:\n\n| factor |");
    text += &FIGURES.iter().map(|(name, _)| format!(" {name} |")).collect::<String>();
    text += &format!("\n|---|{}\n", "---|".repeat(FIGURES.len()));
    for (place, factor) in FACTORS.iter().enumerate() {
        let over = |figure: fn(&Packets) -> f64| {
            mean(&found.iter().map(|(_, t)| figure(&t.packets[place])).collect::<Vec<_>>())
        };
        let cells: Vec<String> =
            FIGURES.iter().map(|(_, figure)| crate::figure::significant(over(*figure), 3)).collect();
        text += &format!("| {factor} | {} |\n", cells.join(" | "));
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: factors move the figure by standard deviations of 1 and 3, regimes by √2/2·4.
    #[test]
    fn ratios_by_hand() {
        let table = [
            (0, vec![1.0, 2.0, 3.0]),
            (0, vec![4.0, 7.0, 10.0 - 3.0]),
            (1, vec![0.0, 0.0, 5.0]),
            (1, vec![0.0, 0.0, 5.0]),
        ];
        let first = (1.0 + 3f64.sqrt()) / 2.0;
        let between = (((3.0 - 7.0) * (3.0 - 7.0)) / 2.0f64).sqrt();
        assert!((ratio(&table, 0) - first / between).abs() < 1e-12);
        assert_eq!(ratio(&table, 1), f64::INFINITY);
    }
}
