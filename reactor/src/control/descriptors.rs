//! Sends and receives lines that a descriptor comes with (SCM_RIGHTS, unix(7)).

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::cmsg_space;
use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// Bytes that are received at a time.
const PIECE: usize = 4096;

/// Sends `line`, and the descriptor with its first byte.
pub(super) fn send(
    mut stream: &UnixStream,
    line: &[u8],
    descriptor: BorrowedFd<'_>,
) -> io::Result<()> {
    let descriptors = [descriptor];
    let sent = retry_on_intr(|| {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        // The space is that of one.
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        let line = [IoSlice::new(line)];
        sendmsg(stream, &line, &mut ancillary, SendFlags::NOSIGNAL)
    })?;
    stream.write_all(&line[sent..])
}

/// The lines that come in, and the descriptors that come with some of them, each in its order.
pub(super) struct Lines {
    stream: UnixStream,
    bytes: VecDeque<u8>,
    descriptors: VecDeque<OwnedFd>,
}

impl Lines {
    pub(super) fn of(stream: UnixStream) -> Self {
        Self {
            stream,
            bytes: VecDeque::new(),
            descriptors: VecDeque::new(),
        }
    }

    pub(super) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// The next line, without its end; `None` where there is no more.
    pub(super) fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = self.bytes.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.bytes.drain(..=end).collect();
                line.pop();
                return Ok(Some(line));
            }
            if !self.receive()? {
                return Ok(None);
            }
        }
    }

    /// The first descriptor that nobody has taken.
    pub(super) fn take_descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptors.pop_front()
    }

    /// False at the end.
    fn receive(&mut self) -> io::Result<bool> {
        let mut bytes = [0; PIECE];
        // The kernel never joins what two messages have brought.
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = retry_on_intr(|| {
            let mut pieces = [IoSliceMut::new(&mut bytes)];
            let flags = RecvFlags::CMSG_CLOEXEC;
            recvmsg(&self.stream, &mut pieces, &mut ancillary, flags)
        })?;
        self.bytes.extend(&bytes[..received.bytes]);
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        Ok(received.bytes > 0)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn descriptors_come_in_the_order_of_their_lines() {
        let (daemon, client) = UnixStream::pair().unwrap();
        let files: Vec<File> = (0..20_u8)
            .map(|number| {
                let mut file = tempfile::tempfile().unwrap();
                file.write_all(&[number]).unwrap();
                file.rewind().unwrap();
                file
            })
            .collect();
        for (number, file) in files.iter().enumerate() {
            (&daemon).write_all(b"none\n").unwrap();
            send(&daemon, format!("{number}\n").as_bytes(), file.as_fd()).unwrap();
        }
        drop(daemon);
        let mut lines = Lines::of(client);
        let mut come = 0;
        while let Some(line) = lines.next().unwrap() {
            if line == b"none" {
                continue;
            }
            assert_eq!(line, come.to_string().as_bytes());
            let mut content = Vec::new();
            let descriptor = lines.take_descriptor().unwrap();
            File::from(descriptor).read_to_end(&mut content).unwrap();
            assert_eq!(content, [come]);
            come += 1;
        }
        assert_eq!(come, 20);
        assert!(lines.take_descriptor().is_none());
    }
}
