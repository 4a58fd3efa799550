//! One session as a state machine: its events, effects and states, and the table that sends each
//! event to its state.

use std::sync::Arc;
use std::time::Instant;

use super::context::{Account, Context, Setup, Shared};
use super::continuations::AfterJob;
use super::dialect_rules::{ClientCertificate, LongWork};
use super::download::{Offered, SendingFile};
use super::external_events::{close_when_done, on_evicted, on_started, on_stop, on_timeout};
use super::hashing::Hashing;
use super::job::{Completion, Evidence, Job, JobId, KeptBecause};
use super::listing::SendingListing;
use super::login::AwaitProof;
use super::penalty::Penalty;
use super::range::SendingRange;
use super::ready::{Ready, check_permission, refuse_command};
use super::stream::{
    self, CONTROL_GRACE, DataEvent, DataMode, Direction, HandshakeTiming, Streaming, Unconfirmed,
    Watched,
};
use super::terms::Terms;
use super::upload::{Partial, Received, Receiving};
use super::{data_ports, login, password_login, rename, security};
use crate::log_line::LogLine;
use crate::path::VirtualPath;
use crate::transfer::{End, Task};
use crate::wire::command::{Answer, Command, PassiveForm};
use crate::wire::reply::{CloseReason, Malformed, Reply};

/// What happened to a session.
#[derive(Debug)]
pub enum Event {
    /// The connection was made.
    Started,
    Command(Command),
    Malformed(Malformed),
    /// A line that begins an upload and was not understood: content may follow it.
    MalformedUpload(Malformed),
    /// A worker answered.
    Completed(JobId, Completion),
    /// A burst ended; the task has moved `done` bytes so far.
    Progress {
        done: u64,
    },
    /// The task is held back by the rates of the account, which is no stall.
    HeldBack,
    /// The task has ended.
    TransferEnded(End),
    /// The deadline that `Session::deadline` named has passed.
    Timeout,
    /// Another session of the user wants to write the name that this one writes.
    Evicted,
    /// The session must close when its dialogue is over.
    Leave(CloseReason),
    /// What the account may do has changed; counts from the next command on.
    AccountChanged(Arc<Terms>),
    /// The session must close now; nobody has logged in.
    Expelled(CloseReason),
    /// The dialogue must end now.
    Stop,
    /// The peer closed its side of the control connection, and the lines that it sent before are
    /// handled.
    PeerClosed,
    /// The control connection is under TLS from now on.
    Secured(ClientCertificate),
    /// The peer sent clear text behind the line that begins TLS.
    ClearTextAfterAuthTls,
    /// Answers `Effect::Listen`.
    Listening(PassiveForm, Result<core::net::SocketAddr, NoPort>),
    /// Something happened to the data connection.
    Data(DataEvent),
}

/// Why no port was opened for a data connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoPort {
    NoneFree,
    /// The user holds this many, all that one may.
    ShareTaken {
        most: u16,
    },
}

/// What the session wants done.
#[derive(Debug)]
pub enum Effect {
    Reply(Reply),
    Work(JobId, Job),
    /// Begin a task of the transfer.
    Begin(Task),
    /// End the running task early.
    StopTransfer,
    /// Count a failed login, or a wrong old password, against the peer's address.
    LoginFailed {
        user: String,
    },
    /// Log that a login in clear was refused, as it needs TLS.
    LoginNeedsTls {
        user: String,
    },
    /// Log that a file's bytes differ from its remembered digest.
    ChangedOnDisk {
        path: VirtualPath,
    },
    /// Write a line of the access log.
    Log(Box<LogLine>),
    /// Begin TLS, if it comes to that, with the certificate of this name.
    Host(String),
    /// Begin TLS on the control connection once the replies are written.
    StartTls,
    /// Open a port for one data connection.
    Listen(PassiveForm),
    /// Open the data connection.
    OpenData(DataMode),
    /// Begin TLS on the data connection.
    SecureData(Direction, HandshakeTiming),
    /// Close the data connection and its port, if any.
    CloseData,
    /// Log that an upload under TLS ended without close_notify and is published all the same.
    NoCloseNotify(Evidence),
    /// Log that the upload under way ends with the session, and why.
    Interrupted(KeptBecause),
    /// Forget the login.
    Logout,
    /// Close the control connection once the replies are written.
    Close(Unread),
}

/// Whether the peer may be sending while the connection is closed. What stays unread turns a close
/// into a reset, which may discard the last reply before the peer has read it (RFC 1122 section
/// 4.2.2.13).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unread {
    /// The peer asked for the end, or has ended itself.
    Nothing,
    MayCome,
}

