//! Splits a line into commands and words: quotes, backslashes, `;`, `!` and `-`.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use skiff_sessions::path::PathArg;
use thiserror::Error;

use super::output::Output;
use super::spec::OutputKind;
use super::table;
use crate::terminal::lines::Aliases;

/// One command as it was typed.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct TypedCommand {
    pub on_failure: OnFailure,
    pub kind: CommandKind,
    pub output: Output,
    pub ground: Ground,
}

/// Whether the user waits for a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ground {
    Fore,
    /// An `&` stands behind it.
    Back,
}

/// What was typed: a command of the table, or a line for the local shell.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum CommandKind {
    /// The command's name and its arguments; never empty.
    Named(Vec<Word>),
    /// The rest of the line after `!`.
    LocalShell(String),
}

/// Whether the commands after a failed one are run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OnFailure {
    Stop,
    /// A `-` stands before the command.
    Continue,
}

/// The bytes of a word, without its quotes.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Word {
    bytes: Vec<u8>,
    /// The offsets of characters of patterns, and of `~`, that were typed outside quotes.
    live: Vec<usize>,
}

/// The characters that mean more than themselves inside a word, outside quotes.
const LIVE: &str = "*?[]~";

/// Those that say at the beginning of a word where the output goes.
const REDIRECTING: &str = "|>";

/// What stands behind a command that runs in the background; inside a word it is the word's.
const BACKGROUND: &str = "&";

/// Why a line cannot be split.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum LexError {
    #[error("a {0} has no end; write \\{0} where it belongs to a name")]
    Unclosed(char),
    #[error("a \\ at the end of the line quotes nothing")]
    TrailingBackslash,
    #[error("one name or command stands behind {0}; a name that begins so is quoted")]
    NoOutput(char),
    #[error("\\x needs two hexadecimal digits")]
    BadHex,
}

impl Word {
    /// Returns the bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// True where the character at this offset is no name's but a pattern's, or a `~`.
    pub(crate) fn is_live(&self, at: usize) -> bool {
        self.live.binary_search(&at).is_ok()
    }

    /// Returns the word with `home` in the place of a `~` that is its first component.
    pub(crate) fn with_home(self, home: &[u8]) -> Self {
        if !self.is_live(0) || !matches!(&self.bytes[..], [b'~'] | [b'~', b'/', ..]) {
            return self;
        }
        let rest = &self.bytes[1..];
        let home = match rest {
            [] => home,
            _ => home.strip_suffix(b"/").unwrap_or(home),
        };
        let live = self.live.iter().filter(|&&at| at > 0);
        Self {
            live: live.map(|at| at - 1 + home.len()).collect(),
            bytes: [home, rest].concat(),
        }
    }

    /// Returns the word as a path on this machine.
    pub(crate) fn as_local_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.bytes))
    }

    /// Returns the word as a path at the server; `None` where it cannot be sent.
    pub(crate) fn to_remote_path(&self) -> Option<PathArg> {
        PathArg::to_send(self.bytes.clone())
    }

    /// Returns the word as text; bytes that are not UTF-8 are replaced.
    pub(crate) fn to_text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

impl From<&OsStr> for Word {
    fn from(text: &OsStr) -> Self {
        Self::from(text.as_bytes().to_vec())
    }
}

impl From<Vec<u8>> for Word {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            live: Vec::new(),
        }
    }
}

impl From<&str> for Word {
    fn from(text: &str) -> Self {
        Self::from(text.as_bytes().to_vec())
    }
}

/// Returns the commands of a line. From `#` at the beginning of a command on, the rest is a
/// comment.
#[cfg(test)]
pub(crate) fn parse_line(line: &str) -> Result<Vec<TypedCommand>, LexError> {
    parse_commands(line, &Aliases::default())
}

