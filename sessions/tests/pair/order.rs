//! Tests that commands sent ahead are answered in order, whatever they carry, and that each leaves
//! one line in the log.

use skiff_sessions::digest::Algorithm;

use std::cell::RefCell;
use std::rc::Rc;

use super::cuts::at_every_cut;
use super::disk::Disk;
use super::drive::Pair;
use super::local::Local;
use super::rig::{NEW, OLD, Rig};
use super::said::{ABORT, END, Said, codes_of, framed};
use super::server::Hold;
use super::wire::{Cut, Pipe};

fn world() -> (Disk, Local) {
    (
        Disk::new().with("/a", OLD).with("/z", b"").expecting(NEW),
        Local::default(),
    )
}

fn upload(command: &str, bytes: &[u8]) -> Vec<u8> {
    let command = format!("STOR size={} {command}\r\n", bytes.len());
    let all_sent = format!("225 md5={}\r\n", Algorithm::Md5.of(bytes));
    [
        command.as_bytes(),
        &framed(bytes, 11),
        END,
        all_sent.as_bytes(),
    ]
    .concat()
}

/// Uploads, downloads and the rest, with no turn between them.
fn talk() -> Vec<u8> {
    [
        &upload("go=1 b", NEW)[..],
        b"RETR start=0 b\r\n227\r\nPWD\r\n",
        &upload("go=1 b", NEW),
        b"LIST\r\nRETR start=0 z\r\nNOOP\r\n",
        &upload("go=1 no/b", NEW),
        b"HASH algo=md5 a\r\nRETR start=0 a\r\n550\r\n",
        b"STOR size=43 go=1 c\r\n",
        &framed(&NEW[..20], 6),
        ABORT,
        b"STAGES\r\nDELE c\r\nDELE b\r\nSTAT b\r\n",
    ]
    .concat()
}

#[test]
fn all_at_once() {
    let came = at_every_cut(world, |pair| {
        let said = pair.types(talk());
        let data = |said: &Said| match said {
            Said::Data(data) => Some(data.clone()),
            _ => None,
        };
        let sent: Vec<_> = said.iter().filter_map(data).collect();
        assert_eq!(
            (&sent[0][..], &sent[2][..], &sent[3][..]),
            (NEW, &b""[..], OLD)
        );
        codes_of(&said)
    });
    let expected = [
        150, 226, 150, 226, 257, 200, 150, 226, 150, 226, 200, 404, 213, 150, 226, 150, 550, 150,
        226, 250, 250, 404,
    ];
    assert_eq!(came.said, expected);
}

/// What only asks about the session, as PWD and NOOP do, leaves none.
#[test]
fn each_deed_leaves_one_line_in_the_log() {
    let (disk, local) = world();
    let mut pair = Pair::new(disk, local);
    pair.types(talk());
    let logged: Vec<_> = pair
        .server
        .logged
        .iter()
        .map(|line| (line.verb, line.code, line.bytes, line.sum.is_some()))
        .collect();
    let (new, old) = (NEW.len() as u64, OLD.len() as u64);
    let expected = [
        ("STOR", 226, new, true),
        ("RETR", 226, new, true),
        ("STOR", 200, 0, false),
        ("LIST", 226, 0, false),
        ("RETR", 226, 0, true),
        ("STOR", 404, 0, false),
        ("HASH", 213, 0, false),
        ("RETR", 226, old, true),
        ("STOR", 550, 20, false),
        ("STAGES", 226, 0, false),
        ("DELE", 250, 0, false),
        ("DELE", 250, 0, false),
        ("STAT", 404, 0, false),
    ];
    let without_listings = |row: &(&'static str, u16, u64, bool)| match row.0 {
        "LIST" | "STAGES" => (row.0, row.1, 0, row.3),
        _ => *row,
    };
    assert_eq!(
        logged.iter().map(without_listings).collect::<Vec<_>>(),
        expected
    );
    assert_eq!(pair.server.logged[0].path, b"/b");
}

/// A peer that sends and does not read is held back at both ends, and loses nothing.
#[test]
fn a_peer_that_does_not_read() {
    let pipe = Pipe {
        holds: 1 << 16,
        each_turn: 1 << 16,
    };
    let rig = Rig {
        pipe,
        to_client: Cut::At(0),
        ..Rig::roomy()
    };
    let (disk, local) = world();
    let mut pair = Pair::rigged(rig, Rc::new(RefCell::new(disk)), local);
    let asked = 20_000;
    pair.client.type_in("HELP\r\n".repeat(asked).as_bytes());
    pair.drive_shut();
    let unread = pair.to_server.unread();
    assert!(unread > 0, "the server stops reading");
    let codes = pair.codes("");
    assert_eq!(
        (codes.len(), codes.iter().all(|&code| code == 214)),
        (asked, true)
    );
    pair.is_ready();
}

/// So is one that sends commands while a worker is busy.
#[test]
fn commands_ahead_of_a_busy_worker_are_bounded() {
    let pipe = Pipe {
        holds: 1 << 16,
        each_turn: 1 << 16,
    };
    let (disk, local) = world();
    let mut pair = Pair::rigged(
        Rig {
            pipe,
            ..Rig::roomy()
        },
        Rc::new(RefCell::new(disk)),
        local,
    );
    pair.server.hold = Hold::Jobs;
    let asked = 5000;
    pair.client.type_in("DF\r\n".repeat(asked).as_bytes());
    pair.drive();
    let taken = pair.to_server.sent().len() - pair.to_server.unread();
    assert!((16 * 1024..17 * 1024).contains(&taken), "{taken}");
    pair.server.hold = Hold::Nothing;
    assert_eq!(pair.codes(""), vec![213; asked]);
    pair.is_ready();
}

#[test]
fn a_line_may_have_16384_bytes() {
    let spaces = " ".repeat(16384 - "HELP\r\n".len());
    let mut pair = Pair::new(Disk::new(), Local::default());
    assert_eq!(pair.codes(format!("HELP{spaces}\r\nPWD\r\n")), [214, 257]);
    assert_eq!(pair.codes(format!("HELP {spaces}\r\nPWD\r\n")), [500, 257]);
    assert_eq!(
        pair.codes(format!("{}\r\nPWD\r\n", "x".repeat(100_000))),
        [500, 257]
    );
    pair.is_ready();
}
