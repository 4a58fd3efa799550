//! Defines the error that ends the program, its messages, and its exit codes.

use skiff_conf::{Complaint, HostPort};
use skiff_sessions::scram::ScramError;
use thiserror::Error;

use super::exit::Exit;
use crate::net::known_hosts::{CertificateError, host_and_port};
use crate::net::link::LinkError;
use crate::terminal::format::IoCause;

/// An error that ends the program; its `Display` is the message on standard error.
#[derive(Debug, Error)]
pub(crate) enum ProgramError {
    #[error("{0}; skiff --help says what there is")]
    Usage(String),
    #[error(transparent)]
    Settings(#[from] Complaint),
    /// A file or the terminal that the program itself needs failed; `what` names it.
    #[error("{what}: {}", IoCause(.cause))]
    Io { what: String, cause: std::io::Error },
    #[error("{server}: {cause}")]
    Connection { server: String, cause: LinkError },
    /// The settings let the session begin where it cannot.
    #[error("directory {0}; correct it in the settings")]
    StartDirectory(String),
    #[error("{0}")]
    LoginRefused(String),
    /// The certificate is not that of the session's first connection.
    #[error("{server}: {cause}")]
    CertificateMeanwhile { server: String, cause: LinkError },
    #[error("the login ended: {0}")]
    Login(#[from] ScramError),
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Ctrl-C; what was stopped was told when it stopped.
    #[error("stopped")]
    Interrupted,
    /// A command failed in a batch; its message was printed when it failed.
    #[error("a command failed")]
    CommandFailed,
}

impl ProgramError {
    /// Sorts what keeps a link from being used.
    pub(crate) fn connection(server: &HostPort, cause: LinkError) -> Self {
        let server = host_and_port(server);
        match cause {
            LinkError::Interrupted => Self::Interrupted,
            LinkError::Login(error) => Self::Login(error),
            LinkError::LoginRefused(why) => Self::LoginRefused(format!("{server}: {why}")),
            LinkError::CertificateChanged { .. } => Self::CertificateMeanwhile { server, cause },
            LinkError::Randomness(cause) => Self::Io {
                what: "randomness".into(),
                cause,
            },
            cause => Self::Connection { server, cause },
        }
    }

    /// Returns the message, unless all was told before.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            Self::CommandFailed | Self::Interrupted => None,
            told => Some(told.to_string()),
        }
    }

    /// Returns the exit code for scripts.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) | Self::Settings(_) | Self::Io { .. } | Self::StartDirectory(_) => {
                Exit::Usage
            }
            Self::Connection { .. } => Exit::Connection,
            Self::LoginRefused(_) | Self::Login(_) => Exit::LoginRefused,
            Self::Certificate(_) | Self::CertificateMeanwhile { .. } => Exit::CertificateChanged,
            Self::Interrupted => Exit::Interrupted,
            Self::CommandFailed => Exit::CommandFailed,
        }
    }
}

impl PartialEq for ProgramError {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}
