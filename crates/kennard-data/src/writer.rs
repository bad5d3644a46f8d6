//! NumPy arrays and archives of them, written as NumPy writes them
//! (<https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>).

use std::io::{Cursor, Write};

use zip::write::SimpleFileOptions;

/// The elements of an array, row-major.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Elements<'a> {
    /// `float32`.
    F32(&'a [f32]),
    /// `int64`.
    I64(&'a [i64]),
    /// `uint8`.
    U8(&'a [u8]),
}

impl<'a> From<&'a [f32]> for Elements<'a> {
    fn from(values: &'a [f32]) -> Self {
        Elements::F32(values)
    }
}

impl<'a> From<&'a [i64]> for Elements<'a> {
    fn from(values: &'a [i64]) -> Self {
        Elements::I64(values)
    }
}

impl<'a> From<&'a [u8]> for Elements<'a> {
    fn from(values: &'a [u8]) -> Self {
        Elements::U8(values)
    }
}

/// The bytes of an NPY file: an array of rows, each of the shape `row`.
///
/// ```
/// let labels = kennard_data::npy(&[], [3i64, 0, 1].as_slice());
/// assert_eq!(labels.len(), 128 + 3 * 8);
/// ```
pub fn npy<'a>(row: &[usize], elements: impl Into<Elements<'a>>) -> Vec<u8> {
    let (kind, count, data): (_, _, Vec<u8>) = match elements.into() {
        Elements::F32(values) => ("<f4", values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        Elements::I64(values) => ("<i8", values.len(), values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        Elements::U8(values) => ("|u1", values.len(), values.to_vec()),
    };
    let rows = count / row.iter().product::<usize>().max(1);
    let dims: String = [rows].iter().chain(row).map(|n| format!("{n}, ")).collect();
    let mut header =
        format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({}), }}", dims.trim_end());
    // The format wants the data to begin at a multiple of 64 bytes.
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", length.as_slice(), header.as_bytes(), &data].concat()
}

/// The bytes of an NPZ archive of named arrays, each with the shape of its rows, as in [`npy`].
///
/// # Errors
/// The archive grows beyond what its format holds.
pub fn npz(arrays: &[(&str, &[usize], Elements)]) -> std::io::Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().large_file(true);
    for (name, row, elements) in arrays {
        archive.start_file(format!("{name}.npy"), options)?;
        archive.write_all(&npy(row, *elements))?;
    }
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_of_numpy() {
        let file = npy(&[1, 2], [0.5f32, 1.0].as_slice());
        let header = String::from_utf8_lossy(&file[10..128]);
        assert!(
            header.starts_with("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 2,), }"),
            "{header}"
        );
        assert_eq!(file[128..], [0.5f32.to_le_bytes(), 1f32.to_le_bytes()].concat());
    }
}
