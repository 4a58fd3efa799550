//! The verb table of the native dialect: each row drives parsing, HELP and the tests.

use base64ct::{Base64, Encoding};

use super::line_parts::{MalformedParts, Parts};
use super::path_escape::{decode_path, decode_target};
use crate::digest::Algorithm;
use crate::path::PathArg;
use crate::wire::codec::Extent;
use crate::wire::command::{
    Answer, Command, List, NewVerifier, PasswordChange, Replace, Retrieve, RetrieveRange,
    SetAttributes, Store, Turn,
};
use crate::wire::listing::{Direction, Options, SortKey};
use crate::wire::number::number;
use crate::wire::reply::Malformed;
use crate::wire::stamp::Stamp;

/// A verb, or a code that the client sends.
pub struct Verb {
    pub name: &'static str,
    pub syntax: &'static str,
    pub help: &'static str,
    parse: fn(&mut Parts<'_>) -> Result<Command, ArgumentError>,
}

/// What is wrong with a verb's arguments.
#[derive(Debug)]
enum ArgumentError {
    Arguments,
    Name,
}

impl From<MalformedParts> for ArgumentError {
    fn from(MalformedParts: MalformedParts) -> Self {
        Self::Arguments
    }
}

type Parsed = Result<Command, ArgumentError>;

/// The verbs and codes that a client's line may begin with.
#[rustfmt::skip]
pub const VERBS: &[Verb] = &[
    Verb { name: "USER", syntax: "USER scram=MESSAGE", help: "begin the login", parse: |p| Ok(Command::Login { first: scram(p)? }) },
    Verb { name: "PASS", syntax: "PASS scram=MESSAGE", help: "prove the password", parse: |p| Ok(Command::Prove { last: scram(p)? }) },
    Verb { name: "PWD", syntax: "PWD", help: "say the working directory", parse: |_| Ok(Command::WorkingDirectory) },
    Verb { name: "CWD", syntax: "CWD PATH", help: "change the working directory", parse: |p| Ok(Command::ChangeDirectory(path(p)?)) },
    Verb { name: "LIST", syntax: "LIST [sort=name|size|modify] [reverse=1] [PATH]", help: "list a directory or a file", parse: list },
    Verb { name: "RETR", syntax: "RETR [digest=md5|sha256] [start=BYTE] [length=BYTES] PATH", help: "download a file, or a part of it", parse: retrieve },
    Verb { name: "STOR", syntax: "STOR size=BYTES [mtime=TIME] [digest=md5|sha256] [md5=HEX|sha256=HEX] [replace=1] [go=1] PATH", help: "upload a file", parse: store },
    Verb { name: "DELE", syntax: "DELE PATH", help: "delete a file or an empty directory", parse: |p| Ok(Command::Delete(path(p)?)) },
    Verb { name: "MKD", syntax: "MKD PATH", help: "make a directory", parse: |p| Ok(Command::MakeDirectory(path(p)?)) },
    Verb { name: "SYMLINK", syntax: "SYMLINK target=TARGET PATH", help: "make a symbolic link", parse: make_link },
    Verb { name: "READLINK", syntax: "READLINK PATH", help: "say where a symbolic link leads", parse: |p| Ok(Command::ReadLink(path(p)?)) },
    Verb { name: "RNFR", syntax: "RNFR PATH", help: "rename: from this name", parse: |p| Ok(Command::RenameFrom(path(p)?)) },
    Verb { name: "STAT", syntax: "STAT [PATH]", help: "say the session's state, or a path's facts", parse: status },
    Verb { name: "DF", syntax: "DF", help: "say the quota and what is used", parse: |_| Ok(Command::Usage) },
    Verb { name: "HASH", syntax: "HASH algo=md5|sha256 PATH", help: "say a file's digest", parse: hash },
    Verb { name: "STAGES", syntax: "STAGES [drop=1 PATH]", help: "list unfinished uploads, or drop one", parse: stages },
    Verb { name: "SETATTR", syntax: "SETATTR [mtime=TIME] [mode=OCTAL] PATH", help: "set a time or permissions", parse: set_attributes },
    Verb { name: "PASSWD", syntax: "PASSWD salt=B64 iterations=N stored=B64 server=B64 proof=B64", help: "change the password", parse: set_password },
    Verb { name: "SYST", syntax: "SYST", help: "say the server's platform", parse: |_| Ok(Command::System) },
    Verb { name: "HELP", syntax: "HELP [VERB]", help: "say what there is", parse: |p| Ok(Command::Help(p.take_rest().map(str::to_owned))) },
    Verb { name: "NOOP", syntax: "NOOP", help: "do nothing", parse: |_| Ok(Command::Noop) },
    Verb { name: "ABOR", syntax: "ABOR", help: "stop what is under way", parse: |_| Ok(Command::Abort) },
    Verb { name: "111", syntax: "111 [done=BYTES] [of=BYTES]", help: "still hashing", parse: working },
    Verb { name: "200", syntax: "200", help: "from the start", parse: |p| answer(p, Answer::FromStart) },
    Verb { name: "210", syntax: "210 offset=BYTES md5=HEX|sha256=HEX", help: "resume the download", parse: resume_download },
    Verb { name: "211", syntax: "211", help: "resume the upload", parse: |p| answer(p, Answer::ResumeUpload) },
    Verb { name: "220", syntax: "220", help: "leave", parse: |p| { p.take_rest(); Ok(Command::Quit) } },
    Verb { name: "225", syntax: "225 md5=HEX|sha256=HEX", help: "all sent", parse: all_sent },
    Verb { name: "227", syntax: "227 [md5=HEX|sha256=HEX]", help: "compared, equal", parse: |p| { p.sum()?; answer(p, Answer::Equal) } },
    Verb { name: "351", syntax: "351 [replace=1] PATH", help: "rename: to this name", parse: rename_to },
    Verb { name: "400", syntax: "400", help: "the complete file is here already", parse: |p| answer(p, Answer::HaveAlready) },
    Verb { name: "401", syntax: "401", help: "gave up resuming the download", parse: |p| answer(p, Answer::DeclineDownload) },
    Verb { name: "410", syntax: "410", help: "gave up resuming the upload", parse: |p| answer(p, Answer::DeclineUpload) },
    Verb { name: "550", syntax: "550", help: "compared, different", parse: |p| answer(p, Answer::Different) },
];

/// Finds a verb by its name, in any case.
pub fn find(name: &str) -> Option<&'static Verb> {
    VERBS
        .iter()
        .find(|verb| verb.name.eq_ignore_ascii_case(name))
}

