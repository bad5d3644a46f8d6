//! The settings of an audit, on the command line and in the TOML file of `--config`, under the same names. The command
//! line wins.

#[macro_use]
mod part;
mod attacks;
mod features;
mod parts;
mod reach;
mod size;
mod values;

use std::path::{Path, PathBuf};

use kennard::data::{DataSet, Selection};
use kennard::{Boxes, ThreatModel};

use crate::{Error, Usage};

pub use attacks::Attacks;
pub use part::{Part, Source, in_words};
pub use parts::{Data, Ends, Model, Run, Sharding, Taken, Threat, Work};
pub use reach::Reach;
pub use size::Size;
pub use values::{Bounds, Extents, Held, Named, Number, Temperature, Tempered, by_name};

/// Settings that are needed, and what they are.
const DATA: [&str; 2] = ["--data", "the data set, for example mnist:DIR"];
pub const OUT: [&str; 2] = ["--out", "the directory for the results"];
const EPS: [&str; 2] = ["--eps", "the largest perturbation, for example 0.1 or 8/255"];

/// Says that a setting is missing.
pub fn missing([setting, meaning]: [&str; 2]) -> kennard::Error {
    kennard::Error::Missing { setting: setting.into(), meaning: meaning.into() }
}

part! {
    /// What an audit alone has.
    Own {
        /// Before attacks, try to prove of each sample that nothing within eps breaks it; certified samples are not attacked; with
        /// --minimal, how far around each that is so: true or false [default: false; with --attack strongest by the methods that
        /// cost no more than 2000 passes]
        #[arg(long, num_args = 0..=1, default_missing_value = "true")]
        certify: bool,
        /// Points per centre of a packet; 0 takes neither packets nor cosines [default: 500, up to 8000 until their effective sample size is enough, in no more passes than the attacks took]
        #[arg(long)]
        packet_samples: usize,
        /// Measure packets with the logits divided by this temperature too: a number, the file of `kennard calibrate`, or fit, which
        /// fits it to half of the samples; the calibration error is then said too
        #[arg(long, value_name = "T|FILE|fit")]
        temperature: Temperature,
    }
}

part! {
    /// Where the results go.
    Output {
        /// Where to keep samples as they finish, and to write manifest.json, samples.parquet, examples.parquet, summary.json and
        /// report.html
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    }
}

parts! {
    /// The settings of an audit.
    Settings {
        data: Data,
        threat: Threat,
        reach: Reach,
        attacks: Attacks,
        taken: Taken,
        sharding: Sharding,
        own: Own,
        run: Run,
        model: Model,
        output: Output,
    }
}

impl Settings {
    /// These settings, what they leave out taken from a TOML file, if there is one.
    pub fn or_from(self, file: Option<&Path>) -> Result<Settings, Error> {
        let Some(file) = file else { return Ok(self) };
        let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let found = Settings::read_all(&Source::Text(&text));
        let mut found = found.map_err(|e| format!("{}: {e}", file.display()))?;
        // A choice of samples on the command line takes the place of either in the file.
        if self.taken.is_chosen() {
            found.taken = Taken::default();
        }
        Ok(self.or(found))
    }

    /// These settings, which must say on what data, how large and where to; all that is missing is named at once.
    pub fn complete(self, out_too: bool) -> Result<Settings, Error> {
        let missing = [
            (self.data.data.is_none(), DATA),
            (!self.has_size(), EPS),
            (self.output.out.is_none() && out_too, OUT),
        ];
        let said =
            missing.into_iter().filter(|(lacks, _)| *lacks).map(|(_, what)| self::missing(what).to_string());
        let said: Vec<String> = said.collect();
        if said.is_empty() { Ok(self) } else { Err(Usage(said.join("\n")).into()) }
    }

    /// Whether they say how large perturbations may be: epsilon, a reach of each sample or feature, or that the smallest are
    /// sought.
    fn has_size(&self) -> bool {
        self.threat.eps.is_some() || self.attacks.minimal.is_some() || self.reach.is_said()
    }

    /// Refuses settings that do not say how large perturbations may be.
    pub fn check_size(&self) -> kennard::Result<()> {
        if self.has_size() { Ok(()) } else { Err(missing(EPS)) }
    }

    /// Which samples are examined.
    pub fn selection(&self) -> kennard::Result<Selection> {
        self.taken.selection(self.run.seed())
    }

    /// What the attacks may do, and the boxes of the samples where they have some.
    pub fn threat(&self, data: &DataSet) -> kennard::Result<(ThreatModel, Option<Boxes>)> {
        if let Some(boxes) = self.reach.boxes(&self.threat, data)? {
            return Ok((boxes.threat(data)?, Some(boxes)));
        }
        self.check_size()?;
        Ok((self.threat.model()?, None))
    }

