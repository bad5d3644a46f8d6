use super::*;

fn report(samples: Vec<Resolved>, classes: usize) -> Result<ResolveReport> {
    let going = AtomicBool::new(false);
    let read = |inputs: Halves<Vec<f32>>, labels: &[usize]| Ok(linear(&inputs, labels, classes, &going));
    super::report(samples, classes, Reader::Linear, false, read)
}

fn sample(label: usize, prediction: usize, x: &[f32]) -> Resolved {
    let x = x.to_vec();
    Resolved { label, prediction, true_delta: x.clone(), predicted_delta: x.clone(), x }
}

#[test]
fn directions_have_length_one() {
    assert_eq!(direction(&[3.0, -4.0]), [0.6, -0.8]);
    assert_eq!(direction(&[3e-30, -4e-30]), [0.6, -0.8]);
    assert_eq!(direction(&[0.0, 0.0]), [0.0, 0.0]);
}

/// Labels that are the sign of the first number: the probe reads them all, the majority half.
#[test]
fn what_is_there_is_read() {
    let samples = (0..80).map(|j| {
        let label = (j / 2) % 2;
        let sign = if label == 0 { -1.0 } else { 1.0 };
        sample(label, label, &[sign * (1.0 + (j % 5) as f32), (j % 7) as f32])
    });
    let report = report(samples.collect(), 2).unwrap();
    assert_eq!((report.fitted, report.network.tested), (40, 40));
    assert_eq!(report.probes.len(), 2, "both forms of delta are the same");
    assert!(report.probes.iter().all(|probe| probe.share.correct == 40 && probe.converged == Some(true)));
    assert_eq!(report.majority.correct, 20);
    assert_eq!(report.network.correct, 40);
}

#[test]
fn too_little_to_fit_to_is_refused() {
    let few = (0..10).map(|j| sample(j % 2, 0, &[0.0])).collect();
    assert!(report(few, 2).unwrap_err().to_string().contains("at least 10 samples"));
    let one_label = (0..100).map(|_| sample(1, 1, &[0.0])).collect();
    assert!(report(one_label, 2).unwrap_err().to_string().contains("two labels"));
}
