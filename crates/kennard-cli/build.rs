//! Tells the program which commit it is of, where that is known.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-env=KENNARD_COMMIT={}", packaged().or_else(checked_out).unwrap_or_default());
}

/// The commit that a published package names.
fn packaged() -> Option<String> {
    let text = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    let digits = text.split("\"sha1\"").nth(1)?.split('"').nth(1)?;
    digits.get(..7).map(String::from)
}

/// The commit that the source is checked out at.
fn checked_out() -> Option<String> {
    // Someone else's repository may hold a copy of the source, but has no such file at its root.
    let root = git(&["rev-parse", "--show-toplevel"])?;
    Path::new(&root).join("crates/kennard-cli/build.rs").exists().then_some(())?;
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    if Path::new(&log).exists() {
        println!("cargo::rerun-if-changed={log}");
    }
    git(&["rev-parse", "--short=7", "HEAD"])
}

fn git(words: &[&str]) -> Option<String> {
    let output = Command::new("git").args(words).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_string();
    (!text.is_empty()).then_some(text)
}
