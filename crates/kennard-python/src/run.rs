//! Long work beside an interpreter: it goes on without Python's lock, and is heard and interrupted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use kennard::audit::Progress;
use kennard::data::DataError;
use kennard::{Error, Mark, SampleError};
use kennard_cli::calls;
use pyo3::exceptions::{PyKeyboardInterrupt, PyValueError};
use pyo3::prelude::*;

use crate::live::Raised;
use crate::{InUse, KennardError};

/// The name of a data set whose samples Python holds.
pub const ARRAYS: &str = "arrays given in Python";

/// How often signals are looked for and progress is told.
const TICK: Duration = Duration::from_millis(100);

/// Models may be tens of thousands of nodes deep.
const STACK: usize = 1 << 28;

/// What work leaves behind when it is interrupted.
#[derive(Clone, Copy, Default)]
pub enum Left {
    /// A directory, if one was named, from which it can go on.
    Resumable,
    /// What was finished, in the directory if one was named.
    Kept,
    /// Nothing.
    #[default]
    Nothing,
}

/// What is known of a call, as far as the words of its error messages depend on it.
#[derive(Clone, Copy, Default)]
pub struct Caller {
    /// What the call leaves behind when it is interrupted.
    pub left: Left,
    /// Whether Python holds the samples.
    pub held: bool,
    /// Whether the model is a Python function without gradients.
    pub slopeless: bool,
    /// A setting that is an argument of another name, and that name.
    pub renamed: Option<[&'static str; 2]>,
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
        Progress::Preparing { done, total } => hear(("preparing bounds", done, total)),
        Progress::Bounds { done, total, .. } => hear(("bounds", done, total)),
        Progress::Radii { done, total } => hear(("radii", done, total)),
        Progress::Attacks { done, pending, .. } => hear(("attacks", done, done + pending)),
        Progress::Packets { done, total } => hear(("packets", done, total)),
        _ => {}
    }
}

/// Does work on a thread of its own. Python's signals stop it, after which it ends with what is finished; what a module
/// raised is raised.
pub fn run<R: Send>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    raised: &Raised,
    caller: Caller,
    work: impl FnOnce(&AtomicBool, &mut dyn FnMut(Heard)) -> kennard::Result<R> + Send,
) -> PyResult<R> {
    let flag = AtomicBool::new(false);
    let stop = &flag;
    let (told, heard) = channel::<Heard>();
    // Both ends go where the lock is not held.
    let (result, interrupted) = py.detach(move || {
        thread::scope(|scope| {
            let hear = move |heard: Heard| {
                // The other end may have stopped listening.
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
            return Err(PyKeyboardInterrupt::new_err(caller.left.said()));
        }
        return Err(error);
    }
    let first = raised.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take();
    match (result, first) {
        (Ok(result), _) => Ok(result),
        (Err(_), Some(error)) => Err(error),
        (Err(error), None) => Err(exception_of(&error, caller)),
    }
}

/// The exception that an error is: a `ValueError` where an argument is at fault. Settings are named as arguments,
/// commands as functions.
pub fn exception(error: &Error) -> PyErr {
    exception_of(error, Caller::default())
}

/// The same in words for a caller, who may hold the samples in Python and then needs other advice than for files.
fn exception_of(error: &Error, caller: Caller) -> PyErr {
    let mut message = said(error, caller);
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
        Error::InUse(_) => InUse::new_err(message),
        error if error.is_argument() => PyValueError::new_err(message),
        _ => KennardError::new_err(message),
    }
}

/// What to do about labels that Python holds and that are not places of classes.
const LABELS: &str =
    "Labels count from 0: where they are other numbers, give np.unique(y, return_inverse=True)[1]";

/// What to do about samples that Python holds and that are not within the bounds.
const UNITS: &str = ". Divide pixels by 255, or give them as uint8, and put the normalisation into the module; name other \
                     bounds only where the model itself takes that range, for instance bounds=(0, 255)";

/// What to do about samples that Python holds and that have NaN or infinite values.
const FINITE: &str = "fill such values, np.nan_to_num(x) for instance, or leave the sample out";

/// What an error says, and what to do about it.
fn said(error: &Error, caller: Caller) -> String {
    match error {
        Error::OfModel { model, error } => return format!("{model}: {}", said(error, caller)),
        Error::Advised { error, .. } if caller.held => {
            let what = |cure: &str| arguments(&error.to_string(), caller) + cure;
            match error.kind() {
                Error::Sample { problem: SampleError::Label { one_number: true, .. }, .. } => {
                    return what(". ") + LABELS;
                }
                Error::Sample { problem: SampleError::Label { .. }, .. } => return what(" ") + LABELS,
                Error::Sample { problem: SampleError::Outside { .. }, .. } => return what(UNITS),
                _ => {}
            }
        }
        Error::Data(DataError::Contents { name, problem }) if name == ARRAYS => {
            return format!("x: {problem}");
        }
        Error::Data(DataError::NotFiniteSample { name, sample, value }) if name == ARRAYS => {
            return format!("x: sample {sample}: the input holds {value}; {FINITE}");
        }
        _ => {}
    }
    let more = match error.kind() {
        Error::NoGradient { .. } if caller.slopeless => {
            "; where the function is one of tensors, give x as a tensor"
        }
        _ => "",
    };
    arguments(&error.worded(|mark| word(mark, caller)), caller) + more
}

/// The characters that end the value of an option in a message.
const ENDS: [char; 4] = [' ', ';', ':', ')'];

/// Whether the package has a command as a function of the same name. Reports have no options.
fn is_function(command: &str) -> bool {
    command == "report" || calls::option_names(command).is_some()
}

/// A setting as an argument, a command as the function that it is here, if there is one.
fn word(mark: Mark<'_>, caller: Caller) -> String {
    match mark {
        Mark::Setting { name, value } => argument(name, value, caller),
        Mark::Command(name) if is_function(name) => format!("`kennard.{name}`"),
        Mark::Command(_) => mark.to_string(),
    }
}

/// A setting as an argument, with its value as Python writes it: `bounds=(0, 255)`, `engine='export'`.
fn argument(setting: &str, value: Option<&str>, caller: Caller) -> String {
    let name = match caller.renamed {
        Some([renamed, name]) if renamed == setting => name,
        _ => setting,
    };
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
fn arguments(message: &str, caller: Caller) -> String {
    let mut parts = message.split("--");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_lowercase() && c != '-').unwrap_or(part.len());
        if part.starts_with(|c: char| c.is_ascii_lowercase()) {
            let (name, rest) = (part[..end].replace('-', "_"), &part[end..]);
            let value = rest.strip_prefix('=').map(|value| &value[..value.find(ENDS).unwrap_or(value.len())]);
            all += &argument(&name, value, caller);
            all += &rest[value.map_or(0, |value| value.len() + 1)..];
        } else {
            all += "--";
            all += part;
        }
    }
    all
}
