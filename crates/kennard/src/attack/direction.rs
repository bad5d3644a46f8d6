//! The losses that gradient attacks ascend.

use super::{Answer, Loss, Subject};

/// A loss that an attack increases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AttackLoss {
    /// The cross-entropy of the label; ascended as its log-odds, which rise and fall with it and do not
    /// vanish where the classifier is confident.
    #[default]
    CrossEntropy,
    /// `max_{j≠y} z_j − z_y`.
    Margin,
    /// The margin of the probabilities, `max_{j≠y} p_j − p_y` (Xie et al. 2024, arXiv 2411.15210).
    ProbabilityMargin,
    /// The difference of logits ratio; the margin where there are only two classes.
    Dlr,
    /// The targeted difference of logits ratio; the difference of the two logits where there are less
    /// than four classes.
    TargetedDlr,
}

/// One loss to ascend on one sample, with the class that it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aim {
    /// Away from the label.
    Away(Loss),
    /// Towards a class, the n-th likeliest; the loss is targeted.
    Towards(Loss, usize, u64),
    /// The log-odds of a class fall.
    Descend(usize, u64),
}

impl AttackLoss {
    /// The directions on one sample: one for an untargeted loss, else one for each target.
    pub(super) fn directions(self, subject: &Subject, targets: usize) -> Vec<Aim> {
        let loss = match self {
            AttackLoss::CrossEntropy => Loss::LogOdds,
            AttackLoss::Margin => Loss::Margin,
            AttackLoss::ProbabilityMargin => Loss::ProbabilityMargin,
            AttackLoss::Dlr => Loss::Dlr,
            AttackLoss::TargetedDlr => Loss::TargetedDlr,
        };
        let loss = loss.for_classes(subject.classes());
        if !loss.is_targeted() {
            return vec![Aim::Away(loss)];
        }
        let rivals = subject.rivals().into_iter().take(targets);
        rivals.zip(1..).map(|(class, n)| Aim::Towards(loss, class, n)).collect()
    }
}

impl Aim {
    /// Away from the label by its cross-entropy where no targets are asked for, else down the cross-entropy of
    /// each of that many targets, the likeliest first.
    pub fn by_cross_entropy(subject: &Subject, targets: usize) -> Vec<Aim> {
        match targets {
            0 => vec![Aim::Away(Loss::LogOdds)],
            n => subject.rivals().into_iter().take(n).zip(1..).map(|(c, n)| Aim::Descend(c, n)).collect(),
        }
    }

    /// What tells the random streams of a sample's directions apart.
    pub fn stream(self) -> u64 {
        match self {
            Aim::Away(_) => 0,
            Aim::Towards(_, _, n) | Aim::Descend(_, n) => n,
        }
    }

    /// Logits, the loss to ascend and its gradient at `x`.
    pub async fn look(self, subject: &Subject<'_>, x: &[f32]) -> Answer {
        match self {
            Aim::Away(loss) => subject.gradient(x, loss, subject.label()).await,
            Aim::Towards(loss, class, _) => subject.gradient_towards(x, loss, class).await,
            Aim::Descend(class, _) => {
                let mut answer = subject.gradient(x, Loss::LogOdds, class).await;
                answer.loss = -answer.loss;
                answer.gradient.iter_mut().for_each(|g| *g = -*g);
                answer
            }
        }
    }
}
