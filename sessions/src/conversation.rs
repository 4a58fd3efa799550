//! Runs one control connection without its socket: cuts bytes into lines, decodes commands for the
//! session, and encodes its replies.

use std::time::Instant;

pub use crate::log_line::LogLine;
use crate::path::VirtualPath;
use crate::server::{Accepts, Effect, Event, Session, Setup};
use crate::transfer::{AHEAD_MAX, End};
use crate::wire::codec::{Codec, Extent};
use crate::wire::command::{Answer, Command, Security};
use crate::wire::line::{Head, Inbox};
use crate::wire::reply::{Malformed, Reply};

/// Bytes of replies that may wait for the peer to read them; beyond this no command of its is
/// handled.
const OUTBOX_MAX: usize = 64 * 1024;

/// Lines that may wait while a transfer runs; beyond this nothing is read from the peer.
const QUEUE_MAX: usize = 16;

/// The code that the access log gives to a command whose connection ended before its reply (RFC 959
/// section 4.2.1, "transfer aborted").
const TRANSFER_ABORTED: u16 = 426;

/// The server's end of one control connection: codec, input and output buffers, and session.
pub struct Conversation {
    codec: &'static Codec,
    inbox: Inbox,
    outbox: Vec<u8>,
    session: Session,
    peer_end: PeerEnd,
    /// The command that has had no final reply yet. Its code is that of the connection's end until
    /// a reply sets another.
    unanswered: Option<Box<LogLine>>,
    task: TaskState,
}

/// Whether a task of a transfer has begun and not ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum TaskState {
    None,
    UnderWay,
}

/// Whether the peer has closed its sending side, and the session knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PeerEnd {
    Open,
    /// Closed; the lines that came before are handled first.
    Pending,
    Delivered,
}

