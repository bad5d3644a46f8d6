//! One NumPy array, in a file of its own or a member of an archive, read sample by sample.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use flate2::CrcReader;
use flate2::bufread::DeflateDecoder;

use crate::classes::{Label, Numbers};
use crate::error::{DataError, Place};
use crate::input::{self, Input};
use crate::npy::{Element, Header};

/// Labels are read this many at a time.
const LABELS: usize = 4096;

#[derive(Clone)]
pub(crate) struct Array {
    pub file: PathBuf,
    member: Option<MemberPlace>,
    /// What errors call it.
    pub name: PathBuf,
    pub header: Header,
}

/// Where a member of an archive lies.
#[derive(Clone)]
pub(crate) struct MemberPlace {
    pub start: u64,
    /// Bytes in the archive.
    pub stored: u64,
    /// Bytes when unpacked.
    pub size: u64,
    pub deflated: bool,
    pub crc: u32,
}

/// The bytes of samples.
type Bytes = Box<dyn Iterator<Item = Result<Vec<u8>, DataError>> + Send>;

impl Array {
    pub fn open_file(file: PathBuf) -> Result<Array, DataError> {
        Array::open(file.clone(), None, file)
    }

    pub fn open_member(file: &Path, name: &str, member: MemberPlace) -> Result<Array, DataError> {
        Array::open(file.to_owned(), Some(member), file.join(name))
    }

    fn open(file: PathBuf, member: Option<MemberPlace>, name: PathBuf) -> Result<Array, DataError> {
        let (mut input, size) = stream(&file, member.as_ref(), &name)?;
        let header = Header::read(&mut input, size, &name)?;
        Ok(Array { file, member, name, header })
    }

    /// The elements, in the order of the file.
    fn elements(&self) -> Result<Input, DataError> {
        let (mut input, _) = stream(&self.file, self.member.as_ref(), &self.name)?;
        input.take(self.header.offset as usize)?;
        Ok(input)
    }

    /// The elements of one sample after the other, row-major.
    pub fn samples(&self) -> Result<Bytes, DataError> {
        let count = self.header.shape[0];
        let values: usize = self.header.shape[1..].iter().product();
        if self.header.fortran {
            return Ok(Box::new(Transposed::new(self, values)?));
        }
        let mut elements = self.elements()?;
        let bytes = values * self.header.element.size();
        Ok(Box::new((0..count).map(move |row| {
            let sample = elements.take(bytes)?;
            if row + 1 == count {
                elements.end()?;
            }
            Ok(sample)
        })))
    }

    /// The classes of the labels, one for each sample.
    pub fn class_indices(
        &self,
        numbers: Numbers,
    ) -> Result<impl Iterator<Item = Result<usize, DataError>> + Send + use<>, DataError> {
        let mut elements = self.elements()?;
        let Array { name, header, .. } = self.clone();
        let count = header.shape[0];
        let mut batch = Vec::new().into_iter();
        Ok((0..count).map(move |row| {
            if batch.len() == 0 {
                let next = LABELS.min(count - row);
                let bytes = elements.take(next * header.element.size())?;
                if row + next == count {
                    elements.end()?;
                }
                let labels: Vec<Label> = match header.element {
                    Element::Float(_) => header.doubles(&bytes).map(Label::of).collect(),
                    _ => header.integers(&bytes).map(Label::Number).collect(),
                };
                batch = labels.into_iter();
            }
            let label = batch.next().expect("a batch was just read");
            numbers.class(label.number(&name, Place::Row(row))?, &name, Place::Row(row))
        }))
    }

