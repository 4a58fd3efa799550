//! Lends each state, for one event, the time, the data that outlives states, and the list of
//! effects.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::dialect_rules::{DialectRules, Privacy};
use super::job::{DigestUpdate, Job, JobId, Place};
use super::late_digest::LateDigest;
use super::parameters::Parameters;
use super::session::{Effect, State, Unread};
use super::terms::{StreamRules, Terms};
use crate::digest::Sum;
use crate::host::Hosts;
use crate::path::{AboveHome, PathArg, VirtualPath};
use crate::rights::{Grant, Permissions, Right, Rights};
use crate::scram::Binding;
use crate::transfer::Task;
use crate::wire::reply::{CloseReason, Operation, Refusal, Reply};

/// The operator's limits, and what the server calls itself.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Time from the connection to the login.
    pub login: Duration,
    /// Time between two commands.
    pub idle: Duration,
    /// Time without a byte of a transfer.
    pub stall: Duration,
    /// Time between two lines that tell the client that work goes on.
    pub progress: Duration,
    /// Time to open a data connection.
    pub data: Duration,
    /// Time for work of which the client is not told; then it is asked to try again.
    pub long_work: Duration,
    /// Delay of the answer to the first wrong password; it doubles with each.
    pub penalty: Duration,
    /// Wrong passwords after which the session is closed.
    pub attempts: u32,
    /// Malformed lines before the login after which the session is closed.
    pub malformed_lines: u32,
    /// What HOST may name.
    pub hosts: Hosts,
    /// The server's name and version, one word.
    pub server: String,
    /// What clients are greeted with where the server speaks first; `None`: that it is ready.
    pub banner: Option<String>,
    /// What SYST answers in the native dialect.
    pub platform: String,
}

impl Limits {
    pub(super) fn greeting(&self) -> String {
        let ready = || format!("{} ready", self.server);
        self.banner.clone().unwrap_or_else(ready)
    }
}

/// The parts of a new session.
pub struct Setup {
    pub limits: Arc<Limits>,
    /// The channel that the login must be bound to.
    pub binding: Binding,
    /// Random bytes from which server nonces are derived.
    pub seed: [u8; 32],
    pub dialect_rules: DialectRules,
}

/// The user who is logged in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    pub user: String,
    pub terms: Arc<Terms>,
}

/// The data of a session that outlives its states.
pub(super) struct Shared {
    pub(super) setup: Setup,
    pub(super) account: Option<Account>,
    pub(super) cwd: VirtualPath,
    pub(super) attempts: u32,
    pub(super) malformed_lines: u32,
    pub(super) challenges: u32,
    /// Why the session will close once its dialogue ends; `None` while it stays.
    pub(super) close_when_done: Option<CloseReason>,
    pub(super) login_due: Instant,
    /// Whether the connection began in clear or under TLS.
    pub(super) initial_privacy: Privacy,
    pub(super) parameters: Parameters,
    pub(super) late_digest: Option<Box<LateDigest>>,
    next_job: u32,
}

impl Shared {
    pub(super) fn new(now: Instant, setup: Setup) -> Self {
        Self {
            login_due: now + setup.limits.login,
            initial_privacy: setup.dialect_rules.privacy,
            parameters: Parameters::of(setup.dialect_rules.privacy),
            late_digest: None,
            setup,
            account: None,
            cwd: VirtualPath::root(),
            attempts: 0,
            malformed_lines: 0,
            challenges: 0,
            close_when_done: None,
            next_job: 0,
        }
    }

    /// A nonce for a challenge, different each time: an HMAC of a counter under the seed.
    pub(super) fn nonce(&mut self) -> String {
        use base64ct::{Base64, Encoding};
        self.challenges += 1;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.setup.seed)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length (RFC 2104)"));
        mac.update(&self.challenges.to_be_bytes());
        Base64::encode_string(&mac.finalize().into_bytes()[..18])
    }
}

/// Everything that a state may use while it handles one event.
pub(super) struct Context<'a> {
    pub(super) now: Instant,
    pub(super) shared: &'a mut Shared,
    pub(super) effects: &'a mut Vec<Effect>,
}

