#[cfg(feature = "images")]
use crate::classes::Classes;
#[cfg(feature = "images")]
use crate::error::DataError;
use crate::fingerprint::FileDigest;
use crate::images::Form;
#[cfg(feature = "images")]
use crate::options::Options;
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

#[cfg(feature = "images")]
impl Opened {
    /// `len` encoded images, whose form follows from the first of them; without any it is the error `empty`.
    pub fn images(
        source: Box<dyn Source>,
        len: usize,
        classes: Classes,
        order: Option<FileDigest>,
        mut notes: Vec<String>,
        options: &Options,
        empty: DataError,
    ) -> Result<Opened, DataError> {
        let mut rows = source.rows()?;
        let first = rows.next().ok_or(empty)??;
        let form = Form::new(first.input, rows, options)?;
        notes.extend(classes.notes);
        Ok(Opened {
            len,
            shape: form.shape(),
            classes: classes.count,
            class_names: classes.names,
            order,
            features: Vec::new(),
            eight_bit: true,
            notes,
            form: Some(form),
            source,
        })
    }
}
