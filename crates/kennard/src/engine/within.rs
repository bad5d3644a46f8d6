//! Engines that keep to a limit of memory.

use std::sync::Mutex;

use kennard_runtime::on_deep_stack;

use super::memory::{Limit, Need, free};
use super::plan::{Engine, Plan};
use super::program::Program;
use crate::error::size;
use crate::{Advice, Error, RequestError, Result};

impl Engine {
    /// The same engine with as many workers, and in as large micro-batches, as this many bytes of memory allow by an estimate; none
    /// stands for what is free on this machine, where that is known. Workers change no figure. Micro-batches do by rounding: they
    /// become smaller only where one worker alone needs too much, and not where their size is given.
    ///
    /// # Errors
    /// When the memory that is asked for is not enough for one worker; when the model is a live module, whose memory is not ours.
    pub fn within(mut self, memory: Option<u64>) -> Result<Engine> {
        if let Some(module) = self.classifier.module() {
            if memory.is_none() {
                return Ok(self);
            }
            let own = RequestError::MemoryOfModule { module: module.name().into() };
            return Err(Error::Request(own).advise(": leave {memory} out, or take {engine = export}"));
        }
        let bytes = memory.or_else(free);
        let workers = self.plan.sessions;
        self.limit = bytes.map(|bytes| Limit { bytes, asked: memory.is_some(), workers });
        self.fit_memory()?;
        Ok(self)
    }

    /// Why there are fewer workers or smaller micro-batches than without a limit of memory, or that there may be too little; nothing where all is
    /// as it would be.
    pub fn limited_by_memory(&self) -> Option<&str> {
        self.limited_by_memory.as_deref()
    }

    /// Takes a plan that the memory allows.
    pub(super) fn fit_memory(&mut self) -> Result<()> {
        let Some(limit) = self.limit else { return Ok(()) };
        let plan = Plan { sessions: limit.workers, ..self.plan };
        let need = |classifier, program| {
            on_deep_stack(|| Need::of(classifier, &*self.graph(program)?, &self.runtime, plan.micro_batch))
        };
        let own = need(&self.classifier, Program::Logits)?;
        let need = match &self.surrogate {
            Some(surrogate) => own.and(need(surrogate, Program::SurrogateLogits)?),
            None => own,
        };
        let wanted = size(need.with(plan.sessions, plan.micro_batch));
        let whose = if limit.asked { "may be used" } else { "are free" };
        let Some(fitting) =
            need.fitting([plan.sessions, plan.micro_batch], !self.batch_is_given, limit.bytes)
        else {
            let smallest = if self.batch_is_given { plan.micro_batch } else { 1 };
            let least = need.with(1, smallest);
            if limit.asked {
                let short =
                    RequestError::Memory { micro_batch: smallest, needed: least, allowed: limit.bytes };
                let advice = match smallest {
                    1 => Advice::new(": raise {memory}"),
                    _ => Advice::new(": raise {memory}, or lower {micro_batch}"),
                };
                return Err(Error::Request(short).advise(advice));
            }
            self.take(Plan { sessions: 1, micro_batch: smallest, ..plan });
            let message = format!(
                "one worker needs about {} of memory, and {} are free",
                size(least),
                size(limit.bytes)
            );
            self.limited_by_memory = Some(message);
            return Ok(());
        };
        let [sessions, micro_batch] = fitting;
        let fitting = Plan { sessions, micro_batch, ..plan };
        if fitting == plan {
            return Ok(());
        }
        let mut taken = format!("{} of {} workers", fitting.sessions, plan.sessions);
        if fitting.micro_batch < plan.micro_batch {
            taken += &format!(", micro-batches of {} in place of {}", fitting.micro_batch, plan.micro_batch);
        }
        self.limited_by_memory = Some(format!(
            "all would need about {wanted} of memory, and {} {whose}: {taken}",
            size(limit.bytes)
        ));
        self.take(fitting);
        Ok(())
    }

    pub(super) fn take(&mut self, plan: Plan) {
        if plan.micro_batch != self.plan.micro_batch {
            self.graphs = Mutex::default();
        }
        self.plan = plan;
        if !self.untouched.1 {
            self.untouched.0 = plan.micro_batch;
        }
    }
}