    /// The file and where in it the elements start, to read them out of order.
    fn seekable(&self) -> Result<File, DataError> {
        if self.member.is_none() {
            return Ok(input::open_file(&self.file)?.0);
        }
        // A member may be packed: unpack it to a file that vanishes when closed.
        let (mut input, mut left) = stream(&self.file, self.member.as_ref(), &self.name)?;
        let failed = || DataError::io(Path::new("temporary file"));
        let mut file = tempfile::tempfile().map_err(failed())?;
        while left > 0 {
            let bytes = input.take(left.min(1 << 20) as usize)?;
            file.write_all(&bytes).map_err(failed())?;
            left -= bytes.len() as u64;
        }
        input.end()?;
        Ok(file)
    }
}

/// Opens an array from its header on, and tells how many bytes it should have.
fn stream(file: &Path, member: Option<&MemberPlace>, name: &Path) -> Result<(Input, u64), DataError> {
    let (mut opened, size) = input::open_file(file)?;
    let Some(member) = member else {
        return Ok((Input::new(name, Box::new(BufReader::new(opened))), size));
    };
    opened.seek(SeekFrom::Start(member.start)).map_err(DataError::io(file))?;
    let packed = BufReader::new(opened.take(member.stored));
    let plain: Box<dyn Read + Send> = match member.deflated {
        true => Box::new(BufReader::new(DeflateDecoder::new(packed))),
        false => Box::new(packed),
    };
    let checked = ChecksummedStream { stream: CrcReader::new(plain), crc: member.crc };
    Ok((Input::new(name, Box::new(checked)), member.size))
}

/// Compares the checksum at the end of the stream.
struct ChecksummedStream<R> {
    stream: CrcReader<R>,
    crc: u32,
}

impl<R: Read> Read for ChecksummedStream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(buffer)?;
        if n == 0 && !buffer.is_empty() && self.stream.crc().sum() != self.crc {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the checksum differs"));
        }
        Ok(n)
    }
}

/// An array in Fortran order, where the elements of a sample lie far apart: reads a block of
/// samples at a time, one run of elements for each place in a sample.
struct Transposed {
    file: File,
    name: PathBuf,
    header: Header,
    values: usize,
    /// Samples in a block.
    block: usize,
    /// The rest of the block read last.
    ready: std::vec::IntoIter<Vec<u8>>,
    /// Samples read.
    read: usize,
}

impl Transposed {
    fn new(array: &Array, values: usize) -> Result<Transposed, DataError> {
        let bytes = values * array.header.element.size();
        Ok(Transposed {
            file: array.seekable()?,
            name: array.name.clone(),
            header: array.header.clone(),
            values,
            block: ((1 << 24) / bytes).clamp(1, 4096),
            ready: Vec::new().into_iter(),
            read: 0,
        })
    }

    fn read_block(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let (count, dimensions) = (self.header.shape[0], &self.header.shape[1..]);
        let size = self.header.element.size();
        let samples = self.block.min(count - self.read);
        let mut block = vec![vec![0; self.values * size]; samples];
        let mut run = vec![0; samples * size];
        for place in 0..self.values {
            let start = self.header.offset + ((place * count + self.read) * size) as u64;
            self.file.seek(SeekFrom::Start(start))?;
            self.file.read_exact(&mut run)?;
            let to = row_major(place, dimensions) * size;
            for (sample, element) in block.iter_mut().zip(run.chunks_exact(size)) {
                sample[to..to + size].copy_from_slice(element);
            }
        }
        self.read += samples;
        Ok(block)
    }
}

/// The row-major index of the element that is at `place` in Fortran order.
fn row_major(mut place: usize, dimensions: &[usize]) -> usize {
    let (mut index, mut stride) = (0, dimensions.iter().product::<usize>());
    for &d in dimensions {
        stride /= d;
        index += place % d * stride;
        place /= d;
    }
    index
}

impl Iterator for Transposed {
    type Item = Result<Vec<u8>, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.len() == 0 && self.read < self.header.shape[0] {
            match self.read_block() {
                Ok(block) => self.ready = block.into_iter(),
                Err(error) => return Some(Err(DataError::io(&self.name)(error))),
            }
        }
        self.ready.next().map(Ok)
    }
}
