//! Reads a line that is being typed, up to the cursor: which word of which command stands there, and
//! in which quotes. The rules are the lexer's.

use super::lexer::{self, CommandKind, Word};
use crate::terminal::lines::Aliases;

/// The command at the end of a line.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Partial {
    /// The words before the last one; an alias among them is its text.
    pub words: Vec<Word>,
    /// Where the last word begins in the line, with its quotes; the end of the line where none has
    /// begun.
    pub start: usize,
    /// The last word, without its quotes.
    pub word: Vec<u8>,
    pub quotes: Quotes,
    pub place: Place,
}

/// How the last word is quoted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Quotes {
    /// By backslashes, or not at all.
    Backslash,
    /// It begins with this quote, which has not ended.
    Open(char),
}

/// What the last word is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    Command,
    Argument,
    /// A file here, or a word for the local shell.
    Local,
}

/// Reads a line up to the cursor.
pub(crate) fn read(line: &str, aliases: &Aliases) -> Partial {
    let mut scanner = Scanner::new(line);
    scanner.scan();
    let mut partial = Partial {
        start: scanner.word.as_ref().map_or(line.len(), |word| word.start),
        quotes: scanner.quotes(),
        word: scanner.word.map(|word| word.bytes).unwrap_or_default(),
        place: match (scanner.reader, scanner.words.is_empty()) {
            (Reader::Output | Reader::Shell, _) => Place::Local,
            (Reader::Skiff, true) => Place::Command,
            (Reader::Skiff, false) => Place::Argument,
        },
        words: scanner.words,
    };
    expand_alias(&mut partial, aliases);
    partial
}

/// Puts the last command of an alias in its place.
fn expand_alias(partial: &mut Partial, aliases: &Aliases) {
    let Some(text) = partial
        .words
        .first()
        .and_then(|name| aliases.get(&name.to_text()))
    else {
        return;
    };
    let commands = lexer::parse_commands(text, &Aliases::default());
    match commands
        .ok()
        .and_then(|mut commands| commands.pop())
        .map(|typed| typed.kind)
    {
        Some(CommandKind::Named(words)) => drop(partial.words.splice(..1, words)),
        Some(CommandKind::LocalShell(_)) => partial.place = Place::Local,
        None => {}
    }
}

/// A word that has begun.
struct Begun {
    start: usize,
    bytes: Vec<u8>,
}

struct Scanner<'a> {
    line: &'a str,
    words: Vec<Word>,
    word: Option<Begun>,
    /// The quote that has not ended, and where it began.
    quote: Option<(char, usize)>,
    reader: Reader,
}

/// Who reads the words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reader {
    Skiff,
    /// It is the name of a file for the output.
    Output,
    /// The local shell, up to the end of the line.
    Shell,
}

impl<'a> Scanner<'a> {
    fn new(line: &'a str) -> Self {
        Self {
            line,
            words: Vec::new(),
            word: None,
            quote: None,
            reader: Reader::Skiff,
        }
    }

    fn quotes(&self) -> Quotes {
        match (self.quote, &self.word) {
            (Some((quote, at)), Some(word)) if at == word.start => Quotes::Open(quote),
            _ => Quotes::Backslash,
        }
    }

    fn scan(&mut self) {
        let mut chars = self.line.char_indices();
        while let Some((at, c)) = chars.next() {
            match (self.quote, c) {
                (Some((quote, _)), c) if c == quote => self.quote = None,
                (Some(('\'', _)), c) => self.push(at, c),
                (_, '\\') => self.push_escaped(at, &mut chars),
                (Some(_), c) => self.push(at, c),
                (None, '"' | '\'') => {
                    self.begin(at);
                    self.quote = Some((c, at));
                }
                (None, ' ' | '\t') => self.end_word(),
                (None, '&' | ';') if self.ends_command(at, c) => {
                    self.words.clear();
                    self.word = None;
                    self.reader = Reader::Skiff;
                }
                (None, '-') if self.is_at_command() => {}
                (None, '!') if self.is_at_command() => self.reader = Reader::Shell,
                (None, '|' | '>') if self.word.is_none() && lexer::has_text(&self.words) => {
                    self.reader = match c {
                        '|' => Reader::Shell,
                        _ => Reader::Output,
                    };
                }
                (None, c) => self.push(at, c),
            }
        }
    }

