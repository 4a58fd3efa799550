//! `put`, `get` and `ls` as arguments, for scripts: a name is a name, whatever bytes it has.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::{Ipv6Addr, SocketAddr};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use rustix::net::{AddressFamily, SocketType};

use super::desk::Desk;
use crate::harness::{Daemon, noise};

/// Names that something takes for something else: a lexer, a shell, a terminal, an option, a
/// path, a pattern, an address, a decoder.
const HOSTILE: [&[u8]; 40] = [
    br#"a"; delete precious; lpwd ""#,
    b"; delete precious",
    b"a;b",
    b"#comment",
    b"!echo hi",
    b"-r",
    b"--",
    b"-f",
    b"two words",
    b" leading",
    b"trailing ",
    b"   ",
    b"it's",
    b"\"quoted\"",
    b"'",
    b"\"",
    b"back\\slash",
    b"\\",
    b"\\x41",
    b"\\\\x1b",
    b"tab\there",
    b"line\nend",
    b"cr\rlf\r\n",
    b"\x1b[2J\x07",
    b"\x7f",
    b"\xff\xfe",
    b"caf\xe9",
    b"\xe5\xb9",
    b"\xc0\xaf..",
    "年度 报告".as_bytes(),
    "gpj.\u{202e}exe".as_bytes(),
    "\u{85}\u{2028}".as_bytes(),
    b"%0A%25%",
    b"*.?[a-z]{b,c}",
    b"$(id) `id` $HOME ~",
    b"...",
    b".hidden",
    b"nas:8001:x",
    b"[::1]:x@y",
    b"type=file;size=1; x",
];

fn name(bytes: &[u8]) -> &OsStr {
    OsStr::from_bytes(bytes)
}

/// `tom@server:path`.
fn at(server: SocketAddr, path: &[u8]) -> OsString {
    let host = format!("tom@{server}:");
    OsString::from_vec([host.as_bytes(), path].concat())
}

