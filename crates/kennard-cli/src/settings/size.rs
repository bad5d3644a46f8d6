use std::str::FromStr;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

/// A size of memory as people write it: `4GiB`, `1.5 GB`, or a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size(pub u64);

/// The units, and how many bytes they are.
const UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("b", 1),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let unit = unit.trim().to_ascii_lowercase();
        let of_one = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, bytes)| *bytes as f64);
        let bytes = of_one.zip(number.parse::<f64>().ok()).map(|(of_one, number)| of_one * number);
        match bytes.filter(|bytes| *bytes >= 1.0 && *bytes < u64::MAX as f64) {
            Some(bytes) => Ok(Size(bytes as u64)),
            None => Err(format!("`{text}` is no size of memory; write 4GiB, 1.5GB or 500MB")),
        }
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "expected a size of memory, 4GiB for example")]
        enum Form {
            Bytes(u64),
            Text(String),
        }
        match Form::deserialize(deserializer)? {
            Form::Bytes(bytes) => bytes.to_string().parse(),
            Form::Text(text) => text.parse(),
        }
        .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let read = |text: &str| text.parse::<Size>().map(|size| size.0);
        assert_eq!(read("4GiB"), Ok(4 << 30));
        assert_eq!(read(" 1.5 gb"), Ok(1_500_000_000));
        assert_eq!(read("500MB"), Ok(500_000_000));
        assert_eq!(read("2048"), Ok(2048));
        for wrong in ["", "GiB", "0GiB", "-1GB", "4G", "1e3MB", "4 GiB or so", "99999999TiB", "1.2.3MB"] {
            assert!(read(wrong).unwrap_err().contains("is no size of memory; write 4GiB"), "{wrong}");
        }
    }
}
