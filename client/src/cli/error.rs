//! What ends the program, in words for a person.

use skiff_conf::Complaint;
use skiff_sessions::scram::ScramError;
use thiserror::Error;

use super::exit::Exit;
use crate::net::known_hosts::CertificateError;
use crate::net::link::LinkError;

#[derive(Debug, Error)]
pub(crate) enum ProgramError {
    #[error("{0}; skiff --help says what there is")]
    Usage(String),
    #[error(transparent)]
    Settings(#[from] Complaint),
    /// A file or the terminal that the program itself needs.
    #[error("{what}: {cause}")]
    Io { what: String, cause: std::io::Error },
    #[error("{server}: {cause}")]
    Connection { server: String, cause: LinkError },
    #[error("{0}")]
    LoginRefused(String),
    #[error("the login ended: {0}")]
    Login(#[from] ScramError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Told already, where it happened.
    #[error("a command failed")]
    CommandFailed,
}

impl ProgramError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Settings(_) | Self::Io { .. } => Exit::Usage,
            Self::Connection { .. } => Exit::Connection,
            Self::LoginRefused(_) | Self::Login(_) => Exit::LoginRefused,
            Self::Certificate(_) => Exit::CertificateChanged,
            Self::CommandFailed => Exit::CommandFailed,
        }
    }
}

impl PartialEq for ProgramError {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}
