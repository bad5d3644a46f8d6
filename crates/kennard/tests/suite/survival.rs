//! What runs survive: directories altered in every way an accident may alter them, data changed under a run,
//! workers that panic. Each time the result is the same bytes, or a refusal that says why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use crate::common::{engine, fixture, labelled, linear, open, root, rten, scratch};
use kennard::attack::{Fab, Fgsm, MinimumNorm, Pgd};
use kennard::audit::{
    Audit, AuditManifest, FinishedRun, Outcome, Progress, Record, RunDirectory, RunState, Shard, merge,
};
use kennard::data::{DataSet, Options, Selection};
use kennard::engine::{Engine, EngineOptions};
use kennard::run::ModelSummary;
use kennard::train::{
    Architecture, Kept, Network, Optimizer, Recipe, Schedule, TrainedOn, Training, TrainingDirectory,
    TrainingSet, TrainingSettings,
};
use kennard::{Error, Graph, Norm, ThreatModel};
use tempfile::TempDir;

const COUNT: usize = 40;

/// Numbers like random ones, the same each time: no run of the tests is another than the last.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n.max(1)
    }
}

/// A small model that some of whose samples are broken, and its data.
struct Case {
    file: PathBuf,
    data: DataSet,
    engine: Engine,
}

impl Case {
    fn new(scratch: &TempDir, name: &str) -> Case {
        let model = linear(&[1, 4, 4], 3);
        let data = labelled(&model, &[1, 4, 4], COUNT);
        let file = scratch.path().join(format!("{name}.onnx"));
        std::fs::write(&file, model.to_bytes()).unwrap();
        let options = EngineOptions { threads: Some(1), micro_batch: Some(4) };
        let engine = engine(&model, &data, rten(), &options);
        Case { file, data, engine }
    }

    fn audit(&self, seed: u64) -> Audit<'_> {
        Audit {
            attacks: vec![Box::new(Fgsm::default()), Box::new(Pgd { steps: 3, ..Pgd::default() })],
            seed,
            ..Audit::new(
                ModelSummary::of_file(&self.file, self.engine.classifier()).unwrap(),
                &self.engine,
                &self.data,
                ThreatModel::new(Norm::Linf, 0.03).unwrap(),
            )
        }
    }

    /// Runs into a directory, going on with what is there, to the end.
    fn go(&self, directory: &Path, seed: u64) -> kennard::Result<Outcome> {
        self.watched(directory, seed, |_| ())
    }

    fn watched(
        &self,
        directory: &Path,
        seed: u64,
        progress: impl FnMut(Progress),
    ) -> kennard::Result<Outcome> {
        let audit = self.audit(seed);
        let opened = RunDirectory::open(directory, &AuditManifest::new(&audit, vec![])?, true)?;
        audit.run_in(opened, &AtomicBool::new(false), progress)
    }

    /// The journal of a run as it is when this many samples are done.
    fn journal(&self, directory: &Path, seed: u64, done: usize) -> Vec<u8> {
        let mut journal = Vec::new();
        let keep = |progress: Progress| match progress {
            Progress::Attacks { pending, .. } if COUNT as u64 - pending == done as u64 => {
                journal = std::fs::read(directory.join("journal.jsonl")).unwrap();
            }
            _ => {}
        };
        self.watched(directory, seed, keep).unwrap();
        assert!(!journal.is_empty());
        journal
    }

    /// A directory as a run leaves it that is killed when 25 samples are done with.
    fn begin(&self, directory: &Path, seed: u64) {
        let journal = self.journal(directory, seed, 25);
        for file in ["samples.parquet", "examples.parquet", "summary.json", "SHA256SUMS"] {
            std::fs::remove_file(directory.join(file)).unwrap();
        }
        std::fs::write(directory.join("journal.jsonl"), journal).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// What an accident may make of a file. `foreign` is one of the same kind from elsewhere.
fn altered(bytes: &[u8], foreign: &[u8], random: &mut Random) -> (&'static str, Vec<u8>) {
    let mut bytes = bytes.to_vec();
    let place = random.below(bytes.len());
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
    };
    let mut all = lines(&bytes);
    let theirs = lines(foreign);
    let (one, other) = (random.below(all.len()), random.below(all.len()));
    let kind = random.below(10);
    match kind {
        0..=2 => bytes[place] ^= 1 << random.below(8),
        3 => bytes[place] = random.below(256) as u8,
        4 => bytes.truncate(place),
        5 => {
            let end = (place + 1 + random.below(600)).min(bytes.len());
            bytes[place..end].fill(0);
        }
        6 => {
            all.remove(one);
            bytes = all.concat();
        }
        7 => {
            all.insert(one, all[other].clone());
            bytes = all.concat();
        }
        8 => {
            all.swap(one, other);
            bytes = all.concat();
        }
        _ => {
            all[one] = theirs[random.below(theirs.len())].clone();
            bytes = all.concat();
        }
    }
    let names = [
        "flip",
        "flip",
        "flip",
        "byte",
        "cut",
        "zeros",
        "line gone",
        "line twice",
        "lines swapped",
        "foreign line",
    ];
    (names[kind], bytes)
}

