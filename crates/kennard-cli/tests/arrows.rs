//! Arrows point one way: the rooms of a crate (its top modules), and the files within a room, do not use each other in
//! circles; a module and its own parts may. The rooms of the library stand as ARCHITECTURE.md lists them, from the ground.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Modules by their paths, with what they use; the root is the empty path.
type Modules = BTreeMap<Vec<String>, Vec<Vec<String>>>;

#[test]
fn nothing_goes_in_circles() {
    let Some(crates) = crates() else { return };
    let mut problems = Vec::new();
    for name in crates {
        let arrows = arrows(&modules(&name));
        let room = |module: &str| module.rsplit_once('/').map_or(String::new(), |(room, _)| room.to_owned());
        let rooms: BTreeSet<String> = arrows.iter().map(|(from, _)| room(from)).collect();
        for inside in rooms {
            let within = arrows.iter().filter(|(from, _)| room(from) == inside).cloned().collect();
            problems.extend(circle(&within).map(|circle| format!("{name}: {}", circle.join(" → "))));
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn rooms_stand_as_the_architecture_says() {
    let Some(_) = crates() else { return };
    let page = fs::read_to_string(folder("../../ARCHITECTURE.md")).unwrap();
    let section = page.split("### kennard: the library").nth(1).unwrap().split("**How").next().unwrap();
    let rows =
        section.lines().filter(|line| line.starts_with("| `")).map(|row| row.split('|').nth(1).unwrap());
    let listed: Vec<String> = rows
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .map(|room| room.trim_end_matches('/').trim_end_matches(".rs").to_owned())
        .collect();
    let modules = modules("kennard");
    let rooms: BTreeSet<String> = modules.keys().filter_map(|path| path.first()).cloned().collect();
    let both: BTreeSet<String> = listed.iter().cloned().collect();
    assert_eq!(rooms, both, "rooms of the tree and of ARCHITECTURE.md");

    let floor = |room: &str| listed.iter().position(|name| name == room);
    let arrows = arrows(&modules);
    let mut upwards =
        arrows.iter().filter(|(from, to)| floor(from).zip(floor(to)).is_some_and(|(from, to)| to > from));
    assert_eq!(upwards.next(), None, "a room uses only rooms above it in the table, nearer the ground");
}

fn folder(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The crates of the repository, or none in a package of this one alone.
fn crates() -> Option<Vec<String>> {
    let Ok(entries) = fs::read_dir(folder("..")).and_then(|all| all.collect::<Result<Vec<_>, _>>()) else {
        return None;
    };
    let named = entries.iter().filter(|entry| entry.path().join("src").is_dir());
    let mut names: Vec<String> =
        named.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let whole = folder("../../ARCHITECTURE.md").is_file() && names.contains(&"kennard".to_owned());
    if !whole {
        println!("skipped: this is a package, not the repository");
    }
    whole.then_some(names)
}

/// The modules of a crate and the modules that each uses; tests are left out.
fn modules(name: &str) -> Modules {
    let mut texts = BTreeMap::new();
    read(&folder("..").join(name).join("src"), &[], &mut texts);
    texts.keys().map(|path| (path.clone(), used(path, &texts))).collect()
}

fn read(directory: &Path, path: &[String], texts: &mut BTreeMap<Vec<String>, String>) {
    for entry in fs::read_dir(directory).unwrap() {
        let file = entry.unwrap().path();
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        if stem == "tests" || stem == "fixtures" {
            continue;
        }
        let mut inside = path.to_vec();
        if !["lib", "main", "mod"].contains(&stem.as_str()) {
            inside.push(stem);
        }
        if file.is_dir() {
            read(&file, &inside, texts);
        } else if file.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&file).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
            // A crate may be a command and a library: both are its root.
            let whole: &mut String = texts.entry(inside).or_default();
            code.for_each(|line| {
                whole.push_str(line);
                whole.push('\n');
            });
        }
    }
}

/// The paths in the `use` declarations of a text, with the names that they are given.
fn declared(text: &str) -> Vec<(Vec<String>, String)> {
    let mut all = Vec::new();
    let starts = |at: usize| text[..at].chars().next_back().is_none_or(|c| c.is_whitespace());
    for (at, _) in text.match_indices("use ").filter(|(at, _)| starts(*at)) {
        let line = text[..at].rsplit('\n').next().unwrap_or("").trim();
        if line.is_empty() || line.starts_with("pub") {
            let declaration = text[at + 4..].split(';').next().unwrap_or("");
            expand(&declaration.split_whitespace().collect::<Vec<_>>().join(" "), &[], &mut all);
        }
    }
    all
}

/// `a::{b, c::d as e}` as `a::b` and `a::c::d`.
fn expand(tree: &str, before: &[String], all: &mut Vec<(Vec<String>, String)>) {
    let tree = tree.trim();
    let (head, branches) = match tree.find('{') {
        Some(at) => (&tree[..at], Some(&tree[at + 1..tree.rfind('}').unwrap_or(tree.len())])),
        None => (tree, None),
    };
    let (head, alias) = head.split_once(" as ").unwrap_or((head, ""));
    let parts = head.split("::").map(str::trim).filter(|part| !part.is_empty() && *part != "self");
    let path: Vec<String> = before.iter().cloned().chain(parts.map(String::from)).collect();
    let Some(branches) = branches else {
        let name = if alias.is_empty() { path.last().cloned().unwrap_or_default() } else { alias.into() };
        all.push((path, name));
        return;
    };
    let mut depth = 0;
    let parts = branches.split(|c| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    parts.filter(|part| !part.trim().is_empty()).for_each(|part| expand(part, &path, all));
}

/// The modules that a module uses, by declarations and by paths in its code.
fn used(module: &[String], texts: &BTreeMap<Vec<String>, String>) -> Vec<Vec<String>> {
    let text = &texts[module];
    let mut paths: Vec<Vec<String>> = declared(text).into_iter().map(|(path, _)| path).collect();
    for start in ["crate::", "super::"] {
        for (at, _) in text.match_indices(start) {
            let end = text[at..].find(|c: char| !c.is_alphanumeric() && c != ':' && c != '_');
            let path = &text[at..at + end.unwrap_or(text.len() - at)];
            paths.push(path.split("::").filter(|part| !part.is_empty()).map(String::from).collect());
        }
    }
    let found =
        paths.iter().filter(|path| ["crate", "super"].contains(&path.first().map_or("", String::as_str)));
    found.filter_map(|path| resolve(module, path, texts, 0)).collect()
}

/// The module of this crate in which what a path names is defined.
fn resolve(
    module: &[String],
    path: &[String],
    texts: &BTreeMap<Vec<String>, String>,
    depth: usize,
) -> Option<Vec<String>> {
    let mut at = module.to_vec();
    for (place, part) in path.iter().enumerate() {
        match part.as_str() {
            "crate" => at.clear(),
            "super" => drop(at.pop()),
            name => {
                let mut inside = at.clone();
                inside.push(name.into());
                if texts.contains_key(&inside) {
                    at = inside;
                    continue;
                }
                // What a module hands on is where it comes from.
                let names = declared(texts.get(&at)?);
                let handed = names.iter().find(|(_, given)| given == name).filter(|_| depth < 8);
                return match handed {
                    Some((source, _)) if place < path.len() => {
                        let outside = !["crate", "super"].contains(&source[0].as_str())
                            && !texts.contains_key(&[at.clone(), vec![source[0].clone()]].concat());
                        if outside { None } else { resolve(&at, source, texts, depth + 1) }
                    }
                    _ => Some(at),
                };
            }
        }
    }
    Some(at)
}

/// Arrows between modules of one parent, each named by its path.
fn arrows(modules: &Modules) -> BTreeSet<(String, String)> {
    let mut arrows = BTreeSet::new();
    for (from, targets) in modules {
        for to in targets {
            let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
            if shared < from.len() && shared < to.len() {
                arrows.insert((from[..=shared].join("/"), to[..=shared].join("/")));
            }
        }
    }
    arrows
}

/// A circle among the arrows, if there is one.
fn circle(arrows: &BTreeSet<(String, String)>) -> Option<Vec<String>> {
    let mut left = arrows.clone();
    // What nothing leads to is in no circle, and neither is what leads nowhere.
    loop {
        let sources: BTreeSet<String> = left.iter().map(|(from, _)| from.clone()).collect();
        let targets: BTreeSet<String> = left.iter().map(|(_, to)| to.clone()).collect();
        let before = left.len();
        left.retain(|(from, to)| targets.contains(from) && sources.contains(to));
        if left.len() == before {
            break;
        }
    }
    let mut trail = vec![left.first()?.0.clone()];
    loop {
        let next = left.iter().find(|(from, _)| Some(from) == trail.last())?.1.clone();
        let seen = trail.iter().position(|name| *name == next);
        trail.push(next);
        if let Some(start) = seen {
            return Some(trail.split_off(start));
        }
    }
}

#[test]
fn circles_are_found_and_declarations_read() {
    let arrow = |pair: [&str; 2]| (pair[0].to_owned(), pair[1].to_owned());
    let arrows = |pairs: &[[&str; 2]]| pairs.iter().copied().map(arrow).collect::<BTreeSet<_>>();
    assert_eq!(circle(&arrows(&[["a", "b"], ["b", "c"], ["a", "c"]])), None);
    assert_eq!(circle(&arrows(&[["a", "b"], ["b", "c"], ["c", "b"]])).unwrap(), ["b", "c", "b"]);
    let read: Vec<String> =
        declared("pub(crate) use super::{a::{self, B as C}, d};\nlet use_case = 1;\nuse crate::e;\n")
            .into_iter()
            .map(|(path, name)| format!("{} {name}", path.join("::")))
            .collect();
    assert_eq!(read, ["super::a a", "super::a::B C", "super::d d", "crate::e e"]);
}
