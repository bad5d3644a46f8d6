//! The error packet on a line, by quadrature.

use super::boundary::first_crossing;
use super::margins::{CountedOracle, Slope};
use super::{DistanceError, Margins};
use crate::Figure;
use crate::packet::vector::dot;
use crate::quadrature::{Domain, Quadrature, QuadratureError, Wave};

/// The packet is followed until `ψ²` has fallen by `exp(−50)`.
const FALL: f64 = 50.0;
const RULE: Quadrature = Quadrature { tolerance: 1e-11, max_order: 1024 };
/// A network's answers are of single precision, and allow no finer tolerance.
const NETWORK: Quadrature = Quadrature { tolerance: 1e-5, max_order: 256 };

/// The error packet `ψ(t) ∝ max(0, lead(t)) exp(−t²/4s²)` on a line through the sample, `t` the distance from it: a
/// packet of one dimension, the network restricted to the line.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinePacket {
    /// `⟨t⟩`, in input units.
    pub mean: Figure,
    /// `σ_t`, in input units.
    pub sigma_x: Figure,
    /// The spread of the conjugate, in inverse input units.
    pub sigma_p: Figure,
    /// `σ_x σ_p`; ½ at least, as the packet vanishes where the lead does.
    pub product: Figure,
    /// Whether the rule settled.
    pub converged: bool,
}

impl LinePacket {
    /// The packet of a function that gives the lead and its derivative at points `t`, negative before `crossing`,
    /// under a window of width `scale` around zero.
    ///
    /// # Errors
    /// When the function fails, is not finite or nowhere positive.
    pub fn of<E>(
        crossing: f64,
        scale: f64,
        lead: impl FnMut(&[f64]) -> Result<(Vec<f64>, Vec<f64>), E>,
    ) -> Result<LinePacket, QuadratureError<E>> {
        integrate(&RULE, crossing, scale, lead)
    }
}

fn integrate<E>(
    rule: &Quadrature,
    crossing: f64,
    scale: f64,
    mut lead: impl FnMut(&[f64]) -> Result<(Vec<f64>, Vec<f64>), E>,
) -> Result<LinePacket, QuadratureError<E>> {
    // In widths from the crossing.
    let begin = crossing / scale;
    let reach = (begin * begin + 2.0 * FALL).sqrt() - begin;
    let wave = |points: &[f64]| {
        let t: Vec<f64> = points.iter().map(|u| crossing + scale * u).collect();
        let (leads, slopes) = lead(&t)?;
        let mut wave = Wave::default();
        for ((u, lead), slope) in points.iter().zip(leads).zip(slopes) {
            let z = begin + u;
            let inside = lead > 0.0;
            wave.exponent.push((begin * begin - z * z) / 4.0);
            wave.value.push(if inside { lead } else { 0.0 });
            let slope = if inside { scale * slope - lead * z / 2.0 } else { 0.0 };
            wave.gradient.push(slope);
        }
        Ok(wave)
    };
    let integral = rule.measure(&Domain::Box(vec![[0.0, reach]]), wave)?;
    Ok(LinePacket {
        mean: moved(integral.figure(0, |c| scale * c.mean), crossing),
        sigma_x: integral.figure(0, |c| scale * c.sigma_x),
        sigma_p: integral.figure(0, |c| c.sigma_p / scale),
        product: integral.figure(0, |c| c.product()),
        converged: integral.converged,
    })
}

fn moved(figure: Figure, by: f64) -> Figure {
    let [low, high] = figure.interval;
    Figure { value: figure.value + by, interval: [low + by, high + by], ..figure }
}

/// The error packet on the line from the sample along a unit vector (d) that crosses the boundary before `farthest`;
/// none from a sample that is misclassified itself, or where the packet is too far out.
pub(super) fn through<O: Margins>(
    asked: &mut CountedOracle<O>,
    axis: &[f64],
    farthest: f64,
    scale: f64,
) -> Result<Option<LinePacket>, DistanceError<O::Error>> {
    let Some(crossing) = first_crossing(asked, axis, farthest)? else { return Ok(None) };
    let lead = |t: &[f64]| {
        let mut points = Vec::with_capacity(t.len() * axis.len());
        t.iter().for_each(|t| asked.displace(axis, *t, &mut points));
        let classes: Vec<usize> = asked.leads(&points)?.iter().map(|leads| leads.largest().0).collect();
        let slopes = asked.slopes(&points, &classes)?;
        let slope = |slope: &Slope| dot(&slope.gradient, axis);
        Ok((slopes.iter().map(|s| s.lead).collect(), slopes.iter().map(slope).collect()))
    };
    match integrate(&NETWORK, crossing, scale, lead) {
        Ok(packet) => Ok(Some(packet)),
        Err(QuadratureError::Wave(error)) => Err(error),
        Err(_) => Ok(None),
    }
}
