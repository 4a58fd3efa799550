//! A row of the command table, and the options and arguments that it accepts.

use super::lexer::Word;
use crate::net::command_error::CommandResult;
use crate::net::session::Session;

/// A command.
pub(crate) struct Verb {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    pub syntax: &'static str,
    pub help: &'static str,
    /// What its arguments name, for completion; the last one goes for all behind it.
    pub arguments: &'static [Names],
    /// Fewest and most arguments, options not counted.
    pub count: (usize, usize),
    /// Letters that may follow a `-`.
    pub options: &'static str,
    pub run: fn(&mut Session, &Given) -> CommandResult,
}

/// What an argument names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Names {
    Remote,
    Local,
    Command,
    Other,
}

/// Options and arguments as typed, counted and known.
#[derive(Default)]
pub(crate) struct Given {
    pub options: String,
    pub words: Vec<Word>,
}

impl Verb {
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// What the argument at `index` names.
    pub(crate) fn names_at(&self, index: usize) -> Names {
        self.arguments
            .get(index)
            .or_else(|| self.arguments.last())
            .copied()
            .unwrap_or(Names::Other)
    }

    /// Sorts what stands behind the verb; `Err` says what is wrong with it.
    pub(crate) fn accept(&self, words: &[Word]) -> Result<Given, String> {
        let mut given = Given::default();
        let mut options = true;
        for word in words {
            match word.bytes() {
                b"--" if options => options = false,
                [b'-', letters @ ..] if options && !letters.is_empty() => {
                    self.accept_options(letters, &mut given)?;
                }
                _ => given.words.push(word.clone()),
            }
        }
        let (fewest, most) = self.count;
        match (fewest..=most).contains(&given.words.len()) {
            true => Ok(given),
            false => Err(format!("write it so: {}", self.syntax)),
        }
    }

    fn accept_options(&self, letters: &[u8], given: &mut Given) -> Result<(), String> {
        for &letter in letters {
            if !self.options.as_bytes().contains(&letter) {
                let odd = String::from_utf8_lossy(letters).into_owned();
                return Err(format!(
                    "-{odd}: no such option; write it so: {} (-- ends the options)",
                    self.syntax
                ));
            }
            given.options.push(letter as char);
        }
        Ok(())
    }
}

impl Given {
    pub(crate) fn has(&self, option: char) -> bool {
        self.options.contains(option)
    }
}