/// Decodes one line without its CRLF.
pub fn decode(line: &[u8]) -> Result<Command, Malformed> {
    let Ok(line) = std::str::from_utf8(line) else {
        return Err(Malformed::NotUtf8);
    };
    let head = line.split(' ').next().unwrap_or_default();
    let verb = find(head).ok_or(Malformed::UnknownVerb)?;
    let complain = |wrong| match wrong {
        ArgumentError::Arguments => Malformed::BadArguments {
            syntax: verb.syntax,
        },
        ArgumentError::Name => Malformed::BadName,
    };
    let mut parts = Parts::cut(line).map_err(|broken| complain(broken.into()))?;
    let command = (verb.parse)(&mut parts).map_err(complain)?;
    parts.finish().map_err(|broken| complain(broken.into()))?;
    Ok(command)
}

/// Whether the line is ABOR; used while bulk data flows.
pub fn is_abort(line: &[u8]) -> bool {
    line.eq_ignore_ascii_case(b"ABOR")
}

/// Whether frames may follow the line whatever is answered: a STOR with `go=1`, however it is
/// spelled, or one of which only the beginning is known.
pub fn announces_content(line: &[u8], extent: Extent) -> bool {
    let Some((verb, rest)) = line.split_at_checked(4) else {
        return false;
    };
    let may_say_go = || match extent {
        Extent::Whole => rest.windows(3).any(|key| key.eq_ignore_ascii_case(b"go=")),
        Extent::Beginning => true,
    };
    verb.eq_ignore_ascii_case(b"STOR") && may_say_go()
}

fn scram(parts: &mut Parts<'_>) -> Result<Vec<u8>, ArgumentError> {
    Ok(parts.required("scram", base64)?)
}

fn base64(value: &str) -> Option<Vec<u8>> {
    Base64::decode_vec(value).ok()
}

fn path(parts: &mut Parts<'_>) -> Result<PathArg, ArgumentError> {
    optional_path(parts)?.ok_or(ArgumentError::Arguments)
}

fn optional_path(parts: &mut Parts<'_>) -> Result<Option<PathArg>, ArgumentError> {
    let Some(written) = parts.take_rest() else {
        return Ok(None);
    };
    if written.is_empty() {
        return Err(ArgumentError::Arguments);
    }
    let bytes = decode_path(written).ok_or(ArgumentError::Name)?;
    PathArg::new(bytes).map(Some).ok_or(ArgumentError::Name)
}

fn answer(parts: &mut Parts<'_>, answer: Answer) -> Parsed {
    parts.take_rest();
    Ok(Command::Answer(answer))
}

fn working(parts: &mut Parts<'_>) -> Parsed {
    parts.optional("done", number)?;
    parts.optional("of", number)?;
    answer(parts, Answer::Working)
}

