//! Tests what each verb may do under every set of rights, in the home and in a folder with a rule of
//! its own.

use skiff_sessions::path::{PathArg, VirtualPath};
use skiff_sessions::rights::{Grant, Permissions, Right, Rights};
use skiff_sessions::wire::ftp::verbs::VERBS;

use super::disk::Disk;
use super::rig::Rig;
use super::said::codes;
use super::world::{NEW, OLD, World};

/// Lines of a client, and the rights that they need.
struct Row {
    /// `@` stands for the folder that the rights are about. What is sent behind 150 is [`NEW`].
    lines: &'static [&'static str],
    /// One right of each list.
    needs: &'static [&'static [Right]],
}

use Right::{Append, Delete, Get, List, MakeDirectory, Put, RemoveDirectory, Rename, Replace};

const fn row(lines: &'static [&'static str], needs: &'static [&'static [Right]]) -> Row {
    Row { lines, needs }
}

#[rustfmt::skip]
const ROWS: &[Row] = &[
    row(&["CWD @/"], &[&Right::ALL]),
    row(&["XCWD @/"], &[&Right::ALL]),
    row(&["PASV", "LIST @/"], &[&[List]]),
    row(&["PASV", "LIST @/b"], &[&[List]]),
    row(&["PASV", "LIST @/*"], &[&[List]]),
    row(&["PASV", "NLST @/"], &[&[List]]),
    row(&["PASV", "MLSD @/"], &[&[List]]),
    row(&["STAT @/"], &[&[List]]),
    row(&["MLST @/b"], &[&[List, Get]]),
    row(&["SIZE @/b"], &[&[List, Get]]),
    row(&["MDTM @/b"], &[&[List, Get]]),
    row(&["PASV", "RETR @/b"], &[&[Get]]),
    row(&["HASH @/b"], &[&[Get]]),
    row(&["XMD5 @/b"], &[&[Get]]),
    row(&["XSHA256 @/b"], &[&[Get]]),
    row(&["XSHA512 @/b"], &[&[Get]]),
    row(&["PASV", "STOR @/new"], &[&[Put]]),
    row(&["PASV", "STOR @/b"], &[&[Put], &[Replace]]),
    row(&["PASV", "REST 5", "STOR @/b"], &[&[Put], &[Replace]]),
    row(&["PASV", "REST 21", "STOR @/b"], &[&[Put], &[Append]]),
    row(&["PASV", "APPE @/b"], &[&[Put], &[Append]]),
    row(&["PASV", "APPE @/new"], &[&[Put]]),
    row(&["PASV", "STOU @/b"], &[&[Put]]),
    row(&["DELE @/b"], &[&[Delete]]),
    row(&["RMD @/e"], &[&[RemoveDirectory]]),
    row(&["XRMD @/e"], &[&[RemoveDirectory]]),
    row(&["MKD @/n"], &[&[MakeDirectory]]),
    row(&["XMKD @/n"], &[&[MakeDirectory]]),
    row(&["RNFR @/b", "RNTO @/c"], &[&[Rename]]),
    row(&["RNFR @/b", "RNTO @/g"], &[&[Rename], &[Replace]]),
    row(&["MFMT 20250102030405 @/b"], &[&[Replace]]),
    row(&["MDTM 20250102030405 @/b"], &[&[Replace]]),
    row(&["SITE SYMLINK b @/new"], &[&[MakeDirectory]]),
    row(&["SITE CHMOD 600 @/b"], &[&[Replace]]),
    row(&["SITE UTIME 20250102030405 @/b"], &[&[Replace]]),
];

