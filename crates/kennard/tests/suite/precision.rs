//! Searches in less than single precision: what counts is single precision's.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::{self, fixture, in_memory, scratch};
use kennard::attack::{Apgd, Attack, Ddn, DeepFool, Fab, Fgsm, MinimumNorm, Pgd, Square};
use kennard::audit::{Audit, AuditManifest, FinishedRun, Outcome, Progress, RunDirectory, Shard, merge};
use kennard::data::{DataSet, Selection};
use kennard::engine::{Engine, EngineOptions};
use kennard::run::ModelSummary;
use kennard::runtime::{Live, RuntimeError};
use kennard::{Classifier, Graph, Norm, Precision, Runtime, RuntimeChoice, ThreatModel};

/// Four numbers and two weights for each: logits that lie within bfloat16's rounding of each other. In single precision the
/// second class leads by 0.004 for each unit of the sum; in bfloat16 both weights are 1, and the first class is taken.
const WEIGHTS: [f32; 2] = [0.999, 1.003];
const D: usize = 4;

/// A linear classifier that computes its passes itself, and those of searches with its weights rounded.
struct Linear {
    weights: [f32; 2],
    searching: Option<Box<Linear>>,
}

impl Linear {
    fn new() -> Linear {
        let rounded = WEIGHTS.map(|w| f32::from_bits((w.to_bits() + 0x8000) & 0xffff_0000));
        assert_eq!(rounded, [1.0; 2]);
        Linear { weights: WEIGHTS, searching: Some(Box::new(Linear { weights: rounded, searching: None })) }
    }
}

impl Live for Linear {
    fn name(&self) -> &str {
        "linear"
    }

    fn version(&self) -> &str {
        "1"
    }

    fn outputs(&self, points: &[f32], outputs: &mut [f32]) -> Result<(), RuntimeError> {
        for (x, z) in points.chunks_exact(D).zip(outputs.chunks_exact_mut(2)) {
            let sum: f32 = x.iter().sum();
            z.copy_from_slice(&self.weights.map(|w| w * sum));
        }
        Ok(())
    }

    fn gradient(
        &self,
        points: &[f32],
        slopes: &mut dyn FnMut(&[f32]) -> Result<Vec<f32>, RuntimeError>,
        gradient: &mut [f32],
    ) -> Result<(), RuntimeError> {
        let mut z = vec![0.0; points.len() / D * 2];
        self.outputs(points, &mut z)?;
        for (c, g) in slopes(&z)?.chunks_exact(2).zip(gradient.chunks_exact_mut(D)) {
            g.fill(c[0] * self.weights[0] + c[1] * self.weights[1]);
        }
        Ok(())
    }

    fn searching(&self) -> Option<&dyn Live> {
        self.searching.as_deref().map(|module| -> &dyn Live { module })
    }
}

fn data() -> DataSet {
    let inputs = (0..8 * D).map(|i| 0.3 + 0.01 * i as f32).collect();
    in_memory(&[D], inputs, vec![1; 8])
}

fn live(data: &DataSet, module: Linear) -> Engine {
    let module = Arc::new(module);
    let runtime = Runtime::beside(module.as_ref());
    let classifier = Classifier::live(module, data.shape(), 2, 2).unwrap();
    Engine::new(classifier, runtime, &EngineOptions::default()).unwrap()
}

/// Attacks and minimum-norm attacks in l2, within `eps`.
fn audit<'a>(engine: &'a Engine, data: &'a DataSet, eps: f64, minimal: bool) -> Audit<'a> {
    let model = ModelSummary::of_graph("model", &Graph::default(), engine.classifier());
    let attacks: Vec<Box<dyn Attack>> = vec![
        Box::new(Fgsm::default()),
        Box::new(Pgd { steps: 5, ..Pgd::default() }),
        Box::new(Apgd { steps: 10, ..Apgd::default() }),
        Box::new(Square { queries: 20, ..Square::default() }),
    ];
    let distances: Vec<Box<dyn MinimumNorm>> = vec![
        Box::new(DeepFool { steps: 5, ..DeepFool::default() }),
        Box::new(Ddn { steps: 10, ..Ddn::default() }),
    ];
    let (attacks, minimal) = if minimal { (vec![], distances) } else { (attacks, vec![]) };
    Audit { attacks, minimal, ..Audit::new(model, engine, data, ThreatModel::new(Norm::L2, eps).unwrap()) }
}

fn run(audit: &Audit) -> Outcome {
    audit.run(&AtomicBool::new(false), |_| ()).unwrap()
}

