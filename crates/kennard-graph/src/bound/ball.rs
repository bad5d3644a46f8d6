//! How far a linear functional reaches over a ball that a box cuts.

use super::rounding::{TINY, U, gamma};
use super::rows::sum_of_last;
use crate::{Result, Var};

/// A functional Λ of steps δ within a ball, none of whose elements goes further than its room in the direction in which Λ rises (or falls).
///
/// With the dual norm, `ε‖a‖ + ⟨|Λ| − a, room⟩` is at least `⟨Λ, δ⟩` for any `0 ≤ a ≤ |Λ|` (weak duality), and for the best a that is reached. So
/// the search for a need not be exact, and only the last sums have margins for rounding.
#[derive(Clone, Copy)]
pub(super) struct CutBall<'b> {
    /// `|Λ|`, `[N, R, n]`; 0 for what does not move.
    pub sizes: Var<'b>,
    /// `[N, R, n]`, above 0.
    pub room: Var<'b>,
    /// ε, `[N, 1, 1]`.
    pub radius: Var<'b>,
    /// The elements.
    pub n: usize,
}

/// In l1 the best level is sought between the largest size and one this many halvings below it,
const OCTAVES: f64 = 8.0;

/// and found to a 32nd of an octave.
const BISECTIONS: usize = 8;

/// In l2 Newton's method from the whole ball is within a hundredth after these steps.
const NEWTON: usize = 3;

impl<'b> CutBall<'b> {
    /// In l1, `[N, R, 1]`: `a = min(|Λ|, t)`, where the elements above t have as much room as the ball.
    pub fn l1(self) -> Result<Var<'b>> {
        let CutBall { sizes, room, radius, .. } = self;
        let largest = sizes.reduce("ReduceMax", &[2], true);
        let (mut level, mut octaves) = (largest * (-OCTAVES).exp2(), OCTAVES);
        for _ in 0..BISECTIONS {
            octaves /= 2.0;
            let above = sizes.with("Greater", level * octaves.exp2()).cast_like(sizes);
            let higher = sum_of_last(above * room)?.with("Greater", radius).cast_like(level);
            level = level * (higher * (octaves.exp2() - 1.0) + 1.0);
        }
        // The best level is one of the sizes.
        let below = sizes.with("LessOrEqual", level * octaves.exp2()).cast_like(sizes);
        let level = (below * sizes).reduce("ReduceMax", &[2], true);
        let rest = (sizes - level).apply("Relu");
        Ok(self.along(largest).with("Min", self.total(level, rest)?))
    }

    /// In l2, `[N, R, 1]`: `a = min(|Λ|, μ·room)`, where `‖a‖ = με`.
    pub fn l2(self) -> Result<Var<'b>> {
        let CutBall { sizes, room, radius, n } = self;
        // Divided by the largest, so that squares neither overflow nor vanish.
        let largest = sizes.reduce("ReduceMax", &[2], true) + TINY;
        let root = |squares: Var<'b>| -> Result<Var<'b>> {
            Ok((sum_of_last(squares)? + TINY * n as f64).apply("Sqrt"))
        };
        let margin = 1.0 + 2.0 * gamma(n)?;
        let part = sizes / largest;
        let squares = part * part;
        let whole = root(squares)?;
        // In radii; more than one is as good as any number.
        let share = (room / (radius + TINY)).with("Min", room.number(2.0));
        let shares = share * share;
        let mut scale = whole;
        for _ in 0..NEWTON {
            let free = part.with("LessOrEqual", share * scale).cast_like(part);
            let left = 1.0 - sum_of_last((1.0 - free) * shares)?;
            scale = (sum_of_last(free * squares)? / left.with("Max", left.number(1e-12))).apply("Sqrt");
        }
        // At the best scale nothing depends on it, so no gradient need pass.
        let steps = 40f64.exp2();
        let scale = (scale * steps).apply("Floor") * (1.0 / steps);
        let inner = sizes.with("Min", share * (scale * largest));
        let inner_part = inner / largest;
        let dual = root(inner_part * inner_part)? * largest * margin;
        let ball = self.along(whole * largest * margin);
        Ok(ball.with("Min", self.total(dual, sizes - inner)?))
    }

    /// `ε‖a‖`, rounded up.
    fn along(self, dual: Var<'b>) -> Var<'b> {
        dual * (self.radius * (1.0 + 8.0 * U) + TINY) + TINY
    }

    /// `ε‖a‖ + ⟨|Λ| − a, room⟩`, rounded up.
    fn total(self, dual: Var<'b>, rest: Var<'b>) -> Result<Var<'b>> {
        let by_room = sum_of_last(rest * self.room)? * (1.0 + 2.0 * gamma(self.n)?) + TINY;
        Ok((self.along(dual) + by_room) * (1.0 + 8.0 * U))
    }
}
