use std::future::poll_fn;
use std::path::Path;
use std::task::Poll;

use serde_json::{Value, json};

use super::{Attack, Search, Subject};
use crate::run::model_digest;
use crate::{Norm, Result};

/// Another attack made on the [surrogate](crate::engine::Engine::with_surrogate), a classifier of the same
/// data, and its worst point tried on the model (Papernot et al. 2016, arXiv 1605.07277).
///
/// It sees none of the model's gradients, so that it finds what masked gradients hide. Its passes are those of
/// the model; those of the surrogate show in the time.
pub struct Transfer {
    name: String,
    attack: Box<dyn Attack>,
    surrogate: String,
}

impl Transfer {
    /// What the names of transfers begin with.
    pub(crate) const PREFIX: &str = "transfer-";

    /// The transfer of `attack` from the classifier in the file `surrogate`, whose digest goes into the record.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn new(attack: Box<dyn Attack>, surrogate: &Path) -> Result<Transfer> {
        let name = format!("{}{}", Transfer::PREFIX, attack.name());
        Ok(Transfer { name, attack, surrogate: model_digest(surrogate)? })
    }
}

impl Attack for Transfer {
    fn name(&self) -> &str {
        &self.name
    }

    fn settings(&self) -> Value {
        json!({"surrogate": self.surrogate, "attack": self.attack.settings()})
    }

    fn norms(&self) -> &[Norm] {
        self.attack.norms()
    }

    fn needs_gradient(&self) -> bool {
        false
    }

    fn run<'a>(&'a self, subject: &'a Subject<'a>) -> Search<'a> {
        Box::pin(async move {
            let clean = subject.surrogate_logits().await;
            let on_surrogate = subject.on_surrogate(self.attack.name(), &clean);
            let mut run = self.attack.run(&on_surrogate);
            poll_fn(|context| match run.as_mut().poll(context) {
                Poll::Pending if !on_surrogate.is_paused() => Poll::Pending,
                Poll::Pending => Poll::Ready(Ok(())),
                ended => ended,
            })
            .await?;
            drop(run);
            subject.add_faults(on_surrogate.tally());
            if let Some(candidate) = on_surrogate.best() {
                subject.logits(&subject.seen(candidate.point)).await;
            }
            Ok(())
        })
    }
}
