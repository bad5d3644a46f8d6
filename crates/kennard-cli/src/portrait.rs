//! The pictures of packets: maps of their spreads and modes, and curves over the scale.

use kennard::picture::{Chart, ChartPoint, Curve, Map};
use kennard::survey::{Figures, SurveyOutcome};
use kennard::{Figure, Result};

use crate::screen::short;

/// More channels than these are not drawn.
const PANELS: usize = 16;
/// How many modes are drawn.
const MODES: usize = 4;

/// Files by name: maps of `σ_x` and `σ_p` per figure of the curve, the leading modes of the first packet at
/// each scale, and, over several scales, the product and the leading modes; at the first of several temperatures. `shape` is
/// the tensor's.
pub fn pictures(outcome: &SurveyOutcome, shape: &[usize]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    let channels: usize = shape.iter().rev().skip(2).product();
    let maps_fit = !shape.is_empty() && channels <= PANELS;
    let at = outcome.curve.first().and_then(|figures| figures.temperature);
    let curve = || outcome.curve.iter().filter(|figures| figures.temperature == at);
    for figures in curve().filter(|_| maps_fit) {
        let suffix = suffix(figures);
        let maps = [
            ("sigma_x", "input units", &figures.sigma_x_map),
            ("sigma_p", "1/input units", &figures.sigma_p_map),
        ];
        for (title, unit, values) in maps.into_iter().filter(|(_, _, values)| !values.is_empty()) {
            let map = Map { title, unit, shape, values, signed: false };
            files.push((format!("{title}{suffix}.png"), map.png()?));
        }
        let same = |packet: &&Figures| {
            packet.scale == figures.scale && (figures.label.is_none() || packet.label == figures.label)
        };
        let first = outcome.packets.iter().find(same);
        let leading = first.and_then(|packet| packet.modes.as_ref()).map_or(&[][..], |modes| &modes.leading);
        for (n, mode) in leading.iter().take(MODES).enumerate().filter(|(_, mode)| !mode.direction.is_empty())
        {
            let (title, values) = (format!("mode {}", n + 1), &mode.direction);
            let map = Map { title: &title, unit: "1", shape, values, signed: true };
            files.push((format!("mode_{}{suffix}.png", n + 1), map.png()?));
        }
    }
    let scaled: Vec<&Figures> = curve().filter(|f| f.scale.is_some()).collect();
    if scaled.len() > 1 {
        let labels: Vec<Option<u64>> = scaled.iter().map(|f| f.label).collect();
        let several = labels.windows(2).any(|pair| pair[0] != pair[1]);
        if !several {
            files.extend(curves(&scaled)?);
        }
    }
    Ok(files)
}

/// A curve of figures, with their intervals as its band.
pub fn curve(name: &str, figures: impl Iterator<Item = (f64, Figure)>) -> Curve {
    let point = |(x, Figure { value, interval: [low, high], .. })| ChartPoint { x, value, low, high };
    let seen = figures.filter(|(_, figure)| figure.known_interval().is_some());
    Curve { name: name.into(), figures: seen.map(point).collect(), nested: false }
}

fn curves(scaled: &[&Figures]) -> Result<Vec<(String, Vec<u8>)>> {
    let curve = |name: &str, of: &dyn Fn(&Figures) -> Option<Figure>| {
        curve(name, scaled.iter().filter_map(|figures| Some((figures.scale?, of(figures)?))))
    };
    let leading = |n: usize| {
        move |f: &Figures| f.modes.as_ref().and_then(|modes| modes.leading.get(n)).map(|mode| mode.product)
    };
    let along_drift =
        |f: &Figures| f.modes.as_ref().and_then(|modes| modes.drift.as_ref()).map(|mode| mode.product);
    let x = "scale s [input units]".to_string();
    let chart = |title: &str, y: &str, curves: Vec<Curve>, bound| Chart {
        title: title.into(),
        x: x.clone(),
        y: y.into(),
        curves: curves.into_iter().filter(|curve| !curve.figures.is_empty()).collect(),
        linear: false,
        bound,
    };
    let product = chart(
        "product of the spreads, 95 % bands",
        "σ_x σ_p [1]",
        vec![
            curve("all coordinates", &|f| Some(f.product)),
            curve("leading mode", &leading(0)),
            curve("drift", &along_drift),
        ],
        scaled.iter().find_map(|f| f.bound).map(|bound| ("bound".into(), bound)),
    );
    let excess = chart(
        "what the network adds to the window's spreads, 95 % bands",
        "excess [1]",
        vec![curve("σ_x/s − 1", &|f| f.excess_x), curve("2 s σ_p − 1", &|f| f.excess_p)],
        Some(("flat loss".into(), 0.0)),
    );
    let wrong = chart(
        "share of the packet at misclassified points, 95 % bands",
        "P(wrong) [1]",
        vec![curve("P(wrong)", &|f| f.misclassified)],
        None,
    );
    let drift = chart(
        "drift and dispersion, 95 % bands",
        "[1]",
        vec![curve("drift", &|f| f.drift), curve("dispersion", &|f| f.dispersion)],
        None,
    );
    let drawable =
        [("excess.svg", excess), ("product.svg", product), ("drift.svg", drift), ("wrong.svg", wrong)];
    let drawable = drawable.into_iter().filter(|(_, chart)| !chart.curves.is_empty());
    drawable.map(|(name, chart)| Ok((name.into(), chart.svg()?.into_bytes()))).collect()
}

fn suffix(figures: &Figures) -> String {
    let scale = figures.scale.map_or(String::new(), |scale| format!("_{}", short(scale)));
    figures.label.map_or(scale.clone(), |label| format!("{scale}_label{label}"))
}
