use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::error::{DataError, Place};

/// Deflate cannot make more of a byte than this (<https://zlib.net/zlib_tech.html>).
pub(crate) const MAX_DEFLATE_RATIO: u64 = 1032;

/// More values than any classifier takes: 67 million.
pub(crate) const MAX_VALUES: usize = 1 << 26;

/// More classes than any classifier has.
pub(crate) const MAX_CLASSES: usize = 1_000_000;

/// A stream read from front to end that knows where it is, so that errors can say so.
pub(crate) struct Input {
    path: PathBuf,
    stream: Box<dyn Read + Send>,
    offset: u64,
}

impl Input {
    /// `path` is what errors call the stream.
    pub fn new(path: &Path, stream: Box<dyn Read + Send>) -> Input {
        Input { path: path.to_owned(), stream, offset: 0 }
    }

    /// Opens a file; gzip is recognised by its first bytes and unpacked.
    /// Returns also how large the file is.
    pub fn open(path: &Path) -> Result<(Input, Size), DataError> {
        let (file, stored) = open_file(path)?;
        let mut file = BufReader::with_capacity(1 << 16, file);
        let gzip = file.fill_buf().map_err(DataError::io(path))?.starts_with(&[0x1f, 0x8b]);
        let stream: Box<dyn Read + Send> = if gzip {
            Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)))
        } else {
            Box::new(file)
        };
        Ok((Input::new(path, stream), Size { stored, packed: gzip }))
    }

    /// The next `wanted` bytes. Memory is taken only as bytes arrive.
    pub fn take(&mut self, wanted: usize) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::with_capacity(wanted.min(1 << 20));
        let result = (&mut self.stream).take(wanted as u64).read_to_end(&mut bytes);
        let start = self.offset;
        self.offset += bytes.len() as u64;
        match result {
            Ok(found) if found == wanted => Ok(bytes),
            Err(e) if e.kind() != ErrorKind::UnexpectedEof => Err(self.broken(e)),
            _ => Err(DataError::Truncated {
                file: self.path.clone(),
                place: Place::Offset(start),
                wanted: wanted as u64,
                found: bytes.len() as u64,
            }),
        }
    }

    /// Checks that nothing follows, and with it the checksum of a packed stream.
    pub fn end(&mut self) -> Result<(), DataError> {
        match self.stream.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(DataError::malformed(
                &self.path,
                Place::Offset(self.offset),
                "more bytes follow than the header announces",
                "fetch or write the file again",
            )),
            Err(e) => Err(self.broken(e)),
        }
    }

    fn broken(&self, error: std::io::Error) -> DataError {
        match error.kind() {
            ErrorKind::InvalidData | ErrorKind::InvalidInput | ErrorKind::UnexpectedEof => {
                DataError::malformed(
                    &self.path,
                    Place::Offset(self.offset),
                    format!("the packed stream is damaged ({error})"),
                    "fetch or write the file again",
                )
            }
            _ => DataError::io(&self.path)(error),
        }
    }
}

/// Opens a regular file (a pipe would block) and tells its length in bytes.
pub(crate) fn open_file(path: &Path) -> Result<(File, u64), DataError> {
    let meta = std::fs::metadata(path).map_err(DataError::io(path))?;
    if !meta.is_file() {
        return Err(DataError::unsupported(path, Place::Whole, "this is no regular file", "name a file"));
    }
    let file = File::open(path).map_err(DataError::io(path))?;
    Ok((file, meta.len()))
}

/// What a file can hold, to test what its header announces.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Bytes of the file.
    pub stored: u64,
    pub packed: bool,
}

impl Size {
    /// Checks that a header of `header` bytes may announce `data` bytes behind it.
    /// `None` stands for a product beyond 64 bits.
    pub fn check(self, path: &Path, header: u64, data: Option<u64>) -> Result<(), DataError> {
        let capacity = match self.packed {
            true => self.stored.saturating_mul(MAX_DEFLATE_RATIO),
            false => self.stored,
        };
        let room = capacity.saturating_sub(header);
        match data {
            Some(data) if data <= room => {
                if self.packed || data == room {
                    return Ok(());
                }
                Err(DataError::malformed(
                    path,
                    Place::Offset(header + data),
                    format!("{} more bytes follow than the header announces", room - data),
                    "fetch or write the file again",
                ))
            }
            announced => Err(DataError::Truncated {
                file: path.to_owned(),
                place: Place::Offset(header),
                wanted: announced.unwrap_or(u64::MAX),
                found: room,
            }),
        }
    }
}

/// The class index in `label`, or why it is not one.
pub(crate) fn class_index(
    label: i128,
    classes: usize,
    file: &Path,
    place: Place,
) -> Result<usize, DataError> {
    if let Ok(index) = usize::try_from(label)
        && index < classes
    {
        return Ok(index);
    }
    let problem = if label < 0 {
        "is negative; labels are class indices from 0 \
         (splits published without labels carry -1: take another split)"
            .to_owned()
    } else {
        format!("is out of range; the classes are 0 to {}", classes - 1)
    };
    Err(DataError::Label { file: file.to_owned(), place, label: label.to_string(), problem })
}

/// Refuses inputs of more values than any classifier takes.
pub(crate) fn check_values(values: usize, file: &Path, place: Place, cure: &str) -> Result<(), DataError> {
    if values <= MAX_VALUES {
        return Ok(());
    }
    let (what, limit) = (format!("an input of {values} values"), format!("{MAX_VALUES} values"));
    Err(DataError::too_large(file, place, what, limit, cure))
}

/// The first of `names` that is a file in `directory`.
pub(crate) fn find(directory: &Path, names: &[String], what: &str, cure: &str) -> Result<PathBuf, DataError> {
    if let Some(path) = names.iter().map(|name| directory.join(name)).find(|path| path.is_file()) {
        return Ok(path);
    }
    Err(DataError::Missing {
        directory: directory.to_owned(),
        what: match directory.is_dir() {
            true => what.to_owned(),
            false => format!("the directory itself is not there; {what}"),
        },
        tried: names.to_vec(),
        cure: cure.to_owned(),
    })
}
