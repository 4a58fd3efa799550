//! Wraps the link's socket, with TLS or without, as the lane that lines and bulk data go through.

use std::io;
use std::net::TcpStream;

use rustls::Connection;
use skiff_sessions::lane::{Lane, Plain, Tls};

/// A lane over the link's socket, of either kind.
pub(crate) enum AnyLane<'a> {
    Plain(Plain<'a, TcpStream>),
    Tls(Tls<'a, TcpStream>),
}

impl<'a> AnyLane<'a> {
    /// Wraps the socket, and the TLS connection where there is one; `ciphertext` is the buffer that
    /// TLS reads into.
    pub(crate) fn over(
        socket: &'a mut TcpStream,
        tls: Option<&'a mut Connection>,
        ciphertext: &'a mut [u8],
    ) -> Self {
        match tls {
            None => Self::Plain(Plain(socket)),
            Some(tls) => Self::Tls(Tls::new(tls, socket, ciphertext)),
        }
    }
}

impl Lane for AnyLane<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(lane) => lane.read(buf),
            Self::Tls(lane) => lane.read(buf),
        }
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(lane) => lane.write(buf),
            Self::Tls(lane) => lane.write(buf),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(lane) => lane.flush(),
            Self::Tls(lane) => lane.flush(),
        }
    }

    fn has_buffered_input(&self) -> bool {
        match self {
            Self::Plain(lane) => lane.has_buffered_input(),
            Self::Tls(lane) => lane.has_buffered_input(),
        }
    }
}

/// The most bytes that are gathered: one record of TLS holds them.
const GATHERED_MAX: usize = 16 * 1024;

/// A lane whose short writes are gathered behind the lines that wait in `outbox`, so that several
/// small files and their commands go in one write, and in one record of TLS. They go when more come
/// than that, or with the link's next flush: whoever waits for an answer flushes first.
pub(crate) struct Gathering<'a> {
    pub(crate) lane: AnyLane<'a>,
    pub(crate) outbox: &'a mut Vec<u8>,
}

impl Lane for Gathering<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.lane.read(buf)
    }

    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if self.outbox.len() + buf.len() > GATHERED_MAX {
            send_out(&mut self.lane, self.outbox)?;
        }
        if buf.len() > GATHERED_MAX {
            return self.lane.write(buf);
        }
        self.outbox.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn has_buffered_input(&self) -> bool {
        self.lane.has_buffered_input()
    }
}

/// Writes the bytes of `outbox` and flushes. After `WouldBlock` those that were not taken are left.
pub(crate) fn send_out(lane: &mut impl Lane, outbox: &mut Vec<u8>) -> io::Result<()> {
    let mut sent = 0;
    let mut write = || {
        while sent < outbox.len() {
            match lane.write(&outbox[sent..])? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => sent += count,
            }
        }
        lane.flush()
    };
    let written = write();
    outbox.drain(..sent);
    written
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read};
    use std::net::TcpListener;

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        here.set_nonblocking(true).unwrap();
        (here, listener.accept().unwrap().0)
    }

    #[test]
    fn short_writes_wait_behind_the_lines_and_long_ones_push_them_out_in_order() {
        let (mut here, mut there) = pair();
        let mut outbox = b"STOR\r\n".to_vec();
        let mut lane = Gathering {
            lane: AnyLane::over(&mut here, None, &mut []),
            outbox: &mut outbox,
        };
        assert_eq!(lane.write(b"a file").unwrap(), 6);
        lane.flush().unwrap();
        there.set_nonblocking(true).unwrap();
        let read = there.read(&mut [0; 9]).map_err(|error| error.kind());
        assert_eq!(read, Err(ErrorKind::WouldBlock));
        there.set_nonblocking(false).unwrap();
        let long = vec![7; GATHERED_MAX + 1];
        assert_eq!(lane.write(&long).unwrap(), long.len());
        assert!(outbox.is_empty());
        let mut came = vec![0; 12 + long.len()];
        there.read_exact(&mut came).unwrap();
        assert_eq!(came, [&b"STOR\r\na file"[..], &long].concat());
    }

    #[test]
    fn no_more_is_gathered_than_a_record_holds_and_nothing_is_lost_where_the_socket_is_full() {
        let (mut here, mut there) = pair();
        let mut outbox = Vec::new();
        let mut taken = Vec::new();
        loop {
            let mut lane = Gathering {
                lane: AnyLane::over(&mut here, None, &mut []),
                outbox: &mut outbox,
            };
            let piece = vec![taken.len() as u8; 5000];
            match lane.write(&piece) {
                Ok(count) => taken.extend_from_slice(&piece[..count]),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::WouldBlock);
                    break;
                }
            }
            assert!(outbox.len() <= GATHERED_MAX);
        }
        let all = taken.len();
        let reader = std::thread::spawn(move || {
            let mut came = vec![0; all];
            there.read_exact(&mut came).unwrap();
            came
        });
        here.set_nonblocking(false).unwrap();
        send_out(&mut AnyLane::over(&mut here, None, &mut []), &mut outbox).unwrap();
        assert_eq!(reader.join().unwrap(), taken);
    }
}
