//! Damaged and hostile models: whatever a file holds, `kennard audit` ends with figures or a message, within
//! 4 GiB of memory and 20 seconds of a core, on both runtimes.
//!
//! Real models are changed at random places, from fixed seeds: 200 mutants by default, more with
//! `KENNARD_MUTANTS`; `cargo test --test mutants -- --ignored` makes 2 000.

mod common;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::{PROGRAM, fashion, fixture, runtimes, shared};

/// A model, and the data it is audited on.
struct Origin {
    name: String,
    bytes: Vec<u8>,
    data: String,
}

fn origins() -> Vec<Origin> {
    let mut files: Vec<(PathBuf, String)> = ["fashion_pool.onnx", "fashion_mlp.onnx", "fashion_cnn.onnx"]
        .map(|name| (PathBuf::from(fixture(name)), fashion()))
        .into();
    let shared = shared();
    let cases = shared.join("cases");
    if cases.is_dir() {
        let pairs = ["base", "cnn_qdyn:cnn_qdyn", "rnn_lstm:rnn_lstm", "imgstd:const_img", "mha_legacy:s68"];
        let pairs = pairs.into_iter().chain(["op_grid_const_dy:op_grid", "op_conv3d_ts:op_conv3d", "seq"]);
        for pair in pairs.chain(["qop", "fp16_offset", "dbl_offset", "names", "fixed1"]) {
            let (model, data) = pair.split_once(':').unwrap_or((pair, "base"));
            let data = format!("npz:{}", cases.join(format!("{data}.npz")).display());
            files.push((cases.join(format!("{model}.onnx")), data));
        }
        files.push((
            shared.join("models/cntk_mnist.onnx"),
            format!("mnist:{}", shared.join("data/mnist").display()),
        ));
    } else {
        println!("skipped for the shared models: there is no {}", cases.display());
    }
    let origin = |(file, data): (PathBuf, String)| Origin {
        name: file.file_stem().unwrap().to_string_lossy().into_owned(),
        bytes: std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display())),
        data,
    };
    files.into_iter().map(origin).collect()
}

/// A fixed stream of random numbers (xorshift).
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Random {
        Random((seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn below(&mut self, n: usize) -> usize {
        for (left, shift) in [(true, 13), (false, 7), (true, 17)] {
            self.0 ^= if left { self.0 << shift } else { self.0 >> shift };
        }
        (self.0 >> 11) as usize % n.max(1)
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }
}

/// A field of a protobuf message with its number.
#[derive(Clone)]
enum Field {
    Number(u64, u64),
    Fixed(u64, Vec<u8>),
    Bytes(u64, Vec<u8>),
    Message(u64, Vec<Field>),
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 127) << shift;
        if byte < 128 {
            return Some(value);
        }
    }
    None
}

/// The fields of a message, if the bytes are one.
fn parse(bytes: &[u8], depth: usize) -> Option<Vec<Field>> {
    let (mut fields, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        let key = varint(bytes, &mut at)?;
        let number = key >> 3;
        let mut take = |n: usize| {
            let part = bytes.get(at..at.checked_add(n)?)?.to_vec();
            at += n;
            Some(part)
        };
        fields.push(match key & 7 {
            0 => Field::Number(number, varint(bytes, &mut at)?),
            1 => Field::Fixed(number, take(8)?),
            5 => Field::Fixed(number, take(4)?),
            2 => {
                let n = usize::try_from(varint(bytes, &mut at)?).ok()?;
                let part = bytes.get(at..at.checked_add(n)?)?;
                at += n;
                let inner = (depth < 8 && (depth < 2 || n < 4000) && n > 0).then(|| parse(part, depth + 1));
                match inner.flatten() {
                    Some(inner) => Field::Message(number, inner),
                    None => Field::Bytes(number, part.to_vec()),
                }
            }
            _ => return None,
        });
    }
    Some(fields)
}

fn write(fields: &[Field]) -> Vec<u8> {
    fn number(mut value: u64, out: &mut Vec<u8>) {
        while value > 127 {
            out.push(value as u8 | 128);
            value >>= 7;
        }
        out.push(value as u8);
    }
    let mut out = Vec::new();
    for field in fields {
        let (key, bytes) = match field {
            Field::Number(n, value) => {
                number(n << 3, &mut out);
                number(*value, &mut out);
                continue;
            }
            Field::Fixed(n, bytes) => {
                number(n << 3 | if bytes.len() == 8 { 1 } else { 5 }, &mut out);
                out.extend(bytes);
                continue;
            }
            Field::Bytes(n, bytes) => (n, bytes.clone()),
            Field::Message(n, inner) => (n, write(inner)),
        };
        number(key << 3 | 2, &mut out);
        number(bytes.len() as u64, &mut out);
        out.extend(bytes);
    }
    out
}

fn count(fields: &[Field]) -> usize {
    let inner = |field: &Field| if let Field::Message(_, inner) = field { count(inner) } else { 0 };
    fields.iter().map(|field| 1 + inner(field)).sum()
}

