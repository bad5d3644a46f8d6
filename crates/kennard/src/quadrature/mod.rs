//! Packets in one to three dimensions, by quadrature instead of sampling.
//!
//! `ψ ∝ f` on a box, or `ψ ∝ f · √N(x; x₀, s² I)` on R^d, with any differentiable `f`: the loss of
//! a network, or a wave function from a textbook. A product Gauss–Legendre rule integrates
//! `ψ²`, `x ψ²`, `ψ ∂ψ`, `(∂ψ)²`, ... over the domain and `ψ²` over its faces. With `E`, `Var` and
//! `Cov` under the density `ψ²`, `g = ∂ ln ψ`, `a_i = E[x_i]`, and the outward normal `n`:
//!
//! ```text
//! B_i = ∮ (x_i − a_i) n_i ψ² dS          the boundary term
//! Cov(x_i, g_i) = −½ (1 − B_i)           Stein's identity, by partial integration
//! σ_x,i σ_p,i ≥ ½ |1 − B_i|              the bound, by Cauchy and Schwarz
//! ```
//!
//! Both sides of Stein's identity are integrated independently, over the domain and over its
//! faces, so their difference is a test of the gradient and of the quadrature.
//!
//! The rule's order doubles until no figure changes by more than the tolerance; the last change is
//! the error estimate. For a smooth `f` the error falls exponentially with the order, and the
//! estimate exceeds it by far. Where the gradient of `f` jumps (a network of ReLUs) it falls only
//! like a power of the order, and the changes are erratic: where they stay above the tolerance, the
//! estimate is at least half of the last but one. It is of the error's size then, not a strict bound.

mod direction;
mod error;
mod grid;
mod integration;
mod plane;
mod share;
mod slice;
mod sums;
#[cfg(test)]
mod tests;

pub use direction::Direction;
pub use error::QuadratureError;
pub use plane::{CoordinateFigures, PlanePlan, PlaneReport, SQUARE, SquarePacket, WindowPackets};
pub(crate) use plane::{loss, query};
pub use slice::{FailedSlice, Slice, SlicePlan, SliceReport};

use integration::Integration;

use crate::Figure;
use crate::error::is_scale;

/// Where a packet lives.
#[derive(Clone, Debug, PartialEq)]
pub enum Domain {
    /// A box, faces included: `ψ ∝ f`. The two ends of each coordinate (d), the lower first.
    Box(Vec<[f64; 2]>),
    /// R^d under a Gaussian window: `ψ ∝ f · √N(x; centre, scale² I)`.
    Window {
        /// `x₀` (d).
        centre: Vec<f64>,
        /// `s`, in units of `x`.
        scale: f64,
    },
}

/// A function `f = v·eᵃ` and its gradient `∂f = v′·eᵃ` at n points.
///
/// The exponent `a` holds what would overflow or underflow: a positive loss `l` has `a = ln l`,
/// `v = 1`, `v′ = ∂ ln l`. The value `v` holds what changes sign: `sin(πx)` has `a = 0`,
/// `v = sin(πx)`, `v′ = π cos(πx)`, and its nodes need no care.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Wave {
    /// `a` (n); −∞ where `f` and its gradient vanish.
    pub exponent: Vec<f64>,
    /// `v` (n).
    pub value: Vec<f64>,
    /// `v′` (n×d).
    pub gradient: Vec<f64>,
}

/// The figures of one coordinate of a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coordinate {
    /// `E[x_i]`.
    pub mean: f64,
    /// `σ_x,i`, the standard deviation of `x_i`.
    pub sigma_x: f64,
    /// `σ_p,i`, the standard deviation of `g_i`.
    pub sigma_p: f64,
    /// `Cov(x_i, g_i)`, which is `−½ (1 − B_i)`.
    pub covariance: f64,
    /// `B_i`, from the faces of the domain. For a window, whose domain is R^d, what the truncation
    /// of the domain leaves of it.
    pub boundary: f64,
    /// `E[h_i]`, the mean of `∂_i ln f`: the network's share of the log-gradient.
    pub slope: f64,
    /// `Var(h_i)`, the variance of `∂_i ln f`.
    pub roughness: f64,
}

