use super::ball::CutBall;
use super::interval::Interval;
use super::rounding::{TINY, U};
use super::rows::{Rows, column};
use super::site::Charge;
use super::totals::Totals;
use crate::{Builder, DType, Dim, Result, Shape, TensorType, Var};

/// The set of inputs that bounds hold for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Region {
    /// Between the inputs `lower` and `upper`: a ball of the maximum norm within the bounds of pixels, or any other box.
    #[default]
    Box,
    /// The box, and no further than `radius` from `centre` in the euclidean norm.
    L2,
    /// The box, and no further than `radius` from `centre` in the sum of absolute differences.
    L1,
}

/// The inputs that say which region.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'b> {
    pub interval: Interval<'b>,
    /// The norm's kind, its centre, and the radius `[N]`.
    ball: Option<(Region, Var<'b>, Var<'b>)>,
}

impl Region {
    pub(super) fn inputs<'b>(self, builder: &'b Builder, shape: &Shape) -> Inputs<'b> {
        let input = |name: &str| builder.input(name, TensorType::new(DType::F32, shape.clone()));
        let mut interval = Interval { lower: input(super::LOWER), upper: input(super::UPPER) };
        let ball = (self != Region::Box).then(|| {
            let radius = TensorType::new(DType::F32, vec![Dim::BATCH]);
            (self, input(super::CENTRE), builder.input(super::RADIUS, radius))
        });
        if let Some((_, centre, radius)) = ball {
            // No element leaves the ball's box.
            let spread: Vec<i64> = (1..shape.rank() as i64).collect();
            let reach = radius.unsqueeze(&spread) + TINY;
            let around = Interval { lower: centre - reach, upper: centre + reach };
            let off = (centre.apply("Abs") + reach) * (4.0 * U);
            interval = interval.meet(Interval { lower: around.lower - off, upper: around.upper + off });
        }
        Inputs { interval, ball }
    }
}

impl<'b> Inputs<'b> {
    /// A box.
    pub fn of_box(interval: Interval<'b>) -> Inputs<'b> {
        Inputs { interval, ball: None }
    }

    /// Whether the elements of the input are independent of each other.
    pub fn is_box(&self) -> bool {
        self.ball.is_none()
    }

    /// What a functional `[N, R, n]` of the input can be at the least (`sign` −1) or at the most (1).
    ///
    /// For a ball within a box the better of two is taken: the extreme over the box, and `⟨Λ, x₀⟩` less or more what [`CutBall`] says, over
    /// the elements that the box leaves free.
    pub fn extreme(&self, rows: Rows, flat: Var<'b>, shape: &Shape, sign: f64) -> Result<Totals<'b>> {
        let mut over_box = Totals::default();
        let charge = Charge {
            value: Some(self.interval.centre()),
            spread: None,
            error: self.interval.radius(),
            floor: None,
        };
        over_box.charge(rows, flat, &charge, shape, sign, true)?;
        let Some((norm, centre, radius)) = self.ball else { return Ok(over_box) };

        let mut over_ball = Totals::default();
        let Interval { lower, upper } = self.interval;
        let free = upper.with("Greater", lower);
        let centre = free.builder().op("Where", &[Some(free), Some(centre), Some(lower)], &[]);
        let none =
            Charge { value: Some(centre), spread: None, error: centre.zeros_like() + TINY, floor: None };
        over_ball.charge(rows, flat, &none, shape, sign, true)?;
        let n = flat.shape()?.0[2].known().unwrap_or(0);
        let row = Shape(vec![Dim::BATCH, Dim::Known(1), Dim::Known(n)]);
        let sizes = flat.apply("Abs") * column(free.cast_like(centre), shape)?.reshape(&row);
        let room = |way: Var<'b>| -> Result<Var<'b>> {
            let way = way.apply("Relu") * (1.0 + 8.0 * U) + TINY;
            Ok(column(way, shape)?.reshape(&row))
        };
        let (below, above) = (room(centre - lower)?, room(upper - centre)?);
        let (rising, falling) = if sign < 0.0 { (below, above) } else { (above, below) };
        // Products with masks, as in the gradient of `Where`.
        let positive = flat.above(0.0);
        let room = positive * rising + (1.0 - positive) * falling;
        let radius = column(radius, &Shape(vec![Dim::BATCH]))?;
        let cut = CutBall { sizes, room, radius, n };
        over_ball.error(if norm == Region::L1 { cut.l1()? } else { cut.l2()? });
        let better = if sign < 0.0 { "Max" } else { "Min" };
        Ok(match (over_box.end(rows, sign)?, over_ball.end(rows, sign)?) {
            (Some(over_box), Some(over_ball)) => Totals::of(over_box.with(better, over_ball)),
            _ => over_box,
        })
    }
}
