//! Parses the arguments of FTP verbs: paths, words, numbers, times and ranges.

use crate::path::PathArg;
use crate::wire::command::{ByteRange, Command};
use crate::wire::listing::Options;
use crate::wire::number;
use crate::wire::stamp::Stamp;

/// What is wrong with a verb's arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ArgumentError {
    Arguments,
    /// The arguments of one of a verb's words (SITE), whose syntax this is.
    Syntax(&'static str),
    Name,
    NotImplemented,
    NotForThatArgument,
    UnknownNetwork,
}

pub(super) type Parsed = Result<Command, ArgumentError>;

/// Parses nothing: for verbs without arguments. Some clients send blanks at the end.
pub(super) fn no_argument(argument: &[u8], command: Command) -> Parsed {
    if argument.trim_ascii().is_empty() {
        Ok(command)
    } else {
        Err(ArgumentError::Arguments)
    }
}

/// Takes all of it as a path: a name may begin and end with blanks.
pub(super) fn path(argument: &[u8]) -> Result<PathArg, ArgumentError> {
    if argument.is_empty() {
        return Err(ArgumentError::Arguments);
    }
    // RFC 959 section 5.3.2: a pathname holds no CR and no LF.
    let breaks_line = argument.iter().any(|b| matches!(b, b'\r' | b'\n'));
    let path = PathArg::new(argument).filter(|_| !breaks_line);
    path.ok_or(ArgumentError::Name)
}

/// Takes all of it as a path; `None` if it is empty.
pub(super) fn optional_path(argument: &[u8]) -> Result<Option<PathArg>, ArgumentError> {
    if argument.is_empty() {
        return Ok(None);
    }
    path(argument).map(Some)
}

/// Takes all of it as text; empty where there is none.
pub(super) fn text(argument: &[u8]) -> Result<&str, ArgumentError> {
    std::str::from_utf8(argument.trim_ascii()).map_err(|_| ArgumentError::Arguments)
}

/// Splits off the first word, and one blank.
pub(super) fn split(argument: &[u8]) -> (&[u8], &[u8]) {
    match argument.iter().position(|&b| b == b' ') {
        Some(at) => (&argument[..at], &argument[at + 1..]),
        None => (argument, b""),
    }
}

/// Takes the options of `ls` that programs send (`LIST -la`) off the argument; `--` ends them.
pub(super) fn ls_options(mut argument: &[u8]) -> (Options, &[u8]) {
    let mut options = Options::NONE;
    while argument.first() == Some(&b'-') {
        let (option, rest) = split(argument);
        argument = rest;
        match option.strip_prefix(b"--") {
            Some(b"") => break,
            // A long option, whose letters are none.
            Some(_) => {}
            None => options = option.iter().fold(options, |all, &letter| all.with(letter)),
        }
    }
    (options, argument)
}

/// Parses a number of at most 2^63-1, digits only.
pub(super) fn number(word: &[u8]) -> Result<u64, ArgumentError> {
    let text = std::str::from_utf8(word).ok();
    text.and_then(number::number)
        .ok_or(ArgumentError::Arguments)
}

/// Parses `YYYYMMDDHHMMSS`; a fraction of the second is dropped (RFC 3659 section 2.3).
pub(super) fn stamp(word: &[u8]) -> Result<Stamp, ArgumentError> {
    let text = text(word)?;
    let whole = match text.split_once('.') {
        Some((whole, fraction)) if is_digits(fraction.as_bytes()) => whole,
        Some(_) => return Err(ArgumentError::Arguments),
        None => text,
    };
    Stamp::parse(whole).ok_or(ArgumentError::Arguments)
}

/// Parses a time and the path behind it, whose time is to be set.
pub(super) fn stamped_path(argument: &[u8]) -> Parsed {
    let (time, name) = split(argument);
    Ok(Command::SetModified {
        modified: stamp(time)?,
        path: path(name)?,
    })
}

pub(super) fn is_digits(word: &[u8]) -> bool {
    !word.is_empty() && word.iter().all(u8::is_ascii_digit)
}

/// Parses RANG's first and last byte (draft-bryan-ftp-range); `1 0` is the whole file.
pub(super) fn inclusive_range(argument: &[u8]) -> Result<Option<ByteRange>, ArgumentError> {
    let (start, end) = split(argument.trim_ascii());
    match (number(start)?, number(end)?) {
        (1, 0) => Ok(None),
        (start, last) if start <= last && last < i64::MAX as u64 => Ok(Some(ByteRange {
            start,
            end: last + 1,
        })),
        _ => Err(ArgumentError::Arguments),
    }
}

