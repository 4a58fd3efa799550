//! A client of either dialect whose session may end at any time.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::harness::{Daemon, Gone, PASSWORD, PATIENCE, Peer, md5};

#[derive(Clone, Copy, Debug)]
pub(super) enum Dialect {
    Native,
    Ftp,
}

/// The session has ended, before what was asked for was done.
#[derive(Debug)]
pub(super) struct Ended;

pub(super) enum Client {
    Native(Box<Peer>),
    Ftp(Ftp),
}

impl Client {
    pub(super) fn login(daemon: &Daemon, dialect: Dialect, user: &str) -> Self {
        match dialect {
            Dialect::Native => Self::Native(Box::new(daemon.login(user))),
            Dialect::Ftp => Self::Ftp(Ftp::login(daemon.ftp_address(), user)),
        }
    }

    /// Stores a file: it is there if this succeeds.
    pub(super) fn up(&mut self, name: &str, data: &[u8]) -> Result<(), Ended> {
        match self {
            Self::Native(peer) => native_up(peer, name, data),
            Self::Ftp(ftp) => ftp.up(name, data),
        }
    }

    /// Fetches a file with this content.
    pub(super) fn down(&mut self, name: &str, data: &[u8]) -> Result<(), Ended> {
        match self {
            Self::Native(peer) => native_down(peer, name, data),
            Self::Ftp(ftp) => ftp.down(name, data),
        }
    }
}

impl From<Gone> for Ended {
    fn from(_: Gone) -> Self {
        Self
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        let is_silent = matches!(
            error.kind(),
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
        );
        assert!(!is_silent, "the daemon says nothing");
        Self
    }
}

/// A session may end with 421, its transfer before with 426 or 550, and in no other way.
#[track_caller]
fn wanted(code: u16, wanted: u16) -> Result<(), Ended> {
    match code {
        _ if code == wanted => Ok(()),
        421 | 426 | 550 => Err(Ended),
        other => panic!("{other}"),
    }
}

fn native_up(peer: &mut Peer, name: &str, data: &[u8]) -> Result<(), Ended> {
    peer.try_send(format!("STOR size={} {name}\r\n", data.len()).as_bytes())?;
    wanted(peer.try_reply()?.code, 150)?;
    for part in data.chunks(10_000) {
        peer.try_send(&(part.len() as u32).to_be_bytes())?;
        peer.try_send(part)?;
    }
    peer.try_send(&[0; 4])?;
    peer.try_send(format!("225 md5={}\r\n", md5(data)).as_bytes())?;
    wanted(peer.try_reply()?.code, 226)
}

fn native_down(peer: &mut Peer, name: &str, data: &[u8]) -> Result<(), Ended> {
    peer.try_send(format!("RETR start=0 {name}\r\n").as_bytes())?;
    wanted(peer.try_reply()?.code, 150)?;
    let mut body = Vec::new();
    loop {
        let mut head = [0; 4];
        peer.try_take(&mut head)?;
        match u32::from_be_bytes(head) {
            0 => break,
            u32::MAX => return Err(Ended),
            length => {
                let from = body.len();
                body.resize(from + length as usize, 0);
                peer.try_take(&mut body[from..])?;
            }
        }
    }
    wanted(peer.try_reply()?.code, 226)?;
    assert!(body == data, "another file than {name}");
    Ok(())
}

pub(super) struct Ftp {
    control: BufReader<TcpStream>,
    server: SocketAddr,
}

impl Ftp {
    fn login(server: SocketAddr, user: &str) -> Self {
        let control = BufReader::new(connect(server).unwrap());
        let mut ftp = Self { control, server };
        ftp.reply(220).unwrap();
        let password = format!("PASS {PASSWORD}");
        for (line, code) in [
            (format!("USER {user}").as_str(), 331),
            (&password, 230),
            ("TYPE I", 200),
        ] {
            ftp.ask(line, code).unwrap();
        }
        ftp
    }

    fn up(&mut self, name: &str, data: &[u8]) -> Result<(), Ended> {
        let mut lane = self.passive()?;
        self.ask(&format!("STOR {name}"), 150)?;
        let sent = lane.write_all(data);
        drop(lane);
        self.reply(226)?;
        Ok(sent?)
    }

    fn down(&mut self, name: &str, data: &[u8]) -> Result<(), Ended> {
        let mut lane = self.passive()?;
        self.ask(&format!("RETR {name}"), 150)?;
        let mut body = Vec::new();
        let read = lane.read_to_end(&mut body);
        self.reply(226)?;
        read?;
        assert!(body == data, "another file than {name}");
        Ok(())
    }

    fn passive(&mut self) -> Result<TcpStream, Ended> {
        let text = self.ask("EPSV", 229)?;
        let port = text.split('|').nth(3).unwrap().parse().unwrap();
        Ok(connect(SocketAddr::new(self.server.ip(), port))?)
    }

    fn ask(&mut self, line: &str, code: u16) -> Result<String, Ended> {
        let line = format!("{line}\r\n");
        self.control.get_mut().write_all(line.as_bytes())?;
        self.reply(code)
    }

    #[track_caller]
    fn reply(&mut self, code: u16) -> Result<String, Ended> {
        let mut line = String::new();
        if self.control.read_line(&mut line)? == 0 {
            return Err(Ended);
        }
        wanted(line[..3].parse().unwrap(), code)?;
        Ok(line)
    }
}

fn connect(server: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(server)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}