fn by_index(records: &[Record]) -> BTreeMap<usize, Record> {
    records.iter().map(|record| (record.index, record.clone())).collect()
}

/// 1 200 altered journals of an interrupted run. What is taken over must be what was found, to the bit; the
/// finished run must be the same bytes.
#[test]
fn altered_journals_are_noticed() {
    let scratch = scratch();
    let case = Case::new(&scratch, "journals");
    let whole = case.go(&scratch.path().join("whole"), 0).unwrap();
    let truth = by_index(&whole.records);
    assert!(whole.records.iter().any(|r| !r.is_robust()) && whole.records.iter().any(Record::is_robust));
    case.begin(&scratch.path().join("begun"), 0);
    case.begin(&scratch.path().join("foreign"), 1);
    let journal = |of: &str| std::fs::read(scratch.path().join(of).join("journal.jsonl")).unwrap();
    let (begun, foreign) = (journal("begun"), journal("foreign"));
    let place = scratch.path().join("altered");
    let mut random = Random(11);
    let (mut refused, mut kept, mut said, mut samples) = (0, 0, 0, 0);
    for turn in 0..1200 {
        copy(&scratch.path().join("begun"), &place);
        let (kind, bytes) = altered(&begun, &foreign, &mut random);
        std::fs::write(place.join("journal.jsonl"), &bytes).unwrap();
        let manifest = AuditManifest::new(&case.audit(0), vec![]).unwrap();
        match RunDirectory::open(&place, &manifest, true) {
            Err(error) if matches!(error.kind(), Error::Run { .. }) => {
                assert!(error.to_string().len() > 20, "{kind}: {error}");
                refused += 1;
                continue;
            }
            Err(error) => panic!("{kind}: {error}"),
            Ok(directory) => {
                kept += 1;
                said += usize::from(directory.damage().is_some());
                samples += directory.finished().len();
                for record in directory.finished() {
                    let found = &truth[&record.index];
                    let mut before = found.clone();
                    (before.pending, before.attacks) = (true, vec![None; 2]);
                    assert_eq!(if record.pending { &before } else { found }, record, "{kind}");
                }
                let indices: BTreeSet<usize> = directory.finished().iter().map(|r| r.index).collect();
                assert_eq!(indices.len(), directory.finished().len(), "{kind}");
            }
        }
        if turn % 12 == 0 {
            // Opened and not gone on with: what is whole of the journal is still there.
            case.go(&place, 0).unwrap();
            for file in ["manifest.json", "samples.parquet", "examples.parquet"] {
                let read = |of: &Path| std::fs::read(of.join(file)).unwrap();
                assert!(read(&place) == read(&scratch.path().join("whole")), "{kind}: {file}");
            }
        }
    }
    println!(
        "1200 altered journals: {refused} refused, {kept} read ({said} with a word), {samples} samples kept"
    );
    assert!(kept > 600 && said > 400 && samples > 5000);
}

