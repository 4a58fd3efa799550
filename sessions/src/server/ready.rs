//! The state between two dialogues: checks permissions, and sends each command to its file.

use super::context::Context;
use super::parameters::Setting;
use super::session::State;
use super::{
    data_ports, download, files, immediate, listing, login, range, rename, stream, upload,
};
use crate::path::VirtualPath;
use crate::rights::{Grant, Rights};
use crate::transfer::Task;
use crate::wire::command::{Answer, Command, Permission, Site, Store, Turn};
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
    let (needed, site) = match (command.required_permission(), &cx.shared.account) {
        (Permission::None, _) => return Ok(()),
        (_, None) => return Err(Reply::NotLoggedIn),
        (Permission::Login, _) => return Ok(()),
        (Permission::Right(needed, site), Some(_)) => (needed, site),
    };
    let refused = |why| {
        let operation = operation_of(command);
        Err(Reply::Refused { operation, why })
    };
    match rights_at(site, cx) {
        Ok(rights) if rights.meets(needed) => Ok(()),
        Ok(rights) => refused(without_right(rights, needed)),
        // The command's own file says of a bad path what its dialect says.
        Err(_) => Ok(()),
    }
}

fn rights_at(site: Site<'_>, cx: &Context<'_>) -> Result<Rights, Refusal> {
    let rights = |grant: Grant| grant.rights;
    Ok(match site {
        Site::Directory(arg) => rights(cx.granted_within(&cx.resolve_or_cwd(arg)?)),
        Site::Name(arg) => rights(cx.granted_of(&cx.resolve(arg)?)),
        Site::Either(arg) => {
            let path = cx.resolve_or_cwd(arg)?;
            let of_name = rights(cx.granted_of(&path));
            of_name.with(rights(cx.granted_within(&path)))
        }
        Site::Home => rights(cx.granted_within(&VirtualPath::root())),
    })
}

/// The refusal of somebody who has `rights` and needs one of others.
pub(super) fn without_right(rights: Rights, needed: Rights) -> Refusal {
    match needed.iter().next() {
        Some(right) if rights != Rights::READING => Refusal::NoRight(right),
        _ => Refusal::ReadOnly,
    }
}

fn operation_of(command: &Command) -> Operation {
    match command {
        Command::Store(_) | Command::StoreStream { .. } => Operation::Store,
        Command::StoreUnique(_) => Operation::Store,
        Command::Delete(_) | Command::RemoveFile(_) => Operation::Delete,
        Command::MakeDirectory(_) => Operation::MakeDirectory,
        Command::MakeLink { .. } => Operation::MakeLink,
        Command::RenameFrom(_) => Operation::RenameFrom,
        Command::RenameOver(_) | Command::Answer(_) => Operation::RenameTo,
        Command::RemoveDirectory(_) => Operation::RemoveDirectory,
        Command::SetModified { .. } => Operation::SetModified,
        Command::SetMode { .. } => Operation::SetMode,
        Command::SetAttributes(_) => Operation::SetAttributes,
        Command::ChangeDirectory(_) => Operation::ChangeDirectory,
        Command::List(_) | Command::Listing(_) => Operation::List,
        Command::Stages | Command::StagesInReply => Operation::Stages,
        Command::Facts(_) | Command::Entry(_) | Command::ModifiedAt(_) => Operation::Facts,
        Command::Size(_) => Operation::Size,
        Command::ReadLink(_) => Operation::ReadLink,
        Command::Retrieve(_) | Command::RetrieveRange(_) => Operation::Retrieve,
        Command::RetrieveStream(_) => Operation::Retrieve,
        Command::Hash { .. } | Command::Digest { .. } => Operation::Hash,
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
