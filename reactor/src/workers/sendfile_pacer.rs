//! A file that the kernel hands on to a socket: how much at a time, in which segments, and with
//! patience for a peer that takes it as fast as it comes. The kernel refills a socket sooner than
//! whoever polls it, and so leaves more of the sending to where acknowledgements are taken: an
//! eighth less processor time for eight streams (tests/bench).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use rustix::io::ioctl_fionbio;
use rustix::net::sockopt::{Timeout, set_socket_timeout, set_tcp_cork};

/// What one call hands on, by the time that the peer needs for it: a stop waits as long.
const CALL_TIME: Duration = Duration::from_millis(100);

/// For fewer bytes a thread is not held: they would come from 40 MiB/s and less.
const CALL_BYTES_MIN: u64 = 4 << 20;
/// A peer may become slow in the middle of a call.
const CALL_BYTES_MAX: u64 = 64 << 20;
/// What a socket's buffer grows to (tcp(7), tcp_wmem), and what a new one's is well below: so
/// many bytes may have gone no further.
const SEND_BUFFER: u64 = 4 << 20;
const NEW_SEND_BUFFER: u64 = 512 << 10;

/// A file on its way to a socket, which the kernel hands on.
pub(crate) struct SendfilePacer {
    socket: Arc<TcpStream>,
    cork: Cork,
    blocking: Option<BlockingSend>,
}

impl SendfilePacer {
    pub(crate) fn to(socket: &Arc<TcpStream>) -> Self {
        Self {
            socket: Arc::clone(socket),
            cork: Cork::of(socket),
            blocking: None,
        }
    }

    /// Of a file whose first bytes are out. `alone`: no other is on its way.
    pub(crate) fn cork_if(&mut self, alone: bool) {
        self.cork.send(match alone {
            true => Segments::Whole,
            false => Segments::Any,
        });
    }

    /// Bytes for the next call; `None` for a peer that is not waited for. `longest` is how long
    /// one is that takes nothing; the rest stands at [`bytes_per_call`].
    pub(crate) fn pace(
        &mut self,
        before: u64,
        moved: u64,
        took: Duration,
        longest: Duration,
    ) -> Option<u64> {
        let bytes_per_call = bytes_per_call(before, moved, took);
        if bytes_per_call.is_none() {
            self.blocking = None;
        } else if self.blocking.is_none() {
            self.blocking = BlockingSend::with(&self.socket, longest).ok();
        }
        bytes_per_call
    }

    /// What a socket did not take was waited for already.
    pub(crate) fn is_blocking(&self) -> bool {
        self.blocking.is_some()
    }
}

/// Bytes for one call, of a peer that took `moved` of them in `took`, behind `before` others;
/// `None` where it is too slow to be waited for, or may be.
fn bytes_per_call(before: u64, moved: u64, took: Duration) -> Option<u64> {
    let buffer = if before == 0 {
        NEW_SEND_BUFFER
    } else {
        SEND_BUFFER
    };
    let took = took.as_micros().max(1);
    let bytes = u128::from(moved) * CALL_TIME.as_micros() / took;
    let bytes = u64::try_from(bytes)
        .unwrap_or(CALL_BYTES_MAX)
        .min(CALL_BYTES_MAX);
    (moved >= buffer && bytes >= CALL_BYTES_MIN).then_some(bytes)
}

/// While it lives, what a socket is given waits in the kernel until the peer has
/// taken enough; after so long without any progress it answers `WouldBlock` (socket(7),
/// SO_SNDTIMEO). Only for a socket that is away: reading it would wait without end.
struct BlockingSend(Arc<TcpStream>);

impl BlockingSend {
    fn with(socket: &Arc<TcpStream>, longest: Duration) -> io::Result<Self> {
        set_socket_timeout(&**socket, Timeout::Send, Some(longest))?;
        ioctl_fionbio(&**socket, false)?;
        Ok(Self(Arc::clone(socket)))
    }
}

impl Drop for BlockingSend {
    fn drop(&mut self) {
        // It fails for no open socket (ioctl(2)).
        let _ = ioctl_fionbio(&*self.0, true);
    }
}

/// Which segments leave a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Segments {
    Any,
    /// Whole ones only (tcp(7), TCP_CORK): a stream that is alone moves up to twice as fast,
    /// while of eight at once each is dearer (tests/bench).
    Whole,
}

/// While it lives, a socket sends the segments that it was told to; then any.
struct Cork {
    socket: Arc<TcpStream>,
    segments: Segments,
}

impl Cork {
    fn of(socket: &Arc<TcpStream>) -> Self {
        Self {
            socket: Arc::clone(socket),
            segments: Segments::Any,
        }
    }

