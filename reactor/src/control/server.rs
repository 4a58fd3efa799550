//! The daemon's end of the control socket.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::unix::SourceFd;
use mio::{Interest, Registry, Token, Waker};

use super::command::{Answer, Command, Line, Request};
use super::socket_path;

/// Clients that are served at a time.
const CLIENTS_MAX: usize = 8;
/// Bytes of the longest command.
const COMMAND_MAX: u64 = 4096;
/// How long a client may take to send its command, or to read a line.
const PATIENCE: Duration = Duration::from_secs(5);

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
                Ok((client, _)) => self.serve(client),
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

    fn serve(&self, client: UnixStream) {
        if self.clients.fetch_add(1, Ordering::Relaxed) >= CLIENTS_MAX {
            self.clients.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let (to_reactor, clients) = (self.to_reactor.clone(), Arc::clone(&self.clients));
        let serving = std::thread::Builder::new().name("control".to_owned());
        let serving = serving.spawn(move || {
            if let Err(error) = converse(client, &to_reactor) {
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
        // What stays is removed by the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Reads a command, and writes the lines of its answer.
fn converse(client: UnixStream, to_reactor: &ToReactor) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    BufReader::new((&client).take(COMMAND_MAX)).read_line(&mut line)?;
    let (sender, lines) = unbounded();
    match Command::parse(line.trim_end_matches('\n')) {
        Ok(command) => {
            let answer = Answer(sender);
            let request = Request { command, answer };
            if to_reactor.requests.send(request).is_err() {
                return Ok(());
            }
            to_reactor.waker.wake()?;
        }
        Err(why) => {
            let answer = Answer(sender);
            answer.fail(why);
            answer.done();
        }
    }
    for line in lines {
        writeln!(&client, "{line}")?;
        if line == Line::Done {
            break;
        }
    }
    Ok(())
}
