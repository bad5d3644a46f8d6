//! Whether the file of an encoded image is whole. Decoders are forgiving: they fill what is missing with grey, which
//! would be measured as if it were the picture.

use flate2::Crc;

/// The first bytes of a PNG file.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Markers of JPEG files (ITU-T T.81, table B.1), after their byte 0xFF.
mod jpeg {
    pub const START: u8 = 0xd8;
    pub const END: u8 = 0xd9;
    pub const SCAN: u8 = 0xda;

    /// Markers that stand alone; all others announce the length of what follows.
    pub fn alone(marker: u8) -> bool {
        matches!(marker, 0x01 | START) || restart(marker)
    }

    pub fn restart(marker: u8) -> bool {
        matches!(marker, 0xd0..=0xd7)
    }
}

/// Where the picture of a JPEG file ends: the place of the marker that says so.
///
/// # Errors
/// What is missing or damaged.
pub(crate) fn jpeg_end(bytes: &[u8]) -> Result<usize, String> {
    let cut = || format!("the file ends after {} bytes, before the picture does", bytes.len());
    let (mut at, mut scans) = (0, 0);
    loop {
        // Any number of bytes 0xFF may stand before a marker.
        let start = at + bytes[at..].iter().position(|&byte| byte == 0xff).ok_or_else(cut)?;
        let length = bytes[start..].iter().position(|&byte| byte != 0xff).ok_or_else(cut)?;
        let marker = bytes[start + length];
        at = start + length + 1;
        match marker {
            jpeg::END if scans > 0 => return Ok(start),
            jpeg::END => return Err("it holds no picture".to_owned()),
            0 => continue,
            alone if jpeg::alone(alone) => continue,
            _ => {}
        }
        let size = bytes.get(at..at + 2).ok_or_else(cut)?;
        at += usize::from(u16::from_be_bytes([size[0], size[1]])).max(2);
        if at > bytes.len() {
            return Err(cut());
        }
        if marker == jpeg::SCAN {
            scans += 1;
            // The next marker that neither stands for a byte 0xFF of the data nor restarts it.
            let next = bytes[at..].windows(2).position(|pair| {
                pair[0] == 0xff && pair[1] != 0 && pair[1] != 0xff && !jpeg::restart(pair[1])
            });
            at += next.ok_or_else(cut)?;
        }
    }
}

/// Checks the file of an image that is no JPEG, as far as its format lets one.
///
/// # Errors
/// What is missing or damaged.
pub(crate) fn check(bytes: &[u8]) -> Result<(), String> {
    if bytes.starts_with(PNG) {
        return png(bytes);
    }
    if let Some(rest) = bytes.strip_prefix(b"RIFF")
        && let Some(size) = rest.first_chunk()
    {
        let announced = u64::from(u32::from_le_bytes(*size)) + 8;
        if announced > bytes.len() as u64 {
            return Err(format!("the file has {} bytes and announces {announced}", bytes.len()));
        }
    }
    Ok(())
}

/// Every chunk has its checksum, and the last one is there.
fn png(bytes: &[u8]) -> Result<(), String> {
    let mut rest = &bytes[PNG.len()..];
    loop {
        let cut = || format!("the file ends after {} bytes, before the picture does", bytes.len());
        let size = u32::from_be_bytes(*rest.first_chunk().ok_or_else(cut)?) as usize;
        let chunk = rest.get(4..).and_then(|rest| rest.get(..size.checked_add(8)?)).ok_or_else(cut)?;
        let (named, sum) = chunk.split_at(size + 4);
        let mut crc = Crc::new();
        crc.update(named);
        if crc.sum().to_be_bytes() != sum {
            return Err(format!(
                "the checksum of its part `{}` differs",
                String::from_utf8_lossy(&named[..4]).escape_default()
            ));
        }
        if named.starts_with(b"IEND") {
            return Ok(());
        }
        rest = &rest[size + 12..];
    }
}
