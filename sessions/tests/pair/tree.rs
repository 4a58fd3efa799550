//! Tests directories, names, facts, digests and listings: one command each, under every cut.

use skiff_sessions::client::{Dialogue, Outcome};
use skiff_sessions::digest::Algorithm;
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::native::facts::parse_entry;
use skiff_sessions::wire::reply::Kind;

use super::cuts::{World, at_every_cut, outcome_at_every_cut};
use super::disk::Disk;
use super::drive::{Pair, arg};
use super::local::Local;
use super::rig::{NEW, OLD};
use super::said::Said;

fn tree() -> World {
    let disk = Disk::new()
        .with("/a", NEW)
        .with("/d/b", OLD)
        .with_stage("/s", &NEW[..7]);
    (disk, Local::default())
}

/// Lines and their codes, on one disk, in this order.
const TALK: &[(&str, &[u16])] = &[
    ("PWD", &[257]),
    ("CWD d", &[250]),
    ("STAT b", &[213]),
    ("CWD ..", &[250]),
    ("CWD ../..", &[403]),
    ("CWD no", &[550]),
    ("CWD a", &[550]),
    ("CWD ./d/../d", &[250]),
    ("CWD /", &[250]),
    ("MKD new", &[257]),
    ("MKD new", &[550]),
    ("MKD a", &[550]),
    ("MKD no/x", &[404]),
    ("MKD ../x", &[403]),
    ("SYMLINK target=a l", &[257]),
    ("SYMLINK target=d l", &[550]),
    ("SYMLINK target=a no/x", &[404]),
    ("SYMLINK target=a ../x", &[403]),
    ("SYMLINK target= x", &[501]),
    ("SYMLINK target=%00 x", &[501]),
    ("SYMLINK target=%2 x", &[501]),
    ("SYMLINK x", &[501]),
    ("SYMLINK target=a", &[501]),
    ("READLINK l", &[213]),
    ("READLINK a", &[550]),
    ("READLINK no", &[404]),
    ("READLINK ../l", &[403]),
    ("READLINK", &[501]),
    ("DELE l", &[250]),
    ("READLINK l", &[404]),
    ("DELE new", &[250]),
    ("DELE new", &[404]),
    ("DELE d", &[550]),
    ("DELE ../x", &[403]),
    ("STAT a", &[213]),
    ("STAT d", &[213]),
    ("STAT no", &[404]),
    ("STAT ../a", &[403]),
    ("STAT s", &[404]),
    ("STAT", &[211]),
    ("DF", &[213]),
    ("HASH algo=md5 a", &[213]),
    ("HASH algo=md5 a", &[213]),
    ("HASH algo=sha256 a", &[213]),
    ("HASH algo=md5 d", &[551]),
    ("HASH algo=md5 no", &[404]),
    ("HASH algo=md5 ../a", &[403]),
    ("HASH algo=crc a", &[501]),
    ("SYST", &[215]),
    ("HELP", &[214]),
    ("HELP STOR", &[214]),
    ("NOOP", &[200]),
    ("ABOR", &[226]),
    ("RNFR a\r\n351 c", &[350, 250]),
    ("RNFR a", &[404]),
    ("RNFR ../a", &[403]),
    ("RNFR c\r\n351 d", &[350, 401]),
    ("RNFR c\r\n351 ../x", &[350, 403]),
    ("RNFR c\r\n351 no/x", &[350, 404]),
    ("RNFR d\r\n351 e", &[350, 250]),
    ("STAGES drop=1 s", &[250]),
    ("STAGES drop=1 s", &[404]),
    ("DELE s", &[404]),
    (
        "PASSWD salt=AAAAAAAAAAAAAAAAAAAAAA== iterations=10000 stored=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= server=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= proof=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        &[403],
    ),
    ("\u{1}", &[500]),
    ("stat C", &[404]),
    ("stat c", &[213]),
    ("MKD %zz", &[501]),
];

#[test]
fn one_at_a_time() {
    let (disk, local) = tree();
    let mut pair = Pair::new(disk, local);
    for (line, codes) in TALK {
        assert_eq!(pair.codes(format!("{line}\r\n")), *codes, "{line}");
        assert_eq!(pair.codes("NOOP\r\n"), [200], "behind {line}");
    }
    pair.is_ready();
}

/// The same, sent without waiting.
#[test]
fn all_at_once() {
    let lines: String = TALK.iter().map(|(line, _)| format!("{line}\r\n")).collect();
    let codes: Vec<u16> = TALK
        .iter()
        .flat_map(|(_, codes)| codes.iter().copied())
        .collect();
    let came = at_every_cut(tree, |pair| pair.codes(&lines));
    assert_eq!(came.said, codes);
}

