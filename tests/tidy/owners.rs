//! What works on a home's files does so as their owner: each function of vfs that takes a worker
//! begins with that, or stands here with the reason why it need not.

use super::Complaint;
use super::rules::{is_test_line, test_module};

/// Functions that touch no file of a home, or leave that to others.
const EXEMPT: [(&str, &str); 11] = [
    ("vfs/src/home/homes.rs", "open"),
    ("vfs/src/home/homes.rs", "close_idle"),
    ("vfs/src/home/homes.rs", "refresh_rules"),
    ("vfs/src/home/homes.rs", "usages"),
    ("vfs/src/home/homes.rs", "close"),
    ("vfs/src/reading/download.rs", "read_at"),
    ("vfs/src/upload/mod.rs", "read_at"),
    ("vfs/src/upload/mod.rs", "suspend"),
    ("vfs/src/upload/mod.rs", "discard"),
    ("vfs/src/home/mod.rs", "act"),
    // The folders above a home are the daemon's to enter.
    ("vfs/src/reading/survey.rs", "of"),
];

/// Complaints about one source file; `code` is its text without comments and strings.
pub(super) fn source(file: &str, code: &str) -> Vec<Complaint> {
    if !file.starts_with("vfs/src/") || file.ends_with("_tests.rs") {
        return Vec::new();
    }
    let tests = test_module(code);
    let mut complaints = Vec::new();
    for (at, _) in code.match_indices("    pub fn ") {
        let function = &code[at + "    pub fn ".len()..];
        let line = code[..at].matches('\n').count() + 1;
        let Some((signature, body)) = function.split_once("{\n") else {
            continue;
        };
        let takes_worker = signature.contains("worker: &Worker");
        let name: String = signature.chars().take_while(|&c| is_word(c)).collect();
        let first = body.lines().next().unwrap_or_default();
        let acts = ["let _acting", "self.home.act("]
            .iter()
            .any(|act| first.contains(act));
        let exempt = EXEMPT.contains(&(file, name.as_str()));
        if takes_worker && !acts && !exempt && !is_test_line(file, &tests, line) {
            complaints.push(Complaint {
                file: file.to_owned(),
                line,
                rule: format!(
                    "`{name}` works on files, and does not begin by acting as their owner"
                ),
            });
        }
    }
    complaints
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[test]
fn a_function_that_acts_as_nobody_is_told() {
    let told = |body| {
        let code =
            format!("    pub fn f(&self, _worker: &Worker) -> Result<(), E> {{\n{body}\n    }}\n");
        source("vfs/src/changing/new.rs", &code).len()
    };
    assert_eq!(told("        self.change()"), 1);
    assert_eq!(told("        let _acting = self.act(worker)?;"), 0);
}
