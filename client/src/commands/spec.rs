//! A row of the command table, and the options and arguments that it accepts.

use super::lexer::Word;
use crate::net::command_error::CommandResult;
use crate::net::session::Session;

/// A command.
pub(crate) struct CommandSpec {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub syntax: &'static str,
    pub help: &'static str,
    /// What its arguments name, for completion; the last one goes for all behind it.
    pub arguments: &'static [ArgumentKind],
    /// Fewest and most arguments, options not counted.
    pub count: (usize, usize),
    /// Letters that may follow a `-`.
    pub options: &'static str,
    pub run: fn(&mut Session, &ParsedArgs) -> CommandResult,
}

/// What an argument names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ArgumentKind {
    Remote,
    Local,
    Command,
    Other,
}

/// Options and arguments as typed, counted and known.
#[derive(Default)]
pub(crate) struct ParsedArgs {
    pub options: String,
    pub words: Vec<Word>,
}

impl CommandSpec {
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// What the argument at `index` names.
    pub(crate) fn argument_kind(&self, index: usize) -> ArgumentKind {
        self.arguments
            .get(index)
            .or_else(|| self.arguments.last())
            .copied()
            .unwrap_or(ArgumentKind::Other)
    }

    /// Sorts what stands behind the verb; `Err` says what is wrong with it.
    pub(crate) fn parse_args(&self, words: &[Word]) -> Result<ParsedArgs, String> {
        let mut args = ParsedArgs::default();
        let mut options = true;
        for word in words {
            match word.as_bytes() {
                b"--" if options => options = false,
                [b'-', letters @ ..] if options && !letters.is_empty() => {
                    self.parse_options(letters, &mut args)?;
                }
                _ => args.words.push(word.clone()),
            }
        }
        let (fewest, most) = self.count;
        match (fewest..=most).contains(&args.words.len()) {
            true => Ok(args),
            false => Err(format!("write it so: {}", self.syntax)),
        }
    }

    fn parse_options(&self, letters: &[u8], args: &mut ParsedArgs) -> Result<(), String> {
        for &letter in letters {
            if !self.options.as_bytes().contains(&letter) {
                let odd = String::from_utf8_lossy(letters).into_owned();
                return Err(format!(
                    "-{odd}: no such option; write it so: {} (-- ends the options)",
                    self.syntax
                ));
            }
            args.options.push(letter as char);
        }
        Ok(())
    }
}

impl ParsedArgs {
    pub(crate) fn has_option(&self, option: char) -> bool {
        self.options.contains(option)
    }
}
