//! Writes log lines to a file or to standard error, many in one call, or to syslog, one by one; and
//! reports a failure once.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::mem;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Bytes of buffer kept between two writes.
const KEPT: usize = 32 * 1024;

/// A log that cannot be opened or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} the log {path}: {source}")]
pub(crate) struct LogFailed {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The destination of one kind of lines.
pub(super) struct Sink {
    output: Output,
    batch: Vec<u8>,
    health: Health,
    /// The error that began a failure, until it is reported.
    untold: Option<io::Error>,
}

pub(super) enum Output {
    StandardError,
    File(File, PathBuf),
    Syslog(Syslog),
}

/// Where syslog listens (syslog(3)).
const SYSLOG: &str = "/dev/log";

/// A socket to the system's log, which may be restarted.
pub(super) struct Syslog {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Syslog {
    fn connect(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect(path)?;
        Ok(Self {
            path: path.to_owned(),
            socket,
        })
    }

    fn write_all(&mut self, lines: &[u8]) -> io::Result<()> {
        let lines = lines.split(|&byte| byte == b'\n');
        for line in lines.filter(|line| !line.is_empty()) {
            if self.socket.send(line).is_err() {
                *self = Self::connect(&self.path)?;
                self.socket.send(line)?;
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Health {
    Good,
    /// True after a failed write, which may have ended in the middle of a line.
    Failing,
}

impl Sink {
    pub(super) fn new(output: Output) -> Self {
        let (batch, health) = (Vec::new(), Health::Good);
        Self {
            output,
            batch,
            health,
            untold: None,
        }
    }

    pub(super) fn is_syslog(&self) -> bool {
        matches!(self.output, Output::Syslog(_))
    }

    /// Takes the buffer `lines`, and leaves an empty one in its place.
    pub(super) fn exchange(&mut self, lines: &mut Vec<u8>) {
        if self.batch.is_empty() {
            mem::swap(&mut self.batch, lines);
        } else {
            self.batch.append(lines);
        }
    }

    /// Writes what is buffered. An error is returned once, until a write succeeds again.
    pub(super) fn flush(&mut self) -> Result<(), LogFailed> {
        self.write_out();
        match self.untold.take() {
            Some(source) => Err(LogFailed::new("write", self.output.path(), source)),
            None => Ok(()),
        }
    }

    fn write_out(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        if self.health == Health::Failing {
            self.batch.insert(0, b'\n');
        }
        match (self.output.write_all(&self.batch), self.health) {
            (Ok(()), _) => self.health = Health::Good,
            (Err(_), Health::Failing) => {}
            (Err(source), Health::Good) => {
                self.health = Health::Failing;
                self.untold = Some(source);
            }
        }
        self.batch.clear();
        self.batch.shrink_to(KEPT);
    }
}

impl Output {
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::StandardError => io::stderr().write_all(bytes),
            Self::File(file, _) => file.write_all(bytes),
            Self::Syslog(syslog) => syslog.write_all(bytes),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::StandardError => Path::new("standard error"),
            Self::File(_, path) => path,
            Self::Syslog(syslog) => &syslog.path,
        }
    }
}

impl LogFailed {
    pub(super) fn new(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self {
            doing,
            path,
            source,
        }
    }
}

pub(super) fn open_sink(path: &Path) -> Result<Sink, LogFailed> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o640);
    match options.open(path) {
        Ok(file) => Ok(Sink::new(Output::File(file, path.to_owned()))),
        Err(source) => Err(LogFailed::new("open", path, source)),
    }
}

/// Whether [`open_sink`] would succeed; makes no file.
pub(super) fn try_out(path: &Path) -> Result<(), LogFailed> {
    let folder = path.parent().unwrap_or(path);
    let tried = match OpenOptions::new().append(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from)
        }
        Err(error) => Err(error),
    };
    tried.map_err(|source| LogFailed::new("open", path, source))
}

pub(super) fn open_syslog() -> Result<Sink, LogFailed> {
    let path = Path::new(SYSLOG);
    match Syslog::connect(path) {
        Ok(syslog) => Ok(Sink::new(Output::Syslog(syslog))),
        Err(source) => Err(LogFailed::new("open", path, source)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::accesslog::tests::Folder;

    /// /dev/full fails every write with ENOSPC.
    #[test]
    fn a_full_disk_is_told_once_and_the_next_line_starts_anew() {
        let open_full = || OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut sink = Sink::new(Output::File(open_full(), PathBuf::from("a.log")));
        let put = |sink: &mut Sink, text: &str| {
            sink.exchange(&mut format!("{text}\n").into_bytes());
            sink.flush()
        };
        let told = put(&mut sink, "one").unwrap_err().to_string();
        assert!(told.starts_with("cannot write the log a.log: "), "{told}");
        assert!(put(&mut sink, "two").is_ok(), "told already");

        let folder = Folder::new("full");
        let path = folder.0.join("a.log");
        sink.output = Output::File(File::create(&path).unwrap(), path.clone());
        assert!(put(&mut sink, "three").is_ok());
        assert!(put(&mut sink, "four").is_ok());
        assert_eq!(fs::read_to_string(&path).unwrap(), "\nthree\nfour\n");
    }

    #[test]
    fn syslog_gets_each_line_for_itself_also_after_its_restart() {
        let folder = Folder::new("syslog");
        let path = folder.0.join("log");
        let listener = UnixDatagram::bind(&path).unwrap();
        let mut sink = Sink::new(Output::Syslog(Syslog::connect(&path).unwrap()));
        let heard = |listener: &UnixDatagram| {
            let mut buffer = [0; 64];
            let length = listener.recv(&mut buffer).unwrap();
            String::from_utf8(buffer[..length].to_vec()).unwrap()
        };
        sink.exchange(&mut b"one\ntwo\n".to_vec());
        assert!(sink.flush().is_ok());
        assert_eq!([heard(&listener), heard(&listener)], ["one", "two"]);
        drop(listener);
        fs::remove_file(&path).unwrap();
        sink.exchange(&mut b"lost\n".to_vec());
        assert!(sink.flush().is_err());
        let listener = UnixDatagram::bind(&path).unwrap();
        sink.exchange(&mut b"three\n".to_vec());
        assert!(sink.flush().is_ok());
        assert_eq!(heard(&listener), "three");
    }
}