/// Returns the commands of a line, in which an alias stands for its text. From `#` at the beginning
/// of a command on, the rest is a comment.
pub(crate) fn parse_commands(line: &str, aliases: &Aliases) -> Result<Vec<TypedCommand>, LexError> {
    let mut found = Vec::new();
    let mut line = Cow::Borrowed(line);
    // Where the text begins that was typed, and came from no alias.
    let mut typed_from = 0;
    let mut at = 0;
    loop {
        at = line.len() - skip_to_command(&line[at..]).len();
        let word = first_word(line[at..].trim_start_matches(['-', ' ', '\t']));
        if at >= typed_from
            && let Some(text) = aliases.get(word)
        {
            let begin = at + line[at..].find(word).unwrap_or(0);
            let replaced = [&line[..begin], text, &line[begin + word.len()..]].concat();
            typed_from = begin + text.len();
            line = Cow::Owned(replaced);
        }
        let Some((command, rest)) = parse_command(&line[at..])? else {
            return Ok(found);
        };
        at = line.len() - rest.len();
        found.extend(command);
    }
}

/// Skips what stands before a command.
fn skip_to_command(rest: &str) -> &str {
    rest.trim_start_matches([' ', '\t', ';'])
}

/// Returns the first word if it has no quotes, as the name of an alias has none.
fn first_word(rest: &str) -> &str {
    let end = rest.find([' ', '\t', ';']);
    &rest[..end.unwrap_or(rest.len())]
}

/// A command, if there is one, and what stands behind it.
type Parsed<'a> = (Option<TypedCommand>, &'a str);

/// Parses one command; `None` at the end of the line and at a comment.
fn parse_command(line: &str) -> Result<Option<Parsed<'_>>, LexError> {
    let mut rest = skip_to_command(line);
    if rest.is_empty() || rest.starts_with('#') {
        return Ok(None);
    }
    let on_failure = match rest.strip_prefix('-') {
        Some(behind) => {
            rest = behind.trim_start();
            OnFailure::Continue
        }
        None => OnFailure::Stop,
    };
    if let Some(local) = rest.strip_prefix('!') {
        let command = TypedCommand {
            on_failure,
            kind: CommandKind::LocalShell(local.trim().to_owned()),
            output: Output::Printed,
            ground: Ground::Fore,
        };
        return Ok(Some((Some(command), "")));
    }
    let mut lexer = Lexer {
        chars: rest.chars(),
        ground: Ground::Fore,
    };
    let words = lexer.read_words(has_text)?;
    let output = lexer.read_output(&words)?;
    let command = (!words.is_empty()).then_some(TypedCommand {
        on_failure,
        kind: CommandKind::Named(words),
        output,
        ground: lexer.ground,
    });
    Ok(Some((command, lexer.chars.as_str())))
}

/// Puts a backslash before each character of `name` that the lexer would treat specially.
pub(crate) fn escape_word(name: &str) -> Cow<'_, str> {
    let special = |c: char| " \t;\"'\\".contains(c) || LIVE.contains(c) || REDIRECTING.contains(c);
    if name == BACKGROUND {
        return Cow::Owned(format!("\\{name}"));
    }
    if !name.contains(special) {
        return Cow::Borrowed(name);
    }
    let mut escaped = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if special(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    Cow::Owned(escaped)
}

/// The part of the line that was not read yet.
struct Lexer<'a> {
    chars: std::str::Chars<'a>,
    /// Whether an `&` was read.
    ground: Ground,
}

