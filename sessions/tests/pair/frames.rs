//! Tests uploads typed by hand: frames and sizes that are wrong, and that are right to the byte
//! (PROTOCOL.md sections 6 and 8).

use std::cell::RefCell;
use std::rc::Rc;

use skiff_sessions::digest::Algorithm;

use super::cuts::{World, at_every_cut};
use super::disk::Disk;
use super::drive::Pair;
use super::local::Local;
use super::rig::{NEW, OLD, OTHER, Rig};
use super::said::{ABORT, END, framed};

const FRAME_MAX: usize = 1 << 20;

fn over_old() -> World {
    (Disk::new().with("/a", OLD).expecting(NEW), Local::default())
}

fn all_sent(bytes: &[u8]) -> Vec<u8> {
    format!("225 md5={}\r\n", Algorithm::Md5.of(bytes)).into_bytes()
}

/// The command, the frames, their end, and 225.
fn upload(command: &str, bytes: &[u8], sum: &[u8]) -> Vec<u8> {
    let command = format!("STOR size={} replace=1 {command} a\r\n", NEW.len());
    let command = command.replace("  ", " ");
    [command.as_bytes(), &framed(bytes, 9), END, &all_sent(sum)].concat()
}

/// Types all at once and tells the codes; the old file is what there is, with
/// this part beside it.
fn refused(typed: impl AsRef<[u8]>, part: Option<&[u8]>) -> Vec<u16> {
    let came = at_every_cut(over_old, |pair| {
        let codes = pair.codes(typed.as_ref());
        assert_eq!(pair.disk().content("/a").as_deref(), Some(OLD));
        assert_eq!(pair.disk().stage("/a"), part);
        codes
    });
    came.said
}

#[test]
fn all_is_as_promised() {
    for extra in ["", "go=1", &format!("md5={}", Algorithm::Md5.of(NEW))] {
        let came = at_every_cut(over_old, |pair| {
            let codes = pair.codes(upload(extra, NEW, NEW));
            assert_eq!(pair.disk().content("/a").as_deref(), Some(NEW));
            codes
        });
        assert_eq!(came.said, [150, 226], "{extra}");
    }
}

#[test]
fn the_digest_is_of_other_bytes() {
    for extra in ["", "go=1"] {
        assert_eq!(refused(upload(extra, NEW, OTHER), None), [150, 550]);
    }
    let declared = format!("md5={}", Algorithm::Md5.of(OTHER));
    assert_eq!(refused(upload(&declared, NEW, NEW), None), [150, 550]);
    assert_eq!(refused(upload(&declared, NEW, OTHER), None), [150, 550]);
}

#[test]
fn fewer_bytes_than_promised() {
    for len in [0, 1, NEW.len() - 1] {
        assert_eq!(
            refused(upload("", &NEW[..len], &NEW[..len]), None),
            [150, 550]
        );
    }
}

#[test]
fn more_bytes_than_promised() {
    let more = [NEW, b"!"].concat();
    let much_more = NEW.repeat(5);
    for bytes in [more, much_more] {
        for extra in ["", "go=1"] {
            assert_eq!(refused(upload(extra, &bytes, &bytes), None), [150, 550]);
        }
        let aborted = [
            b"STOR size=43 replace=1 a\r\n",
            &framed(&bytes, 9)[..],
            ABORT,
        ]
        .concat();
        assert_eq!(refused(aborted, None), [150, 550]);
    }
}

#[test]
fn aborted_behind_every_frame() {
    for len in 0..=NEW.len() {
        let frames = framed(&NEW[..len], 4);
        let typed = [b"STOR size=43 replace=1 a\r\n", &frames[..], ABORT].concat();
        let part = (len > 0).then_some(&NEW[..len]);
        if len % 10 == 3 {
            assert_eq!(refused(typed, part), [150, 550], "{len}");
        } else {
            let (disk, local) = over_old();
            let mut pair = Pair::new(disk, local);
            assert_eq!(pair.codes(typed), [150, 550]);
            assert_eq!(pair.disk().stage("/a"), part);
            pair.is_ready();
        }
    }
}

