//! Threads that sessions compute on.

use std::sync::Arc;

use crate::rten;

/// Threads that sessions compute on. Sessions may share them; cheap to clone.
#[derive(Clone, Debug)]
pub struct Threads {
    pub(super) count: usize,
    /// rten's threads; other runtimes make their own in every session.
    pub(super) pool: Option<Arc<::rten::ThreadPool>>,
}

impl Threads {
    /// The number of threads.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Calls `work` where running sessions is cheapest. With rten this is on the threads themselves,
    /// which saves every run the hand-over to another thread (some 10 µs: a tenth to a third of the
    /// time of a small MNIST network); with other runtimes it is the calling thread.
    pub fn enter<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.pool {
            Some(pool) => rten::lend(pool, work),
            None => work(),
        }
    }
}