/// Changes the field that is the `place`-th in order.
fn change(fields: &mut Vec<Field>, place: &mut usize, random: &mut Random) -> bool {
    for i in 0..fields.len() {
        if *place == 0 {
            let other = random.below(fields.len());
            match (random.below(4), &mut fields[i]) {
                (0, _) => drop(fields.remove(i)),
                (1, field) => {
                    let twin = field.clone();
                    fields.insert(other, twin);
                }
                (_, Field::Number(_, value)) => {
                    let near = [
                        value.wrapping_add(1),
                        value.wrapping_sub(1),
                        value.wrapping_neg(),
                        (*value * 2) & 0xffff,
                    ];
                    let odd = [0, 1, 2, 7, 64, 10_000, 1 << 20, 1 << 31, 1 << 40, 1 << 62, 1 << 63, u64::MAX];
                    *value = if random.below(2) == 0 { random.of(&near) } else { random.of(&odd) };
                }
                (_, Field::Fixed(_, bytes)) => {
                    let end = random.of(&[[0, 0], [0x80, 0x7f], [0xc0, 0x7f], [0x80, 0xff], [0, 0x80]]);
                    let n = bytes.len();
                    bytes[n - 2..].copy_from_slice(&end);
                }
                (_, Field::Bytes(_, bytes)) if !bytes.is_empty() => {
                    let at = random.below(bytes.len());
                    match random.below(3) {
                        0 => bytes[at] ^= 1 << random.below(8),
                        1 => bytes.truncate(at),
                        _ => bytes.extend_from_within(at..),
                    }
                }
                _ => fields.swap(i, other),
            }
            return true;
        }
        *place -= 1;
        if let Field::Message(_, inner) = &mut fields[i]
            && change(inner, place, random)
        {
            return true;
        }
    }
    false
}

/// The mutant of a seed.
fn mutant(bytes: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    let mut bytes = bytes.to_vec();
    let kind = random.below(10);
    if kind < 6 {
        let mut fields = parse(&bytes, 0).expect("an origin is a protobuf message");
        for _ in 0..1 + random.below(3) {
            let mut place = random.below(count(&fields));
            change(&mut fields, &mut place, &mut random);
        }
        return write(&fields);
    }
    // What is not weights stands at the ends.
    let n = bytes.len();
    let place = |random: &mut Random| match random.below(3) {
        0 => random.below(n),
        1 => random.below(n.min(3000)),
        _ => n - 1 - random.below(n.min(3000)),
    };
    let [a, b] = [place(&mut random), place(&mut random)];
    let length = (1 + random.below(200)).min(n - a.max(b));
    match kind {
        6 => (0..1 + random.below(8)).for_each(|_| bytes[place(&mut random)] ^= 1 << random.below(8)),
        7 => bytes.truncate(a),
        8 => (0..length).for_each(|i| bytes.swap(a + i, b + i)),
        _ => {
            let chunk = bytes[a..a + length].to_vec();
            bytes.splice(b..b, chunk);
        }
    }
    bytes
}

/// What went wrong with an audit, if anything did.
fn complaint(model: &Path, data: &str, runtime: &str) -> Option<String> {
    // The limits of memory and of a core's time are the system's; a core that is shared takes longer.
    let mut child = Command::new("sh")
        .args(["-c", "ulimit -c 0; ulimit -v 4194304; ulimit -t 20; exec \"$0\" \"$@\""])
        .args([PROGRAM, "audit"])
        .arg(model)
        .args(["--data", data, "--runtime", runtime, "--eps", "0.02", "--samples", "4", "--attack", "fgsm"])
        .args(["--packet-samples", "0", "--threads", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = Vec::new();
        let _ = pipe.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let begin = Instant::now();
    let status: ExitStatus = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begin.elapsed() > Duration::from_secs(200) {
            child.kill().unwrap();
            child.wait().unwrap();
            return Some("it does not end".into());
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    let said = reader.join().unwrap();
    let good = matches!(status.code(), Some(0 | 1)) && !said.contains("panicked");
    let end: String = said.lines().rev().take(3).collect::<Vec<_>>().join(" | ");
    (!good).then(|| format!("{status}: {end}"))
}

fn try_mutants(seeds: std::ops::Range<u64>) {
    let origins = origins();
    let runtimes = runtimes();
    // Mutants that were complained of stay in it.
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("mutants-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (next, complaints) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let all: Vec<u64> = seeds.collect();
    let work = || {
        while let Some(&seed) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let origin = &origins[seed as usize % origins.len()];
            let file = directory.join(format!("{}-{seed}.onnx", origin.name));
            std::fs::write(&file, mutant(&origin.bytes, seed)).unwrap();
            let found = runtimes.iter().filter_map(|runtime| {
                complaint(&file, &origin.data, runtime)
                    .map(|why| format!("{} {runtime}: {why}", file.display()))
            });
            let found: Vec<String> = found.collect();
            if found.is_empty() {
                std::fs::remove_file(&file).unwrap();
            }
            complaints.lock().unwrap().extend(found);
        }
    };
    std::thread::scope(|scope| (0..2).for_each(|_| drop(scope.spawn(work))));
    let complaints = complaints.into_inner().unwrap();
    println!("{} mutants of {} models", all.len(), origins.len());
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn mutants_get_figures_or_a_message() {
    let count = std::env::var("KENNARD_MUTANTS").ok().and_then(|text| text.parse().ok()).unwrap_or(200);
    try_mutants(0..count);
}

#[test]
#[ignore = "it takes a quarter of an hour"]
fn two_thousand_mutants() {
    try_mutants(0..2000);
}
