//! Rust source with its words taken out: comments, strings and characters become blanks.
//!
//! Lines and columns stay where they were, so that a finding in the scrubbed text points into the
//! file. Enough of the lexer to count braces by; macros that build code from strings are beyond it.

/// The same number of lines, with nothing but code on them.
pub(super) fn scrub(text: &str) -> String {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    while let Some(first) = rest.chars().next() {
        let inert = inert_len(rest, code.chars().next_back());
        if inert == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            let (blanked, after) = rest.split_at(inert);
            code.extend(blanked.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = after;
        }
    }
    code
}

/// Bytes of the comment, string or character that `rest` begins with; 0 where it begins with code.
fn inert_len(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment_len(rest);
    }
    if rest.starts_with('\'') {
        return character_len(rest);
    }
    let in_word = before.is_some_and(is_word);
    let unprefixed = if in_word {
        rest
    } else {
        rest.trim_start_matches(['b', 'c'])
    };
    if unprefixed.starts_with('"') {
        return rest.len() - unprefixed.len() + string_len(unprefixed);
    }
    match unprefixed.strip_prefix('r') {
        Some(raw) if !in_word => raw_string_len(raw).map_or(0, |n| rest.len() - raw.len() + n),
        _ => 0,
    }
}

/// Block comments nest.
fn block_comment_len(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest.as_bytes()[at..];
        if here.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if here.starts_with(b"*/") {
            depth -= 1;
            at += 2;
        } else {
            at += 1;
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// A character literal; 0 for a lifetime or a label.
fn character_len(rest: &str) -> usize {
    let mut inside = rest[1..].char_indices();
    match inside.next() {
        Some((_, '\\')) => {
            inside.next();
            inside.find(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 2)
        }
        Some(_) => match inside.next() {
            Some((at, '\'')) => at + 2,
            _ => 0,
        },
        None => 0,
    }
}

fn string_len(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// What follows the `r` of a raw string; `None` for a raw identifier or a plain word.
fn raw_string_len(raw: &str) -> Option<usize> {
    let hashes = raw.len() - raw.trim_start_matches('#').len();
    let body = raw[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close).map_or(body.len(), |at| at + close.len());
    Some(hashes + 1 + end)
}

/// Whether `c` belongs to an identifier.
pub(super) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::scrub;

    /// What is left of `source`, once it is clear that nothing moved.
    fn code(source: &str) -> String {
        let scrubbed = scrub(source);
        assert_eq!(scrubbed.chars().count(), source.chars().count(), "{source}");
        assert_eq!(scrubbed.lines().count(), source.lines().count(), "{source}");
        scrubbed.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_strings_lose_their_braces() {
        for (source, left) in [
            ("a // {\nb", "a b"),
            ("a /* { /* { */ } */ b", "a b"),
            ("a /* \n { */ b", "a b"),
            (r#"f("{\"{") }"#, "f( ) }"),
            ("x = r#\"{\"# }", "x = }"),
            ("x = b\"{\\\\\" }", "x = }"),
            ("x = br##\"}\"#\"## {", "x = {"),
        ] {
            assert_eq!(code(source), left, "{source}");
        }
    }

    #[test]
    fn lifetimes_are_code_and_characters_are_not() {
        assert_eq!(code("fn f<'a>(x: &'a u8) {"), "fn f<'a>(x: &'a u8) {");
        assert_eq!(code(r"'{' '\'' '}' '\u{7f}' '中' '\\' {"), "{");
        assert_eq!(code("b'{' }"), "b }");
    }

    #[test]
    fn words_that_end_in_a_prefix_are_words() {
        assert_eq!(code("attr\"{\" var r#type"), "attr var r#type");
    }

    #[test]
    fn an_unclosed_string_ends_with_the_text() {
        assert_eq!(code("x \"{\n{"), "x");
    }
}
