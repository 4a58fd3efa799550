//! The errors of `skiffd`'s commands, with their exit status, and the output of result lines.

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use skiff_conf::{Complaint, StoreError};

use crate::accounts::folder::FolderError;
use crate::daemon;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{0}; see skiffd --help")]
    Usage(String),
    #[error(transparent)]
    Settings(#[from] Complaint),
    #[error(transparent)]
    Refused(#[from] StoreError),
    #[error(transparent)]
    Folder(#[from] FolderError),
    #[error(transparent)]
    Start(#[from] daemon::StartError),
    #[error("{0}")]
    Failed(String),
}

impl Failure {
    /// `path: cannot be VERB: error`.
    pub(crate) fn at(path: &Path, verb: &str, error: &io::Error) -> Self {
        Self::Failed(format!("{}: cannot be {verb}: {error}", path.display()))
    }

    pub(super) fn status(&self) -> u8 {
        match self {
            Self::Usage(_) | Self::Settings(_) => 2,
            Self::Start(daemon::StartError::Lock(_) | daemon::StartError::Accounts(_)) => 2,
            Self::Start(daemon::StartError::RunAs(_) | daemon::StartError::Wall(_)) => 2,
            Self::Refused(_) | Self::Folder(_) | Self::Start(_) | Self::Failed(_) => 1,
        }
    }
}

impl From<pico_args::Error> for Failure {
    fn from(error: pico_args::Error) -> Self {
        Self::Usage(error.to_string())
    }
}

/// Writes one line to standard output at once. A reader that has closed the pipe is no error.
pub(crate) fn tell(line: impl Display) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Failed(format!("standard output: {error}")))
        }
        _ => Ok(()),
    }
}
