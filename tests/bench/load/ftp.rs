//! One FTP session: the control connection, and data connections in passive mode.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use crate::args::{Account, Nagle, Protection};
use crate::stream::Stream;
use crate::{LoadError, Result, tls};

/// No server that works is silent for longer.
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Session {
    /// None only while the connection changes to TLS.
    control: Option<Stream>,
    secret: Option<Arc<ClientConfig>>,
    peer: SocketAddr,
    /// Bytes of replies that nobody asked for yet.
    pending: Vec<u8>,
    passive: Passive,
    pub(crate) nagle: Nagle,
    /// Of the data connections: how many there were, and how many resumed.
    pub(crate) handshakes: Handshakes,
}

#[derive(Clone, Copy)]
enum Passive {
    Extended,
    Classic,
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Handshakes {
    pub(crate) all: u64,
    pub(crate) resumed: u64,
}

impl Session {
    /// Logged in, in binary mode, data as protected as the control connection.
    pub(crate) fn open(account: &Account) -> Result<Self> {
        let mut session = Self::login(account)?;
        session.ask("TYPE I", 200)?;
        Ok(session)
    }

    /// Logged in, data as protected as the control connection, and nothing else.
    pub(crate) fn login(account: &Account) -> Result<Self> {
        let mut session = Self::admitted(account)?;
        if session.secret.is_some() {
            session.ask("PBSZ 0", 200)?;
            session.ask("PROT P", 200)?;
        }
        Ok(session)
    }

    /// From the connection to the 230.
    pub(crate) fn admitted(account: &Account) -> Result<Self> {
        let socket = TcpStream::connect(account.address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut session = Self {
            control: Some(Stream::plain(socket)?),
            secret: None,
            peer: account.address,
            pending: Vec::new(),
            passive: Passive::Extended,
            nagle: account.nagle,
            handshakes: Handshakes::default(),
        };
        session.expect("the greeting", 220)?;
        if account.protection == Protection::Tls {
            session.secure()?;
        }
        let (_, code) = session.say(&format!("USER {}", account.user))?;
        if code != 230 {
            session.ask(&format!("PASS {}", account.password), 230)?;
        }
        Ok(session)
    }

    fn secure(&mut self) -> Result<()> {
        self.ask("AUTH TLS", 234)?;
        let config = tls::client(None)?;
        if let Some(Stream::Plain(socket)) = self.control.take() {
            self.control = Some(tls::connect(socket, &config)?);
        }
        self.secret = Some(config);
        Ok(())
    }

    /// Sends a line and demands that code.
    pub(crate) fn ask(&mut self, line: &str, wanted: u16) -> Result<String> {
        self.send(line)?;
        self.expect(line, wanted)
    }

    /// Sends a line: the reply's text and code, whatever they are.
    pub(crate) fn say(&mut self, line: &str) -> Result<(String, u16)> {
        self.send(line)?;
        self.reply()
    }

    pub(crate) fn expect(&mut self, asked: &str, wanted: u16) -> Result<String> {
        match self.reply()? {
            (answer, code) if code == wanted => Ok(answer),
            (answer, _) => Err(LoadError::Refused {
                asked: asked.to_owned(),
                answer,
                wanted,
            }),
        }
    }

    /// A transfer whose data connection stands: read or write it, end it, then call `finish`.
    pub(crate) fn transfer(&mut self, line: &str) -> Result<Stream> {
        let address = self.passive()?;
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let (answer, code) = self.say(line)?;
        if code != 150 && code != 125 {
            return Err(LoadError::Refused {
                asked: line.to_owned(),
                answer,
                wanted: 150,
            });
        }
        let Some(config) = &self.secret else {
            return Ok(Stream::plain(socket)?);
        };
        socket.set_nodelay(self.nagle == Nagle::Off)?;
        let data = tls::connect(socket, config)?;
        self.handshakes.all += 1;
        self.handshakes.resumed += u64::from(data.resumed());
        Ok(data)
    }

    pub(crate) fn finish(&mut self, line: &str) -> Result<()> {
        self.expect(line, 226).map(drop)
    }

    /// Says goodbye and sees the server close.
    pub(crate) fn quit(mut self) -> Result<()> {
        self.ask("QUIT", 221)?;
        if let Some(mut control) = self.control.take() {
            // A server that hangs up at once has said all that there was to say.
            let _ = control.end().and_then(|()| control.drain());
        }
        Ok(())
    }

    fn passive(&mut self) -> Result<SocketAddr> {
        if let Passive::Extended = self.passive {
            let (answer, code) = self.say("EPSV")?;
            if code == 229 {
                let port = answer.split('|').nth(3).and_then(|port| port.parse().ok());
                let port = port.ok_or(LoadError::Passive(answer))?;
                return Ok(SocketAddr::new(self.peer.ip(), port));
            }
            self.passive = Passive::Classic;
        }
        let answer = self.ask("PASV", 227)?;
        let port = classic_port(&answer).ok_or(LoadError::Passive(answer))?;
        Ok(SocketAddr::new(self.peer.ip(), port))
    }

    fn send(&mut self, line: &str) -> Result<()> {
        Ok(self
            .control()?
            .write_all(format!("{line}\r\n").as_bytes())?)
    }

    /// The next reply's last line and its code; lines before the last are dropped (RFC 959, 4.2).
    fn reply(&mut self) -> Result<(String, u16)> {
        loop {
            let line = self.line()?;
            let code = line.get(..3).and_then(|code| code.parse().ok());
            if let Some(code) = code
                && !line[3..].starts_with('-')
            {
                return Ok((line, code));
            }
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut from = 0;
        loop {
            if let Some(end) = self.pending[from..].iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=from + end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            from = self.pending.len();
            let mut bytes = [0; 1024];
            let count = self.control()?.read(&mut bytes)?;
            if count == 0 {
                let gone = std::io::ErrorKind::UnexpectedEof;
                return Err(
                    std::io::Error::new(gone, "the server closed instead of answering").into(),
                );
            }
            self.pending.extend_from_slice(&bytes[..count]);
        }
    }

    fn control(&mut self) -> Result<&mut Stream> {
        let gone = || std::io::Error::from(std::io::ErrorKind::NotConnected);
        Ok(self.control.as_mut().ok_or_else(gone)?)
    }
}

/// The port in `227 ... (h1,h2,h3,h4,p1,p2)`.
fn classic_port(answer: &str) -> Option<u16> {
    let inside = answer.split(['(', ')']).nth(1)?;
    let mut numbers = inside.split(',').skip(4).map(str::parse::<u16>);
    let (high, low) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    high.checked_mul(256)?.checked_add(low)
}
