//! The methods of bounds: cheap ones are made at once, costly ones when a sample first needs them.

use std::iter;
use std::sync::{Mutex, OnceLock, PoisonError};

use kennard_graph::{Graph, Method, Region, bound};
use kennard_runtime::{Runtime, on_deep_stack};

use super::cost::Allowance;
use super::method::BoundMethod;
use super::program::{BoundProgram, Ticker, Walks};
use crate::Result;

/// What programs are made of.
pub(super) struct BoundTask {
    pub model: Graph,
    pub region: Region,
    /// The rows of a specification.
    pub rows: usize,
    pub allowance: Allowance,
    pub runtime: Runtime,
    /// The last method that is tried.
    pub last: BoundMethod,
}

/// A program for each method, in the order in which they are tried.
pub(super) struct BoundPrograms {
    task: BoundTask,
    /// Those that take little longer than a pass of the network.
    cheap: Vec<(BoundMethod, BoundProgram)>,
    /// Whether others may follow them.
    goes_on: bool,
    walks: MadeOnce<Result<Walks, String>>,
    crown: MadeOnce<MadeProgram>,
    sloped: MadeOnce<MadeProgram>,
}

type MadeProgram = Result<BoundProgram, Lack>;

/// Why a method is not tried.
pub(super) enum Lack {
    /// It needs more memory than is sensible, or has nothing to add.
    Pointless,
    /// It costs more than is allowed, and so does all that follows.
    Costly,
    /// The model cannot be bounded by it.
    Refused(String),
}

impl Lack {
    /// What counts where nothing can be tried, beside what was lacking before.
    fn after(self, before: Lack) -> Lack {
        match (before, self) {
            (Lack::Refused(why), _) => Lack::Refused(why),
            (before, Lack::Pointless) => before,
            (_, lack) => lack,
        }
    }
}

impl BoundTask {
    fn forwards(&self, method: BoundMethod, micro_batch: usize) -> MadeProgram {
        let walk = match method {
            BoundMethod::Intervals => Method::Intervals,
            _ => Method::CrownOverIntervals,
        };
        self.kept(on_deep_stack(|| {
            BoundProgram::new(bound(&self.model, walk, self.region, self.rows)?, &self.runtime, micro_batch)
        }))
    }

    fn kept(&self, made: Result<Option<BoundProgram>>) -> MadeProgram {
        match made {
            Ok(Some(program)) if self.allowance.covers(program.cost) => Ok(program),
            Ok(Some(_)) => Err(Lack::Costly),
            Ok(None) => Err(Lack::Pointless),
            Err(error) => Err(Lack::Refused(error.to_string())),
        }
    }
}

impl BoundPrograms {
    /// # Errors
    /// When no method can be tried: why.
    pub fn new(task: BoundTask, micro_batch: usize) -> Result<BoundPrograms, Lack> {
        let (mut cheap, mut lack) = (Vec::new(), Lack::Pointless);
        for method in task.last.up_to().filter(|method| *method <= BoundMethod::CHEAP) {
            match task.forwards(method, micro_batch) {
                Ok(program) => cheap.push((method, program)),
                Err(found) => {
                    let ends = matches!(found, Lack::Costly);
                    lack = found.after(lack);
                    if ends {
                        return match cheap.is_empty() {
                            true => Err(lack),
                            false => Ok(BoundPrograms::of(task, cheap, false)),
                        };
                    }
                }
            }
        }
        let goes_on = task.last > BoundMethod::CHEAP;
        let programs = BoundPrograms::of(task, cheap, goes_on);
        if !programs.cheap.is_empty() || programs.methods().next().is_some() {
            return Ok(programs);
        }
        // All that could be made was.
        let BoundPrograms { crown, sloped, .. } = programs;
        for tried in [crown, sloped] {
            if let Some(Err(found)) = tried.made.into_inner() {
                lack = found.after(lack);
            }
        }
        Err(lack)
    }

