//! Notifies the service manager (sd_notify(3)) of readiness, reloads and the stop.
//!
//! Does nothing where no service manager asked, or where it cannot be reached: the daemon serves
//! all the same.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::time::{ClockId, clock_gettime};

/// The service manager's socket, where there is one.
static MANAGER: OnceLock<UnixDatagram> = OnceLock::new();

/// Set once another process is the manager's.
static IS_REPLACED: AtomicBool = AtomicBool::new(false);

/// Connects to the service manager, with the rights of the start: the socket of start-stop-daemon(8)
/// is in a folder of root's.
pub(crate) fn connect() {
    let socket = std::env::var_os("NOTIFY_SOCKET");
    if let Some(Ok(manager)) = socket.map(|socket| connect_to(&socket)) {
        // A second daemon in a process is one of a test's.
        let _ = MANAGER.set(manager);
    }
}

/// Uses the connection of the process before.
pub(crate) fn adopt(manager: OwnedFd) {
    let _ = MANAGER.set(UnixDatagram::from(manager));
}

/// Another descriptor of the connection, where there is one.
pub(crate) fn descriptor() -> Option<io::Result<OwnedFd>> {
    let manager = MANAGER.get();
    manager.map(|manager| manager.as_fd().try_clone_to_owned())
}

/// Reports that `process` serves from now on, which reports what follows.
pub(crate) fn give_way(process: u32) {
    send(&format!("MAINPID={process}"));
    IS_REPLACED.store(true, Ordering::Relaxed);
}

/// Reports that the daemon serves: after the start, and after each reload; with what a person is
/// shown by `systemctl status`.
pub(crate) fn ready(status: &str) {
    send(&with_status("READY=1", status));
}

/// Reports that the configuration is being read again; [`ready`] must follow.
pub(crate) fn reloading() {
    // Type=notify-reload matches a reload to its answer by this time.
    let now = clock_gettime(ClockId::Monotonic);
    let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
    send(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
}

/// Reports that the daemon is stopping.
pub(crate) fn stopping(status: &str) {
    send(&with_status("STOPPING=1", status));
}

/// A line end would begin another variable.
fn with_status(state: &str, status: &str) -> String {
    let status = status.replace(|c: char| c.is_control(), " ");
    format!("{state}\nSTATUS={status}")
}

fn send(state: &str) {
    if let Some(manager) = MANAGER.get()
        && !IS_REPLACED.load(Ordering::Relaxed)
    {
        // Best effort, see the head of this file.
        let _ = manager.send(state.as_bytes());
    }
}

fn connect_to(socket: &OsStr) -> io::Result<UnixDatagram> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(OsString::from(socket))?,
    };
    // A manager whose queue is full must not block the reactor.
    let datagram = UnixDatagram::unbound()?;
    datagram.set_nonblocking(true)?;
    datagram.connect_addr(&address)?;
    Ok(datagram)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(manager: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn reaches_a_socket_with_a_path() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let own = connect_to(path.as_os_str()).unwrap();
        own.send(b"READY=1").unwrap();
        assert_eq!(received(&manager), "READY=1");
    }

    #[test]
    fn reaches_an_abstract_socket() {
        let name = format!("skiffd-notify-test-{}", std::process::id());
        let manager =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let own = connect_to(OsStr::new(&format!("@{name}"))).unwrap();
        own.send(b"STOPPING=1").unwrap();
        assert_eq!(received(&manager), "STOPPING=1");
    }

    #[test]
    fn a_status_is_one_line() {
        let told = with_status("READY=1", "not reloaded: a\nMAINPID=1");
        assert_eq!(told, "READY=1\nSTATUS=not reloaded: a MAINPID=1");
    }

    #[test]
    fn a_manager_that_is_gone_is_an_error_and_no_panic() {
        assert!(connect_to(OsStr::new("/nowhere/notify")).is_err());
    }
}
