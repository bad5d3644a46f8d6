use super::clopper_pearson;

/// How many samples of `total` have a property; of the pending ones nothing is known yet.
///
/// Samples that are misclassified or easily broken are done with first. What is known while others are pending is
/// no share of those done, but a bracket: between none and all of the pending ones have the property.
#[derive(Clone, Copy)]
pub(crate) struct Share {
    pub count: u64,
    pub pending: u64,
    pub total: u64,
}

impl Share {
    /// The share once it is known.
    pub fn known(self) -> Option<f64> {
        (self.pending == 0 && self.total > 0).then(|| self.count as f64 / self.total as f64)
    }

    /// Its Clopper–Pearson interval.
    pub fn interval(self) -> Option<[f64; 2]> {
        (self.pending == 0 && self.total > 0).then(|| clopper_pearson(self.count, self.total))
    }

    /// What the share of all samples will lie between, ends included.
    pub fn bracket(self) -> [f64; 2] {
        match self.total {
            0 => [0.0, 1.0],
            total => [self.count, self.count + self.pending].map(|count| count as f64 / total as f64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_of_pending_samples() {
        let share = Share { count: 3, pending: 2, total: 10 };
        assert_eq!((share.bracket(), share.known(), share.interval()), ([0.3, 0.5], None, None));
        let share = Share { pending: 0, ..share };
        assert_eq!((share.bracket(), share.known()), ([0.3, 0.3], Some(0.3)));
        assert_eq!(share.interval(), Some(clopper_pearson(3, 10)));
        assert_eq!(Share { count: 0, pending: 0, total: 0 }.bracket(), [0.0, 1.0]);
    }
}
