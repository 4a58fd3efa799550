//! Nobody gets out of his home, by whatever verb and whatever name.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use skiff_sessions::wire::native::verbs::VERBS;

use crate::harness::{Daemon, Peer, ask_all, md5};

/// How a verb is used on a path.
struct Use {
    verb: &'static str,
    /// Lines and the codes that lead up to the last line, whose `PATH` is replaced.
    before: &'static [(&'static str, u16)],
    line: &'static str,
    /// What is said of a name that is not there.
    missing: u16,
    last_link: LastLink,
}

/// What a verb does with a link that is the last name of its path.
#[derive(PartialEq)]
enum LastLink {
    Followed,
    /// It is about the link itself.
    Kept,
}

const USES: &[Use] = &[
    Use {
        verb: "CWD",
        before: &[],
        line: "CWD PATH",
        missing: 550,
        last_link: LastLink::Followed,
    },
    Use {
        verb: "LIST",
        before: &[],
        line: "LIST PATH",
        missing: 404,
        // Followed to a directory of the home; a link that leads out is listed as itself.
        last_link: LastLink::Kept,
    },
    Use {
        verb: "RETR",
        before: &[],
        line: "RETR start=0 PATH",
        missing: 404,
        last_link: LastLink::Followed,
    },
    Use {
        verb: "STOR",
        before: &[],
        line: "STOR size=1 replace=1 PATH",
        missing: 404,
        last_link: LastLink::Followed,
    },
    Use {
        verb: "DELE",
        before: &[],
        line: "DELE PATH",
        missing: 404,
        last_link: LastLink::Kept,
    },
    Use {
        verb: "MKD",
        before: &[],
        line: "MKD PATH",
        missing: 404,
        last_link: LastLink::Kept,
    },
    Use {
        verb: "SYMLINK",
        before: &[],
        line: "SYMLINK target=mine PATH",
        missing: 404,
        last_link: LastLink::Kept,
    },
    Use {
        verb: "READLINK",
        before: &[],
        line: "READLINK PATH",
        missing: 404,
        last_link: LastLink::Kept,
    },
    Use {
        verb: "RNFR",
        before: &[],
        line: "RNFR PATH",
        missing: 404,
        last_link: LastLink::Kept,
    },
    Use {
        verb: "351",
        before: &[("RNFR mine", 350)],
        line: "351 PATH",
        missing: 404,
        last_link: LastLink::Kept,
    },
    Use {
        verb: "STAT",
        before: &[],
        line: "STAT PATH",
        missing: 404,
        last_link: LastLink::Followed,
    },
    Use {
        verb: "HASH",
        before: &[],
        line: "HASH algo=md5 PATH",
        missing: 404,
        last_link: LastLink::Followed,
    },
    Use {
        verb: "SETATTR",
        before: &[],
        line: "SETATTR mode=600 PATH",
        missing: 404,
        last_link: LastLink::Followed,
    },
    Use {
        verb: "STAGES",
        before: &[],
        line: "STAGES drop=1 PATH",
        missing: 404,
        last_link: LastLink::Followed,
    },
];

impl Use {
    #[track_caller]
    fn ask(&self, tom: &mut Peer, path: &str, code: u16) {
        ask_all(tom, self.before);
        tom.ask(&self.line.replace("PATH", path), code);
    }
}

/// A new verb that takes a path needs a row here.
#[test]
fn every_verb_that_takes_a_path_is_tried() {
    let takes_path: BTreeSet<&str> = VERBS
        .iter()
        .filter(|verb| verb.syntax.contains("PATH"))
        .map(|verb| verb.name)
        .collect();
    let tried: BTreeSet<&str> = USES.iter().map(|used| used.verb).collect();
    assert_eq!(takes_path, tried);
}

