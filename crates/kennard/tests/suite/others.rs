//! Minimum-norm attacks beside adv-lib's on a network trained for robustness, whose decision boundary is no plane: the
//! median distance of 20 images, as `references/minimal_norms.py` prints it. All seeds are fixed.

use std::sync::atomic::AtomicBool;

use crate::common::{engine, fashion, fixture, rten};
use kennard::attack::{Parameters, minimum_norm};
use kennard::audit::Audit;
use kennard::data::Selection;
use kennard::engine::EngineOptions;
use kennard::run::ModelSummary;
use kennard::{Graph, Norm, ThreatModel};

/// Attack, norm, adv-lib's median.
const REFERENCE: &[(&str, Norm, f64)] = &[
    ("fmn", Norm::Linf, 0.21771),
    ("fmn", Norm::L2, 0.95119),
    ("fmn", Norm::L1, 3.80714),
    ("fab", Norm::Linf, 0.15355),
    ("fab", Norm::L2, 0.73797),
    ("ddn", Norm::L2, 0.97768),
    ("deepfool", Norm::Linf, 0.44656),
    ("deepfool", Norm::L2, 2.68997),
    ("pdpgd", Norm::Linf, 0.15738),
    ("pdpgd", Norm::L2, 1.33735),
    ("pdpgd", Norm::L1, 1.62602),
    ("alma", Norm::L2, 0.89297),
    ("alma", Norm::L1, 2.00852),
];

/// The 20 images that the network classifies correctly and that come first.
const IMAGES: usize = 20;

#[test]
fn distances_are_no_larger_than_adv_libs() {
    let model = fixture("fashion_cnn_robust.onnx");
    let graph = Graph::load(&model).unwrap();
    let data = fashion();
    let engine = engine(&graph, &data, rten(), &EngineOptions { threads: Some(1), ..Default::default() });
    let summary = || ModelSummary::of_file(&model, engine.classifier()).unwrap();
    let threat = |norm| ThreatModel::unlimited(norm, [0.0, 1.0]).unwrap();
    let stop = AtomicBool::new(false);
    let look =
        Audit { samples: Selection::First(200), ..Audit::new(summary(), &engine, &data, threat(Norm::L2)) };
    let correct: Vec<usize> =
        look.run(&stop, |_| ()).unwrap().records.iter().filter(|r| r.is_correct()).map(|r| r.index).collect();
    let samples = Selection::First(correct[IMAGES - 1] + 1);
    for norm in [Norm::Linf, Norm::L2, Norm::L1] {
        let rows: Vec<_> = REFERENCE.iter().filter(|row| row.1 == norm).collect();
        let minimal = rows.iter().map(|row| minimum_norm(row.0, &Parameters::new()).unwrap()).collect();
        let audit = Audit { minimal, samples, ..Audit::new(summary(), &engine, &data, threat(norm)) };
        let records = audit.run(&stop, |_| ()).unwrap().records;
        for (i, (name, _, reference)) in rows.into_iter().enumerate() {
            let found = records.iter().filter_map(|record| record.minimal[i].as_ref());
            let mut distances: Vec<f64> = found.map(|attack| attack.norm.unwrap_or(f64::INFINITY)).collect();
            distances.sort_by(f64::total_cmp);
            assert_eq!(distances.len(), IMAGES);
            let median = distances[IMAGES / 2 - 1];
            println!("{name} in {norm}: {median:.5}, adv-lib {reference:.5}");
            // FAB's walks part by rounding: on another network it is ours that come closer by as much.
            let allowed = if *name == "fab" { 1.1 } else { 1.02 };
            assert!(median <= allowed * reference, "{name} in {norm}: {median}, adv-lib {reference}");
        }
    }
}
