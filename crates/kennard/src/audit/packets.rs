use std::sync::atomic::{AtomicBool, Ordering};

use kennard_graph::{Graph, infer};

use super::packet_plan::PacketPlan;
use super::{Audit, PacketSummary, Progress, Summary, Warning};
use crate::data::Selection;
use crate::error::with_causes;
use crate::packet::Effort;
use crate::survey::{PacketKind, Survey};
use crate::{Advice, Result};

/// Multiplications of a forward pass up to which a network is small: 70 000 passes are a matter of seconds.
const SMALL: u64 = 10_000_000;

/// A point of a packet takes a pass forward and one backward, and a centre about this many points beside the samples, for
/// searches.
const BOTH_WAYS: usize = 2;
const SEARCHES: usize = 900;

impl Audit<'_> {
    /// Measures all packets, centres side by side. What is left out is said. Those that are under way when
    /// `stop` is set are dropped: the centres done with by then are the easy ones.
    pub(super) fn measure_packets(
        &self,
        summary: &mut Summary,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<()> {
        for plan in &self.packets {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let Some(plan) = self.afford(plan, summary) else { continue };
            let survey = Survey {
                scales: vec![plan.scale],
                centres: Selection::Random { count: plan.centres, seed: self.seed },
                among: self.samples,
                without: self.without.clone(),
                temperatures: plan.temperature.into_iter().collect(),
                stratified: true,
                samples: plan.samples,
                effort: Effort {
                    max_samples: plan.max_samples,
                    floor: plan.floor(),
                    chains: plan.max_samples > plan.samples,
                    modes: true,
                    ..Effort::default()
                },
                seed: self.seed,
                ..Survey::new(self.engine, self.data, PacketKind::Gaussian)
            };
            let measured = survey.run(stop, |done, total| progress(Progress::Packets { done, total }));
            if stop.load(Ordering::Relaxed) {
                break;
            }
            // The accuracies are known by now, and stand whatever becomes of packets.
            let outcome = match measured {
                Ok(outcome) => outcome,
                Err(error) => {
                    let why = with_causes(&error);
                    let message = format!("the packet at scale {} cannot be measured: {why}", plan.scale);
                    summary.warnings.push(Warning::new("packets-failed", message));
                    continue;
                }
            };
            if let Some(first) = outcome.failed.first() {
                let message = format!(
                    "the packet at scale {} could not be measured at {} of {} centres: {}",
                    plan.scale,
                    outcome.failed.len(),
                    outcome.failed.len() + outcome.packets.len(),
                    first.reason
                );
                summary.warnings.push(Warning::new("packets-failed", message));
            }
            summary
                .packets
                .extend(outcome.curve.iter().map(|figures| PacketSummary::new(plan.scale, figures)));
        }
        Ok(())
    }

    /// Passes that the packets of a plan leave of as many as the attacks took; no end of them where packets are not bounded
    /// by that.
    pub(super) fn left_by_packets(&self, plan: &PacketPlan, summary: &Summary) -> usize {
        if !plan.bounded || self.is_small() {
            return usize::MAX;
        }
        let centres = self.samples.count(usize::MAX).min(plan.centres);
        let points: u64 = summary.packets.iter().map(|packet| packet.samples).sum();
        let taken = BOTH_WAYS * (centres * SEARCHES + (points as usize).max(centres * plan.samples));
        (self.spent(summary) * self.shard.of).saturating_sub(taken)
    }

    pub(super) fn spent(&self, summary: &Summary) -> usize {
        let attacks = summary.attacks.iter().map(|attack| attack.forwards + attack.backwards);
        let minimal = summary.minimal.iter().map(|attack| attack.forwards + attack.backwards);
        attacks.chain(minimal).sum::<u64>() as usize
    }

    /// Whether the network is so small that packets are a matter of seconds.
    pub(super) fn is_small(&self) -> bool {
        self.engine.classifier().graph().and_then(multiplications).is_some_and(|n| n <= SMALL)
    }

    /// What the passes of the attacks allow of a plan; what they do not is said.
    fn afford(&self, plan: &PacketPlan, summary: &mut Summary) -> Option<PacketPlan> {
        let available = self.samples.count(usize::MAX).min(plan.centres).max(1);
        let plan = &PacketPlan { centres: available, ..*plan };
        let each = BOTH_WAYS * (plan.samples + SEARCHES);
        let wanted = plan.centres * each;
        if !plan.bounded || plan.samples == 0 {
            return Some(*plan);
        }
        let spent = self.spent(summary);
        let passes = if self.is_small() { spent.max(wanted) } else { spent };
        let centres = plan.centres.min(passes / each);
        if centres < plan.centres {
            let left = match centres {
                0 => "no packet is measured".to_string(),
                _ => format!("packets are measured at {centres} centres instead of {}", plan.centres),
            };
            let message =
                format!("{left}: {} centres take {wanted} passes, the attacks took {spent}", plan.centres);
            let advice = Advice::new(
                ". More samples or attacks allow more, and {packet_samples} takes them in any case",
            )
            .with("packet_samples", plan.samples);
            summary.warnings.push(Warning::new("packet-budget", message).advise(advice));
        }
        let most = (passes / centres.max(1) / BOTH_WAYS)
            .saturating_sub(SEARCHES)
            .clamp(plan.samples, plan.max_samples.max(plan.samples));
        (centres > 0).then_some(PacketPlan { centres, max_samples: most, ..*plan })
    }
}

/// Multiplications of a forward pass for one sample, in matrix products and convolutions; none where a shape is
/// not known.
fn multiplications(graph: &Graph) -> Option<u64> {
    let types = infer(graph).ok()?;
    let shape = |name: Option<&String>| Some(&types.get(name?)?.shape);
    let mut sum = 0u64;
    for node in &graph.nodes {
        let terms = match node.op.as_str() {
            "MatMul" | "Gemm" => shape(node.inputs.first())?.0.last()?.known()?,
            "Conv" => {
                let kernel = shape(node.inputs.get(1))?;
                kernel.volume()?.0 / kernel.0.first()?.known()?.max(1)
            }
            "ConvTranspose" => {
                let (from, to) =
                    (shape(node.inputs.first())?.volume()?.0, shape(node.outputs.first())?.volume()?.0);
                let kernel = shape(node.inputs.get(1))?;
                kernel.volume()?.0 / kernel.0.first()?.known()?.max(1) * from / to.max(1)
            }
            _ => continue,
        };
        let outputs = shape(node.outputs.first())?.volume()?.0;
        sum = sum.saturating_add((outputs as u64).saturating_mul(terms as u64));
    }
    Some(sum)
}
