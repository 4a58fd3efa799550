//! Writes a download to a device, a FIFO or standard output as it comes.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::destination::StreamTarget;
use super::screen_text::ScreenText;
use crate::terminal::interrupt::Interrupt;
use crate::terminal::poll::{POLL_INTERVAL, PollEnd, poll_once};
use crate::terminal::redirect::{take_results, take_text};

/// The time between two tries to open a FIFO that nobody reads yet.
const OPEN_RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// As much as a pipe takes without blocking when poll(2) calls it writable (PIPE_BUF, pipe(7)).
const PIPE_BUF: usize = 4096;

/// An open stream.
pub(crate) struct Stream {
    file: File,
    interrupt: Interrupt,
    /// The most bytes of one write.
    write_max: usize,
    /// At a terminal, what makes the bytes safe for it.
    screen: Option<ScreenText>,
    /// Whether it was given bytes.
    is_begun: bool,
}

/// Why a stream ended early.
#[derive(Debug)]
pub(crate) enum StreamError {
    /// Ctrl-C was pressed while it was waited for the reader.
    Interrupted,
    Io(io::Error),
}

impl From<io::Error> for StreamError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Stream {
    /// Opens `target`; waits for a reader of a FIFO.
    pub(crate) fn open(target: &StreamTarget, interrupt: Interrupt) -> Result<Self, StreamError> {
        match target {
            StreamTarget::Stdout => Ok(Self::stdout(interrupt)?),
            StreamTarget::Screen => Ok(Self {
                screen: Some(ScreenText::default()),
                ..Self::stdout(interrupt)?
            }),
            StreamTarget::Path(path) => Ok(Self {
                file: open_path(path, &interrupt)?,
                interrupt,
                write_max: usize::MAX,
                screen: None,
                is_begun: false,
            }),
        }
    }

    /// True where it was given bytes, written or not.
    pub(crate) fn is_begun(&self) -> bool {
        self.is_begun
    }

    fn stdout(interrupt: Interrupt) -> io::Result<Self> {
        let file = take_results()?;
        // Others have this descriptor too: it cannot be made non-blocking, and a write that fits
        // does not block.
        let write_max = match file.metadata()?.is_file() {
            true => usize::MAX,
            false => PIPE_BUF,
        };
        Ok(Self {
            file,
            interrupt,
            write_max,
            screen: None,
            is_begun: false,
        })
    }

    /// Writes all of `bytes`; a raised interrupt ends the wait for a slow reader.
    pub(crate) fn write_all(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        self.is_begun |= !bytes.is_empty();
        match &mut self.screen {
            Some(screen) => {
                let shown = screen.push(bytes);
                self.show(shown)
            }
            None => self.write_as_it_is(bytes),
        }
    }

    /// Writes text of which the first page may be kept until it is known whether more comes.
    fn show(&mut self, shown: String) -> Result<(), StreamError> {
        match take_text(shown)? {
            Some((shown, place)) => {
                if let Some(pager) = place {
                    self.file = pager;
                    self.write_max = PIPE_BUF;
                }
                self.write_as_it_is(shown.as_bytes())
            }
            None => Ok(()),
        }
    }

    fn write_as_it_is(&mut self, mut bytes: &[u8]) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            if self.interrupt.is_stopped() {
                return Err(StreamError::Interrupted);
            }
            if poll_once(self.file.as_fd(), PollFlags::OUT, POLL_INTERVAL)? != PollEnd::Ready {
                continue;
            }
            match self.file.write(&bytes[..bytes.len().min(self.write_max)]) {
                Ok(0) => return Err(io::Error::from(io::ErrorKind::WriteZero).into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits until a disk has all bytes; other streams have nothing to wait for.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        if let Some(screen) = &mut self.screen {
            let shown = screen.finish();
            if let Some((shown, place)) = take_text(shown)? {
                let file = place.as_ref().unwrap_or(&self.file);
                (&*file).write_all(shown.as_bytes())?;
            }
        }
        let kind = self.file.metadata()?.file_type();
        match kind.is_file() || kind.is_block_device() {
            true => self.file.sync_all(),
            false => Ok(()),
        }
    }
}

/// True for an error after which the same write may succeed.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

/// Opens a device or a FIFO for writing. One without a reader is ENXIO (fifo(7)): it is tried again
/// until there is one, or Ctrl-C was pressed.
fn open_path(path: &Path, interrupt: &Interrupt) -> Result<File, StreamError> {
    let mut options = OpenOptions::new();
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    options.write(true).custom_flags(flags.bits() as i32);
    loop {
        match options.open(path) {
            Err(error)
                if Errno::from_io_error(&error) == Some(Errno::NXIO)
                    && path.metadata()?.file_type().is_fifo() => {}
            opened => return Ok(no_file(opened?)?),
        }
        if interrupt.is_stopped() {
            return Err(StreamError::Interrupted);
        }
        thread::sleep(OPEN_RETRY_INTERVAL);
    }
}

/// Refuses a regular file, which may have come since the path was looked at: it is replaced as a
/// whole or not at all.
fn no_file(opened: File) -> io::Result<File> {
    match opened.metadata()?.is_file() {
        true => Err(io::Error::other("changed meanwhile, get it again")),
        false => Ok(opened),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::mpsc::channel;

    use rustix::fs::{CWD, FileType, mknodat};

    use super::*;

    fn fifo(folder: &Path) -> StreamTarget {
        let path = folder.join("fifo");
        mknodat(CWD, &path, FileType::Fifo, 0o600.into(), 0).unwrap();
        StreamTarget::Path(path)
    }

    #[test]
    fn a_fifo_gets_more_than_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let target = fifo(folder.path());
        let bytes: Vec<u8> = (0..300_000u32).map(|n| n as u8).collect();
        let path = folder.path().join("fifo");
        let reader = thread::spawn(move || {
            let mut read = Vec::new();
            File::open(path).unwrap().read_to_end(&mut read).unwrap();
            read
        });
        let mut stream = Stream::open(&target, Interrupt::default()).unwrap();
        stream.write_all(&bytes).unwrap();
        stream.finish().unwrap();
        drop(stream);
        assert_eq!(reader.join().unwrap(), bytes);
    }

    #[test]
    fn a_regular_file_is_no_stream() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "own").unwrap();
        let opened = Stream::open(&StreamTarget::Path(path), Interrupt::default());
        assert!(matches!(opened, Err(StreamError::Io(_))));
    }

    #[test]
    fn an_interrupt_ends_the_wait_for_a_reader() {
        let folder = tempfile::tempdir().unwrap();
        let target = fifo(folder.path());
        let interrupt = Interrupt::default();
        interrupt.press();
        let opened = Stream::open(&target, interrupt.clone());
        assert!(matches!(opened, Err(StreamError::Interrupted)));
        interrupt.begin_command();
        // One that reads nothing.
        let flags = OFlags::NONBLOCK.bits() as i32;
        let mut reads = OpenOptions::new();
        let _reader = reads
            .read(true)
            .custom_flags(flags)
            .open(folder.path().join("fifo"))
            .unwrap();
        let mut stream = Stream::open(&target, interrupt.clone()).unwrap();
        let (tell, told) = channel();
        thread::spawn(move || tell.send(stream.write_all(&[0; 1 << 20])));
        interrupt.press();
        let ended = told.recv_timeout(Duration::from_secs(60)).unwrap();
        assert!(matches!(ended, Err(StreamError::Interrupted)));
    }
}
