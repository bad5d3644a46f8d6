//! The commands of the book and of the README are true: every block marked `sh,run` runs in a directory that has
//! `fixtures/` in it and nothing else, and links lead somewhere.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{PROGRAM, directory, root};

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

/// Runs a page's commands one after the other; how many blocks there are.
#[cfg(unix)]
fn run(page: &Path) -> usize {
    let program = Path::new(PROGRAM).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let place = directory();
    let fixtures = root().join("fixtures").canonicalize().unwrap();
    std::os::unix::fs::symlink(fixtures, place.join("fixtures")).unwrap();
    let blocks = blocks(&std::fs::read_to_string(page).unwrap());
    for block in &blocks {
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", block]).current_dir(&place).env("PATH", &path);
        let output = shell.output().unwrap();
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}:\n{block}\n{message}", page.display());
    }
    blocks.len()
}

/// Two pages at a time: much of a command's time is one core's.
#[cfg(unix)]
#[test]
fn commands_run() {
    let (pages, count) = (Mutex::new(pages().into_iter()), AtomicUsize::new(0));
    let work = || {
        let next = || pages.lock().unwrap().next();
        while let Some(page) = next() {
            count.fetch_add(run(&page), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        let other = scope.spawn(work);
        work();
        other.join().unwrap();
    });
    let count = count.into_inner();
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
