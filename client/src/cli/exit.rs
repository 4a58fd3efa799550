//! Defines the exit codes, which tell scripts what failed.

use std::process::ExitCode;

/// How the program ended; the discriminant is the exit code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    Done,
    CommandFailed,
    Usage,
    Connection,
    LoginRefused,
    CertificateChanged,
    /// As shells tell of a program that SIGINT ended: 128 and its number.
    Interrupted = 130,
}

/// Every exit and its meaning as `--help` prints it, in the order of the codes.
pub(crate) const EXITS: [(Exit, &str); 7] = [
    (Exit::Done, "all was done"),
    (Exit::CommandFailed, "a command failed"),
    (Exit::Usage, "the command line or a settings file is wrong"),
    (Exit::Connection, "no connection, or it was lost"),
    (Exit::LoginRefused, "the login was refused"),
    (
        Exit::CertificateChanged,
        "the server's certificate changed, or is unknown and nobody can be asked",
    ),
    (Exit::Interrupted, "stopped by Ctrl-C (SIGINT)"),
];

impl Exit {
    /// Returns the code that the process exits with.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_stand_in_their_order_and_stay_what_they_are() {
        let codes: Vec<u8> = EXITS.iter().map(|(exit, _)| exit.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 130]);
        assert_eq!(Exit::LoginRefused.code(), 4);
        assert_eq!(Exit::CertificateChanged.code(), 5);
    }
}
