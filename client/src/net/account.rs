//! Keeps what a login needs to be made again without a question: the server, the certificate that
//! it had, the user, and the password.

use std::time::Duration;

use skiff_conf::{HostPort, Tls};
use skiff_sessions::digest::Algorithm;
use zeroize::Zeroizing;

use super::connect::LinkOptions;
use super::known_hosts::Fingerprint;
use super::link::{Link, LinkError};
use super::login::{Accepted, LoginAttempt, try_login};
use crate::terminal::interrupt::Interrupt;

/// Whose session this is, and where.
#[derive(Clone)]
pub(crate) struct Account {
    pub server: HostPort,
    /// The name by which the settings know the server, if it was called so.
    pub alias: Option<String>,
    pub tls: Tls,
    /// How long the server may take to answer.
    pub timeout: Duration,
    pub user: String,
    /// Wiped when it is dropped.
    pub password: Zeroizing<String>,
    /// What the server proved itself with; `None` without TLS.
    pub certificate: Option<Fingerprint>,
    /// The digest of `--digest`.
    pub digest: Option<Algorithm>,
    pub options: LinkOptions,
}

impl Account {
    /// Connects and logs in.
    ///
    /// # Errors
    ///
    /// [`LinkError::CertificateChanged`] before anything was sent, [`LinkError::LoginRefused`]
    /// where the password is not right any more, and all that keeps a link from being made.
    pub(crate) fn log_in(&self, interrupt: &Interrupt) -> Result<(Link, Accepted), LinkError> {
        let mut link = Link::open(
            &self.server,
            self.tls,
            self.timeout,
            &self.options,
            interrupt,
        )?;
        if let (Some(was), is) = (self.certificate, link.fingerprint())
            && is != Some(was)
        {
            return Err(match is {
                Some(is) => LinkError::CertificateChanged { was, is },
                None => LinkError::Lost,
            });
        }
        let credentials = (self.user.as_str(), &self.password);
        match try_login(&mut link, self.tls, interrupt, credentials, self.digest)? {
            LoginAttempt::Accepted(accepted) => Ok((link, accepted)),
            LoginAttempt::Refused(why) => Err(LinkError::LoginRefused(why)),
        }
    }
}
