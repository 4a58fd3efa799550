//! Tests STOR, APPE, REST, STOU and ALLO: where an upload goes on from what the name has.

use skiff_sessions::wire::reply::Refusal;

use super::cuts::at_every_cut;
use super::disk::{Disk, Faults, kept};
use super::lane::Gone;
use super::rig::{Publishes, Rig};
use super::world::{NEW, OLD, World};

/// A name may have: nothing, a stage, a published file, or both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Has {
    Nothing,
    Stage,
    File,
    Both,
}

const ALL: [Has; 4] = [Has::Nothing, Has::Stage, Has::File, Has::Both];
const STAGED: &[u8] = b"staged";

fn having(has: Has) -> World {
    let mut disk = Disk::new();
    if matches!(has, Has::Stage | Has::Both) {
        disk = disk.with_stage("/n", STAGED);
    }
    if matches!(has, Has::File | Has::Both) {
        disk = disk.with("/n", OLD);
    }
    World::with(disk)
}

/// What becomes of the name: its code, and what is published and staged then.
struct Then {
    codes: &'static [u16],
    published: Option<Vec<u8>>,
    staged: Option<&'static [u8]>,
}

/// In TYPE I, over a connection that ends well, with `bytes`, wherever it gets its name.
fn upload(has: Has, lines: &[(&str, u16)], line: &str, bytes: &[u8], then: &Then) {
    for publishes in [Publishes::ByJob, Publishes::AtItsEnd] {
        upload_to(publishes, has, lines, line, bytes, then);
    }
}

fn upload_to(
    publishes: Publishes,
    has: Has,
    lines: &[(&str, u16)],
    line: &str,
    bytes: &[u8],
    then: &Then,
) {
    at_every_cut(
        || having(has),
        |rig| {
            rig.publishes = publishes;
            rig.expect("TYPE I", &[200]);
            rig.expect("PASV", &[227]);
            for (line, code) in lines {
                rig.expect(line, &[*code]);
            }
            rig.sends_file(bytes);
            rig.expect(line, then.codes);
            let (published, staged) = (rig.disk.content("/n"), rig.disk.stage("/n"));
            assert_eq!(published, then.published, "{has:?} {lines:?} {line}");
            assert_eq!(staged, then.staged, "{has:?} {lines:?} {line}");
        },
    );
}

fn stored(bytes: impl Into<Vec<u8>>) -> Then {
    Then {
        codes: &[150, 226],
        published: Some(bytes.into()),
        staged: None,
    }
}

fn refused(has: Has) -> Then {
    Then {
        codes: &[554],
        published: matches!(has, Has::File | Has::Both).then(|| OLD.to_vec()),
        staged: matches!(has, Has::Stage | Has::Both).then_some(STAGED),
    }
}

#[test]
fn stor_starts_over() {
    for has in ALL {
        upload(has, &[], "STOR n", NEW, &stored(NEW));
        upload(has, &[("REST 0", 350)], "STOR n", b"", &stored(b""));
    }
}

#[test]
fn appe_goes_on_behind_what_there_is() {
    let both = |old: &[u8]| stored([old, NEW].concat());
    upload(Has::Nothing, &[], "APPE n", NEW, &both(b""));
    upload(Has::Stage, &[], "APPE n", NEW, &both(STAGED));
    upload(Has::File, &[], "APPE n", NEW, &both(OLD));
    let in_place = Then {
        staged: Some(STAGED),
        ..both(OLD)
    };
    upload(Has::Both, &[], "APPE n", NEW, &in_place);
}

#[test]
fn rest_and_stor() {
    let from = |old: &[u8], mark: usize| stored([&old[..mark], NEW].concat());
    for mark in [1, 6] {
        let rest = format!("REST {mark}");
        let lines = [(&*rest, 350)];
        upload(Has::Stage, &lines, "STOR n", NEW, &from(STAGED, mark));
        upload(Has::Both, &lines, "STOR n", NEW, &from(STAGED, mark));
    }
    for mark in [1, 20, 21] {
        let rest = format!("REST {mark}");
        let lines = [(&*rest, 350)];
        upload(Has::File, &lines, "STOR n", NEW, &from(OLD, mark));
    }
    for (has, mark) in [
        (Has::Nothing, 1),
        (Has::Stage, 7),
        (Has::Both, 7),
        (Has::Both, 21),
        (Has::File, 22),
    ] {
        let rest = format!("REST {mark}");
        upload(has, &[(&rest, 350)], "STOR n", NEW, &refused(has));
    }
}

