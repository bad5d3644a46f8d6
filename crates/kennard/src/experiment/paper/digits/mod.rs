//! R1 and R2: images in the plane of Fisher's discriminant, networks of several regimes, packets by quadrature.

mod fisher;
mod network;
mod packets;
mod paths;
mod points;
mod radius;
mod regimes;
mod temperature;

use kennard_runtime::Choice;

use super::jobs::each_of;
use super::{Conditions, PaperReport};
use crate::experiment::Lab;
use crate::{Result, Runtime};
use network::Setup;
use points::PlanePoints;
pub use points::{Inputs, Parts, read};
pub use regimes::EPOCHS;
use regimes::{REGIMES, Regime};

/// Images to train on, and to measure on.
pub const TRAIN: usize = 4000;
const TEST: usize = 1000;
/// How many networks of each regime.
const SEEDS: u64 = 5;

/// R1: figures of packets while networks learn.
pub fn run(lab: &dyn Lab, on: &Conditions) -> Result<Option<PaperReport>> {
    with_course(lab, on, paths::report)
}

/// R2: figures of packets under factors of the logits. `too_small` is why nothing can be said of them.
pub fn temperatures(
    lab: &dyn Lab,
    on: &Conditions,
    too_small: &Option<String>,
) -> Result<Option<PaperReport>> {
    with_course(lab, on, |setup, lab| temperature::report(setup, lab, too_small))
}

fn with_course(
    lab: &dyn Lab,
    on: &Conditions,
    report: impl FnOnce(&Setup, &dyn Lab) -> Result<Option<PaperReport>>,
) -> Result<Option<PaperReport>> {
    let train = on.samples.unwrap_or(TRAIN);
    let counts = [train, TEST.min(2 * train)];
    let Some(inputs) = points::read(&on.data, on.seen, counts, lab.stop())? else { return Ok(None) };
    let points: Parts<PlanePoints> = PlanePoints::of(&inputs)?;
    let runtime = Runtime::open(Choice::Auto)?;
    let epochs = on.epochs.unwrap_or(EPOCHS);
    let (command, stop) = (lab.command(), lab.stop());
    let setup =
        Setup { command, stop, runtime: &runtime, points: &points, data: &on.data, epochs, out: &on.out };
    report(&setup, lab)
}

/// Does something with each network on all cores. The results are in the order of regimes and seeds; `None`: interrupted.
fn of_each<R: Send>(
    lab: &dyn Lab,
    work: impl Fn(&Regime, u64) -> Result<Option<R>> + Sync,
) -> Result<Option<Vec<R>>> {
    let jobs: Vec<(&Regime, u64)> =
        REGIMES.iter().flat_map(|regime| (0..SEEDS).map(move |seed| (regime, seed))).collect();
    let name = |(regime, seed): &(&Regime, u64)| format!("{}, seed {seed}", regime.name);
    each_of(lab, &jobs, name, |(regime, seed)| work(regime, *seed))
}
