//! What a reader should know before believing the figures of a survey.

use super::figures::{Figures, NOT_REACHED};
use super::{PacketKind, Survey, SurveyOutcome};
use crate::Figure;
use crate::figure::Basis;
use crate::packet::ESS_FLOOR;
use crate::warning::Warning;

/// This many packets are named in a warning.
const NAMED: usize = 5;

impl Survey<'_> {
    /// The engine's warnings, and those that follow from the figures.
    pub(super) fn warnings(&self, outcome: &SurveyOutcome) -> Vec<Warning> {
        let found = [
            self.interrupted(outcome),
            self.few_samples(outcome),
            not_reached(outcome),
            self.no_width(outcome),
            self.wide_intervals(outcome),
            self.threshold(),
            self.stein(outcome),
            failed(outcome),
        ];
        self.engine.warnings().iter().cloned().chain(found.into_iter().flatten()).collect()
    }

    fn interrupted(&self, outcome: &SurveyOutcome) -> Option<Warning> {
        (!outcome.complete).then(|| Warning::interrupted(self.lacking(outcome)))
    }

    /// What a survey that was stopped lacks.
    fn lacking(&self, outcome: &SurveyOutcome) -> String {
        let done = (outcome.packets.len() + outcome.failed.len()) as u64;
        if done == outcome.planned {
            return "all packets are measured, distances to the decision boundary are missing".into();
        }
        let tried = |scale: f64| {
            let packets = outcome.packets.iter().map(|packet| packet.scale);
            packets.chain(outcome.failed.iter().map(|failure| failure.scale)).any(|s| s == Some(scale))
        };
        let scales = if self.kind.has_scale() { self.scales.as_slice() } else { &[] };
        let missing: Vec<String> =
            scales.iter().filter(|scale| !tried(**scale)).map(|scale| format!("{scale}")).collect();
        let at =
            |temperature: f64| outcome.packets.iter().any(|packet| packet.temperature == Some(temperature));
        let temperatures: Vec<String> =
            self.temperatures.iter().filter(|t| !at(**t)).map(|t| format!("{t}")).collect();
        let mut text = format!("{done} of {} packets were measured", outcome.planned);
        for (what, missing) in [("scale", missing), ("temperature", temperatures)] {
            if let [one] = missing.as_slice() {
                text += &format!("; {what} {one} is missing");
            } else if !missing.is_empty() {
                text += &format!("; {what}s {} are missing", missing.join(", "));
            }
        }
        text + "; means are of those that were"
    }

    fn few_samples(&self, outcome: &SurveyOutcome) -> Option<Warning> {
        let few = count(outcome, |packet| !packet.enough_samples)?;
        let message = format!(
            "{few} of {} packets have fewer than {ESS_FLOOR} effective samples",
            outcome.packets.len()
        );
        let advice = match self.kind {
            PacketKind::Empirical => {
                ": the loss of a few data points outweighs the others; more data may help"
            }
            _ => ": ask for more with {max_draws}, or take a smaller scale",
        };
        Some(Warning::new("few-samples", message).advise(advice))
    }

    /// Intervals without a width are right where the loss is affine, and nowhere else.
    fn no_width(&self, outcome: &SurveyOutcome) -> Option<Warning> {
        let means = outcome.curve.iter().filter(|mean| mean.packets > 1);
        let narrow: Vec<&Figures> =
            outcome.packets.iter().chain(means).filter(|figures| without_width(figures)).collect();
        (!narrow.is_empty() && !self.answering_is_affine()).then(|| {
            let message = format!(
                "intervals have no width at {} of {} packets and means ({}): nothing varies from sample to sample there, \
                 for example because the loss is flat there and the packet lies elsewhere",
                narrow.len(),
                outcome.packets.len() + outcome.curve.len(),
                named(narrow.iter().copied())
            );
            Warning::new("no-width", message)
        })
    }

    fn wide_intervals(&self, outcome: &SurveyOutcome) -> Option<Warning> {
        let tolerance = self.effort.rel_tol?;
        let wide: Vec<&Figures> =
            outcome.packets.iter().filter(|packet| widest(packet) > tolerance).collect();
        let most = wide.iter().map(|packet| widest(packet)).max_by(f64::total_cmp)?;
        let message = format!(
            "the intervals of {} of {} packets are still wider than was asked for after the largest number of points \
             that was allowed ({}): a half-width is up to {:.2} % of its value, not {} %",
            wide.len(),
            outcome.packets.len(),
            named(wide.iter().copied()),
            100.0 * most,
            100.0 * tolerance
        );
        Some(Warning::new("wide-intervals", message).advise(": ask for more with {max_draws}"))
    }

    fn threshold(&self) -> Option<Warning> {
        let threshold = self.engine.classifier().moved_by_threshold()?;
        let message = format!(
            "the loss of these packets is that of logits which the threshold {threshold} moves, so that the larger decides. It is \
             not the cross-entropy of the model's probability"
        );
        Some(Warning::new("threshold", message))
    }

    fn stein(&self, outcome: &SurveyOutcome) -> Option<Warning> {
        let wrong = count(outcome, |packet| packet.enough_samples && packet.reached && !packet.valid)?;
        let crowded = match self.kind {
            PacketKind::Data => {
                "more data points share a window than are computed with (the notes say what the others hold), "
            }
            _ => "",
        };
        let message = format!(
            "Stein's identities fail for {wrong} of {} packets: {crowded}the gradient is not that of the loss, or a \
             part of the packet was never sampled",
            outcome.packets.len()
        );
        Some(Warning::new("stein", message))
    }
}