#[test]
fn the_client_is_told_where_it_goes_on() {
    for (has, line, text) in [
        (Has::Nothing, "APPE n", "send"),
        (Has::Stage, "APPE n", "send; it goes on at byte 6"),
        (Has::File, "APPE n", "send; it goes on at byte 21"),
        (Has::Both, "STOR n", "send"),
    ] {
        let mut rig = Rig::new(having(has));
        rig.sends_file(NEW);
        rig.expect("PASV", &[227]);
        let said = rig.expect(line, &[150, 226]);
        assert_eq!(said[0].lines, [text]);
    }
}

#[test]
fn as_text() {
    at_every_cut(World::new, |rig| {
        rig.expect("PASV", &[227]);
        rig.sends_file(b"one\r\ntwo\nthr\ree\r\n\r\r\n\r");
        rig.expect("STOR t", &[150, 226]);
        let stored = rig.disk.content("/t").unwrap();
        assert_eq!(stored, b"one\ntwo\nthr\ree\n\r\n\r");
    });
}

#[test]
fn no_mark_in_text() {
    let mut rig = Rig::new(having(Has::File));
    rig.expect("PASV", &[227]);
    rig.expect("REST 5", &[350]);
    rig.expect("STOR n", &[550]);
    assert_eq!(rig.disk.content("/n").as_deref(), Some(OLD));
    rig.is_ready();
}

#[test]
fn readers_see_the_old_file_until_the_new_one_is_whole() {
    let mut rig = Rig::new(having(Has::File));
    rig.expect("PASV", &[227]);
    rig.feeds(&NEW[..20]);
    rig.expect("STOR n", &[150]);
    assert_eq!(rig.disk.content("/n").as_deref(), Some(OLD));
    rig.sends_file(&NEW[20..]);
    rig.expect_hears(&[226]);
    assert_eq!(rig.disk.content("/n").as_deref(), Some(NEW));
}

#[test]
fn stou_finds_a_name() {
    let world = || World::with(Disk::new().with("/u.1", OLD).with_stage("/u.2", OLD));
    for publishes in [Publishes::ByJob, Publishes::AtItsEnd] {
        at_every_cut(world, |rig| {
            rig.publishes = publishes;
            stou(rig);
        });
    }
}

fn stou(rig: &mut Rig) {
    for (line, name) in [
        ("STOU u", "/u.3"),
        ("STOU", "/upload.1"),
        ("STOU", "/upload.2"),
    ] {
        rig.expect("PASV", &[227]);
        rig.sends_file(NEW);
        let said = rig.expect(line, &[150, 226]);
        // RFC 1123 section 4.1.2.9.
        assert_eq!(said[0].lines, [format!("FILE: {name}")]);
        assert!(said[1].lines[0].ends_with(name), "{said:?}");
        assert_eq!(rig.disk.content(name).as_deref(), Some(NEW));
    }
    assert_eq!(rig.disk.content("/u.1").as_deref(), Some(OLD));
}

#[test]
fn names_that_cannot_be() {
    at_every_cut(World::new, |rig| {
        rig.expect("PASV", &[227]);
        for (line, code) in [
            ("STOR d", 550),
            ("STOR no/x", 550),
            ("STOR a/x", 550),
            ("STOR", 501),
            ("APPE d", 550),
            ("APPE", 501),
        ] {
            rig.expect(line, &[code]);
        }
    });
}

// quota

fn limited(limit: u64) -> World {
    let mut disk = Disk::new().with("/n", OLD);
    disk.limit = limit;
    World::with(disk)
}

#[test]
fn what_can_never_fit_is_refused_when_it_is_announced() {
    at_every_cut(
        || limited(30),
        |rig| {
            let text = rig.text("ALLO 31", 552);
            assert!(text.starts_with("over your quota"), "{text}");
            rig.expect("ALLO 31 R 7", &[552]);
            rig.expect("ALLO x", &[501]);
            rig.expect("ALLO 30 R 7", &[200]);
        },
    );
}

