//! Which model: the ends of its file, how it sees the pixels, and what its answer means.

use kennard::graph::ModelFile;
use kennard::{Error, Graph, Preprocessing, Result};

use crate::settings::{Extents, Held, Number};

part! {
    /// Which ends of the model's file are taken.
    Ends {
        /// The shape of one sample, in the model's order of axes, where its file leaves that open: 3,224,224 [default: the
        /// data's]
        #[arg(long, value_name = "EXTENTS")]
        input_shape: Extents,
        /// The input that samples go to, of a model with several
        #[arg(long, value_name = "NAME")]
        input: String,
        /// Numbers at which the model's other inputs are held [default: 0 for the state of recurrent layers]
        #[arg(long, value_name = "NAME=NUMBER,…")]
        hold: Held,
        /// The output with the logits, of a model with several [default: the only one of their shape]
        #[arg(long, value_name = "NAME")]
        output: String,
    }
}

impl Ends {
    /// The graph of a model file. If no setting is about its inputs and outputs, all of these are kept; else the graph is a
    /// classifier's, as it is where another output than the logits cannot be read.
    pub fn graph(&self, file: &ModelFile) -> Result<Graph> {
        let preprocessing = self.preprocessing();
        if preprocessing == Preprocessing::default() {
            return file.graph().or_else(|error| preprocessing.graph(file, None).map_err(|_| error.into()));
        }
        preprocessing.graph(file, None)
    }

    /// The graph of a classifier: with one input and one output, and a score for each class.
    pub fn classifier(&self, file: &ModelFile) -> Result<Graph> {
        let graph = self.graph(file)?;
        let votes = file.has_votes(&self.of_file());
        if votes {
            note!(
                "the model returns the scores of a support vector machine: they are taken one for each class, in the order of \
                 its labels (of two classes the file's own columns are the other way round)"
            );
        }
        match (graph.inputs.len(), graph.outputs.len()) {
            (1, 1) if !votes => Ok(graph),
            _ => self.preprocessing().graph(file, None),
        }
    }

    fn of_file(&self) -> kennard_graph::Ends {
        kennard_graph::Ends {
            input: self.input.clone(),
            sample: self.input_shape.clone().map(|extents| extents.0),
            output: self.output.clone(),
            held: self.hold.clone().unwrap_or_default().0,
        }
    }

    fn preprocessing(&self) -> Preprocessing {
        Preprocessing {
            input_shape: self.input_shape.clone().map(|extents| extents.0),
            input: self.input.clone(),
            hold: self.hold.clone().unwrap_or_default().0,
            output: self.output.clone(),
            ..Preprocessing::default()
        }
    }
}

part! {
    /// How the model sees the pixels, and what its answer means.
    Pixels {
        /// The probability above which a model of one output says class 1 [default: 0.5]
        #[arg(long, value_name = "P")]
        threshold: Number,
        /// The model wants pixels times this: 255 for a model of pixels 0..255
        #[arg(long, value_name = "FACTOR")]
        input_scale: Number,
        /// The model wants normalised pixels: the mean of each channel
        #[arg(long, value_delimiter = ',')]
        mean: Vec<f32>,
        /// The model wants normalised pixels: the standard deviation of each channel
        #[arg(long, value_delimiter = ',')]
        std: Vec<f32>,
        /// The model wants channels last: true or false
        #[arg(long, num_args = 0..=1, default_missing_value = "true")]
        nhwc: bool,
    }
}

parts! {
    /// How the model is fitted to the data.
    Model {
        ends: Ends,
        pixels: Pixels,
    }
}

impl Model {
    /// Which inputs and outputs of the model are used, and what is put in front of it.
    ///
    /// # Errors
    /// When only one of mean and standard deviation is there, from wherever they come.
    pub fn preprocessing(&self) -> Result<Preprocessing> {
        let pixels = &self.pixels;
        if pixels.mean.is_some() != pixels.std.is_some() {
            let [given, missing] = if pixels.mean.is_some() { ["mean", "std"] } else { ["std", "mean"] };
            return Err(Error::Setting(format!(
                "{missing} is missing beside {given}: normalised pixels have a mean and a standard deviation"
            )));
        }
        Ok(Preprocessing {
            scale: pixels.input_scale.map(|n| n.0),
            normalize: pixels.mean.clone().zip(pixels.std.clone()),
            nhwc: pixels.nhwc.unwrap_or(false),
            threshold: pixels.threshold.map(|n| n.0),
            ..self.ends.preprocessing()
        })
    }

    /// These settings for another model, whose inputs and outputs may have other names and extents.
    pub fn of_another(&self) -> Model {
        Model { ends: Ends::default(), ..self.clone() }
    }
}
