//! Finds keys in a RON text: the key that a place belongs to, and the place of a key.
//!
//! The RON parser reports where it stopped, but not which setting it was reading. This file scans
//! brackets, commas and keys only, so it works for texts that do not parse, too.

use crate::complaint::Place;

/// A key: its dotted path (`native.listen`, `quota.users["tom"]`; empty at the top) and its byte
/// offset in the text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct KeyPosition {
    pub(crate) path: String,
    pub(crate) offset: usize,
}

/// The innermost key whose value or section holds the byte `offset`.
pub(crate) fn innermost_key(text: &str, offset: usize) -> KeyPosition {
    let mut open = OpenLevels::default();
    for token in Tokens::new(text).take_while(|token| token.offset < offset) {
        open.read_token(&token);
    }
    open.key_position()
}

/// The byte offset of the key with this path; `None` where the text has no such key.
pub(crate) fn find_key(text: &str, path: &str) -> Option<usize> {
    let mut open = OpenLevels::default();
    Tokens::new(text).find_map(|token| {
        open.read_token(&token);
        let is_key = matches!(token.kind, Kind::Key(_));
        (is_key && open.key_position().path == path).then_some(token.offset)
    })
}

/// The paths of all keys, in the order of the text.
#[cfg(test)]
pub(crate) fn keys(text: &str) -> Vec<String> {
    let mut open = OpenLevels::default();
    Tokens::new(text)
        .filter_map(|token| {
            open.read_token(&token);
            matches!(token.kind, Kind::Key(_)).then(|| open.key_position().path)
        })
        .collect()
}

/// The byte offset of a place; the end of the text for a place beyond it.
pub(crate) fn offset_of_place(text: &str, place: Place) -> usize {
    let lines = text.split_inclusive('\n');
    let before: usize = lines.clone().take(place.line - 1).map(str::len).sum();
    let line = lines.clone().nth(place.line - 1).unwrap_or_default();
    let within: usize = line
        .chars()
        .take(place.column.saturating_sub(1))
        .map(char::len_utf8)
        .sum();
    before + within
}

/// The line and column of a byte offset.
pub(crate) fn place_of_offset(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before[start..].chars().count() + 1,
    }
}

/// The brackets that are open at a place, each with the key that was read last in it.
#[derive(Default)]
struct OpenLevels<'t> {
    levels: Vec<Option<(&'t str, usize)>>,
}

impl<'t> OpenLevels<'t> {
    /// Opens or closes a level, or notes a key.
    fn read_token(&mut self, token: &Token<'t>) {
        match token.kind {
            Kind::Open => self.levels.push(None),
            Kind::Close => drop(self.levels.pop()),
            Kind::Comma => self.set(None),
            Kind::Key(key) => self.set(Some((key, token.offset))),
        }
    }

    fn set(&mut self, key: Option<(&'t str, usize)>) {
        if let Some(level) = self.levels.last_mut() {
            *level = key;
        }
    }

    fn key_position(&self) -> KeyPosition {
        let mut position = KeyPosition {
            path: String::new(),
            offset: 0,
        };
        for &(key, offset) in self.levels.iter().flatten() {
            match key.starts_with('"') {
                true => position.path.extend(["[", key, "]"]),
                false if position.path.is_empty() => position.path.push_str(key),
                false => position.path.extend([".", key]),
            }
            position.offset = offset;
        }
        position
    }
}

struct Token<'t> {
    kind: Kind<'t>,
    offset: usize,
}

enum Kind<'t> {
    Open,
    Close,
    Comma,
    /// A word or a quoted text with a colon after it.
    Key(&'t str),
}

/// Iterates over the brackets, commas and keys of a text.
struct Tokens<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Tokens<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// Reads a word or a quoted text of `length` bytes; a token only where a colon follows.
    fn key(&mut self, length: usize) -> Option<Token<'t>> {
        let offset = self.at;
        let word = &self.text[offset..offset + length];
        self.at += length;
        let next = self.text[self.at..].trim_start();
        next.starts_with(':').then_some(Token {
            kind: Kind::Key(word),
            offset,
        })
    }

    fn bracket(&mut self, kind: Kind<'t>) -> Option<Token<'t>> {
        self.at += 1;
        Some(Token {
            kind,
            offset: self.at - 1,
        })
    }
}

impl<'t> Iterator for Tokens<'t> {
    type Item = Token<'t>;

    fn next(&mut self) -> Option<Token<'t>> {
        while let Some(first) = self.text[self.at..].chars().next() {
            let rest = &self.text[self.at..];
            let token = match first {
                '(' | '[' | '{' => self.bracket(Kind::Open),
                ')' | ']' | '}' => self.bracket(Kind::Close),
                ',' => self.bracket(Kind::Comma),
                '"' => self.key(quoted_length(rest)),
                c if is_word(c) => self.key(rest.find(|c| !is_word(c)).unwrap_or(rest.len())),
                c => {
                    self.at += comment_length(rest).unwrap_or_else(|| c.len_utf8());
                    None
                }
            };
            if token.is_some() {
                return token;
            }
        }
        None
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn quoted_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, c)| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    });
    end.map_or(text.len(), |(at, _)| at + 1)
}

fn comment_length(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    text.starts_with("/*")
        .then(|| text.find("*/").map_or(text.len(), |end| end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "// a: (\n(\n  native: (listen: [\"é:1\"], tls: On),\n  quota: (users: {\n    \"t,o:m\": \"8MB\",\n  }),\n  last: 1,\n)";

    fn path_at(needle: &str) -> String {
        innermost_key(TEXT, TEXT.find(needle).unwrap()).path
    }

    #[test]
    fn a_value_belongs_to_the_key_before_it() {
        assert_eq!(path_at("\"é"), "native.listen");
        assert_eq!(path_at("On"), "native.tls");
        assert_eq!(path_at("\"8MB"), "quota.users[\"t,o:m\"]");
        assert_eq!(path_at("1,\n)"), "last");
    }

    #[test]
    fn a_key_belongs_to_the_section_around_it() {
        assert_eq!(path_at("tls"), "native");
        assert_eq!(path_at("\"t,o"), "quota.users");
        assert_eq!(path_at("last"), "");
    }

    #[test]
    fn a_key_is_found_by_its_path_and_counted_in_characters() {
        let tls = find_key(TEXT, "native.tls").unwrap();
        assert_eq!(&TEXT[tls..tls + 3], "tls");
        assert_eq!(
            place_of_offset(TEXT, tls),
            Place {
                line: 3,
                column: 29
            }
        );
        assert_eq!(
            offset_of_place(
                TEXT,
                Place {
                    line: 3,
                    column: 29
                }
            ),
            tls
        );
        assert_eq!(find_key(TEXT, "native.last"), None);
    }

    #[test]
    fn a_broken_text_is_outlined_as_far_as_it_goes() {
        let text = "(native: (listen: [\"abc";
        assert_eq!(innermost_key(text, text.len()).path, "native.listen");
        assert_eq!(
            offset_of_place(text, Place { line: 9, column: 9 }),
            text.len()
        );
    }

    #[test]
    fn comments_hide_keys() {
        assert_eq!(
            keys("(/* a: 1, */ b: 2, // c: 3\n d: \"e: \\\" f: \")"),
            ["b", "d"]
        );
    }
}
