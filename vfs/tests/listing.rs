//! Tests of listings: every entry once, and no name that could forge a line.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use skiff_vfs::{Direction, Home, Kind, LineBreaks, SortKey, VfsError, Worker};

use crate::common::{World, leave, names, on_worker};

#[test]
fn a_large_directory_is_listed_whole_and_once() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        fs::create_dir(world.at("many")).unwrap();
        // Several getdents batches, with names of all lengths.
        let expected: HashSet<_> = (0..3000)
            .map(|n| format!("{n}-{}", "x".repeat(n % 200)))
            .collect();
        for name in &expected {
            fs::write(world.at("many").join(name), "").unwrap();
        }
        let mut listing = home.list(worker, Path::new("many")).unwrap();
        let mut seen = HashSet::new();
        while let Some(entry) = listing.next(worker).unwrap() {
            assert!(seen.insert(entry.name.to_str().unwrap().to_owned()));
        }
        assert_eq!(seen, expected);
        assert!(
            listing.next(worker).unwrap().is_none(),
            "the end stays the end"
        );
    });
}

#[test]
fn names_that_hold_a_line_end_are_listed_or_counted() {
    on_worker(|worker| {
        let world = World::new();
        for name in [
            &b"plain"[..],
            b"two\nlines",
            b"two\rlines",
            b"caf\xe9",
            b" lead",
            b"tab\t",
        ] {
            fs::write(world.root().join(OsStr::from_bytes(name)), "").unwrap();
        }
        let home = world.open(worker);
        let list = |line_breaks| {
            let mut listing = home.list(worker, Path::new("")).unwrap();
            listing.set_line_breaks(line_breaks);
            let mut seen = HashSet::new();
            while let Some(entry) = listing.next(worker).unwrap() {
                seen.insert(entry.name.as_bytes().to_vec());
            }
            (seen, listing.hidden())
        };
        let expected = [&b"plain"[..], b"caf\xe9", b" lead", b"tab\t"];
        let expected: HashSet<Vec<u8>> = expected.map(<[u8]>::to_vec).into_iter().collect();
        assert_eq!(list(LineBreaks::Hidden), (expected.clone(), 2));
        let breaks = [&b"two\nlines"[..], b"two\rlines"].map(<[u8]>::to_vec);
        let all = expected.into_iter().chain(breaks).collect();
        assert_eq!(list(LineBreaks::Listed), (all, 0));
    });
}

/// Links of all kinds, and where each is told to lead.
const LINKS: [(&str, &str, Option<&str>); 12] = [
    ("to-dir", "dir", Some("dir")),
    ("to-file", "dir/file", Some("dir/file")),
    ("self", ".", Some(".")),
    ("dir/up", "../dir/./file", Some("../dir/./file")),
    ("nowhere", "missing", Some("missing")),
    ("deep-nowhere", "missing/x/../y", Some("missing/x/../y")),
    ("loop", "loop", Some("loop")),
    ("out", "../..", None),
    ("out-nowhere", "missing/../../x", None),
    ("absolute", "/etc", None),
    ("staging", ".skiff-stage", None),
    ("forged", "a\nb", None),
];

#[test]
fn links_are_listed_as_links_wherever_they_lead() {
    on_worker(|worker| {
        let world = World::new();
        fs::create_dir(world.at("dir")).unwrap();
        fs::write(world.at("dir/file"), "12345").unwrap();
        for (name, target, _) in LINKS {
            symlink(target, world.at(name)).unwrap();
        }
        let home = world.open(worker);
        let mut seen = 0;
        for folder in ["", "dir", "to-dir"] {
            let mut listing = home.list(worker, Path::new(folder)).unwrap();
            while let Some(entry) = listing.next(worker).unwrap() {
                let path = Path::new(folder).join(&entry.name);
                assert_eq!(*entry, home.stat_link(worker, &path).unwrap());
                let row = LINKS.iter().find(|row| {
                    let place = folder.replace("to-dir", "dir");
                    Path::new(&place).join(&entry.name) == Path::new(row.0)
                });
                let told = row.map(|row| row.2.map(OsStr::new));
                let is_link = entry.kind == Kind::Link;
                assert_eq!(is_link.then_some(entry.target.as_deref()), told, "{path:?}");
                seen += usize::from(is_link);
            }
        }
        assert_eq!(seen, LINKS.len() + 1, "dir/up is listed twice");
    });
}

#[test]
fn a_link_to_no_directory_lists_as_itself() {
    on_worker(|worker| {
        let world = World::new();
        fs::create_dir(world.at("dir")).unwrap();
        fs::write(world.at("dir/file"), "12345").unwrap();
        for (name, target, _) in LINKS {
            symlink(target, world.at(name)).unwrap();
        }
        let home = world.open(worker);
        for (name, _, _) in LINKS {
            let mut listing = home.list(worker, Path::new(name)).unwrap();
            let mut entries = Vec::new();
            while let Some(entry) = listing.next(worker).unwrap() {
                entries.push(entry.clone());
            }
            let is_directory = ["to-dir", "self"].contains(&name);
            let itself = home.stat_link(worker, Path::new(name)).unwrap();
            assert_eq!(entries == [itself], !is_directory, "{name}");
        }
        let through = home.list(worker, Path::new("out/etc"));
        assert!(matches!(through, Err(VfsError::Escapes)), "{through:?}");
    });
}

