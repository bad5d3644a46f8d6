//! Long work beside an interpreter: it goes on without Python's lock, and is heard and interrupted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use kennard::audit::Progress;
use kennard::data::DataError;
use kennard::{Error, Mark};
use pyo3::exceptions::{PyKeyboardInterrupt, PyValueError};
use pyo3::prelude::*;

use crate::live::Raised;
use crate::{InUse, KennardError};

/// What samples that Python holds are called where data sets have names.
pub const ARRAYS: &str = "arrays given in Python";

/// How often signals are looked for and progress is told.
const TICK: Duration = Duration::from_millis(100);

/// Models may be tens of thousands of nodes deep.
const STACK: usize = 1 << 28;

/// What work leaves behind when it is interrupted.
#[derive(Clone, Copy)]
pub enum Left {
    /// A directory, if one was named, from which it can go on.
    Resumable,
    /// What was finished, in the directory if one was named.
    Kept,
    /// Nothing.
    Nothing,
}

impl Left {
    /// What is said after ctrl-C.
    fn said(self) -> &'static str {
        match self {
            Left::Resumable => {
                "interrupted; what was finished is kept where out= was given, and resume=True goes on"
            }
            Left::Kept => "interrupted; what was finished is kept where out= was given",
            Left::Nothing => "interrupted; nothing was kept",
        }
    }
}

/// What is done, how much of it, and of how much.
pub type Heard = (&'static str, u64, u64);

/// Tells how far an audit is.
pub fn tell(progress: Progress, hear: &mut dyn FnMut(Heard)) {
    match progress {
        Progress::Clean { done, total } => hear(("clean pass", done, total)),
        Progress::Bounds { done, total, .. } => hear(("bounds", done, total)),
        Progress::Radii { done, total } => hear(("radii", done, total)),
        Progress::Attacks { done, pending, .. } => hear(("attacks", done, done + pending)),
        Progress::Packets { done, total } => hear(("packets", done, total)),
        _ => {}
    }
}

/// Does work on a thread of its own. Python's signals stop it, after which it ends with what is finished; what a module
/// raised is raised. `held`: whether Python holds the samples.
pub fn run<R: Send>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    raised: &Raised,
    left: Left,
    held: bool,
    work: impl FnOnce(&AtomicBool, &mut dyn FnMut(Heard)) -> kennard::Result<R> + Send,
) -> PyResult<R> {
    let flag = AtomicBool::new(false);
    let stop = &flag;
    let (told, heard) = channel::<Heard>();
    // Both ends go where the lock is not held.
    let (result, interrupted) = py.detach(move || {
        thread::scope(|scope| {
            let hear = move |heard: Heard| {
                // Who does not listen any more is told nothing.
                let _ = told.send(heard);
            };
            let named = thread::Builder::new().name("kennard".into()).stack_size(STACK);
            let worker = named.spawn_scoped(scope, move || {
                let mut hear = hear;
                work(stop, &mut hear)
            })?;
            let mut interrupted = None;
            loop {
                let first = heard.recv_timeout(TICK);
                let last = heard.try_iter().last().or(first.as_ref().ok().copied());
                let tick = Python::attach(|py| -> PyResult<()> {
                    py.check_signals()?;
                    match (&progress, last) {
                        (Some(call), Some(last)) => call.call1(py, last).map(drop),
                        _ => Ok(()),
                    }
                });
                if let Err(error) = tick {
                    stop.store(true, Ordering::Relaxed);
                    interrupted.get_or_insert(error);
                }
                if matches!(first, Err(RecvTimeoutError::Disconnected)) {
                    break;
                }
                if first.is_ok() {
                    thread::sleep(TICK.min(Duration::from_millis(20)));
                }
            }
            let result = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            Ok::<_, std::io::Error>((result, interrupted))
        })
    })?;
    if let Some(error) = interrupted {
        if error.is_instance_of::<PyKeyboardInterrupt>(py) {
            return Err(PyKeyboardInterrupt::new_err(left.said()));
        }
        return Err(error);
    }
    let first = raised.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
    match (result, first) {
        (Ok(result), _) => Ok(result),
        (Err(_), Some(error)) => Err(error),
        (Err(error), None) => Err(exception_of(&error, held)),
    }
}

/// The exception that an error is: a `ValueError` where an argument is at fault. Settings are named as arguments,
/// commands as functions.
pub fn exception(error: &Error) -> PyErr {
    exception_of(error, false)
}

