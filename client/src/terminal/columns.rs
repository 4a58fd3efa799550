//! Measures text in the columns of a terminal, cuts it in the middle, and wraps it.

use std::io::{self, IsTerminal};
use std::os::fd::AsFd;

use rustix::termios::tcgetwinsize;
use unicode_width::UnicodeWidthChar;

/// Texts are not laid out wider: longer lines are hard to read.
const READING_WIDTH: usize = 80;

/// Texts are not wrapped narrower: nothing would be left of their words.
const WRAP_MIN: usize = 10;

/// Stands where something was cut out.
const ELLIPSIS: char = '…';

/// Returns the columns that `text` takes. Each character counts by itself, so that a terminal which
/// draws a sequence of them as one takes less, never more.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}

/// Cuts the middle out of `text` where it takes more than `most` columns: of a name both the
/// beginning and the suffix tell something.
pub(crate) fn cut_middle(text: &str, most: usize) -> String {
    if columns(text) <= most {
        return text.to_owned();
    }
    let Some(left) = most.checked_sub(columns_of(ELLIPSIS)) else {
        return String::new();
    };
    let head_end = prefix_end(text.char_indices(), left.div_ceil(2));
    let head = &text[..head_end];
    let tail_most = left - columns(head);
    let mut tail_begin = text.len();
    let mut taken = 0;
    for (at, c) in text[head_end..].char_indices().rev() {
        taken += columns_of(c);
        if taken > tail_most {
            break;
        }
        // A combining character belongs to the one before it.
        if columns_of(c) > 0 {
            tail_begin = head_end + at;
        }
    }
    format!("{head}{ELLIPSIS}{}", &text[tail_begin..])
}

/// Wraps each line of `text` between words. A line goes on below its own beginning, or, where a run
/// of two spaces or more parts it in two, below the second part; where that would leave it less than
/// half of the width, the second part stands below the first. A word that is too long for a line
/// has one of its own.
pub(crate) fn wrap(text: &str, width: usize) -> String {
    let mut wrapped = String::with_capacity(text.len());
    for line in text.lines() {
        wrap_line(line, width.max(WRAP_MIN), &mut wrapped);
    }
    wrapped
}

/// Returns the width that texts on standard output are laid out for.
pub(crate) fn reading_width() -> usize {
    reading_width_of(io::stdout()).unwrap_or(READING_WIDTH)
}

/// The same for messages on standard error; `None` where no person reads them, and programs look
/// for words in their lines.
pub(crate) fn reading_width_of_errors() -> Option<usize> {
    reading_width_of(io::stderr())
}

/// Returns the columns of the terminal; `None` where there is none, or it does not know them.
pub(crate) fn terminal_width(terminal: impl AsFd) -> Option<usize> {
    let size = tcgetwinsize(terminal).ok()?;
    (size.ws_col > 0).then_some(size.ws_col.into())
}

fn reading_width_of(output: impl IsTerminal + AsFd) -> Option<usize> {
    let is_terminal = output.is_terminal();
    let width = terminal_width(output).unwrap_or(READING_WIDTH);
    is_terminal.then_some(width.min(READING_WIDTH))
}

/// A control character takes no column: names are escaped before they get here.
fn columns_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

/// Where the longest beginning of at most `most` columns ends, in bytes.
fn prefix_end(chars: impl Iterator<Item = (usize, char)>, most: usize) -> usize {
    let mut taken = 0;
    let mut end = 0;
    for (at, c) in chars {
        taken += columns_of(c);
        if taken > most {
            break;
        }
        end = at + c.len_utf8();
    }
    end
}

fn wrap_line(line: &str, width: usize, wrapped: &mut String) {
    let indented = line.trim_start_matches(' ');
    let indentation = line.len() - indented.len();
    let Some(gap) = indented.find("  ") else {
        return wrap_words(indented, (indentation, indentation), width, wrapped);
    };
    let (first, second) = line.split_at(indentation + gap);
    let column = columns(line) - columns(second.trim_start_matches(' '));
    if column * 2 > width {
        let below = indentation + 4;
        wrap_words(
            first.trim_start_matches(' '),
            (indentation, indentation),
            width,
            wrapped,
        );
        return wrap_words(second, (below, below), width, wrapped);
    }
    wrapped.push_str(first);
    wrap_words(
        second,
        (column - columns(first), column),
        width - columns(first),
        wrapped,
    );
}

/// Lays words out: the first line begins behind `first` spaces and has `width` columns in all, those
/// below begin behind `below` spaces and end where it ends.
fn wrap_words(text: &str, (first, below): (usize, usize), width: usize, wrapped: &mut String) {
    let right = width + below - first;
    let mut at = 0;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if at == 0 {
            wrapped.push_str(&" ".repeat(first));
            at = below;
        } else if at + 1 + columns(word) > right {
            wrapped.push('\n');
            wrapped.push_str(&" ".repeat(below));
            at = below;
        } else {
            wrapped.push(' ');
            at += 1;
        }
        wrapped.push_str(word);
        at += columns(word);
    }
    wrapped.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_take_two_columns_and_combining_ones_none() {
        assert_eq!(columns("年度报告.txt"), 12);
        assert_eq!(columns("e\u{301}"), 1);
        assert_eq!(columns("👩\u{200d}💻"), 4);
    }

    #[test]
    fn names_are_cut_in_the_middle_and_never_too_wide() {
        assert_eq!(cut_middle("short", 5), "short");
        assert_eq!(cut_middle("a-long-name.tar.gz", 10), "a-lon…r.gz");
        assert_eq!(cut_middle("年度报告.txt", 8), "年度…txt");
        assert_eq!(cut_middle("abcdef", 1), "…");
        assert_eq!(cut_middle("abcdef", 0), "");
        // The accent goes with its letter.
        assert_eq!(cut_middle("abcde\u{301}", 3), "a…e\u{301}");
        for name in [
            "年度报告年度报告",
            "a-long-name.tar.gz",
            "e\u{301}e\u{301}e\u{301}e\u{301}",
        ] {
            for most in 0..20 {
                assert!(columns(&cut_middle(name, most)) <= most, "{name} {most}");
            }
        }
    }

    #[test]
    fn lines_are_wrapped_between_words() {
        assert_eq!(wrap("one two three", 10), "one two\nthree\n");
        assert_eq!(wrap("  one two three", 10), "  one two\n  three\n");
        assert_eq!(
            wrap("-c  goes on with it", 12),
            "-c  goes on\n    with it\n"
        );
        assert_eq!(wrap("a 0123456789abcdef b", 10), "a\n0123456789abcdef\nb\n");
        assert_eq!(wrap("0123456789abcdef b", 10), "0123456789abcdef\nb\n");
        assert_eq!(wrap("\nx\n", 10), "\nx\n");
        assert_eq!(wrap("年度报告 年度报告", 10), "年度报告\n年度报告\n");
    }

    #[test]
    fn second_parts_stand_below_each_other_where_there_is_room() {
        assert_eq!(
            wrap("cd [DIR]    change it\nls          list it", 40),
            "cd [DIR]    change it\nls          list it\n"
        );
        assert_eq!(
            wrap("cd [DIR]    change the directory", 24),
            "cd [DIR]    change the\n            directory\n"
        );
        assert_eq!(
            wrap("  cd [DIR]    change the directory", 20),
            "  cd [DIR]\n      change the\n      directory\n"
        );
    }
}
