//! `skiffd upgrade`: another process takes the place of the daemon, and nobody notices who need not.

mod failures;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use serde_json::json;

use super::{refused, shown, socket_path, told};
use crate::harness::{
    Daemon, Ftp, PASSWORD, PATIENCE, Peer, Speech, Tail, Wire, md5, noise, until, write_settings,
};

const BOTH: &str = "ftp: (listen: [\"127.0.0.1:0\"], tls: Optional),";
/// Room for all that happens here at a time.
const ROOM: &str = "limits: (sessions_per_user: 500, sessions_per_address: 1000, drain: \"60s\"),";
/// Transfers of each kind: up and down, native and by FTP.
const EACH: usize = 25;
const UP: usize = 200_000;
/// More than sockets hold.
const DOWN: usize = 12 << 20;

fn daemon() -> Daemon {
    Daemon::configured(&format!("{BOTH} {ROOM}"))
}

#[track_caller]
fn upgraded(output: Output) -> String {
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn not_upgraded(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        complaint.starts_with("skiffd: not upgraded: "),
        "{complaint}"
    );
    complaint
}

/// Somebody who connects all the while; counts who was sent away.
struct Caller {
    is_over: Arc<AtomicBool>,
    calls: JoinHandle<(usize, usize)>,
}

impl Caller {
    fn new(call: impl Fn() -> u16 + Send + 'static) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&is_over);
        let calls = thread::spawn(move || {
            let mut counts = (0, 0);
            while !ends.load(Ordering::Relaxed) {
                match call() {
                    200 | 220 => counts.0 += 1,
                    421 => counts.1 += 1,
                    other => panic!("{other}"),
                }
            }
            counts
        });
        Self { is_over, calls }
    }

    /// Who was connected in the moment of the change may have been sent away, and nobody else.
    #[track_caller]
    fn was_let_in(self) {
        self.is_over.store(true, Ordering::Relaxed);
        let (let_in, sent_away) = self.calls.join().unwrap();
        assert!(let_in > 0 && sent_away <= 1, "{let_in} {sent_away}");
    }
}

fn call_native(address: SocketAddr) -> u16 {
    let mut peer = Peer::new(Wire::open(address, Speech::Tls));
    // One that is sent away may have closed already.
    let _ = peer.try_send(b"NOOP\r\n");
    peer.try_reply().unwrap().code
}

fn call_ftp(address: SocketAddr) -> u16 {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut line = String::new();
    BufReader::new(socket).read_line(&mut line).unwrap();
    line[..3].parse().unwrap()
}

/// A hundred transfers, half of what goes up sent, of what comes down nothing read.
struct Transfers {
    up: Vec<u8>,
    natives_up: Vec<Peer>,
    natives_down: Vec<Peer>,
    ftps_up: Vec<(Ftp, TcpStream)>,
    ftps_down: Vec<(Ftp, TcpStream)>,
}

impl Transfers {
    fn begin(daemon: &Daemon, down: &[u8]) -> Self {
        for user in ["tom", "jerry"] {
            fs::write(daemon.home(user).join("down"), down).unwrap();
        }
        let up = noise(1, UP);
        let native = |_| daemon.login("tom");
        let ftp = |line: String| {
            let mut ftp = Ftp::login(daemon.ftp_address(), "jerry");
            let lane = ftp.passive();
            assert_eq!(ftp.ask(&line), 150);
            (ftp, lane)
        };
        let mut natives_up: Vec<_> = (0..EACH).map(native).collect();
        for (number, peer) in natives_up.iter_mut().enumerate() {
            peer.ask(&format!("STOR size={UP} up-{number}"), 150);
            peer.frames(&up[..UP / 2]);
        }
        let mut natives_down: Vec<_> = (0..EACH).map(native).collect();
        for peer in &mut natives_down {
            peer.ask("RETR start=0 down", 150);
        }
        let ups = (0..EACH).map(|number| ftp(format!("STOR up-{number}")));
        let mut ftps_up: Vec<_> = ups.collect();
        for (_, lane) in &mut ftps_up {
            lane.write_all(&up[..UP / 2]).unwrap();
        }
        let downs = (0..EACH).map(|_| ftp("RETR down".to_owned()));
        Self {
            ftps_down: downs.collect(),
            up,
            natives_up,
            natives_down,
            ftps_up,
        }
    }

    /// Ends them all; each must succeed, and its session be told to leave.
    fn finish(self, daemon: &Daemon, down: &[u8]) {
        for mut peer in self.natives_up {
            peer.fill(&self.up[UP / 2..], &self.up);
            peer.expect(421);
        }
        for mut peer in self.natives_down {
            let (body, tail) = peer.body();
            assert!(body == down && tail == Tail::End);
            peer.expect(226);
            peer.expect(421);
        }
        for (mut ftp, mut lane) in self.ftps_up {
            lane.write_all(&self.up[UP / 2..]).unwrap();
            drop(lane);
            assert_eq!((ftp.heard(), ftp.heard()), (226, 421));
        }
        for (mut ftp, mut lane) in self.ftps_down {
            let mut body = Vec::new();
            lane.read_to_end(&mut body).unwrap();
            assert!(body == down);
            drop(lane);
            assert_eq!((ftp.heard(), ftp.heard()), (226, 421));
        }
        for user in ["tom", "jerry"] {
            for number in 0..EACH {
                let stored = fs::read(daemon.home(user).join(format!("up-{number}")));
                assert!(stored.unwrap() == self.up, "{user} {number}");
            }
        }
    }
}

