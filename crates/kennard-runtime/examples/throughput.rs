//! Forward passes a second, by micro-batch: two sessions of one thread side by side, against one
//! session of two threads.
//!
//!     cargo run --release -p kennard-runtime --example throughput -- MODEL.onnx...
//!
//! Measurements alternate, so that a busy machine slows all alike, and the best of all rounds is given;
//! for one thread also the rate per second of processor time (Linux), which other programs disturb less.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use kennard_graph::{Graph, simplify};
use kennard_runtime::{Choice, Input, Runtime, Session, Threads};

const ROUNDS: usize = 7;
const TIME: Duration = Duration::from_millis(100);
const BATCHES: [usize; 6] = [1, 2, 4, 8, 16, 32];

/// Sessions of one kind that run side by side.
struct Layout {
    label: String,
    batch: usize,
    workers: Vec<(Session, Threads)>,
    wall: f64,
    processor: f64,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for path in std::env::args().skip(1) {
        println!("{path}: samples a second (per second of processor time)");
        let graph = Graph::load(&path)?;
        let mut layouts = Vec::new();
        for choice in [Choice::Rten, Choice::OnnxRuntime] {
            let Ok(runtime) = Runtime::open(choice) else { continue };
            for batch in BATCHES {
                let graph = simplify(&graph.with_batch(batch))?;
                for (sessions, threads) in [(1, 1), (2, 1), (1, 2)] {
                    let workers = (0..sessions).map(|_| worker(&runtime, &graph, threads));
                    let label =
                        format!("{:11} batch {batch:2}, {sessions} × {threads} threads", runtime.name());
                    let workers = workers.collect::<Result<_, _>>()?;
                    layouts.push(Layout { label, batch, workers, wall: 0.0, processor: 0.0 });
                }
            }
        }
        for _ in 0..ROUNDS {
            layouts.iter_mut().for_each(Layout::measure);
        }
        for Layout { label, wall, processor, .. } in &layouts {
            println!("  {label}: {wall:6.0} ({processor:6.0})");
        }
    }
    Ok(())
}

fn worker(runtime: &Runtime, graph: &Graph, threads: usize) -> kennard_runtime::Result<(Session, Threads)> {
    let threads = runtime.threads(threads);
    Ok((runtime.compile(graph, &threads)?, threads))
}

impl Layout {
    fn measure(&mut self) {
        let batch = self.batch;
        let work = |session: &mut Session| {
            let size = session.inputs()[0].ty.shape.volume().map_or(0, |(n, _)| n);
            let images: Vec<f32> = (0..size).map(|i| (i % 251) as f32 / 251.0).collect();
            let mut outputs = Vec::new();
            let (begin, processor, mut count) = (Instant::now(), processor_time(), 0);
            while begin.elapsed() < TIME {
                session.run(&[Input::F32(&images)], &mut outputs).expect("it compiled");
                count += batch;
            }
            let count = count as f64;
            (count / begin.elapsed().as_secs_f64(), count / (processor_time() - processor))
        };
        let rates: Vec<(f64, f64)> = thread::scope(|scope| {
            let start = |(session, threads): &'_ mut (Session, Threads)| threads.enter(|| work(session));
            let handles: Vec<_> =
                self.workers.iter_mut().map(|worker| scope.spawn(move || start(worker))).collect();
            handles.into_iter().map(|handle| handle.join().expect("no panic")).collect()
        });
        self.wall = self.wall.max(rates.iter().map(|r| r.0).sum());
        self.processor = self.processor.max(rates.iter().map(|r| r.1).sum());
    }
}

/// Seconds that this thread has computed.
fn processor_time() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|t| t.parse::<f64>().ok()).map_or(f64::NAN, |t| t / 1e9)
}
