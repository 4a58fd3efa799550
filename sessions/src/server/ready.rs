//! The state between two dialogues: checks permissions, and sends each command to its file.

use super::context::Context;
use super::job::Access;
use super::parameters::Setting;
use super::session::State;
use super::{
    data_ports, download, files, immediate, listing, login, range, rename, stream, upload,
};
use crate::path::VirtualPath;
use crate::transfer::Task;
use crate::wire::command::{Answer, Command, Permission, Store, Turn};
use crate::wire::reply::{CloseReason, Operation, Refusal, Reply};

/// Logged in, between two dialogues.
#[derive(Default)]
pub(super) struct Ready {
    /// The download that a report (227 or 550) would be about.
    pub(super) report: Option<VirtualPath>,
}

impl Ready {
    pub(super) fn on_command(self, command: Command, cx: &mut Context<'_>) -> State {
        match command {
            Command::Login { .. } | Command::Prove { .. } => cx.conclude(Reply::LoggedInAlready),
            Command::User(_) | Command::Password(_) => cx.conclude(Reply::LoggedInAlready),
            Command::Security(_) | Command::Reinitialize => {
                login::answer_without_login(State::Ready(self), command, cx)
            }
            Command::Features => cx.conclude(immediate::answer(command, cx)),
            // RFC 7151 section 3.2: the host is chosen before the user.
            Command::Host(_) => cx.conclude(Reply::BadSequence),
            Command::Data(port) => data_ports::prepare(port, cx),
            Command::Parameter(parameter) => match cx.shared.parameters.set(&parameter) {
                Setting::Done(reply) => cx.conclude(Reply::Parameter(reply)),
                Setting::NeedsQuota { bytes } => files::ask_to_allocate(bytes, cx),
            },
            Command::RetrieveStream(path) => stream::retrieve(&path, cx),
            Command::StoreStream { path, start } => stream::store(&path, start, cx),
            Command::StoreUnique(path) => stream::store_unique(path, cx),
            Command::Listing(listing) => stream::list(listing, cx),
            Command::StagesInReply => stream::stages(cx),
            Command::Digest {
                path,
                algorithm,
                range,
                form,
            } => files::digest(&path, algorithm, range, form, cx),
            Command::List(list) => listing::list(list, cx),
            Command::Stages => listing::stages(cx),
            Command::Retrieve(retrieve) => download::retrieve(retrieve, cx),
            Command::RetrieveRange(range) => range::retrieve(range, cx),
            Command::Store(store) => upload::store(store, cx),
            Command::RenameFrom(path) => rename::begin(path, cx),
            Command::Hash { path, algorithm } => files::hash(path, algorithm, cx),
            Command::Help(topic) => immediate::help(State::Ready(self), topic, cx),
            Command::Noop => cx.conclude(Reply::Noop),
            Command::Abort => cx.conclude(Reply::NothingToAbort),
            Command::Answer(answer) => self.on_answer(&answer, cx),
            Command::Quit => State::Ready(self),
            other => files::run_simple(other, cx),
        }
    }

    /// Handles a code outside of a dialogue. Reports are never answered.
    fn on_answer(self, answer: &Answer, cx: &mut Context<'_>) -> State {
        match (answer, self.report) {
            (Answer::Different, Some(path)) => download::recheck(path, cx),
            (Answer::Different | Answer::Equal, _) => State::ready(),
            (Answer::Working, report) => State::Ready(Self { report }),
            _ => cx.conclude(Reply::BadSequence),
        }
    }
}

/// Refuses a command that the session may not give.
pub(super) fn check_permission(command: &Command, cx: &Context<'_>) -> Result<(), Reply> {
    match (command.required_permission(), &cx.shared.account) {
        (Permission::None, _) => Ok(()),
        (_, None) => Err(Reply::NotLoggedIn),
        (Permission::WriteAccess, Some(account)) if account.access == Access::ReadOnly => {
            Err(Reply::Refused {
                operation: operation_of(command),
                why: Refusal::ReadOnly,
            })
        }
        _ => Ok(()),
    }
}

fn operation_of(command: &Command) -> Operation {
    match command {
        Command::Store(_) => Operation::Store,
        Command::Delete(_) => Operation::Delete,
        Command::MakeDirectory(_) => Operation::MakeDirectory,
        Command::RenameFrom(_) => Operation::RenameFrom,
        Command::StoreStream { .. } | Command::StoreUnique(_) => Operation::Store,
        Command::RemoveFile(_) => Operation::Delete,
        Command::RemoveDirectory(_) => Operation::RemoveDirectory,
        Command::RenameOver(_) => Operation::RenameTo,
        Command::SetModified { .. } => Operation::SetModified,
        Command::SetMode { .. } => Operation::SetMode,
        Command::SetAttributes(_) => Operation::SetAttributes,
        _ => Operation::DropStage,
    }
}

/// Refuses a command. Frames that follow it without a turn are discarded; before the login the
/// session is closed instead.
pub(super) fn refuse_command(
    state: State,
    command: Command,
    reply: Reply,
    cx: &mut Context<'_>,
) -> State {
    cx.reply(reply);
    match command {
        Command::Store(Store {
            turn: Turn::Skipped,
            ..
        }) => match cx.shared.account {
            Some(_) => {
                cx.begin_task(Task::Discard);
                State::Discarding
            }
            None => cx.close_with(CloseReason::ContentMayFollow),
        },
        _ => state,
    }
}
