//! A look for parts of a packet that no search reached.
//!
//! Searches start at the centre and follow the gradient. Where the loss is flat around the centre, or its
//! gradient leads elsewhere, a far lobe that holds nearly all of `ψ²` is not found, and on what was reached
//! every identity holds. So tracks go uphill on the log-density
//!
//! ```text
//! F(z) = 2 ln l(x₀ + s z) − ½ ‖z‖²
//! ```
//!
//! from afar, where dead units are alive: from random points at several distances, from ±drift, and from
//! points that the caller hands in: of other classes, and across the decision boundary. What they end at and samples would hardly reach is sampled; where it holds a
//! share of the packet, it is a lobe, and the packet is measured anew with it.

use super::error::MeasureError;
use super::sampler::{FarLobe, SEARCHES, Sampler, ShiftProposal};
use super::track::{Track, TrackPoint};
use super::vector::{axpy, dot};
use super::{Lobe, LogOdds};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

/// Random starts of a round. Half of a space whose face is as far as a lobe can be is entered by one in four
/// of them on the average, so that one round in ten thousand misses it.
const RANDOM_STARTS: usize = 32;

/// Points that a track may look at.
const STEPS: usize = 12;

/// Rounds that may find further lobes. The last must find none.
const ROUNDS: usize = 5;

/// Samples that weigh what tracks found.
const TRIAL: usize = 384;

/// A point whose weight would be this many times the mean weight is hardly ever among the samples.
const UNSEEN: f64 = 50.0;

/// The share of the packet at such points that makes a lobe of them.
const SHARE: f64 = 0.01;

/// A lobe of at least this share must be reached from two starts: where one start in many finds a lobe,
/// others are likely to be found by none (Good, Biometrika 40:237, 1953).
const GREAT_SHARE: f64 = 0.05;

/// Lobes that are sampled at the most.
const MOST_LOBES: usize = SEARCHES / 2;

/// The logarithm of the largest loss that is thought of: it says how far away a lobe can be.
const LARGEST_LOG_LOSS: f64 = 7.0;

/// Lobes that are higher by this much than where Markov chains are were missed by them.
pub(super) const HIGHER: f64 = 3.0;

/// What was found beyond the searches.
pub(super) struct FarLobes {
    /// Where to sample.
    pub proposal: ShiftProposal,
    /// The logarithm of the mean weight of samples there.
    pub log_norm: f64,
    /// The peaks of the lobes.
    pub lobes: Vec<FarLobe>,
    /// Whether every great lobe was reached from two starts or more, and the last round found no other.
    pub reached: bool,
}

impl FarLobes {
    /// What of the packet is where, the largest share first: the lobes, and what the `searched` from the centre reached.
    pub fn shares(&self, searched: &ShiftProposal) -> Vec<Lobe> {
        let far = |lobe: &FarLobe| Lobe {
            share: lobe.share,
            distance: dot(&lobe.peak, &lobe.peak).sqrt(),
            starts: lobe.visits,
        };
        let mut lobes: Vec<Lobe> = self.lobes.iter().map(far).collect();
        let rest = 1.0 - lobes.iter().map(|lobe| lobe.share).sum::<f64>();
        lobes.push(Lobe { share: rest.max(0.0), distance: searched.distance(), starts: SEARCHES });
        lobes.retain(|lobe| lobe.share >= SHARE);
        lobes.sort_by(|a, b| b.share.total_cmp(&a.share));
        lobes
    }

    /// The peaks of the lobes (each d), around a centre.
    pub fn peaks(&self, centre: &[f32], scale: f64) -> Vec<Vec<f32>> {
        let place = |(c, z): (&f32, &f64)| (f64::from(*c) + scale * z) as f32;
        let lobes = self.lobes.iter().filter(|lobe| lobe.share >= SHARE);
        lobes.map(|lobe| centre.iter().zip(&lobe.peak).map(place).collect()).collect()
    }

    /// How high `F` gets in the lobes.
    pub fn height(&self) -> f64 {
        self.lobes.iter().map(|lobe| lobe.height).fold(f64::NEG_INFINITY, f64::max)
    }
}