#[test]
fn what_is_told() {
    let (disk, local) = tree();
    let mut pair = Pair::new(disk, local);
    let md5 = Algorithm::Md5.of(NEW);
    let line = |code, text: &str| Said::Line(code, text.to_owned());
    let told = pair.types("CWD d\r\nPWD\r\nMKD %25 x\r\nHASH algo=md5 /a\r\nSTAT /a\r\nDF\r\n");
    let expected = [
        line(250, "/d"),
        line(257, "/d"),
        line(257, "/d/%25 x"),
        line(213, &format!("size=43 md5={md5} /a")),
        line(213, "type=file size=43 mtime=20260102030405 mode=0644 /a"),
        line(
            213,
            "used=71 staged=7 reserved=0 free=1073741753 entries=5 limit=1073741824 entries_limit=0 quota",
        ),
    ];
    assert_eq!(told, expected);
}

fn lists(pair: &mut Pair, command: Command) -> (Outcome, Vec<(String, Kind, u64)>) {
    pair.client.local.listed.clear();
    pair.client.begin(|_, out| Dialogue::listing(command, out));
    let outcome = pair.finish();
    let text = String::from_utf8(pair.client.local.listed.clone()).unwrap();
    let entry = |line: &str| {
        let (name, facts) = parse_entry(line.as_bytes()).unwrap();
        (String::from_utf8(name).unwrap(), facts.kind, facts.size)
    };
    (outcome, text.split_terminator("\r\n").map(entry).collect())
}

fn hidden(outcome: &Outcome) -> Option<u64> {
    match outcome {
        Outcome::Replied(answered) => answered.hidden,
        other => panic!("{other:?}"),
    }
}

#[test]
fn listings() {
    let came = at_every_cut(tree, |pair| {
        let (outcome, entries) = lists(pair, Command::list(None));
        assert_eq!(hidden(&outcome), Some(0));
        entries
    });
    let entry = |name: &str, kind, size| (name.to_owned(), kind, size);
    let expected = [
        entry("a", Kind::File, NEW.len() as u64),
        entry("d", Kind::Directory, 0),
    ];
    assert_eq!(came.said, expected);
}

#[test]
fn a_listing_of_one_file_and_of_nothing() {
    let came = at_every_cut(tree, |pair| {
        let file = lists(pair, Command::list(Some(arg("d/b")))).1;
        pair.codes("MKD e\r\n");
        (file, lists(pair, Command::list(Some(arg("e")))).1)
    });
    let (file, nothing) = came.said;
    assert_eq!(file, [("b".to_owned(), Kind::File, OLD.len() as u64)]);
    assert_eq!(nothing, []);
}

#[test]
fn names_that_would_forge_a_line_are_escaped() {
    let world = || {
        let disk = Disk::new()
            .with("/a\r\ntype=dir; forged", NEW)
            .with("/b; c=d ", OLD);
        (disk, Local::default())
    };
    let came = at_every_cut(world, |pair| {
        let (outcome, entries) = lists(pair, Command::list(None));
        (
            hidden(&outcome),
            entries
                .into_iter()
                .map(|(name, ..)| name)
                .collect::<Vec<_>>(),
        )
    });
    let names = ["a\r\ntype=dir; forged", "b; c=d ", "d"].map(str::to_owned);
    assert_eq!(came.said, (Some(0), names.to_vec()));
}

#[test]
fn unfinished_uploads() {
    let came = at_every_cut(tree, |pair| lists(pair, Command::Stages).1);
    assert_eq!(came.said, [("/s".to_owned(), Kind::File, 7)]);
}

#[test]
fn a_listing_that_is_refused() {
    for (path, code) in [("no", 404), ("../x", 403), ("a/b", 404)] {
        let list = |pair: &mut Pair| lists(pair, Command::list(Some(arg(path)))).0;
        assert_eq!(outcome_at_every_cut(tree, list).code(), code, "{path}");
    }
}

#[test]
fn many_entries() {
    let names: Vec<String> = (0..700).map(|n| format!("/d/{n:04}")).collect();
    let disk = names
        .iter()
        .fold(Disk::new(), |disk, name| disk.with(name, b""));
    let mut pair = Pair::new(disk, Local::default());
    let (outcome, entries) = lists(&mut pair, Command::list(Some(arg("d"))));
    assert_eq!(hidden(&outcome), Some(0));
    let listed: Vec<String> = entries
        .into_iter()
        .map(|(name, ..)| format!("/d/{name}"))
        .collect();
    assert_eq!(listed, names);
    pair.is_ready();
}

#[test]
fn renames() {
    for (from, to, code) in [
        ("a", "c", 250),
        ("a", "d", 401),
        ("no", "c", 404),
        ("a", "../c", 403),
    ] {
        let came = outcome_at_every_cut(tree, |pair| {
            pair.client
                .begin(|_, out| Dialogue::rename(arg(from), arg(to), out));
            let outcome = pair.finish();
            let there = if code == 250 { "/c" } else { "/a" };
            assert_eq!(pair.disk().content(there).as_deref(), Some(NEW));
            outcome
        });
        assert_eq!(came.code(), code);
    }
}
