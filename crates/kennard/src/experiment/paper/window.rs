//! R7: one network's own trade-off through the window, for networks trained with and without noise.
//!
//! A classifier smoothed by normal noise of width s resolves nothing finer than s, and keeps its answer within a radius that
//! can be certified. The curve over s of (its accuracy, its mean certified radius) is a trade-off of one network with itself.
//! Only decisions count, so that no temperature changes a figure.

mod shown;

use std::cmp::Ordering;
use std::f64::consts::LN_2;
use std::sync::atomic;

use serde::Serialize;
use serde_json::json;

use super::claim::{Claim, ClaimVerdict, has_not_learnt, too_brief};
use super::seeds::{SEEDS, each_seed};
use super::{Conditions, PaperReport, epochs, value};
use crate::experiment::{Lab, lab, short};
use crate::smoothing::{AtScale, Smoothing, Votes, curve};
use crate::stats::{mean, spearman};
use crate::{Error, Result};

/// Standard deviations of the noise that networks are trained with; 0 is training without.
const NOISES: [f64; 4] = [0.0, 0.125, 0.25, 0.5];

/// Widths of the window: steps of √2 around the noises of training.
const SCALES: [f64; 9] = [0.0625, 0.088, 0.125, 0.177, 0.25, 0.354, 0.5, 0.707, 1.0];

/// Radii within which certified accuracy is said.
const RADII: [f64; 8] = [0.0, 0.125, 0.25, 0.375, 0.5, 0.75, 1.0, 1.25];

/// The width at which the certificates of networks trained without noise are shown; of others it is their own noise.
const SHOWN: f64 = 0.25;

/// Draws that choose a certificate's class.
const CHOOSING: usize = 100;

/// Draws that count.
const DRAWS: usize = 1000;

/// The probability that a certificate is wrong.
const FAILURE: f64 = 0.001;

/// A network, and what was found at each scale.
#[derive(Serialize)]
struct Seen {
    name: String,
    noise: f64,
    seed: u64,
    curve: Vec<AtScale>,
}

/// The networks: their names, noises and seeds.
fn networks() -> impl Iterator<Item = (String, f64, u64)> {
    let of = |noise: f64| (0..SEEDS).map(move |seed| (format!("{}, seed {seed}", title(noise)), noise, seed));
    NOISES.into_iter().flat_map(of)
}

fn title(noise: f64) -> String {
    if noise == 0.0 { "without noise".into() } else { format!("noise {noise}") }
}

/// The training runs, in TOML.
pub fn settings() -> String {
    let run = |noise: f64| {
        let method = match noise {
            0.0 => "method = \"standard\"".into(),
            noise => format!("method = \"gaussian-noise\"\nstrength = {noise}"),
        };
        format!("\n[[run]]\nname = \"{}\"\n{method}\n", title(noise))
    };
    each_seed(&(include_str!("r7.toml").to_owned() + &NOISES.map(run).concat()))
}

pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<PaperReport>> {
    let (mut all, mut samples, mut classes) = (Vec::new(), 0, 0);
    for (run, (name, noise, seed)) in lab.runs().iter().zip(networks()) {
        let trained = lab::trained(lab, run, &on.out.join(&run.name))?;
        let Some((model, data, engine)) = trained else { return Ok(None) };
        let audit = lab.audit(&model, &data, &engine)?;
        let smoothing = Smoothing {
            engine: &engine,
            data: &data,
            samples: audit.samples,
            scales: SCALES.to_vec(),
            choosing: CHOOSING,
            draws: DRAWS,
            bounds: Some(audit.threat.bounds),
            seed: 0,
        };
        let records = smoothing.measure(lab.stop(), |_| ())?;
        if lab.stop().load(atomic::Ordering::Relaxed) {
            return Ok(None);
        }
        (samples, classes) = (records.len(), engine.classifier().classes());
        if samples < 2 {
            return Err(Error::TooFew {
                count: samples as u64,
                what: "samples",
                purpose: "for a mean radius with an interval; take 200".into(),
            });
        }
        all.push(Seen { name, noise, seed, curve: curve(&records, &SCALES, &RADII, FAILURE) });
    }
    let mut report = PaperReport::new(format!(
        "# R7: one network's trade-off through the window\n\nTrained and tested on {}, {samples} test images, {SEEDS} seeds. Majority of \
         {DRAWS} draws of x + N(0, s²), moved into the bounds as in\ntraining; certificates by Clopper & Pearson, each wrong with \
         probability {FAILURE}, at most {} s large. Figures: mean over seeds, 95 % interval over seeds.\n\n{}\n{}",
        on.data,
        short(largest_radius()),
        shown::table(&all),
        shown::certificates(&all)
    ));
    let learnt = all.iter().find_map(|seen| has_not_learnt(seen.curve[0].accuracy.interval, classes));
    let too_small = too_brief(epochs(lab)).or(learnt);
    report.claims = claims(&all).into_iter().map(|claim| claim.unless(too_small.clone())).collect();
    Claim::adjust(&mut report.claims);
    report.figures = json!({ "draws": DRAWS, "failure": FAILURE, "radii": RADII, "networks": value(&all)? });
    report.pictures = shown::pictures(&all)?;
    Ok(Some(report))
}

/// The radius that a certificate has where all draws agree, in units of s.
fn largest_radius() -> f64 {
    let votes = Votes { chosen: 0, counts: vec![DRAWS as u64], draws: DRAWS as u64 };
    votes.certified_radius(1.0, FAILURE).unwrap_or_default()
}

