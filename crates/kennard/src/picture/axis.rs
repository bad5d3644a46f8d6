//! Ranges of values: their colours, and the round numbers on their axes.

use colorous::{RED_BLUE, VIRIDIS};

use super::canvas::Colour;

/// A range of values with a colour for each.
#[derive(Clone, Copy)]
pub(super) struct Range {
    pub low: f64,
    pub high: f64,
    signed: bool,
}

/// What a value that is no number looks like.
const NO_NUMBER: Colour = [160, 160, 160];

impl Range {
    /// The range of the finite values: around zero where they are signed, else from zero, or from the
    /// least where that is more than half of the largest (spreads under a window hardly differ).
    pub fn of(values: &[f64], signed: bool) -> Range {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let largest = finite().map(f64::abs).fold(0.0, f64::max);
        if !signed && finite().fold(f64::INFINITY, f64::min) > 0.5 * largest {
            return Range::tight(values);
        }
        let high = if largest > 0.0 { largest } else { 1.0 };
        Range { low: if signed { -high } else { 0.0 }, high, signed }
    }

    /// The range that the values fill, for figures that differ little from one another.
    pub fn tight(values: &[f64]) -> Range {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let (low, high) =
            (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
        if low < high && low.is_finite() && high.is_finite() {
            Range { low, high, signed: false }
        } else {
            // One value only: give it some room.
            let value = if low.is_finite() { low } else { 0.0 };
            let room = if value == 0.0 { 1.0 } else { 0.1 * value.abs() };
            Range { low: value - room, high: value + room, signed: false }
        }
    }

    /// With some room at both ends.
    pub fn padded(self) -> Range {
        let room = 0.05 * (self.high - self.low);
        Range { low: self.low - room, high: self.high + room, ..self }
    }

    pub fn colour(&self, value: f64) -> Colour {
        if !value.is_finite() {
            return NO_NUMBER;
        }
        let t = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        let colour = if self.signed { RED_BLUE.eval_continuous(1.0 - t) } else { VIRIDIS.eval_continuous(t) };
        [colour.r, colour.g, colour.b]
    }

    /// About `count` round numbers in the range, each with its text.
    pub fn ticks(&self, count: usize) -> Vec<(f64, String)> {
        let span = self.high - self.low;
        let rough = span / count.max(1) as f64;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * power).find(|&s| s >= rough * 0.999);
        let step = step.unwrap_or(10.0 * power);
        let first = (self.low / step - 1e-9).ceil() as i64;
        let last = (self.high / step + 1e-9).floor() as i64;
        let fixed = (1e-3..1e6).contains(&self.low.abs().max(self.high.abs()));
        (first..=last).map(|i| (i as f64 * step, text(i as f64 * step, step, fixed))).collect()
    }
}

/// A multiple of `step` in as many digits as it needs.
fn text(value: f64, step: f64, fixed: bool) -> String {
    if !fixed && value == 0.0 {
        return "0".into();
    }
    if !fixed {
        let digits = (value.abs().log10().floor() - step.log10().floor()).max(0.0) as usize;
        return format!("{value:.digits$e}");
    }
    let digits = (-step.log10().floor()).max(0.0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(low: f64, high: f64) -> Vec<String> {
        Range { low, high, signed: false }.ticks(5).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(texts(0.0, 1.0), ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(texts(-3.0, 3.0), ["-2", "0", "2"]);
        assert_eq!(texts(0.0, 0.002), ["0.0000", "0.0005", "0.0010", "0.0015", "0.0020"]);
        assert_eq!(texts(0.0995, 0.1005), ["0.0996", "0.0998", "0.1000", "0.1002", "0.1004"]);
        assert_eq!(texts(0.0, 2.4e-7), ["0", "5e-8", "1.0e-7", "1.5e-7", "2.0e-7"]);
    }

    #[test]
    fn colours_run_from_end_to_end() {
        let range = Range::of(&[0.0, 2.0, f64::NAN], false);
        assert_eq!((range.low, range.high), (0.0, 2.0));
        // The ends of viridis as its authors published it.
        assert_eq!((range.colour(0.0), range.colour(2.0)), ([68, 1, 84], [253, 231, 37]));
        assert_eq!(range.colour(f64::NAN), NO_NUMBER);
        let near = Range::of(&[0.10, 0.11], false);
        assert_eq!((near.low, near.high), (0.10, 0.11));
        let signed = Range::of(&[-1.0, 0.5], true);
        assert_eq!((signed.low, signed.high), (-1.0, 1.0));
        let [r, _, b] = signed.colour(-1.0);
        assert!(b > r, "negative is blue");
        let [r, _, b] = signed.colour(1.0);
        assert!(r > b, "positive is red");
        assert!(signed.colour(0.0).iter().all(|&c| c > 225), "zero is white");
    }
}