#[test]
fn one_file_lists_as_itself_with_all_its_facts() {
    on_worker(|worker| {
        let world = World::new();
        fs::write(world.at("file"), "12345").unwrap();
        fs::hard_link(world.at("file"), world.at("other")).unwrap();
        let home = world.open(worker);
        let mut listing = home.list(worker, Path::new("file")).unwrap();
        let entry = listing.next(worker).unwrap().unwrap().clone();
        assert!(listing.next(worker).unwrap().is_none());
        let meta = fs::metadata(world.at("file")).unwrap();
        assert_eq!(entry.name, "file");
        assert_eq!((entry.kind, entry.size, entry.links), (Kind::File, 5, 2));
        assert_eq!(
            (entry.mode, entry.uid, entry.gid),
            (meta.mode() & 0o7777, meta.uid(), meta.gid())
        );
        assert_eq!(entry.unique, (meta.dev(), meta.ino()));
        assert_eq!(entry.modified.system_time(), meta.modified().unwrap());
        assert_eq!(
            home.stat(worker, Path::new("other")).unwrap().unique,
            entry.unique
        );

        let missing = home.list(worker, Path::new("missing"));
        assert!(matches!(missing, Err(VfsError::NotFound)));
        let through = home.list(worker, Path::new("file/below"));
        assert!(matches!(through, Err(VfsError::NotADirectory)));
    });
}

#[test]
fn stages_are_not_listed() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        leave(&home, worker, "part", b"half");
        assert_eq!(names(&home, worker, ""), [""; 0]);
        assert!(matches!(
            home.stat(worker, Path::new("part")),
            Err(VfsError::NotFound)
        ));
        assert!(matches!(
            home.download(worker, Path::new("part")),
            Err(VfsError::NotFound)
        ));
    });
}

fn sorted(
    home: &Arc<Home>,
    worker: &Worker,
    folder: &str,
    (key, direction): (SortKey, Direction),
) -> Vec<Vec<u8>> {
    let mut listing = home.list(worker, Path::new(folder)).unwrap();
    let keep = |name: &[u8]| name != b"left out";
    listing.sort(worker, key, direction, keep).unwrap();
    let mut names = Vec::new();
    while let Some(entry) = listing.next(worker).unwrap() {
        names.push(entry.name.as_bytes().to_vec());
    }
    names
}

#[test]
fn a_directory_is_sorted_as_it_is_asked_for() {
    on_worker(|worker| {
        let world = World::new();
        // Names, their sizes, and their times; the last two are equal.
        let rows: [(&[u8], usize, u64); 6] = [
            (b"B", 5, 30),
            (b"\xff", 1, 60),
            (b"a", 4, 10),
            ("\u{e9}".as_bytes(), 3, 20),
            (b"c", 2, 40),
            (b"b", 2, 40),
        ];
        for (name, size, seconds) in rows {
            let path = world.root().join(OsStr::from_bytes(name));
            fs::write(&path, vec![b'x'; size]).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            fs::File::open(&path).unwrap().set_modified(time).unwrap();
        }
        fs::write(world.at("left out"), "").unwrap();
        let home = world.open(worker);
        leave(&home, worker, "part", b"half");
        let expected: [(SortKey, [&[u8]; 6]); 3] = [
            (
                SortKey::Name,
                [b"B", b"a", b"b", b"c", b"\xc3\xa9", b"\xff"],
            ),
            (
                SortKey::Modified,
                [b"\xff", b"b", b"c", b"B", b"\xc3\xa9", b"a"],
            ),
            (
                SortKey::Size,
                [b"B", b"a", b"\xc3\xa9", b"b", b"c", b"\xff"],
            ),
        ];
        for (key, mut names) in expected {
            assert_eq!(sorted(&home, worker, "", (key, Direction::Forward)), names);
            names.reverse();
            assert_eq!(sorted(&home, worker, "", (key, Direction::Backward)), names);
        }
        let one = sorted(&home, worker, "a", (SortKey::Size, Direction::Backward));
        assert_eq!(one, [b"a"], "one file is sorted");
    });
}

#[test]
fn a_directory_that_is_too_large_to_be_sorted_is_listed_whole() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        for count in [10_000, 10_001, 10_500] {
            let folder = format!("{count}");
            fs::create_dir(world.at(&folder)).unwrap();
            for number in 0..count {
                fs::write(world.at(&folder).join(number.to_string()), "").unwrap();
            }
            let names = sorted(&home, worker, &folder, (SortKey::Name, Direction::Forward));
            assert_eq!(names.is_sorted(), count <= 10_000, "{count}");
            let unique: HashSet<_> = names.iter().collect();
            assert_eq!((names.len(), unique.len()), (count, count));
        }
    });
}
