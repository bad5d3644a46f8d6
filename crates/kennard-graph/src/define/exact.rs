//! Sums and differences without rounding, as sums of several numbers (Shewchuk 1997, "Adaptive precision floating-point arithmetic").

/// The number nearest to `a − b`, and what is lacking: their sum is the difference, unless it overflows.
pub(super) fn difference(a: f32, b: f32) -> [f32; 2] {
    let high = a - b;
    let taken = a - high;
    let low = (a - (high + taken)) + (taken - b);
    [high, low]
}

/// A number as a sum of doubles that do not overlap, the largest last.
#[derive(Default)]
pub(super) struct Expansion(Vec<f64>);

impl Expansion {
    /// Adds a term.
    pub fn add(&mut self, term: f64) {
        let (mut sum, mut kept) = (term, 0);
        for i in 0..self.0.len() {
            let (mut large, mut small) = (sum, self.0[i]);
            if large.abs() < small.abs() {
                (large, small) = (small, large);
            }
            sum = large + small;
            let lost = small - (sum - large);
            if lost != 0.0 {
                self.0[kept] = lost;
                kept += 1;
            }
        }
        self.0.truncate(kept);
        if sum != 0.0 {
            self.0.push(sum);
        }
    }

    /// The same number as a sum of at most `most` numbers of single precision, the largest first; nothing where that cannot be.
    pub fn pieces(mut self, most: usize) -> Option<Vec<f32>> {
        let mut pieces = Vec::new();
        while !self.0.is_empty() {
            let piece = self.0.iter().rev().sum::<f64>() as f32;
            if piece == 0.0 || !piece.is_finite() || pieces.len() == most {
                return None;
            }
            pieces.push(piece);
            self.add(-f64::from(piece));
        }
        Some(pieces)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: `1 − 2⁻³⁰` takes two numbers of single precision, `(1 + 2⁻²³)²` too, a square of 2⁻¹⁰⁰ none.
    #[test]
    fn nothing_is_lost() {
        let power = |n: i32| 2f64.powi(n);
        assert_eq!(difference(1.0, power(-30) as f32), [1.0, -power(-30) as f32]);
        assert_eq!(difference(power(-30) as f32, 1.0), [-1.0, power(-30) as f32]);
        let of = |terms: &[f64]| {
            let mut sum = Expansion::default();
            terms.iter().for_each(|term| sum.add(*term));
            sum.pieces(8)
        };
        let square = [1.0, 2.0 * power(-23), power(-46)];
        assert_eq!(of(&square), Some(vec![(1.0 + power(-22)) as f32, power(-46) as f32]));
        assert_eq!(of(&[1e30, 1.0, -1e30]), Some(vec![1.0]));
        assert_eq!(of(&[power(60), power(-60), -power(60)]), Some(vec![power(-60) as f32]));
        assert_eq!(of(&[1.0, -1.0]), Some(vec![]));
        assert_eq!((of(&[power(-200)]), of(&[power(200)]), of(&[f64::NAN])), (None, None, None));
    }
}
