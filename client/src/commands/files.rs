//! Files: get, put, hash, stages.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use skiff_sessions::client::{Asking, Dialogue, GetOrder, LocalCopy, Outcome, PutOrder};
use skiff_sessions::digest::{Algorithm, Sum};
use skiff_sessions::path::PathArg;
use skiff_sessions::wire::command::{Command, Replace, Retrieve, Turn};
use skiff_sessions::wire::native::answers::Answered;
use skiff_sessions::wire::reply::Refusal;

use super::{remote, trees};
use crate::commands::lexer::Word;
use crate::commands::table::Given;
use crate::net::command_error::{Done, Failure};
use crate::net::session::Shell;
use crate::terminal::format;
use crate::terminal::output;
use crate::terminal::progress::{Look, Meter};
use crate::transfer::download::{Download, Resume, local_copy};
use crate::transfer::local_file::Settling;
use crate::transfer::upload::{Overwrite, Policy, Upload};

pub(crate) fn get(shell: &mut Shell, given: &Given) -> Done {
    if given.has('r') {
        return trees::get(shell, given);
    }
    let from = &given.words[0];
    let to = target_here(from, given.words.get(1))?;
    let order = Fetch {
        path: remote(from)?,
        local: local_copy(&to),
        to,
        turn: Turn::Negotiate,
        command: Asking::Now,
        resume: resume(given),
        settling: Settling::Each,
        look: shell.look,
    };
    fetch(shell, order).map(|fared| output::say(fared.line))
}

pub(crate) fn put(shell: &mut Shell, given: &Given) -> Done {
    if given.has('r') {
        return trees::put(shell, given);
    }
    let from = given.words[0].local();
    let to = target_there(from, given.words.get(1))?;
    let replace = if given.has('f') {
        Replace::Yes
    } else {
        Replace::Never
    };
    let policy = Policy {
        resume: resume(given),
        overwrite: Overwrite::Ask,
    };
    let look = shell.look;
    let order = Dispatch {
        from,
        to,
        policy,
        replace,
        turn: Turn::Negotiate,
        look,
    };
    dispatch(shell, order).map(|fared| output::say(fared.line))
}

pub(crate) fn hash(shell: &mut Shell, given: &Given) -> Done {
    let algorithm = if given.has('s') {
        Algorithm::Sha256
    } else {
        Algorithm::Md5
    };
    let word = &given.words[0];
    let answered = shell.demand(
        word.bytes(),
        Command::Hash {
            path: remote(word)?,
            algorithm,
        },
    )?;
    let Some(sum) = answered.sum else {
        return Err(Failure::reply(word.bytes(), &answered));
    };
    let size = answered.size.unwrap_or_default();
    output::say(format_args!(
        "213 {}: {size} bytes, {} {sum}",
        format::name(word.bytes()),
        algorithm.name()
    ));
    Ok(())
}

pub(crate) fn stages(shell: &mut Shell, given: &Given) -> Done {
    match (given.has('d'), given.words.first()) {
        (true, Some(word)) => {
            let answered = shell.demand(word.bytes(), Command::DropStage(remote(word)?))?;
            output::say(format::reply(&answered));
            Ok(())
        }
        (false, None) => {
            shell.list(b"", Command::Stages, |path, facts| {
                let (size, time) = (facts.size, format::time(facts.modified));
                output::say(format_args!("{size:>14} {time} {}", format::name(path)));
            })?;
            Ok(())
        }
        _ => Err(Failure::about(
            "stages",
            "write it so: stages, or stages -d PATH",
        )),
    }
}

/// A download, ready to go.
pub(crate) struct Fetch {
    pub(crate) path: PathArg,
    pub(crate) to: PathBuf,
    pub(crate) local: LocalCopy,
    pub(crate) turn: Turn,
    pub(crate) command: Asking,
    pub(crate) resume: Resume,
    pub(crate) settling: Settling,
    pub(crate) look: Look,
}

/// One file that is well, and the line that says so.
pub(crate) struct Fared {
    pub line: String,
    /// Bytes that were carried; `None` where the file was there already.
    pub carried: Option<u64>,
}

impl Fared {
    fn carried(line: String, meter: &Meter) -> Self {
        Self {
            line,
            carried: Some(meter.result().0),
        }
    }

