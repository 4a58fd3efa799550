//! Which folder of a crate may import which: a table of layers, checked against `use` lines and paths.

use super::Complaint;
use super::rules::{is_test_line, test_module};
use super::scrub::is_word;

/// A folder, or a file at the top of a crate, and all that it may import from its own crate.
struct Layer {
    folder: &'static str,
    may_import: &'static [&'static str],
}

/// A crate whose folders have layers; `sources` ends with `/`.
struct Layered {
    sources: &'static str,
    layers: &'static [Layer],
}

const fn layer(folder: &'static str, may_import: &'static [&'static str]) -> Layer {
    Layer { folder, may_import }
}

const CRATES: [Layered; 3] = [
    Layered {
        sources: "reactor/src/",
        layers: &[
            layer("main", &[]),
            layer("lib", &[]),
            layer(
                "simulation",
                &[
                    "cli",
                    "reactor",
                    "event_loop",
                    "workers",
                    "endpoints",
                    "accounts",
                    "accesslog",
                ],
            ),
            layer(
                "cli",
                &[
                    "daemon",
                    "endpoints",
                    "tls",
                    "hooks",
                    "accounts",
                    "control",
                    "walls",
                    "system_users",
                ],
            ),
            layer(
                "daemon",
                &[
                    "reactor",
                    "metrics",
                    "event_loop",
                    "workers",
                    "endpoints",
                    "tls",
                    "hooks",
                    "accounts",
                    "accesslog",
                    "control",
                    "walls",
                    "system_users",
                ],
            ),
            layer(
                "reactor",
                &[
                    "connection",
                    "metrics",
                    "event_loop",
                    "workers",
                    "endpoints",
                    "transport",
                    "accounts",
                    "accesslog",
                    "control",
                ],
            ),
            layer(
                "connection",
                &[
                    "event_loop",
                    "workers",
                    "endpoints",
                    "transport",
                    "tls",
                    "accounts",
                    "accesslog",
                    "control",
                ],
            ),
            layer("metrics", &["event_loop", "workers", "control"]),
            layer(
                "event_loop",
                &[
                    "workers",
                    "endpoints",
                    "transport",
                    "tls",
                    "accesslog",
                    "control",
                ],
            ),
            layer(
                "workers",
                &[
                    "endpoints",
                    "transport",
                    "tls",
                    "hooks",
                    "accounts",
                    "accesslog",
                    "control",
                ],
            ),
            layer("endpoints", &["tls"]),
            layer("transport", &["tls"]),
            layer("tls", &[]),
            layer("hooks", &["programs"]),
            layer("accounts", &["system_users", "programs"]),
            layer("accesslog", &[]),
            layer("control", &[]),
            layer("walls", &["system_users"]),
            layer("system_users", &[]),
            layer("programs", &[]),
        ],
    },
    Layered {
        sources: "client/src/",
        layers: &[
            layer("main", &[]),
            layer("lib", &["cli", "commands", "terminal"]),
            layer("cli", &["commands", "net", "terminal"]),
            layer("commands", &["transfer", "net", "terminal"]),
            layer("transfer", &["net", "terminal"]),
            layer("net", &["terminal"]),
            layer("terminal", &[]),
        ],
    },
    Layered {
        sources: "vfs/src/",
        layers: &[
            layer("lib", &[]),
            layer(
                "changing",
                &[
                    "upload",
                    "home",
                    "jail",
                    "staging",
                    "digest",
                    "dir_reader",
                    "syscalls",
                    "entry",
                ],
            ),
            layer(
                "upload",
                &[
                    "home", "jail", "staging", "digest", "policy", "owner", "syscalls", "entry",
                ],
            ),
            layer(
                "reading",
                &[
                    "home",
                    "jail",
                    "dir_reader",
                    "digest",
                    "owner",
                    "syscalls",
                    "entry",
                ],
            ),
            layer(
                "home",
                &[
                    "jail",
                    "staging",
                    "dir_reader",
                    "permissions",
                    "owner",
                    "syscalls",
                    "entry",
                ],
            ),
            layer(
                "jail",
                &[
                    "staging",
                    "dir_reader",
                    "policy",
                    "owner",
                    "syscalls",
                    "entry",
                ],
            ),
            layer("staging", &["dir_reader", "syscalls", "entry", "error"]),
            layer("dir_reader", &["syscalls", "error", "worker"]),
            layer("digest", &["syscalls", "error", "worker"]),
            layer("permissions", &["owner", "entry"]),
            layer("syscalls", &["simulated"]),
            layer("simulated", &[]),
            layer("policy", &[]),
            layer("entry", &[]),
            layer("error", &[]),
            layer("worker", &["owner"]),
            layer("owner", &[]),
        ],
    },
];

/// Complaints about the imports of one source file; `code` is its text without comments and
/// strings. Test modules may import what they need.
pub(super) fn source(file: &str, code: &str) -> Vec<Complaint> {
    let Some(layered) = CRATES
        .iter()
        .find(|layered| file.starts_with(layered.sources))
    else {
        return Vec::new();
    };
    let module = module_path(&file[layered.sources.len()..]);
    let complaint = |line, rule| Complaint {
        file: file.to_owned(),
        line,
        rule,
    };
    let Some(layer) = layered.layer_of(&module) else {
        let rule = "a folder without a row in tests/tidy/layers.rs".to_owned();
        return vec![complaint(1, rule)];
    };
    let tests = test_module(code);
    let imports = paths(code)
        .filter(|(line, _)| !is_test_line(file, &tests, *line))
        .filter_map(|(line, path)| Some((line, top_of(&path, &module)?)));
    let upward = imports.filter(|(_, to)| {
        let is_module = layered.layers.iter().any(|layer| layer.folder == to);
        is_module && to != layer.folder && !layer.may_import.contains(&to.as_str())
    });
    upward
        .map(|(line, to)| {
            complaint(
                line,
                format!("no import leads from {} to {to}", layer.folder),
            )
        })
        .collect()
}

impl Layered {
    fn layer_of(&self, module: &[&str]) -> Option<&Layer> {
        let top = *module.first()?;
        self.layers.iter().find(|layer| layer.folder == top)
    }
}

/// `connection/data.rs` is `connection::data`, `connection/mod.rs` is `connection`.
fn module_path(file: &str) -> Vec<&str> {
    let file = file.strip_suffix(".rs").unwrap_or(file);
    let file = file.strip_suffix("/mod").unwrap_or(file);
    file.split('/').collect()
}

/// The top-level module of its crate that `path`, written in `module`, leads to; `None` for a path
/// of another crate, or one that stays within its folder by `self`.
fn top_of(path: &str, module: &[&str]) -> Option<String> {
    let mut parts = path.split("::").peekable();
    let mut base = match parts.next()? {
        "crate" => return parts.next().map(str::to_owned),
        "super" => &module[..module.len() - 1],
        _ => return None,
    };
    while parts.next_if_eq(&"super").is_some() {
        base = &base[..base.len().checked_sub(1)?];
    }
    match base.first() {
        Some(top) => Some((*top).to_owned()),
        None => parts.next().map(str::to_owned),
    }
}

/// Line and text of each path that begins with `crate` or `super`, groups in braces taken apart.
fn paths(code: &str) -> impl Iterator<Item = (usize, String)> {
    paths_from(&["crate::", "super::"], code)
}

/// Line and text of each path that begins with one of `roots`, groups in braces taken apart.
pub(super) fn paths_from(roots: &[&str], code: &str) -> impl Iterator<Item = (usize, String)> {
    let mut found = Vec::new();
    for root in roots {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| is_word(c) || c == ':') {
                continue;
            }
            let line = code[..at].matches('\n').count() + 1;
            let mut leaves = Vec::new();
            expand("", &code[at..], &mut leaves);
            found.extend(leaves.into_iter().map(|path| (line, path)));
        }
    }
    found.into_iter()
}

