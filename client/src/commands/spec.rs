//! Describes one row of the command table, and parses its options and arguments.

use std::slice;

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
    /// The letters that may follow a `-`, as getopt(3) has them: a `:` behind one that takes a value.
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
    /// The same, of a command that may run in the background.
    Transfer,
    /// What was asked for: it may go to a file or a command of the local shell.
    Text,
    /// The same, and at a terminal through the pager where it is longer than the screen.
    Pages,
}

/// Whether an option has a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum OptionKind {
    Plain,
    Valued,
}

/// The options that have a name of their own, and their letters.
const LONG_OPTIONS: [(&[u8], &[u8]); 4] = [
    (b"--utc", b"u"),
    (b"--delete", b"D"),
    (b"--checksum", b"C"),
    (b"--no-links", b"N"),
];

/// What an argument names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ArgumentKind {
    /// A path at the server.
    Remote,
    /// A path on this machine.
    Local,
    /// A path here, or behind a colon one at the server.
    Side,
    /// A command of the table, or an alias.
    Command,
    /// A command of the table, or a topic of help.
    Topic,
    /// A server, by its name or as one of the hosts of the settings.
    Host,
    Other,
}

/// The options and arguments of one command; their number was checked.
#[derive(PartialEq, Eq, Debug, Default)]
pub(crate) struct ParsedArgs {
    /// The letters of all options.
    pub options: String,
    /// The arguments without the target.
    pub words: Vec<Word>,
    /// The last of several arguments of a command that has [`LastArgument::Target`].
    pub target: Option<Word>,
    /// The options that have a value, each time that they were given.
    pub values: Vec<(char, Word)>,
}

impl CommandSpec {
    /// Returns the name and the aliases.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// Returns the options as they are typed, for completion: those that have a name of their own by
    /// it.
    pub(crate) fn option_words(&self) -> Vec<String> {
        let letters = self.options.bytes().filter(|&letter| letter != b':');
        letters
            .map(|letter| {
                let long = LONG_OPTIONS.iter().find(|(_, own)| *own == [letter]);
                match long {
                    Some((name, _)) => String::from_utf8_lossy(name).into_owned(),
                    None => format!("-{}", letter as char),
                }
            })
            .collect()
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
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let letters = match word.as_bytes() {
                b"--" if options => {
                    options = false;
                    continue;
                }
                long if options && let Some(letter) = long_option(long) => letter,
                [b'-', letters @ ..] if options && !letters.is_empty() => letters,
                _ => {
                    args.words.push(word.clone());
                    continue;
                }
            };
            self.parse_options(letters, &mut words, &mut args)?;
        }
        Ok(args)
    }

    /// Adds the letters of one option word. What stands behind a letter that takes a value is that
    /// value, or else the next word is.
    fn parse_options(
        &self,
        letters: &[u8],
        rest: &mut slice::Iter<'_, Word>,
        args: &mut ParsedArgs,
    ) -> Result<(), String> {
        let odd = || format!("-{}", String::from_utf8_lossy(letters));
        for (index, &letter) in letters.iter().enumerate() {
            match self.option_kind(letter) {
                None => return Err(format!("{}: no such option", odd())),
                Some(OptionKind::Plain) => args.options.push(letter as char),
                Some(OptionKind::Valued) => {
                    let value = match &letters[index + 1..] {
                        [] => rest.next().cloned(),
                        value => Some(value.to_vec().into()),
                    };
                    let value = value.ok_or_else(|| format!("{}: needs a value", odd()))?;
                    args.values.push((letter as char, value));
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn option_kind(&self, letter: u8) -> Option<OptionKind> {
        let options = self.options.as_bytes();
        let at = options
            .iter()
            .position(|&known| known == letter && letter != b':')?;
        Some(match options.get(at + 1) {
            Some(b':') => OptionKind::Valued,
            _ => OptionKind::Plain,
        })
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

    /// Returns the values of an option, in their order.
    pub(crate) fn values_of(&self, option: char) -> impl Iterator<Item = &Word> {
        let is_it = move |(letter, _): &&(char, Word)| *letter == option;
        self.values.iter().filter(is_it).map(|(_, value)| value)
    }
}