/// One damaged line does not cost the others, and a journal of another run is not touched.
#[test]
fn what_comes_before_the_damage_is_kept() {
    let scratch = scratch();
    let case = Case::new(&scratch, "kept");
    let place = scratch.path().join("run");
    case.begin(&place, 0);
    let journal = place.join("journal.jsonl");
    let text = std::fs::read(&journal).unwrap();
    let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let before: usize = lines[..11].iter().map(|line| line.len()).sum();
    let mut bytes = text.clone();
    bytes[before + 60] ^= 4;
    std::fs::write(&journal, &bytes).unwrap();
    let state = RunState::read(&place).unwrap();
    assert!(
        state.outcome.summary.warnings.iter().any(|w| w.code == "journal" && w.message.contains("damaged"))
    );
    let manifest = AuditManifest::new(&case.audit(0), vec!["again".into()]).unwrap();
    let opened = RunDirectory::open(&place, &manifest, true).unwrap();
    assert_eq!(opened.finished().len(), 10, "the first line is the header");
    let damage = opened.damage().unwrap();
    assert!(
        damage.contains(&format!("at byte {before}")) && damage.contains("10 samples are kept"),
        "{damage}"
    );
    drop(opened);

    // The journal of another run in this directory.
    case.begin(&scratch.path().join("foreign"), 1);
    let foreign = std::fs::read(scratch.path().join("foreign").join("journal.jsonl")).unwrap();
    std::fs::write(&journal, &foreign).unwrap();
    let message = RunDirectory::open(&place, &manifest, true).map(drop).unwrap_err().to_string();
    assert!(message.contains("does not belong to manifest.json"), "{message}");
    assert!(RunState::read(&place).is_err());
    assert_eq!(std::fs::read(&journal).unwrap(), foreign);

    // One of the former format, without checksums.
    std::fs::write(&journal, b"{\"index\":0,\"label\":1}\n").unwrap();
    let message = RunDirectory::open(&place, &manifest, true).map(drop).unwrap_err().to_string();
    assert!(message.contains("earlier format"), "{message}");
}

/// Every flipped bit in a file of a finished run is noticed by whatever reads it.
#[test]
fn altered_results_are_noticed() {
    let scratch = scratch();
    let case = Case::new(&scratch, "results");
    let whole = scratch.path().join("whole");
    case.go(&whole, 0).unwrap();
    FinishedRun::open(&whole).unwrap();
    let place = scratch.path().join("altered");
    let mut random = Random(5);
    let mut tried = 0;
    for file in ["manifest.json", "summary.json", "samples.parquet", "examples.parquet", "SHA256SUMS"] {
        let bytes = std::fs::read(whole.join(file)).unwrap();
        for _ in 0..60 {
            let (kind, changed) = altered(&bytes, &bytes, &mut random);
            if changed == bytes {
                continue;
            }
            copy(&whole, &place);
            std::fs::write(place.join(file), changed).unwrap();
            tried += 1;
            let text = String::from_utf8_lossy(&std::fs::read(place.join(file)).unwrap()).into_owned();
            // The order of the list is nobody's concern.
            if file == "SHA256SUMS"
                && (kind.contains("swapped") || kind == "line twice")
                && FinishedRun::open(&place).is_ok()
            {
                continue;
            }
            assert!(FinishedRun::open(&place).is_err(), "{file}, {kind}: {text}");
            assert!(RunState::read(&place).is_err(), "{file}, {kind}: {text}");
            assert!(merge(std::slice::from_ref(&place)).is_err(), "{file}, {kind}");
            let manifest = AuditManifest::new(&case.audit(0), vec![]).unwrap();
            assert!(RunDirectory::open(&place, &manifest, true).is_err(), "{file}, {kind}: {text}");
        }
    }
    println!("{tried} altered results, all refused");

    // A run of the former format, without digests, is still read, and not gone on with.
    copy(&whole, &place);
    std::fs::remove_file(place.join("SHA256SUMS")).unwrap();
    assert_eq!(RunState::read(&place).unwrap().outcome.records.len(), COUNT);
    let message = FinishedRun::open(&place).unwrap_err().to_string();
    assert!(message.contains("earlier format"), "{message}");
}

