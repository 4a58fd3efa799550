//! Tests that the content of an upload is never taken for commands, whatever is wrong with the line
//! before it (PROTOCOL.md section 8).

use skiff_sessions::rights::Grant;

use super::cuts::{World, at_every_cut};
use super::disk::Disk;
use super::drive::Pair;
use super::local::Local;
use super::rig::{NEW, OLD, Rig};
use super::said::{END, framed};

/// Content that would delete a file if it were read as lines, and make a directory.
const EVIL: &[u8] = b"\r\nDELE victim\r\nMKD proof\r\n";

fn world() -> World {
    let disk = Disk::new().with("/victim", OLD).with("/a", OLD);
    (disk.expecting(EVIL), Local::default())
}

fn content() -> Vec<u8> {
    [&framed(EVIL, EVIL.len())[..], END].concat()
}

#[track_caller]
fn nothing_was_obeyed(pair: &Pair, line: &[u8]) {
    let disk = pair.disk();
    let line = line.escape_ascii();
    assert_eq!(disk.content("/victim").as_deref(), Some(OLD), "{line}");
    assert!(!disk.folders.contains(&b"/proof"[..]), "{line}");
}

/// Lines that begin an upload and break a rule: the server cannot know what follows.
fn malformed() -> Vec<Vec<u8>> {
    let size = format!("STOR size={} go=1", EVIL.len());
    let with = |text: &str| text.as_bytes().to_vec();
    let mut lines = vec![
        with(&format!("{size} foo=1 x")),
        with(&format!("{size} go=1 x")),
        with(&size),
        with(&format!("{size} a%4")),
        with(&format!("{size} a%00")),
        with(&format!("{size} mtime=1 x")),
        with(&format!("{size} digest=crc x")),
        with("STOR go=1 x"),
        with("STOR size=9223372036854775808 go=1 x"),
        with("STOR size=-1 go=1 x"),
        with("STOR size=26 go=2 x"),
        with("stor  size=26 go=1 x"),
    ];
    for byte in [b'\n', b'\r', 0, 0xff] {
        lines.push([size.as_bytes(), b" x", &[byte], b"y"].concat());
    }
    lines
}

/// Names that no file has, in lines that no inbox holds.
#[test]
fn behind_a_line_that_is_too_long() {
    for length in [16_384, 20_000, 100_000] {
        let size = format!("STOR size={} go=1 ", EVIL.len());
        let line = [size.as_bytes(), &vec![b'y'; length]].concat();
        let mut pair = Pair::new(world().0, Local::default());
        let codes = pair.codes([&line[..], b"\r\n", &content()].concat());
        assert!(matches!(codes[..], [500 | 501, 421]), "{length}: {codes:?}");
        assert!(pair.server.is_over());
        nothing_was_obeyed(&pair, size.as_bytes());
    }
}

#[test]
fn behind_a_line_that_is_not_understood() {
    for line in malformed() {
        let typed = [&line[..], b"\r\n", &content()].concat();
        let came = at_every_cut(world, |pair| {
            let codes = pair.codes(&typed);
            nothing_was_obeyed(pair, &line);
            assert!(pair.server.is_over());
            codes
        });
        let line = line.escape_ascii();
        assert!(matches!(came.said[..], [500 | 501, 421]), "{line}");
    }
}

/// Without `go=1` a client waits for the answer, and no content follows.
#[test]
fn a_line_without_go_is_refused_and_nothing_more() {
    for line in ["STOR x", "STOR size=1 foo=1 x", "STOR size=1 a%4", "STOR"] {
        let mut pair = Pair::new(Disk::new(), Local::default());
        assert_eq!(pair.codes(format!("{line}\r\nPWD\r\n")), [501, 257]);
        pair.is_ready();
    }
}

#[test]
fn before_the_login() {
    let well_formed = format!("STOR size={} go=1 x", EVIL.len()).into_bytes();
    for line in malformed().into_iter().chain([well_formed]) {
        let mut pair = Pair::stranger(Rig::roomy(), world().0);
        let codes = pair.codes([&line[..], b"\r\n", &content()].concat());
        let first = codes.first().copied();
        assert!(matches!(first, Some(500 | 501 | 530)), "{codes:?}");
        assert_eq!(codes[1..], [421], "{}", line.escape_ascii());
        assert!(pair.server.is_over());
        nothing_was_obeyed(&pair, &line);
    }
}

/// A dialogue that waits for its answer gets the beginning of an upload instead.
#[test]
fn in_the_middle_of_another_dialogue() {
    let before = [
        ("RNFR victim\r\n", &[350][..]),
        ("RETR a\r\n", &[150]),
        ("STOR size=43 part\r\n", &[210]),
    ];
    for (begun, said) in before {
        for line in malformed() {
            let disk = world().0.with_stage("/part", &NEW[..9]).expecting(NEW);
            let mut pair = Pair::new(disk, Local::default());
            assert_eq!(pair.codes(begun), said);
            let codes = pair.codes([&line[..], b"\r\n", &content()].concat());
            assert!(matches!(codes[..], [500 | 501, 421]), "{codes:?}");
            nothing_was_obeyed(&pair, &line);
        }
        for refused in ["none/x", "../x", "/"] {
            let disk = world().0.with_stage("/part", &NEW[..9]).expecting(NEW);
            let mut pair = Pair::new(disk, Local::default());
            assert_eq!(pair.codes(begun), said);
            let line = format!("STOR size={} go=1 {refused}\r\n", EVIL.len());
            let codes = pair.codes([line.as_bytes(), &content(), b"225 md5=\r\nPWD\r\n"].concat());
            assert!(
                matches!(codes[..], [403 | 404 | 550, 501, 257]),
                "{codes:?}"
            );
            nothing_was_obeyed(&pair, line.as_bytes());
            pair.is_ready();
        }
    }
}

#[test]
fn by_a_user_who_may_only_read() {
    let disk = world().0.opened_to(Grant::READING);
    let mut pair = Pair::new(disk, Local::default());
    let line = format!("STOR size={} go=1 x\r\n", EVIL.len());
    assert_eq!(
        pair.codes([line.as_bytes(), &content(), b"PWD\r\n"].concat()),
        [403, 257]
    );
    nothing_was_obeyed(&pair, line.as_bytes());
    pair.is_ready();
}
