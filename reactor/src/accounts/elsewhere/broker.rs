//! [`Broker`]: the daemon's end of the helper that runs the authenticator.

use std::ffi::OsStr;
use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::cmsg_space;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use serde::Serialize;
use skiff_conf::Authenticator;
use skiff_vfs::Worker;
use zeroize::Zeroizing;

use super::helper::{ANSWER_MAX, HELPER, QUESTION_MAX, Verdict, time_bytes};
use crate::programs::helper;

/// Time that the helper has beyond that of the program.
const GRACE: Duration = Duration::from_secs(2);

/// Hands questions to the helper, which ends when this is dropped.
pub(crate) struct Broker {
    helper: OwnedFd,
    /// Never waited for: it ends with the socket, after the daemon.
    _process: Option<Child>,
}

impl Broker {
    /// Starts the helper. The process must have no walls yet.
    pub(crate) fn start(authenticator: &Authenticator) -> io::Result<Self> {
        let numbers = [
            authenticator.deadline.as_millis().to_string(),
            authenticator.at_most.to_string(),
        ];
        let program = [authenticator.run.path.as_os_str()];
        let arguments = authenticator.run.arguments.iter().map(OsStr::new);
        let words = numbers.iter().map(OsStr::new).chain(program);
        let started = helper::start(HELPER, words.chain(arguments))?;
        Ok(Self {
            helper: started.socket,
            _process: Some(started.process),
        })
    }

    /// One whose helper is a thread.
    #[cfg(test)]
    pub(super) fn served_by(program: super::helper::Program) -> Self {
        let (ours, theirs) = helper::pair().unwrap();
        std::thread::spawn(move || super::helper::serve(&theirs, &program));
        Self {
            helper: ours,
            _process: None,
        }
    }

    /// What the program answers `within` that time. The error says what went wrong.
    pub(super) fn ask(
        &self,
        _worker: &Worker,
        question: &impl Serialize,
        within: Duration,
    ) -> Result<Zeroizing<Vec<u8>>, String> {
        let mut line = Zeroizing::new(Vec::with_capacity(QUESTION_MAX));
        serde_json::to_writer(&mut *line, question).map_err(|why| why.to_string())?;
        line.push(b'\n');
        if line.len() > QUESTION_MAX {
            return Err("the question is too long".to_owned());
        }
        let said = self.exchange(&line, within);
        let said = said.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => {
                "its helper process has ended; restart skiffd".to_owned()
            }
            _ => format!("its helper process does not answer: {error}"),
        })?;
        Verdict::read(said)
    }

    fn exchange(&self, question: &[u8], within: Duration) -> io::Result<Zeroizing<Vec<u8>>> {
        let (mut ours, theirs) = UnixStream::pair()?;
        self.hand_over(&theirs, within)?;
        drop(theirs);
        let until = Instant::now() + within + GRACE;
        ours.set_write_timeout(Some(GRACE))?;
        ours.write_all(question)?;
        ours.shutdown(Shutdown::Write)?;
        // Not more than the helper ever writes, however long it writes.
        let mut said = Zeroizing::new(vec![0; ANSWER_MAX + 1024]);
        let mut length = 0;
        while length < said.len() {
            let left = until.saturating_duration_since(Instant::now());
            // A timeout of zero is none.
            ours.set_read_timeout(Some(left.max(Duration::from_millis(1))))?;
            match ours.read(&mut said[length..]) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        said.truncate(length);
        Ok(said)
    }

    fn hand_over(&self, theirs: &UnixStream, within: Duration) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        let descriptors = [theirs.as_fd()];
        rights.push(SendAncillaryMessage::ScmRights(&descriptors));
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        let time = time_bytes(within);
        sendmsg(&self.helper, &[IoSlice::new(&time)], &mut rights, flags)?;
        Ok(())
    }
}
