//! Opens further sessions of an account that is logged in, for work beside its first one.

use skiff_sessions::digest::Algorithm;

use super::account::Account;
use super::command_error::CommandError;
use super::connection::Connection;
use super::jobs::Jobs;
use super::names::NameCache;
use super::restore::Retries;
use super::session::Session;
use crate::terminal::format::DigestForm;
use crate::terminal::interrupt::Interrupt;
use crate::terminal::lines::Lines;
use crate::terminal::progress::ProgressStyle;
use crate::terminal::questions::Asker;

/// What a further session is made of; it can be sent to another thread.
#[derive(Clone)]
pub(crate) struct FurtherSession {
    account: Account,
    progress_style: ProgressStyle,
    digest_form: DigestForm,
    digest: Algorithm,
    retries: Retries,
    cwd: Vec<u8>,
}

impl Session {
    /// Takes note of what a further session like this one is made of.
    pub(crate) fn further(&self) -> FurtherSession {
        FurtherSession {
            account: self.account.clone(),
            progress_style: self.progress_style,
            digest_form: self.digest_form,
            digest: self.digest,
            retries: self.retries.fresh(),
            cwd: self.cwd.clone(),
        }
    }
}

impl FurtherSession {
    /// Connects, logs in, and changes into the directory of the first session. Nobody is asked
    /// anything by it.
    ///
    /// # Errors
    ///
    /// `SessionEnded` with the reason, such as a limit of the server.
    pub(crate) fn open(self, interrupt: Interrupt) -> Result<Session, CommandError> {
        let (link, accepted) = self.account.log_in(&interrupt)?;
        let mut session = Session {
            connection: Connection::over(link),
            interrupt,
            asker: Asker::Nobody,
            progress_style: self.progress_style,
            digest_form: self.digest_form,
            account: self.account,
            retries: self.retries,
            connections: 1,
            digest: self.digest,
            derivation: accepted.derivation,
            idle: accepted.idle,
            cwd: self.cwd,
            previous_cwd: None,
            lines: Lines::default(),
            names: NameCache::default(),
            jobs: Jobs::default(),
        };
        session.go_back()?;
        Ok(session)
    }
}
