//! Arrays of NPZ files as `references/` leaves them: floats of 32 bits, integers of 64.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

pub type Arrays = HashMap<String, Vec<f32>>;

pub fn read(path: &Path) -> Arrays {
    let mut archive = zip::ZipArchive::new(std::fs::File::open(path).unwrap()).unwrap();
    let mut arrays = Arrays::new();
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i).unwrap();
        let name = entry.name().unwrap().trim_end_matches(".npy").to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
        let data = &bytes[header..];
        let values = match String::from_utf8_lossy(&bytes[..header]).contains("<i8") {
            true => data.chunks(8).map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f32).collect(),
            false => data.chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect(),
        };
        arrays.insert(name, values);
    }
    arrays
}