/// A journal keeps every sample that was shown on the way; a run that goes on when all are attacked shows those that belong.
#[test]
fn what_is_shown_does_not_depend_on_an_interruption() {
    let scratch = scratch();
    let model = linear(&[1, 4, 4], 3);
    let data = labelled(&model, &[1, 4, 4], 300);
    let file = scratch.path().join("shown.onnx");
    std::fs::write(&file, model.to_bytes()).unwrap();
    let options = EngineOptions { threads: Some(1), micro_batch: Some(4) };
    let engine = engine(&model, &data, rten(), &options);
    let case = Case { file, data, engine };
    // Their distances order the samples, no two of which are alike.
    let minimal: Vec<Box<dyn MinimumNorm>> = vec![Box::new(Fab { steps: 5, ..Fab::default() })];
    let audit = Audit { attacks: Vec::new(), minimal, ..case.audit(0) };
    let manifest = AuditManifest::new(&audit, vec![]).unwrap();
    let open = |place: &Path| RunDirectory::open(place, &manifest, true).unwrap();
    let (whole, place) = (scratch.path().join("whole"), scratch.path().join("resumed"));
    let (mut journal, going) = (Vec::new(), AtomicBool::new(false));
    let keep = |progress: Progress| {
        if let Progress::Attacks { pending: 0, .. } = progress {
            journal = std::fs::read(whole.join("journal.jsonl")).unwrap();
        }
    };
    audit.run_in(open(&whole), &going, keep).unwrap();
    copy(&whole, &place);
    for file in ["samples.parquet", "examples.parquet", "summary.json", "SHA256SUMS"] {
        std::fs::remove_file(place.join(file)).unwrap();
    }
    std::fs::write(place.join("journal.jsonl"), &journal).unwrap();
    audit.run_in(open(&place), &going, |_| ()).unwrap();
    let read = |of: &Path| std::fs::read(of.join("examples.parquet")).unwrap();
    assert!(read(&place) == read(&whole));
}

/// A run is killed between any two of its last steps; what it left goes on to the same bytes.
#[test]
fn the_end_of_a_run_can_be_cut_anywhere() {
    let scratch = scratch();
    let case = Case::new(&scratch, "end");
    let whole = scratch.path().join("whole");
    case.go(&whole, 0).unwrap();
    let begun = scratch.path().join("begun");
    let journal = case.journal(&begun, 0, COUNT);
    let files = ["samples.parquet", "examples.parquet", "summary.json", "SHA256SUMS"];
    let place = scratch.path().join("cut");
    for written in 0..=files.len() {
        copy(&whole, &place);
        for file in &files[written..] {
            std::fs::remove_file(place.join(file)).unwrap();
        }
        std::fs::write(place.join("journal.jsonl"), &journal).unwrap();
        std::fs::write(place.join(".kennard-Xy12.tmp"), b"half").unwrap();
        case.go(&place, 0).unwrap();
        for file in ["manifest.json", "samples.parquet", "examples.parquet"] {
            let read = |of: &Path| std::fs::read(of.join(file)).unwrap();
            assert!(read(&place) == read(&whole), "{written}: {file}");
        }
        let names: BTreeSet<String> = std::fs::read_dir(&place)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        let expected = [&["manifest.json"][..], &files].concat().into_iter().map(String::from).collect();
        assert_eq!(names, expected, "nothing is left over");
    }
    // Nothing is done again, not even the times.
    let before = std::fs::read(place.join("summary.json")).unwrap();
    case.go(&place, 0).unwrap();
    assert_eq!(std::fs::read(place.join("summary.json")).unwrap(), before);
}