/// Adds the paths that `text` begins with, each behind `prefix`; returns what they took of it.
fn expand(prefix: &str, text: &str, leaves: &mut Vec<String>) -> usize {
    let is_path = |c: char| is_word(c) || c == ':';
    let len = text.find(|c| !is_path(c)).unwrap_or(text.len());
    let path = format!("{prefix}{}", &text[..len]);
    if !(path.ends_with("::") && text[len..].starts_with('{')) {
        leaves.push(path);
        return len;
    }
    let mut at = len + 1;
    while let Some(c) = text[at..].chars().next() {
        match c {
            '}' => return at + 1,
            c if is_path(c) => at += expand(&path, &text[at..], leaves),
            c => at += c.len_utf8(),
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(file: &str, code: &str) -> Vec<String> {
        source(file, code).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn imports_that_run_down_are_fine() {
        for code in [
            "use crate::workers::pool::Pool;",
            "use super::deadlines::Deadlines;",
            "use super::super::workers;",
            "use self::own;",
            "use std::io;",
            "fn f() { crate::tls::binding(); }",
        ] {
            assert!(told("reactor/src/event_loop/shared.rs", code).is_empty());
        }
    }

    #[test]
    fn imports_that_run_up_are_told_whatever_way_they_are_written() {
        for code in [
            "use crate::connection::Connection;",
            "use crate::{connection::Connection, workers};",
            "use crate::{\n    workers::{pool, jobs},\n    connection,\n};",
            "use super::super::connection;",
            "pub(crate) use crate::connection::data as d;",
            "fn f(c: &crate::connection::Connection) {}",
        ] {
            let told = told("reactor/src/event_loop/shared.rs", code);
            assert_eq!(told.len(), 1, "{code}");
            assert!(
                told[0].ends_with("no import leads from event_loop to connection"),
                "{told:?}"
            );
        }
    }

    #[test]
    fn mod_rs_is_the_folder_itself() {
        let code = "use super::cli::user;";
        assert_eq!(told("reactor/src/workers/mod.rs", code).len(), 1);
        assert!(told("reactor/src/workers/pool.rs", code).is_empty());
    }

    #[test]
    fn tests_import_what_they_need() {
        let code = "fn f() {}\n\n#[cfg(test)]\nmod tests {\n    use crate::cli::init;\n}\n";
        assert!(told("reactor/src/tls/mod.rs", code).is_empty());
    }

    #[test]
    fn a_new_folder_needs_a_row() {
        let told = told("reactor/src/nowhere/mod.rs", "");
        assert_eq!(
            told,
            ["reactor/src/nowhere/mod.rs:1: a folder without a row in tests/tidy/layers.rs"]
        );
    }

    /// A row that allowed two folders to import each other would allow a circle.
    #[test]
    fn the_table_itself_runs_one_way() {
        for layered in &CRATES {
            for (index, layer) in layered.layers.iter().enumerate() {
                for to in layer.may_import {
                    let below = layered.layers.iter().position(|other| other.folder == *to);
                    assert!(below > Some(index), "{} to {to}", layer.folder);
                }
            }
        }
    }
}
