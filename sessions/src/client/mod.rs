//! The client's end of each native dialogue as a state machine: events in, effects out. Sockets,
//! files and the terminal belong to whoever runs a [`Dialogue`].

mod drain;
pub mod get;
mod listing;
mod login;
pub mod put;
mod put_ahead;
mod rename;
mod request;
#[cfg(test)]
mod script;

use crate::digest::Sum;
use crate::scram::ScramError;
use crate::transfer::{End, Task};
use crate::wire::command::Command;
use crate::wire::native::replies::ReplyLine;
use crate::wire::reply::Refusal;
use crate::wire::stamp::Stamp;

pub use get::{CommandTiming, GetOrder, LocalCopy};
pub use login::{Credentials, Welcome};
pub use put::PutOrder;
pub use put_ahead::SentAhead;

use get::Get;
use listing::Listing;
use login::Login;
use put::Put;
use put_ahead::PutAhead;
use rename::Rename;
use request::Request;

/// What happened to a dialogue.
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A line came from the server.
    Answered(ReplyLine),
    /// The user's answer to an [`Effect::Ask`].
    Decided(Decision),
    /// The task of an [`Effect::Begin`] ended.
    Ended(End),
    /// [`Effect::Publish`] was done.
    Published,
    /// [`Effect::Use`] or [`Effect::Publish`] failed; effects behind it were dropped.
    LocalFailed,
    /// The user wants the dialogue stopped. Whoever runs the tasks stops the running one, and every
    /// later one but [`Task::Discard`], repeating this event.
    Stop,
    /// A digest task has been running for some seconds.
    Tick,
}

/// The user's answer to a question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    Yes,
    No,
}

/// What a dialogue wants done, in the order of the list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    Send(Command),
    /// Run the bulk task; [`Event::Ended`] answers.
    Begin(Task),
    /// Ask the user; [`Event::Decided`] answers, or [`Event::Stop`].
    Ask(Question),
    /// Let tasks use this local file from now on.
    Use(LocalFile),
    /// Publish the received file: sync it, and give it its name and its time.
    Publish {
        modified: Option<Stamp>,
    },
    /// Remove the received part, which is wrong.
    DropPart,
    /// Show the progress of the server's own work, in bytes.
    Working {
        done: u64,
        of: u64,
    },
    Note(Note),
    /// The dialogue is over; no effect follows.
    Done(Box<Outcome>),
}

/// The local file of a download.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LocalFile {
    /// The file that has the name already, for reading.
    Whole,
    /// The part that an earlier download left, to be appended to.
    Part,
    /// A new part, or an old one truncated to 0 bytes.
    EmptyPart,
}

/// A question to the user; sizes in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Question {
    ResumeDownload {
        have: u64,
        of: u64,
    },
    ResumeUpload {
        have: u64,
        of: u64,
    },
    /// Another file has the name at the server.
    Replace,
}

/// Something that the user may want to know although nothing failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// The part is not the beginning of the file: the whole file is sent.
    PartDiffers,
    /// The local file differs from the server's: it is downloaded.
    WholeDiffers,
}

/// How a dialogue ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The server's final reply; its code tells what it means.
    Replied(ReplyLine),
    LoggedIn(Welcome),
    /// The login was refused, or the server did not prove itself.
    LoginFailed(ScramError),
    /// Both ends have the same bytes, stored: the server's 226.
    Verified(ReplyLine),
    /// Both ends have the file already; `sum` is `None` where size and time said so.
    AlreadyThere {
        size: u64,
        sum: Option<Sum>,
    },
    /// The digests differ: the received bytes were removed.
    Differs(ReplyLine),
    /// The user did not want to resume.
    ResumeDeclined,
    /// Another local file has the name, of the server's file of `size` bytes, and may not be
    /// replaced.
    LocalDiffers {
        size: u64,
    },
    /// The user did not want the server's file replaced: the server's refusal.
    NotReplaced(ReplyLine),
    /// The frames of an upload that was sent ahead are on their way, or what else became of them;
    /// [`Dialogue::confirm_put`] reads the answers.
    SentAhead(SentAhead),
    /// The user stopped it.
    Stopped,
    /// The local file could not be read or written; whoever runs the dialogue knows why.
    LocalFailed,
    /// The bulk data broke a rule; the session goes on.
    BadData(Refusal),
    /// The server sent an answer that does not fit: the connection must be closed.
    OutOfOrder(ReplyLine),
    /// The server closes: its 421.
    Closing(ReplyLine),
    /// The connection is lost.
    Lost,
}

/// One dialogue with the server.
pub struct Dialogue(DialogueState);

enum DialogueState {
    Login(Login),
    Request(Request),
    Listing(Listing),
    Get(Get),
    Put(Put),
    PutAhead(PutAhead),
    Rename(Rename),
    Over,
}

