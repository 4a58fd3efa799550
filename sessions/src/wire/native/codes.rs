//! Encodes replies as lines: the one table of the native dialect that gives each its code and text.

use std::borrow::Cow;
use std::time::Duration;

use base64ct::{Base64, Encoding};

use super::causes::{Cause, cause};
use super::facts::kind_name;
use super::path_escape::{push_path, push_target};
use super::replies::IDLE_USUAL;
use super::verbs::{VERBS, find};
use crate::digest::{Algorithm, Sum};
use crate::path::{LinkTarget, VirtualPath};
use crate::wire::line::LINE_MAX;
use crate::wire::reply::{
    Facts, HelpTopic, LoginRefusal, Malformed, Mismatch, Operation, Refusal, Reply, Usage,
};
use crate::wire::shared_text::{close_reason_text, refusal_text};
use crate::wire::stamp::Stamp;

/// The server's features beyond the core of version 1, told in 331.
const FEATURES: &str =
    "go,start,hash,stages,df,passwd,digest,why,range,replace,setattr,sort,symlink";

/// Appends `reply` as one line and returns its code.
pub fn encode(reply: &Reply, out: &mut Vec<u8>) -> u16 {
    let code = code(reply);
    let cause = cause(reply);
    debug_assert_eq!(code >= 400, cause.is_some(), "{reply:?}");
    let line = Line(out).code(code).cause(cause);
    match reply {
        Reply::Challenge { scram } => {
            line.base64("scram", scram)
                .token("v", 1)
                .token("features", FEATURES)
                .text("go on");
        }
        Reply::LoggedIn {
            scram,
            digest,
            idle,
        } => {
            let line = line.base64("scram", scram);
            line.digest(*digest).idle(*idle).text("welcome");
        }
        Reply::ListingDone { hidden } => line.token("hidden", hidden).text("directory send ok"),
        Reply::Offer {
            size,
            modified,
            digest,
        } => line.offer(*size, *modified, *digest),
        Reply::SendingAll { size } => line.token("size", size).text("sending all"),
        Reply::SendingFrom { offset } => line.token("offset", offset).text("sending the rest"),
        Reply::Sent { size, sum } => line.file(*size, sum, "all sent"),
        Reply::RangeSent { offset, size, sum } => {
            line.token("offset", offset).file(*size, sum, "part sent");
        }
        Reply::PartHere { have, sum } => {
            let line = line.token("have", have).sum(sum);
            line.text("a part is here, resume?");
        }
        Reply::SendFrom { offset } => line.token("offset", offset).text("send"),
        Reply::AlreadyThere { size, sum } => {
            line.file(*size, sum, "the complete file is already there");
        }
        Reply::Stored { size, sum } => line.file(*size, sum, "stored and verified"),
        Reply::Working { done, of } => line.token("done", done).token("of", of).text("working"),
        Reply::Directory(path) | Reply::DirectoryChanged(path) | Reply::Created(path) => {
            line.path(path);
        }
        Reply::LinkLeadsTo { path, target } => line.target(target).path(path),
        Reply::Status(status) => {
            let line = line.token("user", &status.user).usage(&status.usage);
            line.token("server", &status.server).text("logged in");
        }
        Reply::Facts { path, facts } => line.facts(facts).path(path),
        Reply::Usage(usage) => line.usage(usage).text(match usage.held {
            Some(_) => "quota",
            None => "your home is being counted, ask again in a moment",
        }),
        Reply::HashIs { path, size, sum } => line.token("size", size).sum(sum).path(path),
        Reply::Platform(name) => line.text(name),
        Reply::Help { topic, .. } => line.text(&help(topic)),
        Reply::Malformed(malformed) => line.malformed(malformed),
        Reply::Refused { operation, why } => line.refusal(*operation, why),
        Reply::NotVerified(Mismatch::Size { promised, received }) => {
            line.text(&format!(
                "not verified: {promised} bytes promised, {received} received; the part is gone"
            ));
        }
        _ => line.text(fixed_text(reply)),
    }
    code
}