#[test]
fn no_path_climbs_above_the_home() {
    let place = Place::new();
    let mut tom = place.daemon.login("tom");
    for used in USES {
        for path in [
            "..",
            "/..",
            "../jerry/secret",
            "/../jerry/secret",
            "dir/../../jerry/secret",
            "missing/../../jerry/secret",
            "./.././jerry",
            "dir/../..",
        ] {
            used.ask(&mut tom, path, 403);
        }
    }
    place.is_untouched();
}

#[test]
fn an_absolute_name_begins_at_the_home() {
    let place = Place::new();
    let mut tom = place.daemon.login("tom");
    let outside = place.secret();
    for used in USES {
        used.ask(&mut tom, outside.to_str().unwrap(), used.missing);
    }
    tom.ask("MKD etc", 257);
    tom.put("", "/etc/passwd", b"tom's own");
    assert_eq!(tom.get("/etc/passwd"), b"tom's own");
    place.is_untouched();
}

#[test]
fn no_link_leads_out() {
    let place = Place::new();
    let mut tom = place.daemon.login("tom");
    for used in USES {
        for link in ["absolute", "relative", "own", "twice", "mid"] {
            used.ask(&mut tom, &format!("{link}/secret"), 403);
            used.ask(&mut tom, &format!("{link}/missing"), 403);
        }
        if used.last_link == LastLink::Followed {
            for link in ["absolute", "relative", "own", "twice", "file", "astray"] {
                used.ask(&mut tom, link, 403);
            }
        }
    }
    place.is_untouched();
}

#[test]
fn a_link_out_is_listed_and_deleted_as_itself() {
    let place = Place::new();
    let mut tom = place.daemon.login("tom");
    let entries = tom.list("LIST");
    for link in ["absolute", "relative", "file", "astray", "dangling"] {
        assert!(entries[link].starts_with("type=link;"), "{}", entries[link]);
        assert_eq!(tom.list(&format!("LIST {link}"))[link], entries[link]);
        tom.ask(&format!("MKD {link}"), 550);
        tom.ask(&format!("DELE {link}"), 250);
        tom.ask(&format!("STAT {link}"), 404);
    }
    place.is_untouched();
}

#[test]
fn a_link_is_renamed_as_itself() {
    let place = Place::new();
    let mut tom = place.daemon.login("tom");
    let home = place.daemon.home("tom");
    for link in [
        "absolute", "relative", "file", "astray", "dangling", "inside",
    ] {
        let leads = fs::read_link(home.join(link)).unwrap();
        tom.ask(&format!("RNFR {link}"), 350);
        tom.ask("351 moved", 250);
        assert_eq!(fs::read_link(home.join("moved")).unwrap(), leads);
        tom.ask("DELE moved", 250);
    }
    place.is_untouched();
}

#[test]
fn a_link_that_dangles_is_nothing() {
    let place = Place::new();
    let mut tom = place.daemon.login("tom");
    for (line, code) in [
        ("RETR dangling", 404),
        ("HASH algo=md5 dangling", 404),
        ("CWD dangling", 550),
        ("STOR size=1 dangling/x", 404),
    ] {
        tom.ask(line, code);
    }
    let nowhere = place.daemon.home("tom").join("nowhere");
    assert!(!nowhere.exists());
}

#[test]
fn a_link_inside_the_home_is_followed() {
    let place = Place::new();
    let mut tom = place.daemon.login("tom");
    assert_eq!(tom.get("inside/mine"), b"tom's");
    assert_eq!(tom.get("dir/up"), b"tom's");
    assert!(tom.list("LIST inside").contains_key("mine"));
    assert!(tom.list("LIST")["inside"].starts_with("type=link;"));
    let line = tom.ask("STAT inside", 213).line;
    assert!(line.contains("type=dir "), "{line}");
    tom.ask("CWD inside", 250);
    assert_eq!(tom.get("mine"), b"tom's");
    tom.put("replace=1 ", "/dir/up", b"tom's new");
    assert_eq!(tom.get("/mine"), b"tom's new");
    let link = place.daemon.home("tom").join("dir/up");
    assert!(link.symlink_metadata().unwrap().is_symlink());
}

