//! Whether Markov chains agree, and their effective sample size.

use super::moments::GROUPS;
use crate::stats::scatter;

/// A chain per group of samples: the jackknife over groups is then one over independent chains, and
/// its intervals hold however slowly a chain forgets.
pub(super) const CHAINS: usize = GROUPS;

/// Chains that agree have a smaller split-R̂ than this (Gelman et al., Bayesian Data Analysis, 3rd
/// edition, 11.4). With E effective samples in all, that of right chains is near √(1 + 128/E).
pub(super) const R_HAT_LIMIT: f64 = 1.1;

/// How well chains have mixed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mixing {
    /// The largest split-R̂ of `ln l`, `z·z`, `z·η`, `η·η`, and `z` along two directions.
    pub r_hat: f64,
    /// The smallest effective sample size of these.
    pub ess: f64,
}

/// Numbers of a state that chains are compared by.
pub(super) const SCALARS: usize = 6;

/// What is kept of the chains' course: sums over blocks of steps. When there are [`BLOCKS`] of
/// them, neighbours are merged: memory does not grow with the number of steps.
#[derive(Default)]
pub(super) struct Trace {
    /// Steps in a full block.
    length: usize,
    blocks: Vec<ChainBlock>,
}

const BLOCKS: usize = 32;

struct ChainBlock {
    steps: usize,
    /// Sum and sum of squares of each scalar, for each chain.
    sums: Vec<[[f64; 2]; SCALARS]>,
}

impl Trace {
    /// Adds the numbers of each chain after a step.
    pub fn push(&mut self, scalars: impl Iterator<Item = [f64; SCALARS]>) {
        self.length = self.length.max(1);
        if self.blocks.last().is_none_or(|block| block.steps == self.length) {
            if self.blocks.len() == BLOCKS {
                self.merge();
            }
            self.blocks.push(ChainBlock { steps: 0, sums: vec![[[0.0; 2]; SCALARS]; CHAINS] });
        }
        let Some(block) = self.blocks.last_mut() else { return };
        block.steps += 1;
        for (sums, scalars) in block.sums.iter_mut().zip(scalars) {
            for (sum, scalar) in sums.iter_mut().zip(scalars) {
                *sum = [sum[0] + scalar, sum[1] + scalar * scalar];
            }
        }
    }

    fn merge(&mut self) {
        self.length *= 2;
        let mut blocks = std::mem::take(&mut self.blocks).into_iter();
        while let Some(mut block) = blocks.next() {
            if let Some(next) = blocks.next() {
                block.add(&next);
            }
            self.blocks.push(block);
        }
    }

    /// Split-R̂ and effective sample size (Gelman et al., BDA 3, 11.4 and 11.5), the latter from the
    /// scatter of the chains' means: `M · N · var⁺ / B`.
    pub fn mixing(&self) -> Mixing {
        let half = self.blocks.len() / 2;
        let mut mixing = Mixing { r_hat: 1.0, ess: f64::INFINITY };
        for scalar in 0..SCALARS {
            let moments = |blocks: &[ChainBlock], chain: usize| -> (f64, f64) {
                let steps: usize = blocks.iter().map(|block| block.steps).sum();
                let sum =
                    |power: usize| blocks.iter().map(|block| block.sums[chain][scalar][power]).sum::<f64>();
                let mean = sum(0) / steps as f64;
                (mean, (sum(1) / steps as f64 - mean * mean).max(0.0))
            };
            let parts = |parts: &[&[ChainBlock]]| -> (f64, f64) {
                let all: Vec<(f64, f64)> = (0..CHAINS)
                    .flat_map(|chain| parts.iter().map(move |blocks| moments(blocks, chain)))
                    .collect();
                let means: Vec<f64> = all.iter().map(|(mean, _)| *mean).collect();
                let between = scatter(&means) / (means.len() - 1) as f64;
                let within = all.iter().map(|(_, variance)| variance).sum::<f64>() / all.len() as f64;
                (between, within)
            };
            if half > 0 {
                let (between, within) = parts(&[&self.blocks[..half], &self.blocks[half..2 * half]]);
                let ratio = if within > 0.0 { between / within } else { 0.0 };
                mixing.r_hat = mixing.r_hat.max((1.0 + ratio).sqrt());
            }
            let (between, within) = parts(&[&self.blocks]);
            if between > 0.0 {
                mixing.ess = mixing.ess.min(CHAINS as f64 * (within + between) / between);
            }
        }
        let steps: usize = self.blocks.iter().map(|block| block.steps).sum();
        mixing.ess = mixing.ess.min((CHAINS * steps) as f64);
        mixing
    }
}

impl ChainBlock {
    fn add(&mut self, other: &ChainBlock) {
        self.steps += other.steps;
        for (sums, others) in self.sums.iter_mut().zip(&other.sums) {
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum = [sum[0] + other[0], sum[1] + other[1]];
            }
        }
    }
}
