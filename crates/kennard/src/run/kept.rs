use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::data::Sample;
use crate::{Error, Mismatch, Result, SampleError};

/// The samples that an earlier run finished, against the data.
pub(crate) struct KeptSamples {
    /// The label of each, by its place in the data set.
    labels: BTreeMap<usize, usize>,
    met: AtomicUsize,
}

impl KeptSamples {
    /// Samples by their places in the data set, with their labels.
    pub fn new(finished: impl Iterator<Item = (usize, usize)>) -> KeptSamples {
        KeptSamples { labels: finished.collect(), met: AtomicUsize::new(0) }
    }

    /// A sample that is still to be examined; nothing where it is among those kept.
    ///
    /// # Errors
    /// When it is kept under another label.
    pub fn unless(&self, sample: Sample) -> Result<Option<Sample>> {
        let Sample { index, label, .. } = sample;
        match self.labels.get(&index) {
            None => Ok(Some(sample)),
            Some(kept) if *kept != label => {
                Err(Error::Sample { index, problem: SampleError::OtherLabel { label, kept: *kept } })
            }
            Some(_) => {
                self.met.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            }
        }
    }

    /// Checks that the data had each of them.
    pub fn all_met(&self) -> Result<()> {
        let (met, kept) = (self.met.load(Ordering::Relaxed), self.labels.len());
        if met == kept { Ok(()) } else { Err(Mismatch::Kept { met, kept }.into()) }
    }
}
