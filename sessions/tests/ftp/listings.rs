//! Tests LIST, NLST and MLSD over a data connection, MLST and STAT in the reply.

use super::cuts::at_every_cut;
use super::disk::Disk;
use super::rig::{Ended, Rig};
use super::world::{NEW, OLD, World};

fn listed(rig: &mut Rig, line: &str) -> String {
    rig.expect("PASV", &[227]);
    rig.expect(line, &[150, 226]);
    let received = rig.received.pop().unwrap();
    assert_eq!(received.end, Ended::Told);
    String::from_utf8(received.bytes).unwrap()
}

const LONG_A: &str = "-rw-r--r--   1 ftp      ftp            43 Jan  2 03:04 a\r\n";
const LONG_D: &str = "drwxr-xr-x   1 ftp      ftp          4096 Jan  2 03:04 d\r\n";
const MACHINE_A: &str = "type=file;size=43;modify=20260102030405;perm=adfrw;UNIX.mode=0644; a\r\n";

#[test]
fn for_people() {
    at_every_cut(World::new, |rig| {
        let all = [LONG_A, LONG_D].concat();
        for line in ["LIST", "LIST -la", "LIST /", "LIST ../.."] {
            assert_eq!(listed(rig, line), all, "{line}");
        }
        assert_eq!(listed(rig, "LIST -ltr"), [LONG_D, LONG_A].concat());
        assert_eq!(listed(rig, "LIST a"), LONG_A);
        assert_eq!(listed(rig, "LIST -la a"), LONG_A);
        assert!(listed(rig, "LIST d").ends_with(" b\r\n"));
    });
}

/// A flat list would be taken for the whole tree.
#[test]
fn all_directories_at_once_are_not_listed() {
    at_every_cut(World::new, |rig| {
        rig.expect("PASV", &[227]);
        for line in ["LIST -R", "LIST -a -lR .", "NLST -R d", "STAT -R /"] {
            rig.expect(line, &[504]);
        }
        rig.expect("LIST", &[150, 226]);
    });
    let disk = || Disk::new().with("/-R", OLD);
    let mut rig = Rig::new(World::with(disk()));
    assert_eq!(listed(&mut rig, "NLST -R"), "-R\r\n");
}

#[test]
fn names() {
    at_every_cut(World::new, |rig| {
        assert_eq!(listed(rig, "NLST"), "a\r\nd\r\n");
        assert_eq!(listed(rig, "NLST -1"), "a\r\nd\r\n");
        assert_eq!(listed(rig, "NLST ."), "a\r\nd\r\n");
        assert_eq!(listed(rig, "NLST d"), "d/b\r\n");
        assert_eq!(listed(rig, "NLST a"), "a\r\n");
        assert_eq!(listed(rig, "NLST -1 d/b"), "d/b\r\n");
        assert_eq!(listed(rig, "NLST d/*"), "d/b\r\n");
        rig.expect("CWD d", &[250]);
        assert_eq!(listed(rig, "NLST"), "b\r\n");
        assert_eq!(listed(rig, "NLST ../d"), "../d/b\r\n");
        assert_eq!(listed(rig, "NLST /d"), "/d/b\r\n");
        assert_eq!(listed(rig, "NLST /"), "/a\r\n/d\r\n");
        assert_eq!(listed(rig, "NLST /d/[b]"), "/d/b\r\n");
        // Only NLST tells names that stand alone.
        assert!(listed(rig, "LIST /d/*").ends_with(" b\r\n"));
    });
}

/// What looks like options is a name where there is one.
#[test]
fn names_that_begin_with_a_dash() {
    let disk = || {
        ["/-dash", "/-la d", "/d/b"]
            .iter()
            .fold(Disk::new(), |d, n| d.with(n, OLD))
    };
    let mut rig = Rig::new(World::with(disk()));
    assert_eq!(listed(&mut rig, "NLST -dash"), "-dash\r\n");
    assert!(listed(&mut rig, "LIST -dash").ends_with(" -dash\r\n"));
    assert!(listed(&mut rig, "LIST -la d").ends_with(" -la d\r\n"));
    assert_eq!(listed(&mut rig, "NLST -l d"), "d/b\r\n");
    assert_eq!(listed(&mut rig, "NLST -- -dash"), "-dash\r\n");
    assert_eq!(listed(&mut rig, "NLST -l").lines().count(), 3);
    let said = rig.expect("STAT -dash", &[213]);
    assert!(said[0].lines[1].ends_with(" -dash"), "{said:?}");
}

#[test]
fn only_a_directory_is_listed_for_programs() {
    at_every_cut(World::new, |rig| {
        rig.expect("PASV", &[227]);
        rig.expect("MLSD a", &[501]);
        rig.expect("MLSD no", &[550]);
        rig.expect("MLSD d", &[150, 226]);
    });
}

#[test]
fn patterns() {
    let disk = || {
        ["/x1", "/x2", "/y1"]
            .iter()
            .fold(Disk::new(), |d, n| d.with(n, OLD))
    };
    let mut rig = Rig::new(World::with(disk()));
    assert_eq!(listed(&mut rig, "NLST x*"), "x1\r\nx2\r\n");
    assert_eq!(listed(&mut rig, "NLST ?1"), "x1\r\ny1\r\n");
    assert_eq!(listed(&mut rig, "NLST z*"), "");
    assert_eq!(listed(&mut rig, "LIST [xy]2").lines().count(), 1);
    rig.expect("PASV", &[227]);
    rig.expect("MLSD x*", &[550]);
}