/// Every point looks misclassified to the searches, and none is: the second class leads where the sum is positive.
fn nothing_breaks(engine: Engine, data: &DataSet) {
    let forwards = |engine: &Engine| -> Vec<u64> {
        run(&audit(engine, data, 0.1, false)).summary.attacks.iter().map(|attack| attack.forwards).collect()
    };
    let single = forwards(&engine);
    let engine = &engine.searching_in(Precision::Bf16).unwrap();
    // PGD and APGD hear of each sample more than once that what looked like a break is none.
    let rough = forwards(engine);
    assert!((1..3).all(|i| rough[i] >= single[i] + 3 * 8), "{rough:?} {single:?}");
    for minimal in [false, true] {
        let found = run(&audit(engine, data, 0.1, minimal));
        assert_eq!((found.summary.clean.correct, found.summary.samples), (8, 8));
        assert_eq!(found.summary.search_precision, Precision::Bf16);
        for record in &found.records {
            assert!(record.is_robust() && record.broken_by().is_none());
            for attack in record.attacks.iter().chain(&record.minimal).flatten() {
                assert!(!attack.broken && attack.margin > 0.0 && attack.forwards > 0, "{attack:?}");
                assert!(!attack.disputed);
            }
        }
    }
}

/// A break in the precision of the search alone does not count, and does not end the search.
#[test]
fn rough_breaks_do_not_count() {
    let data = data();
    nothing_breaks(live(&data, Linear::new()), &data);
    let engine = live(&data, Linear::new()).searching_in(Precision::Bf16).unwrap();
    let found = run(&audit(&engine, &data, 0.1, false));
    // Neither PGD nor Square stops at its first point.
    for (place, passes) in [(1, 5), (3, 20)] {
        let spent = |record: &kennard::audit::Record| {
            record.attacks[place].as_ref().map_or(0, |attack| attack.forwards + attack.backwards)
        };
        assert!(found.records.iter().all(|record| spent(record) >= passes), "{:?}", found.records[0]);
    }
}

/// Attacks that live on small differences search in single precision, whatever is asked for.
#[test]
fn some_searches_stay_in_single_precision() {
    let data = data();
    let records = |engine: &Engine| {
        let (square, fab) = (Square { queries: 20, ..Square::default() }, Fab { steps: 5, ..Fab::default() });
        let attacks: Vec<Box<dyn Attack>> = vec![Box::new(square), Box::new(fab)];
        run(&Audit { attacks, ..audit(engine, &data, 0.1, false) }).records
    };
    let rough = live(&data, Linear::new()).searching_in(Precision::Bf16).unwrap();
    assert_eq!(records(&rough), records(&live(&data, Linear::new())));
}

/// The same on OpenVINO where it is installed: the graph is `x · W`.
#[test]
fn rough_breaks_do_not_count_on_openvino() {
    let Some(runtime) = openvino() else { return };
    use kennard_graph::{Builder, DType, Dim, Tensor, TensorType};
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(D)]));
    let weights = ndarray::Array2::from_shape_fn((D, 2), |(_, class)| WEIGHTS[class]).into_dyn();
    builder.output("logits", x.with("MatMul", builder.constant(Tensor::from(weights))));
    let data = data();
    nothing_breaks(
        common::engine(&builder.finish().unwrap(), &data, runtime, &EngineOptions::default()),
        &data,
    );
}

/// OpenVINO where it computes in bfloat16, with a word where it does not.
fn openvino() -> Option<Runtime> {
    let runtime =
        Runtime::open(RuntimeChoice::OpenVino).map_err(|error| println!("skipped: {error}")).ok()?;
    let able = runtime.computes_in(Precision::Bf16);
    able.map_err(|error| println!("skipped: {error}")).ok().map(|()| runtime)
}

fn keep(audit: &Audit, path: &Path, resume: bool) -> kennard::Result<Outcome> {
    let directory = RunDirectory::open(path, &AuditManifest::new(audit, vec![])?, resume)?;
    audit.run_in(directory, &AtomicBool::new(false), |_| ())
}

/// The precision is in the manifest, and runs of different precision are kept apart.
#[test]
fn runs_of_another_precision_are_refused() {
    let (scratch, data) = (scratch(), data());
    let full = live(&data, Linear::new());
    let rough = live(&data, Linear::new()).searching_in(Precision::Bf16).unwrap();
    let half = |engine, number| Audit { shard: Shard { number, of: 2 }, ..audit(engine, &data, 0.1, false) };
    let [first, second] = ["first", "second"].map(|name| scratch.path().join(name));
    keep(&half(&rough, 1), &first, false).unwrap();
    keep(&half(&full, 2), &second, false).unwrap();
    let manifest = std::fs::read_to_string(first.join("manifest.json")).unwrap();
    assert!(manifest.contains("\"search_precision\": \"bf16\""), "{manifest}");
    let precision = |path: &Path| FinishedRun::open(path).unwrap().manifest.settings.search_precision;
    assert_eq!([precision(&first), precision(&second)], [Precision::Bf16, Precision::F32]);
    let difference = "search_precision is \"bf16\" there and \"f32\" here";
    for refused in [keep(&half(&full, 1), &first, true).map(drop), merge(&[first.clone(), second]).map(drop)]
    {
        let said = refused.unwrap_err().to_string();
        assert!(said.contains(difference), "{said}");
    }
    assert_eq!(keep(&half(&rough, 1), &first, true).unwrap().records.len(), 4);
}

