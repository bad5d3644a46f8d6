//! Tells the crate which version of rten it is built with: Cargo's lock file has it, rten itself does not.

use std::path::Path;
use std::{env, fs};

fn main() {
    let directory = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let lock = Path::new(&directory).ancestors().map(|up| up.join("Cargo.lock")).find(|file| file.is_file());
    let locked = lock.as_ref().and_then(|file| fs::read_to_string(file).ok()).and_then(|text| {
        let entry = text.split("[[package]]").find(|entry| entry.contains("name = \"rten\"\n"))?;
        Some(entry.split("version = \"").nth(1)?.split('"').next()?.to_string())
    });
    if let Some(file) = &lock {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=RTEN_VERSION={}", locked.as_deref().unwrap_or("of unknown version"));
}
