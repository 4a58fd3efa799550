//! The token that proves: this thread may block.

use std::io;
use std::marker::PhantomData;
use std::thread::{Builder, JoinHandle};

/// Proof that the code holding it runs on a thread which may block. It cannot leave its thread.
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
    /// Runs `body` on a new thread called `name`. The only way to have a worker.
    pub fn spawn<T: Send + 'static>(
        name: &str,
        body: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> io::Result<JoinHandle<T>> {
        Builder::new().name(name.to_owned()).spawn(move || {
            body(&Self {
                pinned: PhantomData,
            })
        })
    }
}
