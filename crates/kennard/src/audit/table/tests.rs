use super::super::Predictions;
use super::*;
use crate::certify::{BoundMethod, Bounded, CertifiedRadius};

#[test]
fn what_is_written_is_read_back() {
    let tried = AttackRecord {
        broken: true,
        within: true,
        non_finite_gradients: 2,
        margin: -0.1,
        norm: Some(0.3),
        prediction: Some(4),
        found_after: 7,
        ..Default::default()
    };
    let stood =
        AttackRecord { margin: 0.25, forwards: 3, unanswered: 1, disputed: true, ..Default::default() };
    let record = |index, attacks, minimal| Record {
        index,
        label: 3,
        prediction: Some(3),
        margin: 1.5,
        random: index == 1,
        cosine: (index == 1).then_some(0.1),
        pending: index == 2,
        bound: (index < 2).then_some(Bounded {
            margin: index as f32 - 0.5,
            method: BoundMethod::Crown,
            in_floats: (index == 1).then_some(true),
        }),
        radius: (index < 2).then(|| {
            let radius = if index == 0 { f64::INFINITY } else { 0.125 };
            CertifiedRadius { radius, method: BoundMethod::CrownIbp }
        }),
        predictions: Predictions {
            packet: Some(0.25),
            packet_interval: (index == 1).then_some([0.2, 0.3]),
            radius: (index == 0).then_some(0.5),
            ..Default::default()
        },
        attacks,
        minimal,
    };
    let records = vec![
        record(0, vec![Some(tried.clone()), None], vec![Some(tried)]),
        record(1, vec![None, Some(stood.clone())], vec![None]),
        record(2, vec![None, None], vec![None]),
    ];
    let named = |attacks: &[&'static str], minimal: &[&'static str]| Sought {
        attacks: attacks.to_vec(),
        minimal: minimal.to_vec(),
        judged: true,
        certified: true,
        radii: true,
    };
    let (sought, one) = (named(&["a", "b"], &["c"]), named(&["a"], &[]));
    let path = std::env::temp_dir().join(format!("kennard-table-{}.parquet", std::process::id()));
    std::fs::write(&path, to_parquet(&sought, &records).unwrap()).unwrap();
    assert_eq!(from_parquet(&path, &sought).unwrap(), records);
    let unevaluated = Record { prediction: None, margin: f32::NAN, ..record(2, vec![None], vec![]) };
    let other = std::env::temp_dir().join(format!("kennard-table-{}-nan.parquet", std::process::id()));
    std::fs::write(&other, to_parquet(&one, &[unevaluated]).unwrap()).unwrap();
    let back = from_parquet(&other, &one).unwrap();
    std::fs::remove_file(&other).unwrap();
    assert!(back[0].prediction.is_none() && back[0].margin.is_nan() && !back[0].is_correct());
    let message = from_parquet(&path, &named(&["a", "d"], &[])).unwrap_err().to_string();
    std::fs::remove_file(&path).unwrap();
    assert!(message.contains("d.broken"), "{message}");
}

/// Where no attack could break it, only a certificate says that a sample is robust; and reading tells what is pending all the same.
#[test]
fn nobody_calls_robust_what_nothing_tried() {
    let (attacks, minimal) = (Vec::new(), Vec::new());
    let sought = Sought { attacks, minimal, judged: false, certified: true, radii: false };
    let bound = |margin| Some(Bounded { margin, ..Bounded::default() });
    let record = |index, prediction, bound, pending| Record {
        index,
        prediction: Some(prediction),
        margin: 1.0,
        bound,
        pending,
        ..Record::default()
    };
    let records = [
        record(0, 0, bound(0.5), false),
        record(1, 0, bound(-0.5), false),
        record(2, 1, None, false),
        record(3, 0, None, true),
    ];
    let batch = to_batch(&sought, &records).unwrap();
    let robust = batch.column_by_name(ROBUST).unwrap().as_boolean().iter();
    assert_eq!(robust.collect::<Vec<_>>(), [Some(true), None, Some(false), None]);
    let read: Vec<bool> = rows(&batch, &sought).unwrap().iter().map(|record| record.pending).collect();
    assert_eq!(read, [false, false, false, true]);
    // Distances without an epsilon break nothing.
    let sought = Sought { minimal: vec!["fmn"], certified: false, ..sought };
    let found = Record { minimal: vec![Some(AttackRecord::default())], ..record(0, 0, None, false) };
    let waiting = Record { minimal: vec![None], ..record(1, 0, None, true) };
    let batch = to_batch(&sought, &[found, waiting]).unwrap();
    assert_eq!(batch.column_by_name(ROBUST).unwrap().null_count(), 2);
    let read: Vec<bool> = rows(&batch, &sought).unwrap().iter().map(|record| record.pending).collect();
    assert_eq!(read, [false, true]);
}
/// Which columns there are is for the settings to say: no sample has a bound where none is classified correctly.
#[test]
fn columns_follow_what_was_sought() {
    let columns = |certified: bool, radii: bool| -> Vec<String> {
        let (attacks, minimal) = (vec![Leaves::NAME], vec!["fmn"]);
        let sought = Sought { attacks, minimal, judged: true, certified, radii };
        let lost =
            Record { prediction: Some(1), attacks: vec![None], minimal: vec![None], ..Record::default() };
        let schema = to_batch(&sought, &[lost]).unwrap().schema();
        schema.fields().iter().map(|field| field.name().clone()).collect()
    };
    let has = |columns: &[String], name: &str| columns.iter().any(|column| column == name);
    let all = columns(true, true);
    for (name, _) in BOUNDS.iter().chain(&RADII) {
        assert!(has(&all, name) && !has(&columns(false, false), name), "{name}");
    }
    for name in ["leaves.proved", "minimal.fmn.norm", "distance.searched"] {
        assert!(has(&columns(false, false), name), "{name}");
    }
    assert!(!has(&all, "minimal.fmn.proved"));
}
