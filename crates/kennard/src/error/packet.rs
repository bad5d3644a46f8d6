/// Why packets that are asked for cannot be had.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PacketError {
    /// The data have no sample, or none of this label.
    #[error("the data set {data} has no sample{}; choose a label that it has", of_label(.label))]
    NoSample {
        /// The data set.
        data: String,
        /// The label that was asked for.
        label: Option<usize>,
    },
    /// A box packet of a hidden tensor, whose elements have no bounds.
    #[error("the tensor `{tensor}` has no bounds, so there is no box packet of it; take gaussian or data")]
    NoBox {
        /// The tensor.
        tensor: String,
    },
    /// A packet over several samples, at a hidden tensor that does not have all of what the logits depend on.
    #[error(
        "skip connections carry {elements} elements past the tensor `{tensor}`, and they differ from \
         sample to sample: only the gaussian packet, around one sample, can be had of it"
    )]
    Skips {
        /// The tensor.
        tensor: String,
        /// How many elements go past it.
        elements: usize,
    },
    /// A direction of no length.
    #[error("the direction `{name}` has length {length}, so it gives no direction; choose another")]
    NoDirection {
        /// The direction.
        name: String,
        /// Its length: zero, or no finite number.
        length: f64,
    },
    /// Two directions on one line.
    #[error("the direction `{name}` is the same as the one before, so they span no plane; choose another")]
    SameDirection {
        /// The second of them.
        name: String,
    },
    /// Neither one direction nor two.
    #[error("{count} directions: one makes a line, two make a plane")]
    Directions {
        /// How many there are.
        count: usize,
    },
    /// None of the packets that were asked for could be measured.
    #[error("none of {asked} packets could be measured. {first}")]
    NoneMeasured {
        /// How many were asked for.
        asked: usize,
        /// Which was the first, and why not.
        first: String,
    },
    /// Packets whose intervals cannot be relied on.
    #[error("{few} of {packets} packets have fewer than {least} effective samples and are not to be trusted")]
    FewEffective {
        /// How many have too few.
        few: usize,
        /// How many packets there are.
        packets: usize,
        /// The fewest effective samples that will do.
        least: f64,
    },
}

/// The part of a sentence that names a label.
fn of_label(label: &Option<usize>) -> String {
    label.map_or(String::new(), |label| format!(" of label {label}"))
}
