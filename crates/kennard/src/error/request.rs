use kennard_runtime::Precision;

/// Why what was asked for cannot be done, though each setting makes sense by itself.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// Something does not work in the norm.
    #[error("{what} in {}, not in {norm}", .works_in.join(", "))]
    NotInNorm {
        /// What, with its verb: `the attack pgd works`, `certificates are`.
        what: String,
        /// The norm.
        norm: String,
        /// The norms that it works in.
        works_in: Vec<String>,
    },
    /// An attack, or something else that has a name, is named twice.
    #[error("the {what} {name} is asked for twice")]
    Twice {
        /// What it is.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A budget of passes that judging what is found takes up.
    #[error(
        "a budget of {passes} passes leaves none to search with, as judging what is found takes {}; give \
         it {needed} at least",
        needed - 1
    )]
    BudgetTooSmall {
        /// The budget of each attack on a sample.
        passes: u64,
        /// The smallest that leaves a pass.
        needed: u64,
    },
    /// An attack on tree ensembles, and a model that is none.
    #[error(
        "the attack {attack} goes from leaf to leaf of tree ensembles: {why}. square and hop-skip-jump \
         work on any model"
    )]
    NeedsTrees {
        /// The attack.
        attack: String,
        /// Why the model has no trees to read.
        why: String,
    },
    /// An attack with one step size, where each element has an epsilon of its own.
    #[error(
        "the steps of {attack} are of one size for all elements, each of which has an epsilon of its own \
         here"
    )]
    StepOfOneSize {
        /// The attack.
        attack: String,
    },
    /// Certified radii without certificates, or without distances that attacks find.
    #[error("certified radii go with certificates, beside the distances that a minimum-norm attack finds")]
    RadiiAlone,
    /// No smoothed classifier is certified to this radius with so few draws, or so little noise.
    #[error(
        "no certificate from {draws} draws at sigma {sigma} reaches the radius {radius}: though all of \
         them agree, it is {largest:.4} (σ Φ⁻¹(β^(1/n)), where β = {last} is what the last look takes of α \
         = {failure}). {radius} {}, or a larger sigma",
        takes(.needed)
    )]
    OutOfReach {
        /// The radius that was asked for, in units of the input.
        radius: f64,
        /// The largest that there can be.
        largest: f64,
        /// How many draws are counted.
        draws: u64,
        /// The standard deviation of the noise.
        sigma: f64,
        /// The probability of a wrong certificate.
        failure: f64,
        /// What the last look at the counts takes of it.
        last: f64,
        /// How many draws the radius takes, where they can be made.
        needed: Option<u64>,
    },
    /// There are no draws to choose a class with, or none to count.
    #[error(
        "{choosing} draws to choose a class and {counting} to count; take at least one of each, 100 and \
         {usual} for example"
    )]
    NoDraws {
        /// How many draws choose the class.
        choosing: u64,
        /// How many are counted.
        counting: u64,
        /// How many are usually counted.
        usual: u64,
    },
    /// The passes of a live module are not computed in the precision.
    #[error("the passes of {module} are not computed in {precision}")]
    Precision {
        /// What the module is computed by.
        module: String,
        /// The precision.
        precision: Precision,
    },
    /// One worker needs more memory than may be used.
    #[error(
        "one worker in micro-batches of {micro_batch} needs about {} of memory, and {} may be used",
        size(*needed), size(*allowed)
    )]
    Memory {
        /// The smallest micro-batch that may be taken.
        micro_batch: usize,
        /// About how many bytes that takes.
        needed: u64,
        /// How many may be used.
        allowed: u64,
    },
    /// A limit on the memory of a live module.
    #[error("the memory of a live module is that of {module}, and cannot be limited here")]
    MemoryOfModule {
        /// What the module is computed by.
        module: String,
    },
    /// A transfer attack without a model to search on.
    #[error("a transfer attack needs a surrogate: Engine::with_surrogate")]
    NoSurrogate,
    /// A size that is not a multiple of another.
    #[error("{what} is {size}; it must be a multiple of {by}{why}")]
    Undividable {
        /// What has the size.
        what: String,
        /// The size.
        size: usize,
        /// What it must be a multiple of.
        by: usize,
        /// What that is, or what comes on top of it.
        why: String,
    },
    /// A shard has no sample.
    #[error(
        "the shard {number}/{of} has none of the {samples} samples: divide them into no more than \
         {samples} parts"
    )]
    EmptyShard {
        /// Which part, from 1.
        number: usize,
        /// How many parts there are.
        of: usize,
        /// How many samples are divided.
        samples: usize,
    },
    /// Shards are put together, and one is not among them.
    #[error("shard {number}/{of} is missing")]
    MissingShard {
        /// Which part, from 1.
        number: usize,
        /// How many parts there are.
        of: usize,
    },
    /// No directories of shards are named.
    #[error("there is nothing to merge; name the directories of the shards")]
    NothingToMerge,
    /// There is nothing that it could be done with: no run, no network.
    #[error("{0}")]
    Nothing(&'static str),
    /// More runs than a page can show.
    #[error("{runs} runs do not fit on one page; make a report of fewer")]
    TooManyRuns {
        /// How many there are.
        runs: usize,
    },
    /// Bounds of the model cost more passes than certificates may take.
    #[error("bounds of this model cost a sample more than {passes} passes")]
    Costly {
        /// How many they may take.
        passes: u64,
    },
    /// A threshold for a model that returns a number for each class.
    #[error(
        "a threshold is for models that return one number per sample; this one returns {classes}, and the \
         largest decides"
    )]
    NoThreshold {
        /// How many numbers it returns.
        classes: usize,
    },
    /// A temperature of a model whose threshold it would leave as it is.
    #[error(
        "a temperature is that of the model's probabilities, which a threshold of {threshold} leaves as \
         they are: calibrate without it"
    )]
    TemperatureOfThreshold {
        /// The threshold.
        threshold: f64,
    },
}

impl RequestError {
    /// Certificates in a norm that has none.
    pub fn no_certificates(norm: impl std::fmt::Display) -> RequestError {
        RequestError::NotInNorm {
            what: "certificates are".into(),
            norm: norm.to_string(),
            works_in: ["linf", "l2", "l1"].map(String::from).into(),
        }
    }
}

/// The part of a sentence that says how many draws a radius takes.
fn takes(draws: &Option<u64>) -> String {
    draws.map_or("takes more draws than can be made".into(), |draws| format!("takes at least {draws} draws"))
}

/// Bytes as people write them: `1.5 GiB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes as f64 / f64::from(1 << 20) {
        mebibytes if mebibytes < 1000.0 => format!("{mebibytes:.0} MiB"),
        mebibytes => format!("{:.1} GiB", mebibytes / 1024.0),
    }
}
