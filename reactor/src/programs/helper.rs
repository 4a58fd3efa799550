//! A helper: the daemon's own program, started again before the walls are raised, at the other end
//! of a socket pair. It has the daemon's user and none of its walls.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::thread::clear_ambient_capability_set;

/// The program that runs, wherever its file is now.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// The daemon's end of the socket, and the process, which is never waited for: it ends with the
/// socket, after the daemon.
pub(crate) struct Helper {
    pub(crate) socket: OwnedFd,
    pub(crate) process: Child,
}

/// Starts the helper that `word` names; its end of the socket is its standard input. The process
/// must have no walls yet.
pub(crate) fn start(
    word: &str,
    words: impl IntoIterator<Item: AsRef<OsStr>>,
) -> io::Result<Helper> {
    let (socket, theirs) = pair()?;
    let process = Command::new(OWN_PROGRAM)
        .arg0("skiffd")
        .arg(word)
        .args(words)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::from(theirs))
        .stdout(Stdio::null())
        // Ctrl-C is for the daemon, which lets transfers finish.
        .process_group(0)
        .spawn()?;
    Ok(Helper { socket, process })
}

/// Two ends of a socket that keeps messages apart.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    Ok(socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        flags,
        None,
    )?)
}

/// Gives up, in the helper, what programs are not to inherit.
pub(crate) fn settle() {
    // Ports under 1024 and the owners of files are the daemon's: what has no ambient capability gets
    // none by executing the program. EINVAL: a kernel before 4.3, which has no such set.
    let _ = clear_ambient_capability_set();
    // Passwords and names pass through its memory.
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
}
