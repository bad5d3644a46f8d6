//! Work on many small networks, one per core.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Result;
use crate::experiment::Lab;
use crate::workers::{Desk, side_by_side};

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
    let stop = lab.stop();
    let next = AtomicUsize::new(0);
    let work = |desk: &Desk<(usize, R)>| {
        while !desk.halted() {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(place) else { break };
            // An interrupted job has no result, and so has the whole none.
            let Some(found) = work(job)? else { break };
            desk.send((place, found));
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    let mut found: Vec<Option<R>> = jobs.iter().map(|_| None).collect();
    side_by_side(threads.min(jobs.len()), "a worker of the experiment", stop, work, |results| {
        for (count, result) in results.enumerate() {
            let (place, result) = result?;
            found[place] = Some(result);
            lab.say(&format!("{} of {}: {}", count + 1, jobs.len(), name(&jobs[place])));
        }
        Ok(())
    })?;
    Ok(found.into_iter().collect())
}
