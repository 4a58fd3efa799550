//! Describes one row of the command table, and parses its options and arguments.

use super::lexer::Word;
use crate::net::command_error::CommandResult;
use crate::net::session::Session;

/// A command.
pub(crate) struct CommandSpec {
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// The usage that help and error messages print.
    pub syntax: &'static str,
    pub help: &'static str,
    /// The lines that the help on this command alone adds; may be empty.
    pub details: &'static str,
    /// What each argument names, for completion; the last one goes for all that follow.
    pub arguments: &'static [ArgumentKind],
    /// The fewest and the most arguments, without options.
    pub count: (usize, usize),
    pub last: LastArgument,
    pub output: OutputKind,
    /// The letters that may follow a `-`.
    pub options: &'static str,
    pub run: fn(&mut Session, &ParsedArgs) -> CommandResult,
}

/// A command that takes any number of arguments.
pub(crate) const MANY: usize = usize::MAX;

/// What the last of several arguments is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LastArgument {
    /// One like the others.
    Another,
    /// Where all that stands before it goes.
    Target,
}

/// What a command prints.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OutputKind {
    /// What it has done: `|` and `>` behind it are names.
    Report,
    /// What was asked for: it may go to a file or a command of the local shell.
    Text,
}

/// The options that have a name of their own, and their letters.
const LONG_OPTIONS: [(&[u8], &[u8]); 1] = [(b"--utc", b"u")];

/// What an argument names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ArgumentKind {
    /// A path at the server.
    Remote,
    /// A path on this machine.
    Local,
    /// A command of the table.
    Command,
    Other,
}

/// The options and arguments of one command; their number was checked.
#[derive(Default)]
pub(crate) struct ParsedArgs {
    /// The letters of all options.
    pub options: String,
    /// The arguments without the target.
    pub words: Vec<Word>,
    /// The last of several arguments of a command that has [`LastArgument::Target`].
    pub target: Option<Word>,
}

impl CommandSpec {
    /// Returns the name and the aliases.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Returns what the argument at `index` names.
    pub(crate) fn argument_kind(&self, index: usize) -> ArgumentKind {
        self.arguments
            .get(index)
            .or_else(|| self.arguments.last())
            .copied()
            .unwrap_or(ArgumentKind::Other)
    }

    /// Returns what the argument at `index` of those without the target names.
    pub(crate) fn word_kind(&self, index: usize) -> ArgumentKind {
        match self.last {
            LastArgument::Another => self.argument_kind(index),
            LastArgument::Target => self.argument_kind(0),
        }
    }

    /// Returns what the target names.
    pub(crate) fn target_kind(&self) -> ArgumentKind {
        self.argument_kind(self.arguments.len())
    }

    /// Separates options from arguments and checks both; `Err` is the message. `--` ends the
    /// options.
    pub(crate) fn parse_args(&self, words: &[Word]) -> Result<ParsedArgs, String> {
        let mut args = self.split_options(words).map_err(|odd| {
            let syntax = self.syntax;
            format!("{odd}; usage: {syntax} (-- ends the options)")
        })?;
        let (fewest, most) = self.count;
        if !(fewest..=most).contains(&args.words.len()) {
            return Err(format!("usage: {}", self.syntax));
        }
        if self.last == LastArgument::Target && args.words.len() > 1 {
            args.target = args.words.pop();
        }
        Ok(args)
    }

    /// Separates options from arguments of any number, a target among them; `Err` names an unknown
    /// option.
    pub(crate) fn split_options(&self, words: &[Word]) -> Result<ParsedArgs, String> {
        let mut args = ParsedArgs::default();
        let mut options = true;
        for word in words {
            if options && let Some(letter) = long_option(word.as_bytes()) {
                self.parse_options(letter, &mut args)?;
                continue;
            }
            match word.as_bytes() {
                b"--" if options => options = false,
                [b'-', letters @ ..] if options && !letters.is_empty() => {
                    self.parse_options(letters, &mut args)?;
                }
                _ => args.words.push(word.clone()),
            }
        }
        Ok(args)
    }

    /// Adds the letters of one option word.
    fn parse_options(&self, letters: &[u8], args: &mut ParsedArgs) -> Result<(), String> {
        for &letter in letters {
            if !self.options.as_bytes().contains(&letter) {
                let odd = String::from_utf8_lossy(letters);
                return Err(format!("-{odd}: no such option"));
            }
            args.options.push(letter as char);
        }
        Ok(())
    }
}

/// Returns the letter of an option that is written out.
fn long_option(word: &[u8]) -> Option<&'static [u8]> {
    let row = LONG_OPTIONS.iter().find(|(name, _)| *name == word);
    row.map(|(_, letter)| *letter)
}

impl ParsedArgs {
    /// True when the option was given.
    pub(crate) fn has_option(&self, option: char) -> bool {
        self.options.contains(option)
    }
}