    /// The directory of the results.
    pub fn out(&self) -> Option<&Path> {
        self.output.out.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use clap::Args;
    use kennard::audit::Shard;

    use super::*;

    fn read(text: &str) -> Result<Settings, String> {
        Settings::read_all(&Source::Text(text))
    }

    #[test]
    fn a_file_fills_what_the_command_line_leaves_out() {
        let file =
            read("eps = \"8/255\"\nnorm = \"l2\"\nsamples = 3\nshard = \"1/2\"\nmean = [0.5]\n").unwrap();
        let flags = Settings {
            threat: Threat { eps: Some(Number(0.1)), ..Threat::default() },
            ..Settings::default()
        };
        let both = flags.or(file);
        assert_eq!((both.threat.eps, both.threat.norm), (Some(Number(0.1)), Some(kennard::Norm::L2)));
        assert_eq!((both.taken.samples, both.model.pixels.mean), (Some(3), Some(vec![0.5])));
        assert_eq!(both.sharding.shard, Some(Shard { number: 1, of: 2 }));
    }

    /// Lists of numbers and names are texts on the command line; in files and in other languages also lists.
    #[test]
    fn epsilons_and_frozen_features_are_lists_or_texts() {
        let reach = |text: &str| read(text).unwrap().reach;
        let text = reach("eps-per-feature = \"1, 1/2\"\nfrozen = \"age, 3\"\n");
        let list = reach("eps-per-feature = [1, \"1/2\"]\nfrozen = [\"age\", 3]\n");
        assert!(text.is_said() && text.eps_per_feature == list.eps_per_feature && text.frozen == list.frozen);
        let text = reach("integer = \"age, 3\"\none-hot = \"color, red+4\"\n");
        let list = reach("integer = [\"age\", 3]\none-hot = [\"color\", [\"red\", 4]]\n");
        assert!(text.integer.is_some() && text.integer == list.integer && text.one_hot == list.one_hot);
        let names = ["color_red", "age", "color_blue", "red", "size"].map(String::from);
        assert_eq!(text.one_hot.unwrap().places(&names, 5).unwrap(), [[0, 2], [3, 4]]);
        assert!(read("eps-per-feature = \"no-such-file\"").unwrap_err().contains("nor a file"));
        assert!(read("interpolation = \"bicubic\"\nresize = 256\ncentre-crop = 224\n").is_ok());
    }

    #[test]
    fn memory_is_a_text_or_a_number_of_bytes() {
        let memory = |text: &str| read(text).map(|settings| settings.run.memory());
        assert_eq!(memory("memory = \"4GiB\"\nthreads = 2\n"), Ok(Some(4 << 30)));
        assert_eq!(memory("memory = 1048576\n"), Ok(Some(1 << 20)));
        assert!(memory("memory = \"much\"").unwrap_err().contains("no size of memory"));
    }

    #[test]
    fn what_a_file_has_wrong_is_named() {
        assert!(read("epss = 0.1").unwrap_err().contains("`epss` is unknown; did you mean `eps`?"));
        assert!(read("seed = 1\nsteps = \"many\"").unwrap_err().contains("line 2"));
        assert!(read("seed = ").unwrap_err().contains("line 1"));
        assert!(read("eps = inf").unwrap_err().contains("`inf` is no number"));
        assert!(read("hold = { a = nan }").unwrap_err().contains("expected a table of numbers"));
    }

    #[test]
    fn types_are_said_in_words() {
        for wrong in ["samples = -1", "seed = 1.5", "steps = \"many\"", "targets = [2]"] {
            let said = read(wrong).unwrap_err();
            assert!(said.contains("expected a whole number, 0 or more"), "{said}");
        }
        assert!(read("full = 3").unwrap_err().contains("expected true or false"));
        assert!(read("data = 3").unwrap_err().contains("expected a text"));
    }

    /// Options and keys are the same, and the command line as a whole makes sense.
    #[test]
    fn every_option_is_a_key() {
        let command = Settings::augment_args(clap::Command::new("audit"));
        let options: Vec<String> =
            command.get_arguments().map(|arg| arg.get_long().unwrap().into()).collect();
        assert_eq!(options, Settings::keys());
        crate::command::command().debug_assert();
        // What clap asserts in unoptimised builds alone.
        for command in crate::command::command().get_subcommands() {
            let longs = command.get_arguments().flat_map(|arg| {
                let aliases = arg.get_all_aliases().unwrap_or_default().into_iter();
                arg.get_long().into_iter().chain(aliases)
            });
            let mut seen = std::collections::BTreeSet::new();
            for long in longs {
                assert!(seen.insert(long), "{} has two options --{long}", command.get_name());
            }
        }
    }
}
