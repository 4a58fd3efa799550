//! A line between client and server that can be made narrow, shut, led elsewhere, and overheard.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// A narrow line passes this much each [`TICK`], 800 kB/s: 40 MB would take 50 s.
const SIP: usize = 8192;
const TICK: Duration = Duration::from_millis(10);

/// A far end is so far, each way; this much passes at once.
const FAR: Duration = Duration::from_millis(20);
const GULP: usize = 65_536;

pub(super) struct Line {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    to: Mutex<SocketAddr>,
    width: Mutex<Width>,
    widened: Condvar,
    /// What all callers said.
    overheard: Mutex<Vec<u8>>,
    /// Bytes that came, from both ends.
    carried: AtomicU64,
    /// Both ends of all connections.
    ends: Mutex<Vec<TcpStream>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Width {
    /// Nothing passes.
    Shut,
    /// Nothing passes that a server says.
    Mute,
    Narrow,
    Far,
    Wide,
}

/// Whose bytes a thread passes on.
#[derive(Clone, Copy, PartialEq)]
enum From {
    Caller,
    Server,
}

impl Line {
    /// A wide line to a server.
    pub(super) fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            to: Mutex::new(server),
            width: Mutex::new(Width::Wide),
            widened: Condvar::new(),
            overheard: Mutex::default(),
            carried: AtomicU64::new(0),
            ends: Mutex::default(),
        });
        let served = Arc::clone(&shared);
        thread::spawn(move || served.answer(&listener));
        Self { address, shared }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections from now on end at another server.
    pub(super) fn lead_to(&self, server: SocketAddr) {
        *self.shared.to.lock().unwrap() = server;
    }

    pub(super) fn narrow(&self) {
        *self.shared.width.lock().unwrap() = Width::Narrow;
    }

    /// Both ends are 40 ms from each other and back.
    pub(super) fn stretch(&self) {
        *self.shared.width.lock().unwrap() = Width::Far;
    }

    /// Servers hear, and nobody hears them.
    pub(super) fn mute(&self) {
        *self.shared.width.lock().unwrap() = Width::Mute;
    }

    /// Ends all connections as they are: what was held back is lost.
    pub(super) fn cut(&self) {
        for end in self.shared.ends.lock().unwrap().drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    /// Bytes that came so far, from both ends.
    pub(super) fn carried(&self) -> u64 {
        self.shared.carried.load(Ordering::Relaxed)
    }

    pub(super) fn shut(&self) {
        *self.shared.width.lock().unwrap() = Width::Shut;
    }

    pub(super) fn widen(&self) {
        *self.shared.width.lock().unwrap() = Width::Wide;
        self.shared.widened.notify_all();
    }

    /// Takes what callers have said so far.
    pub(super) fn overheard(&self) -> Vec<u8> {
        std::mem::take(&mut self.shared.overheard.lock().unwrap())
    }
}

impl Drop for Line {
    /// Whoever still talks is let through to the end.
    fn drop(&mut self) {
        self.widen();
    }
}

impl Shared {
    fn answer(self: Arc<Self>, listener: &TcpListener) {
        while let Ok((caller, _)) = listener.accept() {
            let Ok(server) = TcpStream::connect(*self.to.lock().unwrap()) else {
                continue;
            };
            let ends = [server.try_clone().unwrap(), caller.try_clone().unwrap()];
            self.ends.lock().unwrap().extend(ends);
            let (one, other) = (Arc::clone(&self), Arc::clone(&self));
            let (back, forth) = (server.try_clone().unwrap(), caller.try_clone().unwrap());
            thread::spawn(move || one.pass(From::Caller, caller, server));
            thread::spawn(move || other.pass(From::Server, back, forth));
        }
    }

    fn pass(&self, whose: From, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = vec![0; GULP];
        loop {
            let width = *self.width.lock().unwrap();
            let most = if width == Width::Narrow { SIP } else { GULP };
            let Ok(count @ 1..) = from.read(&mut buffer[..most]) else {
                break;
            };
            self.carried.fetch_add(count as u64, Ordering::Relaxed);
            if whose == From::Caller {
                self.overheard.lock().unwrap().extend(&buffer[..count]);
            }
            // What came before the line was shut may still pass, and nothing behind it.
            self.wait_while_shut(whose);
            self.linger(Width::Far, FAR);
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
            self.linger(Width::Narrow, TICK);
        }
        let _ = to.shutdown(Shutdown::Write);
    }

    fn wait_while_shut(&self, whose: From) {
        let is_shut = |width: &mut Width| match width {
            Width::Shut => true,
            Width::Mute => whose == From::Server,
            Width::Narrow | Width::Far | Width::Wide => false,
        };
        let width = self.width.lock().unwrap();
        drop(self.widened.wait_while(width, is_shut).unwrap());
    }

    /// Waits so long where the line is so, and no longer than it is.
    fn linger(&self, kind: Width, time: Duration) {
        let width = self.width.lock().unwrap();
        let is_so = |width: &mut Width| *width == kind;
        let _ = self.widened.wait_timeout_while(width, time, is_so);
    }
}