/// The code of each reply.
#[rustfmt::skip]
pub fn code(reply: &Reply) -> u16 {
    match reply {
        Reply::Working { .. } => 111,
        Reply::ListingFollows | Reply::Offer { .. } | Reply::SendNow => 150,
        Reply::SendingAll { .. } | Reply::AlreadyThere { .. } | Reply::Noop => 200,
        Reply::SendingFrom { .. } | Reply::PartHere { .. } => 210,
        Reply::Status(_) => 211,
        Reply::SendFrom { .. } => 212,
        Reply::Facts { .. } | Reply::Usage(_) | Reply::HashIs { .. } => 213,
        Reply::LinkLeadsTo { .. } => 213,
        Reply::Help { .. } => 214,
        Reply::Platform(_) => 215,
        Reply::Goodbye => 221,
        Reply::ListingDone { .. } | Reply::Sent { .. } | Reply::RangeSent { .. } => 226,
        Reply::Stored { .. } | Reply::NothingToAbort => 226,
        Reply::LoggedIn { .. } => 230,
        Reply::DirectoryChanged(_) | Reply::Deleted | Reply::Renamed => 250,
        Reply::StageDropped | Reply::PasswordChanged => 250,
        Reply::Directory(_) | Reply::Created(_) => 257,
        Reply::Challenge { .. } => 331,
        Reply::RenameToWhat => 350,
        Reply::PasswordNeedsTls => 403,
        Reply::Refused { operation, why } => refusal_code(*operation, why),
        Reply::Closing(_) => 421,
        Reply::Malformed(Malformed::BadArguments { .. } | Malformed::BadName) => 501,
        Reply::Malformed(_) => 500,
        Reply::BadSequence | Reply::LoggedInAlready => 503,
        Reply::NotLoggedIn | Reply::LoginRefused(_) => 530,
        Reply::Aborted | Reply::Stopped | Reply::NotVerified(_) => 550,
        // Replies to commands that this dialect does not have.
        Reply::Greeting { .. } | Reply::NeedPassword => 502,
        Reply::Authenticated { .. } | Reply::Recognized { .. } => 502,
        Reply::Reinitialized | Reply::Security(_) | Reply::Data(_) | Reply::Parameter(_) => 502,
        Reply::Sending { .. } | Reply::Receiving { .. } | Reply::StreamSent { .. } => 502,
        Reply::StreamStored { .. } | Reply::ListingInReply { .. } | Reply::ListingEnd { .. } => 502,
        Reply::UnderWay(_) | Reply::Entry { .. } | Reply::Size(_) | Reply::ModifiedAt(_) => 502,
        Reply::ModifiedSet { .. } | Reply::ModeSet | Reply::DigestIs { .. } => 502,
        Reply::Available(_) | Reply::Features(_) => 502,
        Reply::HostNoted | Reply::HostUnknown => 502,
    }
}

fn refusal_code(operation: Operation, why: &Refusal) -> u16 {
    match (operation, why) {
        (_, Refusal::AboveHome | Refusal::LeadsOut | Refusal::Forbidden | Refusal::ReadOnly) => 403,
        (_, Refusal::TheHome | Refusal::NoRight(_) | Refusal::Link) => 403,
        (_, Refusal::TargetLeadsOut) => 403,
        (_, Refusal::PasswordFixed | Refusal::WrongPassword) => 403,
        (_, Refusal::TooManySessions) => 421,
        (Operation::Store, Refusal::OverQuota { .. } | Refusal::TooManyEntries) => 551,
        (Operation::Retrieve | Operation::Hash, Refusal::IsADirectory) => 551,
        (Operation::RenameTo, Refusal::Exists) => 401,
        (Operation::ChangeDirectory, Refusal::NotFound | Refusal::NotADirectory) => 550,
        (_, Refusal::NotFound | Refusal::NotADirectory) => 404,
        (Operation::Login, _) => 530,
        _ => 550,
    }
}

fn fixed_text(reply: &Reply) -> &'static str {
    match reply {
        Reply::LoginRefused(why) => login_refusal_text(*why),
        Reply::NotLoggedIn => "log in first",
        Reply::LoggedInAlready => "logged in already",
        Reply::ListingFollows => "here comes the directory listing",
        Reply::SendNow => "send",
        Reply::NotVerified(_) => {
            "not verified: the digests differ; nothing published, the part is gone"
        }
        Reply::Aborted => "aborted",
        Reply::NothingToAbort => "nothing to abort",
        Reply::Deleted => "deleted",
        Reply::RenameToWhat => "to what?",
        Reply::Renamed => "renamed",
        Reply::StageDropped => "dropped",
        Reply::PasswordChanged => "password changed",
        Reply::PasswordNeedsTls => "a password is changed only over TLS",
        Reply::Noop => "ok",
        Reply::Goodbye => "goodbye",
        Reply::BadSequence => "not now: out of order",
        Reply::Closing(reason) => close_reason_text(reason),
        _ => "ok",
    }
}

fn login_refusal_text(why: LoginRefusal) -> &'static str {
    match why {
        LoginRefusal::Credentials => "wrong user or password",
        LoginRefusal::ChannelBinding => {
            "wrong channel binding: someone may stand between the two ends"
        }
        LoginRefusal::PlusOnly => {
            "a listener with TLS takes SCRAM-SHA-256-PLUS with tls-exporter only"
        }
        LoginRefusal::PlainOnly => "a plain listener takes SCRAM-SHA-256 only",
        LoginRefusal::Message => "the SCRAM message breaks the rules of RFC 5802",
    }
}

