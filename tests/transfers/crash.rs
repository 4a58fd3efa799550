//! The daemon is killed in the middle of things.

use super::MIB;
use crate::harness::{Daemon, Peer, md5, noise, until};

#[test]
fn a_kill_during_an_upload_loses_nothing_that_was_there() {
    let mut daemon = Daemon::demo();
    let (old, new) = (noise(40, 5 * MIB), noise(41, 8 * MIB));
    let mut tom = daemon.login("tom");
    tom.put("", "file", &old);
    tom.put("", "beside", &old[..1000]);
    let kept = 2 * MIB as u64;
    tom.leave_part("replace=1 ", "file", &new, kept as usize);
    let offer = tom.ask(&format!("STOR size={} replace=1 file", new.len()), 210);
    assert_eq!(offer.number("have"), kept);
    tom.ask("211", 212);
    tom.frames(&new[2 * MIB..6 * MIB]);
    let mut other = daemon.login("tom");
    until("the stage of all that was sent", || {
        (stage(&mut other) == Some(6 * MIB as u64)).then_some(())
    });
    daemon.kill9();
    assert!(tom.line().is_err() && other.line().is_err());

    daemon.start();
    let mut tom = daemon.login("tom");
    assert!(
        tom.get("file") == old,
        "the old file is not what it was before"
    );
    // A change waits until the home is counted.
    tom.ask("MKD counted", 257);
    // What came since the stage was synced may not be on the disk, and is not believed.
    let df = tom.df();
    assert_eq!(
        df.number("used"),
        kept + old.len() as u64 + 1000,
        "{}",
        df.line
    );
    assert_eq!(df.number("staged"), kept, "{}", df.line);
    assert_eq!(df.number("entries"), 4, "{}", df.line);

    let offer = tom.ask(&format!("STOR size={} replace=1 file", new.len()), 210);
    assert_eq!(offer.number("have"), kept);
    assert_eq!(offer.token("md5"), md5(&new[..2 * MIB]));
    tom.ask("211", 212);
    tom.fill(&new[2 * MIB..], &new);
    assert!(tom.get("file") == new, "spliced");
    assert_eq!(tom.used(), new.len() as u64 + 1000);
}

#[test]
fn what_was_answered_226_is_there_after_a_kill() {
    let mut daemon = Daemon::demo();
    let data = noise(42, 100_000);
    let mut tom = daemon.login("tom");
    for n in 0..10 {
        tom.put("", &format!("f{n}"), &data[n * 10..]);
    }
    daemon.kill9();
    daemon.start();
    let mut tom = daemon.login("tom");
    for n in 0..10 {
        assert!(tom.get(&format!("f{n}")) == data[n * 10..], "f{n}");
    }
    assert_eq!(tom.list("STAGES").len(), 0);
}

#[test]
fn a_clean_stop_keeps_parts_and_counts() {
    let mut daemon = Daemon::demo();
    let data = noise(43, MIB);
    let mut tom = daemon.login("tom");
    tom.put("", "file", &data);
    tom.leave_part("", "part", &data, 5000);
    let before = tom.df().line;
    tom.ask("STOR size=1000000 running", 150);
    tom.frames(&data[..300_000]);
    let mut other = daemon.login("tom");
    until("the running stage", || {
        let stages = other.list("STAGES");
        stages
            .get("/running")?
            .contains("size=300000;")
            .then_some(())
    });
    daemon.stop();

    daemon.start();
    let mut tom = daemon.login("tom");
    tom.ask("STAGES drop=1 running", 250);
    assert_eq!(tom.df().line, before);
    assert_eq!(tom.ask("STOR size=1048576 part", 210).number("have"), 5000);
}

fn stage(peer: &mut Peer) -> Option<u64> {
    let stages = peer.list("STAGES");
    let facts = stages.get("/file")?;
    let size = facts.split(';').find_map(|fact| fact.strip_prefix("size="));
    Some(size.unwrap().parse().unwrap())
}
