//! Writes the text of each FTP reply.

use core::net::{IpAddr, SocketAddr};

use super::reply_line::Line;
use super::verbs::{NOT_IMPLEMENTED, VERBS, algorithm_name, help_of};
use super::{features, listing_lines, site};
use crate::digest::Sum;
use crate::path::VirtualPath;
use crate::wire::command::{ByteRange, DigestForm, PassiveForm, Protection, Representation};
use crate::wire::listing::{Fact, FactSet};
use crate::wire::reply::{
    CloseReason, DataReply, Held, HelpTopic, Malformed, OfLimit, Operation, ParameterReply,
    Refusal, Reply, SecurityReply, ShownLimit, Status, TlsOffer, Truncation, UnderWay, Usage,
};
use crate::wire::shared_text::{close_reason_text, refusal_text};

/// Appends all lines of `reply` under `code`.
pub(super) fn push(reply: &Reply, code: u16, out: &mut Vec<u8>) {
    match reply {
        Reply::Greeting { text } => push_greeting(text, code, out),
        Reply::Status(status) => push_status(status, code, out),
        Reply::Usage(usage) => push_usage(usage, code, out),
        Reply::UnderWay(under_way) => push_under_way(under_way, code, out),
        Reply::Features(features) => features::push(features, code, out),
        Reply::Help { topic, tls } => push_help(topic, *tls, code, out),
        Reply::ListingInReply { about } => {
            let line = Line::first(code, out).text("Status of ");
            line.path(about.as_bytes()).text(':').end();
        }
        Reply::Entry {
            path,
            entry,
            set,
            rights,
        } => {
            let facts = |out: &mut Vec<u8>| listing_lines::push_facts(entry, *set, *rights, out);
            push_entry(path.as_bytes(), facts, code, out);
        }
        other => push_line(other, code, out),
    }
}

/// Each line with the code, so that none can be taken for the last.
fn push_greeting(text: &str, code: u16, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((line, next)) = rest.split_once('\n') {
        let line = line.trim_end_matches('\r');
        Line::first(code, out).text(line).end();
        rest = next;
    }
    Line::last(code, out).text(rest).end();
}

#[rustfmt::skip]
fn push_line(reply: &Reply, code: u16, out: &mut Vec<u8>) {
    let line = Line::last(code, out);
    match reply {
        Reply::Authenticated { user } | Reply::Recognized { user } => line.text("logged in as ").text(user),
        Reply::Directory(path) | Reply::Created(path) => line.quoted(path.as_bytes()),
        Reply::DirectoryChanged(path) => line.text("in ").path(path.as_bytes()),
        Reply::ListingDone { hidden } => left_out(line.text("listed"), *hidden),
        Reply::ListingEnd { hidden } => left_out(line.text("End"), *hidden),
        Reply::Sending { from, size } => sending(line, *from, *size),
        Reply::Receiving { from, name } => receiving(line, *from, name.as_ref()),
        Reply::StreamSent { size } => line.text(format_args!("sent; the file has {size} bytes")),
        Reply::StreamStored { size, name } => stored(line, *size, name.as_ref()),
        Reply::Size(size) | Reply::Available(size) => line.text(size),
        Reply::ModifiedAt(modified) => line.text(modified.to_digits()),
        Reply::ModifiedSet { path, modified } => {
            line.text(format_args!("Modify={}; ", modified.to_digits())).path(path.as_bytes())
        }
        Reply::DigestIs { path, range, sum, form } => digest(line, path, *range, sum, *form),
        // Clients look for this; the home looks like UNIX on every system.
        Reply::Platform(_) => line.text("UNIX Type: L8"),
        Reply::Security(security) => line.text(security_text(security)),
        Reply::Data(data) => data_text(line, data),
        Reply::Parameter(parameter) => parameter_text(line, parameter),
        Reply::Malformed(malformed) => malformed_text(line, malformed),
        Reply::Refused { operation, why } => refused(line, *operation, why),
        Reply::Closing(reason) => line.text(close_text(reason)),
        other => line.text(fixed_text(other)),
    }
    .end();
}

fn fixed_text(reply: &Reply) -> &'static str {
    match reply {
        Reply::NeedPassword => "now the password",
        Reply::LoginRefused(_) => "wrong user or password",
        Reply::NotLoggedIn => "log in first, with USER and PASS",
        Reply::LoggedInAlready => "logged in already; REIN begins anew",
        Reply::Reinitialized => "ready for another user",
        Reply::ListingFollows => "here comes the listing",
        Reply::Aborted | Reply::Stopped => "stopped; the data connection is closed",
        Reply::NothingToAbort => "no transfer is under way",
        Reply::Deleted => "deleted",
        Reply::RenameToWhat => "to what? RNTO says it",
        Reply::Renamed => "renamed",
        Reply::ModeSet => "mode set",
        Reply::HostNoted => "noted; every name leads to the same files",
        Reply::HostUnknown => "this server is not known by that name",
        Reply::Noop => "ok",
        Reply::Goodbye => "goodbye",
        Reply::BadSequence => "not now: another command must come first",
        _ => "not in this dialect",
    }
}

