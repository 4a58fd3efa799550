//! What a name is does not depend on the verb of the native dialect that asks.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use skiff_sessions::wire::native::verbs::VERBS;

use crate::harness::{Daemon, Peer, Tail};

const CONTENT: &[u8] = b"content";

/// What has a name, as a listing tells it.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Kind {
    File,
    Directory,
    Link,
    Other,
    Nothing,
}

use Kind::{Directory, File, Link, Nothing, Other};

/// A name, what it is, and what it leads to: itself, unless it is a link.
struct Thing {
    name: &'static str,
    kind: Kind,
    leads: Kind,
    target: &'static str,
}

const fn thing(name: &'static str, kind: Kind) -> Thing {
    Thing {
        name,
        kind,
        leads: kind,
        target: "",
    }
}

const fn link(name: &'static str, leads: Kind, target: &'static str) -> Thing {
    Thing {
        name,
        kind: Link,
        leads,
        target,
    }
}

const THINGS: [Thing; 10] = [
    thing("file", File),
    thing("name with blanks", File),
    thing("empty", Directory),
    thing("full", Directory),
    thing("fifo", Other),
    thing("missing", Nothing),
    link("to file", File, "behind"),
    link("to dir", Directory, "."),
    link("dangling", Nothing, "nowhere"),
    // Refused rather than missing.
    link("out", Other, "/etc/passwd"),
];

impl Thing {
    fn make(&self, folder: &Path) {
        let path = folder.join(self.name);
        fs::write(folder.join("behind"), CONTENT).unwrap();
        match self.kind {
            File => fs::write(path, CONTENT).unwrap(),
            Directory => {
                fs::create_dir(&path).unwrap();
                if self.name == "full" {
                    fs::write(path.join("inner"), CONTENT).unwrap();
                }
            }
            Link => symlink(self.target, path).unwrap(),
            Other => mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap(),
            Nothing => {}
        }
    }

    /// The code of a verb that follows links: of these kinds of targets, in this order.
    fn followed(&self, file: u16, directory: u16, other: u16) -> u16 {
        match self.leads {
            _ if self.name == "out" => 403,
            File => file,
            Directory => directory,
            Link | Other => other,
            Nothing => 404,
        }
    }

    /// The code of a verb that is about the name itself.
    fn itself(&self, there: u16) -> u16 {
        match self.kind {
            Nothing => 404,
            _ => there,
        }
    }
}

fn type_of(kind: Kind) -> &'static str {
    match kind {
        File => "file",
        Directory => "dir",
        Link => "link",
        Other | Nothing => "other",
    }
}

/// A verb with a path: how it is asked, and its code for a thing.
struct Use {
    verb: &'static str,
    line: &'static str,
    code: fn(&Thing) -> u16,
    check: fn(&mut Peer, &Thing, &str),
}

fn nothing_more(_: &mut Peer, _: &Thing, _: &str) {}

fn listed(tom: &mut Peer, thing: &Thing, _: &str) {
    let (text, tail) = tom.body();
    assert_eq!(tail, Tail::End);
    tom.expect(226);
    let text = String::from_utf8(text).unwrap();
    if thing.leads != Directory {
        let line = format!("; {}\r\n", thing.name);
        let begins = format!("type={};", type_of(thing.kind));
        assert!(text.starts_with(&begins) && text.ends_with(&line), "{text}");
    }
}

fn told(_: &mut Peer, thing: &Thing, line: &str) {
    let fact = format!(" type={} ", type_of(thing.leads));
    assert!(line.contains(&fact), "{line}");
}

fn sent(tom: &mut Peer, _: &Thing, _: &str) {
    assert_eq!(tom.body(), (CONTENT.to_vec(), Tail::End));
    tom.expect(226);
}

fn stored(tom: &mut Peer, _: &Thing, _: &str) {
    tom.fill(CONTENT, CONTENT);
}

#[rustfmt::skip]
const USES: &[Use] = &[
    Use { verb: "CWD", line: "CWD", code: |t| match t.followed(550, 250, 550) { 404 => 550, code => code }, check: nothing_more },
    Use { verb: "LIST", line: "LIST", code: |t| t.itself(150), check: listed },
    Use { verb: "RETR", line: "RETR start=0", code: |t| t.followed(150, 551, 550), check: sent },
    Use { verb: "HASH", line: "HASH algo=md5", code: |t| t.followed(213, 551, 550), check: nothing_more },
    Use { verb: "STAT", line: "STAT", code: |t| t.followed(213, 213, 213), check: told },
    Use { verb: "STOR", line: "STOR size=7 replace=1", code: |t| match t.followed(150, 550, 550) { 404 => 150, code => code }, check: stored },
    Use { verb: "SETATTR", line: "SETATTR mode=755", code: |t| t.followed(213, 213, 550), check: told },
    Use { verb: "DELE", line: "DELE", code: |t| if t.name == "full" { 550 } else { t.itself(250) }, check: nothing_more },
    Use { verb: "MKD", line: "MKD", code: |t| if t.kind == Nothing { 257 } else { 550 }, check: nothing_more },
    Use { verb: "SYMLINK", line: "SYMLINK target=behind", code: |t| if t.kind == Nothing { 257 } else { 550 }, check: nothing_more },
    Use { verb: "READLINK", line: "READLINK", code: |t| match t.kind { Nothing => 404, Link if t.leads == Other => 403, Link => 213, _ => 550 }, check: nothing_more },
    Use { verb: "RNFR", line: "RNFR", code: |t| t.itself(350), check: nothing_more },
    Use { verb: "STAGES", line: "STAGES drop=1", code: |t| t.followed(404, 404, 404), check: nothing_more },
];

#[test]
fn every_verb_with_a_path_has_a_row() {
    let takes_path: BTreeSet<_> = VERBS
        .iter()
        .filter(|verb| verb.syntax.contains("PATH") && verb.name != "351")
        .map(|verb| verb.name)
        .collect();
    let tried: BTreeSet<_> = USES.iter().map(|used| used.verb).collect();
    assert_eq!(takes_path, tried);
}

#[test]
fn all_verbs_agree_on_what_a_name_is() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    for (number, thing) in THINGS.iter().enumerate() {
        for used in USES {
            let folder = format!("{}-{number}", used.verb);
            let path = daemon.home("tom").join(&folder);
            fs::create_dir(&path).unwrap();
            thing.make(&path);
            tom.ask(&format!("CWD /{folder}"), 250);
            let line = format!("{} {}", used.line, thing.name);
            tom.send(&line);
            let answer = tom.reply();
            assert_eq!(answer.code, (used.code)(thing), "{line}: {}", answer.line);
            if (200..300).contains(&answer.code) || answer.code == 150 {
                (used.check)(&mut tom, thing, &answer.line);
            }
            assert_eq!(fs::read(path.join("behind")).unwrap(), CONTENT, "{line}");
        }
        let entries = tom.list(&format!("LIST /LIST-{number}"));
        let kind = entries.get(thing.name).map(|facts| facts.split(';').next());
        let fact = format!("type={}", type_of(thing.kind));
        let expected = (thing.kind != Nothing).then_some(Some(&*fact));
        assert_eq!(kind, expected, "{}", thing.name);
    }
}