/// Who cannot search in bfloat16 says so, with the cure; what is fastest is single precision there.
#[test]
fn precisions_that_are_lacking_are_refused() {
    let data = data();
    let whole = Linear { searching: None, ..Linear::new() };
    let said = live(&data, whole).searching_in(Precision::Bf16).err().unwrap().to_string();
    assert!(
        said.contains("passes of linear are not computed in bf16") && said.contains("`search_precision`"),
        "{said}"
    );
    assert_eq!(live(&data, Linear::new()).fastest_search().0, Precision::F32);
    let model = Graph::load(fixture("fashion_mlp.onnx")).unwrap();
    for runtime in common::runtimes() {
        let name = runtime.name().to_string();
        let engine = common::engine(&model, &common::fashion(), runtime, &EngineOptions::default());
        let (fastest, why) = engine.fastest_search();
        assert_eq!(fastest, Precision::F32);
        assert!(why.contains(&name) && why.contains("openvino"), "{why}");
        let said = engine.searching_in(Precision::Bf16).err().unwrap().to_string();
        let wanted =
            [name.as_str(), "does not compute in bf16", "`runtime = openvino`", "`search_precision`"];
        assert!(wanted.iter().all(|wanted| said.contains(wanted)), "{said}");
    }
}

/// In bfloat16 too, samples have the same bytes on any number of threads, in shards, and when a run is interrupted. Verdicts are those
/// of single precision: each adversarial point is misclassified on rten.
#[test]
fn bytes_do_not_depend_on_how_a_run_was_made() {
    let Some(runtime) = openvino() else { return };
    let (scratch, data) = (scratch(), common::fashion());
    let model = Graph::load(fixture("fashion_cnn.onnx")).unwrap();
    let made = |threads| {
        let options = EngineOptions { threads: Some(threads), ..EngineOptions::default() };
        common::engine(&model, &data, runtime.clone(), &options).searching_in(Precision::Bf16).unwrap()
    };
    let (one, two) = (made(1), made(2));
    let of =
        |engine, shard| Audit { samples: Selection::First(48), shard, ..audit(engine, &data, 0.3, false) };
    let at = |name: &str| scratch.path().join(name);
    let table = |path: &Path| std::fs::read(path.join("samples.parquet")).unwrap();
    let whole = keep(&of(&one, Shard::WHOLE), &at("one"), false).unwrap();
    keep(&of(&two, Shard::WHOLE), &at("two"), false).unwrap();
    assert!(table(&at("one")) == table(&at("two")));

    let shards: Vec<PathBuf> = (1..=2).map(|number| at(&format!("shard{number}"))).collect();
    for (number, path) in (1..).zip(&shards) {
        keep(&of(&two, Shard { number, of: 2 }), path, false).unwrap();
    }
    merge(&shards).unwrap().write(&at("merged")).unwrap();
    assert!(table(&at("one")) == table(&at("merged")));

    let audit = of(&two, Shard::WHOLE);
    let stop = AtomicBool::new(false);
    let halfway = |progress: Progress| {
        if matches!(progress, Progress::Attacks { pending, .. } if pending <= 20) {
            stop.store(true, Ordering::Relaxed);
        }
    };
    let directory =
        RunDirectory::open(&at("resumed"), &AuditManifest::new(&audit, vec![]).unwrap(), false).unwrap();
    assert!(!audit.run_in(directory, &stop, halfway).unwrap().summary.complete);
    keep(&audit, &at("resumed"), true).unwrap();
    assert!(table(&at("one")) == table(&at("resumed")));

    let robust = |outcome: &Outcome| outcome.summary.robust.as_ref().unwrap().robust;
    assert!((1..40).contains(&robust(&whole)), "{}", robust(&whole));
    let rten = common::engine(&model, &data, common::rten(), &EngineOptions::default());
    let single = run(&of(&rten, Shard::WHOLE));
    assert_eq!(single.summary.clean.correct, whole.summary.clean.correct);
    // By how much less precision is weaker here; seldom by any sample.
    assert!(robust(&whole).abs_diff(robust(&single)) <= 2, "{} {}", robust(&whole), robust(&single));
}