impl<O: LogOdds> Sampler<'_, O> {
    /// Looks for lobes that samples of `proposal`, whose weights have the mean `exp(log_norm)`, miss; none
    /// if there is nothing to be found. `drift` (d) is where samples are drawn to, `others` are points (each
    /// d) that the caller knows: of other classes, across the decision boundary.
    pub fn scout(
        &mut self,
        proposal: &ShiftProposal,
        mut log_norm: f64,
        drift: &[f64],
        others: &[&[f32]],
        random: &mut ChaCha8Rng,
    ) -> Result<Option<FarLobes>, MeasureError<O::Error>> {
        let mut found: Option<FarLobes> = None;
        let mut crowded = false;
        for round in 0..ROUNDS {
            let current = found.as_ref().map_or(proposal, |found| &found.proposal);
            let reach = (2.0 * (2.0 * LARGEST_LOG_LOSS - log_norm).max(8.0)).sqrt();
            let starts = self.starts(reach, drift, if round == 0 { others } else { &[] }, random);
            let covered = |seen: &TrackPoint| {
                let log_weight = 2.0 * seen.log_loss() + current.log_ratio(&seen.z) - log_norm;
                log_weight <= UNSEEN.ln()
            };
            let near = |seen: &TrackPoint| seen.height() > log_norm - 8.0;
            // A track that has come to what is known already need not go on, unless visits to lobes are
            // counted.
            let known = |seen: &TrackPoint| found.is_none() && near(seen) && covered(seen);
            let ends = self.tracks(starts, known)?;
            let mut lobes = found.as_ref().map_or(Vec::new(), |found| found.lobes.clone());
            let before = lobes.len();
            crowded |= visit(&mut lobes, ends.iter().filter(|end| near(end)), covered);
            if lobes.len() > before {
                let trial = self.weigh_lobes(proposal, current, lobes.clone(), random)?;
                if trial.missed >= SHARE {
                    log_norm = trial.log_norm;
                    let proposal = proposal.with_lobes(&trial.lobes);
                    found = Some(FarLobes { proposal, log_norm, lobes: trial.lobes, reached: false });
                    continue;
                }
            }
            let Some(found) = &mut found else { return Ok(None) };
            lobes.truncate(before);
            found.lobes = lobes;
            found.reached = !crowded && found.lobes.iter().all(|l| l.share < GREAT_SHARE || l.visits > 1);
            if found.reached {
                break;
            }
        }
        Ok(found)
    }

    /// How high `F` gets uphill from `starts` (each d).
    pub fn summit(&mut self, starts: Vec<Vec<f64>>) -> Result<f64, MeasureError<O::Error>> {
        let ends = self.tracks(starts, |_| false)?;
        Ok(ends.iter().map(TrackPoint::height).fold(f64::NEG_INFINITY, f64::max))
    }

    /// Points to go uphill from, in units of `s` from the centre.
    fn starts(&self, reach: f64, drift: &[f64], others: &[&[f32]], random: &mut ChaCha8Rng) -> Vec<Vec<f64>> {
        let mut starts: Vec<Vec<f64>> = (0..RANDOM_STARTS)
            .map(|k| {
                let distance = reach * [0.5, 1.0, 2.0, 4.0][k % 4];
                drift
                    .iter()
                    .map(|_| distance * Distribution::<f64>::sample(&StandardNormal, random))
                    .collect()
            })
            .collect();
        let length = dot(drift, drift).sqrt();
        if length > 0.0 {
            for sign in [1.0, -1.0] {
                starts.push(drift.iter().map(|x| sign * reach * x / length).collect());
            }
        }
        for other in others {
            let z = other.iter().zip(self.centre).map(|(&x, &c)| (f64::from(x) - f64::from(c)) / self.scale);
            starts.push(z.collect());
        }
        starts
    }

    /// The highest points of tracks from `starts`, side by side. A track ends early where `known` holds.
    fn tracks(
        &mut self,
        starts: Vec<Vec<f64>>,
        known: impl Fn(&TrackPoint) -> bool,
    ) -> Result<Vec<TrackPoint>, MeasureError<O::Error>> {
        let seen = self.look(starts)?;
        let mut tracks: Vec<Track> = seen.into_iter().flatten().map(Track::new).collect();
        for _ in 0..STEPS {
            let open: Vec<usize> = (0..tracks.len()).filter(|&k| !tracks[k].done).collect();
            if open.is_empty() {
                break;
            }
            let points = open.iter().map(|&k| tracks[k].next.clone()).collect();
            for (&k, seen) in open.iter().zip(self.look(points)?) {
                let track = &mut tracks[k];
                track.take(seen);
                track.done |= known(&track.at);
            }
        }
        Ok(tracks.into_iter().map(|track| track.best).collect())
    }

    /// The network at points (each d, in units of `s` from the centre); nothing where it is not finite.
    fn look(&mut self, points: Vec<Vec<f64>>) -> Result<Vec<Option<TrackPoint>>, MeasureError<O::Error>> {
        let d = self.centre.len();
        let mut all = Vec::with_capacity(points.len());
        for points in points.chunks(self.oracle.batch_size().max(1)) {
            let mut x = Vec::with_capacity(points.len() * d);
            for point in points {
                let row = point.iter().zip(self.centre);
                x.extend(row.map(|(z, &c)| (f64::from(c) + self.scale * z) as f32));
            }
            let (mut u, mut gradient) = (vec![0.0; points.len()], vec![0.0; x.len()]);
            self.oracle.evaluate(&x, self.label, &mut u, &mut gradient).map_err(MeasureError::Oracle)?;
            for ((x, &u), gradient) in x.chunks_exact(d).zip(&u).zip(gradient.chunks_exact(d)) {
                let finite = u.is_finite() && x.iter().chain(gradient).all(|value| value.is_finite());
                all.push(finite.then(|| {
                    TrackPoint {
                        // From the point as the oracle saw it, rounded to f32.
                        z: x.iter()
                            .zip(self.centre)
                            .map(|(&x, &c)| (f64::from(x) - f64::from(c)) / self.scale)
                            .collect(),
                        u: f64::from(u),
                        slope: gradient.iter().map(|&g| self.scale * f64::from(g)).collect(),
                    }
                }));
            }
        }
        Ok(all)
    }

    /// Samples the lobes beside the searches, and tells each one's share of the packet.
    fn weigh_lobes(
        &mut self,
        proposal: &ShiftProposal,
        current: &ShiftProposal,
        mut lobes: Vec<FarLobe>,
        random: &mut ChaCha8Rng,
    ) -> Result<LobeTrial, MeasureError<O::Error>> {
        let even = 1.0 / (lobes.len() + 1) as f64;
        lobes.iter_mut().for_each(|lobe| lobe.share = even);
        let trial = proposal.with_lobes(&lobes);
        let points: Vec<Vec<f64>> = (0..TRIAL)
            .map(|_| {
                let mut z: Vec<f64> = (0..self.centre.len()).map(|_| StandardNormal.sample(random)).collect();
                if let Some(shift) = trial.choose(random) {
                    axpy(&mut z, 1.0, shift);
                }
                z
            })
            .collect();
        let seen: Vec<TrackPoint> = self.look(points)?.into_iter().flatten().collect();
        let logs: Vec<f64> = seen.iter().map(|s| 2.0 * s.log_loss() + trial.log_ratio(&s.z)).collect();
        let top = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if top == f64::NEG_INFINITY {
            return Ok(LobeTrial { lobes, log_norm: top, missed: 0.0 });
        }
        let total: f64 = logs.iter().map(|log| (log - top).exp()).sum();
        let log_norm = top + (total / TRIAL as f64).ln();
        let mut missed = 0.0;
        lobes.iter_mut().for_each(|lobe| lobe.share = 0.0);
        for (seen, log) in seen.iter().zip(&logs) {
            let share = (log - top).exp() / total;
            let unseen = 2.0 * seen.log_loss() + current.log_ratio(&seen.z) - log_norm > UNSEEN.ln();
            missed += if unseen { share } else { 0.0 };
            if let Some(lobe) = proposal.nearest_lobe(&seen.z, &lobes) {
                lobes[lobe].share += share;
            }
        }
        Ok(LobeTrial { lobes, log_norm, missed })
    }
}

/// Counts visits of ends of tracks to lobes; an end that no lobe is near to, and that samples do not cover, makes
/// another. Whether there were more than can be sampled.
fn visit<'e>(
    lobes: &mut Vec<FarLobe>,
    ends: impl Iterator<Item = &'e TrackPoint>,
    covered: impl Fn(&TrackPoint) -> bool,
) -> bool {
    let mut crowded = false;
    let mut ends: Vec<&TrackPoint> = ends.collect();
    ends.sort_by(|a, b| b.height().total_cmp(&a.height()));
    for end in ends {
        match lobes.iter().position(|lobe| lobe.is_near(&end.z)) {
            Some(lobe) => lobes[lobe].visits += 1,
            None if covered(end) => {}
            None if lobes.len() == MOST_LOBES => crowded = true,
            None => lobes.push(FarLobe { peak: end.z.clone(), height: end.height(), visits: 1, share: 0.0 }),
        }
    }
    crowded
}

/// What a trial of lobes says.
struct LobeTrial {
    lobes: Vec<FarLobe>,
    /// The logarithm of the mean weight.
    log_norm: f64,
    /// The share of the packet that the samples before would hardly have reached.
    missed: f64,
}