impl Coordinate {
    /// `σ_x,i σ_p,i`.
    pub fn product(&self) -> f64 {
        self.sigma_x * self.sigma_p
    }

    /// `½ |1 − B_i|`, what the product cannot fall below.
    pub fn bound(&self) -> f64 {
        0.5 * (1.0 - self.boundary).abs()
    }

    /// `Cov(x_i, g_i) + ½ (1 − B_i)`: zero by Stein's identity.
    pub fn discrepancy(&self) -> f64 {
        self.covariance + 0.5 * (1.0 - self.boundary)
    }
}

/// What quadrature found of a packet.
#[derive(Clone, Debug, PartialEq)]
pub struct Integral {
    /// The figures of each coordinate (d).
    pub coordinates: Vec<Coordinate>,
    /// The same at half the order, for the error estimate.
    pub coarse: Vec<Coordinate>,
    /// The same at a quarter of the order, or at half of it where that was the first.
    pub coarser: Vec<Coordinate>,
    /// `ln ∫ f²` over the domain, for a window `ln ∫ f² exp(−‖x − x₀‖²/(2s²))`.
    pub log_norm: f64,
    /// Points per coordinate of the finer rule.
    pub order: usize,
    /// How many points were evaluated in all.
    pub points: usize,
    /// Whether doubling the order changed no figure by more than the tolerance.
    pub converged: bool,
}

impl Integral {
    /// The root mean square of a figure over the coordinates, and its estimated error.
    pub fn rms(&self, figure: impl Fn(&Coordinate) -> f64) -> Figure {
        let rms =
            |of: &[Coordinate]| (of.iter().map(|c| figure(c).powi(2)).sum::<f64>() / of.len() as f64).sqrt();
        self.with_error(rms)
    }

    /// A figure of coordinate `i`, and its estimated error.
    ///
    /// # Panics
    /// When there is no coordinate `i`.
    pub fn figure(&self, i: usize, figure: impl Fn(&Coordinate) -> f64) -> Figure {
        self.with_error(|of: &[Coordinate]| figure(&of[i]))
    }

    fn with_error(&self, figure: impl Fn(&[Coordinate]) -> f64) -> Figure {
        let [fine, coarse, coarser] = [&self.coordinates, &self.coarse, &self.coarser].map(|of| figure(of));
        let (last, before) = ((fine - coarse).abs(), (coarse - coarser).abs());
        Figure::integrated(fine, if self.converged { last } else { last.max(0.5 * before) })
    }
}

/// How finely to integrate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quadrature {
    /// The change of a figure that a doubling of the order may still make. Positions count in units
    /// of the window or of the box's side, log-gradients in their inverse.
    pub tolerance: f64,
    /// The most points per coordinate.
    pub max_order: usize,
}

/// Points per coordinate of the first rule, and of the search for the domain of a window.
const FIRST_ORDER: usize = 16;
const SEARCH_ORDER: usize = 32;
/// A window's domain ends at most this many widths from its centre.
const FARTHEST: f64 = 100.0;

