//! One writer per name.

use super::MIB;
use crate::harness::{Daemon, md5, noise, until};

#[test]
fn the_second_writer_of_a_name_is_told_busy() {
    let daemon = Daemon::demo();
    let data = noise(20, 2 * MIB);
    let line = format!("STOR size={} file", data.len());
    let (mut one, mut two) = (daemon.login("tom"), daemon.login("tom"));
    one.ask(&line, 150);
    one.frames(&data[..MIB]);
    let refused = two.ask(&line, 550);
    assert!(refused.line.contains("busy"), "{}", refused.line);
    for line in ["DELE file", "MKD file", "STAGES drop=1 file"] {
        two.ask(line, 550);
    }
    two.put("", "other", b"another name is free");
    let mut jerry = daemon.login("jerry");
    jerry.put("", "file", b"and so is another home");
    one.fill(&data[MIB..], &data);
    assert!(two.get("file") == data, "not the first writer's");
}

#[test]
fn what_is_written_is_neither_renamed_nor_removed() {
    let daemon = Daemon::demo();
    let mut one = daemon.login("tom");
    one.ask("MKD dir", 257);
    one.put("", "dir/file", b"old");
    one.ask("STOR size=5 replace=1 dir/file", 150);
    one.frame(b"he");
    let mut two = daemon.login("tom");
    for name in ["dir/file", "dir"] {
        two.ask(&format!("RNFR {name}"), 350);
        two.ask("351 moved", 550);
        two.ask(&format!("DELE {name}"), 550);
    }
    one.fill(b"llo", b"hello");
    two.ask("RNFR dir", 350);
    two.ask("351 moved", 250);
    assert_eq!(two.get("moved/file"), b"hello");
}

/// The line dropped and nobody told the daemon: it takes five seconds to believe it.
#[test]
fn a_silent_writer_gives_way_to_the_same_users_next() {
    let daemon = Daemon::demo();
    let data = noise(21, 2 * MIB);
    let line = format!("STOR size={} file", data.len());
    let mut dead = daemon.login("tom");
    dead.ask(&line, 150);
    dead.frames(&data[..MIB]);

    let mut alive = daemon.login("tom");
    let refused = alive.ask(&line, 550);
    assert!(refused.line.contains("busy"), "{}", refused.line);
    let offer = until("the silent writer's end", || {
        alive.send(&line);
        Some(alive.reply()).filter(|answer| answer.code != 550)
    });
    assert_eq!(offer.code, 210, "{}", offer.line);
    assert_eq!(offer.number("have"), MIB as u64, "{}", offer.line);
    assert_eq!(offer.token("md5"), md5(&data[..MIB]));
    alive.ask("211", 212);
    alive.fill(&data[MIB..], &data);
    assert!(alive.get("file") == data, "spliced");

    // The dead one, come back to life, is told and harms nothing.
    dead.expect(550);
    dead.frames(&data[..1000]);
    dead.send_raw(&[0; 4]);
    dead.send(&format!("225 md5={}", md5(&data[..1000])));
    dead.ask("PWD", 257);
    assert!(alive.get("file") == data, "the dead writer wrote");
}
