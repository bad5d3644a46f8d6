use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::DataError;
use crate::nearest::nearest;

/// The formats a data set can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Handwritten digits, in IDX files.
    Mnist,
    /// Pictures of clothes, in IDX files.
    FashionMnist,
    /// Ten classes of small pictures, in binary files.
    Cifar10,
    /// A hundred classes of small pictures, in binary files.
    Cifar100,
    /// Images in directories, or listed in a table.
    Folder,
    /// Images in tar archives, as WebDataset has them.
    Tar,
    /// NumPy arrays.
    Npz,
    /// Images, or columns of numbers, in Parquet files.
    Parquet,
    /// Columns of numbers as text.
    Csv,
}

/// Every kind, the word for it, and what follows the colon.
const KINDS: [(Format, &str, &str); 9] = [
    (Format::Mnist, "mnist", "DIR"),
    (Format::FashionMnist, "fashion-mnist", "DIR"),
    (Format::Cifar10, "cifar10", "DIR"),
    (Format::Cifar100, "cifar100", "DIR"),
    (Format::Folder, "folder", "DIR"),
    (Format::Tar, "tar", "FILE or tar:DIR"),
    (Format::Npz, "npz", "FILE or npz:X.npy,Y.npy"),
    (Format::Parquet, "parquet", "FILE or parquet:DIR"),
    (Format::Csv, "csv", "FILE"),
];

/// What to read: `kind:path`, such as `mnist:data/mnist` or `npz:cifar.npz`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DataSpec {
    /// The format.
    pub kind: Format,
    /// The directory or file; for `npz` also two files with a comma between them, for `parquet` and `tar` any number.
    pub path: PathBuf,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, word, _) = KINDS.iter().find(|k| k.0 == *self).expect("every kind is in the table");
        f.write_str(word)
    }
}

impl fmt::Display for DataSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.path.display())
    }
}

impl FromStr for DataSpec {
    type Err = DataError;

    fn from_str(given: &str) -> Result<DataSpec, DataError> {
        let error = |problem: String| DataError::Spec { given: given.to_owned(), problem };
        let forms: Vec<String> = KINDS.iter().map(|(_, word, path)| format!("{word}:{path}")).collect();
        let known = format!("known are {}", forms.join(", "));
        let (word, path) = given.split_once(':').unwrap_or((given, ""));
        let Some((kind, _, form)) = KINDS.iter().find(|k| k.1 == word) else {
            if !given.contains(':') {
                return Err(error(format!("no kind is given, as in `kind:path`; {known}")));
            }
            let near =
                nearest(word, KINDS.iter().map(|k| k.1)).map(|near| format!("did you mean `{near}`? "));
            return Err(error(format!("unknown kind `{word}`; {}{known}", near.unwrap_or_default())));
        };
        if path.is_empty() {
            return Err(error(format!("no path is given; write {word}:{form}")));
        }
        Ok(DataSpec { kind: *kind, path: path.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_a_kind_and_a_path() {
        let spec: DataSpec = "fashion-mnist:C:\\data".parse().unwrap();
        assert_eq!(spec.kind, Format::FashionMnist);
        assert_eq!(spec.path, PathBuf::from("C:\\data"));
        assert_eq!(spec.to_string(), "fashion-mnist:C:\\data");
    }

    #[test]
    fn mistakes_are_answered_with_a_cure() {
        let message = |given: &str| given.parse::<DataSpec>().unwrap_err().to_string();
        assert!(message("cifar:x").contains("did you mean `cifar10`?"));
        assert!(message("MNSIT:x").contains("did you mean `mnist`?"));
        let far = message("tensorflow-datasets:x");
        assert!(far.contains("known are mnist:DIR") && !far.contains("did you mean"));
        assert!(message("mnist").contains("no path is given; write mnist:DIR"));
        assert!(message("data/mnist").contains("no kind is given"));
        assert!(message("npz:").contains("npz:FILE or npz:X.npy,Y.npy"));
    }
}