/// A merge that was cut off, or is repeated, gives the same files; another run is not written over.
#[test]
fn a_merge_can_be_repeated() {
    let scratch = scratch();
    let case = Case::new(&scratch, "merge");
    let parts: Vec<PathBuf> = (1..=2).map(|number| scratch.path().join(format!("part-{number}"))).collect();
    for (number, part) in (1..).zip(&parts) {
        let audit = Audit { shard: Shard { number, of: 2 }, ..case.audit(0) };
        let opened = RunDirectory::open(part, &AuditManifest::new(&audit, vec![]).unwrap(), false).unwrap();
        audit.run_in(opened, &AtomicBool::new(false), |_| ()).unwrap();
    }
    let merged = merge(&parts).unwrap();
    let out = scratch.path().join("merged");
    merged.write(&out).unwrap();
    let files = ["manifest.json", "samples.parquet", "examples.parquet", "summary.json", "SHA256SUMS"];
    let bytes = |of: &Path| files.map(|file| std::fs::read(of.join(file)).unwrap());
    let first = bytes(&out);
    for cut in 0..files.len() {
        files[cut..].iter().for_each(|file| std::fs::remove_file(out.join(file)).unwrap());
        assert!(FinishedRun::open(&out).is_err());
        merged.write(&out).unwrap();
        assert_eq!(bytes(&out), first);
    }
    let message = merged.write(&parts[0]).unwrap_err().to_string();
    assert!(message.contains("holds another run"), "{message}");
}

/// Photos in the directories of two classes: every third is of the model's size, every third grey.
fn photos(scratch: &TempDir) -> PathBuf {
    let fixtures = root().join("crates/kennard-data/src/fixtures");
    let folder = scratch.path().join("photos");
    for (split, count) in [("test", 6), ("train", 1)] {
        for class in ["ant", "bee"] {
            let place = folder.join(split).join(class);
            std::fs::create_dir_all(&place).unwrap();
            let photos = ["photo_16x16.bmp", "photo.png", "photo_grey.jpg"];
            for (number, photo) in photos.iter().cycle().take(count).enumerate() {
                std::fs::copy(fixtures.join(photo), place.join(format!("{number}-{photo}"))).unwrap();
            }
        }
    }
    folder
}

/// Audits photos as squares of this side, into a directory.
fn audit_photos(
    folder: &Path,
    side: usize,
    shard: Shard,
    out: &Path,
    resume: bool,
) -> kennard::Result<Outcome> {
    let options = Options { resize: Some((side, side)), ..Options::default() };
    let data = DataSet::open(&format!("folder:{}", folder.display()).parse().unwrap(), &options).unwrap();
    let feeding = EngineOptions { threads: Some(1), micro_batch: Some(4) };
    let engine = engine(&linear(data.shape(), 3), &data, rten(), &feeding);
    let model = ModelSummary { classes: 3, ..ModelSummary::default() };
    let threat = ThreatModel::new(Norm::Linf, 0.03).unwrap();
    let audit = Audit { shard, ..Audit::new(model, &engine, &data, threat) };
    let directory = RunDirectory::open(out, &AuditManifest::new(&audit, vec![])?, resume)?;
    audit.run_in(directory, &AtomicBool::new(false), |_| ())
}