fn left_out(line: Line<'_>, hidden: u64) -> Line<'_> {
    match hidden {
        0 => line,
        1 => line.text("; 1 name that cannot be told is left out"),
        _ => line.text(format_args!(
            "; {hidden} names that cannot be told are left out"
        )),
    }
}

/// Clients take the number before ` bytes)` for the number of bytes to come.
fn sending(line: Line<'_>, from: u64, size: u64) -> Line<'_> {
    let left = size.saturating_sub(from);
    if from == 0 {
        line.text(format_args!("sending the file ({size} bytes)"))
    } else {
        line.text(format_args!(
            "sending from byte {from} of {size} on ({left} bytes)"
        ))
    }
}

/// A name that the server chose is written as RFC 1123 has it (section 4.1.2.9).
fn receiving<'a>(line: Line<'a>, from: u64, name: Option<&VirtualPath>) -> Line<'a> {
    match name {
        Some(name) => line.text("FILE: ").path(name.as_bytes()),
        None if from > 0 => line.text(format_args!("send; it goes on at byte {from}")),
        None => line.text("send"),
    }
}

fn stored<'a>(line: Line<'a>, size: u64, name: Option<&VirtualPath>) -> Line<'a> {
    let line = line.text(format_args!("stored, {size} bytes in all"));
    match name {
        Some(name) => line.text(", as ").path(name.as_bytes()),
        None => line,
    }
}

/// The full form is: algorithm, first byte and the one behind the last, digest, name
/// (draft-bryan-ftpext-hash, as servers write it).
fn digest<'a>(
    line: Line<'a>,
    path: &VirtualPath,
    range: ByteRange,
    sum: &Sum,
    form: DigestForm,
) -> Line<'a> {
    match form {
        DigestForm::Bare => line.text(sum),
        DigestForm::Full => {
            let (name, ByteRange { start, end }) = (algorithm_name(sum.algorithm()), range);
            line.text(format_args!("{name} {start}-{end} {sum} "))
                .path(path.as_bytes())
        }
    }
}

fn security_text(security: &SecurityReply) -> &'static str {
    match security {
        SecurityReply::TlsFollows => "begin TLS",
        SecurityReply::BufferSize => "PBSZ=0",
        SecurityReply::Protects(Protection::Clear) => "data connections are clear",
        SecurityReply::Protects(Protection::Private) => "data connections are private",
        SecurityReply::NotOffered => "TLS is not offered here",
        SecurityReply::AlreadyInTls => "this connection is under TLS already",
        SecurityReply::ControlStaysPrivate => "this connection stays under TLS",
        SecurityReply::OutOfOrder => "first AUTH TLS, then PBSZ 0, then PROT, then the login",
        SecurityReply::LoginNeedsTls => "log in under TLS: AUTH TLS first (explicit FTPS)",
        SecurityReply::ClearDataRefused => "data connections stay private here",
        SecurityReply::DataNeedsTls => "data connections must be private here: PROT P first",
    }
}

#[rustfmt::skip]
fn data_text<'a>(line: Line<'a>, data: &DataReply) -> Line<'a> {
    let text = match data {
        DataReply::Passive { address, form } => return passive(line, *address, *form),
        DataReply::Active => "ok",
        DataReply::PassiveOnly => "EPSV and nothing else from now on",
        DataReply::PassiveOnlyInForce => "after EPSV ALL there is only EPSV",
        DataReply::Foreign => "only your own address, and no port below 1024",
        DataReply::WrongFamily => "not over that network, use (1) where this connection is IPv4, (2) where it is IPv6",
        DataReply::NoPortFree => "no port is free for a data connection, try again in a moment",
        DataReply::PortShareTaken { most } => {
            let ports = if *most == 1 { "port" } else { "ports" };
            return line.text(format_args!(
                "your sessions hold {most} {ports} for data connections, all that one user may; let one end first"
            ));
        }
        DataReply::NotPrepared => "say EPSV, PASV, EPRT or PORT first",
        DataReply::NotOpened => "the data connection did not come about; a firewall may be in between",
        DataReply::NotSecured => "no TLS came about on the data connection",
        DataReply::NotResumed => "the data connection must resume this connection's TLS session",
        DataReply::Lost => "the data connection broke off",
        DataReply::Truncated(Truncation::Required) => {
            "the upload ended without TLS close_notify, which data_close_notify: Require asks for; \
             the part is kept, REST or APPE resumes it"
        }
        DataReply::Truncated(Truncation::ControlEnded) => {
            "the upload ended without TLS close_notify, and the control connection with it, which \
             data_close_notify: Prefer takes for a cut; the part is kept, REST or APPE resumes it"
        }
        DataReply::Truncated(Truncation::Reset) => {
            "the data connection was reset before its TLS close_notify, which no \
             data_close_notify allows; the part is kept, REST or APPE resumes it"
        }
    };
    line.text(text)
}