#[test]
fn the_staging_directory_is_nothing_at_all() {
    let place = Place::new();
    let mut tom = place.daemon.login("tom");
    tom.leave_part("", "part", b"12345", 3);
    let names = fs::read_dir(place.daemon.home("tom")).unwrap();
    let hidden: Vec<String> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    let [staging] = &hidden[..] else {
        panic!("one staging directory, not {hidden:?}");
    };
    let stages = fs::read_dir(place.daemon.home("tom").join(staging)).unwrap();
    let stage = stages.last().unwrap().unwrap().file_name();
    let stage = stage.to_str().unwrap();

    assert!(!tom.list("LIST").contains_key(staging));
    symlink(staging, place.daemon.home("tom").join("side")).unwrap();
    for used in USES {
        for path in [
            staging.clone(),
            format!("{staging}/{stage}"),
            format!("/dir/../{staging}"),
            staging.to_uppercase(),
            format!("side/{stage}"),
        ] {
            // Making what must not be there is no matter of finding it.
            let code = match (used.verb, path.contains(stage)) {
                ("CWD", _) => 550,
                _ => 404,
            };
            used.ask(&mut tom, &path, code);
        }
    }
    assert_eq!(tom.ask("STOR size=5 part", 210).number("have"), 3);
}

#[test]
fn a_fifo_hangs_nobody() {
    let place = Place::new();
    let fifo = place.daemon.home("tom").join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let mut tom = place.daemon.login("tom");
    assert!(tom.list("LIST")["fifo"].starts_with("type=other;"));
    for (line, code) in [
        ("RETR fifo", 550),
        ("RETR start=0 fifo", 550),
        ("HASH algo=md5 fifo", 550),
        ("STOR size=1 fifo", 550),
        ("STOR size=1 replace=1 fifo", 550),
        ("CWD fifo", 550),
        ("STAT fifo", 213),
        ("DELE fifo", 250),
    ] {
        tom.ask(line, code);
    }
}

/// A daemon, a home full of links, and what they lead to.
struct Place {
    daemon: Daemon,
}

impl Place {
    fn new() -> Self {
        let daemon = Daemon::demo();
        let (tom, jerry) = (daemon.home("tom"), daemon.home("jerry"));
        fs::write(jerry.join("secret"), "jerry's").unwrap();
        fs::write(tom.join("mine"), "tom's").unwrap();
        fs::create_dir(tom.join("dir")).unwrap();
        let link = |to: &Path, name: &str| symlink(to, tom.join(name)).unwrap();
        link(&jerry, "absolute");
        link(Path::new("../jerry"), "relative");
        // Absolute, although it ends inside: what is outside of the home decides what it means.
        link(&tom, "own");
        link(Path::new("relative"), "twice");
        link(Path::new("dir/../../jerry"), "mid");
        link(Path::new("../jerry/secret"), "file");
        link(Path::new("../jerry/new"), "astray");
        link(Path::new("nowhere"), "dangling");
        link(Path::new("."), "inside");
        link(Path::new("../mine"), "dir/up");
        Self { daemon }
    }

    fn secret(&self) -> std::path::PathBuf {
        self.daemon.home("jerry").join("secret")
    }

    /// Nothing outside of tom's home has changed.
    #[track_caller]
    fn is_untouched(&self) {
        let names: Vec<_> = fs::read_dir(self.daemon.home("jerry")).unwrap().collect();
        assert_eq!(names.len(), 1, "jerry has {names:?}");
        assert_eq!(fs::read(self.secret()).unwrap(), b"jerry's");
        let mut jerry = self.daemon.login("jerry");
        assert_eq!(
            jerry.ask("HASH algo=md5 secret", 213).token("md5"),
            md5(b"jerry's")
        );
        let mine = self.daemon.home("tom").join("mine");
        assert!(mine.exists(), "tom's own file is gone");
    }
}
