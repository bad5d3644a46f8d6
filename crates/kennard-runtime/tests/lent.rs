//! What sessions of large models take of memory, and that they compute the same.

mod common;

use kennard_graph::{Graph, Loss, gradient, simplify, with_loss};
use kennard_runtime::{Choice, Input, Runtime};

/// The memory of this process that is no file's, in bytes; none where the system does not say.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<usize>().ok()? * 1024)
}

/// Two sessions each of logits and of gradients grow the process by less than its weights once, and agree with rten.
#[test]
fn sessions_share_the_weights_of_large_models() {
    let Ok(runtime) = Runtime::open(Choice::OnnxRuntime) else {
        println!("skipped: ONNX Runtime is not installed");
        return;
    };
    const BATCH: usize = 4;
    let model = common::wide().with_batch(BATCH);
    let loss = with_loss(&model, Loss::CrossEntropy).unwrap();
    let gradient = simplify(&gradient(&loss, Graph::LOSS, &["x"]).unwrap()).unwrap();
    let weights: usize = model.constants.values().map(|tensor| tensor.bytes()).sum();
    let images = common::pixels(BATCH * 1024, 1);
    let inputs = [Input::F32(&images), Input::I64(&[0, 1, 2, 3])];
    let threads = runtime.threads(1);
    let before = resident();
    let mut sessions: Vec<_> = [&model, &gradient, &model, &gradient]
        .map(|graph| runtime.compile(graph, &threads).unwrap())
        .into_iter()
        .chain([runtime.compile_as_given(&model, &threads).unwrap()])
        .collect();
    let found: Vec<_> = sessions
        .iter_mut()
        .map(|session| {
            let taken = session.inputs().len();
            common::run(session, &inputs[..taken]).unwrap()
        })
        .collect();
    match before.zip(resident()) {
        Some((before, after)) => {
            let grown = after.saturating_sub(before);
            println!("{} MiB for sessions of {} MiB of weights", grown >> 20, weights >> 20);
            assert!(grown < weights, "{} MiB for {} MiB of weights", grown >> 20, weights >> 20);
        }
        None => println!("skipped: the system does not say how much memory the process takes"),
    }
    assert_eq!(found[0], found[2]);
    assert_eq!(found[1], found[3]);
    let rten = Runtime::open(Choice::Rten).unwrap();
    let mut expected = rten.compile(&gradient, &rten.threads(1)).unwrap();
    let expected = common::run(&mut expected, &inputs).unwrap();
    for (output, expected) in expected.iter().enumerate() {
        let largest = expected.iter().fold(0f32, |most, v| most.max(v.abs()));
        for (a, b) in found[1][output].iter().zip(expected) {
            assert!((a - b).abs() <= 1e-4 * largest, "output {output}: {a} and {b} of {largest}");
        }
    }
    for (a, b) in found[0][0].iter().zip(&found[1][0]).chain(found[4][0].iter().zip(&found[1][0])) {
        assert!((a - b).abs() < 1e-4, "{a} and {b}");
    }
}
