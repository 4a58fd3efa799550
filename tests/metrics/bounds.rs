//! Clients of metrics that say too much, too little, or are too many.

use std::io::{ErrorKind, Read, Write};

use super::http::{Door, Response};
use super::{Daemon, TCP};

/// Connections that are served at a time.
const CLIENTS_MAX: usize = 8;

#[test]
fn headers_without_an_end_are_cut_short() {
    let daemon = Daemon::with(TCP);
    let door = Door::of(&daemon);
    let long = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(9000));
    assert_eq!(door.ask(&long).status, 431);
    let many = "X-Y: z\r\n".repeat(2000);
    let many = format!("GET /metrics HTTP/1.1\r\n{many}\r\n");
    assert_eq!(door.ask(&many).status, 431);
    let fits = format!("GET /metrics HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(8000));
    assert_eq!(door.ask(&fits).status, 200);
}

/// A byte now and then keeps no connection: the time is that of the whole request.
#[test]
fn a_request_that_never_ends_is_answered_and_closed() {
    let daemon = Daemon::with(TCP);
    let door = Door::of(&daemon);
    let mut silent = door.connect();
    let mut slow = door.connect();
    let ticking = slow.try_clone().unwrap();
    let dripping = std::thread::spawn(move || drip(ticking));
    let mut told = String::new();
    slow.read_to_string(&mut told).unwrap();
    assert_eq!(Response::parse(&told).status, 408);
    drop(slow);
    dripping.join().unwrap();
    assert_eq!(
        silent.read(&mut [0; 1]).unwrap(),
        0,
        "closed without a word"
    );
    assert_eq!(door.get("/healthz").status, 200);
}

/// Sends a byte of a request at a time until the daemon has closed.
fn drip(mut stream: std::net::TcpStream) {
    let pause = std::time::Duration::from_millis(20);
    let request = b"GET /metrics HTTP/1.1\r\nX: "
        .iter()
        .chain(std::iter::repeat(&b'x'));
    for byte in request.take(8000) {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        std::thread::sleep(pause);
    }
    panic!("it may go on for ever");
}

/// The oldest silent ones go.
#[test]
fn clients_that_say_nothing_lock_nobody_out() {
    let daemon = Daemon::with(TCP);
    let door = Door::of(&daemon);
    let mut silent: Vec<_> = (0..5 * CLIENTS_MAX).map(|_| door.connect()).collect();
    for path in ["/healthz", "/metrics"] {
        assert_eq!(door.get(path).status, 200, "{path}");
    }
    let kept = silent.split_off(4 * CLIENTS_MAX + 2);
    for stream in &mut silent[..4 * CLIENTS_MAX] {
        match stream.read(&mut [0; 1]) {
            Ok(count) => assert_eq!(count, 0),
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }
    // Others still have their turn.
    let mut last = kept.into_iter().next_back().unwrap();
    last.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    let mut told = String::new();
    last.read_to_string(&mut told).unwrap();
    assert_eq!(Response::parse(&told).status, 200);
}

/// One that reads nothing keeps its response waiting for a while, and no session.
#[test]
fn who_reads_nothing_holds_up_nobody() {
    let daemon = Daemon::with(TCP);
    let door = Door::of(&daemon);
    let mut lazy: Vec<_> = (0..CLIENTS_MAX).map(|_| door.connect()).collect();
    for stream in &mut lazy {
        stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").unwrap();
    }
    daemon.login("tom").put("", "file", b"content");
    assert_eq!(door.get("/metrics").status, 200);
}
