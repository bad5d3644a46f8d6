//! Ctrl-C: the first ends the work in order, the second at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kennard::Result;

/// Signals closer together than this are one word to stop: `timeout` and batch systems signal a process and its group.
const ONE_WORD: Duration = Duration::from_millis(500);

/// A flag that the first ctrl-C sets, which is said; the second ends the process.
pub fn stop_on_interrupt() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    stop_saying(Some("\ninterrupted: ending with what is finished (again to stop at once)"))
}

/// The same, of what loses nothing when it ends.
pub fn stop_quietly() -> Result<Arc<AtomicBool>, ctrlc::Error> {
    stop_saying(None)
}

fn stop_saying(words: Option<&'static str>) -> Result<Arc<AtomicBool>, ctrlc::Error> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    let mut first = None;
    ctrlc::set_handler(move || match first {
        None => {
            first = Some(Instant::now());
            flag.store(true, Ordering::Relaxed);
            if let Some(words) = words {
                warn!("{words}");
            }
        }
        Some(first) if Instant::now() - first < ONE_WORD => {}
        // No destructors: they would take the runtime from under the workers, whose complaints are then all one hears.
        Some(_) => signal_hook::low_level::exit(130),
    })?;
    Ok(stop)
}
