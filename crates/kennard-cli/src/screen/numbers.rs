//! Numbers and figures as lines and words.

use kennard::Figure;
use kennard::experiment::short;
use kennard::packet::Modes;

/// What the network did to a packet: of the excess of both spreads, the modes, the drift, the dispersion and the share at
/// misclassified points the figures that there are, each with its meaning.
pub fn signal(
    [excess_x, excess_p]: [Option<Figure>; 2],
    modes: Option<&Modes>,
    [drift, dispersion, misclassified]: [Option<Figure>; 3],
) {
    let along_drift = modes.and_then(|modes| modes.drift.as_ref());
    let leading = modes.and_then(|modes| modes.leading.first());
    let figures = [
        ("excess σ_x", excess_x, "  σ_x/s − 1"),
        ("excess σ_p", excess_p, "  2 s σ_p − 1"),
        ("along drift", along_drift.map(|mode| mode.product), "  the product along the drift"),
        ("along modes", leading.map(|mode| mode.product), "  the product along the leading mode"),
        ("drift", drift, ""),
        ("dispersion", dispersion, ""),
        ("P(wrong)", misclassified, "  the packet's share at misclassified points"),
    ];
    for (name, figure, meaning) in figures {
        if let Some(figure) = figure {
            line(name, figure, meaning);
        }
    }
    if along_drift.is_some_and(|drift| !drift.resolved) {
        say!(
            "  the direction of the drift is not resolved: no interval along it; more points may resolve it"
        );
    }
}

/// A figure with its interval, if it has one.
pub fn line(name: &str, figure: Figure, note: &str) {
    written(name, figure, note, short);
}

/// The same of a distance, which may be infinite.
pub fn far_line(name: &str, figure: Figure, note: &str) {
    written(name, figure, note, far);
}

fn written(name: &str, figure: Figure, note: &str, number: fn(f64) -> String) {
    let interval = match figure.known_interval() {
        Some([low, high]) => format!("[{}, {}]", number(low), number(high)),
        None => "[too few for an interval]".into(),
    };
    say!("  {name:<11} {:>9}  {interval}{note}", number(figure.value));
}

/// A distance: one that was not found is beyond those that were.
pub fn far(distance: f64) -> String {
    if distance.is_infinite() { "beyond".into() } else { short(distance) }
}

/// A share with as many digits as its estimated error leaves.
pub fn to_error(share: f64, error: f64) -> String {
    let places = (-error.log10()).ceil().clamp(1.0, 6.0) as usize;
    format!("{share:.places$}")
}

/// Thousands set apart.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Two significant digits, thousands set apart.
pub fn rounded(value: f64) -> String {
    let unit = 10f64.powi((value.max(1.0).log10().floor() as i32 - 1).max(0));
    grouped(((value / unit).round() * unit) as u64)
}