impl Seen {
    /// The scale of the largest mean certified radius.
    fn best(&self) -> &AtScale {
        let radius = |at: &AtScale| at.certified_radius.value;
        self.curve.iter().fold(&self.curve[0], |best, at| if radius(at) > radius(best) { at } else { best })
    }

    /// The rank correlation of the smoothed classifier's accuracy with s; 0 where the accuracy is the same at all.
    fn correlation(&self) -> f64 {
        let pairs: Vec<(f64, f64)> = self.curve.iter().map(|at| (at.scale, at.accuracy.accuracy)).collect();
        spearman(&pairs).map_or(0.0, |(rho, _)| rho)
    }

    /// The area under the curve of accuracy against certified radius: the accuracy that can be had with a mean certified
    /// radius of at least r, integrated over r.
    fn area(&self) -> f64 {
        let mut points: Vec<[f64; 2]> =
            self.curve.iter().map(|at| [at.certified_radius.value, at.accuracy.accuracy]).collect();
        area(&mut points)
    }
}

/// The area of all (r, a) that some point of (radius, accuracy) is not below in either.
fn area(points: &mut [[f64; 2]]) -> f64 {
    points.sort_by(|a, b| b[0].total_cmp(&a[0]));
    let (mut sum, mut height) = (0.0, 0.0f64);
    for (place, &[radius, accuracy]) in points.iter().enumerate() {
        height = height.max(accuracy);
        let next = points.get(place + 1).map_or(0.0, |point| point[0]);
        sum += height * (radius - next);
    }
    sum
}

/// What the predictions are about; each figure is one for each seed.
fn claims(all: &[Seen]) -> Vec<Claim> {
    let per_seed = |of: &dyn Fn(u64) -> f64| (0..SEEDS).map(of).collect::<Vec<_>>();
    let with_noise = |seed: u64| all.iter().filter(move |seen| seen.seed == seed && seen.noise > 0.0);
    let plain = |seed: u64| all.iter().filter(move |seen| seen.seed == seed && seen.noise == 0.0);
    let falls = per_seed(&|seed| mean_of(plain(seed), Seen::correlation));
    let gain = per_seed(&|seed| mean_of(with_noise(seed), Seen::area) - mean_of(plain(seed), Seen::area));
    let best = per_seed(&|seed| mean_of(with_noise(seed), |seen| (seen.best().scale / seen.noise).ln()));
    vec![
        Claim::over_seeds(
            "networks trained without noise: the wider the window, the lower the accuracy of the smoothed classifier (rank \
             correlation below 0)",
            &falls,
            0.0,
            false,
        ),
        Claim::over_seeds(
            "training with noise gains area under the curve of accuracy against certified radius",
            &gain,
            0.0,
            true,
        ),
        near(
            "networks trained with noise σ have their largest certified radius at s ≈ σ: ln(s/σ) within ±ln 2",
            &best,
            LN_2,
        ),
    ]
}

/// That the mean over seeds of a figure is less than `limit` from 0: the worse of both sides counts.
fn near(claim: &str, values: &[f64], limit: f64) -> Claim {
    let below = Claim::over_seeds(claim, values, limit, false);
    let above = Claim::over_seeds(claim, values, -limit, true);
    let rank = |claim: &Claim| match claim.verdict {
        ClaimVerdict::TooSmallToJudge => 0,
        ClaimVerdict::DoesNotComeOut => 1,
        ClaimVerdict::Undecided => 2,
        ClaimVerdict::ComesOut => 3,
    };
    let worse_p = below.p.zip(above.p).map(|(below, above)| below.max(above));
    match rank(&below).cmp(&rank(&above)) {
        Ordering::Less => below,
        Ordering::Greater => above,
        Ordering::Equal => Claim { p: worse_p, ..below },
    }
}

/// The mean over networks of a figure.
fn mean_of<'a>(networks: impl Iterator<Item = &'a Seen>, of: impl Fn(&'a Seen) -> f64) -> f64 {
    mean(&networks.map(of).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: up to 1 the accuracy 0.9 can be had, up to 2 still 0.5; (1.5, 0.2) lies below.
    #[test]
    fn areas_by_hand() {
        assert!((area(&mut [[2.0, 0.5], [1.5, 0.2], [1.0, 0.9]]) - 1.4).abs() < 1e-12);
        assert_eq!(area(&mut []), 0.0);
        assert!((area(&mut [[0.5, 0.8]]) - 0.4).abs() < 1e-12);
    }

    /// By hand: 0.1 is within 0.7 of 0, 2 is not, and values on both sides of 0.7 say neither.
    #[test]
    fn what_is_near_is_so_on_both_sides() {
        let verdict = |values: [f64; 5]| near("", &values, 0.7).verdict;
        assert_eq!(verdict([0.1, 0.2, 0.0, -0.1, 0.3]), ClaimVerdict::ComesOut);
        assert_eq!(verdict([2.1, 2.2, 2.0, 1.9, 2.3]), ClaimVerdict::DoesNotComeOut);
        assert_eq!(verdict([-2.1, -2.2, -2.0, -1.9, -2.3]), ClaimVerdict::DoesNotComeOut);
        assert_eq!(verdict([0.1, 1.2, 0.5, 0.9, 1.3]), ClaimVerdict::Undecided);
    }

    #[test]
    fn networks_are_trained_as_the_settings_say() {
        let settings = settings();
        assert_eq!(settings.matches("[[run]]").count(), networks().count());
        assert!(settings.contains(
            "name = \"noise 0.25, seed 4\"\nmethod = \"gaussian-noise\"\nstrength = 0.25\nseed = 4\n"
        ));
    }
}
