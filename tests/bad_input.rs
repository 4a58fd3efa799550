//! Peers that do not keep to the page, speak something else, or say nothing at all.

mod silence;

use std::io::{Read, Write};
use std::net::TcpStream;

use skiff_sessions::wire::native::verbs::VERBS;

use crate::harness::{Answer, Daemon, PATIENCE, Peer, Tail, ask_all, md5};

/// The longest line, its CRLF included.
const LINE_MAX: usize = 16 * 1024;

/// A line for each verb that is right in every part.
const RIGHT: &[(&str, &str)] = &[
    ("USER", "USER scram=YQ=="),
    ("PASS", "PASS scram=YQ=="),
    ("PWD", "PWD"),
    ("CWD", "CWD a"),
    ("LIST", "LIST"),
    ("RETR", "RETR a"),
    ("STOR", "STOR size=1 a"),
    ("DELE", "DELE a"),
    ("MKD", "MKD a"),
    ("SYMLINK", "SYMLINK target=b a"),
    ("READLINK", "READLINK a"),
    ("RNFR", "RNFR a"),
    ("STAT", "STAT"),
    ("DF", "DF"),
    ("HASH", "HASH algo=md5 a"),
    ("STAGES", "STAGES"),
    ("SETATTR", "SETATTR mode=600 a"),
    (
        "PASSWD",
        "PASSWD salt=YQ== iterations=10000 \
         stored=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
         server=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
         proof=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
    ),
    ("SYST", "SYST"),
    ("HELP", "HELP"),
    ("NOOP", "NOOP"),
    ("ABOR", "ABOR"),
    ("111", "111 done=1 of=2"),
    ("200", "200"),
    ("210", "210 offset=1 md5=00000000000000000000000000000000"),
    ("211", "211"),
    ("220", "220"),
    ("225", "225 md5=00000000000000000000000000000000"),
    ("227", "227"),
    ("351", "351 a"),
    ("400", "400"),
    ("401", "401"),
    ("410", "410"),
    ("550", "550"),
];

/// A new verb needs a line above.
#[test]
fn before_the_login_everything_else_is_530() {
    let named: Vec<&str> = RIGHT.iter().map(|(verb, _)| *verb).collect();
    let known: Vec<&str> = VERBS.iter().map(|verb| verb.name).collect();
    assert_eq!(named, known);
    let daemon = Daemon::demo();
    let mut peer = daemon.peer();
    for (verb, line) in RIGHT {
        let code = match *verb {
            "USER" | "220" => continue,
            "PASS" => 503,
            "HELP" => 214,
            "NOOP" => 200,
            _ => 530,
        };
        peer.ask(line, code);
    }
    assert_eq!(peer.login("tom", "123").code, 230);
}

#[test]
fn what_is_not_understood_changes_nothing() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    for (line, code) in [
        ("", 500),
        (" ", 500),
        ("WHAT", 500),
        ("NOOPS", 500),
        (" NOOP", 500),
        ("QUIT", 500),
        ("PUT a", 500),
        ("000", 500),
        ("226 x", 500),
        ("RETR", 501),
        ("RETR ", 501),
        ("RETR start=x a", 501),
        ("RETR start=0 start=0 a", 501),
        ("RETR strat=0 a", 501),
        ("STOR a", 501),
        ("STOR size=-1 a", 501),
        ("STOR size=9223372036854775808 a", 501),
        ("STOR size=1 size=1 a", 501),
        ("STOR size=1", 501),
        ("STOR size=1 md5=1 a", 501),
        ("STOR size=1 mtime=20261301000000 a", 501),
        ("STOR size=1 replace=yes a", 501),
        ("HASH a", 501),
        ("HASH algo=crc32 a", 501),
        ("PWD x", 501),
        ("SYST x=1", 501),
        ("210 offset=1", 501),
        ("225", 501),
        ("225 md5=00", 501),
        ("351", 501),
        ("STAGES drop=1", 501),
        ("PASSWD salt=YQ==", 501),
        ("USER", 501),
        ("USER scram=!", 501),
    ] {
        tom.ask(line, code);
        tom.ask("NOOP", 200);
    }
    assert!(tom.list("LIST").is_empty());
}