fn words<'a>(words: &'a [&'a str]) -> impl Iterator<Item = OsString> + 'a {
    words.iter().map(OsString::from)
}

/// A desk with a file of each name, which holds its name.
fn with_hostile_names() -> (Daemon, Desk) {
    let (daemon, desk) = (Daemon::demo(), Desk::new());
    daemon.login("tom").put("", "precious", b"kept");
    for bytes in HOSTILE {
        fs::write(desk.path(".").join(name(bytes)), bytes).unwrap();
    }
    for folder in ["back", "again"] {
        fs::create_dir(desk.path(folder)).unwrap();
    }
    (daemon, desk)
}

#[track_caller]
fn has_all_names(folder: &Path) {
    for bytes in HOSTILE {
        let held = fs::read(folder.join(name(bytes)));
        assert_eq!(held.ok().as_deref(), Some(bytes), "{:?}", name(bytes));
    }
    assert_eq!(fs::read_dir(folder).unwrap().count(), HOSTILE.len());
}

#[test]
fn hostile_names_go_both_ways_by_arguments() {
    let (daemon, desk) = with_hostile_names();
    let server = daemon.address();
    fs::create_dir(daemon.home("tom").join("names")).unwrap();
    let names = HOSTILE.iter().map(|bytes| name(bytes).to_owned());
    let put = words(&["put"]).chain([at(server, b"names"), "--".into()]);
    let ran = desk.give(&put.chain(names).collect::<Vec<_>>());
    assert_eq!(ran.code, 0, "{}", ran.complained);
    has_all_names(&daemon.home("tom").join("names"));

    let remote = HOSTILE.map(|bytes| at(server, &[b"names/", bytes].concat()));
    let get = words(&["get"]).chain(remote).chain(words(&["back"]));
    let ran = desk.give(&get.collect::<Vec<_>>());
    assert_eq!(ran.code, 0, "{}", ran.complained);
    has_all_names(&desk.path("back"));

    // As trees too.
    let get = words(&["get", "-r"]).chain([at(server, b"names"), "tree".into()]);
    let ran = desk.give(&get.collect::<Vec<_>>());
    assert_eq!(ran.code, 0, "{}", ran.complained);
    has_all_names(&desk.path("tree"));
    let put = words(&["put", "-r"]).chain([at(server, b"copy"), "tree".into()]);
    let ran = desk.give(&put.collect::<Vec<_>>());
    assert_eq!(ran.code, 0, "{}", ran.complained);
    has_all_names(&daemon.home("tom").join("copy"));
    assert_eq!(
        fs::read(daemon.home("tom").join("precious")).unwrap(),
        b"kept"
    );
}

/// What is typed is what a listing shows, in double quotes.
#[test]
fn hostile_names_go_both_ways_by_the_prompt() {
    let (daemon, desk) = with_hostile_names();
    let mut tom = desk.log_in(daemon.address());
    tom.ask("mkdir names; cd names");
    let listed = desk.batch(daemon.address(), &["-c", "ldir -la"], "").said;
    for shown in listed.lines().filter_map(shown_name) {
        let said = tom.ask(&format!("put -- \"{shown}\""));
        assert!(said.starts_with("226 "), "{shown}: {said}");
    }
    has_all_names(&daemon.home("tom").join("names"));
    tom.ask("lcd again");
    let listed = desk
        .batch(daemon.address(), &["-c", "ls -la names"], "")
        .said;
    assert_eq!(listed.lines().count(), HOSTILE.len());
    for shown in listed.lines().filter_map(shown_name) {
        let said = tom.ask(&format!("get -- \"{shown}\""));
        assert!(said.starts_with("226 "), "{shown}: {said}");
    }
    has_all_names(&desk.path("again"));
    assert_eq!(
        fs::read(daemon.home("tom").join("precious")).unwrap(),
        b"kept"
    );
}

/// The name in a line of a listing, with its quotes escaped; `None` for a directory.
fn shown_name(line: &str) -> Option<String> {
    let is_file = line.starts_with('-');
    // Kind and mode, size, date and time stand before it.
    is_file.then(|| line[43..].replace('"', "\\\""))
}

#[test]
fn where_several_files_and_trees_go() {
    let (daemon, desk) = (Daemon::demo(), Desk::new());
    let (home, server) = (daemon.home("tom"), daemon.address());
    for folder in ["one", "two", "down"] {
        fs::create_dir(desk.path(folder)).unwrap();
    }
    for file in ["one/x", "two/x", "a", "b"] {
        desk.write(file, file.as_bytes());
    }
    let give = |line: &str| {
        let words = line
            .split(' ')
            .map(|word| word.replace("HOST", &format!("tom@{server}")));
        desk.give(&words.collect::<Vec<_>>())
    };
    for (line, stored) in [
        ("put HOST: a b", &["a", "b"][..]),
        ("put HOST:renamed a", &["renamed"]),
        ("put -r HOST: one", &["one/x"]),
        ("put HOST:one a b", &["one/a", "one/b"]),
        ("put -r HOST:exact two", &["exact/x"]),
        ("put -r HOST:one/ two a", &["one/two/x", "one/a"]),
        ("put -r HOST:one one two", &["one/one/x"]),
    ] {
        let ran = give(line);
        assert_eq!(ran.code, 0, "{line}: {}", ran.complained);
        for path in stored {
            assert!(home.join(path).is_file(), "{line}: {path}");
        }
    }
    give("put HOST:a a b").fails(1, "a: no directory, and there are several files");
    give("put HOST:none a b").fails(1, "none: no directory, and there are several files");
    for (line, stored) in [
        ("get HOST:a HOST:b down", &["down/a", "down/b"][..]),
        ("get HOST:a down/renamed", &["down/renamed"]),
        ("get HOST:renamed", &["renamed"]),
        ("get -r HOST:exact copy", &["copy/x"]),
        (
            "get -r HOST:exact HOST:one down",
            &["down/exact/x", "down/one/one/x"],
        ),
    ] {
        let ran = give(line);
        assert_eq!(ran.code, 0, "{line}: {}", ran.complained);
        for path in stored {
            assert!(desk.path(path).is_file(), "{line}: {path}");
        }
    }
    give("get HOST:a HOST:b none").fails(1, "none: no directory, and there are several files");
    give("get HOST:a HOST:b -").says("ab");
    let listed = give("ls HOST:one").said;
    assert_eq!(listed, desk.batch(server, &["-c", "ls one"], "").said);
    assert_eq!(
        give("ls HOST:").said,
        desk.batch(server, &["-c", "ls"], "").said
    );
}

#[test]
fn at_a_terminal_a_question_is_asked() {
    let (daemon, desk) = (Daemon::demo(), Desk::new());
    daemon.login("tom").put("", "file", b"theirs");
    desk.write("file", b"own");
    let host = format!("tom@{}:file", daemon.address());
    for (answer, code, left) in [("n", 1, &b"own"[..]), ("y", 0, b"theirs")] {
        let mut tom = desk.sit_known(&["get", &host]);
        tom.wait_for("file: another file is here, replace it? (y/n)");
        tom.enter(answer);
        assert_eq!(tom.exit_code(), code);
        assert_eq!(desk.read("file"), left);
    }
}

#[test]
fn one_name_that_fails_does_not_keep_the_others() {
    let (daemon, desk) = (Daemon::demo(), Desk::new());
    daemon.login("tom").put("", "b", &noise(1, 1000));
    for file in ["a", "b", "c"] {
        desk.write(file, file.as_bytes());
    }
    let host = format!("tom@{}:", daemon.address());
    let ran = desk.give(&["put", &host, "a", "none", "b", "c"]);
    ran.fails(1, "none: ");
    ran.fails(1, "b: another file is there");
    for (name, size) in [("a", 1), ("b", 1000), ("c", 1)] {
        let found = daemon.home("tom").join(name).metadata().unwrap();
        assert_eq!(found.len(), size, "{name}");
    }
}

#[test]
fn what_is_written_wrongly_is_told_before_anything_is_done() {
    let desk = Desk::new();
    for (line, complaint) in [
        ("put a nas:", "a: no [user@]host[:port]:path"),
        ("put nas:", "which files?"),
        ("get nas:a nas:b", "the last argument is a name here"),
        ("get nas:a other:b .", "one server at a time"),
        (
            "ls -q nas:",
            "options of skiff itself stand before the command",
        ),
        ("-c pwd ls nas:", "give one of them"),
    ] {
        let words: Vec<_> = line.split(' ').collect();
        desk.run(&words, "").fails(2, complaint);
    }
}

/// The address in brackets, with a port, as everywhere.
#[test]
fn a_host_may_be_an_ipv6_address() {
    // A port that is bound and never listens refuses, and nobody else can have it meanwhile.
    let port = rustix::net::socket(AddressFamily::INET6, SocketType::STREAM, None).unwrap();
    let any = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    if let Err(error) = rustix::net::bind(&port, &any) {
        eprintln!("skipped: no IPv6 on this machine: {error}");
        return;
    }
    let server = SocketAddr::try_from(rustix::net::getsockname(&port).unwrap()).unwrap();
    let desk = Desk::new();
    let host = format!("tom@{server}:dir/name");
    desk.give(&["ls", &host])
        .fails(3, &format!("skiff: {server}: no connection: "));
}
