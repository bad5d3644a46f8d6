use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{Error, Result};

/// Runs work whose panic must end what waits for it with an error, instead of leaving it to wait for ever.
/// `who` does the work, for the message.
pub(crate) fn caught<R>(who: &str, work: impl FnOnce() -> Result<R>) -> Result<R> {
    // Whatever the work was about to change is not used any more after an error.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
        Err(Error::Panicked(format!("{who} panicked: {text}. This is a fault of Kennard: please report it")))
    })
}
