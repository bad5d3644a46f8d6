//! Networks as points: what an audit found of each, side by side.

use itertools::Itertools;
use serde::Serialize;
use serde_json::json;

use super::{NamedFile, short};
use crate::audit::{Followed, PacketSummary, Summary};
use crate::figure::{paired, value_alone};
use crate::picture::Panels;
use crate::run::files::to_json;
use crate::stats::spearman;
use crate::{Figure, Result};

/// What is known of one network. Figures are NaN where they are not known, intervals are 95 % ones.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// Its name in tables and pictures.
    pub name: String,
    /// The epoch it comes from, if it comes from one.
    pub epoch: Option<usize>,
    /// The accuracy.
    #[serde(flatten, with = "paired::clean")]
    pub clean: Figure,
    /// The accuracy under all attacks.
    #[serde(flatten, with = "paired::robust")]
    pub robust: Figure,
    /// The accuracy that is proved, at the same epsilon on the same samples; NaN where nothing can be, or was not sought.
    #[serde(flatten, with = "paired::certified")]
    pub certified: Figure,
    /// The packet's spread, in input units.
    pub sigma_x: f64,
    /// The spread of its log-gradient, in 1/input units; the interval is over images, and not written.
    #[serde(serialize_with = "value_alone")]
    pub sigma_p: Figure,
    /// The product of the two; the bound is 1/2.
    pub product: f64,
    /// The drift, without a unit; the interval is over images, and not written.
    #[serde(serialize_with = "value_alone")]
    pub drift: Figure,
    /// The dispersion, without a unit.
    pub dispersion: f64,
    /// The mean cosine of a sample and its loss gradient.
    pub cosine: Option<f64>,
    /// Whether the packet's figures can be trusted.
    pub packet_valid: bool,
    /// Whether no other network is better in both accuracies.
    pub best: bool,
    /// How many classes it tells apart.
    pub classes: usize,
    /// Figures with their intervals, by name.
    #[serde(rename = "figures")]
    pub followed: Followed,
}

impl Point {
    /// The figures of a complete audit.
    pub fn of(name: String, epoch: Option<usize>, summary: &Summary) -> Point {
        let packet = summary.packets.first();
        let figure = |of: fn(&PacketSummary) -> f64| packet.map_or(f64::NAN, of);
        let share = |value: Option<f64>, interval: Option<[f64; 2]>| {
            Figure::new(value.unwrap_or(f64::NAN), interval.unwrap_or([0.0, 1.0]))
        };
        let (robust, certified) = (summary.robust.as_ref(), summary.certified.as_ref());
        Point {
            name,
            epoch,
            clean: share(summary.clean.accuracy, summary.clean.interval),
            robust: share(
                robust.and_then(|robust| robust.robust_accuracy),
                robust.and_then(|robust| robust.interval),
            ),
            certified: certified.map_or(Figure::UNKNOWN, |certified| {
                Figure::perhaps(certified.certified_accuracy.unwrap_or(f64::NAN), certified.interval)
            }),
            sigma_x: figure(|p| p.sigma_x),
            sigma_p: packet.map_or(Figure::UNKNOWN, PacketSummary::conjugate_spread),
            product: figure(|p| p.product.value),
            drift: packet.map_or(Figure::UNKNOWN, |p| p.drift),
            dispersion: figure(|p| p.dispersion.value),
            cosine: summary.cosines.as_ref().and_then(|c| c.cosine.as_ref()).map(|d| d.mean),
            packet_valid: packet.is_some_and(|p| p.valid),
            best: false,
            classes: summary.model.classes as usize,
            followed: Followed::of(summary),
        }
    }
}

impl Point {
    /// What [`Followed`] calls `key`, NaN where it is not known.
    pub fn figure(&self, key: &str) -> f64 {
        self.followed.figure(key).map_or(f64::NAN, |figure| figure.value)
    }
}

