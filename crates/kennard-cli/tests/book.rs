//! The commands of the book and of the README are true: every block marked `sh,run` runs in a directory that has
//! `fixtures/` in it and nothing else, and links lead somewhere.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The book's pages, and the README.
fn pages() -> Vec<PathBuf> {
    let book = root().join("book/src");
    let mut pages: Vec<PathBuf> = std::fs::read_dir(&book)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    pages.push(root().join("README.md"));
    pages.sort();
    pages
}

fn blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("```sh,run\n") {
        let (block, after) = after.split_once("\n```").expect("a block that ends");
        blocks.push(block.to_string());
        rest = after;
    }
    blocks
}

#[cfg(unix)]
#[test]
fn commands_run() {
    let program = Path::new(env!("CARGO_BIN_EXE_kennard"));
    let path = format!("{}:{}", program.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut count = 0;
    for page in pages() {
        let name = page.file_stem().unwrap().to_string_lossy().into_owned();
        let place =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("book-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        std::os::unix::fs::symlink(root().join("fixtures").canonicalize().unwrap(), place.join("fixtures"))
            .unwrap();
        for block in blocks(&std::fs::read_to_string(&page).unwrap()) {
            let mut shell = Command::new("bash");
            shell.args(["-euo", "pipefail", "-c", &block]).current_dir(&place).env("PATH", &path);
            let output = shell.output().unwrap();
            let message = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}:\n{block}\n{message}", page.display());
            count += 1;
        }
        std::fs::remove_dir_all(&place).unwrap();
    }
    assert!(count >= 10, "only {count} blocks are run");
}

#[test]
fn links_lead_somewhere() {
    let summary = std::fs::read_to_string(root().join("book/src/SUMMARY.md")).unwrap();
    for page in pages() {
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        if name != "SUMMARY.md" && name != "README.md" {
            assert!(summary.contains(&format!("({name})")), "{name} is not in SUMMARY.md");
        }
        let text = std::fs::read_to_string(&page).unwrap();
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap();
            if file.is_empty() || link.contains("://") {
                continue;
            }
            assert!(page.parent().unwrap().join(file).exists(), "{name} links to {link}");
        }
    }
}
