//! A channel to one peer: a socket, in clear or under TLS, and the [`Lane`] that transfers use on
//! it.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::{Connection as TlsConnection, ProtocolVersion};
use skiff_conf::Resumption;
use skiff_sessions::lane::{Lane, Plain, Tls};
use skiff_sessions::transfer::SplicePipe;

use rustix::fs::sendfile;
use rustix::io::Errno;
use rustix::net::sockopt::set_tcp_quickack;
use rustix::pipe::{
    PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice,
};

use crate::tls::clients;
use crate::tls::ftp::{self, Offered, TicketGate, Tls13Fallback};

/// Size of a splice pipe in bytes: what /proc/sys/fs/pipe-max-size allows by default.
const PIPE_SIZE: usize = 1 << 20;

/// A socket with its TLS state. It is lent to a worker together with a transfer; the reactor keeps
/// the shared socket, so that it can shut down a channel that is lent.
pub(crate) struct Channel {
    socket: Arc<TcpStream>,
    /// Boxed, so that a session in clear does not pay for it.
    tls: Option<Box<TlsConnection>>,
    /// For an FTP control connection whose client has not said yet which versions it has.
    fallback: Option<Box<Tls13Fallback>>,
    proof: ProofState,
    /// What a data channel gives tickets through, until its handshake is done.
    gate: Option<TicketGate>,
}

/// Whether a data channel has been proven to belong to its session, by TLS resumption.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ProofState {
    /// Not yet: the handshake comes first, and is then judged by this rule.
    Due(Resumption),
    Judged(Proof),
    /// The channel is used, and the session has been told.
    Reported,
}

/// What a data channel's handshake says of whose it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Proof {
    /// The session's, as far as the rule demands.
    Own,
    /// Anybody's at the client's address.
    Doubtful,
    /// It had to resume, and did not.
    Foreign,
}

/// How far a TLS handshake got.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Handshake {
    Done,
    WantsRead,
    WantsWrite,
}

impl Channel {
    pub(crate) fn new(socket: Arc<TcpStream>, tls: Option<TlsConnection>) -> Self {
        Self {
            socket,
            tls: tls.map(Box::new),
            fallback: None,
            proof: ProofState::Reported,
            gate: None,
        }
    }

    pub(crate) fn socket(&self) -> &Arc<TcpStream> {
        &self.socket
    }

    pub(crate) fn is_clear(&self) -> bool {
        self.tls.is_none()
    }

    pub(crate) fn tls(&mut self) -> Option<&mut TlsConnection> {
        self.tls.as_deref_mut()
    }

    /// Switches an FTP control channel to TLS.
    pub(crate) fn secure_control(&mut self, tls: TlsConnection, fallback: Option<Tls13Fallback>) {
        self.tls = Some(Box::new(tls));
        self.fallback = fallback.map(Box::new);
    }