/// What shards say of their images adds up to what one run says, in whatever order they are named.
#[test]
fn shards_say_together_what_was_done_to_images() {
    let scratch = scratch();
    let folder = photos(&scratch);
    let run = |number: usize, of: usize| {
        let place = scratch.path().join(format!("{number} of {of}"));
        let outcome = audit_photos(&folder, 16, Shard { number, of }, &place, false).unwrap();
        (place, outcome.summary.data)
    };
    let (_, whole) = run(1, 1);
    assert_eq!(whole.notes.len(), 4, "{:?}", whole.notes);
    assert!(whole.notes[1].contains("8 of the 12 images") && whole.notes[2].contains("4 of the 12 images"));
    let parts = [1, 2, 3].map(|number| run(number, 3));
    assert_eq!(parts[0].1.notes.len(), 1, "{:?}", parts[0].1.notes);
    for order in [[0, 1, 2], [2, 1, 0]] {
        let parts = order.map(|part: usize| parts[part].0.clone());
        assert_eq!(merge(&parts).unwrap().outcome.summary.data, whole);
    }
}

/// Runs of images that are cropped otherwise, or whose labels mean other classes, are not mixed.
#[test]
fn what_images_and_labels_are_is_part_of_a_run() {
    let scratch = scratch();
    let folder = photos(&scratch);
    let run = |side: usize, number: usize, resume: bool| {
        let place = scratch.path().join(number.to_string());
        audit_photos(&folder, side, Shard { number, of: 2 }, &place, resume).map(|_| place)
    };
    let first = run(16, 1, false).unwrap();
    let second = run(20, 2, false).unwrap();
    let cropped = "data.shape is [3,16,16] there and [3,20,20] here";
    let message = merge(&[first.clone(), second.clone()]).unwrap_err().to_string();
    assert!(message.contains(cropped), "{message}");
    let message = run(20, 1, true).unwrap_err().to_string();
    assert!(message.contains(cropped), "{message}");

    // The other split has a class of which this one has no sample: `ant` was 0, and is 1.
    std::fs::remove_dir_all(&second).unwrap();
    let other = folder.join("train").join("abe");
    std::fs::create_dir(&other).unwrap();
    std::fs::copy(folder.join("train/ant/0-photo_16x16.bmp"), other.join("0.bmp")).unwrap();
    let second = run(16, 2, false).unwrap();
    let message = merge(&[first, second]).unwrap_err().to_string();
    assert!(message.contains("order of classes"), "{message}");
    let message = run(16, 1, true).unwrap_err().to_string();
    assert!(message.contains("order of classes"), "{message}");
}

/// Data that are rewritten under a run: its figures are of nothing.
#[test]
fn changed_data_are_noticed() {
    let scratch = scratch();
    let folder = scratch.path().join("fashion");
    copy(&fixture("fashion-mnist"), &folder);
    let data = open(&format!("fashion-mnist:{}", folder.display()));
    let path = fixture("fashion_mlp.onnx");
    let model = Graph::load(&path).unwrap();
    let engine = engine(&model, &data, rten(), &EngineOptions { threads: Some(1), micro_batch: None });
    let audit = Audit {
        samples: Selection::First(20),
        attacks: vec![Box::new(Fgsm::default())],
        ..Audit::new(
            ModelSummary::of_file(&path, engine.classifier()).unwrap(),
            &engine,
            &data,
            ThreatModel::new(Norm::Linf, 0.03).unwrap(),
        )
    };
    let place = scratch.path().join("run");
    let directory = RunDirectory::open(&place, &AuditManifest::new(&audit, vec![]).unwrap(), false).unwrap();
    let labels = folder.join("t10k-labels-idx1-ubyte.gz");
    let before = std::fs::read(&labels).unwrap();
    let rewrite = |_: Progress| {
        let mut bytes = before.clone();
        bytes[4] ^= 1;
        std::fs::write(&labels, bytes).unwrap();
    };
    let error = audit.run_in(directory, &AtomicBool::new(false), rewrite).unwrap_err().to_string();
    assert!(error.contains("labels-idx1") && error.contains("changed during the run"), "{error}");
    // Put back, the data do not make the samples found meanwhile right.
    std::fs::write(&labels, &before).unwrap();
    let manifest = AuditManifest::new(&audit, vec![]).unwrap();
    assert!(RunDirectory::open(&place, &manifest, true).unwrap().finished().is_empty());
}

