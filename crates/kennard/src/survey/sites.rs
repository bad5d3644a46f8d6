//! Where a survey's packets are: around samples, or of the samples of labels.

use std::collections::BTreeMap;
use std::fmt;

use super::{PacketKind, Survey};
use crate::data::{Sample, Selection};
use crate::threat::check_inside;
use crate::{Error, PacketError, Result, ThreatError};

/// Points of this many other classes are where tracks to far parts of a packet start.
pub(super) const OTHERS: usize = 8;

/// Where a packet is.
pub(super) enum Site {
    /// A sample, with what goes past a hidden tensor there.
    Centre(Sample, Vec<f32>),
    /// A label, with the samples that are used.
    Label(usize, Vec<Sample>),
}

/// A scale, if the packet has one, and a site with its place among all.
pub(super) type SiteWork<'s> = (Option<f64>, usize, &'s Site);

impl Site {
    pub fn label(&self) -> usize {
        match self {
            Site::Centre(sample, _) => sample.label,
            Site::Label(label, _) => *label,
        }
    }

    pub fn centre(&self) -> Option<u64> {
        match self {
            Site::Centre(sample, _) => Some(sample.index as u64),
            Site::Label(..) => None,
        }
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Site::Centre(sample, _) => write!(f, "sample {}", sample.index),
            Site::Label(label, _) => write!(f, "label {label}"),
        }
    }
}

impl Survey<'_> {
    /// Where the packets are.
    pub(super) fn sites(&self) -> Result<Vec<Site>> {
        let classes = self.engine.classifier().classes();
        self.check(classes)?;
        if let PacketKind::Box(bounds) = self.kind {
            return self.boxes(bounds, classes);
        }
        let samples = self.samples_of_labels(classes)?;
        if samples.is_empty() {
            let data = self.data.in_words();
            return Err(PacketError::NoSample { data, label: self.label }.into());
        }
        if self.kind == PacketKind::Gaussian {
            let centre = |sample| self.cut(sample).map(|(sample, rest)| Site::Centre(sample, rest));
            return samples.into_iter().map(centre).collect();
        }
        let mut labels: Vec<Vec<Sample>> = vec![Vec::new(); classes];
        for sample in samples {
            labels[sample.label].push(self.cut(sample)?.0);
        }
        let labels = labels.into_iter().enumerate().filter(|(_, samples)| !samples.is_empty());
        Ok(labels.map(|(label, samples)| Site::Label(label, samples)).collect())
    }

    /// Refuses what makes no packet of this kind.
    fn check(&self, classes: usize) -> Result<()> {
        if let Some(label) = self.label.filter(|label| *label >= classes) {
            return Err(Error::NoSuch {
                what: "label",
                number: label,
                range: format!("the model has {classes} classes, 0 to {}", classes - 1),
            });
        }
        if self.centres.count(usize::MAX) == 0 {
            let purpose = "to measure packets around; take at least one".into();
            return Err(Error::TooFew { count: 0, what: "centres", purpose });
        }
        if let (PacketKind::Box(_), Some(hidden)) = (self.kind, self.hidden) {
            return Err(PacketError::NoBox { tensor: hidden.name().into() }.into());
        }
        if let (PacketKind::Data | PacketKind::Empirical, Some(hidden)) =
            (self.kind, self.hidden.filter(|h| h.rest() > 0))
        {
            let (tensor, elements) = (hidden.name().into(), hidden.rest());
            return Err(PacketError::Skips { tensor, elements }.into());
        }
        Ok(())
    }

    /// The box of each label, all samples within it.
    fn boxes(&self, bounds: [f64; 2], classes: usize) -> Result<Vec<Site>> {
        let [low, high] = bounds;
        if low >= high || low.is_nan() || high.is_nan() {
            return Err(ThreatError::Bounds { low: low as f32, high: high as f32 }.into());
        }
        for sample in self.data.samples()? {
            let sample = sample?;
            check_inside(sample.index, &sample.input, bounds.map(|v| v as f32))?;
        }
        let labels = self.label.map_or(0..classes, |label| label..label + 1);
        Ok(labels.map(|label| Site::Label(label, Vec::new())).collect())
    }

    /// A sample with the values of the hidden tensor in place of its input, and what goes past that.
    fn cut(&self, sample: Sample) -> Result<(Sample, Vec<f32>)> {
        let Some(hidden) = self.hidden else { return Ok((sample, Vec::new())) };
        let values = hidden.values(&sample.input)?;
        Ok((Sample { input: values.tensor, ..sample }, values.rest))
    }

    /// The samples that are used, in their order.
    fn samples_of_labels(&self, classes: usize) -> Result<Vec<Sample>> {
        let mut places: Vec<Vec<usize>> = vec![Vec::new(); classes];
        // Samples that are left out are missing here, and no others take their places.
        let mut among = self.among.indices(self.data.len()).peekable();
        for (index, label) in self.data.labels()?.enumerate() {
            let label = label?;
            self.engine.classifier().check_label(index, label)?;
            let used = among.next_if_eq(&index).is_some() && self.without.binary_search(&index).is_err();
            if used && self.label.is_none_or(|wanted| wanted == label) {
                places[label].push(index);
            }
        }
        if self.kind == PacketKind::Gaussian {
            return self.at(self.centres_of(&places));
        }
        let mut taken: Vec<usize> = places.iter().flat_map(|places| self.centres.among(places)).collect();
        taken.sort_unstable();
        self.at(taken)
    }

    fn at(&self, indices: Vec<usize>) -> Result<Vec<Sample>> {
        Ok(self.data.at(Box::new(indices.into_iter()))?.collect::<std::result::Result<_, _>>()?)
    }

    /// The centres of `gaussian`, of the places of each label.
    fn centres_of(&self, places: &[Vec<usize>]) -> Vec<usize> {
        let mut all = places.concat();
        all.sort_unstable();
        let (count, seed) = match self.centres {
            Selection::Random { count, seed } if self.stratified && count < all.len() => (count, seed),
            _ => return self.centres.among(&all),
        };
        // A round takes one of each label that has any left; the last takes those of some labels, drawn at
        // random.
        let mut queues: Vec<Vec<usize>> = places
            .iter()
            .filter(|places| !places.is_empty())
            .map(|places| Selection::Random { count: count.min(places.len()), seed }.in_random_order(places))
            .collect();
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            let left: Vec<usize> = (0..queues.len()).filter(|&label| !queues[label].is_empty()).collect();
            let wanted = Selection::Random { count: count - taken.len(), seed }.among(&left);
            taken.extend(wanted.into_iter().filter_map(|label| queues[label].pop()));
        }
        taken.sort_unstable();
        taken
    }

    /// A sample of each of several labels, drawn at random, for the packets of the others.
    pub(super) fn others(&self) -> Result<Vec<Sample>> {
        if self.kind != PacketKind::Gaussian {
            return Ok(Vec::new());
        }
        let mut places: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, label) in self.data.labels()?.enumerate() {
            places.entry(label?).or_default().push(index);
        }
        let places: Vec<Vec<usize>> = places.into_values().collect();
        let labels: Vec<usize> = (0..places.len()).collect();
        let (labels, seed) =
            (Selection::Random { count: OTHERS + 1, seed: self.seed }.among(&labels), self.seed);
        let mut indices: Vec<usize> = labels
            .iter()
            .flat_map(|&label| Selection::Random { count: 1, seed }.among(&places[label]))
            .collect();
        indices.sort_unstable();
        self.at(indices)?.into_iter().map(|sample| Ok(self.cut(sample)?.0)).collect()
    }
}
