//! Watches the folder of the user store by inotify(7), so that a change reaches running sessions.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
use rustix::io::{Errno, read};

/// Bytes of a buffer for events.
const BUFFER: usize = 4096;

/// Becomes readable when a file near the user store was written or put there.
#[derive(Debug)]
pub(crate) struct StoreWatch(OwnedFd);

impl StoreWatch {
    /// Watches nothing yet.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?))
    }

    /// Watches the folder of the file `store` too; a second call for the same folder does nothing.
    /// May block.
    pub(crate) fn watch(&self, store: &Path) -> io::Result<()> {
        let folder = store.parent().unwrap_or_else(|| Path::new("/"));
        // A store is replaced by rename(2), or written by an editor.
        add_watch(
            &self.0,
            folder,
            WatchFlags::MOVED_TO | WatchFlags::CLOSE_WRITE,
        )?;
        Ok(())
    }

    /// Takes all events; whether there were any. Which file they are about is not looked at: the
    /// store tells whether it has changed.
    pub(crate) fn take(&self) -> bool {
        let mut buffer = [0; BUFFER];
        let mut came = false;
        loop {
            match read(&self.0, &mut buffer) {
                Ok(count) if count > 0 => came = true,
                Err(Errno::INTR) => {}
                _ => return came,
            }
        }
    }
}

impl AsFd for StoreWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_store_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("users.ron");
        let watch = StoreWatch::new().unwrap();
        watch.watch(&store).unwrap();
        assert!(!watch.take());
        std::fs::write(folder.path().join("new"), "").unwrap();
        assert!(watch.take());
        std::fs::rename(folder.path().join("new"), &store).unwrap();
        assert!(watch.take() && !watch.take());
        let _ = std::fs::read(&store).unwrap();
        assert!(!watch.take(), "reading is no change");
    }
}