#[test]
fn a_hundred_transfers_finish_and_nobody_is_refused() {
    let mut daemon = daemon();
    let (address, ftp_address, first) = (daemon.address(), daemon.ftp_address(), daemon.pid());
    let down = noise(2, DOWN);
    let transfers = Transfers::begin(&daemon, &down);
    until("a hundred transfers", || {
        let all = told(&daemon, &["who"]);
        let busy = all.iter().filter(|row| row["bytes"].as_u64() > Some(0));
        (busy.count() == 4 * EACH).then_some(())
    });
    let callers = [
        Caller::new(move || call_native(address)),
        Caller::new(move || call_ftp(ftp_address)),
    ];
    let mut idle = daemon.login("sam");
    let said = upgraded(daemon.upgrade(&[]));
    let replaced = format!("process {first} lets its ");
    assert!(
        said.contains(&replaced) && said.ends_with("60 s\n"),
        "{said}"
    );
    assert_ne!(daemon.pid(), first);
    idle.expect(421);
    // Who has no transfer there is served here at once, while they go on.
    daemon.login("sam").put("", "at-once", b"12345");
    Ftp::login(ftp_address, "sam");
    let rows = told(&daemon, &["who"]);
    assert!(rows.iter().all(|row| row["bytes"].is_null()), "{rows:?}");
    // Whose home is in use there waits for it.
    let waiting: Vec<_> = ["tom", "jerry"]
        .into_iter()
        .map(|user| {
            thread::spawn(move || {
                let mut peer = Peer::new(Wire::open(address, Speech::Tls));
                assert_eq!(peer.login(user, PASSWORD).code, 230);
                peer.used()
            })
        })
        .collect();
    transfers.finish(&daemon, &down);
    daemon.first_ends_well();
    for login in waiting {
        let used = (EACH * UP + DOWN) as u64;
        assert_eq!(login.join().unwrap(), used, "of both processes");
    }
    for caller in callers {
        caller.was_let_in();
    }
    daemon.wait_log(&format!("process {first}, which was replaced, has ended"));
    daemon.stop();
    assert!(!socket_path(&daemon).exists());
}

#[test]
fn the_new_process_goes_by_the_settings_of_now_and_can_be_steered_and_replaced() {
    let mut daemon = daemon();
    let mut before = daemon.pid();
    for round in 1..=3_u32 {
        let keys = format!("{BOTH} limits: (sessions_per_user: {round}),");
        let keys = format!("native: (listen: [\"127.0.0.1:0\"]), {keys}");
        write_settings(daemon.folder(), &keys);
        let number_file = daemon.folder().join("skiffd.pid");
        let words = ["--for", "5s", "--pid-file", number_file.to_str().unwrap()];
        let said = until("the end of the process before", || {
            let output = daemon.upgrade(&words);
            let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
            let is_early = complaint.contains("has not finished its sessions");
            (!is_early).then(|| upgraded(output))
        });
        assert!(said.ends_with(" for 5 s\n"), "{said}");
        assert_ne!(daemon.pid(), before);
        before = daemon.pid();
        if round == 1 {
            // The control socket must not be taken for that of the one that has made it.
            daemon.first_ends_well();
        }
        for file in [number_file, daemon.folder().join("state/lock")] {
            let number = fs::read_to_string(file).unwrap();
            assert_eq!(number, format!("{}\n", daemon.pid()));
        }
        let _all: Vec<_> = (0..round).map(|_| daemon.login("tom")).collect();
        assert_eq!(daemon.peer().login("tom", PASSWORD).code, 421);
        until("the end of the one too many", || {
            (told(&daemon, &["who"]).len() == round as usize).then_some(())
        });
        assert!(daemon.reload().status.success());
        let kicked = shown(&daemon, &["kick", "--user", "tom"]);
        assert!(kicked.contains("end"), "{kicked}");
    }
    // It waits for the end of the process that serves, not of the first.
    shown(&daemon, &["drain", "--for", "1s"]);
    daemon.ends_well();
    daemon.start();
    daemon.login("tom");
}