    fn of(task: BoundTask, cheap: Vec<(BoundMethod, BoundProgram)>, goes_on: bool) -> BoundPrograms {
        let (walks, crown, sloped) = (MadeOnce::default(), MadeOnce::default(), MadeOnce::default());
        BoundPrograms { task, cheap, goes_on, walks, crown, sloped }
    }

    pub fn task(&self) -> &BoundTask {
        &self.task
    }

    /// How many samples the first method bounds together.
    pub fn batch(&self) -> usize {
        self.first(|_| true, &|_, _| true).map_or(1, |(_, program)| program.batch)
    }

    /// The methods, in the order in which they are tried; all are made for that.
    pub fn methods(&self) -> impl Iterator<Item = BoundMethod> {
        let first = |wanted: &dyn Fn(BoundMethod) -> bool| Some(self.first(wanted, &|_, _| true)?.0);
        iter::successors(first(&|_| true), move |last| first(&|method| method > *last))
    }

    /// The method that follows this one, if its program turns out to be there.
    pub fn next(&self, method: BoundMethod) -> Option<BoundMethod> {
        let cheap = self.cheap.iter().map(|(method, _)| *method);
        cheap.chain(self.costly()).find(|next| *next > method)
    }

    /// The first program of the wanted methods, made if nobody needed it before. None where there is none, or where `ticker`
    /// does not go on.
    pub fn first(
        &self,
        wanted: impl Fn(BoundMethod) -> bool,
        ticker: &Ticker<'_>,
    ) -> Option<(BoundMethod, &BoundProgram)> {
        if let Some((method, program)) = self.cheap.iter().find(|(method, _)| wanted(*method)) {
            return Some((*method, program));
        }
        for method in self.costly().filter(|method| wanted(*method)) {
            match self.tried(method, ticker)? {
                Ok(program) => return Some((method, program)),
                Err(Lack::Costly) => return None,
                Err(Lack::Pointless | Lack::Refused(_)) => {}
            }
        }
        None
    }

    /// The methods whose programs take long to make.
    fn costly(&self) -> impl Iterator<Item = BoundMethod> {
        let goes_on = self.goes_on;
        self.task.last.up_to().filter(move |method| goes_on && *method > BoundMethod::CHEAP)
    }

    fn tried(&self, method: BoundMethod, ticker: &Ticker<'_>) -> Option<&MadeProgram> {
        let task = &self.task;
        let walks = self.walks.get(ticker, || {
            on_deep_stack(|| {
                let BoundTask { model, region, rows, allowance, runtime, .. } = task;
                let walks = Walks::new(model, *region, *rows, *allowance, runtime, ticker);
                walks.map_err(|error| error.to_string())
            })
        })?;
        let made = |make: fn(&Walks, &BoundTask) -> Result<Option<BoundProgram>>| match walks {
            Ok(walks) => task.kept(on_deep_stack(|| make(walks, task))),
            Err(why) => Err(Lack::Refused(why.clone())),
        };
        match method {
            BoundMethod::Crown => self.crown.get(ticker, || made(|walks, _| Ok(BoundProgram::crown(walks)))),
            _ => self
                .sloped
                .get(ticker, || made(|walks, task| BoundProgram::sloped(walks, task.rows, &task.runtime))),
        }
    }
}

/// What the first that needs it makes for all.
struct MadeOnce<T> {
    made: OnceLock<T>,
    /// Held while it is made.
    turn: Mutex<()>,
}

impl<T> Default for MadeOnce<T> {
    fn default() -> Self {
        MadeOnce { made: OnceLock::new(), turn: Mutex::default() }
    }
}

impl<T> MadeOnce<T> {
    /// None where `ticker` does not go on: what was cut short counts for nothing.
    fn get(&self, ticker: &Ticker<'_>, make: impl FnOnce() -> T) -> Option<&T> {
        if self.made.get().is_none() {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            if self.made.get().is_none() {
                let made = ticker(0, 1).then(make)?;
                if !ticker(1, 1) {
                    return None;
                }
                let _ = self.made.set(made);
            }
        }
        self.made.get()
    }
}
