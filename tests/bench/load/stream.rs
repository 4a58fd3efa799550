//! A blocking connection, in clear or in TLS, with as few system calls as there can be.

use std::io::{self, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};

use rustls::{ClientConnection, Connection, HandshakeKind, ServerConnection};

use crate::Result;

/// Bytes handed to or taken from the kernel at once.
pub(crate) const CHUNK: usize = 256 * 1024;

pub(crate) enum Stream {
    Plain(TcpStream),
    Tls(Box<Tls>),
}

/// rustls asks its source for 4 KiB at a time: a buffer stands between it and the socket.
pub(crate) struct Tls {
    connection: Connection,
    socket: BufReader<TcpStream>,
}

impl Stream {
    pub(crate) fn plain(socket: TcpStream) -> io::Result<Self> {
        socket.set_nodelay(true)?;
        Ok(Self::Plain(socket))
    }

    /// A client whose handshake is done.
    pub(crate) fn client(socket: TcpStream, connection: ClientConnection) -> Result<Self> {
        Self::secure(socket, Connection::Client(connection))
    }

    /// A server whose handshake is done.
    pub(crate) fn server(socket: TcpStream, connection: ServerConnection) -> Result<Self> {
        Self::secure(socket, Connection::Server(connection))
    }

    fn secure(socket: TcpStream, mut connection: Connection) -> Result<Self> {
        connection.set_buffer_limit(Some(2 * CHUNK));
        let mut tls = Tls {
            connection,
            socket: BufReader::with_capacity(4096, socket),
        };
        while tls.connection.is_handshaking() {
            tls.step()?;
        }
        tls.flush()?;
        Ok(Self::Tls(Box::new(tls)))
    }

    /// For a connection that will carry bulk. What was read ahead stays.
    pub(crate) fn widen(&mut self) -> io::Result<()> {
        if let Self::Tls(tls) = self
            && tls.socket.buffer().is_empty()
        {
            let socket = tls.socket.get_ref().try_clone()?;
            tls.socket = BufReader::with_capacity(CHUNK, socket);
        }
        Ok(())
    }

    /// Whether TLS continued a session that it knew.
    pub(crate) fn resumed(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.connection.handshake_kind() == Some(HandshakeKind::Resumed),
        }
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(tls) => tls.socket.get_ref(),
        }
    }

    /// Says that no more comes; bytes may still be read.
    pub(crate) fn end(&mut self) -> io::Result<()> {
        self.end_tls()?;
        self.socket().shutdown(Shutdown::Write)
    }

    /// Says so in TLS only, where there is TLS: a FIN would push what Nagle's algorithm holds back.
    pub(crate) fn end_tls(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Tls(tls) => {
                tls.connection.send_close_notify();
                tls.flush()
            }
        }
    }

    /// Reads what still comes (tickets, the close_notify), so that closing is no reset.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        let mut rest = [0; 4096];
        while self.read(&mut rest)? > 0 {}
        Ok(())
    }

    /// What ties a native login to this connection.
    pub(crate) fn exporter(&self) -> Result<[u8; 32]> {
        let Self::Tls(tls) = self else {
            return Ok([0; 32]);
        };
        let label = b"EXPORTER-Channel-Binding";
        Ok(tls
            .connection
            .export_keying_material([0; 32], label, Some(b""))?)
    }
}

impl Tls {
    /// Writes what waits, or reads if nothing does.
    fn step(&mut self) -> Result<()> {
        if self.connection.wants_write() {
            self.flush()?;
            return Ok(());
        }
        if self.fill()? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        Ok(())
    }

    fn fill(&mut self) -> io::Result<usize> {
        let count = self.connection.read_tls(&mut self.socket)?;
        self.connection
            .process_new_packets()
            .map_err(io::Error::other)?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.connection.wants_write() {
            self.connection.write_tls(self.socket.get_mut())?;
        }
        Ok(())
    }
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let tls = match self {
            Self::Plain(socket) => return socket.read(buf),
            Self::Tls(tls) => tls,
        };
        loop {
            match tls.connection.reader().read(buf) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Some servers end without a close_notify: the sizes are checked anyway.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                result => return result,
            }
            if tls.fill()? == 0 {
                return Ok(0);
            }
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let tls = match self {
            Self::Plain(socket) => return socket.write(buf),
            Self::Tls(tls) => tls,
        };
        let count = tls.connection.writer().write(buf)?;
        tls.flush()?;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.flush(),
            Self::Tls(tls) => tls.flush(),
        }
    }
}