fn passive(line: Line<'_>, address: SocketAddr, form: PassiveForm) -> Line<'_> {
    let port = address.port();
    match (form, address.ip().to_canonical()) {
        (PassiveForm::PortOnly(_), _) => {
            line.text(format_args!("Entering Extended Passive Mode (|||{port}|)"))
        }
        (PassiveForm::Address, IpAddr::V4(ip)) => {
            let [a, b, c, d] = ip.octets();
            let [high, low] = port.to_be_bytes();
            line.text(format_args!(
                "Entering Passive Mode ({a},{b},{c},{d},{high},{low})."
            ))
        }
        (PassiveForm::Address, IpAddr::V6(_)) => data_text(line, &DataReply::WrongFamily),
    }
}

fn parameter_text<'a>(line: Line<'a>, parameter: &ParameterReply) -> Line<'a> {
    match parameter {
        ParameterReply::Type(Representation::Ascii) => line.text("type is A, text"),
        ParameterReply::Type(Representation::Image) => line.text("type is I, bytes"),
        ParameterReply::OnlyValue(what) => line.text(what).text(" ok"),
        ParameterReply::Restart(at) => {
            line.text(format_args!("restarting at {at}, with the next transfer"))
        }
        ParameterReply::Allocated(bytes) => line.text(format_args!("room for {bytes} bytes")),
        ParameterReply::Range(None) => line.text("range is the whole file"),
        ParameterReply::Range(Some(ByteRange { start, end })) => {
            let last = end.saturating_sub(1);
            line.text(format_args!("range is {start} to {last}"))
        }
        ParameterReply::Algorithm(algorithm) => line.text(algorithm_name(*algorithm)),
        ParameterReply::Facts(set) => line.text(chosen_facts(*set)),
        ParameterReply::NotInAscii => {
            line.text("not in type A, where bytes are not counted: TYPE I first")
        }
    }
}

/// The reply to OPTS MLST (RFC 3659 section 7.9.1).
fn chosen_facts(set: FactSet) -> String {
    let chosen = Fact::ALL.into_iter().filter(|&fact| set.has(fact));
    let list: String = chosen.map(|fact| format!("{};", fact.name())).collect();
    format!("MLST OPTS {list}").trim_end().to_owned()
}

fn malformed_text<'a>(line: Line<'a>, malformed: &Malformed) -> Line<'a> {
    let text = match malformed {
        Malformed::BadArguments { syntax } => {
            return line.text("bad arguments; the syntax is ").text(syntax);
        }
        Malformed::TooLong => "the line is over 8192 bytes",
        Malformed::BadLineEnd => "a line holds no NUL, and a CR only before its LF",
        Malformed::NotUtf8 => "that must be UTF-8",
        Malformed::OtherProtocol => "that is another protocol; this is FTP",
        Malformed::UnknownVerb => "unknown verb; HELP lists them",
        Malformed::BadName => "a name holds no NUL, CR or LF",
        Malformed::NotImplemented => NOT_IMPLEMENTED,
        Malformed::NotForThatArgument => "not done with that argument",
        Malformed::UnknownNetwork => "unknown network protocol, use (1,2)",
    };
    line.text(text)
}

fn refused<'a>(line: Line<'a>, operation: Operation, why: &Refusal) -> Line<'a> {
    match (operation, why) {
        (Operation::Store, Refusal::Exists) => line.text("a file of that name is there already"),
        (_, Refusal::BadOffset { offset, size }) => line.text(format_args!(
            "it cannot go on at byte {offset}: {size} bytes are here; SIZE says where it can"
        )),
        (_, Refusal::TwoSizes) => line.text(
            "an upload of it was interrupted, so that it has two sizes; \
             STOR begins anew, RETR gives the stored file",
        ),
        _ => line.text(refusal_text(why)),
    }
}

