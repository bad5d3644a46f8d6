//! The members of a tar archive, one header after the other; what they hold is passed over, or read on demand.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use tar::{EntryType, Header};

use crate::error::{DataError, Place};
use crate::input;
use crate::listing::ARCHIVE_REST;
use crate::tally::Tally;

const BLOCK: u64 = 512;

/// Longer than the names of any file system.
const MAX_NAME: u64 = 1 << 16;

const AGAIN: &str = "fetch or write the archive again";

/// What packed archives begin with.
const PACKED: [(&[u8], &str); 4] =
    [(b"\x1f\x8b", "gzip"), (b"\x28\xb5\x2f\xfd", "zstd"), (b"\xfd7zXZ\0", "xz"), (b"BZh", "bzip2")];

/// A regular file in an archive.
#[derive(Debug)]
pub struct Member {
    /// The directory and the name up to its first dot: members of one sample share it.
    pub key: String,
    /// What follows that dot, in small letters.
    pub ending: String,
    /// The name as it stands in the archive.
    pub name: String,
    /// Where its bytes begin.
    pub offset: u64,
    pub length: u64,
}

/// The members of an archive in their order.
pub struct Members {
    path: PathBuf,
    file: BufReader<File>,
    /// The length of the archive.
    length: u64,
    /// Where the reader is, and the next header.
    at: u64,
    next: u64,
    /// What is part of no sample.
    pub left_out: Tally,
}

impl Members {
    pub fn open(path: &Path) -> Result<Members, DataError> {
        let (file, length) = input::open_file(path)?;
        // Room for a header and a label behind it: most of what follows is passed over.
        let mut members = Members {
            path: path.to_owned(),
            file: BufReader::with_capacity(4096, file),
            length,
            at: 0,
            next: 0,
            left_out: Tally::default(),
        };
        let start = members.bytes(0, length.min(6))?;
        if let Some((_, how)) = PACKED.iter().find(|(magic, _)| start.starts_with(magic)) {
            let problem = format!("the archive is packed with {how}");
            return Err(DataError::unsupported(
                path,
                Place::Whole,
                problem,
                "unpack it to a plain .tar first",
            ));
        }
        Ok(members)
    }

    /// What errors call a member.
    pub fn called(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The next regular file that has a name as samples do.
    pub fn next(&mut self) -> Result<Option<Member>, DataError> {
        // The name that a header of its own gives to the member behind it.
        let mut long = None;
        loop {
            let start = self.next;
            let Some((header, length)) = self.header()? else {
                return match long {
                    Some(_) => Err(self.damaged(start, "a long name is followed by no member")),
                    None => self.end(start).map(|()| None),
                };
            };
            let (kind, offset) = (header.entry_type(), start + BLOCK);
            if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
                long = self.long_name(kind, offset, length)?.or(long);
                continue;
            }
            if kind.is_gnu_longlink() || kind.is_pax_global_extensions() {
                continue;
            }
            let name = long.take().unwrap_or_else(|| header.path_bytes().into_owned());
            let name = self.checked_name(name, start)?;
            if kind.is_dir() {
                continue;
            }
            let (directory, own) = name.rsplit_once('/').unwrap_or(("", &name));
            if directory.split('/').any(|part| part.as_bytes() == ARCHIVE_REST) {
                self.left_out.add(self.path.join(&name).display());
                continue;
            }
            if !(kind.is_file() || kind.is_contiguous()) {
                let problem = format!("the member is {}, and no file", described(kind));
                let cure = "write the file itself into the archive (`tar --dereference` does)";
                return Err(DataError::unsupported(&self.called(&name), Place::Whole, problem, cure));
            }
            match own.split_once('.') {
                Some((stem, ending)) if !stem.is_empty() => {
                    let (key, ending) = (format!("{directory}/{stem}"), ending.to_lowercase());
                    return Ok(Some(Member { key, ending, name, offset, length }));
                }
                _ => self.left_out.add(self.path.join(&name).display()),
            }
        }
    }

    /// The next header, and the size that it announces; nothing at the end. The header after it is the next one then.
    fn header(&mut self) -> Result<Option<(Header, u64)>, DataError> {
        let start = self.next;
        if self.length - start < BLOCK {
            return Err(self.cut(start, BLOCK));
        }
        let block = self.bytes(start, BLOCK)?;
        if block.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        // The checksum counts its own field as blanks.
        let counted = |(place, &byte)| u32::from(if (148..156).contains(&place) { b' ' } else { byte });
        if header.cksum().ok() != Some(block.iter().enumerate().map(counted).sum()) {
            return Err(self.damaged(start, "this is no header of a tar archive, or its checksum differs"));
        }
        let length = header.entry_size();
        let length = length.map_err(|_| self.damaged(start, "the size of a member is no number"))?;
        let offset = start + BLOCK;
        let stored = if carries_bytes(header.entry_type()) { length } else { 0 };
        let end = stored.checked_next_multiple_of(BLOCK).and_then(|size| offset.checked_add(size));
        match end.filter(|&end| end <= self.length) {
            Some(end) => self.next = end,
            None => {
                let found = self.length - offset;
                // What is there may be all but the zeros that fill the last block.
                let filled = stored.checked_next_multiple_of(BLOCK).filter(|_| stored <= found);
                return Err(DataError::Truncated {
                    file: self.called(&String::from_utf8_lossy(&header.path_bytes())),
                    place: Place::Offset(offset),
                    wanted: filled.unwrap_or(stored),
                    found,
                });
            }
        }
        Ok(Some((header, length)))
    }