    fn unmoved(line: String) -> Self {
        Self {
            line,
            carried: None,
        }
    }
}

/// Downloads one file.
pub(crate) fn fetch(shell: &mut Shell, order: Fetch) -> Result<Fared, Failure> {
    let name = order.to.as_os_str().as_bytes().to_vec();
    let meter = Meter::new(order.look, &name);
    let person = shell.person.clone();
    let mut download = Download::to(order.to, order.resume, order.settling, person, meter);
    let asked = GetOrder {
        what: Retrieve {
            path: order.path.clone(),
            digest: shell.digest,
            turn: order.turn,
        },
        command: order.command,
        local: order.local,
    };
    let outcome = shell.talk(|out| Dialogue::get(asked, out), &mut download)?;
    download.meter.finish();
    let shown = format::name(&name);
    match outcome {
        Outcome::Verified(sent) => Ok(told(&shown, &sent, &download.meter)),
        Outcome::AlreadyThere { size, sum } => {
            let proof = proof(sum);
            Ok(Fared::unmoved(format!(
                "400 {shown}: {size} bytes are here already, {proof}"
            )))
        }
        Outcome::GaveUp => Ok(Fared::unmoved(format!(
            "401 {shown}: not resumed, the part stays as it is"
        ))),
        Outcome::Differs(_) => Err(Failure::Refused(format!(
            "550 {shown}: not verified, the digests differ; nothing was kept, try again"
        ))),
        other => Err(failed(
            order.path.as_bytes(),
            other,
            download.trouble.take(),
            "get",
        )),
    }
}

/// An upload, ready to go.
pub(crate) struct Dispatch<'a> {
    pub from: &'a Path,
    pub to: PathArg,
    pub policy: Policy,
    pub replace: Replace,
    pub turn: Turn,
    pub look: Look,
}

/// Uploads one file.
pub(crate) fn dispatch(shell: &mut Shell, order: Dispatch<'_>) -> Result<Fared, Failure> {
    let Dispatch {
        from,
        to,
        policy,
        replace,
        turn,
        look,
    } = order;
    let here = from.as_os_str().as_bytes();
    let meter = Meter::new(look, here);
    let upload = Upload::from(from, policy, shell.person.clone(), meter);
    let mut upload = upload.map_err(|error| Failure::about(format::name(here), error))?;
    let asked = PutOrder {
        path: to.clone(),
        size: upload.size(),
        modified: Some(upload.modified()),
        digest: shell.digest,
        declared: None,
        replace,
        turn,
    };
    let outcome = shell.talk(|out| Dialogue::put(asked, out), &mut upload)?;
    upload.meter.finish();
    let shown = format::name(to.as_bytes());
    match outcome {
        Outcome::Verified(_) if upload.has_changed() => Err(Failure::Refused(format!(
            "226 {shown}: stored, but {} changed while it was sent; put it again",
            format::name(here)
        ))),
        Outcome::Verified(stored) => Ok(told(&shown, &stored, &upload.meter)),
        Outcome::AlreadyThere { size, sum } => {
            let proof = proof(sum);
            Ok(Fared::unmoved(format!(
                "200 {shown}: {size} bytes are there already, {proof}"
            )))
        }
        Outcome::GaveUp => Ok(Fared::unmoved(format!(
            "410 {shown}: not resumed, the part stays as it is"
        ))),
        Outcome::NotReplaced(why) => Err(Failure::Refused(format!(
            "550 {shown}: another file is there ({}); put -f replaces it",
            why.code
        ))),
        Outcome::Differs(_) => Err(Failure::Refused(format!(
            "550 {shown}: the server stored other bytes than were sent; put -f it again"
        ))),
        other => Err(failed(to.as_bytes(), other, upload.trouble.take(), "put")),
    }
}

/// `226 a.iso: 7000000 bytes in 0.4 s (17 MB/s), stored and verified (md5 5eb6..)`.
fn told(name: &str, answered: &Answered, meter: &Meter) -> Fared {
    let size = answered.size.unwrap_or_default();
    let (carried, took) = meter.result();
    let part = if carried < size {
        format!(" ({carried} of them now)")
    } else {
        String::new()
    };
    let pace = format::pace(carried, took);
    let sum = answered
        .sum
        .map(|sum| format!(" ({})", named(sum)))
        .unwrap_or_default();
    let line = format!(
        "{} {name}: {size} bytes{part} {pace}, stored and verified{sum}",
        answered.code
    );
    Fared::carried(line, meter)
}

