//! The daemon's end of the control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token, Waker};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Uid, geteuid};

use super::answer::Line;
use super::command::{Answer, Command, Part, Request};
use super::socket_path;

/// Clients that are served at a time.
const CLIENTS_MAX: usize = 8;
/// Bytes of the longest command.
const COMMAND_MAX: u64 = 4096;
/// How long a client may take to send its next command.
const IDLE: Duration = Duration::from_secs(60);
/// How long a client may take to read a line.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the end of the daemon waits for answers that are being written.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The listening socket, and the commands that came in.
pub(crate) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
    requests: Receiver<Request>,
    to_reactor: ToReactor,
    clients: Arc<AtomicUsize>,
}

/// Passes commands to the reactor, and wakes it.
#[derive(Clone)]
struct ToReactor {
    requests: Sender<Request>,
    waker: Arc<Waker>,
    /// Commands whose answers are not written yet.
    unanswered: Arc<AtomicUsize>,
}

impl ControlSocket {
    /// Makes the socket of the state folder `state`, which the caller has locked: a socket that is
    /// there is left over.
    pub(crate) fn bind(state: &Path, waker: &Arc<Waker>) -> io::Result<Self> {
        let path = socket_path(state);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let (sender, requests) = unbounded();
        Ok(Self {
            listener,
            path,
            requests,
            to_reactor: ToReactor {
                requests: sender,
                waker: Arc::clone(waker),
                unanswered: Arc::default(),
            },
            clients: Arc::default(),
        })
    }

    pub(crate) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let fd = self.listener.as_raw_fd();
        registry.register(&mut SourceFd(&fd), token, Interest::READABLE)
    }

    /// Accepts all clients that wait, and has a thread serve each.
    pub(crate) fn accept(&self) {
        loop {
            match self.listener.accept() {
                Ok((client, _)) => self.admit(client),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The next client is a new edge.
                Err(error) => return log::warn!("a control command is not heard: {error}"),
            }
        }
    }

    /// The next command that came in.
    pub(crate) fn next(&self) -> Option<Request> {
        self.requests.try_recv().ok()
    }

    fn admit(&self, client: UnixStream) {
        match socket_peercred(&client) {
            Ok(peer) if may_command(peer.uid, geteuid()) => self.serve(client),
            Ok(peer) => {
                let uid = peer.uid.as_raw();
                log::warn!("the control socket serves root and its owner only, not uid {uid}");
                refuse(client, "only root and the daemon's own user may do that");
            }
            Err(error) => log::warn!("a control client cannot be known: {error}"),
        }
    }

    fn serve(&self, client: UnixStream) {
        if self.clients.fetch_add(1, Ordering::Relaxed) >= CLIENTS_MAX {
            self.clients.fetch_sub(1, Ordering::Relaxed);
            return refuse(client, "too many others are connected, try again");
        }
        let (to_reactor, clients) = (self.to_reactor.clone(), Arc::clone(&self.clients));
        let serving = std::thread::Builder::new().name("control".to_owned());
        let serving = serving.spawn(move || {
            if let Err(error) = converse(&client, &to_reactor) {
                log::debug!("a control client is gone: {error}");
            }
            clients.fetch_sub(1, Ordering::Relaxed);
        });
        if let Err(error) = serving {
            self.clients.fetch_sub(1, Ordering::Relaxed);
            log::warn!("a control command is not heard: {error}");
        }
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // Who has said that the daemon is to end is told that it does.
        let until = Instant::now() + LAST_ANSWERS;
        while self.to_reactor.unanswered.load(Ordering::Relaxed) > 0 && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(1));
        }
        // What stays is removed by the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Whether a process of the user `peer` may steer a daemon of the user `own`.
fn may_command(peer: Uid, own: Uid) -> bool {
    peer.is_root() || peer == own
}

/// Says why a client is not served, if that is possible at once.
fn refuse(mut client: UnixStream, why: &str) {
    let why = why.to_owned();
    let mut text = Line::Failed { why }.to_json();
    text.push('\n');
    text.push_str(&Line::Done.to_json());
    text.push('\n');
    if client.set_nonblocking(true).is_ok() {
        let _ = client.write(text.as_bytes());
    }
}

/// Answers the commands of a client, one after the other.
fn converse(client: &UnixStream, to_reactor: &ToReactor) -> io::Result<()> {
    client.set_read_timeout(Some(IDLE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut input = BufReader::new(client);
    let mut line = Vec::new();
    loop {
        line.clear();
        input
            .by_ref()
            .take(COMMAND_MAX)
            .read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        if line.pop_if(|last| *last == b'\n').is_none() {
            return write_line(
                client,
                &failed("a command is one line of at most 4096 bytes"),
            );
        }
        to_reactor.unanswered.fetch_add(1, Ordering::Relaxed);
        let written = answer_line(client, &line, to_reactor);
        to_reactor.unanswered.fetch_sub(1, Ordering::Relaxed);
        written?;
    }
}

fn answer_line(client: &UnixStream, line: &[u8], to_reactor: &ToReactor) -> io::Result<()> {
    match Command::parse(line) {
        Ok(command) => answer(client, &command, to_reactor)?,
        Err(why) => write_line(client, &failed(&why))?,
    }
    write_line(client, &Line::Done)
}

fn failed(why: &str) -> Line {
    Line::Failed {
        why: why.to_owned(),
    }
}

/// Writes the answer to a command but its end. A long one is asked for piece by piece, as the client
/// reads it.
fn answer(client: &UnixStream, command: &Command, to_reactor: &ToReactor) -> io::Result<()> {
    let mut from = 0;
    loop {
        let (sender, parts) = unbounded();
        let request = Request {
            command: command.clone(),
            from,
            answer: Answer(sender),
        };
        if to_reactor.requests.send(request).is_err() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        to_reactor.waker.wake()?;
        from = match write_piece(client, &parts)? {
            Some(more) => more,
            None => return Ok(()),
        };
    }
}

/// Returns where the answer goes on, if it does.
fn write_piece(client: &UnixStream, parts: &Receiver<Part>) -> io::Result<Option<usize>> {
    for part in parts {
        match part {
            Part::Line(line) => write_line(client, &line)?,
            Part::More(from) => return Ok(Some(from)),
            Part::Done => return Ok(None),
        }
    }
    // The reactor has ended.
    Err(io::ErrorKind::BrokenPipe.into())
}

fn write_line(mut client: &UnixStream, line: &Line) -> io::Result<()> {
    let mut text = line.to_json();
    text.push('\n');
    client.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_owner_command() {
        let uid = Uid::from_raw;
        for (peer, own, may) in [
            (0, 0, true),
            (0, 990, true),
            (990, 990, true),
            (1000, 990, false),
            (1000, 0, false),
        ] {
            assert_eq!(may_command(uid(peer), uid(own)), may, "{peer} {own}");
        }
    }
}