fn close_text(reason: &CloseReason) -> &'static str {
    match reason {
        CloseReason::NotThisProtocol => "this is an FTP server, closing",
        other => close_reason_text(other),
    }
}

/// MLST: one blank before the facts, one behind them (RFC 3659 section 7.2).
fn push_entry(path: &[u8], facts: impl FnOnce(&mut Vec<u8>), code: u16, out: &mut Vec<u8>) {
    Line::first(code, out).text("Listing ").path(path).end();
    Line::between(out).write(facts).text(' ').path(path).end();
    Line::last(code, out).text("End").end();
}

fn push_status(status: &Status, code: u16, out: &mut Vec<u8>) {
    Line::first(code, out).text(&status.server).end();
    Line::between(out)
        .text("logged in as ")
        .text(&status.user)
        .end();
    push_account(&status.usage, out);
    Line::last(code, out).text("end").end();
}

fn push_usage(usage: &Usage, code: u16, out: &mut Vec<u8>) {
    Line::first(code, out).text("quota").end();
    push_account(usage, out);
    Line::last(code, out).text("end").end();
}

fn push_account(usage: &Usage, out: &mut Vec<u8>) {
    let Usage {
        limit,
        entries_limit,
        held,
    } = usage;
    let mut line = |text: std::fmt::Arguments<'_>| Line::between(out).text(text).end();
    let Some(held) = held else {
        line(format_args!(
            "your home is being counted, ask again in a moment; {} bytes and {} files and \
             directories are allowed",
            ShownLimit(*limit),
            ShownLimit(*entries_limit)
        ));
        return;
    };
    let Held {
        used,
        staged,
        reserved,
        free,
        entries,
    } = held;
    line(format_args!(
        "{used}{} bytes used, {staged} of them by unfinished uploads",
        OfLimit(*limit)
    ));
    line(format_args!(
        "{reserved} bytes reserved for uploads under way, {free} free for a new one"
    ));
    line(format_args!(
        "{entries}{} files and directories",
        OfLimit(*entries_limit)
    ));
}

fn push_under_way(under_way: &UnderWay, code: u16, out: &mut Vec<u8>) {
    let moved = under_way.moved;
    let rate = moved / under_way.seconds.max(1);
    Line::first(code, out).text("a transfer is under way").end();
    let line = Line::between(out).text(format_args!("{moved} "));
    let line = match under_way.of {
        Some(of) => line.text(format_args!("of {of} ")),
        None => line,
    };
    line.text(format_args!("bytes moved, {rate} bytes per second"))
        .end();
    Line::last(code, out).text("end").end();
}

fn push_help(topic: &HelpTopic, tls: TlsOffer, code: u16, out: &mut Vec<u8>) {
    match topic {
        HelpTopic::Overview => push_overview(tls, code, out),
        HelpTopic::Verb(name) if name.eq_ignore_ascii_case("SITE") => push_site(code, out),
        HelpTopic::Verb(name) => match help_of(name, tls) {
            Some((syntax, help)) => Line::last(code, out)
                .text(syntax)
                .text(": ")
                .text(help)
                .end(),
            None => Line::last(code, out)
                .text("no such verb; HELP lists them")
                .end(),
        },
    }
}

fn push_overview(tls: TlsOffer, code: u16, out: &mut Vec<u8>) {
    Line::first(code, out)
        .text("verbs; those with a star are not done here")
        .end();
    for verbs in VERBS.chunks(8) {
        let mut line = Line::between(out);
        for verb in verbs {
            let star = match verb.help_where(tls) {
                NOT_IMPLEMENTED => "*",
                _ => "",
            };
            line = line.text(format_args!("{:<9}", format!("{}{star}", verb.name)));
        }
        line.end();
    }
    Line::last(code, out)
        .text("HELP with a verb says more")
        .end();
}

fn push_site(code: u16, out: &mut Vec<u8>) {
    Line::first(code, out).text("what SITE knows").end();
    for row in site::ROWS {
        Line::between(out)
            .text(row.syntax)
            .text(": ")
            .text(row.help)
            .end();
    }
    Line::last(code, out).text("end").end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_of_lines_has_its_code_in_each() {
        for (text, expected) in [
            ("welcome", "220 welcome\r\n"),
            ("", "220 \r\n"),
            (
                "one\n\n230 two\nthree",
                "220-one\r\n220-\r\n220-230 two\r\n220 three\r\n",
            ),
            ("a\r\nb\x1b\0", "220-a\r\n220 b??\r\n"),
            ("a\rb", "220 a?b\r\n"),
        ] {
            let mut out = Vec::new();
            push_greeting(text, 220, &mut out);
            assert_eq!(out, expected.as_bytes(), "{text:?}");
        }
    }
}
