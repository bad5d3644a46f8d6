//! Pictures of figures: maps in the shape of the input and packets in the plane as PNG, curves as SVG.
//!
//! Colours are safe for colour-blind readers: viridis for figures of one sign, blue to red through
//! white for signed ones, the palette of Okabe and Ito for curves. Maps carry their letters as pixels,
//! and an SVG names fonts that readers have, so none is needed to draw. An SVG has no background.

mod axis;
mod canvas;
mod curve;
mod histogram;
mod map;
mod panels;
#[cfg(feature = "pdf")]
mod pdf;
mod phase;
mod plane;
mod scatter;
mod ticked;

pub use curve::{Chart, ChartPoint, Curve};
pub use histogram::Histogram;
pub use map::Map;
pub use panels::{Panel, Panels};
#[cfg(feature = "pdf")]
pub use pdf::pdf;
pub use phase::{Phase, PhasePath, PhasePoint};
pub use plane::PlanePacket;
pub use scatter::{Dot, Scatter};
