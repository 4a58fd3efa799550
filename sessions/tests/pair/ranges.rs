//! Tests RETR of a part of a file, a rename over a file, and new attributes.

use skiff_sessions::digest::Algorithm;
use skiff_sessions::wire::stamp::Stamp;

use super::cuts::at_every_cut;
use super::disk::Disk;
use super::drive::Pair;
use super::local::Local;
use super::rig::{NEW, OLD};
use super::said::Said;

/// The code and text of a line.
fn line(said: &Said) -> (u16, &str) {
    match said {
        Said::Line(code, text) => (*code, text),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_part_comes_with_its_own_digest_at_every_cut() {
    let size = NEW.len();
    for (tokens, start, end) in [
        ("start=3 length=4", 3, 7),
        ("length=4", 0, 4),
        ("start=9", 9, size),
        ("start=0 length=9223372036854775807", 0, size),
        ("start=5 length=0", 5, 5),
        ("start=43", size, size),
        ("digest=sha256 start=40 length=100", 40, size),
    ] {
        // A remembered digest of the whole file is of no use.
        let world = || {
            let disk = Disk::new().with("/a", NEW);
            let disk = disk.with_digest("/a", Algorithm::Md5.of(NEW));
            (disk, Local::default())
        };
        let came = at_every_cut(world, |pair| pair.types(format!("RETR {tokens} a\r\n")));
        let [offer, data, sent] = &came.said[..] else {
            panic!("{tokens}: {:?}", came.said);
        };
        let (code, offered) = line(offer);
        assert_eq!(code, 150, "{tokens}");
        assert!(offered.starts_with("size=43 mtime="), "{offered}");
        assert_eq!(*data, Said::Data(NEW[start..end].to_vec()), "{tokens}");
        let algorithm = match tokens.contains("sha256") {
            true => Algorithm::Sha256,
            false => Algorithm::Md5,
        };
        let sum = algorithm.of(&NEW[start..end]);
        let (code, told) = line(sent);
        let expected = format!(
            "offset={start} size={} {}={sum} ",
            end - start,
            algorithm.name()
        );
        assert!(told.starts_with(&expected), "{tokens}: {told}");
        assert_eq!(code, 226);
    }
}

#[test]
fn a_part_behind_the_end_is_refused() {
    let mut pair = Pair::new(Disk::new().with("/a", NEW), Local::default());
    let said = pair.types("RETR start=44 a\r\n");
    let (code, text) = line(&said[0]);
    assert_eq!(code, 550);
    assert!(text.starts_with("why=bad-offset "), "{text}");
    for bad in ["start=-1", "start=x", "length=", "start=1 start=1"] {
        assert_eq!(pair.codes(format!("RETR {bad} a\r\n")), [501], "{bad}");
    }
    pair.is_ready();
}

/// The digest of a part is none that a later dialogue of the session goes on with.
#[test]
fn a_resume_after_a_part_proves_the_whole_prefix() {
    let prefix = Algorithm::Md5.of(&NEW[..7]);
    let mut pair = Pair::new(Disk::new().with("/a", NEW), Local::default());
    let typed = format!("RETR start=3 length=4 a\r\nRETR a\r\n210 offset=7 md5={prefix}\r\n");
    let said = pair.types(typed);
    assert_eq!(line(&said[4]).0, 210);
    let whole = Algorithm::Md5.of(NEW);
    assert!(line(&said[6]).1.contains(&format!("md5={whole} ")));
    pair.is_ready();
}

#[test]
fn a_rename_replaces_a_file_where_that_is_asked() {
    let world = || {
        (
            Disk::new().with("/a", NEW).with("/b", OLD),
            Local::default(),
        )
    };
    let came = at_every_cut(world, |pair| {
        let codes = pair.codes("RNFR a\r\n351 b\r\nRNFR a\r\n351 replace=1 b\r\n");
        assert_eq!(pair.disk().content("/b").as_deref(), Some(NEW));
        assert_eq!(pair.disk().content("/a"), None);
        codes
    });
    assert_eq!(came.said, [350, 401, 350, 250]);
}

#[test]
fn new_attributes_are_told_as_they_are_now() {
    let mut pair = Pair::new(Disk::new().with("/a", NEW), Local::default());
    let said = pair.types("SETATTR mtime=20260102030405 mode=0600 a\r\n");
    let (code, text) = line(&said[0]);
    assert_eq!(code, 213);
    assert!(text.starts_with("type=file size=43 mtime=20260102030405 mode="));
    assert!(text.ends_with(" /a"));
    let key = b"/a".to_vec();
    assert_eq!(pair.disk().files[&key].modified, Stamp(1_767_323_045));
    for bad in [
        "a",
        "mode=9 a",
        "mode=0800 a",
        "mode=1777 a",
        "mode=64 a",
        "mode=+644 a",
        "mtime=2026 a",
        "mode=644",
    ] {
        assert_eq!(pair.codes(format!("SETATTR {bad}\r\n")), [501], "{bad}");
    }
    pair.is_ready();
}
