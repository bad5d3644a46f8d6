//! Attacks within a box of its own for each sample: on a linear classifier the smallest margin in a box is at a corner,
//! `z_y − z_j` at `x` less what every element gains at most; and on the networks of VNN-COMP's mnist_fc, whose properties other tools
//! decided, where the folder of `KENNARD_SHARED` is there.

use std::sync::atomic::AtomicBool;

use crate::common::{self, engine, rten};
use kennard::attack::{Apgd, Attack, AttackLoss, Fab, Fgsm, Malt, Pgd, Square, Strongest};
use kennard::audit::{Audit, Record};
use kennard::data::DataSet;
use kennard::engine::EngineOptions;
use kennard::run::ModelSummary;
use kennard::{Boxes, Graph, Norm, ThreatModel};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const D: usize = 16;
const SAMPLES: usize = 60;

fn audit(model: &Graph, data: &DataSet, boxes: Boxes, attacks: Vec<Box<dyn Attack>>) -> Vec<Record> {
    let engine = engine(model, data, rten(), &EngineOptions { threads: Some(1), ..Default::default() });
    let summary = ModelSummary::of_file(&common::fixture("fashion_mlp.onnx"), engine.classifier()).unwrap();
    let threat = boxes.threat(data).unwrap();
    let audit = Audit { attacks, boxes: Some(boxes), ..Audit::new(summary, &engine, data, threat) };
    audit.run(&AtomicBool::new(false), |_| ()).unwrap().records
}

/// Boxes that reach different ways and widths in each element, some without any.
fn boxes(data: &DataSet, random: &mut ChaCha8Rng) -> (Vec<f32>, Vec<f32>) {
    let mut ends = (Vec::new(), Vec::new());
    for sample in data.samples().unwrap() {
        let size = 0.4 * random.random::<f32>();
        for x in sample.unwrap().input {
            let mut reach = || if random.random::<f32>() < 0.2 { 0.0 } else { size * random.random::<f32>() };
            ends.0.push(x - reach());
            ends.1.push(x + reach());
        }
    }
    ends
}

#[test]
fn attacks_break_the_samples_whose_box_has_a_corner_beyond_the_boundary() {
    let model = common::linear(&[D], 3);
    let data = common::labelled(&model, &[D], SAMPLES);
    let rows = model.constants.values().find(|t| t.shape().len() == 2).unwrap().to_floats().unwrap();
    let (lower, upper) = boxes(&data, &mut ChaCha8Rng::seed_from_u64(5));
    let least = |i: usize, x: &[f32], y: usize| {
        let to = |j: usize| {
            let place = |k: usize| {
                let w = rows[y * D + k] - rows[j * D + k];
                let end = if w > 0.0 { lower[i * D + k] } else { upper[i * D + k] };
                w * f64::from(end)
            };
            (0..D).map(place).sum::<f64>()
        };
        assert_eq!(x.len(), D);
        (0..3).filter(|j| *j != y).map(to).fold(f64::INFINITY, f64::min)
    };
    let apgd = |loss| Box::new(Apgd { loss, targets: 2, ..Apgd::default() }) as Box<dyn Attack>;
    let attacks: Vec<Box<dyn Attack>> = vec![
        Box::new(Pgd { targets: 2, ..Pgd::default() }),
        apgd(AttackLoss::TargetedDlr),
        Box::new(Malt::default()),
        Box::new(Fab { targets: 2, ..Fab::default() }),
        Box::new(Strongest::default()),
        Box::new(Fgsm { targets: 2 }),
        Box::new(Square::default()),
    ];
    let boxes = Boxes::new(lower.clone(), upper.clone(), D).unwrap();
    let eps = boxes.threat(&data).unwrap().eps;
    let records = audit(&model, &data, boxes, attacks);
    let (mut broken, mut close) = (0, 0);
    for (record, sample) in records.iter().zip(data.samples().unwrap()) {
        let least = least(record.index, &sample.unwrap().input, record.label);
        if least.abs() < 1e-3 {
            close += 1;
            continue;
        }
        broken += u32::from(least < 0.0);
        for (i, attack) in record.attacks.iter().enumerate() {
            let attack = attack.as_ref().unwrap();
            assert!(attack.norm.is_none_or(|norm| norm <= eps * (1.0 + 1e-5)), "{:?} of {eps}", attack.norm);
            assert!(!attack.within || least < 0.0, "attack {i}, sample {}: {least}", record.index);
            // The last two make no claim to find all.
            assert!(i >= 5 || attack.within == (least < 0.0), "attack {i}, sample {}: {least}", record.index);
        }
    }
    println!("{broken} of {SAMPLES} broken, {close} too close to call");
    assert!((10..50).contains(&broken) && close < 5);
}