/// 400 altered files of a training run that is gone on with: the same networks, or a refusal.
#[test]
fn altered_training_states_are_noticed() {
    let scratch = scratch();
    let (n, d) = (64, 16);
    let values: Vec<f32> = (0..n * d).map(|i| ((i * 7919 + i / 16 * 31) % 101) as f32 / 101.0).collect();
    let labels: Vec<usize> = (0..n).map(|i| usize::from(values[i * d] > 0.5)).collect();
    let recipe = Recipe {
        epochs: 3,
        batch: 16,
        part: 8,
        optimizer: Optimizer::Sgd { momentum: 0.9 },
        rate: 0.1,
        schedule: Schedule::Constant,
        decay: 0.0,
        average: Some(0.9),
        held_out: 16,
        ..Recipe::default()
    };
    let samples = TrainingSet::of(values, labels, &[1, 4, 4], &recipe).unwrap();
    let network: Architecture = "mlp:8".parse().unwrap();
    let model = network.build(&[1, 4, 4], 2, None, Kept::Activations, 0).unwrap();
    let runtime = rten();
    let training =
        Training { model: &model, recipe: &recipe, samples: &samples, runtime: &runtime, threads: 1 };
    let go = |place: &Path| {
        let settings = TrainingSettings {
            network: Network::Architecture("mlp:8".into()),
            samples: TrainedOn::Problem { problem: "sides".into(), points: n },
            recipe: recipe.clone(),
            runtime: None,
        };
        let directory = TrainingDirectory::open(place, vec![], &settings, true)?;
        training.run(Some(&directory), &AtomicBool::new(false), |_| ())
    };
    let whole = scratch.path().join("whole");
    go(&whole).unwrap();
    let place = scratch.path().join("altered");
    let checkpoints = |of: &Path| of.join("checkpoints");
    let mut random = Random(3);
    let (mut refused, mut same, mut said) = (0, 0, 0);
    let files = [
        "state.safetensors",
        "manifest.json",
        "log.jsonl",
        "last.onnx",
        "best.onnx",
        "checkpoints/epoch-0001.onnx",
        "checkpoints/epoch-0003.onnx",
    ];
    for turn in 0..400 {
        let file = if turn < 200 { files[0] } else { files[turn % files.len()] };
        copy(&whole, &place);
        copy(&checkpoints(&whole), &checkpoints(&place));
        let bytes = std::fs::read(whole.join(file)).unwrap();
        let (kind, changed) = altered(&bytes, &bytes, &mut random);
        std::fs::write(place.join(file), changed).unwrap();
        match go(&place) {
            Err(error) if matches!(error.kind(), Error::Run { .. }) => refused += 1,
            Err(error) => panic!("{file}, {kind}: {error}"),
            Ok(trained) => {
                same += 1;
                said += usize::from(trained.damage.is_some());
                for name in
                    ["last.onnx", "best.onnx", "checkpoints/epoch-0001.onnx", "checkpoints/epoch-0003.onnx"]
                {
                    let read = |of: &Path| std::fs::read(of.join(name)).unwrap();
                    assert!(read(&place) == read(&whole), "{file}, {kind}: {name}");
                }
                assert_eq!(trained.epochs.len(), 3);
            }
        }
    }
    println!(
        "400 altered files of a training: {refused} refused, {same} to the same bytes ({said} with a word)"
    );
    assert!(said > 150 && refused > 40);

    // Both states damaged: a refusal.
    for name in ["state.safetensors", "state.previous.safetensors"] {
        let mut bytes = std::fs::read(whole.join(name)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(whole.join(name), bytes).unwrap();
    }
    let message = go(&whole).map(drop).unwrap_err().to_string();
    assert!(message.contains("damaged"), "{message}");
}
