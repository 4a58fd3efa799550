//! Lays texts out for the width of the screen: paragraphs, and terms with what is said of them.

use std::io;

use rustix::termios::tcgetwinsize;

/// The width of what has none of its own, and of a terminal that does not tell it.
const USUAL_WIDTH: usize = 80;

/// The most columns of a term that what is said of it stands beside.
const TERM_MAX: usize = 36;

/// The spaces between a term and what is said of it.
const GAP: usize = 2;

/// Returns the columns of the terminal that standard output is, else of the usual one.
pub(crate) fn screen_width() -> usize {
    let told = tcgetwinsize(io::stdout())
        .ok()
        .map(|size| size.ws_col.into());
    told.filter(|&width| width > 0).unwrap_or(USUAL_WIDTH)
}

/// Breaks a text into lines of at most `width` columns, all but the first behind `indent` spaces. A
/// word that is longer than a line stands alone on one.
pub(crate) fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut is_empty = true;
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let blank = usize::from(!is_empty);
        if !is_empty && width_of(&line) + blank + width_of(word) > width {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines.push(line);
    lines
}

/// Lays out terms on the left and what is said of each on the right, or below where the screen is
/// narrow or the term long.
pub(crate) fn terms(rows: &[(String, String)], width: usize) -> Vec<String> {
    let widths = rows.iter().map(|(term, _)| width_of(term));
    let widest = widths.filter(|&width| width <= TERM_MAX).max().unwrap_or(0);
    let column = match (widest + GAP) * 2 <= width {
        true => widest + GAP,
        false => GAP,
    };
    let mut lines = Vec::new();
    for (term, text) in rows {
        let room = column.saturating_sub(width_of(term));
        if text.is_empty() {
            lines.push(term.clone());
        } else if room >= GAP {
            let line = format!("{term}{}{text}", " ".repeat(room));
            lines.extend(wrap_behind(&line, column, width));
        } else {
            lines.push(term.clone());
            let line = format!("{}{text}", " ".repeat(column));
            lines.extend(wrap_behind(&line, column, width));
        }
    }
    lines
}

/// Breaks a line whose first `column` columns are laid out already.
fn wrap_behind(line: &str, column: usize, width: usize) -> Vec<String> {
    let split = line.char_indices().scan(0, |columns, (at, c)| {
        let before = *columns;
        *columns += width_of(c.encode_utf8(&mut [0; 4]));
        Some((before, at))
    });
    let at = split
        .filter(|(columns, _)| *columns >= column)
        .map(|(_, at)| at)
        .next();
    let (term, text) = line.split_at(at.unwrap_or(line.len()));
    let lines = wrap(text, width.saturating_sub(column), 0);
    let behind = |(index, text): (usize, String)| match index {
        0 => format!("{term}{text}"),
        _ => format!("{}{text}", " ".repeat(column)),
    };
    lines.into_iter().enumerate().map(behind).collect()
}

/// The columns that a text takes: none for marks that combine, two for characters of East Asia and
/// pictures (Unicode Standard Annex 11).
pub(crate) fn width_of(text: &str) -> usize {
    let width = |c: char| match u32::from(c) {
        0x300..=0x36f | 0x200b..=0x200d | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    };
    text.chars().map(width).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<(String, String)> {
        let row = |term: &str, text: &str| (term.to_owned(), text.to_owned());
        vec![
            row(
                "ls [PATH...]",
                "list directories at the server, one after the other",
            ),
            row("pwd", "say where one is"),
            row("quit", ""),
        ]
    }

    #[test]
    fn no_line_is_longer_than_the_screen() {
        for width in 20..=200 {
            for line in terms(&rows(), width) {
                assert!(width_of(&line) <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn terms_stand_beside_what_is_said_of_them() {
        assert_eq!(
            terms(&rows(), 50),
            [
                "ls [PATH...]  list directories at the server, one",
                "              after the other",
                "pwd           say where one is",
                "quit",
            ]
        );
        assert_eq!(terms(&rows()[1..2], 20), ["pwd  say where one", "     is"]);
        assert_eq!(
            terms(&rows()[..1], 24),
            [
                "ls [PATH...]",
                "  list directories at",
                "  the server, one after",
                "  the other"
            ]
        );
    }

    #[test]
    fn paragraphs() {
        assert_eq!(
            wrap("one two three four five six", 20, 2),
            ["one two three four", "  five six"]
        );
        assert_eq!(wrap("", 20, 0), [""]);
        assert_eq!(
            wrap("年年年年年 度度度度度度", 20, 0),
            ["年年年年年", "度度度度度度"]
        );
    }
}
