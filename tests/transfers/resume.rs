//! Interrupted transfers: what was proven is kept, what differs starts over.

use super::MIB;
use crate::harness::{Daemon, Tail, md5, noise};

/// What a line that breaks leaves of an upload, and what of it is surely there.
struct Break {
    whole_frames: usize,
    /// Bytes of the next frame, its length included.
    more: Vec<u8>,
    staged: usize,
}

fn breaks(data: &[u8]) -> Vec<Break> {
    let part_of_header = |count: usize| Break {
        whole_frames: MIB,
        more: 5000u32.to_be_bytes()[..count].to_vec(),
        staged: MIB,
    };
    let mut inside = 100_000u32.to_be_bytes().to_vec();
    inside.extend(&data[MIB..MIB + 777]);
    vec![
        part_of_header(0),
        part_of_header(1),
        part_of_header(2),
        part_of_header(3),
        part_of_header(4),
        Break {
            whole_frames: MIB,
            more: inside,
            staged: MIB + 777,
        },
        Break {
            whole_frames: 1,
            more: vec![],
            staged: 1,
        },
        Break {
            whole_frames: data.len(),
            more: vec![],
            staged: data.len(),
        },
        Break {
            whole_frames: data.len(),
            more: vec![0; 4],
            staged: data.len(),
        },
    ]
}

#[test]
fn an_upload_goes_on_where_the_line_broke() {
    let daemon = Daemon::demo();
    let data = noise(3, 2 * MIB + 1);
    let line = |n| format!("STOR size={} f{n}", data.len());
    for (n, broken) in breaks(&data).into_iter().enumerate() {
        let mut first = daemon.login("tom");
        first.ask(&line(n), 150);
        first.frames(&data[..broken.whole_frames]);
        first.send_raw(&broken.more);
        first.hang_up();

        let mut second = daemon.login("tom");
        let offer = second.store_again(&line(n));
        assert_eq!(offer.code, 210, "break {n}: {}", offer.line);
        assert_eq!(offer.number("have"), broken.staged as u64, "break {n}");
        assert_eq!(offer.token("md5"), md5(&data[..broken.staged]), "break {n}");
        let have = broken.staged;
        assert_eq!(second.ask("211", 212).number("offset"), have as u64);
        second.fill(&data[have..], &data);
        assert!(second.get(&format!("f{n}")) == data, "break {n}: spliced");
        assert_eq!(second.list("STAGES").len(), 0, "break {n}");
        assert_eq!(second.used(), ((n + 1) * data.len()) as u64, "break {n}");
    }
}

#[test]
fn an_upload_that_was_reset_goes_on() {
    let daemon = Daemon::demo();
    let data = noise(4, 4 * MIB);
    let line = format!("STOR size={} file", data.len());
    let mut first = daemon.login("tom");
    first.ask(&line, 150);
    first.frames(&data[..3 * MIB]);
    first.cut();

    let mut second = daemon.login("tom");
    let offer = second.store_again(&line);
    // A reset may overtake all that was sent.
    let have = match offer.code {
        210 => offer.number("have") as usize,
        150 => 0,
        _ => panic!("{}", offer.line),
    };
    assert!(have <= 3 * MIB, "{}", offer.line);
    if offer.code == 210 {
        assert_eq!(offer.token("md5"), md5(&data[..have]));
        second.ask("211", 212);
    }
    second.fill(&data[have..], &data);
    assert!(second.get("file") == data, "spliced");
}

#[test]
fn an_upload_is_resumed_more_than_once() {
    let daemon = Daemon::demo();
    let data = noise(5, 100_000);
    let line = format!("STOR size={} file", data.len());
    let mut tom = daemon.login("tom");
    tom.leave_part("", "file", &data, 10_000);
    for have in [10_000, 30_000, 60_000] {
        assert_eq!(tom.ask(&line, 210).number("have"), have as u64);
        tom.ask("211", 212);
        tom.frames(&data[have..have + have.clamp(20_000, 30_000)]);
        tom.tail(Tail::Abort);
        tom.expect(550);
    }
    let have = tom.ask(&line, 210).number("have") as usize;
    assert_eq!(have, 90_000);
    tom.ask("211", 212);
    tom.fill(&data[have..], &data);
    assert!(tom.get("file") == data, "spliced");
}