#[test]
fn codes_out_of_order_are_told() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    tom.put("", "file", b"12345");
    for line in ["200", "211", "400", "401", "410", "351 new"] {
        tom.ask(line, 503);
    }
    tom.ask(RIGHT[1].1, 503);
    tom.ask("225 md5=00000000000000000000000000000000", 503);
    for line in ["227", "550", "111"] {
        tom.send(line);
        tom.ask("NOOP", 200);
    }
    // Behind a RNFR only 351 renames, and only once.
    ask_all(
        &mut tom,
        &[("RNFR file", 350), ("211", 503), ("351 new", 503)],
    );
    ask_all(
        &mut tom,
        &[("RNFR file", 350), ("NOOP", 200), ("351 new", 503)],
    );
    // In an offer the codes of an upload have no business.
    ask_all(&mut tom, &[("RETR file", 150), ("211", 503), ("200", 503)]);
    assert_eq!(tom.get("file"), b"12345");
}

#[test]
fn a_line_that_is_too_long_is_dropped_to_its_end() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    let help = |length: usize| format!("HELP {}", "x".repeat(length - "HELP \r\n".len()));
    tom.ask(&help(LINE_MAX), 214);
    tom.ask(&help(LINE_MAX + 1), 500);
    tom.ask("NOOP", 200);
    tom.ask(&format!("{}\nNOOP", "DELE x ".repeat(10_000)), 500);
    tom.expect(200);
}

#[test]
fn names_that_would_forge_a_line_are_refused() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    tom.put("", "mine", b"1");
    for verb in VERBS.iter().filter(|verb| verb.syntax.contains("PATH")) {
        let (_, right) = RIGHT.iter().find(|(name, _)| *name == verb.name).unwrap();
        let right = match *right {
            "LIST" | "STAT" => format!("{right} a"),
            "STAGES" => "STAGES drop=1 a".to_owned(),
            line => line.to_owned(),
        };
        let right = right.strip_suffix('a').unwrap();
        for name in ["x%00", "y%00z", "%", "x%2", "%zz", "100%"] {
            tom.ask(&format!("{right}{name}"), 501);
        }
    }
    assert_eq!(tom.list("LIST").len(), 1);
}

#[test]
fn paths_that_make_no_sense_are_refused_with_a_reason() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    ask_all(&mut tom, &[("MKD d", 257), ("MKD d/e", 257)]);
    tom.put("", "file", b"12345");
    let long = format!("MKD {}", "n".repeat(256));
    let deep = format!("STOR size=1 {}x", "d/".repeat(3000));
    for (line, code) in [
        ("DELE /", 403),
        ("MKD /", 403),
        ("STOR size=1 /", 403),
        ("RNFR d", 350),
        ("351 d/e/f", 550),
        ("RNFR d", 350),
        ("351 /", 403),
        ("MKD d/e/..", 550),
        ("STOR size=1 d", 550),
        ("STOR size=1 replace=1 d", 550),
        ("STOR size=1 file/x", 404),
        ("LIST file/x", 404),
        ("RETR d/", 551),
        ("DELE d", 550),
        (&long, 550),
        (&deep, 550),
    ] {
        let answer = tom.ask(line, code);
        let fault = answer.line.contains("server failed");
        assert!(!fault, "{line}: {}", answer.line);
    }
    assert_eq!(tom.get("d/../file"), b"12345");
}

#[test]
fn lines_with_broken_ends_are_told() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    for raw in [
        &b"NOOP\n"[..],
        b"MKD a\0b\r\n",
        b"MKD a\rb\r\n",
        b"MKD a\r\r\n",
        b"NOOP \xff\r\n",
        b"\xc0\xaf\r\n",
        b"\0\r\n",
        b"\r\n",
    ] {
        tom.send_raw(raw);
        tom.expect(500);
        tom.ask("NOOP", 200);
    }
    // A raw LF ends a line, so the name ends there too.
    tom.send_raw(b"MKD a\nMKD b\r\n");
    tom.expect(500);
    tom.expect(257);
    let names: Vec<String> = tom.list("LIST").into_keys().collect();
    assert_eq!(names, ["b"]);
}

