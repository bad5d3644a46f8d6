//! What a model's answer says.

/// What a model says about one point.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Answer {
    /// The logits, one per class.
    pub logits: Vec<f32>,
    /// The loss; 0 where only logits were asked for.
    pub loss: f32,
    /// The gradient of the loss with respect to the input, one number per input element; empty where only logits were
    /// asked for.
    pub gradient: Vec<f32>,
}

impl Answer {
    /// An answer of logits alone.
    pub fn new(logits: Vec<f32>) -> Answer {
        Answer { logits, ..Answer::default() }
    }

    /// The same with a loss and its gradient.
    pub fn with_gradient(self, loss: f32, gradient: Vec<f32>) -> Answer {
        Answer { loss, gradient, ..self }
    }

    /// The predicted class: see [`predict`].
    pub fn prediction(&self) -> usize {
        predict(&self.logits)
    }

    /// How far the logit of `label` leads: see [`margin`].
    pub fn margin(&self, label: usize) -> f32 {
        margin(&self.logits, label)
    }
}

/// Whether logits are an answer: none is NaN. Infinite ones say something (a class that is masked, or certain).
pub fn is_answer(logits: &[f32]) -> bool {
    !logits.iter().any(|z| z.is_nan())
}

/// The predicted class: that of the largest logit, the first of equals. Logits that are [no answer](is_answer)
/// stand for none: then it is their number, which is no class's.
pub fn predict(logits: &[f32]) -> usize {
    if !is_answer(logits) {
        return logits.len();
    }
    let mut best = 0;
    for (class, z) in logits.iter().enumerate() {
        if *z > logits[best] {
            best = class;
        }
    }
    best
}

/// The largest logit of the other classes: −∞ where there is none.
pub(crate) fn largest_other(logits: &[f32], label: usize) -> f32 {
    let others = logits.iter().enumerate().filter(|(class, _)| *class != label);
    others.map(|(_, z)| *z).fold(f32::NEG_INFINITY, f32::max)
}

/// `z_y − max_{j≠y} z_j`: positive where the sample is classified correctly, 0 where the two are equal, be it at
/// −∞ or +∞. NaN where the logits are [no answer](is_answer).
pub fn margin(logits: &[f32], label: usize) -> f32 {
    let best = largest_other(logits, label);
    match logits.get(label) {
        Some(z) if is_answer(logits) => {
            if *z == best {
                0.0
            } else {
                z - best
            }
        }
        _ => f32::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Infinite logits are answers, and NaN is not one.
    #[test]
    fn predictions_and_margins_of_infinite_logits() {
        const INF: f32 = f32::INFINITY;
        for (logits, label, class, lead) in [
            ([1.0, -INF, 0.5], 0, 0, 0.5),
            ([1.0, -INF, 0.5], 1, 0, -INF),
            ([-INF, -INF, 0.5], 2, 2, INF),
            ([-INF, -INF, -INF], 0, 0, 0.0),
            ([-INF, -INF, -INF], 2, 0, 0.0),
            ([0.0, INF, INF], 1, 1, 0.0),
            ([0.0, INF, INF], 2, 1, 0.0),
            ([0.0, INF, -INF], 0, 1, -INF),
            ([0.0, INF, -INF], 1, 1, INF),
        ] {
            assert!(is_answer(&logits));
            assert_eq!(
                (predict(&logits), margin(&logits, label)),
                (class, lead),
                "{logits:?}, label {label}"
            );
        }
        for logits in [[f32::NAN, 1.0, 2.0], [3.0, f32::NAN, INF], [f32::NAN; 3]] {
            assert!(!is_answer(&logits));
            assert_eq!(predict(&logits), 3);
            assert!((0..3).all(|label| margin(&logits, label).is_nan()));
        }
    }
}
