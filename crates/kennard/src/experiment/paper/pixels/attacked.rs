//! How far an image is from the decision boundary, as attacks find it.

use crate::attack::{
    AttackConditions, AttackedSample, Criterion, MinimumNorm, Parameters, minimum_norm, run_attack,
};
use crate::data::Sample;
use crate::engine::{Engine, Oracle, Query, Task};
use crate::experiment::Lab;
use crate::{Norm, Result, ThreatModel};

/// The attacks whose closest point counts.
pub const ATTACKS: [&str; 5] = ["fab", "fab-t", "fmn", "ddn", "minimal-apgd"];

/// The l2 distance of the closest adversarial point that any attack finds within the bounds, for each sample in turn; 0 where
/// it is misclassified as it is, none where no attack succeeds. Shorter than the samples where `lab` was stopped.
///
/// # Errors
/// When the bounds are invalid, or a runtime fails.
pub fn smallest_norms(
    lab: &dyn Lab,
    engine: &Engine,
    samples: &[Sample],
    bounds: [f32; 2],
) -> Result<Vec<Option<f64>>> {
    let attacks: Vec<Box<dyn MinimumNorm>> =
        ATTACKS.iter().map(|name| minimum_norm(name, &Parameters::new())).collect::<Result<_>>()?;
    let threat = ThreatModel::unlimited(Norm::L2, bounds)?;
    let conditions =
        AttackConditions { threat, criterion: Criterion::Closest, seed: 0, budget: None, rough: false };
    let task = |oracle: Oracle, sample: Sample| -> Task<'_, Option<f64>> {
        let attacks = &attacks;
        Box::pin(async move { closest(&oracle, &sample, attacks, conditions).await })
    };
    let mut found = Vec::new();
    engine.run_in_order(samples.iter().cloned().map(Ok), task, lab.stop(), |norm| {
        found.push(norm);
        Ok(())
    })?;
    Ok(found)
}

async fn closest(
    oracle: &Oracle,
    sample: &Sample,
    attacks: &[Box<dyn MinimumNorm>],
    conditions: AttackConditions,
) -> Result<Option<f64>> {
    let clean = oracle.ask(Query::untouched(sample.input.clone())).await;
    if clean.prediction() != sample.label {
        return Ok(Some(0.0));
    }
    let shape = [sample.input.len()];
    let attacked = AttackedSample::new(&sample.input, &shape, sample.label, sample.index, &clean.logits);
    let mut smallest: Option<f64> = None;
    for attack in attacks {
        let verdict = run_attack(attack.as_ref(), attacked, conditions, 0, oracle.clone()).await?;
        let norm = verdict.adversarial.map(|found| Norm::L2.distance(&sample.input, &found.point));
        smallest = match (smallest, norm) {
            (Some(smallest), Some(norm)) => Some(smallest.min(norm)),
            (smallest, norm) => smallest.or(norm),
        };
    }
    Ok(smallest)
}
