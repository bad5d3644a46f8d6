//! The share of a packet at misclassified points, by the midpoint rule.

/// Cells along each coordinate, of a line and of a plane.
const CELLS: [usize; 2] = [400, 40];
/// How many `σ_x` they reach to either side of the packet's mean.
const REACH: f64 = 5.0;

/// The midpoints (n×k) of cells around a packet of one or two coordinates, of each its mean and its spread.
pub(super) fn cells(coordinates: &[[f64; 2]]) -> Vec<f64> {
    let count = CELLS[usize::from(coordinates.len() > 1)];
    let place = |[mean, sigma]: [f64; 2], k: usize| {
        mean + (2.0 * (k as f64 + 0.5) / count as f64 - 1.0) * REACH * sigma
    };
    let mut points = Vec::new();
    for cell in 0..count.pow(coordinates.len() as u32) {
        let along = coordinates.iter().enumerate();
        points.extend(along.map(|(j, of)| place(*of, cell / count.pow(j as u32) % count)));
    }
    points
}

/// The share of `ψ²` at points where another class's logit is at least the label's: of `ln ψ²`, up to a constant, and of what
/// the other class leads by.
pub(super) fn misclassified(log_densities: &[f64], leads: &[f64]) -> f64 {
    let top = log_densities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut all, mut wrong) = (0.0, 0.0);
    for (log_density, lead) in log_densities.iter().zip(leads) {
        let density = (log_density - top).exp();
        all += density;
        wrong += if *lead >= 0.0 { density } else { 0.0 };
    }
    wrong / all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a normal density, what lies beyond its mean, and beyond one standard deviation.
    #[test]
    fn shares_are_those_of_a_normal_distribution() {
        for k in [1, 2] {
            let points = cells(&[[0.3, 0.5], [-0.2, 0.1]][..k]);
            let z: Vec<f64> = points.chunks_exact(k).map(|x| (x[0] - 0.3) / 0.5).collect();
            let density = |x: &[f64]| {
                let second = x.get(1).map_or(0.0, |x| (x + 0.2) / 0.1);
                -(((x[0] - 0.3) / 0.5).powi(2) + second.powi(2)) / 2.0 - 700.0
            };
            let log_densities: Vec<f64> = points.chunks_exact(k).map(density).collect();
            for (beyond, share) in [(0.0, 0.5), (1.0, 0.158_655)] {
                let leads: Vec<f64> = z.iter().map(|z| z - beyond).collect();
                let found = misclassified(&log_densities, &leads);
                assert!((found - share).abs() < 1e-3, "{k}, {beyond}: {found}");
            }
        }
    }
}
