//! NumPy arrays: a header in the form of a Python dictionary, then the elements
//! (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).
//!
//! The header is parsed here: the parsers of the `npyz` and `ndarray-npy` crates take Python
//! literals of any depth, and a hostile header of 2 kB keeps them busy for many minutes.

use std::path::Path;

use half::f16;

use crate::error::{DataError, Place};
use crate::input::{Input, Size};

/// NumPy itself writes less than 1 kB for any array of numbers.
const MAX_HEADER: usize = 1 << 16;
const MAGIC: &[u8] = b"\x93NUMPY";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub element: Element,
    big_endian: bool,
    /// Whether the first index varies fastest.
    pub fortran: bool,
    pub shape: Vec<usize>,
    /// Bytes before the first element.
    pub offset: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    Signed(usize),
    Unsigned(usize),
    Float(usize),
}

impl Element {
    /// The type a `descr` such as `<f4` names, without its byte order.
    fn parse(descr: &str) -> Option<Element> {
        let size = match descr.get(1..)? {
            "1" => 1,
            "2" => 2,
            "4" => 4,
            "8" => 8,
            _ => return None,
        };
        match (&descr[..1], size) {
            ("i", _) => Some(Element::Signed(size)),
            ("u", _) => Some(Element::Unsigned(size)),
            ("f", 2..) => Some(Element::Float(size)),
            _ => None,
        }
    }

    pub fn size(self) -> usize {
        match self {
            Element::Signed(size) | Element::Unsigned(size) | Element::Float(size) => size,
        }
    }
}

impl Header {
    /// Reads the header at the start of `input`, a stream of `size` bytes.
    pub fn read(input: &mut Input, size: u64, path: &Path) -> Result<Header, DataError> {
        let malformed = |problem: String| {
            let cure = "write the array again with numpy.save or numpy.savez";
            DataError::malformed(path, Place::Offset(0), problem, cure)
        };
        let start = input.take(8)?;
        if &start[..6] != MAGIC {
            return Err(malformed(format!("this is no NPY array, it starts with {start:02x?}")));
        }
        let (text_start, length) = match start[6] {
            1 => {
                let length = input.take(2)?.try_into().expect("2 bytes");
                (10, u16::from_le_bytes(length) as usize)
            }
            2 | 3 => {
                let length = input.take(4)?.try_into().expect("4 bytes");
                (12, u32::from_le_bytes(length) as usize)
            }
            version => return Err(malformed(format!("NPY version {version} is unknown"))),
        };
        if length > MAX_HEADER {
            return Err(malformed(format!("the header announces {length} bytes for itself")));
        }
        let text = String::from_utf8_lossy(&input.take(length)?).into_owned();
        let missing = |key: &str| {
            let start: String = text.trim().chars().take(200).collect();
            malformed(format!("no `{key}` can be read in the header `{start}`"))
        };

        let descr = field(&text, "descr").ok_or_else(|| missing("descr"))?;
        let Some((order, element)) = unquote(descr).and_then(|d| d.split_at_checked(1)) else {
            return Err(unsupported(path, descr.split_inclusive(']').next().unwrap_or(descr)));
        };
        let header = Header {
            element: Element::parse(element)
                .filter(|_| "<>|=".contains(order))
                .ok_or_else(|| unsupported(path, &format!("{order}{element}")))?,
            big_endian: order == ">",
            fortran: match field(&text, "fortran_order") {
                Some(value) if value.starts_with("False") => false,
                Some(value) if value.starts_with("True") => true,
                _ => return Err(missing("fortran_order")),
            },
            shape: field(&text, "shape").and_then(tuple).ok_or_else(|| missing("shape"))?,
            offset: (text_start + length) as u64,
        };
        let bytes =
            header.shape.iter().try_fold(header.element.size() as u64, |n, &d| n.checked_mul(d as u64));
        let size = Size { stored: size, packed: false };
        size.check(path, header.offset, bytes)?;
        Ok(header)
    }

    /// Elements as integers; whole elements are expected.
    pub fn integers<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = i128> + 'a {
        let (size, big_endian) = (self.element.size(), self.big_endian);
        let signed = matches!(self.element, Element::Signed(_));
        bytes.chunks_exact(size).map(move |chunk| {
            let mut word = [0; 8];
            word[..size].copy_from_slice(chunk);
            if big_endian {
                word[..size].reverse();
            }
            let value = u64::from_le_bytes(word);
            if signed {
                let unused = 64 - 8 * size as u32;
                i128::from((value << unused) as i64 >> unused)
            } else {
                i128::from(value)
            }
        })
    }

    /// Elements as 32-bit floats; the first that is not finite is an error.
    pub fn floats(&self, bytes: &[u8], path: &Path, row: usize) -> Result<Vec<f32>, DataError> {
        let values = self.doubles(bytes).map(|value| {
            let single = value as f32;
            if single.is_finite() {
                Ok(single)
            } else {
                Err(DataError::NotFinite { file: path.to_owned(), place: Place::Row(row), value })
            }
        });
        values.collect()
    }

    /// Elements, being floats, in double precision.
    pub fn doubles<'a>(&self, bytes: &'a [u8]) -> impl Iterator<Item = f64> + 'a {
        let (size, big_endian) = (self.element.size(), self.big_endian);
        bytes.chunks_exact(size).map(move |chunk| {
            let mut word = [0; 8];
            word[..size].copy_from_slice(chunk);
            if big_endian {
                word[..size].reverse();
            }
            let [a, b, c, d, ..] = word;
            match size {
                2 => f16::from_le_bytes([a, b]).to_f64(),
                4 => f64::from(f32::from_le_bytes([a, b, c, d])),
                _ => f64::from_le_bytes(word),
            }
        })
    }
}

fn unsupported(path: &Path, descr: &str) -> DataError {
    DataError::unsupported(
        path,
        Place::Offset(0),
        format!("elements of type `{descr}` are not read"),
        "store inputs as uint8 or float32 and labels as int64, with x.astype(numpy.float32)",
    )
}

/// What follows `'key':` in the text of a dictionary.
fn field<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(key)?;
    let rest = rest.strip_prefix(['\'', '"'])?.trim_start();
    Some(rest.strip_prefix(':')?.trim_start())
}

/// The string at the start of `text`.
fn unquote(text: &str) -> Option<&str> {
    let quote = text.chars().next().filter(|c| *c == '\'' || *c == '"')?;
    text[1..].split_once(quote).map(|(inner, _)| inner)
}

/// The numbers in `(2, 3)`, `(2,)`, `()` or `(2L, 3L)`; at most 32, as in NumPy.
fn tuple(text: &str) -> Option<Vec<usize>> {
    let (inner, _) = text.strip_prefix('(')?.split_once(')')?;
    let inner = inner.trim();
    if inner.is_empty() {
        return Some(Vec::new());
    }
    let inner = inner.strip_suffix(',').unwrap_or(inner);
    let numbers = inner.split(',').map(|n| n.trim().trim_end_matches('L').parse().ok());
    numbers.collect::<Option<Vec<usize>>>().filter(|shape| shape.len() <= 32)
}