/// Parses a path, in double quotes where `START END` follow; the byte at `END` is not part of the
/// range. A quote inside quotes is doubled.
pub(super) fn path_and_range(
    argument: &[u8],
) -> Result<(PathArg, Option<ByteRange>), ArgumentError> {
    let Some(quoted) = argument.strip_prefix(b"\"") else {
        return Ok((path(argument)?, None));
    };
    let (name, rest) = unquote(quoted).ok_or(ArgumentError::Arguments)?;
    let range = match rest.trim_ascii() {
        b"" => None,
        rest => Some(exclusive_range(rest)?),
    };
    Ok((path(&name)?, range))
}

fn exclusive_range(argument: &[u8]) -> Result<ByteRange, ArgumentError> {
    let (start, end) = split(argument);
    let range = ByteRange {
        start: number(start)?,
        end: number(end)?,
    };
    if range.start > range.end {
        return Err(ArgumentError::Arguments);
    }
    Ok(range)
}

/// Reads up to the closing quote; `None` where there is none, or no blank follows it.
fn unquote(quoted: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut name = Vec::new();
    let mut rest = quoted;
    loop {
        let at = rest.iter().position(|&b| b == b'"')?;
        name.extend_from_slice(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.first() {
            Some(b'"') => name.push(b'"'),
            Some(b' ') | None => return Some((name, rest)),
            Some(_) => return None,
        }
        rest = &rest[1..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_left_out_and_paths_kept_as_they_are() {
        for (argument, path) in [
            ("", ""),
            ("-la", ""),
            ("-la -R dir", "dir"),
            ("-a  dir ", " dir "),
            ("dir -la", "dir -la"),
            ("-- -dir", "-dir"),
            (" -la", " -la"),
            ("./-la", "./-la"),
        ] {
            let (_, left) = ls_options(argument.as_bytes());
            assert_eq!(left, path.as_bytes(), "{argument:?}");
        }
    }

    #[test]
    fn options_say_the_order() {
        use crate::wire::listing::{Depth, Direction, SortKey};
        let (name, modified, size) = (SortKey::Name, SortKey::Modified, SortKey::Size);
        let (forward, backward) = (Direction::Forward, Direction::Backward);
        for (argument, key, direction, depth) in [
            ("", name, forward, Depth::One),
            ("-la", name, forward, Depth::One),
            ("-lt", modified, forward, Depth::One),
            ("-l -t -S x", size, forward, Depth::One),
            ("-Str", modified, backward, Depth::One),
            ("-r d", name, backward, Depth::One),
            ("-laR", name, forward, Depth::All),
            ("--sort -a", name, forward, Depth::One),
            ("-- -R", name, forward, Depth::One),
            ("d -R", name, forward, Depth::One),
        ] {
            let wanted = Options {
                key,
                direction,
                depth,
            };
            assert_eq!(ls_options(argument.as_bytes()).0, wanted, "{argument}");
        }
    }

    #[test]
    fn stamps_with_and_without_fractions() {
        let want = Stamp(1_767_323_045);
        for good in ["20260102030405", "20260102030405.123"] {
            assert_eq!(stamp(good.as_bytes()), Ok(want));
        }
        for bad in ["20260102030405.", "20260102030405.x", "202601020304", ""] {
            assert_eq!(
                stamp(bad.as_bytes()),
                Err(ArgumentError::Arguments),
                "{bad}"
            );
        }
    }

    #[test]
    fn ranges_count_their_ends() {
        let range = |start, end| Ok(Some(ByteRange { start, end }));
        assert_eq!(inclusive_range(b"0 0"), range(0, 1));
        assert_eq!(inclusive_range(b"5 9"), range(5, 10));
        assert_eq!(inclusive_range(b"1 0"), Ok(None));
        let last = i64::MAX as u64;
        let most = format!("0 {}", last - 1);
        assert_eq!(inclusive_range(most.as_bytes()), range(0, last));
        for bad in [
            "2 1",
            "2 0",
            "1",
            "",
            "-1 5",
            "0 9223372036854775807",
            "0 18446744073709551616",
            "0 1 2",
            "0  1",
        ] {
            let found = inclusive_range(bad.as_bytes());
            assert_eq!(found, Err(ArgumentError::Arguments), "{bad}");
        }
    }

    #[test]
    fn quotes_are_for_ranges() {
        let named = |name: &str| PathArg::new(name).unwrap();
        let range = |start, end| Some(ByteRange { start, end });
        for (argument, want) in [
            ("a b 1 2", (named("a b 1 2"), None)),
            ("\"a b\"", (named("a b"), None)),
            ("\"a b\" 1 2", (named("a b"), range(1, 2))),
            ("\"a\"\"b\" 0 0", (named("a\"b"), range(0, 0))),
            ("a\"b", (named("a\"b"), None)),
        ] {
            assert_eq!(path_and_range(argument.as_bytes()), Ok(want), "{argument}");
        }
        for bad in ["\"a", "\"a\"b", "\"a\" 2 1", "\"a\" 1", "\"\"", "\"", ""] {
            let found = path_and_range(bad.as_bytes());
            assert_eq!(found, Err(ArgumentError::Arguments), "{bad}");
        }
    }
}
