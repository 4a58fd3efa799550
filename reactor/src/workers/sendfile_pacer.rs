//! Paces sendfile(2): how many bytes one call sends, whether segments are corked, and whether the
//! socket blocks for a peer that takes bytes as fast as they come. The kernel refills a blocking
//! socket sooner than a thread that polls it, which saves an eighth of the processor time with
//! eight streams (tests/bench).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use rustix::io::ioctl_fionbio;
use rustix::net::sockopt::{Timeout, set_socket_timeout, set_tcp_cork};

/// Target duration of one sendfile(2) call; a stop is noticed as late as that.
const CALL_TIME: Duration = Duration::from_millis(100);

/// Fewest bytes for a blocking call: below, the peer takes less than 40 MiB/s and would hold a
/// thread.
const CALL_BYTES_MIN: u64 = 4 << 20;
/// Most bytes for one call: the peer may become slow in the middle of it.
const CALL_BYTES_MAX: u64 = 64 << 20;
/// Bytes that may stand in the socket's send buffer and have gone no further: what it grows to
/// (tcp(7), tcp_wmem), and what is well above a new one's.
const SEND_BUFFER: u64 = 4 << 20;
const NEW_SEND_BUFFER: u64 = 512 << 10;

/// The pace of one file that sendfile(2) sends to one socket.
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

    /// Corks the socket once the first bytes are out, if `alone` says that no other stream is being
    /// sent.
    pub(crate) fn cork_if(&mut self, alone: bool) {
        self.cork.send(match alone {
            true => Segments::Whole,
            false => Segments::Any,
        });
    }

    /// Bytes for the next call, after `moved` bytes took `took`, behind `before` others; `None` if
    /// the socket stays non-blocking. A blocking call returns after `longest` without progress. The
    /// rule is that of [`bytes_per_call`].
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

    /// True while the socket blocks: bytes that it did not take have been waited for already.
    pub(crate) fn is_blocking(&self) -> bool {
        self.blocking.is_some()
    }
}

/// Bytes for one call to a peer that took `moved` bytes in `took`, behind `before` others; `None`
/// if the peer is, or may be, too slow for a blocking call.
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

/// Makes a socket block on sending while it lives, for at most the given time without progress
/// (socket(7), SO_SNDTIMEO). Only for a socket that is lent to a worker: a read would wait without
/// end.
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
        // Cannot fail on an open socket (ioctl(2)).
        let _ = ioctl_fionbio(&*self.0, true);
    }
}

/// Which TCP segments leave a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Segments {
    Any,
    /// Full segments only (tcp(7), TCP_CORK): a stream that is alone moves up to twice as fast,
    /// while each of eight at once costs more (tests/bench).
    Whole,
}

/// Holds a socket's cork setting, and uncorks it when dropped.
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
            // Cannot fail on an open connection, and the next write reports one that is not.
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
