//! Tests what each verb may do under every set of rights, in the home and in a folder with a rule of
//! its own.

use skiff_sessions::path::{PathArg, VirtualPath};
use skiff_sessions::rights::{Grant, Permissions, Right, Rights};
use skiff_sessions::wire::native::verbs::VERBS;

use super::disk::Disk;
use super::drive::Pair;
use super::local::Local;
use super::rig::{NEW, OLD};
use super::said::Said;

/// Lines of a client, and the rights that the last one needs.
struct Row {
    /// `@` stands for the folder that the rights are about.
    lines: &'static [&'static str],
    /// One right of each list.
    needs: &'static [&'static [Right]],
}

use Right::{Delete, Get, List, MakeDirectory, Put, RemoveDirectory, Rename, Replace};

const fn row(lines: &'static [&'static str], needs: &'static [&'static [Right]]) -> Row {
    Row { lines, needs }
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row(&["CWD @/"], &[&Right::ALL]),
    row(&["LIST @/"], &[&[List]]),
    row(&["LIST @/b"], &[&[List]]),
    row(&["RETR @/b"], &[&[Get]]),
    row(&["RETR start=0 @/b"], &[&[Get]]),
    row(&["RETR start=1 length=2 @/b"], &[&[Get]]),
    row(&["HASH algo=md5 @/b"], &[&[Get]]),
    row(&["STAT @/b"], &[&[List, Get]]),
    row(&["STOR size=43 @/new"], &[&[Put]]),
    row(&["STOR size=43 go=1 @/new"], &[&[Put]]),
    row(&["STOR size=43 replace=1 @/b"], &[&[Put], &[Replace]]),
    row(&["STAGES drop=1 @/p"], &[&[Put]]),
    row(&["SYMLINK target=b @/new"], &[&[MakeDirectory]]),
    row(&["READLINK @/b"], &[&[List, Get]]),
    row(&["DELE @/b"], &[&[Delete]]),
    row(&["DELE @/e"], &[&[RemoveDirectory]]),
    row(&["MKD @/n"], &[&[MakeDirectory]]),
    row(&["RNFR @/b"], &[&[Rename]]),
    row(&["RNFR @/b", "351 @/c"], &[&[Rename]]),
    row(&["RNFR @/b", "351 replace=1 @/g"], &[&[Rename], &[Replace]]),
    row(&["SETATTR mode=600 @/b"], &[&[Replace]]),
];

/// Verbs and codes that touch no names, or that are judged when their dialogue begins.
const OTHERS: &[&str] = &[
    "USER", "PASS", "PWD", "DF", "PASSWD", "SYST", "HELP", "NOOP", "ABOR", "111", "200", "210",
    "211", "220", "225", "227", "400", "401", "410", "550",
];

#[test]
fn no_verb_is_without_a_row() {
    for verb in VERBS {
        let begins = |line: &&str| line.split(' ').next() == Some(verb.name);
        let in_rows = ROWS.iter().any(|row| row.lines.iter().any(begins));
        assert!(in_rows || OTHERS.contains(&verb.name), "{}", verb.name);
    }
}

fn every_set() -> impl Iterator<Item = Rights> {
    (0..1_usize << Right::ALL.len()).map(|bits| {
        let chosen = Right::ALL.iter().enumerate();
        let chosen = chosen.filter(|(i, _)| bits & 1 << i != 0);
        chosen.fold(Rights::NONE, |set, (_, right)| {
            set.with(Rights::of(&[*right]))
        })
    })
}

fn path(text: &str) -> VirtualPath {
    VirtualPath::root()
        .join(&PathArg::new(text).unwrap())
        .unwrap()
}

fn disk(folder: &str) -> Disk {
    let mut disk = Disk::new();
    for made in [folder.to_owned(), format!("{folder}/e")] {
        disk.folders.insert(made.into_bytes());
    }
    let [b, g, p] = ["b", "g", "p"].map(|name| format!("{folder}/{name}"));
    disk.with(&b, OLD).with(&g, NEW).with_stage(&p, &NEW[..20])
}

/// The first reply to the last line: its code, and the cause that it tells.
fn says(row: &Row, folder: &str, permissions: impl Into<Permissions>) -> (u16, String) {
    let disk = disk(folder).opened_to(permissions);
    let mut pair = Pair::new(disk, Local::default());
    let before = pair.disk().seen();
    let mut said = Vec::new();
    for line in row.lines {
        let line = line.replace("@/", &format!("{folder}/"));
        said = pair.types(format!("{line}\r\n"));
    }
    let first = said.into_iter().find_map(|said| match said {
        Said::Line(code, text) => Some((code, text)),
        _ => None,
    });
    let (code, text) = first.unwrap();
    if code == 403 {
        assert_eq!(pair.disk().seen(), before, "{:?}", row.lines);
    }
    (code, text)
}

fn check(row: &Row, rights: Rights, (code, text): &(u16, String)) {
    let missing = row.needs.iter().find(|any| !rights.meets(Rights::of(any)));
    let cause = match rights == Rights::READING {
        true => "why=read-only ",
        false => "why=no-right ",
    };
    let (lines, first) = (row.lines, row.lines[0]);
    match missing {
        // It is no link, and that is told to who may know.
        None if first.starts_with("READLINK") => assert_eq!(*code, 550),
        None => assert!(*code < 400, "{lines:?} {rights:?}: {code} {text}"),
        // RNFR is refused first, and the rest is out of order.
        Some(_) if lines.len() > 1 && first.starts_with("RNFR") && !rights.has(Rename) => {
            assert!([403, 503].contains(code), "{lines:?}: {code} {text}");
        }
        Some(any) => {
            assert_eq!(*code, 403, "{lines:?} {rights:?}: {text}");
            assert!(text.starts_with(cause), "{lines:?} {rights:?}: {text}");
            // Who may remove neither is told of files, before anything is looked at.
            let right = match first == "DELE @/e" && !rights.has(Delete) {
                true => Delete,
                false => any[0],
            };
            let told = format!("your account may not {} there", right.deed());
            assert!(
                rights == Rights::READING || text.ends_with(&told),
                "{lines:?} {rights:?}: {text}"
            );
        }
    }
}

#[test]
fn every_verb_under_every_set_of_rights() {
    for rights in every_set() {
        let grant = Grant::of(rights);
        for row in ROWS {
            check(row, rights, &says(row, "", grant));
            let rule = Permissions::new(Grant::ALL, [(path("/in"), grant)]);
            check(row, rights, &says(row, "/in", rule));
        }
    }
}

/// Unfinished uploads are listed for the whole home.
#[test]
fn unfinished_uploads_are_listed_by_who_may_list() {
    let row = row(&["STAGES"], &[&[List]]);
    for rights in every_set() {
        check(&row, rights, &says(&row, "", Grant::of(rights)));
    }
}
