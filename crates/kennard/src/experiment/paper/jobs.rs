//! Work on many small networks, one per core.

use crate::Result;
use crate::experiment::Lab;
use crate::workers::{self, Pile};

/// Does each job on one of all cores. The results are in the order of the jobs; `None` where one was interrupted. `name` is
/// what a job is called as it ends.
///
/// # Errors
/// The first that a job returned.
pub fn each_of<J: Sync, R: Send>(
    lab: &dyn Lab,
    jobs: &[J],
    name: impl Fn(&J) -> String,
    work: impl Fn(&J) -> Result<Option<R>> + Sync,
) -> Result<Option<Vec<R>>> {
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    // An interrupted job has no result, and so has the whole none.
    let worker = |pile: &Pile<J, R>| pile.work_off(&work);
    let found =
        workers::each_of(jobs, threads, "a worker of the experiment", lab.stop(), worker, |count, place| {
            lab.say(&format!("{count} of {}: {}", jobs.len(), name(&jobs[place])));
        })?;
    Ok(found.into_iter().collect())
}
