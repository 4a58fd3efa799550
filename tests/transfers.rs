//! Uploads and downloads between whole processes: cut, resumed, replaced, contested.

mod abort;
mod contest;
mod crash;
mod digest;
mod names;
mod resume;

use std::os::unix::fs::PermissionsExt;

use crate::harness::{Daemon, Peer, Tail, md5, noise};

const MIB: usize = 1 << 20;

#[test]
fn what_is_put_is_got() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    for (name, length) in [
        ("empty", 0),
        ("one", 1),
        ("frame", MIB),
        ("odd", 3 * MIB + 7),
    ] {
        let data = noise(1, length);
        tom.put("mtime=20010203040506 ", name, &data);
        assert_eq!(tom.get(name), data, "{name}");
        let path = daemon.home("tom").join(name);
        assert_eq!(std::fs::read(&path).unwrap(), data, "{name}");
        let mode = path.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{name}");
        let facts = tom.ask(&format!("STAT {name}"), 213);
        assert_eq!(facts.token("mtime"), "20010203040506", "{name}");
    }
}

#[test]
fn names_of_any_bytes_come_back() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    for name in [
        "a b  c", "家", "caf%E9", "100%25", "./size=3", "-rf", "*?[x",
    ] {
        tom.put("", name, name.as_bytes());
        assert_eq!(tom.get(name), name.as_bytes(), "{name}");
    }
    let names: Vec<String> = tom.list("LIST").into_keys().collect();
    let expected = ["*?[x", "-rf", "100%25", "a b  c", "caf%E9", "size=3", "家"];
    assert_eq!(names, expected);
}

#[test]
fn uploads_and_downloads_go_without_a_turn() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    let files: Vec<_> = (0..40u64)
        .map(|n| (format!("f{n}"), noise(n, 1000 * n as usize)))
        .collect();

    let mut sent = Vec::new();
    for (name, data) in &files {
        sent.extend(format!("STOR size={} go=1 {name}\r\n", data.len()).bytes());
        if !data.is_empty() {
            sent.extend((data.len() as u32).to_be_bytes());
            sent.extend(data);
        }
        sent.extend([0; 4]);
        sent.extend(format!("225 md5={}\r\n", md5(data)).bytes());
    }
    tom.send_raw(&sent);
    for _ in &files {
        tom.expect(150);
        tom.expect(226);
    }

    let asked: String = files
        .iter()
        .map(|(name, _)| format!("RETR start=0 {name}\r\n227\r\n"))
        .collect();
    tom.send_raw(asked.as_bytes());
    for (name, data) in &files {
        assert_eq!(tom.expect(150).number("size"), data.len() as u64);
        assert_eq!(tom.body(), (data.clone(), Tail::End), "{name}");
        assert_eq!(tom.expect(226).token("md5"), md5(data), "{name}");
    }
}

#[test]
fn a_refused_upload_without_a_turn_is_discarded_to_its_end() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    tom.put("", "taken", b"first");
    for (line, code) in [
        ("STOR size=6 go=1 taken", 550),
        ("STOR size=6 go=1 ../taken", 403),
        ("STOR size=6 go=1 no/such", 404),
        ("STOR size=999999999999 go=1 huge", 551),
    ] {
        tom.send(line);
        // PWD\r\n as data would be answered if it were taken for a line.
        tom.frame(b"PWD\r\n\n");
        tom.tail(Tail::End);
        tom.send(&format!("225 md5={}", md5(b"PWD\r\n\n")));
        tom.expect(code);
        tom.ask("NOOP", 200);
    }
    assert_eq!(tom.get("taken"), b"first");
}

#[test]
fn a_replaced_file_is_read_to_its_end_by_whoever_opened_it() {
    let daemon = Daemon::demo();
    let (old, new) = (noise(1, 2 * MIB), noise(2, 2 * MIB));
    let mut writer = daemon.login("tom");
    writer.put("", "file", &old);

    let mut early = daemon.login("tom");
    early.ask("RETR file", 150);
    writer.ask(&format!("STOR size={} replace=1 file", new.len()), 150);
    writer.frames(&new[..MIB]);
    let mut between = daemon.login("tom");
    assert!(between.get("file") == old, "the old file is not whole");
    writer.fill(&new[MIB..], &new);

    assert!(
        between.get("file") == new,
        "the new file is not there after 226"
    );
    early.ask("200", 200);
    let (data, tail) = early.body();
    assert!(data == old && tail == Tail::End, "not the file it opened");
    assert_eq!(early.expect(226).token("md5"), md5(&old));
}

#[test]
fn a_replaced_file_keeps_its_mode() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    tom.put("", "file", b"old");
    let path = daemon.home("tom").join("file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    tom.put("replace=1 ", "file", b"newer");
    let mode = path.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
}

#[test]
fn the_promised_size_is_held() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    // Fewer bytes, and the digest right.
    tom.ask("STOR size=10 short", 150);
    tom.frame(b"12345");
    tom.tail(Tail::End);
    tom.ask(&format!("225 md5={}", md5(b"12345")), 550);

    // More bytes: told before the end is sent.
    tom.ask("STOR size=3 long", 150);
    tom.frame(b"12345");
    tom.expect(550);
    tom.frame(b"67890");
    tom.tail(Tail::End);
    tom.send(&format!("225 md5={}", md5(b"1234567890")));
    leaves_nothing(&mut tom);
}

#[test]
fn a_wrong_digest_publishes_nothing() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    for (stor, last) in [
        ("STOR size=5 new".to_owned(), md5(b"hello")),
        (
            format!("STOR size=5 md5={} new", md5(b"hello")),
            md5(b"hallo"),
        ),
    ] {
        tom.ask(&stor, 150);
        tom.frame(b"hallo");
        tom.tail(Tail::End);
        tom.ask(&format!("225 md5={last}"), 550);
        leaves_nothing(&mut tom);
    }

    tom.put("", "old", b"the old file");
    tom.ask("STOR size=5 replace=1 old", 150);
    tom.frame(b"hallo");
    tom.tail(Tail::End);
    tom.ask(&format!("225 md5={}", md5(b"hello")), 550);
    assert_eq!(tom.get("old"), b"the old file");
    assert_eq!((tom.used(), tom.list("STAGES").len()), (12, 0));
}

#[test]
fn a_frame_that_is_too_long_fails_the_upload_at_once() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    let size = 2 * MIB;
    tom.ask(&format!("STOR size={size} file"), 150);
    tom.send_raw(&(MIB as u32 + 1).to_be_bytes());
    tom.expect(550);
    tom.send_raw(&vec![b'\n'; MIB + 1]);
    tom.tail(Tail::Abort);
    leaves_nothing(&mut tom);
}

#[test]
fn two_sessions_of_one_user_have_each_their_own_directory() {
    let daemon = Daemon::demo();
    let (mut one, mut two) = (daemon.login("tom"), daemon.login("tom"));
    one.ask("MKD a", 257);
    one.ask("CWD a", 250);
    two.put("", "file", b"at the top");
    one.put("", "file", b"in a");
    assert!(two.ask("PWD", 257).line.ends_with(" /"));
    assert_eq!(two.get("file"), b"at the top");
    assert_eq!(one.get("file"), b"in a");
}

/// No file, no part, no byte charged, and the session goes on.
#[track_caller]
fn leaves_nothing(tom: &mut Peer) {
    let left = (tom.list("LIST"), tom.list("STAGES"));
    assert_eq!(left, Default::default());
    assert_eq!(tom.used(), 0);
}