impl Conversation {
    /// Begins the session. Where the server speaks first, its greeting is in the outbox.
    pub fn new(now: Instant, codec: &'static Codec, setup: Setup) -> Self {
        let mut conversation = Self {
            codec,
            inbox: Inbox::new(codec.rules),
            outbox: Vec::new(),
            session: Session::new(now, setup),
            peer_end: PeerEnd::Open,
            unanswered: None,
            task: TaskState::None,
        };
        conversation.deliver(now, Event::Started, &mut Vec::new());
        conversation
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Whether the session's deadline has passed, so that `Event::Timeout` is due.
    pub fn is_due(&self, now: Instant) -> bool {
        let deadline = self.session.deadline();
        deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Handles bytes from the peer. Appends to `effects` what is to be done; replies go to the
    /// outbox instead, so `Effect::Reply` is never among them.
    pub fn receive(&mut self, now: Instant, bytes: &[u8], effects: &mut Vec<Effect>) {
        self.inbox.push(bytes);
        self.pump(now, effects);
    }

    /// Handles an event, then the lines that it allows to be taken. Appends to `effects` as
    /// `receive` does.
    pub fn handle(&mut self, now: Instant, event: Event, effects: &mut Vec<Effect>) {
        match (event, self.peer_end) {
            (Event::PeerClosed, PeerEnd::Open) => self.peer_end = PeerEnd::Pending,
            (Event::PeerClosed, _) => {}
            (other, _) => self.deliver(now, other, effects),
        }
        self.pump(now, effects);
    }

    /// Handles the end of a task that moved `moved` bytes. `ahead` holds the bytes behind its data,
    /// which are lines again.
    pub fn transfer_ended(
        &mut self,
        now: Instant,
        end: End,
        moved: u64,
        ahead: &[u8],
        effects: &mut Vec<Effect>,
    ) {
        self.count_bytes(moved);
        self.task = TaskState::None;
        self.inbox.push(ahead);
        self.handle(now, Event::TransferEnded(end), effects);
    }

    /// The line of the command that has had no final reply yet, as far as it is known.
    pub fn under_way(&self) -> Option<&LogLine> {
        self.unanswered.as_deref()
    }

    /// The line of the command that the connection's end has cut off; `moved` is what its task had
    /// moved by then, if one was under way.
    pub fn take_unanswered(&mut self, moved: u64) -> Option<Box<LogLine>> {
        if self.task == TaskState::UnderWay {
            self.count_bytes(moved);
        }
        self.unanswered.take()
    }

    fn count_bytes(&mut self, moved: u64) {
        // Bytes that were only hashed went nowhere.
        if let Some(unanswered) = &mut self.unanswered
            && !self.session.is_hashing()
        {
            unanswered.bytes += moved;
        }
    }

    /// Handles the lines that waited until the peer had read its replies.
    pub fn resume(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        self.pump(now, effects);
    }

    /// Whether more bytes may be read from the peer.
    pub fn wants_input(&self) -> bool {
        self.inbox.len() < AHEAD_MAX
            && self.outbox.len() < OUTBOX_MAX
            && !self.session.is_closed()
            && (self.session.accepts() != Accepts::UrgentOnly || self.inbox.lines() < QUEUE_MAX)
    }

    /// The bytes to write to the peer. Drain those that were written.
    pub fn outbox(&mut self) -> &mut Vec<u8> {
        &mut self.outbox
    }

    /// Takes the bytes that were read and not decoded, for a task that begins.
    pub fn take_ahead(&mut self) -> Vec<u8> {
        self.inbox.drain()
    }

    fn pump(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        while self.outbox.len() < OUTBOX_MAX {
            let event = match self.next_line() {
                Head::Incomplete => {
                    self.deliver_peer_end(now, effects);
                    break;
                }
                Head::TooLong => self.malformed(Malformed::TooLong, Extent::Beginning),
                Head::Broken => self.malformed(Malformed::BadLineEnd, Extent::Beginning),
                Head::Line(range) => self.decode_line(now, range),
            };
            self.deliver(now, event, effects);
        }
        self.inbox.compact();
    }

    /// Tells the session of the peer's end, once all that came before it is done: lines that wait
    /// for their turn are handled first, but for those behind a transfer that has a connection of
    /// its own, which may have lost its client.
    fn deliver_peer_end(&mut self, now: Instant, effects: &mut Vec<Effect>) {
        let is_due = match self.session.accepts() {
            Accepts::AllLines => true,
            Accepts::UrgentOnly => !self.inbox.has_line(self.codec.is_quit),
            Accepts::AbortOnly | Accepts::Nothing => false,
        };
        if is_due && self.peer_end == PeerEnd::Pending {
            self.peer_end = PeerEnd::Delivered;
            self.deliver(now, Event::PeerClosed, effects);
        }
    }

    /// The event of a line that broke the rules. Content that may follow it must not be taken for
    /// lines.
    fn malformed(&self, malformed: Malformed, extent: Extent) -> Event {
        match (self.codec.announces_content)(self.inbox.taken(), extent) {
            true => Event::MalformedUpload(malformed),
            false => Event::Malformed(malformed),
        }
    }

    /// Takes the next line of a kind that the session accepts now.
    fn next_line(&mut self) -> Head {
        match self.session.accepts() {
            Accepts::AllLines => self.inbox.take(),
            Accepts::AbortOnly if self.inbox.head_is(self.codec.is_urgent) => self.inbox.take(),
            Accepts::UrgentOnly => self.inbox.take_urgent(self.codec.is_urgent),
            Accepts::AbortOnly | Accepts::Nothing => Head::Incomplete,
        }
    }

    fn decode_line(&mut self, now: Instant, range: std::ops::Range<usize>) -> Event {
        match (self.codec.decode)(self.inbox.slice(range)) {
            // Whoever can write into the clear part of a connection would have
            // it obeyed in the private one (RFC 3207 section 6, CVE-2011-0411).
            Ok(Command::Security(Security::StartTls)) if !self.inbox.is_empty() => {
                Event::ClearTextAfterAuthTls
            }
            Ok(command) => {
                self.begin_log_line(now, &command);
                Event::Command(command)
            }
            Err(malformed) => self.malformed(malformed, Extent::Whole),
        }
    }

    /// Begins a line of the access log for `command`. None is begun for answers and ABOR, which
    /// belong to the command under way, and for commands that only prepare, ask about the session
    /// or keep it alive.
    fn begin_log_line(&mut self, now: Instant, command: &Command) {
        if let Command::RenameOver(to) | Command::Answer(Answer::RenameTo(to)) = command
            && let Some(rename) = &mut self.unanswered
        {
            let to = self.session.cwd().join(to).ok();
            rename.to = to.map(VirtualPath::into_bytes);
        }
        let unlogged = matches!(
            command,
            Command::Answer(_)
                | Command::Abort
                | Command::RenameOver(_)
                | Command::User(_)
                | Command::Data(_)
                | Command::Parameter(_)
                | Command::Features
                | Command::Host(_)
                | Command::Noop
                | Command::WorkingDirectory
                | Command::System
                | Command::Help(_)
        );
        if unlogged || self.session.accepts() == Accepts::UrgentOnly {
            return;
        }
        let cwd = self.session.cwd();
        let path = command.subject().and_then(|arg| cwd.join(arg).ok());
        self.unanswered = Some(Box::new(LogLine {
            path: path.map(VirtualPath::into_bytes).unwrap_or_default(),
            code: TRANSFER_ABORTED,
            ..LogLine::of(command.name(), now)
        }));
    }

    fn deliver(&mut self, now: Instant, event: Event, effects: &mut Vec<Effect>) {
        let mut next = effects.len();
        self.session.handle(now, event, effects);
        while let Some(effect) = effects.get(next) {
            if let Effect::Begin(_) = effect {
                self.task = TaskState::UnderWay;
            }
            if let Effect::Reply(reply) = effect {
                let code = (self.codec.encode)(reply, &mut self.outbox);
                match self.log_line(now, reply, code) {
                    Some(line) => effects[next] = line,
                    None => {
                        effects.remove(next);
                        continue;
                    }
                }
            }
            next += 1;
        }
        if self.session.is_closed() && self.task == TaskState::None {
            // The connection ended in the middle of a command. Where bytes still move, the line
            // waits for their number.
            effects.extend(self.unanswered.take().map(Effect::Log));
        }
    }

    fn log_line(&mut self, now: Instant, reply: &Reply, code: u16) -> Option<Effect> {
        // NOOP during a transfer leaves the transfer's line open.
        let meanwhile = *reply == Reply::Noop && self.session.accepts() == Accepts::UrgentOnly;
        if meanwhile || reply.is_preliminary() || matches!(reply, Reply::Challenge { .. }) {
            return None;
        }
        // Of logins PASS tells, but for those that need none.
        if let Reply::Recognized { .. } = reply {
            self.unanswered = Some(Box::new(LogLine::of("USER", now)));
        }
        let mut line = self.unanswered.take()?;
        line.code = code;
        if self.session.is_closed() && self.task == TaskState::UnderWay {
            // It waits for the number of its bytes.
            self.unanswered = Some(line);
            return None;
        }
        line.sum = match reply {
            Reply::Sent { sum, .. } | Reply::Stored { sum, .. } => Some(*sum),
            _ => None,
        };
        Some(Effect::Log(line))
    }
}