#[test]
fn for_programs() {
    at_every_cut(World::new, |rig| {
        assert!(listed(rig, "MLSD").starts_with(MACHINE_A));
        rig.expect("OPTS MLST size;unknown;", &[200]);
        assert_eq!(listed(rig, "MLSD"), "size=43; a\r\n d\r\n");
        rig.expect("OPTS MLST", &[200]);
        assert_eq!(listed(rig, "MLSD"), " a\r\n d\r\n");
    });
    let mut rig = Rig::new(World::new().read_only());
    assert!(listed(&mut rig, "MLSD").contains(";perm=r;"));
}

#[test]
fn listings_have_their_line_ends_in_either_type() {
    let mut rig = Rig::new(World::new());
    let text = listed(&mut rig, "NLST");
    rig.expect("TYPE I", &[200]);
    assert_eq!(listed(&mut rig, "NLST"), text);
}

#[test]
fn nothing_to_list() {
    let mut rig = Rig::new(World::with(Disk::new()));
    for line in ["LIST d", "NLST d", "MLSD d"] {
        assert_eq!(listed(&mut rig, line), "", "{line}");
    }
}

#[test]
fn names_that_would_forge_a_line_are_counted() {
    let disk = || Disk::new().with("/a\r\nb", NEW).with("/c", OLD);
    let mut rig = Rig::new(World::with(disk()));
    for line in ["LIST", "NLST", "MLSD"] {
        rig.expect("PASV", &[227]);
        let said = rig.expect(line, &[150, 226]);
        let text = &said[1].lines[0];
        assert!(text.contains("1 name"), "{text}");
        assert!(!rig.received.pop().unwrap().bytes.contains(&b'b'));
    }
    let said = rig.expect("STAT /", &[213]);
    assert!(said[0].lines.last().unwrap().contains("1 name"), "{said:?}");
}

#[test]
fn what_cannot_be_listed() {
    at_every_cut(World::new, |rig| {
        rig.expect("PASV", &[227]);
        for line in ["LIST no", "NLST no/x", "MLSD no", "STAT no", "MLST no"] {
            rig.expect(line, &[550]);
        }
        rig.expect("LIST", &[150, 226]);
    });
}

#[test]
fn a_client_that_stops_reading_is_not_waited_for_by_others() {
    let mut rig = Rig::new(World::new());
    rig.expect("PASV", &[227]);
    rig.lane.room = 20;
    rig.expect("LIST", &[150]);
    rig.expect("STAT", &[211]);
    rig.lane.room = usize::MAX;
    rig.expect_hears(&[226]);
    assert_eq!(rig.received[0].bytes, [LONG_A, LONG_D].concat().as_bytes());
    rig.is_ready();
}

#[test]
fn status_of_a_path_is_lines_of_the_reply() {
    at_every_cut(World::new, |rig| {
        let said = rig.expect("STAT /", &[213]);
        let ends = |line: &str| line.strip_suffix("\r\n").unwrap().to_owned();
        let lines = [
            "Status of /:".into(),
            ends(LONG_A),
            ends(LONG_D),
            "End".into(),
        ];
        assert_eq!(said[0].lines, lines);
        let said = rig.expect("STAT -l a", &[213]);
        assert_eq!(
            said[0].lines,
            ["Status of /a:".into(), ends(LONG_A), "End".into()]
        );
        // It needs no port, and leaves the one there is.
        rig.expect("PASV", &[227]);
        rig.expect("STAT d", &[213]);
        rig.expect("RETR a", &[150, 226]);
    });
}

#[test]
fn facts_of_one_path() {
    at_every_cut(World::new, |rig| {
        let said = rig.expect("MLST a", &[250]);
        let facts = " type=file;size=43;modify=20260102030405;perm=adfrw;UNIX.mode=0644; /a";
        assert_eq!(said[0].lines, ["Listing /a", facts, "End"]);
        let said = rig.expect("CWD d\r\nMLST", &[250, 250]);
        assert_eq!(said[1].lines[0], "Listing /d");
        assert!(said[1].lines[1].starts_with(" type=dir;"), "{said:?}");
        rig.expect("OPTS MLST type;", &[200]);
        let said = rig.expect("MLST b", &[250]);
        assert_eq!(said[0].lines[1], " type=file; /d/b");
        let features = rig.expect("FEAT", &[211]);
        let mlst = " MLST type*;size;modify;perm;UNIX.mode;";
        assert!(
            features[0].lines.iter().any(|line| line == mlst),
            "{features:?}"
        );
    });
}

#[test]
fn stages_are_listed_in_no_listing_but_their_own() {
    let disk = || Disk::new().with_stage("/s", NEW);
    at_every_cut(
        || World::with(disk()),
        |rig| {
            for line in ["LIST", "NLST", "MLSD"] {
                assert!(!listed(rig, line).contains('s'), "{line}");
            }
            rig.expect("MLST s", &[550]);
            let said = rig.expect("SITE STAGES", &[213]);
            assert_eq!(said[0].lines.len(), 3, "{said:?}");
            assert!(said[0].lines[1].contains("/s"), "{said:?}");
        },
    );
}

/// Nothing of the lines that come behind a listing in a reply is lost on its
/// way through the transfer.
#[test]
fn lines_behind_a_listing_in_the_reply() {
    at_every_cut(World::new, |rig| {
        rig.expect("STAT d\r\nPWD\r\nSTAT d\r\nNOOP", &[213, 257, 213, 200]);
    });
}

#[test]
fn a_byte_that_looks_like_telnet_behind_a_listing_in_the_reply() {
    at_every_cut(World::new, |rig| {
        let said = rig.sends(b"STAT d\r\nMKD x\xff\xff\xff\xffy\r\n");
        assert_eq!(said[1].code, 257);
        assert!(rig.disk.folders.contains(&b"/x\xff\xffy"[..]), "{said:?}");
    });
}
