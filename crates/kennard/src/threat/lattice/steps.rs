//! The numbers that elements of valid points hold.

use std::fmt;

/// All multiples of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Steps {
    /// How many steps one unit has.
    per_unit: f64,
}

/// What single precision leaves of a level is taken for it: this part of a step, or this many units in the last place.
const NEAR: (f64, f64) = (1e-4, 4.0);

impl Steps {
    /// Whole numbers.
    pub const WHOLE: Steps = Steps { per_unit: 1.0 };

    pub fn per_unit(per_unit: f64) -> Steps {
        Steps { per_unit }
    }

    /// The steps of these two that are smaller.
    pub fn finer(self, other: Steps) -> Steps {
        if other.per_unit > self.per_unit { other } else { self }
    }

    /// The step.
    pub fn size(self) -> f64 {
        1.0 / self.per_unit
    }

    /// The step as people write it.
    pub fn size_text(self) -> String {
        match self.per_unit {
            whole if whole > 1.0 && whole.fract() == 0.0 => format!("1/{whole}"),
            _ => self.size().to_string(),
        }
    }

    /// How many steps a number is.
    pub fn level(self, x: f32) -> f32 {
        if self == Steps::WHOLE {
            return x;
        }
        let level = f64::from(x) * self.per_unit;
        let (part, units) = NEAR;
        let near = part.max(units * f64::from(f32::EPSILON) * level.abs());
        (if (level - level.round()).abs() <= near { level.round() } else { level }) as f32
    }

    fn value(self, level: f32) -> f32 {
        (f64::from(level) / self.per_unit) as f32
    }

    /// The number at a level; at that of `origin`, it.
    pub fn value_from(self, origin: f32, level: f32) -> f32 {
        if self != Steps::WHOLE && level == self.level(origin) { origin } else { self.value(level) }
    }

    /// Whether a number is one of these.
    pub fn hold(self, x: f32) -> bool {
        x.is_finite() && self.level(x).fract() == 0.0
    }

    /// The largest that is not above `x`, to the last digit; at the level of `origin`, it.
    pub fn at_most(self, origin: f32, x: f32) -> f32 {
        let level = self.level(x).floor();
        let value = self.value_from(origin, level);
        if value > x { self.value_from(origin, level - 1.0) } else { value }
    }

    /// The smallest that is not below `x`, to the last digit; at the level of `origin`, it.
    pub fn at_least(self, origin: f32, x: f32) -> f32 {
        let level = self.level(x).ceil();
        let value = self.value_from(origin, level);
        if value < x { self.value_from(origin, level + 1.0) } else { value }
    }

    /// The number a few steps from one of these; at the level of `origin`, it.
    pub fn beyond(self, origin: f32, x: f32, steps: f32) -> f32 {
        self.value_from(origin, self.level(x) + steps)
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self == Steps::WHOLE {
            true => f.write_str("whole numbers"),
            false => write!(f, "multiples of {}", self.size_text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes divided by 255 are levels, and so is what single precision makes of them on other ways.
    #[test]
    fn levels_are_met_as_single_precision_has_them() {
        let steps = Steps::per_unit(255.0);
        for byte in 0..=255u8 {
            let (level, x) = (f32::from(byte), f32::from(byte) / 255.0);
            assert_eq!((steps.level(x), steps.value(level)), (level, x));
            for near in [x.next_up(), x.next_down(), level * (1.0 / 255.0)] {
                assert!(steps.hold(near) && steps.value_from(near, level) == near, "{near}");
            }
            assert_eq!([steps.at_most(x, x), steps.at_least(x, x)], [x; 2]);
            assert_eq!(steps.at_most(x, x.next_down()), steps.value(level - 1.0));
            assert_eq!(steps.at_least(x, x.next_up()), steps.value(level + 1.0));
            assert_eq!(steps.beyond(x, x, -1.0), steps.value(level - 1.0));
            // A sample beside its level stays where it is, and is within ends that are there too.
            for own in [x.next_up(), x.next_down()] {
                assert_eq!([steps.at_most(own, own), steps.at_least(own, own)], [own; 2]);
                assert_eq!(steps.beyond(own, steps.value(level + 1.0), -1.0), own);
            }
            assert!(!steps.hold((level + 0.01) / 255.0));
        }
        assert!(!steps.hold(f32::NAN) && !steps.hold(f32::INFINITY));
        assert_eq!(
            [steps.at_most(0.0, f32::INFINITY), steps.at_least(0.0, f32::NEG_INFINITY)],
            [f32::INFINITY, f32::NEG_INFINITY]
        );
    }

    #[test]
    fn steps_are_said_as_people_write_them() {
        let said = |per_unit| Steps::per_unit(per_unit).to_string();
        assert_eq!([1.0, 255.0, 0.25].map(said), ["whole numbers", "multiples of 1/255", "multiples of 4"]);
        assert_eq!(Steps::per_unit(0.25).finer(Steps::WHOLE), Steps::WHOLE);
    }
}