/// With a radius `r_i` for each element, the smallest margin is that of the corner where each element moves against the margin
/// as far as `r_i` and the bounds let it.
#[test]
fn attacks_keep_to_the_epsilon_of_each_feature() {
    let model = common::linear(&[D], 3);
    let data = common::labelled(&model, &[D], SAMPLES);
    let rows = model.constants.values().find(|t| t.shape().len() == 2).unwrap().to_floats().unwrap();
    let mut random = ChaCha8Rng::seed_from_u64(6);
    let radii: Vec<f64> =
        (0..D).map(|i| if i % 4 == 3 { 0.0 } else { 0.18 * random.random::<f64>() }).collect();
    let boxes = Boxes::around(radii.clone(), [0.0, 1.0]).unwrap();
    let attacks: Vec<Box<dyn Attack>> = vec![
        Box::new(Apgd { loss: AttackLoss::TargetedDlr, targets: 2, ..Apgd::default() }),
        Box::new(Square::default()),
    ];
    let records = audit(&model, &data, boxes, attacks);
    let (mut broken, mut close) = (0, 0);
    for (record, sample) in records.iter().zip(data.samples().unwrap()) {
        let (x, y) = (sample.unwrap().input, record.label);
        let to = |j: usize| {
            let worst = |i: usize| {
                let w = rows[y * D + i] - rows[j * D + i];
                let x = f64::from(x[i]);
                w * if w > 0.0 { (x - radii[i]).max(0.0) } else { (x + radii[i]).min(1.0) }
            };
            (0..D).map(worst).sum::<f64>()
        };
        let least = (0..3).filter(|j| *j != y).map(to).fold(f64::INFINITY, f64::min);
        if least.abs() < 1e-3 {
            close += 1;
            continue;
        }
        broken += u32::from(least < 0.0);
        let within = |i: usize| record.attacks[i].as_ref().unwrap().within;
        assert_eq!(within(0), least < 0.0, "sample {}: {least}", record.index);
        assert!(!within(1) || least < 0.0, "sample {}: {least}", record.index);
    }
    println!("{broken} of {SAMPLES} broken, {close} too close to call");
    assert!((10..50).contains(&broken) && close < 5);
}

#[test]
fn boxes_that_do_not_fit_are_refused() {
    let model = common::linear(&[D], 3);
    let data = common::labelled(&model, &[D], 4);
    let run = |boxes: Boxes, norm| {
        let engine = engine(&model, &data, rten(), &EngineOptions { threads: Some(1), ..Default::default() });
        let summary =
            ModelSummary::of_file(&common::fixture("fashion_mlp.onnx"), engine.classifier()).unwrap();
        let threat = match boxes.threat(&data) {
            Ok(threat) => ThreatModel { norm, ..threat },
            Err(error) => return error.to_string(),
        };
        let attacks: Vec<Box<dyn Attack>> = vec![Box::new(Fgsm::default())];
        let audit = Audit { attacks, boxes: Some(boxes), ..Audit::new(summary, &engine, &data, threat) };
        audit.run(&AtomicBool::new(false), |_| ()).unwrap_err().to_string()
    };
    let of = |count: usize, low: f32, high: f32| {
        Boxes::new(vec![low; count * D], vec![high; count * D], D).unwrap()
    };
    assert!(run(of(3, 0.0, 1.0), Norm::Linf).contains("3 boxes and 4 samples"));
    assert!(run(of(4, 0.0, 1.0), Norm::L2).contains("no norm"));
    assert!(run(of(4, 0.9, 1.0), Norm::Linf).contains("outside"));
    let radii = Boxes::around(vec![0.1; D + 1], [0.0, 1.0]).unwrap();
    assert!(run(radii, Norm::Linf).contains("17 epsilons and 16 features"));
}

