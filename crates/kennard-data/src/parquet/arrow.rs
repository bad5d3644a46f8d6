//! What the schema says that Arrow keeps in a file's metadata (`ARROW:schema`), and Parquet's own does not: Parquet has no durations,
//! which are integers there.

use parquet::file::metadata::ParquetMetaData;

/// The metadata entry: a message of Arrow's IPC format in base64.
const SCHEMA: &str = "ARROW:schema";

/// Duration in the union of Arrow's types (`Schema.fbs`).
const DURATION: u8 = 18;

/// The columns of durations.
pub fn durations(metadata: &ParquetMetaData) -> Vec<String> {
    let entries = metadata.file_metadata().key_value_metadata();
    let schema = || {
        let entry = entries?.iter().find(|entry| entry.key == SCHEMA)?;
        of_schema(&decoded(entry.value.as_ref()?)?)
    };
    schema().unwrap_or_default()
}

/// The names of a message's fields that are durations.
fn of_schema(message: &[u8]) -> Option<Vec<String>> {
    // Newer messages have a mark in front of their length.
    let begin = if message.starts_with(&[0xff; 4]) { 8 } else { 4 };
    let tables = Tables(message.get(begin..)?);
    let header = tables.child(tables.at(0)?, 2)?;
    let fields = tables.child(header, 1)?;
    let (mut names, mut left) = (Vec::new(), message.len());
    for i in 0..tables.number(fields)? {
        let field = tables.at(fields.checked_add(4)?.checked_add(i.checked_mul(4)?)?)?;
        let is_duration = tables.place(field, 2).and_then(|place| tables.0.get(place)) == Some(&DURATION);
        if let Some(name) = tables.child(field, 0).filter(|_| is_duration) {
            let begin = name.checked_add(4)?;
            let text = tables.0.get(begin..begin.checked_add(tables.number(name)?)?)?;
            left = left.checked_sub(text.len())?;
            names.push(std::str::from_utf8(text).ok()?.to_owned());
        }
    }
    Some(names)
}

/// The tables of a FlatBuffer.
struct Tables<'a>(&'a [u8]);

impl Tables<'_> {
    /// The 32-bit number at a place.
    fn number(&self, place: usize) -> Option<usize> {
        let bytes = self.0.get(place..place.checked_add(4)?)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    }

    fn short(&self, place: usize) -> Option<usize> {
        let bytes = self.0.get(place..place.checked_add(2)?)?.try_into().ok()?;
        Some(u16::from_le_bytes(bytes).into())
    }

    /// What the offset at a place leads to.
    fn at(&self, place: usize) -> Option<usize> {
        place.checked_add(self.number(place)?)
    }

    /// The place of a table's field, if the table has it.
    fn place(&self, table: usize, field: usize) -> Option<usize> {
        let back = i32::from_le_bytes(self.0.get(table..table.checked_add(4)?)?.try_into().ok()?);
        let fields = usize::try_from(i64::try_from(table).ok()? - i64::from(back)).ok()?;
        let entry = 4 + 2 * field;
        let offset = if entry < self.short(fields)? { self.short(fields.checked_add(entry)?)? } else { 0 };
        (offset > 0).then(|| table.checked_add(offset))?
    }

    /// What the offset in a table's field leads to.
    fn child(&self, table: usize, field: usize) -> Option<usize> {
        self.at(self.place(table, field)?)
    }
}

/// The bytes of base64.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut held) = (Vec::with_capacity(text.len() / 4 * 3), 0u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
        }
    }
    Some(bytes)
}