/// How many packets are such; none where no packet is.
fn count(outcome: &SurveyOutcome, is: impl Fn(&Figures) -> bool) -> Option<usize> {
    Some(outcome.packets.iter().filter(|packet| is(packet)).count()).filter(|count| *count > 0)
}

fn not_reached(outcome: &SurveyOutcome) -> Option<Warning> {
    let missed = count(outcome, |packet| !packet.reached)?;
    let message = format!(
        "a part of {missed} of {} packets may not have been reached ({}): {NOT_REACHED}",
        outcome.packets.len(),
        named(outcome.packets.iter().filter(|packet| !packet.reached))
    );
    let advice = ". Take another scale, or look at the loss along lines ({!slice})";
    Some(Warning::new("packet-not-reached", message).advise(advice))
}

fn failed(outcome: &SurveyOutcome) -> Option<Warning> {
    let failed = outcome.failed.len();
    (failed > 0).then(|| {
        let message = format!(
            "{failed} of {} packets could not be measured and are left out of all figures; `failed` says why",
            outcome.packets.len() + failed
        );
        Warning::new("packets-failed", message)
    })
}

/// Which packets these are: "sample 3 at scale 0.1, …".
fn named<'f>(packets: impl Iterator<Item = &'f Figures>) -> String {
    let name = |packet: &Figures| {
        let scale = packet.scale.map_or(String::new(), |scale| format!(" at scale {scale}"));
        match (packet.centre, packet.label) {
            (Some(centre), _) => format!("sample {centre}{scale}"),
            (None, Some(label)) => format!("label {label}{scale}"),
            _ => format!("all labels{scale}"),
        }
    };
    let mut names: Vec<String> = packets.take(NAMED + 1).map(name).collect();
    if names.len() > NAMED {
        names[NAMED] = "…".into();
    }
    names.join(", ")
}

/// Whether an estimated figure of a packet has an interval of no width.
fn without_width(figures: &Figures) -> bool {
    let estimated = [Some(figures.sigma_x), Some(figures.sigma_p), figures.drift, figures.dispersion];
    let sampled = |figure: &Figure| matches!(figure.basis, Basis::Samples { .. });
    estimated.into_iter().flatten().any(|figure| sampled(&figure) && figure.error() <= 0.0)
}

/// The largest half-width, as a share of its value, of those that sampling goes on for.
fn widest(figures: &Figures) -> f64 {
    let watched = [
        Some(figures.sigma_x),
        Some(figures.sigma_p),
        Some(figures.product),
        figures.drift,
        figures.dispersion,
    ];
    watched.into_iter().flatten().map(|figure| figure.relative_error()).fold(0.0, f64::max)
}