/// Which lines the session takes now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Accepts {
    AllLines,
    /// Only ABOR, if it is the next line.
    AbortOnly,
    /// Lines that may overtake others during a transfer.
    UrgentOnly,
    Nothing,
}

/// A session: its state, the data that outlives states, and one timer.
pub struct Session {
    state: State,
    shared: Shared,
    timer: Timer,
    due: Instant,
}

/// A state of a session; each owns the data that is valid in it (PROTOCOL.md section 11).
pub(super) enum State {
    New,
    Proof(Box<AwaitProof>),
    Penalty(Penalty),
    Ready(Ready),
    Working(Working),
    Hashing(Hashing),
    Offered(Offered),
    SendingFile(SendingFile),
    SendingRange(SendingRange),
    SendingListing(SendingListing),
    /// The abort frame was sent; the ABOR that asked for it is the next line.
    Stopped,
    Partial(Partial),
    Receiving(Receiving),
    Received(Received),
    Discarding,
    Discarded,
    Renaming(VirtualPath),
    /// USER came with this name, PASS is next.
    Password(String),
    /// The TLS handshake of the control connection is under way.
    StartingTls,
    /// A port for a data connection is being opened.
    Listening,
    Opening(stream::OpeningData),
    Streaming(Streaming),
    Unconfirmed(Unconfirmed),
    Watched(Watched),
    /// A listing's lines are sent inside a reply.
    ListingInReply,
    Closed,
}

/// A job is at a worker; no command is taken meanwhile.
pub(super) struct Working {
    job: JobId,
    pub(super) after: AfterJob,
}

/// The timer that runs; the state decides which.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Timer {
    Login,
    Idle,
    Stall,
    Progress,
    Penalty,
    Data,
    LongWork,
    /// An upload has ended, perhaps with its client.
    ControlGrace,
    /// The same in clear.
    Watch,
    Never,
}

impl State {
    pub(super) fn ready() -> Self {
        Self::Ready(Ready::default())
    }

    pub(super) fn working(job: JobId, after: AfterJob) -> Self {
        Self::Working(Working { job, after })
    }
}

impl Session {
    pub fn new(now: Instant, setup: Setup) -> Self {
        let shared = Shared::new(now, setup);
        Self {
            state: State::New,
            timer: Timer::Login,
            due: shared.login_due,
            shared,
        }
    }

    /// Handles one event. Appends to `effects` what is to be done.
    pub fn handle(&mut self, now: Instant, event: Event, effects: &mut Vec<Effect>) {
        let active = is_activity(&event, self.timer);
        let state = std::mem::replace(&mut self.state, State::Closed);
        let mut cx = Context {
            now,
            shared: &mut self.shared,
            effects,
        };
        let timer = self.timer;
        let state = step(state, event, timer, &mut cx);
        self.state = close_when_done(state, &mut cx);
        self.rearm(now, active);
    }

    /// Which lines the session takes now.
    pub fn accepts(&self) -> Accepts {
        match &self.state {
            State::Working(Working {
                after: AfterJob::StreamPublished(publishing),
                ..
            }) => publishing.accepts(),
            State::Working(Working {
                after: AfterJob::StreamReady(readying),
                ..
            }) => readying.accepts(),
            State::Working(_) | State::Penalty(_) | State::Closed => Accepts::Nothing,
            State::SendingFile(_) | State::SendingRange(_) => Accepts::Nothing,
            State::SendingListing(_) => Accepts::Nothing,
            State::Receiving(_) | State::Discarding => Accepts::Nothing,
            State::StartingTls | State::ListingInReply | State::Listening => Accepts::Nothing,
            State::Hashing(hashing) => hashing.accepts(self.shared.setup.dialect_rules.long_work),
            State::Opening(_) => Accepts::UrgentOnly,
            State::Streaming(streaming) => streaming.accepts(),
            State::Unconfirmed(_) | State::Watched(_) => Accepts::UrgentOnly,
            _ => Accepts::AllLines,
        }
    }

    /// When `Event::Timeout` is due; `None` for never.
    pub fn deadline(&self) -> Option<Instant> {
        (self.timer != Timer::Never).then_some(self.due)
    }

    /// The user who is logged in.
    pub fn account(&self) -> Option<&Account> {
        self.shared.account.as_ref()
    }

    /// The working directory.
    pub fn cwd(&self) -> &VirtualPath {
        &self.shared.cwd
    }