#[test]
fn an_upload_of_something_else_starts_over() {
    let daemon = Daemon::demo();
    let (before, now) = (noise(6, MIB), noise(7, MIB));
    let line = format!("STOR size={} file", now.len());
    let mut tom = daemon.login("tom");
    tom.leave_part("", "file", &before, 50_000);

    let offer = tom.ask(&line, 210);
    assert_eq!(offer.token("md5"), md5(&before[..50_000]));
    assert_eq!(tom.ask("200", 212).number("offset"), 0);
    tom.fill(&now, &now);
    assert!(tom.get("file") == now, "spliced");
    assert_eq!(tom.used(), now.len() as u64);
}

/// A client that takes the offer although its own prefix differs.
#[test]
fn an_upload_never_splices_whatever_the_client_says() {
    let daemon = Daemon::demo();
    let (before, now) = (noise(6, MIB), noise(7, MIB));
    let mut tom = daemon.login("tom");
    tom.leave_part("", "file", &before, 50_000);
    tom.ask(&format!("STOR size={} file", now.len()), 210);
    tom.ask("211", 212);
    tom.frames(&now[50_000..]);
    tom.tail(Tail::End);
    tom.ask(&format!("225 md5={}", md5(&now)), 550);
    super::leaves_nothing(&mut tom);
}

#[test]
fn a_part_longer_than_the_file_is_not_offered() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    tom.leave_part("", "file", &noise(8, 1000), 800);
    tom.ask("STOR size=5 file", 150);
    tom.fill(b"hello", b"hello");
    assert_eq!(tom.get("file"), b"hello");
    assert_eq!(tom.used(), 5);
}

#[test]
fn a_part_is_replaced_where_nobody_may_be_asked() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    tom.leave_part("", "file", &noise(8, 1000), 800);
    tom.send("STOR size=1000 go=1 file");
    tom.expect(150);
    let now = noise(9, 1000);
    tom.fill(&now, &now);
    assert!(tom.get("file") == now, "spliced");
}

#[test]
fn a_download_goes_on_where_the_line_broke() {
    let daemon = Daemon::demo();
    let data = noise(10, 3 * MIB + 5);
    daemon.login("tom").put("", "file", &data);
    for have in [0, 1, 4096, MIB, MIB + 1, 2 * MIB + 999, data.len()] {
        let mut first = daemon.login("tom");
        first.ask("RETR start=0 file", 150);
        let mut raw = vec![0; (have + 4).min(data.len())];
        first.take(&mut raw);
        first.cut();

        let mut second = daemon.login("tom");
        second.ask("RETR file", 150);
        let prefix = md5(&data[..have]);
        let turn = second.ask(&format!("210 offset={have} md5={prefix}"), 210);
        assert_eq!(turn.number("offset"), have as u64);
        let (rest, tail) = second.body();
        assert!(
            rest == data[have..] && tail == Tail::End,
            "resumed at {have}"
        );
        let done = second.expect(226);
        assert_eq!(done.token("md5"), md5(&data), "resumed at {have}");
        assert_eq!(done.number("size"), data.len() as u64);
    }
}

#[test]
fn a_download_of_something_else_starts_over() {
    let daemon = Daemon::demo();
    let (before, now) = (noise(11, MIB), noise(12, MIB));
    let mut tom = daemon.login("tom");
    tom.put("", "file", &before);
    let prefix = md5(&before[..500_000]);
    let proof = format!("210 offset=500000 md5={prefix}");

    tom.put("replace=1 ", "file", &now);
    tom.ask("RETR file", 150);
    assert_eq!(tom.ask(&proof, 200).number("size"), now.len() as u64);
    assert!(tom.body() == (now, Tail::End), "spliced");
    tom.expect(226);

    // Behind the daemon's back too.
    let changed = noise(13, MIB);
    std::fs::write(daemon.home("tom").join("file"), &changed).unwrap();
    tom.ask("RETR file", 150);
    tom.ask(&proof, 200);
    assert!(tom.body() == (changed.clone(), Tail::End), "spliced");
    assert_eq!(tom.expect(226).token("md5"), md5(&changed));

    // A part longer than the file is no prefix of it.
    std::fs::write(daemon.home("tom").join("file"), &changed[..9]).unwrap();
    tom.ask("RETR file", 150);
    tom.ask(&proof, 200);
    assert_eq!(tom.body(), (changed[..9].to_vec(), Tail::End));
    assert_eq!(tom.expect(226).token("md5"), md5(&changed[..9]));
}