    /// True where a `;` ends a command, or an `&` that is a word.
    fn ends_command(&self, at: usize, c: char) -> bool {
        match (self.reader, c) {
            (Reader::Shell, _) => false,
            (_, '&') => self.word.is_none() && lexer::ends_word(&self.line[at + 1..]),
            _ => true,
        }
    }

    fn is_at_command(&self) -> bool {
        self.words.is_empty() && self.word.is_none() && self.reader == Reader::Skiff
    }

    fn begin(&mut self, at: usize) -> &mut Vec<u8> {
        let begun = self.word.get_or_insert_with(|| Begun {
            start: at,
            bytes: Vec::new(),
        });
        &mut begun.bytes
    }

    fn push(&mut self, at: usize, c: char) {
        let bytes = self.begin(at);
        bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// `\xHH` is a byte, any other character itself; one that is missing still comes.
    fn push_escaped(&mut self, at: usize, chars: &mut std::str::CharIndices<'_>) {
        let bytes = self.begin(at);
        match chars.next() {
            Some((_, 'x')) => {
                let mut digit = || chars.next().and_then(|(_, c)| c.to_digit(16));
                if let (Some(one), Some(other)) = (digit(), digit()) {
                    bytes.push((one * 16 + other) as u8);
                }
            }
            Some((_, c)) => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            None => {}
        }
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take() {
            self.words.push(word.bytes.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_plain(line: &str) -> Partial {
        read(line, &Aliases::default())
    }

    #[test]
    fn the_word_at_the_cursor() {
        for (line, words, word, start) in [
            ("", &[][..], "", 0),
            ("ge", &[], "ge", 0),
            ("get ", &["get"], "", 4),
            ("get a\\ b", &["get"], "a b", 4),
            ("get \"a b", &["get"], "a b", 4),
            ("get 'a; b", &["get"], "a; b", 4),
            ("ls; get x", &["get"], "x", 8),
            ("ls;-get x", &["get"], "x", 8),
            ("get 'a' 'b", &["get", "a"], "b", 8),
            ("get a\\x62\\", &["get"], "ab", 4),
            ("put x\"y z", &["put"], "xy z", 4),
        ] {
            let partial = read_plain(line);
            let found: Vec<_> = partial.words.iter().map(Word::to_text).collect();
            assert_eq!(found, words, "{line}");
            assert_eq!(
                (partial.word.as_slice(), partial.start),
                (word.as_bytes(), start),
                "{line}"
            );
        }
    }

    #[test]
    fn quotes_and_places() {
        assert_eq!(read_plain("get \"a").quotes, Quotes::Open('"'));
        assert_eq!(read_plain("get 'a").quotes, Quotes::Open('\''));
        assert_eq!(read_plain("get a\"b").quotes, Quotes::Backslash);
        assert_eq!(read_plain("get \"a\"").quotes, Quotes::Backslash);
        assert_eq!(read_plain("- ge").place, Place::Command);
        assert_eq!(read_plain("get x").place, Place::Argument);
        assert_eq!(read_plain("ls; ").place, Place::Command);
        for local in [
            "!cat x",
            "! x; y",
            "!cat a; y",
            "ls | sort; y",
            "ls > x",
            "cat a | gre",
            "ls a >x",
        ] {
            assert_eq!(read_plain(local).place, Place::Local, "{local}");
        }
        assert_eq!(read_plain("ls > x; ge").place, Place::Command);
        assert_eq!(read_plain("get a > x").place, Place::Argument);
        assert_eq!(read_plain("get a & ge").place, Place::Command);
        assert_eq!(read_plain("get a& ge").place, Place::Argument);
        assert_eq!(read_plain("! a & ge").place, Place::Local);
    }

    #[test]
    fn an_alias_is_its_last_command() {
        let alias = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let aliases = Aliases::new([alias("g", "cd x; get -r"), alias("e", "!echo")]);
        let partial = read("g a", &aliases);
        let found: Vec<_> = partial.words.iter().map(Word::to_text).collect();
        assert_eq!(found, ["get", "-r"]);
        assert_eq!(partial.start, 2);
        assert_eq!(read("e a", &aliases).place, Place::Local);
    }
}