impl Lexer<'_> {
    /// Reads words up to the end of the line, or through a `;` or `&`, or to a `|` or `>` behind words that
    /// have text to send elsewhere.
    fn read_words(&mut self, has_text: fn(&[Word]) -> bool) -> Result<Vec<Word>, LexError> {
        let mut words = Vec::new();
        let mut word: Option<Word> = None;
        loop {
            // A word that begins so says where the output goes.
            if word.is_none() && self.chars.as_str().starts_with(['|', '>']) && has_text(&words) {
                break;
            }
            let Some(c) = self.chars.next() else {
                break;
            };
            match c {
                '&' if word.is_none() && ends_word(self.chars.as_str()) => {
                    self.ground = Ground::Back;
                    break;
                }
                ' ' | '\t' => words.extend(word.take()),
                ';' => break,
                '\'' => self.read_single_quoted(bytes_of(&mut word))?,
                '"' => self.read_double_quoted(bytes_of(&mut word))?,
                '\\' => self.read_escape(bytes_of(&mut word), LexError::TrailingBackslash)?,
                c => {
                    let word = word.get_or_insert_default();
                    if LIVE.contains(c) {
                        word.live.push(word.bytes.len());
                    }
                    push_char(&mut word.bytes, c);
                }
            }
        }
        words.extend(word);
        Ok(words)
    }

    /// Reads what may stand behind the words: `| COMMAND` to the end of the line, or `> FILE`.
    fn read_output(&mut self, words: &[Word]) -> Result<Output, LexError> {
        if !has_text(words) {
            return Ok(Output::Printed);
        }
        let rest = self.chars.as_str();
        if let Some(command) = rest.strip_prefix('|') {
            self.chars = "".chars();
            return match command.trim() {
                "" => Err(LexError::NoOutput('|')),
                command => Ok(Output::Shell(command.to_owned())),
            };
        }
        let Some(behind) = rest.strip_prefix('>') else {
            return Ok(Output::Printed);
        };
        self.chars = behind.chars();
        let mut words = self.read_words(|_| false)?;
        match (words.pop(), words.is_empty()) {
            (Some(file), true) => Ok(Output::File(match std::env::home_dir() {
                Some(home) => file.with_home(home.as_os_str().as_bytes()),
                None => file,
            })),
            _ => Err(LexError::NoOutput('>')),
        }
    }

    /// Reads up to the closing `'`; every character is itself.
    fn read_single_quoted(&mut self, word: &mut Vec<u8>) -> Result<(), LexError> {
        loop {
            match self.chars.next().ok_or(LexError::Unclosed('\''))? {
                '\'' => return Ok(()),
                c => push_char(word, c),
            }
        }
    }

    /// Reads up to the closing `"`.
    fn read_double_quoted(&mut self, word: &mut Vec<u8>) -> Result<(), LexError> {
        let unclosed = LexError::Unclosed('"');
        loop {
            match self.chars.next().ok_or(unclosed)? {
                '"' => return Ok(()),
                '\\' => self.read_escape(word, unclosed)?,
                c => push_char(word, c),
            }
        }
    }

    /// Reads what follows a backslash: `xHH` is a byte, as listings show one that cannot be
    /// printed, and any other character is itself.
    fn read_escape(&mut self, word: &mut Vec<u8>, at_end: LexError) -> Result<(), LexError> {
        match self.chars.next().ok_or(at_end)? {
            'x' => word.push(self.read_hex_byte()?),
            c => push_char(word, c),
        }
        Ok(())
    }

    /// Reads the two digits after `\x`.
    fn read_hex_byte(&mut self) -> Result<u8, LexError> {
        let mut digit = || {
            self.chars
                .next()
                .and_then(|c| c.to_digit(16))
                .ok_or(LexError::BadHex)
        };
        Ok((digit()? * 16 + digit()?) as u8)
    }
}

/// True where the next character is no part of the word before.
pub(super) fn ends_word(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with([' ', '\t', ';'])
}

/// True where the first of these words is a command whose output may go elsewhere.
pub(super) fn has_text(words: &[Word]) -> bool {
    let command = words.first().map(|name| table::find(&name.to_text()));
    matches!(command, Some(Ok(command)) if matches!(command.output, OutputKind::Text | OutputKind::Pages))
}

/// The bytes of a word that has begun.
fn bytes_of(word: &mut Option<Word>) -> &mut Vec<u8> {
    &mut word.get_or_insert_default().bytes
}