/// A figure with its name.
type NamedFigure = (&'static str, fn(&Point) -> f64);

/// The conjugate figures by their names.
const CONJUGATES: [NamedFigure; 8] = [
    ("sigma_p", |p| p.sigma_p.value),
    ("excess_p", |p| p.figure("excess_p")),
    ("excess_x", |p| p.figure("excess_x")),
    ("misclassified", |p| p.figure("misclassified")),
    ("drift", |p| p.drift.value),
    ("dispersion", |p| p.dispersion),
    ("product", |p| p.product),
    ("cosine", |p| p.cosine.unwrap_or(f64::NAN)),
];

/// A rank correlation over networks.
#[derive(Clone, Debug, Serialize)]
pub struct Correlation {
    /// One figure.
    pub of: String,
    /// The other.
    pub with: String,
    /// Spearman's rank correlation.
    pub rho: f64,
    /// Its 95 % interval.
    pub interval: [f64; 2],
    /// How many networks it is over.
    pub networks: usize,
}

/// The rank correlations of each conjugate figure with a column.
pub fn correlations(points: &[Point], with: &str, column: impl Fn(&Point) -> f64) -> Vec<Correlation> {
    let found = CONJUGATES.iter().filter_map(|(name, of)| {
        let pairs: Vec<(f64, f64)> = points.iter().map(|p| (column(p), of(p))).collect();
        let (rho, interval) = spearman(&pairs)?;
        Some(Correlation { of: (*name).into(), with: with.into(), rho, interval, networks: points.len() })
    });
    found.collect()
}

/// The table as JSON, CSV and Markdown, in files of this name, with the correlations with robust accuracy. `remark`
/// stands below the table.
pub(super) fn table_files(
    name: &str,
    points: &[Point],
    remark: &str,
) -> Result<(Vec<NamedFile>, Vec<Correlation>)> {
    let found = correlations(points, "robust accuracy", |p| p.robust.value);
    let of_epochs = points.iter().any(|point| point.epoch.is_some());
    let text = table(points) + "\n" + remark + &correlation_lines(&found, of_epochs);
    let files = vec![
        (format!("{name}.json"), to_json(&json!({ "points": points, "correlations": found }))?),
        (format!("{name}.csv"), csv(points).into_bytes()),
        (format!("{name}.md"), text.into_bytes()),
    ];
    Ok((files, found))
}

/// A column of the table, and what stands in it.
type Column = (&'static str, fn(&Point) -> String);

/// A column that is there where it is known of any network.
const CERTIFIED: &str = "certified";

/// σ_x and σ_p are told by what the network makes of the window's own.
const COLUMNS: [Column; 10] = [
    ("clean", |p| percent(p.clean.value)),
    ("robust", |p| percent(p.robust.value)),
    (CERTIFIED, |p| percent(p.certified.value)),
    ("σ_x", |p| known(p.sigma_x)),
    ("σ_x/s − 1", |p| known(p.figure("excess_x"))),
    ("2sσ_p − 1", |p| known(p.figure("excess_p"))),
    ("drift", |p| known(p.drift.value)),
    ("dispers.", |p| known(p.dispersion)),
    ("P_ψ wrong", |p| known(p.figure("misclassified"))),
    ("distance", |p| known(p.figure("distances.found"))),
];

/// A figure within its column, which has nine characters.
fn known(value: f64) -> String {
    if value.is_nan() {
        return "–".into();
    }
    let text = short(value);
    if text.chars().count() <= 9 { text } else { format!("{value:.1e}") }
}

fn percent(share: f64) -> String {
    if share.is_nan() { "–".into() } else { format!("{:.1} %", 100.0 * share) }
}

/// The table in Markdown, which reads well on a terminal too.
pub fn table(points: &[Point]) -> String {
    let doubtful = |p: &Point| !p.packet_valid && !p.drift.value.is_nan();
    let named = |p: &Point| in_a_cell(&p.name) + if doubtful(p) { " ✗" } else { "" };
    let width = points.iter().map(|p| named(p).chars().count()).max().unwrap_or(0).max(7);
    let head = |name: &str| format!("| {name:<width$} |");
    let certified = points.iter().any(|p| p.certified.value.is_finite());
    let columns: Vec<Column> =
        COLUMNS.into_iter().filter(|(name, _)| certified || *name != CERTIFIED).collect();
    let cells = |cell: &dyn Fn(&Column) -> String| columns.iter().map(cell).collect::<String>();
    let mut text = head("network") + &cells(&|(name, _)| format!(" {name:^9} |"));
    text += &format!("\n|-{}-|{}\n", "-".repeat(width), "-----------|".repeat(columns.len()));
    for p in points {
        text += &head(&named(p));
        text += &cells(&|(_, cell)| format!(" {:>9} |", cell(p)));
        text += "\n";
    }
    if points.iter().any(doubtful) {
        text += "\n✗ the packet has too few effective samples, or its Stein check fails\n";
    }
    text
}

/// What intervals of correlations over epochs are worth.
pub const SERIES: &str =
    "Epochs of one run are no independent draws: read the intervals as a lower limit of the doubt.";

/// A name without characters that end a line or steer a terminal.
pub(super) fn on_a_line(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.into() }).collect()
}