/// Arrays beside the inputs of an archive are read, and such of another shape refused.
#[test]
fn boxes_are_read_from_npz() {
    use kennard::data::{DataError, Elements, Options, npz};
    let folder = std::env::temp_dir().join(format!("kennard-boxes-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("boxed.npz");
    let x = vec![0.25f32; 6];
    let (lower, upper) = (vec![0.0f32; 6], (0..6).map(|i| 0.5 + i as f32).collect::<Vec<_>>());
    let file = npz(&[
        ("x", &[2], Elements::F32(&x)),
        ("y", &[], Elements::I64(&[0, 1, 1])),
        ("lower", &[2], Elements::F32(&lower)),
        ("upper", &[2], Elements::F32(&upper)),
        ("flat", &[], Elements::F32(&x)),
    ]);
    std::fs::write(&path, file.unwrap()).unwrap();
    let data =
        DataSet::open(&format!("npz:{}", path.display()).parse().unwrap(), &Options::default()).unwrap();
    assert_eq!(data.beside("upper").unwrap(), upper);
    assert_eq!(data.beside("lower").unwrap(), lower);
    let refused = |name: &str| data.beside(name).unwrap_err().to_string();
    assert!(refused("flat").contains("[3, 2]") && refused("middle").contains("middle"));
    assert!(matches!(common::fashion().beside("lower"), Err(DataError::Option { .. })));
    std::fs::remove_dir_all(folder).unwrap();
}

/// The ends of a box, and the label.
type Property = (Vec<f32>, Vec<f32>, usize);

/// A property of mnist_fc.
fn property(path: &std::path::Path) -> Property {
    let text = std::fs::read_to_string(path).unwrap();
    let (mut lower, mut upper) = (vec![f32::NAN; 784], vec![f32::NAN; 784]);
    for line in text.lines() {
        let Some((side, rest)) = line.strip_prefix("(assert (").and_then(|rest| rest.split_once(" X_"))
        else {
            continue;
        };
        let (index, value) = rest.trim_end_matches(')').split_once(' ').unwrap();
        let (index, exact): (usize, f64) = (index.parse().unwrap(), value.parse().unwrap());
        let near = exact as f32;
        // Rounded inwards.
        match side {
            "<=" => upper[index] = if f64::from(near) > exact { near.next_down() } else { near },
            _ => lower[index] = if f64::from(near) < exact { near.next_up() } else { near },
        }
    }
    let label = text.lines().find_map(|line| line.split("with label: ").nth(1)).unwrap();
    (lower, upper, label.trim_end_matches('.').parse().unwrap())
}

/// Where all sound tools agree that a property holds, nothing is broken; where they agree that it does not, a
/// counterexample is found, on each of the instances of the smallest network.
#[test]
fn properties_that_others_decided_come_out_alike() {
    let Some(shared) = common::shared() else { return };
    let folder = shared.join("vnncomp/mnist_fc");
    let Ok(list) = std::fs::read_to_string(folder.join("instances.csv")) else {
        println!("skipped: no {}", folder.display());
        return;
    };
    let rows = list.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    let rows: Vec<_> = rows.filter(|row| row[0].contains("256x2")).collect();
    let properties: Vec<_> = rows.iter().map(|row| property(&folder.join(row[1]))).collect();
    let all = |part: fn(&Property) -> &Vec<f32>| -> Vec<f32> {
        properties.iter().flat_map(|property| part(property).clone()).collect()
    };
    let (lower, upper) = (all(|p| &p.0), all(|p| &p.1));
    let centres = lower.iter().zip(&upper).map(|(lo, hi)| (0.5 * (lo + hi)).clamp(*lo, *hi)).collect();
    let labels = properties.iter().map(|property| property.2).collect();
    let data = common::in_memory(&[784, 1], centres, labels);
    let model = Graph::load(folder.join("onnx/mnist-net_256x2.onnx")).unwrap();
    let attacks: Vec<Box<dyn Attack>> = vec![Box::new(Strongest::default())];
    let records = audit(&model, &data, Boxes::new(lower, upper, 784).unwrap(), attacks);
    for (record, row) in records.iter().zip(&rows) {
        println!("{} {}: robust {}", row[1], row[3], record.is_robust());
        match row[3] {
            "unsat" => assert!(record.is_robust(), "{}", row[1]),
            "sat" => assert!(!record.is_robust(), "{}", row[1]),
            _ => {}
        }
    }
}