    fn send(&mut self, segments: Segments) {
        if segments != self.segments {
            self.segments = segments;
            // It fails for no open connection, and the next write says what became of one.
            let _ = set_tcp_cork(&*self.socket, segments == Segments::Whole);
        }
    }
}

impl Drop for Cork {
    fn drop(&mut self) {
        self.send(Segments::Any);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::net::{Shutdown, TcpListener, TcpStream as Blocking};

    use rustix::fs::{OFlags, fcntl_getfl, sendfile};
    use rustix::net::sockopt::tcp_cork;

    use super::*;

    /// Both ends of a connection; ours never waits.
    fn pair() -> (Arc<TcpStream>, Blocking) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = Blocking::connect(listener.local_addr().unwrap()).unwrap();
        let (ours, _) = listener.accept().unwrap();
        ours.set_nonblocking(true).unwrap();
        (Arc::new(TcpStream::from_std(ours)), peer)
    }

    /// A file that no socket holds at once.
    fn long_file() -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(1 << 30).unwrap();
        file
    }

    fn hand_on(socket: &TcpStream, file: &File) -> io::Result<u64> {
        Ok(sendfile(socket, file, Some(&mut 0), 1 << 30)? as u64)
    }

    fn fill(socket: &TcpStream, file: &File) {
        while hand_on(socket, file).is_ok() {}
    }

    #[test]
    fn a_call_is_as_long_as_a_quick_peer_needs_a_tenth_of_a_second_for() {
        let (mib, ms) = (1 << 20, Duration::from_millis);
        assert_eq!(bytes_per_call(1, 8 * mib, ms(20)), Some(40 * mib));
        assert_eq!(bytes_per_call(1, 4 * mib, ms(100)), Some(4 * mib));
        assert_eq!(bytes_per_call(1, 4 * mib, ms(101)), None, "too slow");
        assert_eq!(
            bytes_per_call(1, 4 * mib - 1, ms(1)),
            None,
            "perhaps in the socket"
        );
        assert_eq!(
            bytes_per_call(0, mib / 2, ms(1)),
            Some(50 * mib),
            "a new socket"
        );
        assert_eq!(bytes_per_call(0, mib / 2 - 1, ms(1)), None);
        assert_eq!(
            bytes_per_call(0, u64::MAX, Duration::ZERO),
            Some(CALL_BYTES_MAX)
        );
    }

    #[test]
    fn who_has_patience_waits_for_a_peer_that_takes() {
        let ((socket, mut peer), file) = (pair(), long_file());
        fill(&socket, &file);
        let reader = std::thread::spawn(move || io::copy(&mut peer, &mut io::sink()));
        let blocking = BlockingSend::with(&socket, Duration::from_secs(60)).unwrap();
        for _ in 0..3 {
            assert_eq!(hand_on(&socket, &file).unwrap(), 1 << 30);
        }
        drop(blocking);
        socket.shutdown(Shutdown::Both).unwrap();
        reader.join().unwrap().unwrap();
    }

    #[test]
    fn patience_with_a_peer_that_stops_ends_and_leaves_nothing_behind() {
        let ((socket, _peer), file) = (pair(), long_file());
        fill(&socket, &file);
        let blocking = BlockingSend::with(&socket, Duration::from_millis(5)).unwrap();
        let error = hand_on(&socket, &file).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert!(!fcntl_getfl(&*socket).unwrap().contains(OFlags::NONBLOCK));
        drop(blocking);
        assert!(fcntl_getfl(&*socket).unwrap().contains(OFlags::NONBLOCK));
    }

    #[test]
    fn only_who_is_alone_sends_whole_segments_and_no_longer_than_it_hands_on() {
        let (socket, _peer) = pair();
        let mut pacer = SendfilePacer::to(&socket);
        let is_corked = || tcp_cork(&*socket).unwrap();
        assert!(!is_corked());
        for alone in [true, true, false, true] {
            pacer.cork_if(alone);
            assert_eq!(is_corked(), alone);
        }
        drop(pacer);
        assert!(!is_corked());
    }

    #[test]
    fn a_socket_that_is_shut_down_ends_the_wait() {
        let ((socket, _peer), file) = (pair(), long_file());
        fill(&socket, &file);
        let blocking = BlockingSend::with(&socket, Duration::from_secs(3600)).unwrap();
        let waiting = {
            let socket = Arc::clone(&socket);
            std::thread::spawn(move || hand_on(&socket, &file))
        };
        socket.shutdown(Shutdown::Both).unwrap();
        assert!(waiting.join().unwrap().is_err());
        drop(blocking);
    }
}
