//! Directions through a sample.

use std::fmt;
use std::str::FromStr;

use crate::packet::vector::{axpy, dot};
use crate::{Error, PacketError, Result};

/// A direction through a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Direction {
    /// Along the gradient of the loss at the sample.
    Gradient,
    /// Along the leading mode of the packet of all dimensions, by sampling.
    Mode,
    /// Towards another sample, by its place in the data set.
    Towards(usize),
}

impl FromStr for Direction {
    type Err = Error;

    fn from_str(text: &str) -> Result<Direction> {
        match text {
            "gradient" => Ok(Direction::Gradient),
            "mode" => Ok(Direction::Mode),
            _ => text.parse().map(Direction::Towards).map_err(|_| Error::Unreadable {
                text: text.into(),
                what: "direction",
                form: "known are gradient, mode, and the number of another sample".into(),
            }),
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Direction::Gradient => f.write_str("gradient"),
            Direction::Mode => f.write_str("mode"),
            Direction::Towards(index) => write!(f, "sample {index}"),
        }
    }
}

/// A second direction must have this share of its length orthogonal to the first.
const APART: f64 = 1e-3;

/// Unit vectors of the directions, each with what it shares with those before taken off.
pub(super) fn orthonormal(directions: Vec<Vec<f64>>, names: &[String]) -> Result<Vec<Vec<f64>>> {
    let mut axes: Vec<Vec<f64>> = Vec::new();
    for (mut direction, name) in directions.into_iter().zip(names) {
        let length = dot(&direction, &direction).sqrt();
        if !(length > 0.0 && length.is_finite()) {
            return Err(PacketError::NoDirection { name: name.clone(), length }.into());
        }
        direction.iter_mut().for_each(|x| *x /= length);
        for axis in &axes {
            let shared = dot(axis, &direction);
            axpy(&mut direction, -shared, axis);
        }
        let rest = dot(&direction, &direction).sqrt();
        if rest < APART {
            return Err(PacketError::SameDirection { name: name.clone() }.into());
        }
        direction.iter_mut().for_each(|x| *x /= rest);
        axes.push(direction);
    }
    Ok(axes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_are_read_as_written() {
        for text in ["gradient", "mode"] {
            assert_eq!(text.parse::<Direction>().unwrap().to_string(), text);
        }
        assert_eq!("12".parse::<Direction>().unwrap(), Direction::Towards(12));
        assert!("drft".parse::<Direction>().unwrap_err().to_string().contains("gradient, mode"));
    }
}