#[test]
fn what_is_announced_is_reserved_before_a_byte_flows() {
    at_every_cut(
        || limited(30),
        |rig| {
            rig.expect("TYPE I", &[200]);
            rig.expect("PASV", &[227]);
            // 21 are used: a new name has room for 9, this one for 30.
            rig.expect("ALLO 10", &[200]);
            rig.expect("STOR x", &[552]);
            rig.expect("ALLO 30", &[200]);
            rig.sends_file(&NEW[..30]);
            rig.expect("STOR n", &[150, 226]);
            assert_eq!(rig.disk.content("/n").as_deref(), Some(&NEW[..30]));
        },
    );
}

#[test]
fn another_size_than_announced_is_no_error() {
    for size in [0, 42, 43, 44, 1000] {
        let mut rig = Rig::new(World::new());
        rig.sends_file(NEW);
        rig.expect("TYPE I\r\nALLO 43", &[200, 200]);
        rig.expect(&format!("ALLO {size}"), &[200]);
        rig.expect("PASV", &[227]);
        rig.expect("STOR n", &[150, 226]);
        assert_eq!(rig.disk.content("/n").as_deref(), Some(NEW));
    }
}

/// The final reply, in one line that clients show; the part goes, and with it its bytes.
#[test]
fn over_quota_is_the_last_word() {
    at_every_cut(
        || limited(30),
        |rig| {
            rig.expect("TYPE I", &[200]);
            rig.expect("PASV", &[227]);
            rig.sends_file(NEW);
            let said = rig.expect("STOR x", &[150, 552]);
            assert_eq!(said[1].lines.len(), 1);
            assert_eq!(rig.disk.content("/x"), None);
            assert_eq!(rig.disk.stage("/x"), None);
            assert_eq!(rig.disk.used(), 21);
            rig.expect("PASV", &[227]);
            rig.sends_file(&NEW[..9]);
            rig.expect("STOR y", &[150, 226]);
        },
    );
}

#[test]
fn an_append_over_quota_leaves_the_file_as_it_was() {
    at_every_cut(
        || limited(30),
        |rig| {
            rig.expect("TYPE I", &[200]);
            rig.expect("PASV", &[227]);
            rig.sends_file(NEW);
            rig.expect("APPE n", &[150, 552]);
            assert_eq!(rig.disk.content("/n").as_deref(), Some(OLD));
        },
    );
}

#[test]
fn a_disk_that_is_full() {
    let world = || {
        let mut disk = Disk::new();
        disk.faults = Faults {
            write: Some((9, Refusal::DiskFull)),
            ..Faults::default()
        };
        World::with(disk)
    };
    at_every_cut(world, |rig| {
        rig.expect("TYPE I", &[200]);
        rig.expect("PASV", &[227]);
        rig.sends_file(NEW);
        rig.expect("STOR x", &[150, 452]);
        assert_eq!(rig.disk.stage("/x"), kept(&NEW[..9]));
        // What is full may be emptied: the part goes on.
        rig.disk.faults.write = None;
        rig.expect("PASV", &[227]);
        rig.sends_file(&NEW[8..]);
        rig.expect("APPE x", &[150, 226]);
        assert_eq!(rig.disk.content("/x").as_deref(), Some(NEW));
    });
}

#[test]
fn what_broke_off_goes_on() {
    at_every_cut(World::new, |rig| {
        rig.expect("TYPE I", &[200]);
        rig.expect("PASV", &[227]);
        rig.feeds(&NEW[..20]);
        rig.ends_data(Gone::Reset);
        rig.expect("STOR x", &[150, 426]);
        assert_eq!(rig.text("SIZE x", 213), "19");
        rig.expect("REST 19", &[350]);
        rig.expect("PASV", &[227]);
        rig.sends_file(&NEW[19..]);
        rig.expect("STOR x", &[150, 226]);
        assert_eq!(rig.disk.content("/x").as_deref(), Some(NEW));
    });
}
