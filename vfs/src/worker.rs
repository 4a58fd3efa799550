//! [`Worker`]: a token that only threads which may block have.

use std::io;
use std::marker::PhantomData;
use std::thread::{Builder, JoinHandle};

use crate::owner::is_acting;

/// Proves that the current thread may block. It is neither `Send` nor `Sync`, so that it cannot
/// leave its thread.
///
/// ```compile_fail,E0277
/// fn elsewhere(worker: &skiff_vfs::Worker) {
///     std::thread::scope(|scope| { scope.spawn(|| worker); });
/// }
/// ```
#[derive(Debug)]
pub struct Worker {
    // A raw pointer is neither Send nor Sync, so neither is the token.
    pinned: PhantomData<*const ()>,
}

impl Worker {
    /// Runs `body` on a new thread called `name`, and is the only way to get a worker. Fails where
    /// the system starts no thread.
    pub fn spawn<T: Send + 'static>(
        name: &str,
        body: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        // The new thread would have the owner's ids, and not know it.
        debug_assert!(
            !is_acting(),
            "a thread is started by one that acts as an owner"
        );
        Builder::new().name(name.to_owned()).spawn(move || {
            body(&Self {
                pinned: PhantomData,
            })
        })
    }
}