fn proof(sum: Option<Sum>) -> String {
    match sum {
        Some(sum) => format!("verified ({})", named(sum)),
        None => "of the same time".into(),
    }
}

/// Such as `md5 5eb6..`.
fn named(sum: Sum) -> String {
    format!("{} {sum}", sum.algorithm().name())
}

fn failed(name: &[u8], outcome: Outcome, trouble: Option<String>, verb: &str) -> Failure {
    let shown = format::name(name);
    match outcome {
        Outcome::Replied(answered) => Failure::reply(name, &answered),
        Outcome::Stopped => Failure::Stopped(format!("{shown}: stopped; {verb} it again to go on")),
        Outcome::LocalFailed => {
            Failure::Local(trouble.unwrap_or_else(|| format!("{shown}: the local file failed")))
        }
        Outcome::BadData(Refusal::TooLong) => Failure::Local(format!(
            "{shown}: the server sent more bytes than it had said"
        )),
        Outcome::BadData(_) => {
            Failure::Local(format!("{shown}: the server's data breaks the rules"))
        }
        other => Failure::Refused(format!("{shown}: the server ended it oddly: {other:?}")),
    }
}

pub(crate) fn resume(given: &Given) -> Resume {
    if given.has('c') {
        Resume::Always
    } else {
        Resume::Ask
    }
}

/// Where a download goes: the name it has there, in the directory named or here.
pub(crate) fn target_here(from: &Word, to: Option<&Word>) -> Result<PathBuf, Failure> {
    let name = last_name(from.bytes());
    let named = || {
        name.map(|name| PathBuf::from(OsStr::from_bytes(name)))
            .ok_or_else(|| Failure::about(format::name(from.bytes()), "names no file"))
    };
    match to {
        None => named(),
        Some(to) if to.local().is_dir() || to.bytes().ends_with(b"/") => {
            Ok(to.local().join(named()?))
        }
        Some(to) => Ok(to.local().to_owned()),
    }
}

/// Where an upload goes: likewise, but a directory there is told by its `/`.
pub(crate) fn target_there(from: &Path, to: Option<&Word>) -> Result<PathArg, Failure> {
    let name = last_name(from.as_os_str().as_bytes());
    let name = || name.ok_or_else(|| Failure::about(from.display(), "names no file"));
    let path = match to {
        None => name()?.to_vec(),
        Some(to) if to.bytes().ends_with(b"/") => [to.bytes(), name()?].concat(),
        Some(to) => to.bytes().to_vec(),
    };
    PathArg::new(path)
        .ok_or_else(|| Failure::about(from.display(), "its name cannot be sent; name another"))
}

fn last_name(path: &[u8]) -> Option<&[u8]> {
    let name = path.split(|&b| b == b'/').rfind(|name| !name.is_empty())?;
    crate::net::listing::is_single_name(name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_files_go() {
        let word = |text: &str| Word::from(text);
        let here = |from: &str, to: Option<&str>| {
            target_here(&word(from), to.map(word).as_ref())
                .ok()
                .map(|path| path.display().to_string())
        };
        assert_eq!(here("a/b.iso", None).as_deref(), Some("b.iso"));
        assert_eq!(here("a/b.iso", Some("c")).as_deref(), Some("c"));
        assert_eq!(here("a/b.iso", Some("/tmp")).as_deref(), Some("/tmp/b.iso"));
        assert_eq!(here("a/b.iso", Some("new/")).as_deref(), Some("new/b.iso"));
        assert_eq!(here("/", None), None);
        assert_eq!(here("..", None), None);
        let there = |from: &str, to: Option<&str>| {
            let found = target_there(Path::new(from), to.map(word).as_ref()).ok();
            found.map(|path| String::from_utf8_lossy(path.as_bytes()).into_owned())
        };
        assert_eq!(there("a/b.iso", None).as_deref(), Some("b.iso"));
        assert_eq!(there("a/b.iso", Some("d/")).as_deref(), Some("d/b.iso"));
        assert_eq!(there("a/b.iso", Some("d")).as_deref(), Some("d"));
        assert_eq!(there("..", None), None);
    }
}
