use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::image::{Image, Window};
use super::{BuiltIn, Subject};
use crate::Norm;

/// Square attack: random search with square patches, judged by the margin; needs no gradient
/// (Andriushchenko et al. 2020, arXiv 1912.00049).
///
/// Inputs of any shape: `[C, H, W]` is an image, `[H, W]` one of a single channel, `[D]` a row, and axes
/// before the last two are channels. A patch that is higher than the input is made wider instead.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Square {
    /// Points evaluated per restart, the start included.
    pub queries: usize,
    /// How often to begin anew.
    pub restarts: u64,
    /// The share of the elements that the first patches cover, p.
    pub share: f64,
}

impl Default for Square {
    fn default() -> Square {
        Square { queries: 5000, restarts: 1, share: 0.8 }
    }
}

impl BuiltIn for Square {
    const NEEDS_GRADIENT: bool = false;

    fn name(&self) -> &str {
        "square"
    }

    async fn search<'a>(&'a self, subject: &'a Subject<'a>) {
        for restart in 0..self.restarts {
            self.restart(subject, subject.random(restart)).await;
        }
    }
}

impl Square {
    /// One search, with random numbers of its own; returns the point of the smallest margin.
    pub(super) async fn restart(&self, subject: &Subject<'_>, random: ChaCha8Rng) -> Vec<f32> {
        let search = SquareSearch { attack: self, subject, image: Image::of(subject.shape()), random };
        match subject.threat().norm {
            Norm::Linf => search.linf().await,
            _ => search.bumps().await,
        }
    }
}

struct SquareSearch<'a> {
    attack: &'a Square,
    subject: &'a Subject<'a>,
    image: Image,
    random: ChaCha8Rng,
}

