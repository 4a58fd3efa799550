//! Turns Ctrl-C (SIGINT) into a flag that running commands check.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::SIGINT;

/// A flag that SIGINT raises; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Makes SIGINT raise the flag from now on instead of ending the program.
    pub(crate) fn register(&self) -> io::Result<()> {
        signal_hook::flag::register(SIGINT, Arc::clone(&self.0)).map(|_| ())
    }

    /// Lowers the flag and returns whether it was raised.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    /// Returns whether the flag is raised, and leaves it so.
    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns the flag for a transfer burst, which stops when it is raised.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.0
    }

    /// Raises the flag as SIGINT would.
    #[cfg(test)]
    pub(crate) fn raise(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
