//! A client of metrics: raw requests, whole responses.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use crate::harness::{Daemon, PATIENCE};

/// Where metrics are served.
pub(super) enum Door {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

pub(super) struct Response {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Door {
    /// Where a daemon serves them by TCP.
    pub(super) fn of(daemon: &Daemon) -> Self {
        let line = daemon.wait_log("serving metrics on ");
        let (_, address) = line.rsplit_once(' ').unwrap();
        Self::Tcp(address.trim().parse().unwrap())
    }

    pub(super) fn get(&self, path: &str) -> Response {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"))
    }

    pub(super) fn ask(&self, request: &str) -> Response {
        let text = match self {
            Self::Tcp(_) => exchange(self.connect(), request),
            Self::Unix(path) => exchange(UnixStream::connect(path).unwrap(), request),
        };
        Response::parse(&text)
    }

    /// A connection that has said nothing yet.
    pub(super) fn connect(&self) -> TcpStream {
        let Self::Tcp(address) = self else {
            panic!("it is a Unix socket")
        };
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

fn exchange(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

impl Response {
    #[track_caller]
    pub(super) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").expect(text);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            status,
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    #[track_caller]
    pub(super) fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().skip(1);
        let mut headers = lines.map(|line| line.split_once(": ").unwrap());
        let found = headers.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found
            .unwrap_or_else(|| panic!("no {name}: {}", self.head))
            .1
    }

    /// The number of a sample, by its name and labels as they stand in the text.
    #[track_caller]
    pub(super) fn number(&self, sample: &str) -> u64 {
        let mut lines = self.body.lines().filter_map(|line| line.rsplit_once(' '));
        let found = lines.find(|(name, _)| *name == sample);
        let (_, value) = found.unwrap_or_else(|| panic!("no {sample} in {}", self.body));
        value.parse().unwrap()
    }
}
