//! The keys of `summary.json` are a promise. If this test fails, either mend the change, or raise
//! `version`, and say so in the changelog.

use std::sync::atomic::AtomicBool;

use crate::common::{engine, fashion, fixture, rten};
use kennard::attack::{Fab, Fgsm};
use kennard::audit::{Audit, PacketPlan};
use kennard::data::Selection;
use kennard::engine::EngineOptions;
use kennard::run::ModelSummary;
use kennard::{Graph, Norm, ThreatModel};
use serde_json::Value;

const PROMISED: &str = "\
attacks.0.backwards attacks.0.bracket attacks.0.forwards attacks.0.interval attacks.0.name \
attacks.0.non_finite_gradients attacks.0.pending attacks.0.robust attacks.0.robust_accuracy attacks.0.seconds \
autoattack cascade clean.accuracy clean.correct clean.interval clean.pending closest.curve.0.eps \
closest.curve.0.interval closest.curve.0.robust_accuracy closest.found closest.median_interval closest.quartiles complete cosines.cosine.max \
cosines.cosine.mean cosines.cosine.mean_interval cosines.cosine.median cosines.cosine.min cosines.cosine.q05 \
cosines.cosine.q25 cosines.cosine.q75 cosines.cosine.q95 cosines.samples cosines.without data.files data.name \
data.notes data.split distances.correlation distances.first_order.interval distances.first_order.value \
distances.found.interval distances.found.value distances.found_by distances.predicted.interval distances.predicted.value \
distances.predicted_by distances.samples distances.scale eps_text minimal.0.backwards minimal.0.changed minimal.0.distances.curve.0.eps \
minimal.0.distances.curve.0.interval minimal.0.distances.curve.0.robust_accuracy minimal.0.distances.found \
minimal.0.distances.median_interval minimal.0.distances.quartiles minimal.0.forwards minimal.0.name minimal.0.non_finite_gradients minimal.0.pending \
minimal.0.seconds model.classes model.file model.input model.parameters model.sha256 not_evaluated packets.0.bound \
packets.0.centres packets.0.dispersion packets.0.dispersion_interval packets.0.drift packets.0.drift_interval \
packets.0.enough_samples packets.0.ess packets.0.excess_p.interval packets.0.excess_p.value \
packets.0.excess_x.interval packets.0.excess_x.value packets.0.label packets.0.misclassified.interval \
packets.0.misclassified.value packets.0.modes.drift.dispersion.interval packets.0.modes.drift.dispersion.value \
packets.0.modes.drift.product.interval packets.0.modes.drift.product.value packets.0.modes.drift.residual \
packets.0.modes.drift.squeeze.interval packets.0.modes.drift.squeeze.value \
packets.0.modes.leading.0.dispersion.interval packets.0.modes.leading.0.dispersion.value \
packets.0.modes.leading.0.product.interval packets.0.modes.leading.0.product.value packets.0.modes.leading.0.residual \
packets.0.modes.leading.0.squeeze.interval packets.0.modes.leading.0.squeeze.value packets.0.modes.momentum \
packets.0.modes.principal.0.interval packets.0.modes.principal.0.value packets.0.modes.squeeze packets.0.packet \
packets.0.product packets.0.product_interval packets.0.reached packets.0.samples packets.0.scale packets.0.sigma_p \
packets.0.sigma_x packets.0.stein packets.0.stein_interval packets.0.valid requirements.0.figure requirements.0.holds \
requirements.0.least requirements.0.low robust.bracket robust.interval robust.pending robust.robust \
robust.robust_accuracy runtime samples seconds seed selection.first threat_model.bounds threat_model.eps \
threat_model.norm total version warnings";

#[test]
fn summary_keeps_its_keys() {
    let path = fixture("fashion_mlp.onnx");
    let data = fashion();
    let engine = engine(&Graph::load(&path).unwrap(), &data, rten(), &EngineOptions::default());
    let threat = ThreatModel::new(Norm::Linf, 0.1).unwrap();
    let audit = Audit {
        attacks: vec![Box::new(Fgsm::default())],
        minimal: vec![Box::new(Fab { steps: 5, ..Fab::default() })],
        packets: vec![PacketPlan {
            scale: 0.1,
            centres: 1,
            samples: 1000,
            max_samples: 1000,
            bounded: false,
            temperature: None,
        }],
        probe: true,
        samples: Selection::First(30),
        requirements: vec!["clean>=0.1".parse().unwrap()],
        ..Audit::new(ModelSummary::of_file(&path, engine.classifier()).unwrap(), &engine, &data, threat)
    };
    let summary = audit.run(&AtomicBool::new(false), |_| ()).unwrap().summary;
    let json: Value = serde_json::from_str(&summary.to_json().unwrap()).unwrap();
    let mut keys = Vec::new();
    collect(&json, "", &mut keys);
    keys.sort();
    assert_eq!(keys.join(" "), PROMISED);
    assert_eq!(json["version"], 2);
}

fn collect(value: &Value, path: &str, keys: &mut Vec<String>) {
    let below = |key: &str| if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(key, value)| collect(value, &below(key), keys)),
        Value::Array(items)
            if items.first().is_some_and(Value::is_object)
                && !path.ends_with("files")
                && path != "warnings" =>
        {
            collect(&items[0], &below("0"), keys);
        }
        _ => keys.push(path.into()),
    }
}
