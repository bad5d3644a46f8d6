//! Kinds of packets.

/// Which packet.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum PacketKind {
    /// `ψ ∝ l · √N(x; x₀, s² I)`, around samples of the data.
    Gaussian,
    /// `ψ ∝ l · √ρ`, `ρ` a mixture of `N(x_j, s² I)` over samples of one label.
    Data,
    /// `ψ ∝ l` on the box from the first to the second bound, for one label.
    Box([f64; 2]),
    /// `ψ ∝ l` on the samples of one label.
    Empirical,
}

impl PacketKind {
    /// Its name in files.
    pub fn name(self) -> &'static str {
        match self {
            PacketKind::Gaussian => "gaussian",
            PacketKind::Data => "data",
            PacketKind::Box(_) => "box",
            PacketKind::Empirical => "empirical",
        }
    }

    /// Whether the packet has a window, and so a scale.
    pub fn has_scale(self) -> bool {
        matches!(self, PacketKind::Gaussian | PacketKind::Data)
    }
}
