//! How well figures of images go with their distances to the decision boundary.

use serde::Serialize;

use crate::figure::Figure;
use crate::stats::rank_correlation;

/// How well one figure goes with the distance, and how much better than another figure does.
#[derive(Clone, Debug, Serialize)]
pub struct Correlated {
    /// The figure.
    pub figure: String,
    /// How many images have it, and the other.
    pub images: usize,
    /// Spearman's rank correlation with the smallest norm found; interval over images.
    pub rho: Figure,
    /// This correlation less that of the other figure, on the same images.
    pub difference: Figure,
}

/// The rank correlations of each figure with the distance. `rows` are images: the distance, then the figures as `names` has them.
/// Differences are to the figure of the name `other`. Figures that fewer than 4 images have, or that are the same for all, are
/// left out.
pub fn correlate(names: &[String], rows: &[(f64, Vec<Option<f64>>)], other: &str) -> Vec<Correlated> {
    let Some(other) = names.iter().position(|name| name == other) else { return Vec::new() };
    let of = |(place, name): (usize, &String)| -> Option<Correlated> {
        let image = |(distance, figures): &(f64, Vec<Option<f64>>)| {
            Some([*distance, figures[place]?, figures[other]?])
        };
        let images: Vec<[f64; 3]> = rows.iter().filter_map(image).collect();
        let rho = |chosen: &[&[f64; 3]], figure: usize| {
            rank_correlation(&chosen.iter().map(|image| (image[figure], image[0])).collect::<Vec<_>>())
        };
        let difference = |chosen: &[&[f64; 3]]| Some(rho(chosen, 1)? - rho(chosen, 2)?);
        Some(Correlated {
            figure: name.clone(),
            images: images.len(),
            rho: Figure::over_clusters(&images, |chosen| rho(chosen, 1))?,
            difference: Figure::over_clusters(&images, difference)?,
        })
    };
    names.iter().enumerate().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A figure in order has 1, one against it −1, and differences follow; images without a figure are left out of that
    /// figure alone.
    #[test]
    fn correlations_by_hand() {
        let names = ["same", "opposite", "some"].map(String::from);
        let row = |i: usize| {
            let x = i as f64;
            (x, vec![Some(x), Some(-x), (i >= 5).then(|| x.powi(3))])
        };
        let rows: Vec<(f64, Vec<Option<f64>>)> = (0..30).map(row).collect();
        let found = correlate(&names, &rows, "same");
        let figures: Vec<(f64, f64, usize)> =
            found.iter().map(|c| (c.rho.value, c.difference.value, c.images)).collect();
        assert_eq!(figures, [(1.0, 0.0, 30), (-1.0, -2.0, 30), (1.0, 0.0, 25)]);
        assert!(correlate(&names, &rows, "none").is_empty());
    }
}
