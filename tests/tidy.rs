//! The rules of the house, as a test: what a reviewer should never have to say twice.

mod arrows;
mod disk_calls;
mod layers;
mod owners;
mod rules;
mod scrub;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// One finding: where it is, and which rule it breaks.
#[derive(Debug)]
struct Complaint {
    file: String,
    line: usize,
    rule: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.rule)
    }
}

#[test]
fn the_tree_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let files = texts(root);
    assert!(
        files.iter().any(|f| f == Path::new("sessions/src/lib.rs")),
        "not the tree: {files:?}"
    );

    let complaints: Vec<Complaint> = files.iter().flat_map(|file| examine(root, file)).collect();
    let told: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    assert!(
        told.is_empty(),
        "{} complaints\n{}",
        told.len(),
        told.join("\n")
    );
}

fn examine(root: &Path, file: &Path) -> Vec<Complaint> {
    let name = file.to_str().unwrap();
    let text = fs::read_to_string(root.join(file)).unwrap();
    let mut complaints = rules::text(name, &text);
    if name.ends_with(".rs") {
        complaints.extend(rules::source(name, &text));
        let code = scrub::scrub(&text);
        complaints.extend(layers::source(name, &code));
        complaints.extend(disk_calls::source(name, &code));
        complaints.extend(owners::source(name, &code));
    }
    if name.ends_with("Cargo.toml") {
        complaints.extend(arrows::manifest(name, &text));
    }
    complaints
}

/// Every text of the tree that people wrote, relative to `root`.
fn texts(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.extend(is_ours(&path).then_some(path));
            } else if is_text(&path) {
                found.push(path.strip_prefix(root).unwrap().to_path_buf());
            }
        }
    }
    found.sort();
    found
}

/// Build output, fuzz findings, the demo's homes and dot folders are made, not written.
fn is_ours(folder: &Path) -> bool {
    let name = folder.file_name().unwrap().to_string_lossy();
    !name.starts_with('.') && !["target", "corpus", "artifacts", "skiff-demo"].contains(&&*name)
}

fn is_text(path: &Path) -> bool {
    let kinds = ["rs", "toml", "md", "py", "sh", "ron", "service"];
    path.extension()
        .is_some_and(|kind| kinds.iter().any(|k| kind == *k))
        || path.file_name().is_some_and(|name| name == "run")
}