/// A name in a table of Markdown, whose cells end at strokes.
pub(in crate::experiment) fn in_a_cell(name: &str) -> String {
    on_a_line(name).replace('|', "\\|")
}

/// The correlations as lines. Checkpoints of one training run follow on each other, and intervals are those of independent
/// networks.
pub fn correlation_lines(found: &[Correlation], of_epochs: bool) -> String {
    let what = if of_epochs { "checkpoints" } else { "networks" };
    let line = |c: &Correlation| {
        format!(
            "rank correlation of {} with {}: {:+.2} [{:+.2}, {:+.2}], {} {what}\n",
            c.of, c.with, c.rho, c.interval[0], c.interval[1], c.networks
        )
    };
    let lines: String = found.iter().map(line).collect();
    match of_epochs && !found.is_empty() {
        true => lines + SERIES + "\n",
        false => lines,
    }
}

/// The table of points as comma-separated values.
pub fn csv(points: &[Point]) -> String {
    let mut text = String::from(
        "name,epoch,clean,clean_low,clean_high,robust,robust_low,robust_high,sigma_x,sigma_p,product,drift,dispersion,cosine,packet_valid,best,\
         excess_x,excess_x_low,excess_x_high,excess_p,excess_p_low,excess_p_high,misclassified,misclassified_low,misclassified_high,\
         distance,distance_low,distance_high,certified,certified_low,certified_high\n",
    );
    for p in points {
        let epoch = p.epoch.map_or(String::new(), |e| e.to_string());
        let cosine = p.cosine.map_or(String::new(), |c| c.to_string());
        let name = p.name.replace('"', "\"\"");
        let accuracies = [p.clean, p.robust];
        let accuracies =
            accuracies.iter().flat_map(|share| [share.value, share.interval[0], share.interval[1]]);
        let packet = [p.sigma_x, p.sigma_p.value, p.product, p.drift.value, p.dispersion];
        let figures = accuracies.chain(packet).join(",");
        let of_network =
            ["excess_x", "excess_p", "misclassified", "distances.found", "certified"].map(|key| {
                let Some(figure) = p.followed.figure(key) else { return ",,".to_string() };
                let ends = figure.known_interval().map_or(",".into(), |[low, high]| format!("{low},{high}"));
                format!("{},{ends}", figure.value)
            });
        text += &format!(
            "\"{name}\",{epoch},{figures},{cosine},{},{},{}\n",
            p.packet_valid,
            p.best,
            of_network.join(",")
        );
    }
    text
}

/// The figures of networks over the epochs, in panels below one another.
pub fn over_epochs(points: &[Point], title: &str) -> Panels {
    let times = points.iter().enumerate().map(|(i, p)| (p.epoch.unwrap_or(i + 1) as f64, &p.followed));
    Followed::over_time(times, title, "epoch [1]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_figures_fit_their_columns() {
        let figures = [
            (-1.158e-8, "-1.158e-8"),
            (-1.158e-10, "-1.2e-10"),
            (0.0, "0"),
            (0.000_123_4, "0.0001234"),
            (f64::NAN, "–"),
            (12.5, "12.5"),
        ];
        for (value, text) in figures {
            assert_eq!(known(value), text);
            assert!(known(-value).chars().count() <= 9, "{value}");
        }
    }
}
