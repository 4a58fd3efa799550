//! The client's end of each dialogue: events in, effects out. No socket, no
//! file, no terminal; whoever runs a [`Dialogue`] has those.

mod drain;
pub mod get;
mod listing;
mod login;
pub mod put;
mod rename;
mod request;
#[cfg(test)]
mod script;

use crate::digest::Sum;
use crate::scram::ScramError;
use crate::transfer::{End, Task};
use crate::wire::command::Command;
use crate::wire::native::answers::Answered;
use crate::wire::reply::Refusal;
use crate::wire::stamp::Stamp;

pub use get::{Asking, GetOrder, LocalCopy};
pub use login::Credentials;
pub use put::PutOrder;

use get::Get;
use listing::Listing;
use login::Login;
use put::Put;
use rename::Rename;
use request::Request;

/// What happens to a dialogue.
#[expect(clippy::large_enum_variant, reason = "one at a time, on the stack")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A line came from the server.
    Answered(Answered),
    /// The person's word on an [`Effect::Ask`].
    Decided(Decision),
    /// The task of an [`Effect::Begin`] is over.
    Ended(End),
    /// [`Effect::Publish`] was done.
    Published,
    /// [`Effect::Use`] or [`Effect::Publish`] failed; effects behind it were dropped.
    LocalFailed,
    /// The person wants this stopped. Whoever runs the tasks stops the one under
    /// way, and those that begin later as well (saying this again), but for
    /// [`Task::Discard`].
    Stop,
    /// A digest task has been running for a while.
    Tick,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    Yes,
    No,
}

/// What a dialogue wants done, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    Send(Command),
    /// Run the bulk task; [`Event::Ended`] answers.
    Begin(Task),
    /// [`Event::Decided`] answers, or [`Event::Stop`].
    Ask(Question),
    /// The local file that tasks work on from now on.
    Use(LocalFile),
    /// What was received is whole: sync it, and give it its name and its time.
    Publish {
        modified: Option<Stamp>,
    },
    /// What was received is wrong: remove the part.
    DropPart,
    /// Bytes that the server's own work has done.
    Working {
        done: u64,
        of: u64,
    },
    Note(Note),
    /// The dialogue is over; nothing comes behind.
    Done(Box<Outcome>),
}

/// A file of a download.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LocalFile {
    /// The file that has the name already; it is only read.
    Whole,
    /// The part that an earlier download left; written behind its end.
    Part,
    /// A part that is made, or cut to nothing.
    EmptyPart,
}

/// Something only the person can say; sizes in bytes.
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

/// What a person may want to know although nothing failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// The part is no beginning of the file: all is sent again.
    PartDiffers,
    /// The local file is another one than the server's: it is fetched.
    WholeDiffers,
}

/// How a dialogue ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The server's last word; its code says what it means.
    Replied(Answered),
    LoggedIn(Answered),
    /// The server could not log us in, or did not prove itself.
    LoginFailed(ScramError),
    /// Both ends have the same bytes, stored: the server's 226.
    Verified(Answered),
    /// Nothing was sent, both ends have it; `None` where size and time said so.
    AlreadyThere {
        size: u64,
        sum: Option<Sum>,
    },
    /// The digests differ: what was received is gone.
    Differs(Answered),
    /// The person did not want to resume.
    GaveUp,
    /// The person did not want another file replaced: the server's refusal.
    NotReplaced(Answered),
    /// The person stopped it.
    Stopped,
    /// The local file could not be read or written; its owner knows why.
    LocalFailed,
    /// The bulk data broke a rule; the session lives.
    BadData(Refusal),
    /// The server said what it cannot say here: the connection is of no use.
    OutOfOrder(Answered),
    /// The server closes: its 421.
    Closing(Answered),
    /// The connection is gone.
    Lost,
}

/// One dialogue under way.
pub struct Dialogue(DialogueState);

enum DialogueState {
    Login(Login),
    Request(Request),
    Listing(Listing),
    Get(Get),
    Put(Put),
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

    /// A command that is answered by one final reply.
    pub fn request(command: Command, out: &mut Vec<Effect>) -> Self {
        Self(DialogueState::Request(Request::begin(command, out)))
    }

    /// LIST or STAGES: entries go to the sink.
    pub fn listing(command: Command, out: &mut Vec<Effect>) -> Self {
        Self(DialogueState::Listing(Listing::begin(command, out)))
    }

    pub fn get(order: GetOrder, out: &mut Vec<Effect>) -> Self {
        Self(DialogueState::Get(Get::begin(order, out)))
    }

    pub fn put(order: PutOrder, out: &mut Vec<Effect>) -> Self {
        Self(DialogueState::Put(Put::begin(order, out)))
    }

    pub fn rename(
        from: crate::path::PathArg,
        to: crate::path::PathArg,
        out: &mut Vec<Effect>,
    ) -> Self {
        Self(DialogueState::Rename(Rename::begin(from, to, out)))
    }

    /// Takes one event; appends what is to be done.
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
            Self::Rename(rename) => rename.on(event, out).map(Self::Rename),
            Self::Over => None,
        }
    }
}

/// Ends a dialogue.
fn finish<S>(outcome: Outcome, out: &mut Vec<Effect>) -> Option<S> {
    out.push(Effect::Done(Box::new(outcome)));
    None
}

/// An answer that no state waits for: a refusal ends the dialogue, anything
/// else means that the two ends do not talk about the same thing any more.
fn refused<S>(answered: Answered, out: &mut Vec<Effect>) -> Option<S> {
    let refusal = answered.code >= 400;
    let outcome = if refusal {
        Outcome::Replied
    } else {
        Outcome::OutOfOrder
    };
    finish(outcome(answered), out)
}

/// The last arm of every dialogue: what a state does not wait for.
fn ignore_or_refuse<S>(state: S, event: Event, out: &mut Vec<Effect>) -> Option<S> {
    match event {
        Event::Answered(answered) => refused(answered, out),
        _ => Some(state),
    }
}