    /// The name in a header of GNU's or POSIX' kind, if there is one.
    fn long_name(&mut self, kind: EntryType, offset: u64, length: u64) -> Result<Option<Vec<u8>>, DataError> {
        if length > MAX_NAME {
            let (what, limit) = (format!("a name of {length} bytes"), format!("{MAX_NAME} bytes"));
            let cure = "give members shorter names";
            return Err(DataError::too_large(&self.path, Place::Offset(offset), what, limit, cure));
        }
        let text = self.bytes(offset, length)?;
        match kind.is_gnu_longname() {
            true => Ok(text.split(|&byte| byte == 0).next().map(<[u8]>::to_vec)),
            false => self.extended_name(&text, offset),
        }
    }

    /// Bytes of the archive, which is long enough for them.
    pub fn bytes(&mut self, offset: u64, length: u64) -> Result<Vec<u8>, DataError> {
        let failed = || DataError::io(&self.path);
        match i64::try_from(offset).ok().zip(i64::try_from(self.at).ok()) {
            Some((to, from)) => self.file.seek_relative(to - from).map_err(failed())?,
            None => drop(self.file.seek(SeekFrom::Start(offset)).map_err(failed())?),
        }
        let mut bytes = Vec::new();
        (&mut self.file).take(length).read_to_end(&mut bytes).map_err(failed())?;
        self.at = offset + bytes.len() as u64;
        if (bytes.len() as u64) < length {
            return Err(self.cut(offset, length));
        }
        Ok(bytes)
    }

    fn damaged(&self, offset: u64, problem: &str) -> DataError {
        DataError::malformed(&self.path, Place::Offset(offset), problem, AGAIN)
    }

    fn cut(&self, offset: u64, wanted: u64) -> DataError {
        let found = self.length.saturating_sub(offset);
        DataError::Truncated { file: self.path.clone(), place: Place::Offset(offset), wanted, found }
    }

    /// Behind the block of zeros that ends an archive there is nothing but zeros.
    fn end(&mut self, start: u64) -> Result<(), DataError> {
        let mut at = start;
        while at < self.length {
            let part = self.bytes(at, (self.length - at).min(1 << 16))?;
            if let Some(place) = part.iter().position(|&byte| byte != 0) {
                let problem = "more bytes follow the end of the archive";
                let cure =
                    "name archives one by one, in place of one behind the other in a file, or fetch it again";
                let place = Place::Offset(at + place as u64);
                return Err(DataError::malformed(&self.path, place, problem, cure));
            }
            at += part.len() as u64;
        }
        Ok(())
    }

    /// The name that extended headers (pax) give to the member behind them.
    fn extended_name(&self, text: &[u8], start: u64) -> Result<Option<Vec<u8>>, DataError> {
        let (mut name, mut rest) = (None, text);
        while !rest.is_empty() {
            let damaged = || self.damaged(start, "an extended header is damaged");
            let (key, value, after) = record(rest).ok_or_else(damaged)?;
            rest = after;
            match key {
                b"path" => name = Some(value.to_vec()),
                b"size" => {
                    let problem = "a member has its size in an extended header, as those beyond 8 GB do";
                    return Err(self.damaged(start, problem));
                }
                key if key.starts_with(b"GNU.sparse.") => {
                    return Err(self.damaged(start, "a member is stored with gaps (sparse)"));
                }
                _ => {}
            }
        }
        Ok(name)
    }

    /// A name that is text, and a path below the archive.
    fn checked_name(&self, name: Vec<u8>, start: u64) -> Result<String, DataError> {
        let malformed = |name: &str, problem: &str| {
            let problem = format!("the name of the member `{}` {problem}", name.escape_debug());
            DataError::malformed(&self.path, Place::Offset(start), problem, "name members anew")
        };
        let name = String::from_utf8(name)
            .map_err(|error| malformed(&String::from_utf8_lossy(error.as_bytes()), "is no UTF-8"))?;
        let plain = name.strip_prefix("./").unwrap_or(&name);
        if name.is_empty() {
            return Err(malformed(&name, "is empty"));
        }
        if plain.starts_with('/') || plain.split('/').any(|part| part == "..") {
            return Err(malformed(&name, "is absolute, or leads out of the archive"));
        }
        Ok(plain.to_owned())
    }
}

/// The key and the value of the first record of an extended header, and what follows it. A record is its length in decimal digits, a
/// blank, `key=value` and a newline; the length counts all of that, so that a value may have newlines too (POSIX, `pax`).
fn record(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = text.iter().position(|&byte| byte == b' ')?;
    let digits = text[..blank].iter().all(u8::is_ascii_digit).then_some(&text[..blank])?;
    let length = std::str::from_utf8(digits).ok()?.parse::<usize>().ok()?;
    let (record, rest) = text.split_at_checked(length)?;
    let pair = record.get(blank + 1..)?.strip_suffix(b"\n")?;
    let equals = pair.iter().position(|&byte| byte == b'=')?;
    Some((&pair[..equals], &pair[equals + 1..], rest))
}

/// Whether bytes follow the header of such a member.
fn carries_bytes(kind: EntryType) -> bool {
    !(kind.is_hard_link()
        || kind.is_symlink()
        || kind.is_dir()
        || kind.is_fifo()
        || kind.is_character_special()
        || kind.is_block_special())
}

fn described(kind: EntryType) -> String {
    match kind {
        EntryType::Link => "a hard link".to_owned(),
        EntryType::Symlink => "a symbolic link".to_owned(),
        EntryType::Char | EntryType::Block => "a device".to_owned(),
        EntryType::Fifo => "a pipe".to_owned(),
        EntryType::GNUSparse => "stored with gaps (sparse)".to_owned(),
        other => format!("of the kind `{}`", char::from(other.as_byte()).escape_default()),
    }
}
