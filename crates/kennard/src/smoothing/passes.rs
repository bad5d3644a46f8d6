//! Certificates of a smoothed classifier over a data set, sample by sample (Cohen et al. 2019, section 3.2.2).

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use arrow_array::RecordBatch;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::certification::Certification;
use super::looks::Limits;
use super::record::{CertificateRecord, to_batch};
use super::settings::SmoothingSettings;
use super::summary::SmoothingSummary;
use super::votes::{most, probability_within};
use super::{CHUNK, displaced};
use crate::answer::predict;
use crate::data::Sample;
use crate::engine::{Evaluator, Query};
use crate::probe::labelled;
use crate::random::stream;
use crate::run::KeptSamples;
use crate::{Error, Result};

/// How far a certification is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SmoothingProgress {
    /// Samples that are done with.
    pub done: u64,
    /// How many there are.
    pub total: u64,
    /// How many of those done are certified for their label, at the first radius where radii are given.
    pub certified: u64,
}

/// What a certification found.
#[derive(Clone, Debug)]
pub struct SmoothingOutcome {
    /// The figures.
    pub summary: SmoothingSummary,
    /// One record per sample, in order.
    pub records: Vec<CertificateRecord>,
}

impl SmoothingOutcome {
    /// The table of `samples.parquet`: a row per sample.
    ///
    /// # Errors
    /// When the table cannot be made.
    pub fn table(&self) -> Result<RecordBatch> {
        to_batch(&self.records)
    }
}

impl Certification<'_> {
    /// Certifies the samples. `stop` ends it early, with the samples finished by then.
    ///
    /// # Errors
    /// When settings make no sense, data and model do not fit, or a runtime fails.
    pub fn run(
        &self,
        stop: &AtomicBool,
        mut progress: impl FnMut(SmoothingProgress),
    ) -> Result<SmoothingOutcome> {
        self.go_on(Vec::new(), &mut |_| Ok(()), stop, &mut progress)
    }

    /// Runs what `records` lack.
    pub(super) fn go_on(
        &self,
        records: Vec<CertificateRecord>,
        keep: &mut dyn FnMut(&CertificateRecord) -> Result<()>,
        stop: &AtomicBool,
        progress: &mut dyn FnMut(SmoothingProgress),
    ) -> Result<SmoothingOutcome> {
        let begin = Instant::now();
        self.check()?;
        let mut summary = SmoothingSummary::blank(&self.about(), &SmoothingSettings::of(self)?);
        summary.warnings = self.engine.warnings().to_vec();
        let first = self.radii.iter().copied().fold(f64::INFINITY, f64::min);
        let first = if first.is_finite() { first } else { 0.0 };
        let certified = |record: &CertificateRecord| u64::from(record.certifies(first, self.sigma));
        let mut now = SmoothingProgress {
            done: records.len() as u64,
            total: summary.total,
            certified: records.iter().map(certified).sum(),
        };
        let kept = KeptSamples::new(records.iter().map(|record| (record.index, record.label)));
        let mut found: BTreeMap<usize, CertificateRecord> =
            records.into_iter().map(|record| (record.index, record)).collect();
        let samples = labelled(self.engine, self.data, self.indices())?;
        let mut unseen = samples.filter_map(|sample| sample.and_then(|s| kept.unless(s)).transpose());
        while !stop.load(Ordering::Relaxed) {
            let chunk: Vec<Sample> = unseen.by_ref().take(CHUNK).collect::<Result<_>>()?;
            if chunk.is_empty() {
                kept.all_met()?;
                break;
            }
            let work = |evaluator: &mut Evaluator, sample: &Sample| self.certify(evaluator, sample, stop);
            self.engine.each_done(&chunk, stop, work, |record| {
                keep(&record)?;
                now.done += 1;
                now.certified += certified(&record);
                found.insert(record.index, record);
                progress(now);
                Ok(())
            })?;
        }
        if found.is_empty() && !stop.load(Ordering::Relaxed) {
            return Err(Error::NoSamples { purpose: "certify", data: self.data.spec().to_string() });
        }
        self.data.check_unchanged()?;
        let records: Vec<CertificateRecord> = found.into_values().collect();
        summary.data.notes = self.data.notes_of(self.indices());
        summary.count(&records);
        summary.seconds = begin.elapsed().as_secs_f64();
        Ok(SmoothingOutcome { summary, records })
    }

    /// The certificate of a sample; none where `stop` came first.
    fn certify(
        &self,
        evaluator: &mut Evaluator,
        sample: &Sample,
        stop: &AtomicBool,
    ) -> Result<Option<CertificateRecord>> {
        let mut random = stream(self.seed, &[sample.index as u64], "certificate");
        let mut counts = vec![0; evaluator.classes()];
        if !self.draw(evaluator, sample, &mut random, self.choosing, &mut counts, stop)? {
            return Ok(None);
        }
        let class = most(&counts);
        counts.fill(0);
        let thresholds: Vec<f64> = self.radii.iter().map(|&r| probability_within(r, self.sigma)).collect();
        let (mut limits, mut draws) = (Limits::NONE, 0);
        for look in self.looks() {
            if !self.draw(evaluator, sample, &mut random, look.draws - draws, &mut counts, stop)? {
                return Ok(None);
            }
            draws = look.draws;
            limits = limits.seen(look, counts[class]);
            if limits.decide(&thresholds) {
                break;
            }
        }
        let whose = [sample.index, sample.label, class];
        Ok(Some(CertificateRecord::new(whose, [counts[class], draws], limits.low, self.sigma)))
    }

    /// Counts the classes of this many more draws; whether they were made before `stop`. An answer with NaN counts for no
    /// class.
    fn draw(
        &self,
        evaluator: &mut Evaluator,
        sample: &Sample,
        random: &mut ChaCha8Rng,
        mut left: u64,
        counts: &mut [u64],
        stop: &AtomicBool,
    ) -> Result<bool> {
        let d = sample.input.len();
        while left > 0 {
            if stop.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let batch = left.min(evaluator.micro_batch() as u64) as usize;
            left -= batch as u64;
            let noise: Vec<f64> = StandardNormal.sample_iter(&mut *random).take(batch * d).collect();
            let points = displaced(&sample.input, &noise, self.sigma, self.bounds);
            let answers = evaluator.evaluate(&Query::logits(points))?;
            for logits in answers.logits.chunks_exact(counts.len()) {
                if let Some(count) = counts.get_mut(predict(logits)) {
                    *count += 1;
                }
            }
        }
        Ok(true)
    }
}