#[test]
fn what_cannot_start_leaves_the_daemon_as_it_was() {
    let mut daemon = daemon();
    let (before, mut tom) = (daemon.pid(), daemon.login("tom"));
    tom.ask("STOR size=5 file", 150);
    tom.frame(b"123");
    let serves_on = format!("; process {before} serves on\n");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let right = fs::read(daemon.settings()).unwrap();
    for (keys, part, may_be_tried) in [
        ("homez: \"x\",", "homez", false),
        ("users: \"server.ron\",", "server.ron", true),
        (
            "tls: (certificate: \"no.pem\", key: \"no.pem\"),",
            "no.pem",
            true,
        ),
        (&format!("metrics: (listen: \"{taken}\"),"), "metrics", true),
    ] {
        let listen = "native: (listen: [\"127.0.0.1:0\"]),";
        write_settings(daemon.folder(), &format!("{listen} {BOTH} {keys}"));
        let complaint = not_upgraded(&daemon.upgrade(&[]));
        assert!(complaint.contains(part), "{complaint}");
        assert_eq!(complaint.ends_with(&serves_on), may_be_tried, "{complaint}");
        assert_eq!(daemon.pid(), before);
        let number = fs::read_to_string(daemon.folder().join("state/lock")).unwrap();
        assert_eq!(number, format!("{before}\n"));
        daemon.login("jerry").ask("PWD", 257);
        fs::write(daemon.settings(), &right).unwrap();
        super::session(&daemon, "user", "tom", |row| row["bytes"] == json!(3));
    }
    tom.frame(b"45");
    tom.tail(Tail::End);
    tom.ask(&format!("225 md5={}", md5(b"12345")), 226);
    daemon.stop();
    let complaint = refused(&daemon, &["upgrade"]);
    assert!(complaint.contains("no daemon runs"), "{complaint}");
}

#[test]
fn a_demo_is_not_replaced() {
    let mut daemon = Daemon::demo();
    let complaint = not_upgraded(&daemon.upgrade(&[]));
    assert!(complaint.contains("a demo is not replaced"), "{complaint}");
    daemon.login("tom");
}

/// Homes change hands as their sessions end; the next process comes only after all have.
#[test]
fn each_home_is_handed_over_and_a_second_process_waits_for_all() {
    let mut daemon = daemon();
    let first = daemon.pid();
    let mut both = ["tom", "jerry"].map(|user| {
        let mut peer = daemon.login(user);
        peer.ask("STOR size=10 file", 150);
        peer.frame(b"12345");
        peer
    });
    upgraded(daemon.upgrade(&["--for", "1h"]));
    let [tom, jerry] = &mut both;
    jerry.fill(b"67890", b"1234567890");
    jerry.expect(421);
    let mut jerry = daemon.login("jerry");
    assert_eq!(jerry.used(), 10);
    jerry.put("", "other", b"12345");
    assert_eq!(jerry.used(), 15);
    let complaint = not_upgraded(&daemon.upgrade(&[]));
    let wanted = format!("process {first}, which was replaced, has not finished its sessions");
    assert!(complaint.contains(&wanted), "{complaint}");
    tom.fill(b"67890", b"1234567890");
    tom.expect(421);
    daemon.first_ends_well();
    daemon.wait_log("which was replaced, has ended");
    upgraded(daemon.upgrade(&[]));
    assert_eq!(daemon.login("tom").get("file"), b"1234567890");
}

/// What came of an upload is there for the session that goes on with it, in the other process.
#[test]
fn an_upload_that_is_cut_off_there_goes_on_here() {
    let mut daemon = daemon();
    let mut tom = daemon.login("tom");
    tom.ask("STOR size=10 file", 150);
    tom.frame(b"12345");
    super::session(&daemon, "path", "/file", |row| row["bytes"] == json!(5));
    upgraded(daemon.upgrade(&["--for", "1s"]));
    // The login waits for the home.
    let mut again = daemon.login("tom");
    let part = again.ask("STOR size=10 file", 210);
    assert_eq!(part.number("have"), 5);
    again.ask("211", 212);
    again.fill(b"67890", b"1234567890");
    assert_eq!(again.used(), 10);
}

#[test]
fn metrics_are_told_by_the_new_process() {
    let listen = "metrics: (listen: \"unix:metrics.sock\"),";
    let mut daemon = Daemon::configured(&format!("{BOTH} {listen}"));
    let ask = |daemon: &Daemon| {
        let path = daemon.folder().join("metrics.sock");
        let mut door = std::os::unix::net::UnixStream::connect(path).unwrap();
        door.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        let mut heard = String::new();
        door.read_to_string(&mut heard).unwrap();
        heard
    };
    let _tom = daemon.login("tom");
    let sessions = "skiffd_sessions{dialect=\"native\"}";
    assert!(
        ask(&daemon).contains(&format!("{sessions} 1\n")),
        "{}",
        ask(&daemon)
    );
    upgraded(daemon.upgrade(&[]));
    assert!(
        ask(&daemon).contains(&format!("{sessions} 0\n")),
        "{}",
        ask(&daemon)
    );
}

/// It believes only the process that it knows, which therefore names the next one.
#[test]
fn the_service_manager_learns_who_serves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let heard = || {
        let mut buffer = [0; 4096];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let variable = format!("NOTIFY_SOCKET={}", path.display()).leak();
    let mut daemon = Daemon::configured_behind("", vec!["env", variable].leak());
    assert!(heard().starts_with("READY=1\n"));
    upgraded(daemon.upgrade(&[]));
    assert_eq!(heard(), format!("MAINPID={}", daemon.pid()));
    assert_eq!(
        heard(),
        format!("READY=1\nSTATUS=serving on {}", daemon.address())
    );
    daemon.first_ends_well();
    daemon.stop();
    assert!(heard().starts_with("STOPPING=1\n"));
}
