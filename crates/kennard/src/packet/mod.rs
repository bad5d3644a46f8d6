//! Neural packets and their conjugate spreads.
//!
//! The loss of a classifier at a labelled point, normalised, is read as a wave function
//! `ψ ∝ l`; the input `x` and `p̂ = −i∂` are its conjugate pair (Zhang et al., *On the
//! uncertainty principle of neural networks*, arXiv 2205.01493). The paper's uniform domain
//! `[lo, hi]^d` has a boundary term and hardly meets the data, so the packet measured here is
//! windowed by a Gaussian of width `s` around a point `x₀`:
//!
//! ```text
//! ψ(x) ∝ l(x) · √N(x; x₀, s² I)      E, Var, Cov: under the density ψ²
//! h = ∂ ln l                          the network's share of the log-gradient
//! g = ∂ ln ψ = h − (x − x₀)/(2s²)     σ_p,i² = Var(g_i)
//! ```
//!
//! `ψ` vanishes at infinity, so partial integration has no boundary term and gives
//! `E[∂f] = −2 E[f g]` for every smooth `f` (Stein's identity). With `f = 1` and
//! `f = x_i − ⟨x_i⟩`, and `c_i = Cov(x_i, h_i)`, `v_i = s² Var(h_i)`:
//!
//! ```text
//! ⟨x⟩ − x₀ = 2 s² E[h]
//! Cov(x_i, g_i) = −½
//! σ_x,i² = s² (1 + 2 c_i)
//! σ_p,i² = (v_i + (1 − 2 c_i)/4) / s²
//! (σ_x,i σ_p,i)² = ¼ − c_i² + (1 + 2 c_i) v_i  ≥ ¼
//! ```
//!
//! The product is at least ½ because `c_i² ≤ Var(x_i) Var(h_i) = (1 + 2 c_i) v_i`. All lines but
//! the first hold as well for means over coordinates of the variances and covariances. They are
//! the estimators (the last with `Var(x_i) Var(h_i)` for `(1 + 2 c_i) v_i`): what the window
//! alone contributes is known and need not be sampled.
//! The first two lines also test every measurement, see [`Packet::identities_hold`].
//!
//! The other packets have no window that identities take out, and are measured by plain moments:
//! [`DataPacket`] (a mixture of windows), [`BoxPacket`] (the paper's own, whose bound has a boundary
//! term) and [`Empirical`] (the data points alone). A [survey](crate::survey) measures any
//! of them over a data set, and of a [`Hidden`] tensor as well.
//!
//! No covariance of all coordinates is ever formed: [`Modes`] are found and measured on the stream of
//! samples, in memory proportional to `d`.

mod along_drift;
mod chain;
mod effort;
mod empirical;
mod error;
mod gaussian;
pub(crate) mod hidden;
mod lobe;
pub(crate) mod log_loss;
mod mixing;
mod mixture;
mod modes;
mod moments;
mod neighbours;
pub(crate) mod oracle;
pub(crate) mod points;
mod principal;
mod sampler;
mod scout;
mod sketch;
mod spread;
#[cfg(test)]
mod tests;
mod track;
mod uniform;
pub(crate) mod vector;
mod windowed;

pub use effort::Effort;
pub use empirical::{Empirical, EmpiricalFigures};
pub(crate) use error::moves;
pub use error::{AverageError, MeasureError};
pub use gaussian::GaussianPacket;
pub use hidden::Hidden;
pub use lobe::Lobe;
pub use mixture::{DataFigures, DataPacket};
pub use modes::{Mode, Modes};
pub use neighbours::KEPT;
pub use oracle::LogOdds;
pub use spread::{ESS_FLOOR, Spreads};
pub use uniform::{BoxFigures, BoxPacket, SOBOL_LARGEST};
pub use windowed::{FALSE_ALARM, Packet};

/// The fewest points of a packet that has intervals.
pub const FEWEST: usize = moments::GROUPS;