fn list(parts: &mut Parts<'_>) -> Parsed {
    let key = parts.optional("sort", |value| match value {
        "name" => Some(SortKey::Name),
        "size" => Some(SortKey::Size),
        "modify" => Some(SortKey::Modified),
        _ => None,
    })?;
    let direction = match parts.flag("reverse")? {
        true => Direction::Backward,
        false => Direction::Forward,
    };
    let options = Options {
        key: key.unwrap_or(SortKey::Unsorted),
        direction,
        ..Options::UNSORTED
    };
    let path = optional_path(parts)?;
    Ok(Command::List(List { path, options }))
}

/// RETR; without `length=`, and with no `start=` but 0, of the whole file.
fn retrieve(parts: &mut Parts<'_>) -> Parsed {
    let start = parts.optional("start", number)?;
    let length = parts.optional("length", number)?;
    let digest = parts.digest()?.unwrap_or_default();
    let path = path(parts)?;
    let turn = match (start, length) {
        (None, None) => Turn::Negotiate,
        (Some(0), None) => Turn::Skipped,
        (start, length) => {
            return Ok(Command::RetrieveRange(RetrieveRange {
                path,
                digest,
                start: start.unwrap_or(0),
                length,
            }));
        }
    };
    Ok(Command::Retrieve(Retrieve { path, digest, turn }))
}

fn rename_to(parts: &mut Parts<'_>) -> Parsed {
    Ok(match parts.flag("replace")? {
        true => Command::RenameOver(path(parts)?),
        false => Command::Answer(Answer::RenameTo(path(parts)?)),
    })
}

fn set_attributes(parts: &mut Parts<'_>) -> Parsed {
    let modified = parts.optional("mtime", Stamp::parse)?;
    let mode = parts.optional("mode", mode)?;
    if modified.is_none() && mode.is_none() {
        return Err(ArgumentError::Arguments);
    }
    let path = path(parts)?;
    Ok(Command::SetAttributes(SetAttributes {
        path,
        modified,
        mode,
    }))
}

/// Reads permission bits: three octal digits, with zeros before them at will.
fn mode(octal: &str) -> Option<u32> {
    let is_octal = octal.len() >= 3 && octal.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mode = u32::from_str_radix(octal, 8).ok()?;
    (is_octal && mode <= 0o777).then_some(mode)
}

fn store(parts: &mut Parts<'_>) -> Parsed {
    let digest = parts.digest()?.unwrap_or_default();
    let declared = parts.sum()?;
    if declared.is_some_and(|sum| sum.algorithm() != digest) {
        return Err(ArgumentError::Arguments);
    }
    Ok(Command::Store(Store {
        size: parts.required("size", number)?,
        modified: parts.optional("mtime", Stamp::parse)?,
        digest,
        declared,
        replace: if parts.flag("replace")? {
            Replace::Yes
        } else {
            Replace::Never
        },
        turn: if parts.flag("go")? {
            Turn::Skipped
        } else {
            Turn::Negotiate
        },
        path: path(parts)?,
    }))
}

fn status(parts: &mut Parts<'_>) -> Parsed {
    Ok(optional_path(parts)?.map_or(Command::Status, Command::Facts))
}

fn make_link(parts: &mut Parts<'_>) -> Parsed {
    let target = parts.required("target", decode_target)?;
    let path = path(parts)?;
    Ok(Command::MakeLink { path, target })
}

fn hash(parts: &mut Parts<'_>) -> Parsed {
    let algorithm = parts.required("algo", Algorithm::verifying)?;
    Ok(Command::Hash {
        algorithm,
        path: path(parts)?,
    })
}

fn stages(parts: &mut Parts<'_>) -> Parsed {
    if parts.flag("drop")? {
        return Ok(Command::DropStage(path(parts)?));
    }
    Ok(Command::Stages)
}

fn set_password(parts: &mut Parts<'_>) -> Parsed {
    let key = |value: &str| base64(value)?.try_into().ok();
    let new = NewVerifier {
        salt: parts.required("salt", base64)?,
        iterations: parts.required("iterations", |value| number(value)?.try_into().ok())?,
        stored_key: parts.required("stored", key)?,
        server_key: parts.required("server", key)?,
    };
    let proof = parts.required("proof", key)?;
    Ok(Command::SetPassword(Box::new(PasswordChange {
        new,
        proof,
    })))
}

fn resume_download(parts: &mut Parts<'_>) -> Parsed {
    let offset = parts.required("offset", number)?;
    let sum = parts.sum()?.ok_or(ArgumentError::Arguments)?;
    answer(parts, Answer::ResumeDownload { offset, sum })
}

fn all_sent(parts: &mut Parts<'_>) -> Parsed {
    let sum = parts.sum()?.ok_or(ArgumentError::Arguments)?;
    answer(parts, Answer::AllSent { sum })
}