#[test]
fn a_frame_of_any_wrong_length_fails_the_upload() {
    let daemon = Daemon::demo();
    for length in [
        0x0010_0001,
        0x0080_0000,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_fffe_u32,
    ] {
        let mut tom = daemon.login("tom");
        tom.ask("STOR size=100000 file", 150);
        tom.frame(&[7; 1000]);
        tom.send_raw(&length.to_be_bytes());
        tom.expect(550);
        tom.hang_up();
    }
    let mut tom = daemon.login("tom");
    assert_eq!((tom.used(), tom.list("STAGES").len()), (0, 0));
    // What would be a line is data here, and too much of it.
    tom.ask("STOR size=3 file", 150);
    tom.send_raw(b"\0\0\0\x06NOOP\r\n");
    tom.expect(550);
    tom.tail(Tail::End);
    tom.send(&format!("225 md5={}", md5(b"NOOP\r\n")));
    tom.ask("PWD", 257);
}

#[test]
fn who_speaks_http_to_tls_is_closed() {
    let daemon = Daemon::demo();
    let mut socket = connect(&daemon);
    socket
        .write_all(b"GET / HTTP/1.1\r\nHost: files\r\n\r\n")
        .unwrap();
    let heard = read_to_close(&mut socket);
    // At most a TLS alert (content type 21) comes back.
    assert!(heard.is_empty() || heard[0] == 21, "{heard:?}");
    daemon.login("tom");
}

#[test]
fn who_speaks_http_in_clear_is_closed() {
    let daemon = Daemon::with("native: (tls: Off),");
    let mut socket = connect(&daemon);
    socket
        .write_all(b"GET / HTTP/1.1\r\nHost: files\r\nAccept: */*\r\nConnection: x\r\n\r\n")
        .unwrap();
    let heard = String::from_utf8(read_to_close(&mut socket)).unwrap();
    let last = heard.lines().last().unwrap();
    assert!(last.starts_with("421 "), "{heard}");
    daemon.login("tom");
}

#[test]
fn a_session_in_clear_does_all_but_passwords() {
    let daemon = Daemon::with("native: (tls: Off),");
    let mut tom = daemon.login("tom");
    tom.put("", "file", b"12345");
    assert_eq!(tom.get("file"), b"12345");
    let passwd = RIGHT.iter().find(|(verb, _)| *verb == "PASSWD").unwrap().1;
    tom.ask(passwd, 403);
}

#[test]
fn endless_lines_take_no_memory() {
    let daemon = Daemon::demo();
    let mut tom = daemon.login("tom");
    let block = vec![b'x'; 1 << 20];
    let before = resident(&daemon);
    let mut most = 0;
    for _ in 0..64 {
        tom.send_raw(&block);
        most = most.max(resident(&daemon));
    }
    tom.send("");
    tom.expect(500);
    tom.ask("NOOP", 200);
    most = most.max(resident(&daemon));
    assert!(most < before + 1024, "from {before} KiB to {most} KiB");
}

/// Bytes that came until the daemon closed, and that it did close.
fn read_to_close(socket: &mut TcpStream) -> Vec<u8> {
    let mut heard = Vec::new();
    match socket.read_to_end(&mut heard) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            panic!("not closed, after {heard:?}")
        }
        _ => heard,
    }
}

fn connect(daemon: &Daemon) -> TcpStream {
    let socket = TcpStream::connect(daemon.address()).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// KiB of memory that the daemon holds.
fn resident(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

/// The last words of a session that is closed.
fn farewell(peer: &mut Peer) -> Option<Answer> {
    peer.until_closed().pop()
}