#[test]
fn no_225_comes() {
    let typed = [
        b"STOR size=43 replace=1 a\r\n",
        &framed(NEW, 9)[..],
        END,
        b"PWD\r\n",
    ]
    .concat();
    assert_eq!(refused(typed, Some(NEW)), [150, 257]);
    let typed = [
        b"STOR size=43 replace=1 a\r\n",
        &framed(NEW, 9)[..],
        END,
        b"ABOR\r\n",
    ]
    .concat();
    assert_eq!(refused(typed, Some(NEW)), [150, 226]);
}

/// What is refused with `go=1` is discarded, whatever it looks like.
#[test]
fn discarded_frames_are_not_read_as_lines() {
    let lines = b"DELE a\r\n225 md5=0\r\nDELE a\r\n";
    let refused_one = format!("STOR size={} go=1 no/a\r\n", lines.len());
    let ended = [
        refused_one.as_bytes(),
        &framed(lines, 7),
        END,
        &all_sent(lines),
        b"PWD\r\n",
    ]
    .concat();
    assert_eq!(refused(ended, None), [404, 257]);
    let aborted = [refused_one.as_bytes(), &framed(lines, 7), ABORT, b"PWD\r\n"].concat();
    assert_eq!(refused(aborted, None), [404, 257]);
    // Behind the end, any other line is a command.
    let no_225 = [refused_one.as_bytes(), &framed(lines, 7), END, b"PWD\r\n"].concat();
    assert_eq!(refused(no_225, None), [404, 257]);
}

fn large(expected: &[u8]) -> Pair {
    let rig = Rig {
        scratch: 1 << 16,
        ..Rig::roomy()
    };
    let (disk, local) = over_old();
    Pair::rigged(rig, Rc::new(RefCell::new(disk.expecting(expected))), local)
}

#[test]
fn a_frame_that_is_too_long_is_skipped_to_its_end() {
    let command = format!("STOR size={} replace=1 a\r\n", 4 * FRAME_MAX);
    let good = framed(b"good", 4);
    for long in [FRAME_MAX + 1, FRAME_MAX + 70_000] {
        for (ending, behind) in [(ABORT, &b""[..]), (END, &all_sent(b"")[..])] {
            let mut pair = large(b"");
            let length = (long as u32).to_be_bytes();
            let start = [command.as_bytes(), &good, &length].concat();
            assert_eq!(
                pair.codes(start),
                [150, 550],
                "told as soon as the length is known"
            );
            assert_eq!(pair.disk().stage("/a"), None);
            // The skipped bytes look like ends; frames behind it are discarded too.
            let rest = [&vec![0; long][..], &good, ending, behind, b"PWD\r\n"].concat();
            assert_eq!(pair.codes(rest), [257]);
            pair.is_ready();
        }
    }
}

#[test]
fn a_frame_may_have_1_mib() {
    let bytes = vec![b'x'; FRAME_MAX];
    let mut pair = large(&bytes);
    let command = format!("STOR size={FRAME_MAX} replace=1 a\r\n");
    let frames = framed(&bytes, FRAME_MAX);
    let typed = [command.as_bytes(), &frames, END, &all_sent(&bytes)].concat();
    assert_eq!(pair.codes(typed), [150, 226]);
    assert_eq!(pair.disk().content("/a"), Some(bytes));
    pair.is_ready();
}

#[test]
fn a_frame_of_2_to_the_32_less_2_is_a_length() {
    let mut pair = large(b"");
    let typed = [
        &b"STOR size=43 replace=1 a\r\n"[..],
        &[0xff, 0xff, 0xff, 0xfe],
    ]
    .concat();
    assert_eq!(pair.codes(typed), [150, 550]);
    assert_eq!(pair.codes("PWD\r\n"), [], "a line inside a frame is data");
}
