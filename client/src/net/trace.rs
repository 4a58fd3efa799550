//! Shows the dialogue with a server on standard error (`--verbose`), without what proves or makes
//! a password.

use skiff_sessions::wire::command::Command;

use crate::terminal::format::escape_name;
use crate::terminal::output::print_note;

/// Whether the dialogue is shown.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) enum Trace {
    #[default]
    Hidden,
    Shown,
}

/// Stands in the place of a secret.
const MASK: &str = "****";

/// The keys of replies whose values belong to a proof.
const SECRET_KEYS: [&str; 1] = ["scram="];

impl Trace {
    /// Shows a line that goes to the server.
    pub(super) fn show_command(self, command: &Command, line: &[u8]) {
        if self == Self::Shown {
            print_note(format_args!("> {}", mask_command(command, line)));
        }
    }

    /// Shows a line that came from the server.
    pub(super) fn show_reply(self, line: &[u8]) {
        if self == Self::Shown {
            print_note(format_args!("< {}", mask_reply(line)));
        }
    }

    /// Shows something about the connection.
    pub(super) fn show_fact(self, fact: std::fmt::Arguments<'_>) {
        if self == Self::Shown {
            print_note(format_args!("* {fact}"));
        }
    }
}

/// What may be seen of the secrets in a command.
enum Visibility {
    Whole,
    /// The verb alone.
    Verb,
}

fn mask_command(command: &Command, line: &[u8]) -> String {
    let line = line.trim_ascii_end();
    match visibility(command) {
        Visibility::Whole => escape_name(line),
        Visibility::Verb => {
            let verb = line.split(|&b| b == b' ').next().unwrap_or_default();
            format!("{} {MASK}", escape_name(verb))
        }
    }
}

/// A new command has to say here what may be seen of it.
fn visibility(command: &Command) -> Visibility {
    match command {
        Command::Login { .. }
        | Command::Prove { .. }
        | Command::SetPassword(_)
        | Command::User(_)
        | Command::Password(_)
        | Command::Security(_) => Visibility::Verb,
        Command::WorkingDirectory
        | Command::ChangeDirectory(_)
        | Command::List(_)
        | Command::Retrieve(_)
        | Command::RetrieveRange(_)
        | Command::Store(_)
        | Command::Delete(_)
        | Command::MakeDirectory(_)
        | Command::MakeLink { .. }
        | Command::ReadLink(_)
        | Command::RenameFrom(_)
        | Command::Status
        | Command::Facts(_)
        | Command::Usage
        | Command::Hash { .. }
        | Command::Stages
        | Command::DropStage(_)
        | Command::SetAttributes(_)
        | Command::System
        | Command::Help(_)
        | Command::Noop
        | Command::Abort
        | Command::Quit
        | Command::Answer(_)
        | Command::Reinitialize
        | Command::Data(_)
        | Command::Parameter(_)
        | Command::RetrieveStream(_)
        | Command::StoreStream { .. }
        | Command::StoreUnique(_)
        | Command::Listing(_)
        | Command::StagesInReply
        | Command::Entry(_)
        | Command::Size(_)
        | Command::ModifiedAt(_)
        | Command::SetModified { .. }
        | Command::SetMode { .. }
        | Command::RemoveFile(_)
        | Command::RemoveDirectory(_)
        | Command::RenameOver(_)
        | Command::Digest { .. }
        | Command::Available(_)
        | Command::Features
        | Command::Host(_) => Visibility::Whole,
    }
}

fn mask_reply(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let words = line.split(' ').map(|word| {
        let secret = SECRET_KEYS.iter().find(|key| word.starts_with(*key));
        secret.map_or_else(|| word.to_owned(), |key| format!("{key}{MASK}"))
    });
    escape_name(words.collect::<Vec<_>>().join(" ").as_bytes())
}

#[cfg(test)]
mod tests {
    use skiff_sessions::path::PathArg;
    use skiff_sessions::wire::command::{NewVerifier, PasswordChange};
    use skiff_sessions::wire::native::commands;

    use super::*;

    fn shown(command: &Command) -> String {
        let mut line = Vec::new();
        commands::encode(command, &mut line);
        mask_command(command, &line)
    }

    #[test]
    fn no_secret_and_no_proof_is_shown() {
        let first = b"p=tls-exporter,,n=tom,r=nonce".to_vec();
        assert_eq!(shown(&Command::Login { first }), "USER ****");
        let last = b"c=cD10bHMtZXhwb3J0ZXI=,r=nonce,p=proof".to_vec();
        assert_eq!(shown(&Command::Prove { last }), "PASS ****");
        let change = PasswordChange {
            new: NewVerifier {
                salt: vec![1; 16],
                iterations: 600_000,
                stored_key: [2; 32],
                server_key: [3; 32],
            },
            proof: [4; 32],
        };
        assert_eq!(
            shown(&Command::SetPassword(Box::new(change))),
            "PASSWD ****"
        );
        assert_eq!(
            mask_reply(b"331 scram=cj1ub25jZQ== go on"),
            "331 scram=**** go on"
        );
    }

    #[test]
    fn the_rest_is_shown_as_it_is_and_harmless() {
        let path = PathArg::to_send("a b").unwrap();
        assert_eq!(shown(&Command::MakeDirectory(path)), "MKD a b");
        assert_eq!(
            mask_reply(b"550 why=not-found \x1b[2Jno"),
            "550 why=not-found \\x1b[2Jno"
        );
    }
}
