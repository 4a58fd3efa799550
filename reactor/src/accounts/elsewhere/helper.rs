//! The helper process: runs the authenticator for each connection that the daemon hands it, and
//! understands nothing of what the two say to each other.

use std::ffi::OsString;
use std::io::{self, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::cmsg_space;
use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use zeroize::Zeroizing;

use crate::programs::child::{Complaint, Ended, PIECE, command, end, poll_for, wait_for};
use crate::programs::helper::settle;

/// The word that makes a process the helper; no person types it.
pub(crate) const HELPER: &str = "authenticator-helper";

/// Bytes of the longest question: a pipe takes more without a reader (pipe(7)).
pub(super) const QUESTION_MAX: usize = 16 * 1024;

/// Bytes of the longest answer of the program.
pub(super) const ANSWER_MAX: usize = 64 * 1024;

/// How long the daemon may take to write its question, which it does at once.
const QUESTION_TIME: Duration = Duration::from_secs(2);

/// The outcome of a run, as it crosses to the daemon: one byte, and what was said.
pub(super) enum Verdict {
    Answered(Zeroizing<Vec<u8>>),
    Failed(String),
}

/// Bytes of what comes with a connection: the time that is left for its question, in milliseconds.
const TIME: usize = size_of::<u64>();

/// The time as it crosses to the helper. One that is over is none.
pub(super) fn time_bytes(left: Duration) -> [u8; TIME] {
    let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
    left.to_ne_bytes()
}

const ANSWERED: u8 = b'+';
const FAILED: u8 = b'-';

impl Verdict {
    /// What the program said, or what went wrong with it.
    pub(super) fn read(mut said: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, String> {
        match said.first() {
            Some(&ANSWERED) => {
                said.remove(0);
                Ok(said)
            }
            Some(&FAILED) => Err(String::from_utf8_lossy(&said[1..]).into_owned()),
            _ => Err("its helper process has broken off".to_owned()),
        }
    }

    fn write(&self, mut to: impl Write) -> io::Result<()> {
        let (mark, said) = match self {
            Self::Answered(said) => (ANSWERED, &said[..]),
            Self::Failed(why) => (FAILED, why.as_bytes()),
        };
        to.write_all(&[mark])?;
        to.write_all(said)
    }
}

/// What the helper runs.
pub(super) struct Program {
    pub(super) deadline: Duration,
    pub(super) words: Vec<OsString>,
}

/// Serves the daemon until it ends. The words are the deadline in milliseconds, the number of
/// programs that may run at a time, the program and its arguments.
pub(crate) fn run(words: Vec<OsString>) -> io::Result<()> {
    let invalid = || io::Error::from(io::ErrorKind::InvalidInput);
    let mut words = words.into_iter();
    let mut number = || words.next()?.to_str()?.parse::<u64>().ok();
    let (deadline, at_most) = (number().ok_or_else(invalid)?, number().ok_or_else(invalid)?);
    let program = Arc::new(Program {
        deadline: Duration::from_millis(deadline),
        words: words.collect(),
    });
    settle();
    let daemon = Arc::new(io::stdin().as_fd().try_clone_to_owned()?);
    let threads = (0..at_most).map(|_| {
        let (daemon, program) = (Arc::clone(&daemon), Arc::clone(&program));
        thread::Builder::new().spawn(move || serve(&daemon, &program))
    });
    let threads: Vec<_> = threads.collect::<io::Result<_>>()?;
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}

/// Each connection comes to one of the threads that wait.
pub(super) fn serve(daemon: &OwnedFd, program: &Program) {
    while let Ok(received) = receive(daemon) {
        match received {
            Received::Connection(connection, left) => {
                // The daemon notices that there is no answer.
                let _ = answer(&connection, program, left);
            }
            Received::Nothing => {}
            Received::End => return,
        }
    }
}

enum Received {
    Connection(UnixStream, Duration),
    Nothing,
    End,
}

fn receive(daemon: &OwnedFd) -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut time = [0; TIME];
    let mut bytes = [IoSliceMut::new(&mut time)];
    let message = loop {
        match recvmsg(daemon, &mut bytes, &mut rights, RecvFlags::CMSG_CLOEXEC) {
            Err(Errno::INTR) => {}
            other => break other?,
        }
    };
    if message.bytes == 0 {
        return Ok(Received::End);
    }
    let mut descriptors = rights.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let first = descriptors.next().and_then(|mut each| each.next());
    let left = Duration::from_millis(u64::from_ne_bytes(time));
    Ok(first.map_or(Received::Nothing, |first| {
        Received::Connection(UnixStream::from(first), left)
    }))
}

fn answer(connection: &UnixStream, program: &Program, left: Duration) -> io::Result<()> {
    connection.set_read_timeout(Some(QUESTION_TIME))?;
    connection.set_write_timeout(Some(QUESTION_TIME))?;
    let mut question = Zeroizing::new(Vec::with_capacity(QUESTION_MAX + 1));
    connection
        .take(QUESTION_MAX as u64 + 1)
        .read_to_end(&mut question)?;
    if question.len() > QUESTION_MAX {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let verdict = program.ask(&question, left);
    let verdict = verdict.unwrap_or_else(|error| {
        let path = program.words.first().map(|path| path.to_string_lossy());
        Verdict::Failed(format!(
            "{} cannot be run: {error}",
            path.unwrap_or_default()
        ))
    });
    verdict.write(connection)
}

impl Program {
    /// Runs it for not longer than the time that is `left` of its deadline.
    pub(super) fn ask(&self, question: &[u8], left: Duration) -> io::Result<Verdict> {
        let until = Instant::now() + left.min(self.deadline);
        let mut child = command(&self.words)?
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut complaint = Complaint::of(child.stderr.take());
        let said = listen(&mut child, question, &mut complaint, until);
        let ended = match said {
            Ok((_, End::Closed)) => wait_for(&child, &mut complaint, until),
            _ => Ok(Ended::No),
        };
        let status = end(&mut child)?;
        let ((out, how), complaint) = (said?, complaint.told());
        Ok(match (how, ended?) {
            (End::TooMuch, _) => {
                Verdict::Failed(format!("it has written more than {ANSWER_MAX} bytes"))
            }
            (End::TooLate, _) | (End::Closed, Ended::No) => Verdict::Failed(format!(
                "it took longer than {:?}{complaint}",
                self.deadline
            )),
            (End::Closed, Ended::Yes) if status.success() => Verdict::Answered(out),
            (End::Closed, Ended::Yes) => {
                Verdict::Failed(format!("it ended with {status}{complaint}"))
            }
        })
    }
}

/// Writes the question and reads what comes, until the program closes its output.
fn listen(
    child: &mut Child,
    question: &[u8],
    complaint: &mut Complaint,
    until: Instant,
) -> io::Result<(Zeroizing<Vec<u8>>, End)> {
    // A pipe takes it at once, also where the program never reads it.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(question);
    }
    let Some(mut stdout) = child.stdout.take() else {
        return Err(io::ErrorKind::BrokenPipe.into());
    };
    let mut out = Zeroizing::new(Vec::with_capacity(ANSWER_MAX + 1));
    let mut buffer = Zeroizing::new(vec![0; PIECE]);
    let end = loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break End::TooLate;
        }
        let mut open = vec![PollFd::new(&stdout, PollFlags::IN)];
        let stderr = complaint.pipe.iter();
        open.extend(stderr.map(|stderr| PollFd::new(stderr, PollFlags::IN)));
        poll_for(&mut open, left)?;
        let ready: Vec<bool> = open.iter().map(|fd| !fd.revents().is_empty()).collect();
        if ready.get(1) == Some(&true) {
            complaint.read()?;
        }
        if ready[0] {
            match stdout.read(&mut buffer)? {
                0 => break End::Closed,
                count if out.len() + count > ANSWER_MAX => break End::TooMuch,
                count => out.extend_from_slice(&buffer[..count]),
            }
        }
    };
    Ok((out, end))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Closed,
    TooLate,
    TooMuch,
}
