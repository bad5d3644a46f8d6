//! Inner loops, compiled for the vector units that the machine has.
//!
//! Sums have a fixed order, in [`LANES`] interleaved parts, and products are rounded before they are
//! added: results are the same on every machine.

use pulp::Arch;

const LANES: usize = 8;

/// The scalar product.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let [product] = several([a], b);
            product
        },
    )
}

/// The scalar products of rows with `x`.
pub(crate) fn dots(rows: &[Vec<f64>], x: &[f64], products: &mut [f64]) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let (rows, rows_rest) = rows.as_chunks::<4>();
            let (products, products_rest) = products.as_chunks_mut::<4>();
            for (products, [a, b, c, d]) in products.iter_mut().zip(rows) {
                *products = several([a, b, c, d], x);
            }
            for (product, row) in products_rest.iter_mut().zip(rows_rest) {
                [*product] = several([row], x);
            }
        },
    );
}

/// The scalar products of the N columns of a matrix (d rows) with `x` (d). Each column has a lane of its own:
/// three times as fast as [`dots`], which reads rows from as many places.
pub(crate) fn columns<const N: usize>(matrix: &[[f64; N]], x: &[f64]) -> [f64; N] {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            let mut sums = [0.0; N];
            for (row, &x) in matrix.iter().zip(x) {
                for lane in 0..N {
                    sums[lane] += row[lane] * x;
                }
            }
            sums
        },
    )
}

/// Scalar products side by side, so that no sum waits for another.
#[inline(always)]
fn several<const N: usize>(rows: [&[f64]; N], x: &[f64]) -> [f64; N] {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let rows = rows.map(|row| (row[..x.len()].as_chunks::<LANES>().0, &row[x.len() - rest.len()..x.len()]));
    let mut lanes = [[0.0; LANES]; N];
    for (i, x) in chunks.iter().enumerate() {
        for (lanes, (row, _)) in lanes.iter_mut().zip(&rows) {
            let row = &row[i];
            for lane in 0..LANES {
                lanes[lane] += row[lane] * x[lane];
            }
        }
    }
    std::array::from_fn(|k| {
        let rest: f64 = rows[k].1.iter().zip(rest).map(|(a, b)| a * b).sum();
        lanes[k].iter().sum::<f64>() + rest
    })
}

/// `y += a x`
pub(crate) fn axpy(y: &mut [f64], a: f64, x: &[f64]) {
    Arch::new().dispatch(
        #[inline(always)]
        || y.iter_mut().zip(x).for_each(|(y, x)| *y += a * x),
    );
}

/// The sums that a sample `z`, `h` (d each) of weight `weight` is added to, coordinate by coordinate.
pub(crate) struct Targets<'a> {
    /// Σ w z, Σ w h
    pub z: &'a mut [f64],
    pub h: &'a mut [f64],
    /// Σ w z h, Σ w h²
    pub zh: &'a mut [f64],
    pub hh: &'a mut [f64],
}

impl Targets<'_> {
    /// Adds the sample, and returns `z·z`, `z·h` and `h·h`.
    pub fn add(self, weight: f64, z: &[f64], h: &[f64]) -> [f64; 3] {
        Arch::new().dispatch(
            #[inline(always)]
            move || self.add_here(weight, z, h),
        )
    }

    #[inline(always)]
    fn add_here(self, weight: f64, z: &[f64], h: &[f64]) -> [f64; 3] {
        let n = z.len();
        let (z, z_rest) = z.as_chunks::<LANES>();
        let (h, h_rest) = h[..n].as_chunks::<LANES>();
        let (sum_z, sum_z_rest) = self.z[..n].as_chunks_mut::<LANES>();
        let (sum_h, sum_h_rest) = self.h[..n].as_chunks_mut::<LANES>();
        let (sum_zh, sum_zh_rest) = self.zh[..n].as_chunks_mut::<LANES>();
        let (sum_hh, sum_hh_rest) = self.hh[..n].as_chunks_mut::<LANES>();
        let mut lanes = [[0.0; LANES]; 3];
        let sums = sum_z.iter_mut().zip(sum_h).zip(sum_zh.iter_mut().zip(sum_hh));
        for ((z, h), ((sum_z, sum_h), (sum_zh, sum_hh))) in z.iter().zip(h).zip(sums) {
            for lane in 0..LANES {
                let (z, h) = (z[lane], h[lane]);
                let weighted = weight * h;
                sum_z[lane] += weight * z;
                sum_h[lane] += weighted;
                sum_zh[lane] += weighted * z;
                sum_hh[lane] += weighted * h;
                lanes[0][lane] += z * z;
                lanes[1][lane] += z * h;
                lanes[2][lane] += h * h;
            }
        }
        let mut products = lanes.map(|lanes| lanes.iter().sum::<f64>());
        for (i, (&z, &h)) in z_rest.iter().zip(h_rest).enumerate() {
            let weighted = weight * h;
            sum_z_rest[i] += weight * z;
            sum_h_rest[i] += weighted;
            sum_zh_rest[i] += weighted * z;
            sum_hh_rest[i] += weighted * h;
            products[0] += z * z;
            products[1] += z * h;
            products[2] += h * h;
        }
        products
    }
}

/// A point as packets see it: `z = (x − centre) · inverse`, `η = slope · gradient` (d each).
pub(crate) fn transform(
    (x, centre, inverse): (&[f32], &[f32], f64),
    (gradient, slope): (&[f32], f64),
    z: &mut [f64],
    h: &mut [f64],
) {
    Arch::new().dispatch(
        #[inline(always)]
        || {
            for ((z, &x), &centre) in z.iter_mut().zip(x).zip(centre) {
                *z = (f64::from(x) - f64::from(centre)) * inverse;
            }
            for (h, &gradient) in h.iter_mut().zip(gradient) {
                *h = slope * f64::from(gradient);
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole numbers, which sums in any order give exactly; an odd number of them.
    #[test]
    fn products_are_those_of_the_definition() {
        let matrix: Vec<[f64; 3]> = (0..21).map(|i| [i, 2 * i - 9, i % 5].map(f64::from)).collect();
        let x: Vec<f64> = (0..21).map(|i| f64::from(7 - i % 11)).collect();
        let rows: Vec<Vec<f64>> = (0..3).map(|k| matrix.iter().map(|row| row[k]).collect()).collect();
        let exact: Vec<f64> =
            rows.iter().map(|row| row.iter().zip(&x).map(|(a, b)| a * b).sum::<f64>()).collect();
        let mut products = [0.0; 3];
        dots(&rows, &x, &mut products);
        assert_eq!(products.as_slice(), exact);
        assert_eq!(columns(&matrix, &x).as_slice(), exact);
        assert_eq!(dot(&rows[1], &x), exact[1]);
    }
}