    /// Whether the task that runs only reads a file, to hash it.
    pub(crate) fn is_hashing(&self) -> bool {
        matches!(self.state, State::Hashing(_))
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    fn rearm(&mut self, now: Instant, active: bool) {
        let timer = self.timer_of_state();
        if timer == self.timer && !active {
            return;
        }
        let limits = &self.shared.setup.limits;
        self.timer = timer;
        self.due = match timer {
            Timer::Login => self.shared.login_due,
            Timer::Idle => now + limits.idle,
            Timer::Stall => now + limits.stall,
            Timer::Progress => now + limits.progress,
            Timer::Data => now + limits.data,
            Timer::LongWork => now + limits.long_work,
            Timer::ControlGrace => now + CONTROL_GRACE,
            Timer::Watch => match &self.state {
                State::Watched(watched) => watched.until(),
                _ => now,
            },
            Timer::Penalty => match &self.state {
                State::Penalty(penalty) => penalty.until(),
                _ => now,
            },
            Timer::Never => now,
        };
    }

    fn timer_of_state(&self) -> Timer {
        match self.state {
            State::Closed => Timer::Never,
            State::Penalty(_) => Timer::Penalty,
            _ if self.shared.account.is_none() => Timer::Login,
            State::Working(_) | State::Hashing(_) => {
                match self.shared.setup.dialect_rules.long_work {
                    LongWork::ReportProgress => Timer::Progress,
                    LongWork::AskToRetry => Timer::LongWork,
                }
            }
            State::Opening(_) => Timer::Data,
            State::Streaming(ref streaming) if streaming.is_handshaking() => Timer::Data,
            State::Unconfirmed(_) => Timer::ControlGrace,
            State::Watched(_) => Timer::Watch,
            State::Streaming(_) | State::ListingInReply => Timer::Stall,
            State::SendingFile(_) | State::SendingRange(_) => Timer::Stall,
            State::SendingListing(_) => Timer::Stall,
            State::Receiving(_) | State::Discarding => Timer::Stall,
            _ => Timer::Idle,
        }
    }
}

/// Whether the event restarts the timer: a line does in an idle session, a byte in a transfer, but
/// neither delays the next sign of progress.
fn is_activity(event: &Event, timer: Timer) -> bool {
    match event {
        // Lines do not delay the deadline of a data connection.
        Event::Command(_) | Event::Malformed(_) | Event::MalformedUpload(_) => !matches!(
            timer,
            Timer::Data | Timer::Stall | Timer::LongWork | Timer::ControlGrace | Timer::Watch
        ),
        Event::Timeout => true,
        Event::Progress { done } => *done > 0 && timer == Timer::Stall,
        Event::HeldBack => timer == Timer::Stall,
        _ => false,
    }
}

/// The table: which event means what in which state.
fn step(state: State, event: Event, timer: Timer, cx: &mut Context<'_>) -> State {
    match (state, event) {
        (State::Closed, _) => State::Closed,
        (state, Event::Started) => on_started(state, cx),
        (State::Streaming(streaming), Event::PeerClosed) => streaming.on_peer_closed(cx),
        (State::Unconfirmed(upload), Event::PeerClosed) => upload.on_peer_closed(cx),
        (State::Watched(upload), Event::PeerClosed) => upload.on_peer_closed(cx),
        (
            State::Working(Working {
                job,
                after: AfterJob::StreamReady(readying),
            }),
            Event::PeerClosed,
        ) => readying.on_peer_closed(job),
        (
            State::Working(Working {
                job,
                after: AfterJob::StreamPublished(publishing),
            }),
            Event::PeerClosed,
        ) => publishing.on_peer_closed(job, cx),
        (State::Opening(opening), Event::PeerClosed) => opening.on_peer_closed(cx),
        (_, Event::PeerClosed) => cx.close(),
        (State::StartingTls, Event::Secured(shown)) => security::secured(shown, cx),
        (_, Event::ClearTextAfterAuthTls) => cx.close_with(CloseReason::ClearTextAfterAuthTls),
        (State::Listening, Event::Listening(form, address)) => {
            data_ports::on_listening(form, address, cx)
        }
        (State::Opening(opening), Event::Data(event)) => opening.on_data(event, cx),
        (State::Streaming(streaming), Event::Data(DataEvent::Secured)) => {
            State::Streaming(streaming.secured())
        }
        (state, Event::Data(_) | Event::Secured(_) | Event::Listening(..)) => state,
        (state, Event::Timeout) => on_timeout(state, timer, cx),
        (_, Event::Expelled(reason)) => cx.close_with(reason),
        (state, Event::Leave(reason)) => {
            cx.shared.close_when_done = Some(reason);
            state
        }
        (state, Event::AccountChanged(terms)) => {
            if let Some(account) = &mut cx.shared.account {
                account.terms = terms;
            }
            state
        }
        (state, Event::Stop) => on_stop(state, cx),
        (state, Event::Evicted) => on_evicted(state, cx),
        (state, Event::Progress { done }) => on_progress(state, done),
        (state, Event::HeldBack) => state,
        (state, Event::Malformed(malformed)) => on_malformed(state, malformed, cx),
        (_, Event::MalformedUpload(malformed)) => {
            cx.reply(Reply::Malformed(malformed));
            cx.close_with(CloseReason::ContentMayFollow)
        }
        (state, Event::Command(command)) => on_command(state, command, cx),
        (State::Working(working), Event::Completed(id, completion)) if working.job == id => {
            working.after.on_completed(completion, cx)
        }
        (state, Event::Completed(..)) => state,
        (state, Event::TransferEnded(end)) => on_transfer_ended(state, end, cx),
    }
}

fn on_command(state: State, command: Command, cx: &mut Context<'_>) -> State {
    let state = match state {
        State::Opening(opening) => return opening.on_command(&command, cx),
        State::Streaming(streaming) => return streaming.on_command(&command, cx),
        State::Unconfirmed(upload) => return upload.on_command(&command, cx),
        State::Watched(upload) => return upload.on_command(&command, cx),
        State::Working(Working {
            job,
            after: AfterJob::StreamReady(readying),
        }) => return readying.on_command(&command, job, cx),
        State::Hashing(hashing) if matches!(command, Command::Noop | Command::Status) => {
            return hashing.on_command(command, cx);
        }
        State::Working(Working {
            job,
            after: AfterJob::StreamPublished(publishing),
        }) => return publishing.on_command(&command, job, cx),
        other => other,
    };
    if command == Command::Quit {
        cx.reply(Reply::Goodbye);
        return cx.close();
    }
    match (check_permission(&command, cx), state) {
        (Err(reply), state) => refuse_command(state, command, reply, cx),
        (Ok(()), State::New) => login::on_command(State::New, command, cx),
        (Ok(()), State::Password(user)) => match command {
            Command::Password(password) => password_login::password(user, password, cx),
            other => login::on_command(State::Password(user), other, cx),
        },
        (Ok(()), State::Proof(proof)) => proof.on_command(command, cx),
        (Ok(()), State::Ready(ready)) => ready.on_command(command, cx),
        (Ok(()), State::Hashing(hashing)) => hashing.on_command(command, cx),
        (Ok(()), State::Offered(offered)) => offered.on_command(command, cx),
        (Ok(()), State::Partial(partial)) => partial.on_command(command, cx),
        (Ok(()), State::Received(received)) => received.on_command(command, cx),
        (Ok(()), State::Renaming(from)) => rename::on_command(from, command, cx),
        (Ok(()), State::Stopped) if command == Command::Abort => cx.conclude(Reply::Aborted),
        (Ok(()), State::Discarded) => match command {
            Command::Answer(Answer::AllSent { .. }) => State::ready(),
            other => Ready::default().on_command(other, cx),
        },
        (Ok(()), State::Stopped) => Ready::default().on_command(command, cx),
        (Ok(()), state) => state,
    }
}

fn on_malformed(state: State, malformed: Malformed, cx: &mut Context<'_>) -> State {
    if malformed == Malformed::OtherProtocol {
        return cx.close_with(CloseReason::NotThisProtocol);
    }
    // The verb is known, but this use of it is not supported.
    let understood = matches!(
        malformed,
        Malformed::NotImplemented | Malformed::NotForThatArgument | Malformed::UnknownNetwork
    );
    cx.reply(Reply::Malformed(malformed));
    if cx.shared.account.is_some() {
        return state;
    }
    if understood {
        return state;
    }
    cx.shared.malformed_lines += 1;
    if cx.shared.malformed_lines < cx.shared.setup.limits.malformed_lines {
        return state;
    }
    cx.close_with(CloseReason::NotThisProtocol)
}

fn on_transfer_ended(state: State, end: End, cx: &mut Context<'_>) -> State {
    if let State::Streaming(streaming) = state {
        return streaming.on_end(end, cx);
    }
    if end == End::LaneLost {
        return cx.close();
    }
    match state {
        State::ListingInReply => stream::list_in_reply_ended(end, cx),
        State::Hashing(hashing) => hashing.on_end(end, cx),
        State::SendingFile(sending) => sending.on_end(end, cx),
        State::SendingRange(sending) => sending.on_end(end, cx),
        State::SendingListing(sending) => sending.on_end(end, cx),
        State::Receiving(receiving) => receiving.on_end(end, cx),
        State::Discarding => match end {
            End::Complete { .. } => State::Discarded,
            _ => State::ready(),
        },
        other => other,
    }
}

fn on_progress(state: State, done: u64) -> State {
    match state {
        State::Hashing(hashing) => State::Hashing(hashing.with_progress(done)),
        State::Streaming(streaming) => State::Streaming(streaming.with_progress(done)),
        other => other,
    }
}
