//! What a tree looks at: a monotone function of one element of the input.

/// A value that trees look at.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Column {
    /// The element that it is made of.
    pub element: usize,
    steps: Vec<ColumnStep>,
    /// Whether it is of double precision.
    double: bool,
    /// Whether it falls where the element rises.
    falls: bool,
}

/// One operation with a constant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum ColumnStep {
    Plus(f64),
    Minus(f64),
    /// The constant less the value.
    From(f64),
    Times(f64),
    Over(f64),
    /// The cast to single precision.
    Single,
    /// The cast to double precision.
    Double,
    /// Rounded to a whole number, to an even one in the middle.
    Round,
    /// The cast to integers.
    Whole,
}

impl Column {
    /// The element itself.
    pub fn new(element: usize, double: bool) -> Column {
        Column { element, steps: Vec::new(), double, falls: false }
    }

    /// The same after another step.
    pub fn then(&mut self, step: ColumnStep) {
        match step {
            ColumnStep::Single => self.double = false,
            ColumnStep::Double | ColumnStep::Whole => self.double = true,
            ColumnStep::From(_) => self.falls = !self.falls,
            ColumnStep::Times(by) | ColumnStep::Over(by) => self.falls ^= by < 0.0,
            ColumnStep::Plus(_) | ColumnStep::Minus(_) | ColumnStep::Round => {}
        }
        // Rounded as the step is; double precision is enough for that of single-precision arithmetic.
        self.steps.push(step);
        if !self.double && step != ColumnStep::Single {
            self.steps.push(ColumnStep::Single);
        }
    }

    /// The number of steps.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    fn at(&self, x: f32) -> f64 {
        self.steps.iter().fold(f64::from(x), |value, step| match *step {
            ColumnStep::Plus(by) => value + by,
            ColumnStep::Minus(by) => value - by,
            ColumnStep::From(by) => by - value,
            ColumnStep::Times(by) => value * by,
            ColumnStep::Over(by) => value / by,
            ColumnStep::Single => f64::from(value as f32),
            ColumnStep::Double => value,
            ColumnStep::Round => value.round_ties_even(),
            ColumnStep::Whole => value.trunc(),
        })
    }

    /// The last value of the element on the way to the first of two nodes that follow, and these two, where `low` follows values
    /// (`strict`ly) below `threshold` and `high` the others.
    pub fn split(&self, threshold: f64, strict: bool, [low, high]: [usize; 2]) -> (f32, [usize; 2]) {
        let is_low = |x: f32| {
            let value = self.at(x);
            if strict { value < threshold } else { value <= threshold }
        };
        match self.falls {
            false => (last(is_low), [low, high]),
            true => (last(|x| !is_low(x)), [high, low]),
        }
    }
}

/// The largest number for which something holds that holds up to some number and not beyond.
fn last(holds: impl Fn(f32) -> bool) -> f32 {
    let (mut yes, mut no) = (key(f32::MIN), key(f32::MAX));
    if !holds(f32::MIN) {
        return f32::NEG_INFINITY;
    }
    if holds(f32::MAX) {
        return f32::MAX;
    }
    while no - yes > 1 {
        let middle = yes + (no - yes) / 2;
        if holds(number(middle)) {
            yes = middle;
        } else {
            no = middle;
        }
    }
    number(yes)
}

/// Numbers in order, neighbours one apart.
fn key(x: f32) -> i64 {
    let bits = i64::from(x.to_bits() & 0x7fff_ffff);
    if x.is_sign_negative() { -1 - bits } else { bits }
}

fn number(key: i64) -> f32 {
    if key < 0 { -f32::from_bits((-1 - key) as u32) } else { f32::from_bits(key as u32) }
}