/// Verbs that touch no names, or that `ROWS` has by another name.
const OTHERS: &[&str] = &[
    "USER", "PASS", "ACCT", "CDUP", "XCUP", "SMNT", "REIN", "QUIT", "PORT", "PASV", "TYPE", "STRU",
    "MODE", "ALLO", "REST", "ABOR", "PWD", "XPWD", "SYST", "HELP", "NOOP", "AUTH", "ADAT", "PBSZ",
    "PROT", "CCC", "CONF", "ENC", "MIC", "FEAT", "OPTS", "EPRT", "EPSV", "HOST", "AVBL", "RANG",
    "CLNT", "SITE",
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

/// A disk with files, a directory and names in a folder.
fn disk(folder: &str) -> Disk {
    let mut disk = Disk::new();
    for made in [folder.to_owned(), format!("{folder}/e")] {
        disk.folders.insert(made.into_bytes());
    }
    let [b, g] = ["b", "g"].map(|name| format!("{folder}/{name}"));
    disk.with(&b, OLD).with(&g, NEW)
}

/// The last reply to the row's lines, and its text.
fn says(row: &Row, folder: &str, permissions: Permissions) -> (u16, String) {
    let mut rig = Rig::new(World::with(disk(folder)).permitting(permissions));
    rig.expect("TYPE I", &[200]);
    let before = rig.disk.seen();
    let mut said = Vec::new();
    for line in row.lines {
        let line = line.replace("@/", &format!("{folder}/"));
        said.extend(rig.types(&line));
        if codes(&said).last() == Some(&150) && !line.contains("LIST") && !line.contains("RETR") {
            rig.sends_file(NEW);
            said.extend(rig.hears());
        }
    }
    let last = said.last().unwrap();
    if last.code == 550 {
        assert_eq!(
            rig.disk.seen(),
            before,
            "{:?} has changed something",
            row.lines
        );
    }
    rig.is_ready();
    (last.code, last.lines.join("\n"))
}

fn check(row: &Row, rights: Rights, (code, text): &(u16, String)) {
    let missing = row.needs.iter().find(|any| !rights.meets(Rights::of(any)));
    let lines = row.lines;
    match missing {
        None => assert!(
            (200..400).contains(code),
            "{lines:?} {rights:?}: {code} {text}"
        ),
        Some(_) if rights == Rights::READING => {
            assert_eq!(
                (*code, text.as_str()),
                (550, "your account may only read"),
                "{lines:?}"
            );
        }
        Some(any) => {
            let told = format!("your account may not {} there", any[0].deed());
            // RNFR is refused first, and the rest is out of order.
            let is_late = lines[0].starts_with("RNFR") && *code == 503;
            assert!(
                is_late || (*code, text) == (550, &told),
                "{lines:?} {rights:?}: {code} {text}"
            );
        }
    }
}

#[test]
fn every_verb_under_every_set_of_rights() {
    for rights in every_set() {
        let grant = Grant::of(rights);
        for row in ROWS {
            check(row, rights, &says(row, "", grant.into()));
            let rule = Permissions::new(Grant::ALL, [(path("/in"), grant)]);
            check(row, rights, &says(row, "/in", rule));
        }
    }
}

/// Nothing is told of what is there: a taken name gets a number.
#[test]
fn a_drop_box_takes_files_and_tells_nothing() {
    for (folder, permissions) in [
        ("", Permissions::from(Grant::DROP_BOX)),
        (
            "/in",
            Permissions::new(Grant::ALL, [(path("/in"), Grant::DROP_BOX)]),
        ),
    ] {
        for row in ROWS {
            let (code, text) = says(row, folder, permissions.clone());
            let takes = ["STOR", "APPE", "STOU", "CWD", "XCWD"];
            let last = row.lines.last().unwrap();
            let is_taken = takes.iter().any(|verb| last.starts_with(verb));
            let resumes = row.lines.iter().any(|line| line.starts_with("REST"));
            match is_taken && !resumes {
                true => assert!((200..300).contains(&code), "{last}: {code} {text}"),
                false => assert!((500..600).contains(&code), "{last}: {code} {text}"),
            }
        }
        let mut rig = Rig::new(World::with(disk(folder)).permitting(permissions));
        rig.expect("TYPE I", &[200]);
        rig.expect("PASV", &[227]);
        rig.expect(&format!("STOR {folder}/b"), &[150]);
        rig.sends_file(NEW);
        rig.expect_hears(&[226]);
        assert_eq!(
            rig.disk.content(&format!("{folder}/b")).as_deref(),
            Some(OLD)
        );
        assert_eq!(
            rig.disk.content(&format!("{folder}/b.1")).as_deref(),
            Some(NEW)
        );
    }
}

/// A rule cannot be escaped by moving what it is about, nor what is above it.
#[test]
fn a_folder_with_a_rule_stays_where_it_is() {
    let reading = [(path("/in"), Grant::READING)];
    let mut rig =
        Rig::new(World::with(disk("/in")).permitting(Permissions::new(Grant::ALL, reading)));
    rig.expect("RNFR /in", &[550]);
    rig.expect("RMD /in", &[550]);
    rig.expect("RNFR /in/b", &[550]);
    rig.expect("MKD /out", &[257]);
    rig.expect("RNFR /out", &[350]);
    rig.expect("RNTO /in/out", &[550]);
    rig.expect("CWD /in", &[250]);
    rig.expect("DELE ../in/b", &[550]);
    rig.is_ready();
}

/// Between folders with different rules a file is moved by whoever may read and delete it there,
/// and store it here.
#[test]
fn a_move_between_rules_is_a_copy_and_a_removal() {
    let from_folder = [Rename, Get, Delete];
    for without in from_folder.into_iter().map(Some).chain([None]) {
        let rights = from_folder
            .into_iter()
            .filter(|right| Some(*right) != without);
        let set = rights.fold(Rights::NONE, |set, right| set.with(Rights::of(&[right])));
        let rule = [(path("/in"), Grant::of(set))];
        let permissions = Permissions::new(Grant::ALL, rule);
        let mut rig = Rig::new(World::with(disk("/in")).permitting(permissions));
        let said = codes(&rig.types("RNFR /in/b\r\nRNTO /b"));
        match without {
            None => assert_eq!(said, [350, 250]),
            Some(Rename) => assert_eq!(said, [550, 503]),
            Some(_) => assert_eq!(said, [350, 550], "{without:?}"),
        }
        assert_eq!(rig.disk.content("/b").is_some(), without.is_none());
    }
}