    /// Runs the TLS handshake until it is done or the socket would block.
    pub(crate) fn handshake(&mut self) -> io::Result<Handshake> {
        let Some(tls) = &mut self.tls else {
            return Ok(Handshake::Done);
        };
        let mut socket = &*self.socket;
        loop {
            while tls.wants_write() {
                // The client's hello was accepted.
                self.fallback = None;
                match tls.write_tls(&mut socket) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        return Ok(Handshake::WantsWrite);
                    }
                    other => other?,
                };
            }
            if !tls.is_handshaking() {
                return Ok(Handshake::Done);
            }
            let read = match &mut self.fallback {
                Some(fallback) => tls.read_tls(&mut fallback.record(&mut socket)),
                None => tls.read_tls(&mut socket),
            };
            match read {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.acknowledge();
                    return Ok(Handshake::WantsRead);
                }
                Err(error) => return Err(error),
            }
            let Err(refusal) = tls.process_new_packets() else {
                if let Some(gate) = &self.gate {
                    gate.close_unless_resuming(tls);
                }
                continue;
            };
            let after = self
                .fallback
                .take()
                .map(|fallback| fallback.after(refusal.clone()));
            match after.unwrap_or(Err(refusal)) {
                Ok(connection) => **tls = connection,
                Err(error) => {
                    // Best effort: the alert tells the peer why.
                    let _ = tls.write_tls(&mut socket);
                    return Err(io::Error::new(io::ErrorKind::InvalidData, error));
                }
            }
        }
    }

    /// Acknowledges what was read at once, before the peer is waited for. Clients that leave Nagle's
    /// algorithm on (lftp and Python's ftplib do) send the last bytes of a file, and those after a
    /// handshake, only when everything before them is acknowledged; Linux takes 40 ms otherwise. The
    /// option does not stay (tcp(7)).
    pub(crate) fn acknowledge(&self) {
        // Only a socket that has ended already refuses it.
        let _ = set_tcp_quickack(&*self.socket, true);
    }

    /// Switches a data channel to TLS; [`Self::judge`] will judge by `rule` whether it belongs to
    /// its session.
    pub(crate) fn secure_data(&mut self, tls: TlsConnection, gate: TicketGate, rule: Resumption) {
        self.gate = Some(gate);
        self.tls = Some(Box::new(tls));
        self.proof = ProofState::Due(rule);
    }

    /// True until the handshake is done.
    pub(crate) fn is_proof_pending(&self) -> bool {
        matches!(self.proof, ProofState::Due(_))
    }

    /// True until the channel is known to be the session's own.
    pub(crate) fn is_unproven(&self) -> bool {
        match self.proof {
            ProofState::Due(_) | ProofState::Judged(Proof::Doubtful | Proof::Foreign) => true,
            ProofState::Judged(Proof::Own) | ProofState::Reported => false,
        }
    }

    /// True if the channel was proven, or taken, since the last call.
    pub(crate) fn take_newly_proven(&mut self) -> bool {
        let is_new = self.proof == ProofState::Judged(Proof::Own);
        if is_new {
            self.proof = ProofState::Reported;
        }
        is_new
    }

    /// After the handshake: whether the data channel belongs to its session.
    pub(crate) fn judge(&mut self) -> Proof {
        let rule = match self.proof {
            ProofState::Due(rule) => rule,
            ProofState::Judged(proof) => return proof,
            ProofState::Reported => return Proof::Own,
        };
        let gate = self.gate.take();
        let certificate = gate.as_ref().and_then(TicketGate::certificate);
        let proof = match (self.is_resumed(), certificate, rule) {
            (true, _, _) | (false, None, Resumption::Off) => Proof::Own,
            // Nobody else has the key of what the session's client has shown.
            (false, Some(own), _) if self.has_shown(own) => Proof::Own,
            (false, None, Resumption::Prefer) => Proof::Doubtful,
            (false, Some(_), _) | (false, None, Resumption::Require) => Proof::Foreign,
        };
        if proof == Proof::Foreign {
            let peer = self.peer();
            let offered = gate.map_or(Offered::Nothing, |gate| gate.offered());
            let why = offered.why_not();
            let rule = match certificate {
                Some(_) => "nor has it shown the session's certificate",
                None => "ftp.data_tls_resumption: Require",
            };
            log::warn!(
                "{peer}: a data connection did not resume the session's TLS and is refused \
                 ({rule}): {why}"
            );
        }
        self.proof = ProofState::Judged(proof);
        proof
    }

    /// Whether the peer has shown the certificate of this fingerprint.
    fn has_shown(&self, fingerprint: [u8; 32]) -> bool {
        let tls = self.tls.as_deref();
        tls.and_then(clients::fingerprint) == Some(fingerprint)
    }

    /// Takes a doubtful channel as the session's, for want of a better one.
    pub(crate) fn take_as_own(&mut self) {
        self.proof = ProofState::Judged(Proof::Own);
    }

    /// Whether the handshake is done and resumed the session.
    pub(crate) fn is_resumed(&self) -> bool {
        self.tls.as_deref().is_some_and(ftp::resumed)
    }

    /// The version of TLS that the handshake agreed on.
    pub(crate) fn tls_version(&self) -> Option<ProtocolVersion> {
        self.tls.as_deref()?.protocol_version()
    }

    /// The peer's address, for the log.
    pub(crate) fn peer(&self) -> String {
        let address = self.socket.peer_addr();
        address.map_or_else(
            |_| "a peer that is gone".to_owned(),
            |peer| peer.to_string(),
        )
    }

    /// Reads plaintext of a control connection; 0 is the end. Transfers use [`Self::with_lane`].
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut socket = &*self.socket;
        let Some(tls) = &mut self.tls else {
            return socket.read(buf);
        };
        loop {
            match tls.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
            // Read to WouldBlock: rustls shrinks its buffer only then.
            if tls.read_tls(&mut socket)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            tls.process_new_packets()
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }

    /// Writes what the socket takes of `out` and removes it there; `WouldBlock` if something is
    /// left.
    pub(crate) fn write_out(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        while !out.is_empty() {
            let wrote = match &mut self.tls {
                None => (&*self.socket).write(out)?,
                Some(tls) => tls.writer().write(out)?,
            };
            out.drain(..wrote);
            self.flush()?;
        }
        self.flush()
    }

    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let mut socket = &*self.socket;
        if let Some(tls) = &mut self.tls {
            while tls.wants_write() {
                tls.write_tls(&mut socket)?;
            }
        }
        Ok(())
    }

    /// Runs `work` with this channel as its lane; `cipher` is the buffer for TLS records that are
    /// read.
    pub(crate) fn with_lane<T>(&mut self, cipher: &mut [u8], work: impl LaneWork<T>) -> T {
        let mut socket = &*self.socket;
        match &mut self.tls {
            None => work.on(&mut PlainSocket(&self.socket)),
            Some(tls) => work.on(&mut Tls::new(tls, &mut socket, cipher)),
        }
    }

    /// Under TLS sends close_notify, then shuts down the write side; does nothing in clear.
    pub(crate) fn end_tls(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = self.flush();
            let _ = self.socket.shutdown(Shutdown::Write);
        }
    }

    /// Sends close_notify, then shuts down the write side.
    pub(crate) fn close(&mut self) {
        self.end_tls();
        let _ = self.socket.shutdown(Shutdown::Write);
        // Unread input would turn the close into a reset, which discards the last reply.
        let mut waste = [0; 4096];
        let mut socket = &*self.socket;
        for _ in 0..16 {
            if !matches!(socket.read(&mut waste), Ok(count) if count > 0) {
                break;
            }
        }
    }
}

