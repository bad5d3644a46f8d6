//! Work on graphs of many nodes in a row, which programs walk by calling themselves.

use std::panic::resume_unwind;
use std::thread;

/// The stack's size in bytes; only what is used of it takes memory.
const STACK: usize = 1 << 28;

/// Calls `work` on a thread whose stack does not overflow where a graph has tens of thousands of nodes in
/// a row. Where no such thread can be made it is the calling one.
pub fn on_deep_stack<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    let mut work = Some(work);
    let done = thread::scope(|scope| {
        let call = || work.take().map(|work| work());
        let thread = thread::Builder::new().name("deep".into()).stack_size(STACK).spawn_scoped(scope, call);
        thread.ok().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    match (done.flatten(), work.take()) {
        (Some(result), _) => result,
        (None, Some(work)) => work(),
        (None, None) => unreachable!("the work was either done or is still there"),
    }
}