impl Dialogue {
    /// USER and PASS. Blocks for as long as PBKDF2 takes when 331 comes.
    ///
    /// # Errors
    ///
    /// A name or nonce that cannot be sent.
    pub fn login(credentials: Credentials, out: &mut Vec<Effect>) -> Result<Self, ScramError> {
        Ok(Self(DialogueState::Login(Login::begin(credentials, out)?)))
    }

    /// Sends a command that is answered by one final reply.
    pub fn request(command: Command, out: &mut Vec<Effect>) -> Self {
        Self(DialogueState::Request(Request::begin(command, out)))
    }

    /// Sends LIST or STAGES; the entries go to the task's sink.
    pub fn listing(command: Command, out: &mut Vec<Effect>) -> Self {
        Self(DialogueState::Listing(Listing::begin(command, out)))
    }

    /// Begins a download.
    pub fn get(order: GetOrder, out: &mut Vec<Effect>) -> Self {
        Self(DialogueState::Get(Get::begin(order, out)))
    }

    /// Begins an upload with a turn.
    pub fn put(order: PutOrder, out: &mut Vec<Effect>) -> Self {
        Self(DialogueState::Put(Put::begin(order, out)))
    }

    /// Begins an upload whose answers are read later, by [`Dialogue::confirm_put`]: others may be
    /// sent in between. A stop reads the answers to all of them. The order takes no turn.
    pub fn put_ahead(order: PutOrder, out: &mut Vec<Effect>) -> Self {
        Self(DialogueState::PutAhead(PutAhead::begin(order, out)))
    }

    /// Reads the answers to the oldest upload that was sent ahead.
    pub fn confirm_put(order: PutOrder, sent: SentAhead) -> Self {
        Self(DialogueState::PutAhead(PutAhead::Confirming(order, sent)))
    }

    /// Reads the final reply to the oldest command that was sent ahead.
    pub fn reply_to_request() -> Self {
        Self(DialogueState::Request(Request::Asked))
    }

    /// Begins a rename.
    pub fn rename(
        from: crate::path::PathArg,
        to: crate::path::PathArg,
        out: &mut Vec<Effect>,
    ) -> Self {
        Self(DialogueState::Rename(Rename::begin(from, to, out)))
    }

    /// Handles one event; appends to `out` what is to be done.
    pub fn handle(&mut self, event: Event, out: &mut Vec<Effect>) {
        let state = std::mem::replace(&mut self.0, DialogueState::Over);
        self.0 = match event {
            Event::Answered(answered) if answered.code == 111 => {
                let working = answered.progress;
                out.extend(working.map(|(done, of)| Effect::Working { done, of }));
                state
            }
            Event::Answered(answered) if answered.code == 421 => {
                finish(Outcome::Closing(answered), out).unwrap_or(DialogueState::Over)
            }
            Event::Ended(End::LaneLost) => {
                finish(Outcome::Lost, out).unwrap_or(DialogueState::Over)
            }
            event => state.on(event, out).unwrap_or(DialogueState::Over),
        };
    }
}

impl DialogueState {
    fn on(self, event: Event, out: &mut Vec<Effect>) -> Option<Self> {
        match self {
            Self::Login(login) => login.on(event, out).map(Self::Login),
            Self::Request(request) => request.on(event, out).map(Self::Request),
            Self::Listing(listing) => listing.on(event, out).map(Self::Listing),
            Self::Get(get) => get.on(event, out).map(Self::Get),
            Self::Put(put) => put.on(event, out).map(Self::Put),
            Self::PutAhead(put) => put.on(event, out).map(Self::PutAhead),
            Self::Rename(rename) => rename.on(event, out).map(Self::Rename),
            Self::Over => None,
        }
    }
}

/// Ends the dialogue.
fn finish<S>(outcome: Outcome, out: &mut Vec<Effect>) -> Option<S> {
    out.push(Effect::Done(Box::new(outcome)));
    None
}

/// Ends the dialogue after an answer that no state waits for: with a refusal as its outcome, or
/// else because the two ends have lost their common state.
fn refused<S>(answered: ReplyLine, out: &mut Vec<Effect>) -> Option<S> {
    let refusal = answered.code >= 400;
    let outcome = if refusal {
        Outcome::Replied
    } else {
        Outcome::OutOfOrder
    };
    finish(outcome(answered), out)
}

/// Handles an event that the state does not wait for: other answers end the dialogue, other events
/// are ignored.
fn ignore_or_refuse<S>(state: S, event: Event, out: &mut Vec<Effect>) -> Option<S> {
    match event {
        Event::Answered(answered) => refused(answered, out),
        _ => Some(state),
    }
}
