//! Labelled data sets, streamed sample by sample.
//!
//! [`DataSet::open`] takes a [`DataSpec`], `kind:path`:
//!
//! | spec | files |
//! |---|---|
//! | `mnist:DIR`, `fashion-mnist:DIR` | IDX, plain or gzip, by their usual names: `t10k-images-idx3-ubyte.gz`, ... |
//! | `cifar10:DIR` | `test_batch.bin` or `data_batch_1.bin` to `_5.bin`; class names from `batches.meta.txt` |
//! | `cifar100:DIR` | `test.bin` or `train.bin`, fine labels; class names from `fine_label_names.txt` |
//! | `folder:DIR` | PNG, JPEG, BMP, WebP images; one directory per class, with all that is below it, or a `labels.csv` with the columns `file` and `label` |
//! | `tar:FILE`, `tar:A,B`, `tar:DIR` | archives as the WebDataset library writes them: members `KEY.jpg` (or another image) and `KEY.cls`, a number or a name as text, or `KEY.json` with the label in the field `label`, `cls` or `class`; of a directory those of the split, `imagenet-train-000000.tar`, or all |
//! | `npz:FILE`, `npz:X.npy,Y.npy` | NumPy arrays `x` (samples first, any rank) and `y` (class indices) |
//! | `parquet:FILE` | as on the Hugging Face hub: a column `image` of encoded images, a column `label` of numbers or names; without such images, columns of numbers and a label |
//! | `parquet:DIR`, `parquet:A,B` | several such files, one after the other: those whose names have the split as a word, `test-00000-of-00002.parquet`, or all |
//! | `csv:FILE` | a table as text: names of columns, then one sample per line, numbers and a label |
//!
//! Where a data set has splits, [`Options::split`] chooses; `folder:` has them when `DIR` holds
//! `train` and `test` (or `validation`, `valid`, `val`), or one of them alone with directories of classes in it, `npz:` when the archive holds `x_train` or `x_test`.
//!
//! [`Options::label_column`] names the column with the labels where it is not called so.
//!
//! Labels that are whole numbers, in whatever form (`3`, `03`, `3.0`), are class indices; names are counted in their
//! sorted order, those of both splits. [`Options::classes`] names a file with another order, that of the model, and
//! [`Options::model_classes`] has the labels that the model's own file lists.
//!
//! 8-bit values are divided by 255; float arrays are taken as they are. Only the images of
//! `folder:`, `tar:` and `parquet:` are resized and converted between grey and RGB (an orientation in their Exif data is
//! left alone, and said); the other formats keep the shape they have. No format is held in memory: a stream needs room for a few samples.
//! All files are taken for hostile: what a header announces is checked against what the file can
//! hold before anything is allocated.
//!
//! Samples in memory become a data set too, and so does any stream of them, a [`Source`]:
//!
//! ```
//! use kennard_data::{DataSet, Selection};
//!
//! let inputs = vec![0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0];
//! let data = DataSet::from_samples(inputs, vec![0, 1, 1, 0], &[2], &["equal", "different"])?;
//! assert_eq!((data.len(), data.shape(), data.classes()), (4, &[2][..], 2));
//! for sample in data.select(Selection::Random { count: 2, seed: 1 })? {
//!     let sample = sample?;
//!     println!("{}: {:?} is {}", sample.index, sample.input, data.class_names()[sample.label]);
//! }
//! # Ok::<(), kennard_data::DataError>(())
//! ```
//!
//! # Features
//! `images` reads `folder:` and `tar:`, `parquet` reads `parquet:`. Both are on by default. Without them these formats are refused with
//! [`DataError::LeftOut`].

#![warn(missing_docs)]

#[cfg(feature = "images")]
mod archive;
mod array;
mod cifar;
mod class_list;
mod classes;
mod columns;
mod delimited;
mod error;
mod fingerprint;
#[cfg(feature = "images")]
mod folder;
mod guard;
mod idx;
#[cfg_attr(not(feature = "images"), path = "images_left_out.rs")]
mod images;
mod input;
mod lines;
#[cfg(feature = "images")]
mod listing;
mod memory;
mod nearest;
mod npy;
mod npz;
mod number;
mod opened;
mod options;
#[cfg(feature = "parquet")]
mod parquet;
mod plane;
mod samples;
mod selection;
mod set;
#[cfg(feature = "images")]
mod shards;
mod shown;
mod source;
mod spec;
#[cfg(feature = "images")]
mod splits;
#[cfg(feature = "images")]
mod table;
#[cfg(feature = "images")]
mod tally;
#[cfg(feature = "images")]
mod walk;
#[cfg(feature = "images")]
mod whole;
mod writer;

#[cfg(test)]
mod tests;

pub use class_list::is_rearranged;
pub use error::{DataError, Place};
pub use fingerprint::{FileDigest, digest};
pub use guard::guarded;
pub use memory::Contents;
pub use nearest::{by_likeness, nearest};
pub use options::{Interpolation, Options, Split};
pub use plane::Problem;
pub use samples::{Samples, notes_of_parts};
pub use selection::{Indices, Selected, Selection};
pub use set::DataSet;
pub use source::{Raw, Row, Rows, Sample, Source};
pub use spec::{DataSpec, Format};
pub use writer::{Elements, npy, npz};
