use serde::Serialize;

use super::votes::{largest_radius, mean_radius};
use super::{SmoothedRecord, Votes};
use crate::Figure;
use crate::probe::Accuracy;

/// A smoothed classifier at one scale: one point of a network's trade-off through the window.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AtScale {
    /// The standard deviation s of the noise, in input units.
    pub scale: f64,
    /// Samples that the smoothed classifier classifies correctly, by the most frequent class.
    pub accuracy: Accuracy,
    /// Samples with a certificate for their label.
    pub certified: Accuracy,
    /// The mean certified radius over samples, 0 where the certificate is none or for another class, in l2 and input units
    /// (Zhai et al. 2020, arXiv 2001.02378, equation 2). Interval over samples.
    pub certified_radius: Figure,
    /// Samples whose label is certified within each radius, in the order in which the radii were given.
    pub within: Vec<Accuracy>,
    /// The mean estimate of the label's radius, negative where the label comes less often than half of the time.
    pub estimated_radius: Figure,
    /// Samples at which all draws agree: their radii are what this number of draws can tell, not what they are.
    pub unanimous: u64,
}

/// The curve of records over the scales that they were made at, with certified accuracy within these radii (input units);
/// certificates fail with the probability `failure`, each sample's for all radii together. Empty where there are fewer than
/// two records, which have no interval.
pub fn curve(records: &[SmoothedRecord], scales: &[f64], radii: &[f64], failure: f64) -> Vec<AtScale> {
    let scales = scales.iter().enumerate().filter(|_| records.len() > 1);
    scales.map(|(place, &scale)| at(records, place, scale, radii, failure)).collect()
}

fn at(records: &[SmoothedRecord], place: usize, scale: f64, within: &[f64], failure: f64) -> AtScale {
    let votes = || records.iter().map(|record| (record.label, &record.votes[place]));
    let count = |is: &dyn Fn(usize, &Votes) -> bool| {
        votes().filter(|(label, votes)| is(*label, votes)).count() as u64
    };
    let share = |is: &dyn Fn(usize, &Votes) -> bool| Accuracy::of(count(is), records.len() as u64);
    let certified =
        |label, votes: &Votes| votes.certified_radius(scale, failure).filter(|_| votes.chosen == label);
    let radii: Vec<f64> = votes().map(|(label, votes)| certified(label, votes).unwrap_or(0.0)).collect();
    let draws = votes().map(|(_, votes)| votes.draws).max().unwrap_or(1);
    let estimates: Vec<f64> = votes().map(|(label, votes)| votes.estimated_radius(scale, label)).collect();
    AtScale {
        scale,
        accuracy: share(&|label, votes| votes.majority() == label),
        certified: share(&|label, votes| certified(label, votes).is_some()),
        certified_radius: mean_radius(&radii, largest_radius(draws, failure, scale)),
        within: within
            .iter()
            .map(|&r| share(&|label, votes| certified(label, votes).is_some_and(|radius| radius > r)))
            .collect(),
        estimated_radius: Figure::mean(&estimates),
        unanimous: count(&|_, votes| votes.is_unanimous()),
    }
}
