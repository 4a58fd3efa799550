//! Parses the server's replies and checks the form of each line.

/// One reply, whole.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Said {
    pub(super) code: u16,
    /// Its lines, their codes and ends taken off.
    pub(super) lines: Vec<String>,
}

/// Panics at anything that is no reply (RFC 959 section 4.2): `NNN text`, or
/// `NNN-text`, lines of which none begins with that code and a blank, `NNN text`.
pub(super) fn replies(bytes: &[u8]) -> Vec<Said> {
    let mut lines = bytes.split_inclusive(|&b| b == b'\n').map(whole);
    let mut replies = Vec::new();
    while let Some(line) = lines.next() {
        let (code, mark, text) = head(&line).unwrap_or_else(|| panic!("no reply: {line:?}"));
        let mut said = Said {
            code,
            lines: vec![text],
        };
        if mark == '-' {
            rest_of(&mut said, &mut lines);
        }
        replies.push(said);
    }
    replies
}

/// Up to the line that begins with the first one's code and a blank.
fn rest_of(said: &mut Said, lines: &mut impl Iterator<Item = String>) {
    for line in lines {
        match head(&line) {
            Some((last, ' ', text)) if last == said.code => return said.lines.push(text),
            Some(other) => panic!("{other:?} inside a reply"),
            None => said.lines.push(line),
        }
    }
    panic!("a reply of many lines has a last one: {said:?}");
}

pub(super) fn codes(replies: &[Said]) -> Vec<u16> {
    replies.iter().map(|said| said.code).collect()
}

fn whole(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r\n").expect("a line ends with CRLF");
    let ends = |b: &u8| matches!(b, b'\r' | b'\n' | 0);
    assert!(!line.iter().any(ends), "{line:?}");
    String::from_utf8_lossy(line).into_owned()
}

fn head(line: &str) -> Option<(u16, char, String)> {
    let code = line.get(..3)?;
    let mark = line[3..].chars().next()?;
    let digits = code.bytes().all(|b| b.is_ascii_digit());
    (digits && matches!(mark, ' ' | '-')).then(|| (code.parse().unwrap(), mark, line[4..].into()))
}