/// A lane over a socket in clear, which can use sendfile(2) and splice(2).
struct PlainSocket<'a>(&'a TcpStream);

impl Lane for PlainSocket<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        Plain(&mut self.0).read(buf)
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        Plain(&mut self.0).write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn has_buffered_input(&self) -> bool {
        false
    }

    fn sendfile(
        &mut self,
        file: BorrowedFd<'_>,
        mut offset: u64,
        max: u64,
    ) -> Option<io::Result<u64>> {
        let count = usize::try_from(max).unwrap_or(usize::MAX);
        loop {
            return match sendfile(self.0, file, Some(&mut offset), count) {
                Ok(sent) => Some(Ok(sent as u64)),
                Err(Errno::INTR) => continue,
                Err(error) if is_of_socket(error) => Some(Err(error.into())),
                // The file system does not support it, or the disk failed: the caller reads, and
                // learns it.
                Err(_) => None,
            };
        }
    }

    fn splice_into(&mut self, pipe: BorrowedFd<'_>, max: u64) -> Option<io::Result<u64>> {
        let count = usize::try_from(max).unwrap_or(usize::MAX);
        let flags = SpliceFlags::NONBLOCK | SpliceFlags::MOVE;
        loop {
            return match splice(self.0, None, pipe, None, count, flags) {
                Ok(moved) => Some(Ok(moved as u64)),
                Err(Errno::INTR) => continue,
                Err(Errno::INVAL | Errno::NOSYS) => None,
                Err(error) => Some(Err(error.into())),
            };
        }
    }
}