impl Context<'_> {
    /// Sends a reply.
    pub(super) fn reply(&mut self, reply: Reply) {
        self.effects.push(Effect::Reply(reply));
    }

    /// Sends a final reply, which ends the dialogue.
    pub(super) fn conclude(&mut self, reply: Reply) -> State {
        self.reply(reply);
        State::ready()
    }

    /// Refuses `operation`, which ends the dialogue.
    pub(super) fn refuse(&mut self, operation: Operation, why: Refusal) -> State {
        self.conclude(Reply::Refused { operation, why })
    }

    /// Gives a job to the workers; its completion names the returned id.
    pub(super) fn start_job(&mut self, job: Job) -> JobId {
        let id = JobId(self.shared.next_job);
        self.shared.next_job = id.0.wrapping_add(1);
        self.effects.push(Effect::Work(id, job));
        id
    }

    /// Has a worker close the download or listing, and does not wait for it.
    pub(super) fn close_file(&mut self, digest: DigestUpdate) {
        self.start_job(Job::CloseFile { digest });
    }

    /// Compares a digest of the whole file, read from the disk, with the one that is remembered by
    /// the same algorithm. A difference is logged, and nothing is remembered any more.
    pub(super) fn learn(
        &mut self,
        path: &VirtualPath,
        remembered: Option<Sum>,
        read: Sum,
    ) -> DigestUpdate {
        match remembered {
            None => DigestUpdate::Computed(read),
            Some(remembered) if remembered == read => DigestUpdate::None,
            Some(_) => {
                let path = path.clone();
                self.effects.push(Effect::ChangedOnDisk { path });
                DigestUpdate::Wrong
            }
        }
    }

    /// Begins a task of the session's transfer.
    pub(super) fn begin_task(&mut self, task: Task) {
        self.effects.push(Effect::Begin(task));
    }

    /// Closes the session without a word.
    pub(super) fn close(&mut self) -> State {
        self.effects.push(Effect::Close(Unread::Nothing));
        State::Closed
    }

    /// Tells the client why, and closes the session.
    pub(super) fn close_with(&mut self, reason: CloseReason) -> State {
        self.reply(Reply::Closing(reason));
        self.effects.push(Effect::Close(Unread::MayCome));
        State::Closed
    }

    /// Resolves a path against the working directory.
    pub(super) fn resolve(&self, arg: &PathArg) -> Result<VirtualPath, Refusal> {
        let parent_of_root = self.shared.setup.dialect_rules.parent_of_root;
        self.shared
            .cwd
            .resolve(arg, parent_of_root)
            .map_err(|AboveHome| Refusal::AboveHome)
    }

    /// Resolves a path as `resolve` does; `None` is the working directory.
    pub(super) fn resolve_or_cwd(&self, arg: Option<&PathArg>) -> Result<VirtualPath, Refusal> {
        match arg {
            Some(arg) => self.resolve(arg),
            None => Ok(self.shared.cwd.clone()),
        }
    }

    /// A path to list; `None` is the working directory.
    pub(super) fn place(&self, arg: Option<PathArg>) -> Result<Place, Refusal> {
        let path = self.resolve_or_cwd(arg.as_ref())?;
        Ok(Place { path, typed: arg })
    }

    /// What the account may do; nothing without a login.
    pub(super) fn permissions(&self) -> Permissions {
        let account = self.shared.account.as_ref();
        let of = |account: &Account| account.terms.permissions.clone();
        account.map_or_else(|| Grant::of(Rights::NONE).into(), of)
    }

    /// What the account may do with the names in the directory `path`.
    pub(super) fn granted_within(&self, path: &VirtualPath) -> Grant {
        let account = self.shared.account.as_ref();
        let of = |account: &Account| account.terms.permissions.within(path);
        account.map_or(Grant::of(Rights::NONE), of)
    }

    /// What the account may do with the name `path`.
    pub(super) fn granted_of(&self, path: &VirtualPath) -> Grant {
        let account = self.shared.account.as_ref();
        let of = |account: &Account| account.terms.permissions.of_name(path);
        account.map_or(Grant::of(Rights::NONE), of)
    }

    /// What the account may do with the entry `path`, and in it.
    pub(super) fn granted_to_entry(&self, path: &VirtualPath) -> Rights {
        let moving = Rights::of(&[Right::Delete, Right::RemoveDirectory, Right::Rename]);
        let of_name = self.granted_of(path).rights;
        let within = self.granted_within(path).rights;
        within.without(moving.without(of_name))
    }

    /// How the account's streams may end.
    pub(super) fn stream_rules(&self) -> StreamRules {
        let account = self.shared.account.as_ref();
        account.map_or_else(StreamRules::default, |account| account.terms.streams)
    }

    pub(super) fn user(&self) -> &str {
        self.shared
            .account
            .as_ref()
            .map_or("", |account| &account.user)
    }
}
