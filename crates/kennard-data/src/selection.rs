use std::collections::HashMap;
use std::fmt;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::{Deserialize, Serialize};

use crate::error::DataError;
use crate::samples::Samples;
use crate::source::Sample;

/// Which samples of a data set are taken. It depends on how many there are and on nothing else.
///
/// Many data sets are sorted, folders by class and others by how hard their samples are: the first of them are
/// no picture of the whole. A random part is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// All.
    #[default]
    All,
    /// The first this many.
    First(usize),
    /// This many, every part of that size being equally likely. A smaller part of the same seed lies in a larger
    /// one.
    Random {
        /// How many.
        count: usize,
        /// The seed of the choice.
        seed: u64,
    },
}

/// Indices in ascending order.
pub type Indices = Box<dyn ExactSizeIterator<Item = usize> + Send>;

impl Selection {
    /// How many are taken of `len`.
    pub fn count(self, len: usize) -> usize {
        match self {
            Selection::All => len,
            Selection::First(count) | Selection::Random { count, .. } => count.min(len),
        }
    }

    /// The indices taken of `0..len`, in ascending order. A random part holds them in memory, 8 bytes each.
    pub fn indices(self, len: usize) -> Indices {
        match self {
            Selection::Random { count, seed } if count < len => {
                let mut chosen = shuffled(len, count, seed);
                chosen.sort_unstable();
                Box::new(chosen.into_iter())
            }
            _ => Box::new(0..self.count(len)),
        }
    }

    /// The elements taken of a list, in the order that a random part draws them in, and in the list's otherwise.
    pub fn in_random_order(self, list: &[usize]) -> Vec<usize> {
        match self {
            Selection::Random { count, seed } => {
                let order = shuffled(list.len(), count.min(list.len()), seed);
                order.into_iter().map(|place| list[place]).collect()
            }
            _ => self.among(list),
        }
    }

    /// The elements taken of a list, such as the indices of one label, in its order.
    pub fn among(self, list: &[usize]) -> Vec<usize> {
        self.indices(list.len()).map(|place| list[place]).collect()
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selection::All => f.write_str("all"),
            Selection::First(count) => write!(f, "the first {count}"),
            Selection::Random { count, seed } => write!(f, "{count} at random, seed {seed}"),
        }
    }
}

/// The first `count` of a random order of `0..len` (Fisher and Yates, only the places that were moved kept).
fn shuffled(len: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut moved: HashMap<usize, usize> = HashMap::new();
    let mut draw = |place: usize| {
        let other = random.random_range(place as u64..len as u64) as usize;
        let drawn = moved.get(&other).copied().unwrap_or(other);
        let displaced = moved.remove(&place).unwrap_or(place);
        moved.insert(other, displaced);
        drawn
    };
    (0..count).map(&mut draw).collect()
}

/// The stream of some samples of a data set; see [`DataSet::at`](crate::DataSet::at).
pub struct Selected {
    samples: Samples,
    indices: Indices,
    /// The place of the next sample in the stream of all.
    next: usize,
}

impl Selected {
    pub(crate) fn new(samples: Samples, indices: Indices) -> Selected {
        Selected { samples, indices, next: 0 }
    }
}

impl Iterator for Selected {
    type Item = Result<Sample, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let index = self.indices.next()?;
        let skipped = index - self.next;
        self.next = index + 1;
        self.samples.nth(skipped)
    }

    /// An error ends the stream before its time.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.indices.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random(count: usize, seed: u64, len: usize) -> Vec<usize> {
        Selection::Random { count, seed }.indices(len).collect()
    }

    #[test]
    fn parts_are_sorted_and_without_repeats() {
        for (count, len) in [(1, 1), (3, 7), (6, 7), (100, 1000), (999, 1000)] {
            let part = random(count, 3, len);
            assert_eq!(part.len(), count);
            assert!(part.windows(2).all(|pair| pair[0] < pair[1]) && part[count - 1] < len, "{part:?}");
        }
        assert_eq!(random(9, 0, 7), [0, 1, 2, 3, 4, 5, 6], "there are no more");
        assert_eq!(Selection::First(3).indices(7).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(Selection::All.indices(2).len(), 2);
        assert!(Selection::First(9).among(&[4, 8]) == [4, 8] && random(0, 0, 5).is_empty());
    }

    #[test]
    fn equal_seeds_give_equal_parts_and_smaller_ones_lie_within() {
        assert_eq!(random(50, 1, 1000), random(50, 1, 1000));
        assert_ne!(random(50, 1, 1000), random(50, 2, 1000));
        let larger = random(500, 1, 1000);
        assert!(random(50, 1, 1000).iter().all(|index| larger.binary_search(index).is_ok()));
    }

    /// Each of the 10 pairs of 5 has the probability 1/10. Over 10 000 seeds its count has the standard
    /// deviation 30; a false alarm, beyond 6 of them, has the probability 10·2·10⁻⁹.
    #[test]
    fn every_part_is_equally_likely() {
        let mut counts = HashMap::new();
        (0..10_000).for_each(|seed| *counts.entry(random(2, seed, 5)).or_insert(0i32) += 1);
        assert_eq!(counts.len(), 10);
        assert!(counts.values().all(|count| (count - 1000).abs() < 180), "{counts:?}");
    }
}
