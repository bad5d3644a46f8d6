use super::Subject;

/// How many points are asked about at most.
const MOST: usize = 2000;
/// And how many together.
const TOGETHER: usize = 32;

/// Puts changed elements of the closest point back, in l0: the one without which the point is misclassified by the most, and again,
/// until none can be spared.
pub(super) async fn put_back(subject: &Subject<'_>) {
    let Some(mut x) = subject.adversarial() else { return };
    let origin = subject.origin();
    let mut changed: Vec<usize> = (0..x.len()).filter(|&i| x[i] != origin[i]).collect();
    // The least of them first, in case there are too many.
    changed.sort_by(|&a, &b| (x[a] - origin[a]).abs().total_cmp(&(x[b] - origin[b]).abs()).then(a.cmp(&b)));
    let mut left = MOST;
    while left > 0 {
        changed.truncate(left);
        left -= changed.len();
        let margins = margins_without(subject, &x, &changed).await;
        let best = (0..changed.len()).min_by(|&a, &b| margins[a].total_cmp(&margins[b]));
        let Some(best) = best.filter(|&best| margins[best] < 0.0) else { return };
        let i = changed.remove(best);
        x[i] = origin[i];
    }
}

/// How far the label leads where each of these elements is put back.
async fn margins_without(subject: &Subject<'_>, x: &[f32], changed: &[usize]) -> Vec<f32> {
    let without = |&i: &usize| {
        let mut point = x.to_vec();
        point[i] = subject.origin()[i];
        point
    };
    let mut margins = Vec::with_capacity(changed.len());
    for some in changed.chunks(TOGETHER) {
        let points: Vec<Vec<f32>> = some.iter().map(without).collect();
        let answers = subject.logits_of_each(&points).await;
        margins.extend(answers.iter().map(|answer| answer.margin(subject.label())));
    }
    margins
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, Attack, Search, Trial};
    use super::*;
    use crate::{Norm, ThreatModel};

    /// Every element at its largest.
    struct All;

    impl Attack for All {
        fn name(&self) -> &str {
            "all"
        }

        fn run<'a>(&'a self, subject: &'a Subject<'a>) -> Search<'a> {
            Box::pin(async move {
                subject.logits(&vec![1.0; subject.origin().len()]).await;
                put_back(subject).await;
                Ok(())
            })
        }
    }

    /// In a linear model the fewest elements are those that gain most. The first gains as much as three others: who puts back
    /// whatever can be, one element after the other, begins with it.
    #[test]
    fn those_that_matter_most_stay() {
        let gains = [3.0, 1.0, 1.0, 1.0, 0.0, -1.0];
        let trial = Trial::new(&[0.0; 6], 0, ThreatModel::unlimited(Norm::L0, [0.0, 1.0]).unwrap());
        let verdict = trial.run(&All, |asked| {
            let gain: f32 = asked.point.iter().zip(gains).map(|(x, gain)| x * gain).sum();
            Answer::new(vec![2.5, gain])
        });
        let verdict = verdict.unwrap();
        assert_eq!(verdict.adversarial.unwrap().point, [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
        // All at once; each of six, of five, and so on, the last of which stays; and the last word.
        assert_eq!(verdict.forwards, 1 + 6 + 5 + 4 + 3 + 2 + 1 + 1);
    }

    /// Of very many changed elements, the least are tried, and no more than fits the limit.
    #[test]
    fn passes_are_limited() {
        let origin = vec![0.0; 3 * MOST];
        let trial = Trial::new(&origin, 0, ThreatModel::unlimited(Norm::L0, [0.0, 1.0]).unwrap());
        let verdict = trial.run(&All, |asked| Answer::new(vec![0.5, asked.point.iter().sum()])).unwrap();
        let kept = verdict.adversarial.unwrap().point.iter().filter(|x| **x > 0.0).count();
        assert_eq!((kept, verdict.forwards), (3 * MOST - 1, MOST as u64 + 2));
    }
}
