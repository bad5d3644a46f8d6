use std::collections::BTreeMap;

use kennard_graph::{Ends, Graph, ModelFile};
use serde::{Deserialize, Serialize};

use crate::Result;

/// How a model is fitted to the user's data.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Preprocessing {
    /// The model wants inputs multiplied by this (255 for a model of pixels 0..255).
    pub scale: Option<f64>,
    /// The model wants `(x − mean) / std`, per channel.
    pub normalize: Option<(Vec<f32>, Vec<f32>)>,
    /// The model wants channels last.
    pub nhwc: bool,
    /// The shape of one sample as the model takes it, where its file leaves that open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_shape: Option<Vec<usize>>,
    /// The input that samples go to, of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// Numbers at which other inputs are held.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hold: BTreeMap<String, f64>,
    /// The output with the logits, of several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<String>,
    /// The probability above which a model of one output says class 1, between 0 and 1; ½ by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
}

impl Preprocessing {
    /// The extents of one sample that the model fixes, in its own order of axes; nothing where it fixes none.
    ///
    /// # Errors
    /// When it is open which input samples go to.
    pub fn extents(&self, file: &ModelFile) -> Result<Option<Vec<Option<usize>>>> {
        match &self.input_shape {
            Some(shape) => Ok(Some(shape.iter().map(|&n| Some(n)).collect())),
            None => Ok(file.extents(&self.ends(None))?),
        }
    }

    /// The labels of the classes in the order of the model's outputs, numbers as texts; none where its file does not list them.
    pub fn class_labels(&self, file: &ModelFile) -> Vec<String> {
        file.class_labels(&self.ends(None)).unwrap_or_default()
    }

    /// The graph of a model for samples of this shape, where one is known: extents that the file leaves open are those
    /// of the samples.
    ///
    /// # Errors
    /// When the file is no model that can be used, or it is open what its input, its shape, or its output is.
    pub fn graph(&self, file: &ModelFile, sample: Option<&[usize]>) -> Result<Graph> {
        Ok(file.classifier(&self.taken(file, sample)?)?)
    }

    /// The ends of a model's file that are taken for such samples.
    pub(super) fn taken(&self, file: &ModelFile, sample: Option<&[usize]>) -> Result<Ends> {
        let open = match (&self.input_shape, sample) {
            (None, Some(sample)) => match self.extents(file)? {
                Some(extents) if extents.iter().all(Option::is_some) => None,
                Some(extents) => filled(&extents, &self.as_taken(sample)),
                None => Some(self.as_taken(sample)),
            },
            (shape, _) => shape.clone(),
        };
        Ok(self.ends(open))
    }

    fn ends(&self, sample: Option<Vec<usize>>) -> Ends {
        Ends { input: self.input.clone(), sample, output: self.output.clone(), held: self.hold.clone() }
    }

    /// The shape of a sample after its channels are moved.
    fn as_taken(&self, sample: &[usize]) -> Vec<usize> {
        match sample {
            &[c, h, w] if self.nhwc => vec![h, w, c],
            other => other.to_vec(),
        }
    }
}

/// The extents with those that are open taken from a sample: axis by axis, axes of one apart, or one that holds all.
pub(super) fn filled(extents: &[Option<usize>], sample: &[usize]) -> Option<Vec<usize>> {
    let fits = |(extent, &n): (&Option<usize>, &usize)| extent.is_none_or(|extent| extent == n);
    if extents.len() == sample.len() && extents.iter().zip(sample).all(fits) {
        return Some(sample.to_vec());
    }
    let long: Vec<usize> = sample.iter().copied().filter(|&n| n != 1).collect();
    let wide: Vec<usize> = (0..extents.len()).filter(|&i| extents[i] != Some(1)).collect();
    if wide.len() == long.len() && wide.iter().map(|&i| &extents[i]).zip(&long).all(fits) {
        let mut shape = vec![1; extents.len()];
        wide.iter().zip(&long).for_each(|(&i, &n)| shape[i] = n);
        return Some(shape);
    }
    let known: usize = extents.iter().flatten().product();
    let elements: usize = sample.iter().product();
    let one_open = extents.iter().filter(|extent| extent.is_none()).count() == 1;
    (one_open && known > 0 && elements.is_multiple_of(known))
        .then(|| extents.iter().map(|extent| extent.unwrap_or(elements / known)).collect())
}