fn malformed_text(malformed: &Malformed) -> Cow<'static, str> {
    let text = match malformed {
        Malformed::TooLong => return format!("the line is over {LINE_MAX} bytes").into(),
        Malformed::BadArguments { syntax } => {
            return format!("bad arguments; the syntax is {syntax}").into();
        }
        Malformed::BadLineEnd => "a line ends with CRLF and holds no NUL or CR",
        Malformed::NotUtf8 => "the line is not UTF-8; write other bytes of a name as %XX",
        Malformed::UnknownVerb => "unknown verb; HELP lists them",
        Malformed::BadName => "a name holds no NUL, and % only as %25 or %XX",
        Malformed::NotImplemented | Malformed::NotForThatArgument => "not implemented",
        Malformed::UnknownNetwork => "unknown network protocol",
        Malformed::OtherProtocol => "that is another protocol",
    };
    text.into()
}

fn help(topic: &HelpTopic) -> String {
    match topic {
        HelpTopic::Overview => VERBS
            .iter()
            .map(|verb| verb.name)
            .collect::<Vec<_>>()
            .join(" "),
        HelpTopic::Verb(name) => match find(name) {
            Some(verb) => format!("{}: {}", verb.syntax, verb.help),
            None => "no such verb; HELP lists them".to_owned(),
        },
    }
}

struct Line<'a>(&'a mut Vec<u8>);

impl Line<'_> {
    fn code(self, code: u16) -> Self {
        self.0.extend_from_slice(format!("{code:03}").as_bytes());
        self
    }

    fn token(self, key: &str, value: impl std::fmt::Display) -> Self {
        self.0
            .extend_from_slice(format!(" {key}={value}").as_bytes());
        self
    }

    /// Adds `why=`, and `retry=1` where the same command may work in a moment.
    fn cause(self, cause: Option<Cause>) -> Self {
        let Some(cause) = cause else {
            return self;
        };
        let line = self.token("why", cause.name());
        match cause.may_pass() {
            true => line.token("retry", 1),
            false => line,
        }
    }

    fn base64(self, key: &str, value: &[u8]) -> Self {
        self.token(key, Base64::encode_string(value))
    }

    fn usage(self, usage: &Usage) -> Self {
        let line = match &usage.held {
            None => self.token("counting", 1),
            Some(held) => self
                .token("used", held.used)
                .token("staged", held.staged)
                .token("reserved", held.reserved)
                .token("free", held.free)
                .token("entries", held.entries),
        };
        line.token("limit", usage.limit)
            .token("entries_limit", usage.entries_limit)
    }

    fn sum(self, sum: &Sum) -> Self {
        self.token(sum.algorithm().name(), sum)
    }

    /// Adds `digest=` unless it is MD5, which goes without saying.
    fn digest(self, digest: Algorithm) -> Self {
        match digest {
            Algorithm::Md5 => self,
            other => self.token("digest", other.name()),
        }
    }

    /// Adds `idle=` unless it is the usual time, which goes without saying.
    fn idle(self, idle: Duration) -> Self {
        match idle {
            IDLE_USUAL => self,
            idle => self.token("idle", idle.as_secs()),
        }
    }

    fn offer(self, size: u64, modified: Stamp, digest: Algorithm) {
        let line = self.token("size", size);
        let line = line.token("mtime", modified.to_digits());
        line.digest(digest).text("here it comes");
    }

    fn file(self, size: u64, sum: &Sum, text: &str) {
        self.token("size", size).sum(sum).text(text);
    }

    fn facts(self, facts: &Facts) -> Self {
        let line = self
            .token("type", kind_name(facts.kind))
            .token("size", facts.size);
        let line = line.token("mtime", facts.modified.to_digits());
        match facts.mode {
            Some(mode) => line.token("mode", format_args!("{mode:04o}")),
            None => line,
        }
    }

    fn target(self, target: &LinkTarget) -> Self {
        self.0.extend_from_slice(b" target=");
        push_target(target, self.0);
        self
    }

    fn refusal(self, operation: Operation, why: &Refusal) {
        let line = match why {
            Refusal::OverQuota { needed, available } => {
                self.token("needed", needed).token("available", available)
            }
            _ => self,
        };
        line.text(&match (operation, why) {
            (Operation::Store, Refusal::Exists) => {
                "another file is there; say replace=1 to replace it".into()
            }
            _ => refusal_text(why),
        });
    }

    fn malformed(self, malformed: &Malformed) {
        self.text(&malformed_text(malformed));
    }

    fn path(self, path: &VirtualPath) {
        self.0.push(b' ');
        push_path(path.as_bytes(), self.0);
        self.0.extend_from_slice(b"\r\n");
    }

    /// Adds text and CRLF. No text begins with what looks like a token; control characters become
    /// `?`.
    fn text(self, text: &str) {
        self.0.push(b' ');
        self.0.extend(
            text.bytes()
                .map(|b| if b.is_ascii_control() { b'?' } else { b }),
        );
        self.0.extend_from_slice(b"\r\n");
    }
}
