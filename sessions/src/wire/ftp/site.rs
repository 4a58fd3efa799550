//! Parses SITE: the commands of this server beyond the standard.

use super::arguments::{
    ArgumentError, Parsed, is_digits, no_argument, path, split, stamp, stamped_path, text,
};
use crate::path::LinkTarget;
use crate::wire::command::Command;
use crate::wire::stamp::Stamp;

/// One command of SITE.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) syntax: &'static str,
    pub(super) help: &'static str,
    parse: fn(&[u8]) -> Parsed,
}

#[rustfmt::skip]
pub(super) const ROWS: &[Row] = &[
    Row { name: "HELP", syntax: "SITE HELP [WORD]", help: "say what SITE knows", parse: help },
    Row { name: "QUOTA", syntax: "SITE QUOTA", help: "say the quota and what is used", parse: |a| no_argument(a, Command::Usage) },
    Row { name: "STAGES", syntax: "SITE STAGES", help: "list unfinished uploads", parse: |a| no_argument(a, Command::StagesInReply) },
    Row { name: "UTIME", syntax: "SITE UTIME YYYYMMDDHHMM[SS] PATH | SITE UTIME PATH ATIME MTIME CTIME UTC", help: "set a file's time", parse: set_times },
    Row { name: "CHMOD", syntax: "SITE CHMOD OCTAL PATH", help: "set a file's permission bits", parse: set_mode },
    Row { name: "SYMLINK", syntax: "SITE SYMLINK TARGET PATH", help: "make a symbolic link", parse: make_link },
];

pub(super) fn find(name: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.name.eq_ignore_ascii_case(name))
}

pub(super) fn parse(argument: &[u8]) -> Parsed {
    let (word, rest) = split(argument);
    if word.is_empty() {
        return Err(ArgumentError::Arguments);
    }
    let row = std::str::from_utf8(word).ok().and_then(find);
    let row = row.ok_or(ArgumentError::NotForThatArgument)?;
    (row.parse)(rest).map_err(|wrong| match wrong {
        ArgumentError::Arguments => ArgumentError::Syntax(row.syntax),
        other => other,
    })
}

fn help(argument: &[u8]) -> Parsed {
    let topic = match text(argument)? {
        "" => "SITE".to_owned(),
        word => format!("SITE {word}"),
    };
    Ok(Command::Help(Some(topic)))
}

/// UTIME in its two forms. The later one ends with three times and `UTC`; a path may look like
/// anything, so that form is tried first.
fn set_times(argument: &[u8]) -> Parsed {
    if let Some(found) = set_three_times(argument) {
        return found;
    }
    let (time, name) = split(argument);
    if time.len() == 12 && is_digits(time) {
        let modified = stamp(&[time, b"00"].concat())?;
        return Ok(Command::SetModified {
            modified,
            path: path(name)?,
        });
    }
    stamped_path(argument)
}

/// Parses `PATH ATIME MTIME CTIME UTC`; `None` where it is not of that form.
fn set_three_times(argument: &[u8]) -> Option<Parsed> {
    let mut words = argument.rsplitn(5, |&b| b == b' ');
    let zone = words.next()?;
    let [_, modified, _] = [
        time(words.next()?)?,
        time(words.next()?)?,
        time(words.next()?)?,
    ];
    let name = words.next()?;
    if !zone.eq_ignore_ascii_case(b"UTC") {
        return None;
    }
    Some(path(name).map(|path| Command::SetModified { path, modified }))
}

fn time(word: &[u8]) -> Option<Stamp> {
    stamp(word).ok()
}

/// The target ends at the first blank, as with proftpd's mod_site_misc.
fn make_link(argument: &[u8]) -> Parsed {
    let (target, name) = split(argument);
    let target = LinkTarget::new(target).ok_or(ArgumentError::Arguments)?;
    let path = path(name)?;
    Ok(Command::MakeLink { path, target })
}

fn set_mode(argument: &[u8]) -> Parsed {
    let (octal, name) = split(argument);
    if octal.is_empty() || octal.len() > 5 || !octal.iter().all(|b| (b'0'..=b'7').contains(b)) {
        return Err(ArgumentError::Arguments);
    }
    let mode = octal
        .iter()
        .fold(0, |mode, b| mode * 8 + u32::from(b - b'0'));
    let path = path(name)?;
    // Set-id and sticky bits cannot be set.
    if mode > 0o777 {
        return Err(ArgumentError::NotForThatArgument);
    }
    Ok(Command::SetMode { path, mode })
}
