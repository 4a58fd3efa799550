//! What a directory must hold, and what each verb must answer there.

use std::collections::{BTreeMap, BTreeSet};

/// A part that the daemon keeps of an upload.
#[derive(Clone)]
pub(super) struct Part {
    pub(super) whole: Vec<u8>,
    pub(super) have: usize,
}

/// One session's own directory; paths are relative to it, at most `dir/leaf`.
#[derive(Default)]
pub(super) struct Model {
    files: BTreeMap<String, Vec<u8>>,
    dirs: BTreeSet<String>,
    parts: BTreeMap<String, Part>,
    /// Uploads that were over the quota.
    pub(super) refused: u32,
}

impl Model {
    pub(super) fn files(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.files
    }

    pub(super) fn file(&self, path: &str) -> Option<&Vec<u8>> {
        self.files.get(path)
    }

    pub(super) fn part(&self, path: &str) -> Option<&Part> {
        self.parts.get(path)
    }

    pub(super) fn has_dir(&self, path: &str) -> bool {
        path.is_empty() || self.dirs.contains(path)
    }

    pub(super) fn part_sizes(&self) -> BTreeMap<String, usize> {
        let size = |(path, part): (&String, &Part)| (path.clone(), part.have);
        self.parts.iter().map(size).collect()
    }

    /// What is charged: all files and all parts.
    pub(super) fn bytes(&self) -> u64 {
        let files = self.files.values().map(Vec::len);
        let parts = self.parts.values().map(|part| part.have);
        files.chain(parts).map(|size| size as u64).sum()
    }

    /// Files, parts, directories, and the directory itself.
    pub(super) fn entries(&self) -> u64 {
        let all = self.files.len() + self.parts.len() + self.dirs.len();
        1 + all as u64
    }

    /// What a listing of `path` names: a file is listed as itself.
    pub(super) fn listed(&self, path: &str) -> BTreeSet<String> {
        match self.files.contains_key(path) {
            true => BTreeSet::from([leaf(path).to_owned()]),
            false => self.names_in(path),
        }
    }

    fn names_in(&self, dir: &str) -> BTreeSet<String> {
        let all = self.files.keys().chain(&self.dirs);
        let inside = all.filter(|path| parent(path) == dir);
        inside.map(|path| leaf(path).to_owned()).collect()
    }

    // What verbs change.

    pub(super) fn publish(&mut self, path: &str, data: Vec<u8>) {
        self.parts.remove(path);
        self.files.insert(path.to_owned(), data);
    }

    pub(super) fn keep_part(&mut self, path: &str, whole: Vec<u8>, have: usize) {
        self.parts.remove(path);
        if have > 0 {
            self.parts.insert(path.to_owned(), Part { whole, have });
        }
    }

    pub(super) fn drop_part(&mut self, path: &str) {
        self.parts.remove(path);
    }

    pub(super) fn make_dir(&mut self, path: &str) -> u16 {
        if self.exists(path) {
            return 550;
        }
        if !self.has_dir(parent(path)) {
            return 404;
        }
        self.dirs.insert(path.to_owned());
        257
    }

    pub(super) fn remove(&mut self, path: &str) -> u16 {
        if !self.exists(path) && !self.parts.contains_key(path) {
            return 404;
        }
        if !self.names_in(path).is_empty() {
            return 550;
        }
        self.files.remove(path);
        self.dirs.remove(path);
        self.parts
            .retain(|name, _| name != path && parent(name) != path);
        250
    }

    /// The codes of RNFR and, where it comes to that, of 351.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> (u16, Option<u16>) {
        if !self.exists(from) {
            return (404, None);
        }
        if !self.has_dir(parent(to)) {
            return (350, Some(404));
        }
        let both_parts = self.parts.contains_key(from) && self.parts.contains_key(to);
        if self.exists(to) || both_parts {
            return (350, Some(401));
        }
        self.files = moved(&self.files, from, to);
        self.parts = moved(&self.parts, from, to);
        if self.dirs.remove(from) {
            self.dirs.insert(to.to_owned());
        }
        (350, Some(250))
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.files.contains_key(path) || self.has_dir(path)
    }
}

pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(dir, _)| dir)
}

fn leaf(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, leaf)| leaf)
}

fn moved<T: Clone>(all: &BTreeMap<String, T>, from: &str, to: &str) -> BTreeMap<String, T> {
    let below = format!("{from}/");
    let name = |path: &String| match (path == from, path.strip_prefix(&below)) {
        (true, _) => to.to_owned(),
        (_, Some(rest)) => format!("{to}/{rest}"),
        _ => path.clone(),
    };
    all.iter()
        .map(|(path, what)| (name(path), what.clone()))
        .collect()
}
