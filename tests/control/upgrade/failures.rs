//! What may go wrong while one process takes the place of another: one serves in the end, and no home
//! is open in both.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::{Signal, getpid, set_child_subreaper};

use super::{daemon, not_upgraded, socket_path, upgraded};
use crate::control::Panel;
use crate::harness::{Daemon, PASSWORD, Peer, Speech, Wire, until, write_settings};

/// A daemon that hands over all it has, and at the last word does as its last argument says.
const OLD_DAEMON: &str = "
import array, fcntl, json, os, select, signal, socket, sys
state, address, last = sys.argv[1:]
lock = open(state + '/lock', 'w+')
fcntl.flock(lock, fcntl.LOCK_EX)
host, port = address.rsplit(':', 1)
listener = socket.create_server((host, int(port)))
control = socket.socket(socket.AF_UNIX)
control.bind(state + '/control')
control.listen(8)
print('listens', flush=True)
handed = [({'what': 'state-lock'}, lock), ({'what': 'control'}, control),
          ({'what': 'listener', 'address': address}, listener),
          ({'what': 'errors'}, sys.stderr)]
def serve(client):
    for line in client.makefile('r'):
        asked = json.loads(line)
        if asked['do'] == 'hand-over':
            for row, file in handed:
                text = json.dumps({'is': 'handed', **row}) + '\\n'
                rights = array.array('i', [file.fileno()])
                client.sendmsg([text.encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
        elif asked['do'] == 'give-way' and last == 'dies':
            os.kill(os.getpid(), signal.SIGKILL)
        elif asked['do'] == 'give-way' and last == 'kills':
            os.kill(asked['process'], signal.SIGKILL)
        elif asked['do'] == 'give-way':
            client.sendall(b'{\"is\":\"failed\",\"why\":\"not now\"}\\n')
        client.sendall(b'{\"is\":\"done\"}\\n')
while True:
    select.select([control], [], [])
    client, _ = control.accept()
    client.setblocking(True)
    try:
        serve(client)
    except OSError:
        # It has heard enough.
        pass
";

/// The process of [`OLD_DAEMON`] in the place of the daemon of this folder.
struct OldDaemon(Child);

impl OldDaemon {
    fn start(daemon: &Daemon, last: &str) -> Self {
        // Known to be free: the settings must name it.
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let keys = format!("native: (listen: [\"{address}\"]),");
        write_settings(daemon.folder(), &keys);
        let mut child = Command::new("python3")
            .args(["-c", OLD_DAEMON])
            .arg(daemon.folder().join("state"))
            .args([address.to_string().as_str(), last])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let output = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
        assert_eq!(line, "listens\n");
        Self(child)
    }
}

impl Drop for OldDaemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn folder_of_one_that_has_ended() -> Daemon {
    let mut daemon = daemon();
    daemon.stop();
    daemon
}

#[test]
fn one_that_dies_at_the_last_word_is_replaced_all_the_same() {
    let mut daemon = folder_of_one_that_has_ended();
    let mut old = OldDaemon::start(&daemon, "dies");
    set_child_subreaper(Some(getpid())).unwrap();
    let output = daemon.operator(&["upgrade"]);
    let said = upgraded(output);
    assert!(
        said.contains("the process before has ended meanwhile"),
        "{said}"
    );
    assert_eq!(old.0.wait().unwrap().signal(), Some(9));
    // It has all that makes it the daemon of this folder.
    let number = fs::read_to_string(daemon.folder().join("state/lock")).unwrap();
    assert!(
        said.starts_with(&format!("process {} serves; ", number.trim())),
        "{said}"
    );
    let output = daemon.operator(&["drain", "--for", "1s"]);
    assert!(output.status.success(), "{output:?}");
    assert!(!socket_path(&daemon).exists());
    write_settings(daemon.folder(), "native: (listen: [\"127.0.0.1:0\"]),");
    daemon.start();
    daemon.login("tom");
}

#[test]
fn one_that_does_not_want_to_is_not_replaced() {
    let daemon = folder_of_one_that_has_ended();
    let mut old = OldDaemon::start(&daemon, "refuses");
    let complaint = not_upgraded(&daemon.operator(&["upgrade"]));
    assert!(complaint.contains("not now; process "), "{complaint}");
    assert!(old.0.try_wait().unwrap().is_none());
    // Nobody else listens: what was handed over is closed again.
    let (_, address) = listened(&daemon);
    TcpStream::connect(address).unwrap();
}

/// The address that the settings name, and the settings.
fn listened(daemon: &Daemon) -> (String, String) {
    let text = fs::read_to_string(daemon.settings()).unwrap();
    let address = text.split('"').nth(1).unwrap().to_owned();
    (text, address)
}

#[test]
fn one_that_is_killed_at_its_first_word_is_told() {
    let daemon = folder_of_one_that_has_ended();
    let _old = OldDaemon::start(&daemon, "kills");
    let complaint = not_upgraded(&daemon.operator(&["upgrade"]));
    assert!(
        complaint.contains("ended without a word (signal: 9"),
        "{complaint}"
    );
}

/// Who takes all, and is gone before the last word, changes nothing.
#[test]
fn what_was_handed_over_to_nobody_stays() {
    let mut daemon = daemon();
    let mut tom = daemon.login("tom");
    for _ in 0..3 {
        let mut panel = Panel::open(&daemon);
        let handed = panel.ask(r#"{"do":"hand-over"}"#);
        let whats: Vec<_> = handed
            .iter()
            .filter_map(|row| row["what"].as_str())
            .collect();
        for what in ["state-lock", "homes-lock", "listener", "control", "errors"] {
            assert!(whats.contains(&what), "{whats:?}");
        }
    }
    tom.put("", "file", b"12345");
    daemon.login("jerry");
    daemon.stop();
    daemon.start();
    assert_eq!(daemon.login("tom").get("file"), b"12345");
}

/// The new process dies while the old one finishes its sessions, as any daemon may: what the old one
/// stores is stored, and a third finds nothing locked.
#[test]
fn one_that_dies_later_leaves_no_lock_behind() {
    let mut daemon = daemon();
    let mut tom = daemon.login("tom");
    tom.ask("STOR size=10 file", 150);
    tom.frame(b"12345");
    upgraded(daemon.upgrade(&["--for", "1h"]));
    daemon.login("jerry").put("", "file", b"12345");
    daemon.signal(Signal::KILL);
    tom.fill(b"67890", b"1234567890");
    tom.expect(421);
    daemon.first_ends_well();
    daemon.forget();
    daemon.start();
    assert_eq!(daemon.login("tom").get("file"), b"1234567890");
    assert_eq!(daemon.login("jerry").get("file"), b"12345");
}

/// Here the new process cannot lock a home, as on some file systems, and does not open it while the
/// old one may have it open.
#[test]
fn a_home_without_locks_waits_for_the_end_of_the_old_process() {
    let mut daemon = daemon();
    let mut tom = daemon.login("tom");
    tom.ask("STOR size=10 file", 150);
    tom.frame(b"12345");
    let home = daemon.home("tom");
    let without_locks = [
        "strace",
        "-D",
        "-f",
        "-q",
        "-o",
        "/dev/null",
        "-P",
        home.to_str().unwrap(),
        "-e",
        "trace=flock",
        "-e",
        "inject=flock:error=EBADF",
    ];
    upgraded(daemon.upgrade_behind(&without_locks, &["--for", "1h"]));
    let (address, is_in) = (daemon.address(), Arc::new(AtomicBool::new(false)));
    let was_let_in = Arc::clone(&is_in);
    let login = thread::spawn(move || {
        let mut peer = Peer::new(Wire::open(address, Speech::Tls));
        assert_eq!(peer.login("tom", PASSWORD).code, 230);
        was_let_in.store(true, Ordering::Relaxed);
        peer.used()
    });
    until("the login to be heard", || {
        let rows = super::told(&daemon, &["who"]);
        rows.iter().any(|row| row["user"] == "tom").then_some(())
    });
    // Others are served meanwhile.
    for number in 0..20 {
        daemon.login("jerry").put("", &number.to_string(), b"12345");
    }
    assert!(
        !is_in.load(Ordering::Relaxed),
        "two processes have the home"
    );
    tom.fill(b"67890", b"1234567890");
    daemon.first_ends_well();
    assert_eq!(login.join().unwrap(), 10);
}
