//! What gradient attacks climb.

use super::{Loss, Subject};

/// A loss that an attack increases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Objective {
    /// The cross-entropy of the label; climbed as its log-odds, which rise and fall with it and do not
    /// vanish where the classifier is confident.
    #[default]
    CrossEntropy,
    /// `max_{j≠y} z_j − z_y`.
    Margin,
    /// The difference of logits ratio; the margin where there are only two classes.
    Dlr,
    /// The targeted difference of logits ratio; the difference of the two logits where there are less
    /// than four classes.
    TargetedDlr,
}

/// One thing to climb on one sample.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// Away from the label.
    Away(Loss),
    /// Towards a class, the n-th likeliest; the loss is targeted.
    Towards(Loss, usize, u64),
    /// The log-odds of a class fall.
    Descend(usize, u64),
}

/// A loss and its gradient at a point.
#[derive(Clone)]
pub(super) struct Seen {
    pub loss: f32,
    pub gradient: Vec<f32>,
}

impl Seen {
    /// Sums up over repeated looks. The gradient stays finite.
    pub fn add(&mut self, other: &Seen) {
        self.loss += other.loss;
        for (g, other) in self.gradient.iter_mut().zip(&other.gradient) {
            *g = (*g + other).clamp(f32::MIN, f32::MAX);
        }
    }
}

impl Objective {
    /// The goals on one sample: one for an untargeted loss, else one for each target.
    pub(super) fn goals(self, subject: &Subject, targets: usize) -> Vec<Goal> {
        let loss = match self {
            Objective::CrossEntropy => Loss::LogOdds,
            Objective::Margin => Loss::Margin,
            Objective::Dlr => Loss::Dlr,
            Objective::TargetedDlr => Loss::TargetedDlr,
        };
        let loss = loss.for_classes(subject.classes());
        if !loss.is_targeted() {
            return vec![Goal::Away(loss)];
        }
        let rivals = subject.rivals().into_iter().take(targets);
        rivals.zip(1..).map(|(class, n)| Goal::Towards(loss, class, n)).collect()
    }
}

impl Goal {
    /// Away from the label by its cross-entropy where no targets are asked for, else the cross-entropy of
    /// so many targets falls, the likeliest first.
    pub fn by_cross_entropy(subject: &Subject, targets: usize) -> Vec<Goal> {
        match targets {
            0 => vec![Goal::Away(Loss::LogOdds)],
            n => subject.rivals().into_iter().take(n).zip(1..).map(|(c, n)| Goal::Descend(c, n)).collect(),
        }
    }

    /// What tells the random streams of a sample's goals apart.
    pub fn stream(self) -> u64 {
        match self {
            Goal::Away(_) => 0,
            Goal::Towards(_, _, n) | Goal::Descend(_, n) => n,
        }
    }

    /// The loss to climb and its gradient at `x`.
    pub async fn look(self, subject: &Subject<'_>, x: &[f32]) -> Seen {
        let answer = match self {
            Goal::Away(loss) => subject.gradient(x, loss, subject.label()).await,
            Goal::Towards(loss, class, _) => subject.gradient_towards(x, loss, class).await,
            Goal::Descend(class, _) => {
                let mut answer = subject.gradient(x, Loss::LogOdds, class).await;
                answer.gradient.iter_mut().chain(&mut answer.loss).for_each(|v| *v = -*v);
                answer
            }
        };
        Seen { loss: answer.loss.first().copied().unwrap_or(f32::NAN), gradient: answer.gradient }
    }
}
