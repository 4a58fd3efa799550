//! What a state is lent for one step: the time, the session's shared part, and
//! the list that its effects go to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::job::{Access, DigestNews, Job, JobId, Rights};
use super::late_digest::LateDigest;
use super::manners::{Channel, Manners};
use super::parameters::Parameters;
use super::session::{Effect, State};
use crate::path::{AboveHome, PathArg, VirtualPath};
use crate::scram::Binding;
use crate::transfer::Task;
use crate::wire::reply::{Farewell, Operation, Refusal, Reply};

/// The operator's numbers, and what the server calls itself.
#[derive(Clone, Debug)]
pub struct Limits {
    /// From the connection to the login.
    pub login: Duration,
    /// Between two commands.
    pub idle: Duration,
    /// Without a byte of a transfer.
    pub stall: Duration,
    /// Between two lines that say work goes on.
    pub progress: Duration,
    /// For a data connection to come about.
    pub data: Duration,
    /// For work of which nobody is told.
    pub patience: Duration,
    /// Before a failed login is answered; doubles with each.
    pub penalty: Duration,
    /// Failed logins after which a session is closed.
    pub attempts: u32,
    /// Lines before the login that make no sense, after which it is closed.
    pub nonsense: u32,
    /// Name and version, one word.
    pub server: String,
    pub platform: String,
}

/// What a session is made with.
pub struct Setup {
    pub limits: Arc<Limits>,
    /// What the login must be bound to.
    pub binding: Binding,
    /// Random; server nonces are derived from it.
    pub seed: [u8; 32],
    pub manners: Manners,
}

/// Who is logged in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Account {
    pub user: String,
    pub access: Access,
    pub rights: Rights,
}

/// What outlives a state.
pub(super) struct Shared {
    pub(super) setup: Setup,
    pub(super) account: Option<Account>,
    pub(super) cwd: VirtualPath,
    pub(super) attempts: u32,
    pub(super) nonsense: u32,
    pub(super) challenges: u32,
    /// The session ends when its dialogue does.
    pub(super) close_when_done: Option<Farewell>,
    pub(super) login_due: Instant,
    /// How the connection began.
    pub(super) initial_channel: Channel,
    pub(super) parameters: Parameters,
    pub(super) late_digest: Option<Box<LateDigest>>,
    next_job: u32,
}

impl Shared {
    pub(super) fn new(now: Instant, setup: Setup) -> Self {
        Self {
            login_due: now + setup.limits.login,
            initial_channel: setup.manners.channel,
            parameters: Parameters::of(setup.manners.channel),
            late_digest: None,
            setup,
            account: None,
            cwd: VirtualPath::root(),
            attempts: 0,
            nonsense: 0,
            challenges: 0,
            close_when_done: None,
            next_job: 0,
        }
    }

    /// Fresh for each challenge, told apart by a counter under the seed.
    pub(super) fn nonce(&mut self) -> String {
        use base64ct::{Base64, Encoding};
        self.challenges += 1;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.setup.seed)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length (RFC 2104)"));
        mac.update(&self.challenges.to_be_bytes());
        Base64::encode_string(&mac.finalize().into_bytes()[..18])
    }
}

pub(super) struct Context<'a> {
    pub(super) now: Instant,
    pub(super) shared: &'a mut Shared,
    pub(super) effects: &'a mut Vec<Effect>,
}

impl Context<'_> {
    pub(super) fn reply(&mut self, reply: Reply) {
        self.effects.push(Effect::Reply(reply));
    }

    /// A final reply; the dialogue is over.
    pub(super) fn conclude(&mut self, reply: Reply) -> State {
        self.reply(reply);
        State::ready()
    }

    pub(super) fn refuse(&mut self, operation: Operation, why: Refusal) -> State {
        self.conclude(Reply::Refused { operation, why })
    }

    pub(super) fn start_job(&mut self, job: Job) -> JobId {
        let id = JobId(self.shared.next_job);
        self.shared.next_job = id.0.wrapping_add(1);
        self.effects.push(Effect::Work(id, job));
        id
    }

    /// Closes the download or listing; nobody waits for it.
    pub(super) fn close_file(&mut self, digest: DigestNews) {
        self.start_job(Job::CloseFile { digest });
    }

    pub(super) fn begin_task(&mut self, task: Task) {
        self.effects.push(Effect::Begin(task));
    }

    pub(super) fn close(&mut self) -> State {
        self.effects.push(Effect::Close);
        State::Closed
    }

    pub(super) fn close_with(&mut self, farewell: Farewell) -> State {
        self.reply(Reply::Closing(farewell));
        self.close()
    }

    pub(super) fn resolve(&self, arg: &PathArg) -> Result<VirtualPath, Refusal> {
        let parent_of_root = self.shared.setup.manners.parent_of_root;
        self.shared
            .cwd
            .resolve(arg, parent_of_root)
            .map_err(|AboveHome| Refusal::AboveHome)
    }

    /// As `resolve`; nothing given means the working directory.
    pub(super) fn resolve_or_cwd(&self, arg: Option<&PathArg>) -> Result<VirtualPath, Refusal> {
        match arg {
            Some(arg) => self.resolve(arg),
            None => Ok(self.shared.cwd.clone()),
        }
    }

    pub(super) fn access(&self) -> Access {
        let account = self.shared.account.as_ref();
        account.map_or(Access::ReadOnly, |account| account.access)
    }

    pub(super) fn rights(&self) -> Rights {
        let account = self.shared.account.as_ref();
        account.map_or_else(Rights::default, |account| account.rights)
    }

    pub(super) fn user(&self) -> &str {
        self.shared
            .account
            .as_ref()
            .map_or("", |account| &account.user)
    }
}
