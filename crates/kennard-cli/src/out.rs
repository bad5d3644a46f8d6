//! The one place that prints. A reader that goes away, a full disk, or a closed stream never harms the work: the
//! files of a run are written all the same. What comes from outside, such as a node's name, cannot steer the terminal.

#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fmt;
use std::io::{self, ErrorKind, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Prints a line of the result to standard output.
macro_rules! say {
    ($($text:tt)*) => { $crate::out::say(format_args!($($text)*)) };
}

/// Tells the user something by the way, on standard error; `--quiet` leaves it out.
macro_rules! note {
    ($($text:tt)*) => { $crate::out::note(format_args!($($text)*)) };
}

/// Warns the user, on standard error, with `--quiet` too.
macro_rules! warn {
    ($($text:tt)*) => { $crate::out::warn(format_args!($($text)*)) };
}

/// Whether notes are left out.
static QUIET: AtomicBool = AtomicBool::new(false);

/// What became of standard output.
static OUTPUT: Mutex<State> = Mutex::new(State::Open);

enum State {
    Open,
    /// Nobody reads any more.
    Closed,
    /// It could not be written.
    Failed(io::Error),
}

/// Leaves out notes and progress from here on.
pub fn be_quiet() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether notes and progress are left out.
pub fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Prints a line to standard output; see [`say!`].
pub fn say(text: fmt::Arguments) {
    print(&(escaped(&text.to_string()) + "\n"));
}

/// Prints a JSON text that ends its own last line to standard output. Escapes are those of JSON.
pub fn json(text: &str) {
    print(&json_escaped(text));
}

/// Prints to standard error unless `--quiet` is given; see [`note!`].
pub fn note(text: fmt::Arguments) {
    if !is_quiet() {
        warn(text);
    }
}

/// Prints to standard error; see [`warn!`]. Where that cannot be written, nobody can be told.
pub fn warn(text: fmt::Arguments) {
    let text = escaped(&text.to_string()) + "\n";
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// Sends what is still buffered on its way. An error if standard output could not be written, unless it is only
/// that nobody reads it any more.
pub fn finish() -> io::Result<()> {
    attempt(|out| out.flush());
    let mut state = OUTPUT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    match std::mem::replace(&mut *state, State::Closed) {
        State::Failed(error) => Err(error),
        State::Open | State::Closed => Ok(()),
    }
}

/// Keeps the result of writing standard output elsewhere than here.
pub fn keep(result: io::Result<()>) {
    attempt(|_| result);
}

fn print(text: &str) {
    attempt(|out| out.write_all(text.as_bytes()));
}

/// Does something with standard output, unless it failed before.
fn attempt(write: impl FnOnce(&mut io::StdoutLock) -> io::Result<()>) {
    let mut state = OUTPUT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if !matches!(*state, State::Open) {
        return;
    }
    match write(&mut io::stdout().lock()) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => *state = State::Closed,
        Err(error) => *state = State::Failed(error),
    }
}

/// A name from outside on one line, without anything that steers a terminal.
pub fn name(text: &str) -> String {
    text.chars().map(|c| if c == '\n' || c == '\t' || steers(c) { shown(c) } else { c.into() }).collect()
}

/// The text without anything that steers a terminal but line ends and tabulators.
pub fn escaped(text: &str) -> String {
    text.chars().map(|c| if steers(c) { shown(c) } else { c.into() }).collect()
}

/// JSON that means the same. Characters that steer a terminal can stand only in its strings.
fn json_escaped(text: &str) -> String {
    text.chars().map(|c| if steers(c) { format!("\\u{:04x}", u32::from(c)) } else { c.into() }).collect()
}

fn shown(c: char) -> String {
    c.escape_default().to_string()
}

/// Whether a terminal takes a character as an order (C0, DEL, C1) or as one about the direction of the text
/// (Unicode TR 36, 3.2), line ends and tabulators apart.
fn steers(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t'
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_steer_the_terminal() {
        assert_eq!(escaped("a\x1b[2Jb\r\n\tc\u{9b}31m"), "a\\u{1b}[2Jb\\r\n\tc\\u{9b}31m");
        assert_eq!(name("conv\nrobust 100 %\u{202e}"), "conv\\nrobust 100 %\\u{202e}");
        assert_eq!(escaped("σ_x 1\u{202f}000 – 8/255"), "σ_x 1\u{202f}000 – 8/255");
    }

    #[test]
    fn escaped_json_means_the_same() {
        let value = serde_json::json!({ "na\x1bme": "a\u{9b}b\u{202e}c\nd", "x": [1, 2] });
        let text = json_escaped(&serde_json::to_string_pretty(&value).unwrap());
        assert!(!text.chars().any(steers), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
