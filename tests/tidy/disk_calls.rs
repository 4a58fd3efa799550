//! The calls by which vfs looks at a disk and changes it go through `vfs/src/syscalls.rs`: one that
//! does not would be done behind the back of the simulated disk.

use super::Complaint;
use super::layers::paths_from;
use super::rules::{is_test_line, test_module};

/// Where the calls come from, and where they are simulated.
const EXEMPT: [&str; 2] = ["vfs/src/syscalls.rs", "vfs/src/simulated/"];

/// Calls that look at nothing but what is open or in memory, or that change no disk.
const HARMLESS: [&str; 11] = [
    "accessat",
    "fadvise",
    "fgetxattr",
    "flock",
    "fstatvfs",
    "makedev",
    "openat2",
    "pread",
    "preadv2",
    "read",
    "readlinkat",
];

/// Complaints about one source file; `code` is its text without comments and strings.
pub(super) fn source(file: &str, code: &str) -> Vec<Complaint> {
    let is_test = file.ends_with("_tests.rs");
    if !file.starts_with("vfs/src/")
        || is_test
        || EXEMPT.iter().any(|exempt| file.starts_with(exempt))
    {
        return Vec::new();
    }
    let tests = test_module(code);
    let used = paths_from(&["rustix::", "std::fs"], code);
    used.filter(|(line, path)| !is_test_line(file, &tests, *line) && is_disk_call(path))
        .map(|(line, path)| Complaint {
            file: file.to_owned(),
            line,
            rule: format!("`{path}`: calls on a disk go through syscalls.rs"),
        })
        .collect()
}

/// Whether the path leads to a function (types begin with a capital) of the modules that have such
/// calls.
fn is_disk_call(path: &str) -> bool {
    let mut parts = path.rsplit("::");
    let (name, module) = (parts.next().unwrap_or_default(), parts.next());
    let has_calls = matches!(module, Some("fs" | "io" | "pipe"));
    let is_function = name.starts_with(|first: char| first.is_ascii_lowercase()) && name != "self";
    has_calls && is_function && !HARMLESS.contains(&name)
}

#[test]
fn a_call_past_the_seam_is_told() {
    let bad = |code| !source("vfs/src/home/space.rs", code).is_empty();
    assert!(bad("use rustix::fs::{AtFlags, unlinkat};"));
    assert!(bad("rustix::io::pwrite(file, data, 0)"));
    assert!(bad("std::fs::remove_file(path)"));
    assert!(!bad("use rustix::fs::{AtFlags, Mode, fgetxattr};"));
    assert!(!bad("use rustix::io::Errno;"));
    assert!(source("vfs/src/syscalls.rs", "use rustix::fs::unlinkat;").is_empty());
}
