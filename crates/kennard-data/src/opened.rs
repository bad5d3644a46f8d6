use crate::fingerprint::FileDigest;
use crate::images::Form;
use crate::source::Source;

/// What a format's reader finds out on opening.
pub(crate) struct Opened {
    pub len: usize,
    /// The shape of one input.
    pub shape: Vec<usize>,
    pub classes: usize,
    /// The names by class; none where they are unknown.
    pub class_names: Vec<String>,
    /// The digest of their order, where the files of this split alone do not tell it.
    pub order: Option<FileDigest>,
    pub eight_bit: bool,
    /// The names of the columns that inputs come from; none where they come from no table.
    pub features: Vec<String>,
    /// What a user should know.
    pub notes: Vec<String>,
    /// How encoded images become inputs; `None` for arrays.
    pub form: Option<Form>,
    pub source: Box<dyn Source>,
}
