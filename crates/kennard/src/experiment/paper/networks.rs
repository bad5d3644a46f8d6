//! What goes with robust accuracy over networks: median distances of their images, beside the gradient's norm.

use std::path::Path;

use super::claim::worded;
use crate::Result;
use crate::audit::{FinishedRun, Predictions, Record};
use crate::experiment::{Lab, Point, TrainingRun};
use crate::figure::Figure;
use crate::stats::{median, rank_correlation};

/// What may grow with robust accuracy, in the order of a row.
const FIGURES: [&str; 3] =
    ["median packet distance", "median first-order distance", "inverse median gradient norm"];
/// The places in a row of the first and the last of them; robust accuracy is at 0.
const PACKET: usize = 1;
const GRADIENT: usize = 3;

/// A network: its robust accuracy, then median packet distance, first-order distance, and inverse gradient norm over the images
/// that are classified correctly and were measured.
pub type NetworkRow = [f64; 4];

/// The networks of a sweep, each audited in its directory under `out`.
///
/// # Errors
/// When an audit cannot be read.
pub fn rows(lab: &dyn Lab, out: &Path, points: &[Point]) -> Result<Vec<NetworkRow>> {
    let row = |(run, point): (&TrainingRun, &Point)| {
        let audited = FinishedRun::open(&out.join(&run.name).join("audit"))?;
        Ok(row(point.robust.value, &audited.outcome.records))
    };
    lab.runs().iter().zip(points).map(row).collect()
}

fn row(robust: f64, records: &[Record]) -> NetworkRow {
    let measured = |record: &&Record| record.is_correct() && record.predictions != Predictions::default();
    let middle = |of: fn(&Predictions) -> Option<f64>| {
        // What was not found is beyond all others.
        let values =
            records.iter().filter(measured).map(|record| of(&record.predictions).unwrap_or(f64::INFINITY));
        median(values).map_or(f64::NAN, |(middle, _)| middle.min(f64::MAX))
    };
    [robust, middle(|p| p.packet), middle(|p| p.first_order), 1.0 / middle(|p| p.gradient_norm)]
}

/// The rank correlation of a figure with robust accuracy over networks.
fn correlation<'r>(rows: impl Iterator<Item = &'r NetworkRow>, figure: usize) -> Option<f64> {
    rank_correlation(&rows.map(|row| (row[figure], row[0])).collect::<Vec<_>>())
}

/// For each seed, the rank correlation of the inverse gradient norm with robust accuracy; NaN where there is none.
pub fn of_gradients(seeds: &[Vec<NetworkRow>]) -> Vec<f64> {
    seeds.iter().map(|rows| correlation(rows.iter(), GRADIENT).unwrap_or(f64::NAN)).collect()
}

/// For each seed, how much larger that of the packet distance is.
pub fn differences(seeds: &[Vec<NetworkRow>]) -> Vec<f64> {
    let difference = |rows: &Vec<NetworkRow>| {
        Some(correlation(rows.iter(), PACKET)? - correlation(rows.iter(), GRADIENT)?)
    };
    seeds.iter().map(|rows| difference(rows).unwrap_or(f64::NAN)).collect()
}

/// The rank correlations over the networks of all seeds together, with intervals of the bootstrap over seeds, in Markdown.
pub fn table(seeds: &[Vec<NetworkRow>]) -> String {
    let networks: usize = seeds.iter().map(Vec::len).sum();
    let pooled = |chosen: &[&Vec<NetworkRow>], figure: usize| {
        correlation(chosen.iter().flat_map(|rows| rows.iter()), figure)
    };
    let cell = |figure: Option<Figure>| figure.map_or("–".into(), |figure| worded(&figure));
    let mut text = format!(
        "\n## Over networks\n\nRank correlations with robust accuracy over the {networks} networks of all seeds, 95 % intervals by the \
         bootstrap over seeds; the difference is to the {}.\n\n| figure | ρ | difference |\n|---|---|---|\n",
        FIGURES[GRADIENT - 1]
    );
    for (place, name) in FIGURES.iter().enumerate() {
        let figure = place + 1;
        let rho = Figure::over_clusters(seeds, |chosen| pooled(chosen, figure));
        let apart = |chosen: &[&Vec<NetworkRow>]| Some(pooled(chosen, figure)? - pooled(chosen, GRADIENT)?);
        let difference = (figure != GRADIENT).then(|| Figure::over_clusters(seeds, apart)).flatten();
        text += &format!("| {name} | {} | {} |\n", cell(rho), cell(difference));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: packet distances in the order of robust accuracy in every seed have 1, inverse gradient norms against it −1; pooled
    /// over seeds as well, where seeds do not differ.
    #[test]
    fn correlations_by_hand() {
        let seed =
            |_| -> Vec<NetworkRow> { (0..6).map(f64::from).map(|x| [x, x * x, x.exp(), -x]).collect() };
        let seeds: Vec<Vec<NetworkRow>> = (0..5).map(seed).collect();
        let near = |found: Vec<f64>, expected: f64| found.iter().all(|rho| (rho - expected).abs() < 1e-12);
        assert!(near(of_gradients(&seeds), -1.0) && near(differences(&seeds), 2.0));
        let text = table(&seeds);
        assert!(text.contains("the 30 networks"), "{text}");
        assert!(text.contains("| median packet distance | 1 [1, 1] | 2 [2, 2] |"), "{text}");
        assert!(text.contains("| inverse median gradient norm | -1 [-1, -1] | – |"), "{text}");
    }

    /// Medians are of images that are classified correctly and were measured; one without a crossing counts as farther than all.
    #[test]
    fn medians_are_of_measured_images() {
        let record = |prediction: usize, packet: Option<f64>| Record {
            prediction: Some(prediction),
            predictions: Predictions { packet, gradient_norm: Some(0.5), ..Predictions::default() },
            ..Record::default()
        };
        let mut records =
            vec![record(0, Some(0.3)), record(0, None), record(0, Some(0.1)), record(1, Some(9.0))];
        records.push(Record { prediction: Some(0), ..Record::default() });
        assert_eq!(row(0.7, &records), [0.7, 0.3, f64::MAX, 2.0]);
    }
}