/// Whether an error of sendfile(2) is the socket's, and not the file's.
fn is_of_socket(error: Errno) -> bool {
    matches!(
        error,
        Errno::AGAIN
            | Errno::PIPE
            | Errno::CONNRESET
            | Errno::CONNABORTED
            | Errno::NOTCONN
            | Errno::TIMEDOUT
            | Errno::HOSTUNREACH
            | Errno::NETUNREACH
            | Errno::NETDOWN
    )
}

/// A pipe for [`Lane::splice_into`], as large as an unprivileged process may make it.
pub(crate) fn splice_pipe() -> io::Result<SplicePipe> {
    let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
    // Beyond the user's limit a pipe keeps its default size (pipe(7)).
    let room = fcntl_setpipe_size(&writer, PIPE_SIZE).or_else(|_| fcntl_getpipe_size(&writer))?;
    Ok(SplicePipe::new(reader, writer, room as u64))
}

/// Work on any kind of lane (a closure cannot be generic).
pub(crate) trait LaneWork<T> {
    fn on(self, lane: &mut impl Lane) -> T;
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use rustix::net::sockopt::tcp_quickack;
    use skiff_conf::Certificates;
    use skiff_sessions::certificate::AnyCertificate;

    use super::*;
    use crate::tls::ServerIdentity;
    use crate::tls::ftp::{FtpTls, SessionResumption, Tickets};

    /// A data connection under TLS, with the client's socket.
    fn data_channel() -> (Channel, std::net::TcpStream) {
        data_channel_of(&SessionResumption::new().unwrap(), Resumption::Prefer)
    }

    fn data_channel_of(
        session: &SessionResumption,
        rule: Resumption,
    ) -> (Channel, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        socket.set_nonblocking(true).unwrap();
        let state = tempfile::tempdir().unwrap();
        let identity = ServerIdentity::load(&Certificates::default(), state.path()).unwrap();
        let tls = FtpTls::new(&identity, Resumption::Prefer, None).unwrap();
        let (tls, gate) = tls.data(session, Tickets::None).unwrap();
        let mut channel = Channel::new(Arc::new(TcpStream::from_std(socket)), None);
        channel.secure_data(tls, gate, rule);
        (channel, client)
    }

    /// A client that shows no certificate and resumes nothing.
    fn shake_hands(mut client: std::net::TcpStream) -> std::thread::JoinHandle<()> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
            .with_no_client_auth();
        let name = "ftp.example".try_into().unwrap();
        let mut tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        std::thread::spawn(move || {
            while tls.is_handshaking() {
                tls.complete_io(&mut client).unwrap();
            }
        })
    }

    #[test]
    fn where_the_session_has_a_certificate_a_stranger_without_it_is_foreign() {
        for (shown, rule, proof) in [
            (None, Resumption::Off, Proof::Own),
            (None, Resumption::Prefer, Proof::Doubtful),
            (None, Resumption::Require, Proof::Foreign),
            (Some([7; 32]), Resumption::Off, Proof::Foreign),
            (Some([7; 32]), Resumption::Prefer, Proof::Foreign),
            (Some([7; 32]), Resumption::Require, Proof::Foreign),
        ] {
            let session = SessionResumption::new().unwrap();
            if let Some(shown) = shown {
                session.has_certificate(shown);
            }
            let session = match rule {
                Resumption::Off => session.apart().unwrap(),
                Resumption::Prefer | Resumption::Require => session,
            };
            let (mut channel, client) = data_channel_of(&session, rule);
            let client = shake_hands(client);
            while channel.handshake().unwrap() != Handshake::Done {
                std::thread::yield_now();
            }
            assert_eq!(channel.judge(), proof, "{shown:?} {rule:?}");
            client.join().unwrap();
        }
    }

    #[test]
    fn what_was_read_is_acknowledged_before_a_flight_of_the_peer_is_awaited() {
        let (mut channel, _client) = data_channel();
        // As after an answer was sent.
        set_tcp_quickack(&**channel.socket(), false).unwrap();
        assert!(!tcp_quickack(&**channel.socket()).unwrap());
        assert_eq!(channel.handshake().unwrap(), Handshake::WantsRead);
        assert!(tcp_quickack(&**channel.socket()).unwrap());
    }
}
