//! Panics of rten, made errors.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use rten::ThreadPool;

use crate::Result;

/// Makes a panic an error: rten reports what it does not support as errors, but a model that breaks
/// its assumptions may hit an assertion.
pub(super) fn guard<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let text = |panic: Box<dyn Any + Send>| {
        let text = panic.downcast_ref::<&str>().map(|s| s.to_string());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
    };
    silence();
    let outer = GUARDED.replace(true);
    // Nothing outlives a panic but the model, which a run does not change.
    let result = catch_unwind(AssertUnwindSafe(work));
    GUARDED.set(outer);
    result.unwrap_or_else(|panic| Err(format!("it cannot go on: {}", text(panic))))
}

thread_local! {
    /// Whether a panic on this thread becomes an error.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    /// Whether work that is not rten's runs on this thread of rten.
    static LENT: Cell<bool> = const { Cell::new(false) };
}

/// Calls `work` on a thread of `pool`.
pub fn lend<R: Send>(pool: &ThreadPool, work: impl FnOnce() -> R + Send) -> R {
    pool.run(|| {
        LENT.set(true);
        work()
    })
}

/// Keeps panics that become errors from being printed as well.
fn silence() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let own = std::thread::current().name().is_some_and(|name| name.starts_with("rten-"));
            if !GUARDED.get() && (!own || LENT.get()) {
                before(info);
            }
        }));
    });
}
