//! Figures of audits that are followed from epoch to epoch.

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{Distances, Summary};
use crate::Figure;
use crate::picture::{Curve, Panel, Panels};

/// The panels from top to bottom: the ordinate, and the curves with the keys of their figures.
const PANELS: [(&str, &[(&str, &str)]); 5] = [
    ("accuracy [1]", &[("clean", "clean"), ("robust", "robust"), ("certified", "certified")]),
    ("excess [1]", &[("σ_x / s − 1", "excess_x"), ("2 s σ_p − 1", "excess_p")]),
    ("drift [1]", &[("drift", "drift")]),
    ("share of ψ² [1]", &[("misclassified", "misclassified")]),
    (
        "distance [input unit]",
        &[
            ("closest found", "closest"),
            ("predicted at centres", "distances.predicted"),
            ("found at centres", "distances.found"),
            ("first order at centres", "distances.first_order"),
        ],
    ),
];

/// Figures of packets at the fitted temperature, where there are some: their keys, and those of the file. No panel has them.
const FITTED: [(&str, &str); 4] = [
    ("fitted.excess_x", "excess_x"),
    ("fitted.excess_p", "excess_p"),
    ("fitted.drift", "drift"),
    ("fitted.misclassified", "misclassified"),
];

/// The figures of one audit that are followed over time, by their keys; what the audit does not have is missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Followed(Vec<(&'static str, Figure)>);

impl Followed {
    /// The figures of an audit.
    pub fn of(summary: &Summary) -> Followed {
        let share = |value: Option<f64>, interval: Option<[f64; 2]>| Some(Figure::new(value?, interval?));
        let robust = summary.robust.as_ref();
        // By the keys of the file: which figures an audit has is for it to say.
        let file = serde_json::to_value(summary).unwrap_or_default();
        let keys = PANELS.iter().flat_map(|(_, curves)| curves.iter().map(|(_, key)| *key));
        let known = keys.filter_map(|key| {
            let figure = match key {
                "clean" => share(summary.clean.accuracy, summary.clean.interval),
                "robust" => robust.and_then(|robust| share(robust.robust_accuracy, robust.interval)),
                "certified" => summary
                    .certified
                    .as_ref()
                    .and_then(|certified| share(certified.certified_accuracy, certified.interval)),
                "closest" => summary.closest.as_ref().and_then(median),
                _ => match key.split_once('.') {
                    Some((part, key)) => file.get(part).and_then(|part| figure(part, key)),
                    None => file.pointer("/packets/0").and_then(|packet| figure(packet, key)),
                },
            };
            Some((key, figure?))
        });
        let tempered = summary.packets.iter().position(|packet| packet.temperature.is_some());
        let packet = tempered.and_then(|place| file.pointer(&format!("/packets/{place}")));
        let fitted = FITTED.iter().filter_map(|(name, key)| Some((*name, figure(packet?, key)?)));
        Followed(known.chain(fitted).collect())
    }

    /// The figures that all of these have, each made one by `over`: their mean over seeds, say.
    pub fn joined(all: &[&Followed], over: impl Fn(&[f64]) -> Option<Figure>) -> Followed {
        let keys = all.first().map_or(&[][..], |first| &first.0).iter().map(|(key, _)| *key);
        let joined = keys.filter_map(|key| {
            let values: Option<Vec<f64>> =
                all.iter().map(|one| one.figure(key).map(|figure| figure.value)).collect();
            Some((key, over(&values?)?))
        });
        Followed(joined.collect())
    }

    /// A figure by its key.
    pub fn figure(&self, key: &str) -> Option<Figure> {
        self.0.iter().find(|(known, _)| *known == key).map(|(_, figure)| *figure)
    }

    /// The figures at times, in panels below one another.
    pub fn over_time<'a>(
        found: impl Iterator<Item = (f64, &'a Followed)> + Clone,
        title: &str,
        x: &str,
    ) -> Panels {
        let curve = |name: &str, key: &str| {
            let at = |(x, followed): (f64, &Followed)| {
                let figure = followed.figure(key)?;
                Some((x, figure.value, figure.known_interval()?))
            };
            Curve::new(name, found.clone().filter_map(at))
        };
        let panel = |(y, curves): &(&str, &[(&str, &str)])| Panel {
            y: (*y).into(),
            curves: curves
                .iter()
                .map(|(name, key)| curve(name, key))
                .filter(|curve| !curve.figures.is_empty())
                .collect(),
        };
        let panels = PANELS.iter().map(panel).filter(|panel| !panel.curves.is_empty()).collect();
        Panels { title: title.into(), x: x.into(), panels }
    }
}

impl Serialize for Followed {
    /// `{"clean": {"value": 0.9, "interval": [0.88, 0.92]}, …}`
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, figure)| (key, figure)))
    }
}

/// A figure of a part of a summary: `{"drift": 1.0, "drift_interval": [0.9, 1.1]}`, or with both in one object.
fn figure(packet: &Value, key: &str) -> Option<Figure> {
    let number = packet.get(key)?;
    let (value, interval) = match number.as_f64() {
        Some(value) => (value, packet.get(format!("{key}_interval"))),
        None => (number.get("value")?.as_f64()?, number.get("interval")),
    };
    // Without an interval nothing tells a trend from noise; null is that of too few values, of which a mean over seeds may be.
    let interval = interval?;
    if interval.is_null() {
        return Some(Figure::perhaps(value, None));
    }
    let end = |i: usize| interval.get(i).and_then(Value::as_f64);
    Some(Figure::new(value, [end(0)?, end(1)?]))
}

/// The median distance, where both ends of its interval are known.
fn median(distances: &Distances) -> Option<Figure> {
    let [low, high] = distances.median_interval;
    Some(Figure::new(distances.quartiles[1]?, [low?, high?]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_come_from_a_summary_as_it_is() {
        let packet = json!({
            "drift": 1.0, "drift_interval": [0.9, 1.1], "sigma_x": 0.1,
            "excess_x": { "value": 0.01, "interval": [0.005, 0.015] }, "misclassified": null,
            "found": { "value": 0.2, "interval": null },
        });
        let few = figure(&packet, "found").unwrap();
        assert!(few.value == 0.2 && few.known_interval().is_none());
        assert_eq!(figure(&packet, "drift"), Some(Figure::new(1.0, [0.9, 1.1])));
        assert_eq!(figure(&packet, "excess_x"), Some(Figure::new(0.01, [0.005, 0.015])));
        for missing in ["excess_p", "misclassified", "sigma_x"] {
            assert_eq!(figure(&packet, missing), None, "{missing}");
        }
    }
}
