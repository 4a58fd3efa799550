//! Makes the content of a file safe for a terminal: lines and tabs stay, what would command the
//! terminal is shown as `\xHH`.

use crate::terminal::format::escape_name;

/// Text that comes in pieces, which may be cut inside a character.
#[derive(Default)]
pub(crate) struct ScreenText {
    /// The beginning of a character.
    cut: Vec<u8>,
}

impl ScreenText {
    /// Returns what of the text so far can be shown and was not returned before.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> String {
        let mut text = std::mem::take(&mut self.cut);
        text.extend_from_slice(bytes);
        let begun = text.utf8_chunks().last().map_or(0, |last| {
            let end = last.invalid();
            // Only the end of the text can be a character that has merely begun.
            let is_begun = str::from_utf8(end).is_err_and(|error| error.error_len().is_none());
            if is_begun { end.len() } else { 0 }
        });
        self.cut = text.split_off(text.len() - begun);
        show(&text)
    }

    /// Returns what is left at the end.
    pub(crate) fn finish(&mut self) -> String {
        show(&std::mem::take(&mut self.cut))
    }
}

fn show(text: &[u8]) -> String {
    let mut shown = String::with_capacity(text.len());
    for part in text.split_inclusive(|b| matches!(b, b'\n' | b'\t')) {
        let (text, end) = match part {
            [text @ .., b'\r', b'\n'] | [text @ .., b'\n'] => (text, "\n"),
            [text @ .., b'\t'] => (text, "\t"),
            text => (text, ""),
        };
        // A name shows a backslash as two.
        shown.push_str(&escape_name(text).replace(r"\\", r"\"));
        shown.push_str(end);
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_itself_and_commands_are_shown() {
        let mut text = ScreenText::default();
        assert_eq!(
            text.push("a\tb\\n\\\\ 年\r\nc\n".as_bytes()),
            "a\tb\\n\\\\ 年\nc\n"
        );
        assert_eq!(
            text.push(b"\x1b[2J\\\x07 \xff\r"),
            "\\x1b[2J\\\\x07 \\xff\\x0d"
        );
    }

    #[test]
    fn characters_may_be_cut_anywhere() {
        let whole = "年度 报告 ü\n".as_bytes();
        for size in 1..whole.len() {
            let mut text = ScreenText::default();
            let pieces = whole.chunks(size).map(|piece| text.push(piece));
            let shown: String = pieces.collect();
            assert_eq!(shown.as_bytes(), whole);
            assert_eq!(text.finish(), "");
        }
        let mut text = ScreenText::default();
        assert_eq!(text.push(b"a\xe5\xb9"), "a");
        assert_eq!(text.finish(), "\\xe5\\xb9");
    }
}