/// The same, with what to do about samples that Python holds, `held`, in place of what to do about files.
fn exception_of(error: &Error, held: bool) -> PyErr {
    let mut message = said(error, held);
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        // Some messages end with their cause.
        let text = cause.to_string();
        if !message.contains(&text) {
            message += &format!("; because {text}");
        }
        source = cause.source();
    }
    match error.kind() {
        Error::Setting(_)
        | Error::Unknown { .. }
        | Error::Unreadable { .. }
        | Error::OutOfRange { .. }
        | Error::NotOfMethod { .. }
        | Error::AttackParameter { .. }
        | Error::Missing { .. }
        | Error::TooFew { .. }
        | Error::NoDraws { .. }
        | Error::EmptyShard { .. }
        | Error::NothingToMerge
        | Error::NoSamples { .. }
        | Error::Sample { .. }
        | Error::InputShape { .. }
        | Error::NoImages { .. }
        | Error::NotCertifiable { .. }
        | Error::NoEpsilon(_)
        | Error::Threat(_)
        | Error::Mismatch(_)
        | Error::TooFewSamples { .. }
        | Error::NotANumber(_)
        | Error::NoGradient { .. }
        | Error::FixedBatch { .. }
        | Error::Data(_) => PyValueError::new_err(message),
        Error::InUse(_) => InUse::new_err(message),
        _ => KennardError::new_err(message),
    }
}

/// What to do about labels that Python holds and that are no places of classes.
const LABELS: &str =
    "Labels count from 0: where they are other numbers, give np.unique(y, return_inverse=True)[1]";

/// What to do about samples that Python holds and that are not within the bounds.
const UNITS: &str = ". Divide pixels by 255, or give them as uint8, and put the normalisation into the module; name other \
                     bounds only where the model itself takes that range, for instance bounds=(0, 255)";

/// What an error says, and what to do about it.
fn said(error: &Error, held: bool) -> String {
    match error {
        Error::OfModel { model, error } => return format!("{model}: {}", said(error, held)),
        Error::Advised { error, advice } if held && matches!(error.kind(), Error::Sample { .. }) => {
            let (what, advice) = (arguments(&error.to_string()), advice.to_string());
            if advice.contains("`classes") {
                let between = if what.ends_with('?') { " " } else { ". " };
                return format!("{what}{between}{LABELS}");
            }
            if advice.contains("`bounds") {
                return what + UNITS;
            }
        }
        Error::Data(DataError::Contents { name, problem }) if name == ARRAYS => {
            let number = problem.contains("the input holds");
            let cure = if number {
                "; fill such values, np.nan_to_num(x) for instance, or leave the sample out"
            } else {
                ""
            };
            return format!("x: {problem}{cure}");
        }
        _ => {}
    }
    let own = |why: &str| held && why.contains("function without gradients");
    let more = match error.kind() {
        Error::NoGradient { why, .. } if own(why) => {
            "; where the function is one of tensors, give x as a tensor"
        }
        _ => "",
    };
    arguments(&error.worded(word)) + more
}

/// What a value of an option in a message ends before.
const ENDS: [char; 4] = [' ', ';', ':', ')'];

/// The commands that the package has as functions of the same name.
const FUNCTIONS: [&str; 10] =
    ["attack", "audit", "bound", "calibrate", "certify", "grad", "report", "smooth", "train", "uncertainty"];

/// A setting as an argument, a command as the function that it is here, if there is one.
fn word(mark: Mark<'_>) -> String {
    match mark {
        Mark::Setting { name, value } => argument(name, value),
        Mark::Command(name) if FUNCTIONS.contains(&name) => format!("`kennard.{name}`"),
        Mark::Command(_) => mark.to_string(),
    }
}

/// A setting as an argument, with its value as Python writes it: `bounds=(0, 255)`, `engine='export'`.
fn argument(name: &str, value: Option<&str>) -> String {
    let Some(value) = value else { return name.to_owned() };
    let parts: Vec<&str> = value.split(',').map(str::trim).collect();
    let numbers = parts.iter().all(|part| part.parse::<f64>().is_ok());
    match (numbers, parts.as_slice()) {
        (true, [number]) => format!("{name}={number}"),
        (true, several) => format!("{name}=({})", several.join(", ")),
        _ => format!("{name}='{value}'"),
    }
}

/// A message of the command with its options as arguments: `--max-draws` is `max_draws`, and `--attack=none` is `attack='none'`.
fn arguments(message: &str) -> String {
    let mut parts = message.split("--");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(part.len());
        if part.starts_with(|c: char| c.is_ascii_lowercase()) {
            let (name, rest) = (part[..end].replace('-', "_"), &part[end..]);
            let value = rest.strip_prefix('=').map(|value| &value[..value.find(ENDS).unwrap_or(value.len())]);
            all += &argument(&name, value);
            all += &rest[value.map_or(0, |value| value.len() + 1)..];
        } else {
            all += "--";
            all += part;
        }
    }
    all
}
