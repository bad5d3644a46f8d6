//! Passes a second of a model, forward and with the gradient of a loss, on one thread: ONNX Runtime and OpenVINO in single
//! precision, and OpenVINO in bfloat16.
//!
//!     cargo run --release -p kennard-runtime --example precisions -- MICRO_BATCH MODEL.onnx...
//!
//! Measurements take turns, so that a busy machine slows all alike. Given is the median over rounds of the images per second
//! of processor time (Linux), which other programs disturb less, as a ratio to ONNX Runtime in the same round too; and how
//! far the logits are from ONNX Runtime's, at most.

use std::error::Error;
use std::fs;
use std::time::{Duration, Instant};

use kennard_graph::{Graph, Loss, gradient, simplify, with_loss};
use kennard_runtime::{Choice, Input, Precision, Runtime, Session};

const ROUNDS: usize = 15;
const TIME: Duration = Duration::from_millis(400);
const WAYS: [(Choice, Precision); 3] = [
    (Choice::OnnxRuntime, Precision::F32),
    (Choice::OpenVino, Precision::F32),
    (Choice::OpenVino, Precision::Bf16),
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let batch: usize = words.next().ok_or("how large is a micro-batch?")?.parse()?;
    for path in words {
        let model = simplify(&Graph::load(&path)?.with_batch(batch))?;
        let input = model.inputs[0].name.clone();
        let slope = gradient(&with_loss(&model, Loss::CrossEntropy)?, Graph::LOSS, &[&input])?;
        for (what, graph) in [("forward", &model), ("forward + gradient", &simplify(&slope)?)] {
            measure(&format!("{path}, {what}, micro-batch {batch}"), graph, batch)?;
        }
    }
    Ok(())
}

fn measure(title: &str, graph: &Graph, batch: usize) -> Result<(), Box<dyn Error>> {
    println!("{title}: images per second of processor time");
    let mut sessions = Vec::new();
    for (choice, precision) in WAYS {
        let runtime = Runtime::open(choice)?;
        let session = runtime.compile_in(graph, &runtime.threads(1), precision)?;
        sessions.push((format!("{choice} {precision}"), session, Vec::new()));
    }
    for _ in 0..ROUNDS {
        for (_, session, rates) in &mut sessions {
            rates.push(rate(session, batch)?);
        }
    }
    let exact = logits(&mut sessions[0].1, batch)?;
    let base = sessions[0].2.clone();
    for (name, session, rates) in &mut sessions {
        let ratios = rates.iter().zip(&base).map(|(rate, base)| rate / base).collect();
        let far = logits(session, batch)?.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let (rate, ratio) = (median(rates.clone()), median(ratios));
        println!("  {name:15} {rate:7.0}, ratio {ratio:.2}, logits within {far:.1e}");
    }
    Ok(())
}

/// Images per second of processor time.
fn rate(session: &mut Session, batch: usize) -> Result<f64, Box<dyn Error>> {
    let (begin, processor, mut count) = (Instant::now(), processor_time(), 0);
    while begin.elapsed() < TIME {
        logits(session, batch)?;
        count += batch;
    }
    Ok(count as f64 / (processor_time() - processor))
}

fn logits(session: &mut Session, batch: usize) -> Result<Vec<f32>, Box<dyn Error>> {
    let size = session.inputs()[0].ty.shape.volume().map_or(0, |(n, _)| n);
    let images: Vec<f32> = (0..size).map(|i| (i * 7919 % 1009) as f32 / 1009.0).collect();
    let labels: Vec<i64> = (0..batch as i64).collect();
    let inputs = [Input::F32(&images), Input::I64(&labels)];
    let mut outputs = Vec::new();
    session.run(&inputs[..session.inputs().len()], &mut outputs)?;
    Ok(outputs.swap_remove(0))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Seconds that all threads of this process have computed.
fn processor_time() -> f64 {
    let of = |task: fs::DirEntry| -> Option<f64> {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse().ok()
    };
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    tasks.filter_map(of).sum::<f64>() / 1e9
}