/// Appends the UTF-8 bytes of `c`.
fn push_char(word: &mut Vec<u8>, c: char) {
    word.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::format::escape_name;

    fn words(line: &str) -> Vec<Vec<String>> {
        let commands = parse_line(line)
            .unwrap()
            .into_iter()
            .map(|typed| match typed.kind {
                CommandKind::Named(words) => words.iter().map(Word::to_text).collect(),
                CommandKind::LocalShell(line) => vec![format!("!{line}")],
            });
        commands.collect()
    }

    #[test]
    fn words_and_quotes() {
        assert_eq!(words("put a b"), [["put", "a", "b"]]);
        assert_eq!(words("put \"a b\" 'c \"d'"), [["put", "a b", "c \"d"]]);
        assert_eq!(
            words(r#"put a\ b\;c "q\"\\" x"y"z"#),
            [["put", "a b;c", "q\"\\", "xyz"]]
        );
        assert_eq!(words("put '' \"\""), [["put", "", ""]]);
        assert_eq!(words("  \t "), Vec::<Vec<String>>::new());
    }

    #[test]
    fn several_on_a_line() {
        assert_eq!(
            words("put a; ls;; pwd ;"),
            [vec!["put", "a"], vec!["ls"], vec!["pwd"]]
        );
        assert_eq!(words("ls; !echo a; echo b"), [["ls"], ["!echo a; echo b"]]);
        assert_eq!(words("# put a"), Vec::<Vec<String>>::new());
        assert_eq!(words("put #a"), [["put", "#a"]]);
    }

    #[test]
    fn an_alias_stands_for_its_text_and_not_inside_itself() {
        let aliases = [
            ("ll", "ls -l"),
            ("ls", "ls -a"),
            ("two", "cd a; ll"),
            ("say", "!echo hi"),
            ("sorted", "ls | sort"),
            ("q", "put 'a b'"),
        ];
        let aliases = aliases.map(|(name, text)| (name.to_owned(), text.to_owned()));
        let aliases = Aliases::new(aliases);
        let parsed = |line: &str| -> Vec<String> {
            let commands = parse_commands(line, &aliases).unwrap().into_iter();
            let shown = commands.map(|typed| match typed.kind {
                CommandKind::Named(words) => {
                    let words: Vec<_> = words.iter().map(Word::to_text).collect();
                    words.join(" ")
                }
                CommandKind::LocalShell(line) => format!("!{line}"),
            });
            shown.collect()
        };
        for (line, commands) in [
            ("ll", &["ls -l"][..]),
            ("ll x; ls y", &["ls -l x", "ls -a y"]),
            (" -ll; -  ls", &["ls -l", "ls -a"]),
            ("two x; ll", &["cd a", "ll x", "ls -l"]),
            ("say there; ll", &["!echo hi there; ll"]),
            ("q c", &["put a b c"]),
            ("put ll; 'll'; l\\l; lll", &["put ll", "ll", "ll", "lll"]),
            ("# ll", &[]),
            ("!ll", &["!ll"]),
        ] {
            assert_eq!(parsed(line), commands, "{line}");
        }
        let found = parse_commands("ll > x; -ll", &aliases).unwrap();
        assert_eq!(found[0].output, Output::File("x".into()));
        assert_eq!(found[1].on_failure, OnFailure::Continue);
        let found = parse_commands("sorted -r", &aliases).unwrap();
        assert_eq!(found[0].output, Output::Shell("sort -r".into()));
    }

    #[test]
    fn a_dash_lets_it_fail() {
        let found = parse_line("-delete a; ls; - !false").unwrap();
        let on_failure: Vec<_> = found.iter().map(|typed| typed.on_failure).collect();
        assert_eq!(
            on_failure,
            [OnFailure::Continue, OnFailure::Stop, OnFailure::Continue]
        );
    }

    #[test]
    fn output_goes_where_a_word_says_that_begins_so() {
        let output = |line: &str| {
            let commands = parse_line(line)?;
            Ok(commands
                .into_iter()
                .map(|typed| typed.output)
                .collect::<Vec<_>>())
        };
        let shell = |line: &str| Output::Shell(line.into());
        assert_eq!(
            output("ls -l | sort; wc -l"),
            Ok(vec![shell("sort; wc -l")])
        );
        assert_eq!(
            output("ls a >x; cat 'b' > 'y z'"),
            Ok(vec![Output::File("x".into()), Output::File("y z".into())])
        );
        for plain in [
            "get a | b",
            "ls a|b x>y",
            "ls '|' \\> \">\"",
            "| ls",
            "!ls | x",
        ] {
            assert_eq!(output(plain), Ok(vec![Output::Printed]), "{plain}");
        }
        for (bad, mark) in [
            ("ls |", '|'),
            ("ls > ", '>'),
            ("ls > a b", '>'),
            ("ls > a > b", '>'),
        ] {
            assert_eq!(output(bad), Err(LexError::NoOutput(mark)), "{bad}");
        }
    }

    #[test]
    fn what_has_no_end() {
        assert_eq!(parse_line("put \"a"), Err(LexError::Unclosed('"')));
        assert_eq!(parse_line("put 'a"), Err(LexError::Unclosed('\'')));
        assert_eq!(parse_line("put a\\"), Err(LexError::TrailingBackslash));
        assert_eq!(parse_line("put \"\\xg0\""), Err(LexError::BadHex));
    }

    #[test]
    fn escaped_names_are_read_as_themselves() {
        for name in [
            "a",
            "a b",
            "it's \"q\" \\",
            "x;y",
            "中 文",
            "#",
            "tab\there",
            "~",
            "*.[ch]?",
            "|",
            "> a",
        ] {
            let line = format!("get {}", escape_word(name));
            assert_eq!(words(&line), [["get", name]]);
            let CommandKind::Named(typed) = &parse_line(&line).unwrap()[0].kind else {
                panic!("{line}");
            };
            assert_eq!(typed[1], Word::from(name), "{line}: live characters");
        }
    }

    /// What a listing shows is the name where blanks, quotes, `;` and an `&` by itself are quoted as always.
    #[test]
    fn what_is_shown_is_read_as_the_name() {
        let typed = |line: &str| match &parse_line(line).unwrap()[..] {
            [
                TypedCommand {
                    kind: CommandKind::Named(words),
                    ..
                },
            ] if words.len() == 2 => words[1].clone(),
            other => panic!("{line}: {other:?}"),
        };
        let mut names: Vec<Vec<u8>> = Vec::new();
        for byte in 1..=u8::MAX {
            names.push(vec![byte]);
            names.push(vec![b'a', byte, b'4', b'1']);
            names.push(vec![b'\\', byte, b'\\']);
        }
        for text in [
            "\\x41",
            "\\\\x1b",
            "年\u{202e}度",
            "\u{85}",
            "it's \"q\"; x",
        ] {
            names.push(text.into());
        }
        for name in names {
            let shown = escape_name(&name);
            let mut quoted = String::new();
            for c in shown.chars() {
                if " \t;\"'".contains(c) || shown == BACKGROUND {
                    quoted.push('\\');
                }
                quoted.push(c);
            }
            assert_eq!(typed(&format!("get {quoted}")).as_bytes(), name, "{quoted}");
            let quoted = shown.replace('"', "\\\"");
            let line = format!("get \"{quoted}\"");
            assert_eq!(typed(&line).as_bytes(), name, "{line}");
        }
    }

    #[test]
    fn a_name_that_is_not_utf8_can_be_typed() {
        let found = parse_line(r#"get "\xff\x0a\x" x"#).err();
        assert_eq!(found, Some(LexError::BadHex));
        let found = parse_line(r#"get "\xff\x1b""#).unwrap();
        let CommandKind::Named(words) = &found[0].kind else {
            panic!("{found:?}");
        };
        assert_eq!(words[1].as_bytes(), b"\xff\x1b");
    }
}
