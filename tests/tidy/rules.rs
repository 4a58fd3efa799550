//! The rules about one text: length, words, and who may say what.

use std::ops::Range;

use super::Complaint;
use super::scrub::{is_word, scrub};

const FUNCTION_LINES_MAX: usize = 70;
const FILE_LINES_MAX: usize = 600;

/// Words that mark work not done. Written in halves: this file obeys its own rules.
const MARKERS: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("todo", "!"),
    concat!("unimplemented", "!"),
];

/// Folders that exist on one machine only.
const OWN_FOLDERS: [&str; 4] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/Us", "ers/"),
];

/// Words that may not stand in the code below a folder.
struct Ban {
    below: &'static str,
    words: &'static [&'static str],
    reach: Reach,
    why: &'static str,
}

/// How far a ban goes: a test module may need what the code may not.
#[derive(PartialEq)]
enum Reach {
    Everything,
    OutsideTests,
}

const BANS: [Ban; 5] = [
    Ban {
        below: "",
        words: &["unsafe"],
        reach: Reach::Everything,
        why: "no code here is unsafe",
    },
    Ban {
        below: "sessions/src/",
        words: &["Instant::now", "SystemTime::now"],
        reach: Reach::OutsideTests,
        why: "sessions has no clock: time is an argument",
    },
    Ban {
        below: "sessions/src/",
        words: &["std::net", "std::fs"],
        reach: Reach::Everything,
        why: "sessions has no sockets and no files",
    },
    Ban {
        below: "sessions/src/wire",
        words: &["crate::server", "crate::client"],
        reach: Reach::Everything,
        why: "the wire knows bytes, never who talks",
    },
    Ban {
        below: "sessions/src/server",
        words: &["Dialect"],
        reach: Reach::Everything,
        why: "states never ask which dialect they speak",
    },
];

/// What every text must keep to, code or not.
pub(super) fn text(file: &str, text: &str) -> Vec<Complaint> {
    let marks = text.lines().enumerate().flat_map(|(index, line)| {
        let undone = MARKERS.iter().filter(|mark| has_word(line, mark));
        let foreign = OWN_FOLDERS
            .iter()
            .filter(|folder| has_absolute(line, folder));
        let undone = undone.map(|mark| format!("`{mark}` marks work that is not done"));
        let foreign = foreign.map(|folder| format!("a path below {folder} is one machine's own"));
        undone.chain(foreign).map(move |rule| (index + 1, rule))
    });
    marks
        .map(|(line, rule)| complaint(file, line, rule))
        .collect()
}

/// What Rust sources must keep to.
pub(super) fn source(file: &str, text: &str) -> Vec<Complaint> {
    let code = scrub(text);
    let tests = test_module(&code);
    let mut complaints = Vec::new();
    if !text.starts_with("//!") {
        let rule = "a file begins with `//!`: what room is this?".to_owned();
        complaints.push(complaint(file, 1, rule));
    }
    complaints.extend(file_length(file, &code, &tests));
    complaints.extend(function_lengths(file, &code));
    complaints.extend(banned(file, &code, &tests));
    complaints
}

fn file_length(file: &str, code: &str, tests: &Range<usize>) -> Option<Complaint> {
    let lines = code.lines().count() - tests.len();
    (lines > FILE_LINES_MAX).then(|| {
        let rule = format!("{lines} lines without tests, {FILE_LINES_MAX} at most");
        complaint(file, FILE_LINES_MAX + 1, rule)
    })
}

fn function_lengths(file: &str, code: &str) -> Vec<Complaint> {
    let starts = words(code, "fn");
    let bodies = starts.filter_map(|at| Some((at, at + body_len(&code[at..])?)));
    let spans = bodies.map(|(from, to)| (line_of(code, from), line_of(code, to)));
    spans
        .filter(|(first, last)| last - first + 1 > FUNCTION_LINES_MAX)
        .map(|(first, last)| {
            let lines = last - first + 1;
            let rule = format!("a function of {lines} lines, {FUNCTION_LINES_MAX} at most");
            complaint(file, first, rule)
        })
        .collect()
}

fn banned(file: &str, code: &str, tests: &Range<usize>) -> Vec<Complaint> {
    let in_test = |line: usize| is_test_line(file, tests, line);
    let mut complaints = Vec::new();
    for ban in BANS.iter().filter(|ban| file.starts_with(ban.below)) {
        for word in ban.words {
            let lines = words(code, word).map(|at| line_of(code, at));
            let told = lines.filter(|line| ban.reach == Reach::Everything || !in_test(*line));
            complaints.extend(told.map(|l| complaint(file, l, format!("`{word}`: {}", ban.why))));
        }
    }
    complaints
}

/// Lines of `mod tests` and the attributes before it; none where there is no such block.
pub(super) fn test_module(code: &str) -> Range<usize> {
    inline_tests(code).unwrap_or(0..0)
}

fn inline_tests(code: &str) -> Option<Range<usize>> {
    let module = code.find("\nmod tests {")? + 1;
    let head = code[..module].rfind("#[cfg(test)]")?;
    let attributes = code[head..module]
        .lines()
        .all(|line| line.starts_with("#["));
    let end = module + body_len(&code[module..])?;
    attributes.then(|| line_of(code, head)..line_of(code, end) + 1)
}

/// Whether a line belongs to a test, by its file or by the lines of `mod tests`.
pub(super) fn is_test_line(file: &str, tests: &Range<usize>, line: usize) -> bool {
    tests.contains(&line) || is_test_file(file)
}

fn is_test_file(file: &str) -> bool {
    file.ends_with("/tests.rs") || file.contains("/tests/")
}

/// Bytes from the start of an item to its closing brace; `None` for one without a body.
fn body_len(item: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut nested = 0_usize;
    for (at, c) in item.char_indices() {
        match c {
            // `fn f(x: [u8; 4]);`: only a semicolon outside of brackets ends a signature.
            '(' | '[' if depth == 0 => nested += 1,
            ')' | ']' if depth == 0 => nested = nested.checked_sub(1)?,
            ';' if depth == 0 && nested == 0 => return None,
            '{' => depth += 1,
            '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// Where `word` stands in `text` as a word of its own.
fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| {
            let before = text[..*at].chars().next_back();
            let after = text[at + word.len()..].chars().next();
            !before.is_some_and(is_word) && (word.ends_with('!') || !after.is_some_and(is_word))
        })
}

fn has_word(line: &str, word: &str) -> bool {
    words(line, word).next().is_some()
}

/// Whether an absolute path on `line` leads into `folder`, as opposed to one that passes through.
fn has_absolute(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + folder.len()..].chars().next();
        !before.is_some_and(|c| is_word(c) || ".~})/-".contains(c)) && after.is_some_and(is_word)
    })
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

fn complaint(file: &str, line: usize, rule: String) -> Complaint {
    Complaint {
        file: file.to_owned(),
        line,
        rule,
    }
}

#[cfg(test)]
mod tests;
