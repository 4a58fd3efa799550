//! Listening sockets that the service manager has made and keeps (sd_listen_fds(3)).

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::thread;

use rustix::fd::AsRawFd;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::Signal;

use crate::harness::{Daemon, PASSWORD, Peer, Speech, Tail, Wire, md5, noise};

/// Room for a hundred sessions of one user.
const ROOM: &str = "limits: (sessions_per_user: 500, before_login: 500),";

/// Passes the descriptors of its first argument on as the service manager does, and becomes the
/// daemon.
const MANAGER: &str = "
import fcntl, os, sys
numbers = [int(number) for number in sys.argv[1].split(',')]
kept = [fcntl.fcntl(number, fcntl.F_DUPFD, 100) for number in numbers]
for at, number in enumerate(kept):
    os.dup2(number, 3 + at)
os.environ['LISTEN_FDS'] = str(len(kept))
os.environ['LISTEN_PID'] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
";

/// Sockets that are listened on all the time, and the command that passes them on.
fn managed(count: usize) -> (Vec<TcpListener>, SocketAddr, &'static [&'static str]) {
    let sockets: Vec<_> = (0..count)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    for socket in &sockets {
        fcntl_setfd(socket, FdFlags::empty()).unwrap();
    }
    let numbers: Vec<_> = sockets
        .iter()
        .map(|socket| socket.as_raw_fd().to_string())
        .collect();
    let numbers: &str = numbers.join(",").leak();
    let address = sockets[0].local_addr().unwrap();
    (
        sockets,
        address,
        vec!["python3", "-c", MANAGER, numbers].leak(),
    )
}

#[test]
fn nobody_is_refused_while_the_daemon_restarts() {
    let (_sockets, address, manager) = managed(1);
    let mut daemon = Daemon::activated(address, "", manager);
    daemon.login("tom").put("", "a", b"x");
    daemon.stop();
    let caller = thread::spawn(move || {
        let mut peer = Peer::new(Wire::open(address, Speech::Tls));
        peer.login("tom", PASSWORD).code
    });
    daemon.start();
    assert_eq!(caller.join().unwrap(), 230);
}

#[test]
fn a_socket_that_no_key_names_is_told() {
    let (sockets, address, manager) = managed(2);
    let daemon = Daemon::activated(address, "", manager);
    let other = sockets[1].local_addr().unwrap();
    let told = format!("the service manager listens on {other}, which no listen key names; closed");
    daemon.wait_log(&told);
    daemon.login("tom").put("", "a", b"x");
}

/// A hundred uploads are under way when the daemon is told to stop; meanwhile others connect.
#[test]
fn a_hundred_transfers_outlive_a_restart_and_nobody_is_refused() {
    const SIZE: usize = 100_000;
    let (_sockets, address, manager) = managed(1);
    let mut daemon = Daemon::activated(address, ROOM, manager);
    let data = noise(1, SIZE);
    let mut peers: Vec<_> = (0..100)
        .map(|number| {
            let mut peer = daemon.login("tom");
            peer.ask(&format!("STOR size={SIZE} file{number}"), 150);
            peer.frames(&data[..SIZE / 2]);
            peer
        })
        .collect();
    let mut idle = daemon.login("tom");
    daemon.signal(Signal::TERM);
    idle.expect(421);
    let callers: Vec<_> = (0..10)
        .map(|_| {
            thread::spawn(move || {
                let mut peer = Peer::new(Wire::open(address, Speech::Tls));
                peer.login("tom", PASSWORD).code
            })
        })
        .collect();
    for peer in &mut peers {
        peer.frames(&data[SIZE / 2..]);
        peer.tail(Tail::End);
        peer.ask(&format!("225 md5={}", md5(&data)), 226);
    }
    daemon.ends_well();
    daemon.start();
    for caller in callers {
        assert_eq!(caller.join().unwrap(), 230);
    }
    for number in 0..100 {
        let stored = fs::read(daemon.home("tom").join(format!("file{number}"))).unwrap();
        assert!(stored == data, "file{number}");
    }
}
