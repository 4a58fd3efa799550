//! Runs a rename for the client: RNFR, 350, 351, and the final reply.

use super::{Effect, Event, Outcome, finish, ignore_or_refuse};
use crate::path::PathArg;
use crate::wire::command::{Answer, Command};

#[derive(Debug)]
pub(super) enum Rename {
    From { to: PathArg },
    To,
}

impl Rename {
    pub(super) fn begin(from: PathArg, to: PathArg, out: &mut Vec<Effect>) -> Self {
        out.push(Effect::Send(Command::RenameFrom(from)));
        Self::From { to }
    }

    /// Handles one event. A stop is ignored: the answers come at once.
    pub(super) fn on(self, event: Event, out: &mut Vec<Effect>) -> Option<Self> {
        match (self, event) {
            (Self::From { to }, Event::Answered(answered)) if answered.code == 350 => {
                out.push(Effect::Send(Command::Answer(Answer::RenameTo(to))));
                Some(Self::To)
            }
            (Self::To, Event::Answered(answered)) if answered.code == 250 => {
                finish(Outcome::Replied(answered), out)
            }
            (state, event) => ignore_or_refuse(state, event, out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Dialogue;
    use crate::client::script::Script;

    fn rename() -> Script {
        let path = |name: &str| PathArg::new(name).unwrap();
        let mut out = Vec::new();
        let dialogue = Dialogue::rename(path("old name"), path("new"), &mut out);
        let mut script = Script::new(dialogue, out);
        script.sends("RNFR old name");
        script
    }

    #[test]
    fn renamed() {
        let mut script = rename();
        script.hears("350 to what?").sends("351 new");
        script.hears("250 renamed").ends_with_code(250);
    }

    #[test]
    fn the_target_is_there() {
        let mut script = rename();
        script.hears("350 to what?").sends("351 new");
        script.hears("401 it exists already").ends_with_code(401);
    }

    #[test]
    fn nothing_to_rename() {
        rename()
            .hears("404 no such file or directory")
            .ends_with_code(404);
    }

    #[test]
    fn renamed_before_it_was_said_to_what() {
        assert!(matches!(
            rename().hears("250 renamed").outcome(),
            Outcome::OutOfOrder(_)
        ));
    }
}
