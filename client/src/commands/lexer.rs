//! Lines cut into commands and words: quotes, backslashes, `;`, `!` and `-`.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use skiff_sessions::path::PathArg;
use thiserror::Error;

/// One command as typed.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Typed {
    pub on_failure: OnFailure,
    pub what: What,
}

#[derive(PartialEq, Eq, Debug)]
pub(crate) enum What {
    /// A verb and its arguments; never empty.
    Verb(Vec<Word>),
    /// The rest of a line behind `!`, for the local shell.
    Local(String),
}

/// What a failure means when nobody watches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum OnFailure {
    Stop,
    /// A `-` stood before the command.
    GoOn,
}

/// A word's bytes, its quotes taken off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Word(Vec<u8>);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum BadLine {
    #[error("a {0} has no end; write \\{0} where it belongs to a name")]
    Unclosed(char),
    #[error("a \\ at the end of the line quotes nothing")]
    TrailingBackslash,
    #[error("\\x needs two hexadecimal digits")]
    BadHex,
}

impl Word {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// As a name on this machine.
    pub(crate) fn local(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// As a name at the server; `None` where it cannot be one.
    pub(crate) fn remote(&self) -> Option<PathArg> {
        PathArg::new(self.0.clone())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl From<&str> for Word {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

/// The commands of one line. A line that begins with `#` has none.
pub(crate) fn commands(line: &str) -> Result<Vec<Typed>, BadLine> {
    let mut found = Vec::new();
    let mut rest = line;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ';']);
        if rest.is_empty() || rest.starts_with('#') {
            return Ok(found);
        }
        let on_failure = match rest.strip_prefix('-') {
            Some(behind) => {
                rest = behind.trim_start();
                OnFailure::GoOn
            }
            None => OnFailure::Stop,
        };
        if let Some(local) = rest.strip_prefix('!') {
            found.push(Typed {
                on_failure,
                what: What::Local(local.trim().to_owned()),
            });
            return Ok(found);
        }
        let mut cutter = Cutter {
            chars: rest.chars(),
        };
        let words = cutter.words()?;
        rest = cutter.chars.as_str();
        if !words.is_empty() {
            found.push(Typed {
                on_failure,
                what: What::Verb(words),
            });
        }
    }
}

/// A name with a backslash before what would not be read as itself.
pub(crate) fn escaped(name: &str) -> Cow<'_, str> {
    let special = |c: char| " \t;\"'\\".contains(c);
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

struct Cutter<'a> {
    chars: std::str::Chars<'a>,
}

impl Cutter<'_> {
    /// Up to the end of the line, or behind a `;`.
    fn words(&mut self) -> Result<Vec<Word>, BadLine> {
        let mut words = Vec::new();
        let mut word: Option<Vec<u8>> = None;
        while let Some(c) = self.chars.next() {
            match c {
                ' ' | '\t' => words.extend(word.take().map(Word)),
                ';' => break,
                '\'' => self.single(word.get_or_insert_default())?,
                '"' => self.double(word.get_or_insert_default())?,
                '\\' => {
                    let next = self.chars.next().ok_or(BadLine::TrailingBackslash)?;
                    push(word.get_or_insert_default(), next);
                }
                c => push(word.get_or_insert_default(), c),
            }
        }
        words.extend(word.map(Word));
        Ok(words)
    }

    fn single(&mut self, word: &mut Vec<u8>) -> Result<(), BadLine> {
        loop {
            match self.chars.next().ok_or(BadLine::Unclosed('\''))? {
                '\'' => return Ok(()),
                c => push(word, c),
            }
        }
    }

    /// Inside, `\xHH` is a byte: the only way to type a name that is not UTF-8.
    fn double(&mut self, word: &mut Vec<u8>) -> Result<(), BadLine> {
        let unclosed = BadLine::Unclosed('"');
        loop {
            match self.chars.next().ok_or(unclosed)? {
                '"' => return Ok(()),
                '\\' => match self.chars.next().ok_or(unclosed)? {
                    'x' => word.push(self.byte()?),
                    c => push(word, c),
                },
                c => push(word, c),
            }
        }
    }

    fn byte(&mut self) -> Result<u8, BadLine> {
        let mut digit = || {
            self.chars
                .next()
                .and_then(|c| c.to_digit(16))
                .ok_or(BadLine::BadHex)
        };
        Ok((digit()? * 16 + digit()?) as u8)
    }
}

fn push(word: &mut Vec<u8>, c: char) {
    word.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<Vec<String>> {
        let verbs = commands(line)
            .unwrap()
            .into_iter()
            .map(|typed| match typed.what {
                What::Verb(words) => words.iter().map(Word::text).collect(),
                What::Local(line) => vec![format!("!{line}")],
            });
        verbs.collect()
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
    fn a_dash_lets_it_fail() {
        let found = commands("-delete a; ls; - !false").unwrap();
        let on_failure: Vec<_> = found.iter().map(|typed| typed.on_failure).collect();
        assert_eq!(
            on_failure,
            [OnFailure::GoOn, OnFailure::Stop, OnFailure::GoOn]
        );
    }

    #[test]
    fn what_has_no_end() {
        assert_eq!(commands("put \"a"), Err(BadLine::Unclosed('"')));
        assert_eq!(commands("put 'a"), Err(BadLine::Unclosed('\'')));
        assert_eq!(commands("put a\\"), Err(BadLine::TrailingBackslash));
        assert_eq!(commands("put \"\\xg0\""), Err(BadLine::BadHex));
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
        ] {
            assert_eq!(words(&format!("get {}", escaped(name))), [["get", name]]);
        }
    }

    #[test]
    fn a_name_that_is_not_utf8_can_be_typed() {
        let found = commands(r#"get "\xff\x0a\x" x"#).err();
        assert_eq!(found, Some(BadLine::BadHex));
        let found = commands(r#"get "\xff\x1b""#).unwrap();
        let What::Verb(words) = &found[0].what else {
            panic!("{found:?}");
        };
        assert_eq!(words[1].bytes(), b"\xff\x1b");
    }
}