impl SquareSearch<'_> {
    async fn margin(&self, x: &[f32]) -> f32 {
        self.subject.logits(x).await.margin(self.subject.label())
    }

    /// The share of elements that the patch of query `i` covers: halved again and again, less and less often.
    fn share(&self, i: usize) -> f64 {
        let halvings = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000].iter().filter(|&&at| i > at).count();
        self.attack.share / f64::from(1u32 << halvings)
    }

    fn sign(&mut self) -> f32 {
        if self.random.random() { 1.0 } else { -1.0 }
    }

    /// Algorithm 2: vertical stripes first, then in each query one patch to `±ε` per channel.
    async fn linf(mut self) -> Vec<f32> {
        let subject = self.subject;
        let (origin, eps) = (subject.origin(), subject.threat().eps as f32);
        let image = self.image;
        let mut best: Vec<f32> = origin.to_vec();
        for channel in 0..image.channels {
            for column in 0..image.width {
                let step = eps * self.sign();
                let stripe = Window { top: 0, left: column, height: image.height, width: 1 };
                image.places(channel, stripe).for_each(|i| best[i] += step);
            }
        }
        subject.project(&mut best);
        let mut least = self.margin(&best).await;
        for query in 1..self.attack.queries {
            let side = image.patch(self.share(query));
            let window = image.random_window(side, &mut self.random);
            let mut x = best.clone();
            for channel in 0..image.channels {
                let step = eps * self.sign();
                image.places(channel, window).for_each(|i| x[i] = origin[i] + step);
            }
            subject.project(&mut x);
            // The same point again has the same margin.
            if x == best {
                continue;
            }
            let margin = self.margin(&x).await;
            if margin < least {
                least = margin;
                best = x;
            }
        }
        best
    }

    /// Algorithm 3 (l2; l1 alike, with its norm): tiles of bumps first, then each query moves the norm of one
    /// window into a bump in another.
    async fn bumps(mut self) -> Vec<f32> {
        let subject = self.subject;
        let (norm, eps) = (subject.threat().norm, subject.threat().eps);
        let (origin, image) = (subject.origin(), self.image);
        let mut delta = vec![0.0f32; origin.len()];
        let tile = (image.height.min(image.width) / 5).max(1);
        for top in (0..image.height).step_by(tile) {
            for left in (0..image.width).step_by(tile) {
                let height = tile.min(image.height - top);
                let window = Window { top, left, height, width: tile.min(image.width - left) };
                for channel in 0..image.channels {
                    let (bump, sign) = (self.bump(norm, window), self.sign());
                    image.places(channel, window).zip(bump).for_each(|(i, v)| delta[i] = sign * v);
                }
            }
        }
        let mut best = displaced(subject, &delta, eps / norm.size(&delta).max(f64::MIN_POSITIVE));
        let mut least = self.margin(&best).await;
        for query in 1..self.attack.queries {
            let side = image.patch(self.share(query)).at_least(3);
            let [to, from] = [(); 2].map(|()| image.random_window(side, &mut self.random));
            let delta = self.moved(norm, eps, &best, to, from);
            let x = displaced(subject, &delta, eps / norm.size(&delta).max(f64::MIN_POSITIVE));
            let margin = self.margin(&x).await;
            if margin < least {
                least = margin;
                best = x;
            }
        }
        best
    }

    /// The displacement of `best` with, per channel, the norm of two windows and a share of what is left of
    /// `eps` put into a bump in the first.
    fn moved(&mut self, norm: Norm, eps: f64, best: &[f32], to: Window, from: Window) -> Vec<f32> {
        let image = self.image;
        let origin = self.subject.origin();
        let mut delta: Vec<f32> = best.iter().zip(origin).map(|(x, o)| x - o).collect();
        let power = if norm == Norm::L2 { 2 } else { 1 };
        let unused = (eps.powi(power) - norm.size(&delta).powi(power)).max(0.0);
        for channel in 0..image.channels {
            let inside: Vec<usize> = image.places(channel, to).collect();
            let outside = image.places(channel, from).filter(|&i| !to.contains(image, i));
            let both = norm.of(inside.iter().copied().chain(outside).map(|i| f64::from(delta[i])));
            let available = (both.powi(power) + unused / image.channels as f64).powf(1.0 / f64::from(power));
            let there = norm.of(inside.iter().map(|&i| f64::from(delta[i]))).max(f64::MIN_POSITIVE);
            let sign = f64::from(self.sign());
            let bump: Vec<f64> = self
                .bump(norm, to)
                .zip(&inside)
                .map(|(bump, &i)| sign * f64::from(bump) + f64::from(delta[i]) / there)
                .collect();
            // Two parts of length 1 each, which can cancel.
            let factor = available / norm.of(bump.iter().copied()).max(1e-12);
            image.places(channel, from).for_each(|i| delta[i] = 0.0);
            inside.iter().zip(bump).for_each(|(&i, v)| delta[i] = (factor * v) as f32);
        }
        delta
    }

    /// Two pyramids of opposite sign side by side or one above the other, of norm 1 (eq. 2): the element in
    /// the k-th ring around a pyramid's centre has the sum of `1/j²` over the rings j from k on.
    fn bump(&mut self, norm: Norm, window: Window) -> impl Iterator<Item = f32> + use<> {
        let upright: bool = self.random.random();
        let (long, wide) =
            if upright { (window.height, window.width) } else { (window.width, window.height) };
        let half = long / 2;
        let value = |along: usize, across: usize| -> f64 {
            if along < half {
                pyramid(half, wide, along, across)
            } else {
                -pyramid(long - half, wide, along - half, across)
            }
        };
        let values: Vec<f64> = (0..window.height * window.width)
            .map(|i| {
                let (row, column) = (i / window.width, i % window.width);
                if upright { value(row, column) } else { value(column, row) }
            })
            .collect();
        let length = norm.of(values.iter().copied()).max(f64::MIN_POSITIVE);
        values.into_iter().map(move |v| (v / length) as f32)
    }
}

/// The height at an element of a pyramid over `rows × columns`.
fn pyramid(rows: usize, columns: usize, row: usize, column: usize) -> f64 {
    let (middle_row, middle_column) = (rows / 2, columns / 2);
    let ring = row.abs_diff(middle_row).max(column.abs_diff(middle_column));
    let rings = (rows / 2 + 1).max(columns / 2 + 1);
    (ring..rings.max(ring + 1)).map(|j| 1.0 / ((j + 1) * (j + 1)) as f64).sum()
}

/// The sample moved by `factor · delta`, within the bounds.
fn displaced(subject: &Subject, delta: &[f32], factor: f64) -> Vec<f32> {
    let mut x: Vec<f32> = subject
        .origin()
        .iter()
        .zip(delta)
        .map(|(&o, &d)| (f64::from(o) + factor * f64::from(d)) as f32)
        .collect();
    subject.project(&mut x);
    x
}
