//! Keeps the session of the prompt alive while a line is typed, on a thread of its own.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::completion::SharedSession;

/// The time between two looks at the session.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

/// The running thread.
pub(super) struct KeepAlive {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl KeepAlive {
    pub(super) fn begin(session: &SharedSession) -> Self {
        let (stop, stopped) = channel();
        let session = Arc::clone(session);
        let thread = thread::spawn(move || {
            while stopped.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let mut session = match session.try_lock() {
                    Ok(session) => session,
                    Err(TryLockError::Poisoned(session)) => session.into_inner(),
                    // A command runs.
                    Err(TryLockError::WouldBlock) => continue,
                };
                session.keep_alive(Instant::now());
            }
        });
        Self { stop, thread }
    }

    /// Ends the thread, so that the session is the prompt's alone.
    pub(super) fn end(self) {
        drop(self.stop);
        // A panic has been told by then.
        let _ = self.thread.join();
    }
}
