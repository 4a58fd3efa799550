//! The daemon's end of the control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token, Waker};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Uid, geteuid};

use super::answer::Line;
use super::command::{Answer, Command, Part, Request};
use super::{descriptors, socket_path};

/// Clients that are served at a time.
const CLIENTS_MAX: usize = 8;
/// Bytes of the longest command.
const COMMAND_MAX: u64 = 4096;
/// How long a client may take to send its next command.
const IDLE: Duration = Duration::from_secs(60);
/// How long a client may take to read a line.
const PATIENCE: Duration = Duration::from_secs(5);
/// Time between two looks whether a client is still there for whom something takes long.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long the end of the daemon waits for answers that are being written.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The listening socket, and the commands that came in.
pub(crate) struct ControlSocket {
    /// `None` once another process has it.
    listener: Option<UnixListener>,
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
        Self::of(listener, state, waker)
    }

    /// The socket of the state folder `state`, which the process before has made.
    pub(crate) fn of(listener: UnixListener, state: &Path, waker: &Arc<Waker>) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let (sender, requests) = unbounded();
        Ok(Self {
            listener: Some(listener),
            path: socket_path(state),
            requests,
            to_reactor: ToReactor {
                requests: sender,
                waker: Arc::clone(waker),
                unanswered: Arc::default(),
            },
            clients: Arc::default(),
        })
    }

    /// Another descriptor of the socket.
    pub(crate) fn descriptor(&self) -> Option<io::Result<OwnedFd>> {
        let listener = self.listener.as_ref();
        listener.map(|listener| listener.as_fd().try_clone_to_owned())
    }

    /// Leaves the socket to the process that has a descriptor of it. Who is connected is served on.
    pub(crate) fn give_away(&mut self, registry: &Registry) {
        if let Some(listener) = self.listener.take() {
            // A descriptor that is closed stays registered while another process has one of the
            // same socket (epoll(7)).
            let fd = listener.as_raw_fd();
            let _ = registry.deregister(&mut SourceFd(&fd));
        }
    }

    pub(crate) fn register(&self, registry: &Registry, token: Token) -> io::Result<()> {
        let Some(listener) = &self.listener else {
            return Ok(());
        };
        let fd = listener.as_raw_fd();
        registry.register(&mut SourceFd(&fd), token, Interest::READABLE)
    }

    /// Accepts all clients that wait, and has a thread serve each.
    pub(crate) fn accept(&self) {
        let Some(listener) = &self.listener else {
            return;
        };
        loop {
            match listener.accept() {
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
            // Whom nobody answers any more is cut.
            drop(self.next());
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.listener.is_some() {
            // What stays is removed by the next start.
            let _ = std::fs::remove_file(&self.path);
        }
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
    loop {
        match parts.recv_timeout(LOOK_EVERY) {
            Ok(Part::Line(line)) => write_line(client, &line)?,
            Ok(Part::Handed(what, descriptor)) => {
                let line = Line::Handed(what).to_json() + "\n";
                descriptors::send(client, line.as_bytes(), descriptor.as_fd())?;
            }
            Ok(Part::More(from)) => return Ok(Some(from)),
            Ok(Part::Done) => return Ok(None),
            // A worker may hang on a disk.
            Err(RecvTimeoutError::Timeout) if !is_gone(client)? => {}
            // Or the reactor has ended.
            Err(_) => return Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

/// Whether the client has closed its end; one that has only nothing more to ask still reads.
fn is_gone(client: &UnixStream) -> io::Result<bool> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut fds = [PollFd::new(client, PollFlags::empty())];
    poll(&mut fds, Some(&now))?;
    Ok(fds[0].revents().contains(PollFlags::HUP))
}

fn write_line(mut client: &UnixStream, line: &Line) -> io::Result<()> {
    let mut text = line.to_json();
    text.push('\n');
    client.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::net::Shutdown;

    use mio::Poll;

    use super::*;

    /// It would take the place of another for as long as a disk hangs.
    #[test]
    fn a_client_that_is_gone_is_not_waited_for_and_one_that_only_reads_is() {
        let poll = Poll::new().unwrap();
        let (requests, received) = unbounded();
        let to_reactor = ToReactor {
            requests,
            waker: Arc::new(Waker::new(poll.registry(), Token(0)).unwrap()),
            unanswered: Arc::default(),
        };
        let begin = || {
            let (mut client, daemon) = UnixStream::pair().unwrap();
            client.write_all(b"{\"do\":\"quota\"}\n").unwrap();
            let to_reactor = to_reactor.clone();
            let serving = std::thread::spawn(move || converse(&daemon, &to_reactor));
            (client, serving, received.recv().unwrap())
        };
        let (client, serving, hanging) = begin();
        drop(client);
        assert!(serving.join().unwrap().is_err());
        assert!(!hanging.answer.say("too late"));
        let (mut client, serving, request) = begin();
        client.shutdown(Shutdown::Write).unwrap();
        assert!(!is_gone(&client).unwrap());
        std::thread::sleep(LOOK_EVERY * 2);
        assert!(request.answer.say("at last"));
        request.answer.done();
        let mut heard = String::new();
        client.read_to_string(&mut heard).unwrap();
        assert_eq!(
            heard,
            "{\"is\":\"said\",\"text\":\"at last\"}\n{\"is\":\"done\"}\n"
        );
        serving.join().unwrap().unwrap();
        assert_eq!(to_reactor.unanswered.load(Ordering::Relaxed), 0);
    }

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