impl Quadrature {
    /// Integrates the packet of `f`, which gets points n×d, row-major.
    ///
    /// The domain of a window is cut to a box that reaches as far as needed for the part beyond to
    /// be less than a thousandth of the tolerance. A part of the packet behind a region where it is smaller
    /// than that is looked for on a grid, as far as 40 widths from the centre.
    ///
    /// # Errors
    /// When the domain is invalid, `f` fails, is not finite, or zero everywhere.
    ///
    /// # Panics
    /// When `f` returns less than it was asked for.
    pub fn measure<E>(
        &self,
        domain: &Domain,
        mut f: impl FnMut(&[f64]) -> Result<Wave, E>,
    ) -> Result<Integral, QuadratureError<E>> {
        let mut work = Integration { domain, f: &mut f, points: 0 };
        let sides = self.sides(&mut work)?;
        let mut order = FIRST_ORDER;
        let (mut coarse, _) = work.integrate(&sides, order)?;
        let mut coarser = coarse.clone();
        loop {
            order *= 2;
            let (coordinates, log_norm) = work.integrate(&sides, order)?;
            let converged = (0..sides.len())
                .all(|i| change(&coordinates[i], &coarse[i], domain.unit(i)) <= self.tolerance);
            if converged || 2 * order > self.max_order {
                let points = work.points;
                return Ok(Integral { coordinates, coarse, coarser, log_norm, order, points, converged });
            }
            coarser = std::mem::replace(&mut coarse, coordinates);
        }
    }

    /// The box to integrate over.
    fn sides<E, F: FnMut(&[f64]) -> Result<Wave, E>>(
        &self,
        work: &mut Integration<'_, F>,
    ) -> Result<Vec<[f64; 2]>, QuadratureError<E>> {
        let (centre, scale) = match work.domain {
            Domain::Box(sides) => {
                check_dimension(sides.len())?;
                for (coordinate, &[low, high]) in sides.iter().enumerate() {
                    if !(low < high && (high - low).is_finite()) {
                        return Err(QuadratureError::Ends { coordinate, low, high });
                    }
                }
                return Ok(sides.clone());
            }
            Domain::Window { centre, scale } => (centre, *scale),
        };
        check_dimension(centre.len())?;
        if !is_scale(scale) {
            return Err(QuadratureError::Scale(scale));
        }
        if let Some(coordinate) = centre.iter().position(|x| !x.is_finite()) {
            return Err(QuadratureError::Centre { coordinate, value: centre[coordinate] });
        }
        let negligible = self.tolerance / 1000.0;
        // Where a Gaussian is negligible, and two widths more.
        let start = scale * (2.0 + (-2.0 * negligible.ln()).max(0.0).sqrt());
        let mut sides: Vec<[f64; 2]> = centre.iter().map(|x| [x - start, x + start]).collect();
        work.widen(&mut sides, centre, scale, negligible.ln())?;
        loop {
            let faces = work.faces(&sides, SEARCH_ORDER)?;
            if faces.iter().flatten().all(|&share| share <= negligible) {
                return Ok(sides);
            }
            for (i, [below, above]) in faces.into_iter().enumerate() {
                sides[i][0] -= if below > negligible { 2.0 * scale } else { 0.0 };
                sides[i][1] += if above > negligible { 2.0 * scale } else { 0.0 };
                if (centre[i] - sides[i][0]).max(sides[i][1] - centre[i]) > FARTHEST * scale {
                    return Err(QuadratureError::TooWide(FARTHEST));
                }
            }
        }
    }
}

fn check_dimension<E>(dimension: usize) -> Result<(), QuadratureError<E>> {
    if (1..=3).contains(&dimension) { Ok(()) } else { Err(QuadratureError::Dimension(dimension)) }
}

/// The largest change of a figure, lengths in `unit`.
fn change(fine: &Coordinate, coarse: &Coordinate, unit: f64) -> f64 {
    let figures = |c: &Coordinate| {
        [
            c.mean / unit,
            c.sigma_x / unit,
            c.sigma_p * unit,
            c.covariance,
            c.boundary,
            c.slope * unit,
            c.roughness * unit * unit,
        ]
    };
    figures(fine).iter().zip(figures(coarse)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

impl Domain {
    /// The length that coordinate `i` is measured in.
    fn unit(&self, i: usize) -> f64 {
        match self {
            Domain::Box(sides) => sides[i][1] - sides[i][0],
            Domain::Window { scale, .. } => *scale,
        }
    }
}
