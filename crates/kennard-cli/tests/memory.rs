//! `--memory`: what is estimated, and what is done where it is too much.

mod common;

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::Duration;

use kennard::data::npz;
use kennard_graph::ndarray::ArrayD;
use kennard_graph::{Builder, DType, Dim, Graph, Tensor, TensorType};

use common::{Scratch, directory, kennard, runtimes, stderr};

const SIDE: usize = 32;

/// A fully connected network of 80 MiB, and images for it, in a directory that goes with it.
struct Case(Scratch);

impl Case {
    fn new() -> Case {
        let directory = directory();
        let builder = Builder::new(&Graph::default()).unwrap();
        let dims = vec![Dim::BATCH, Dim::Known(1), Dim::Known(SIDE), Dim::Known(SIDE)];
        let x = builder.input("x", TensorType::new(DType::F32, dims));
        let mut state = 1u64;
        let mut value = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        let mut y = x.apply("Flatten");
        for ends in [[SIDE * SIDE, 4096], [4096, 4096], [4096, 10]] {
            let scale = (24.0 / ends[0] as f32).sqrt();
            let weights = (0..ends[0] * ends[1]).map(|_| value() * scale).collect();
            let weights = ArrayD::from_shape_vec(&ends[..], weights).unwrap();
            y = y.with("MatMul", builder.constant(Tensor::from(weights)));
            if ends[1] > 10 {
                y = y.apply("Relu");
            }
        }
        builder.output("logits", y);
        builder.finish().unwrap().save(directory.join("model.onnx")).unwrap();
        let images: Vec<f32> = (0..8 * SIDE * SIDE).map(|_| value() + 0.5).collect();
        let labels: Vec<i64> = (0..8).collect();
        let arrays =
            npz(&[("x", &[1, SIDE, SIDE], images.as_slice().into()), ("y", &[], labels.as_slice().into())]);
        std::fs::write(directory.join("data.npz"), arrays.unwrap()).unwrap();
        Case(directory)
    }

    fn audit(&self, runtime: &str, words: &[&str]) -> Command {
        let data = format!("npz:{}", self.0.at("data.npz"));
        let mut command = kennard(["audit", &self.0.at("model.onnx"), "--data", &data, "--runtime", runtime]);
        command.args(["--eps", "0.01", "--attack", "fgsm", "--packet-samples", "0", "--json"]).args(words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The clean and the robust figures, what was said, and whether all went well.
    fn run(&self, runtime: &str, words: &[&str]) -> (String, String, bool) {
        let output = self.audit(runtime, words).output().unwrap();
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let figures = format!("{} {}", summary["clean"]["correct"], summary["attacks"]);
        // Seconds are no figures.
        let figures = figures.split("\"seconds\"").next().unwrap_or_default().to_string();
        (figures, stderr(&output), output.status.success())
    }

    /// The most memory that the command took at once, in bytes; none where the system does not say.
    fn peak(&self, runtime: &str, words: &[&str]) -> Option<f64> {
        let mut child = self.audit(runtime, words).spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let mut peak = None;
        while child.try_wait().unwrap().is_none() {
            let text = std::fs::read_to_string(&status).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            peak = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok()).or(peak);
            std::thread::sleep(Duration::from_millis(3));
        }
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success(), "{said}");
        peak.map(|kibibytes| kibibytes * 1024.0)
    }
}

/// The estimate for one worker that a refusal names, in MiB.
fn estimate(said: &str) -> f64 {
    let (_, rest) = said.split_once("needs about ").unwrap_or_else(|| panic!("{said}"));
    let mut words = rest.split(' ');
    let number: f64 = words.next().unwrap().parse().unwrap();
    if words.next() == Some("GiB") { number * 1024.0 } else { number }
}

#[test]
fn too_little_memory_is_refused_and_little_is_kept_to() {
    let case = Case::new();
    for name in runtimes() {
        let (_, said, done) = case.run(name, &["--memory", "10MiB", "--threads", "2"]);
        assert!(!done && said.contains("and 10 MiB may be used: raise --memory"), "{said}");
        let (_, said, done) = case.run(name, &["--memory", "10MiB", "--micro-batch", "4"]);
        assert!(!done && said.contains("raise --memory, or lower --micro-batch"), "{said}");
        let estimated = estimate(&said);
        // Half the estimate to twice the estimate.
        let words = ["--threads", "1", "--micro-batch", "4"];
        match case.peak(name, &words).map(|bytes| bytes / f64::from(1 << 20)) {
            Some(peak) => {
                println!("{name}: {estimated} MiB estimated, {peak:.0} MiB taken");
                assert!(
                    estimated < 2.0 * peak && peak < 2.0 * estimated,
                    "{name}: {estimated} and {peak:.0} MiB"
                );
            }
            None => println!("skipped: the system does not say how much memory a process took"),
        }
        let (alone, said, done) = case.run(name, &words);
        assert!(done && !said.contains("memory"), "{said}");
        let limit = format!("{}MiB", estimated.round() as u64 + 1);
        let (fewer, said, done) =
            case.run(name, &["--threads", "4", "--micro-batch", "4", "--memory", &limit]);
        assert!(done && said.contains("may be used: 1 of 4 workers"), "{said}");
        assert_eq!(fewer, alone);
    }
}
