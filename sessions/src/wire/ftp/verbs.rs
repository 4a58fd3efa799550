//! The verb table of FTP: each row drives parsing, HELP, FEAT and the tests.

use zeroize::Zeroizing;

use super::arguments::{
    ArgumentError, Parsed, inclusive_range, is_digits, ls_options, no_argument, number,
    optional_path, path, path_and_range, split, stamped_path, text,
};
use super::data_address::{extended_passive, extended_port, port};
use super::site;
use crate::digest::Algorithm;
use crate::path::PathArg;
use crate::wire::command::{
    Command, DataPort, DigestForm, Listing, Parameter, PassiveForm, Protection, Representation,
    Secret, Security, StoreStart, Via,
};
use crate::wire::listing::{Fact, FactSet, Form, Options};
use crate::wire::reply::{Malformed, TlsOffer};

/// One verb.
pub struct Verb {
    pub name: &'static str,
    pub syntax: &'static str,
    pub help: &'static str,
    /// The verb's line in FEAT, where that is the same for every session.
    pub feature: Option<&'static str>,
    /// Parses the argument: the bytes behind the verb and one blank. Verbs that only tell something
    /// ignore it.
    parse: fn(&[u8]) -> Parsed,
}

/// The help text of verbs that are known and not implemented.
pub const NOT_IMPLEMENTED: &str = "not done here";

/// The verbs of TLS, which a listener without it does not do, and their lines in FEAT (RFC 4217
/// section 6).
pub(super) const TLS: [(&str, &str); 3] =
    [("AUTH", "AUTH TLS"), ("PBSZ", "PBSZ"), ("PROT", "PROT")];

/// The verbs that a client's line may begin with.
#[rustfmt::skip]
pub const VERBS: &[Verb] = &[
    // RFC 959
    Verb { name: "USER", syntax: "USER NAME", help: "begin the login", feature: None, parse: user },
    Verb { name: "PASS", syntax: "PASS PASSWORD", help: "end the login", feature: None, parse: |a| Ok(Command::Password(Secret(Zeroizing::new(a.to_vec())))) },
    Verb { name: "ACCT", syntax: "ACCT NAME", help: NOT_IMPLEMENTED, feature: None, parse: not_implemented },
    Verb { name: "CWD", syntax: "CWD PATH", help: "change the working directory", feature: None, parse: |a| Ok(Command::ChangeDirectory(path(a)?)) },
    Verb { name: "XCWD", syntax: "XCWD PATH", help: "as CWD", feature: None, parse: |a| Ok(Command::ChangeDirectory(path(a)?)) },
    Verb { name: "CDUP", syntax: "CDUP", help: "change to the directory above", feature: None, parse: directory_above },
    Verb { name: "XCUP", syntax: "XCUP", help: "as CDUP", feature: None, parse: directory_above },
    Verb { name: "SMNT", syntax: "SMNT PATH", help: NOT_IMPLEMENTED, feature: None, parse: not_implemented },
    Verb { name: "REIN", syntax: "REIN", help: "forget the login and all parameters", feature: None, parse: |a| no_argument(a, Command::Reinitialize) },
    Verb { name: "QUIT", syntax: "QUIT", help: "leave", feature: None, parse: |a| no_argument(a, Command::Quit) },
    Verb { name: "PORT", syntax: "PORT H1,H2,H3,H4,P1,P2", help: "connect to this address for data", feature: None, parse: |a| Ok(Command::Data(DataPort::Active(port(a)?))) },
    Verb { name: "PASV", syntax: "PASV", help: "say an address to connect to for data", feature: None, parse: |a| no_argument(a, Command::Data(DataPort::Passive(PassiveForm::Address))) },
    Verb { name: "TYPE", syntax: "TYPE A [N] | I | L 8", help: "choose text or bytes", feature: None, parse: representation },
    Verb { name: "STRU", syntax: "STRU F", help: "choose the file structure", feature: None, parse: |a| one_letter(a, b"F", b"RP", "STRU") },
    Verb { name: "MODE", syntax: "MODE S", help: "choose the transfer mode", feature: None, parse: |a| one_letter(a, b"S", b"BCZ", "MODE") },
    Verb { name: "RETR", syntax: "RETR PATH", help: "download a file", feature: None, parse: |a| Ok(Command::RetrieveStream(path(a)?)) },
    Verb { name: "STOR", syntax: "STOR PATH", help: "upload a file", feature: None, parse: |a| put(a, StoreStart::RestartMark) },
    Verb { name: "STOU", syntax: "STOU [PATH]", help: "upload a file under a name of its own", feature: None, parse: |a| Ok(Command::StoreUnique(optional_path(a)?)) },
    Verb { name: "APPE", syntax: "APPE PATH", help: "upload to a file's end", feature: None, parse: |a| put(a, StoreStart::FileEnd) },
    Verb { name: "ALLO", syntax: "ALLO BYTES [R BYTES]", help: "reserve room for the next upload", feature: None, parse: allocate },
    Verb { name: "REST", syntax: "REST BYTES", help: "begin the next transfer there", feature: Some("REST STREAM"), parse: |a| Ok(Command::Parameter(Parameter::Restart(number(a.trim_ascii())?))) },
    Verb { name: "RNFR", syntax: "RNFR PATH", help: "rename: from this name", feature: None, parse: |a| Ok(Command::RenameFrom(path(a)?)) },
    Verb { name: "RNTO", syntax: "RNTO PATH", help: "rename: to this name", feature: None, parse: |a| Ok(Command::RenameOver(path(a)?)) },
    Verb { name: "ABOR", syntax: "ABOR", help: "stop the transfer", feature: None, parse: |a| no_argument(a, Command::Abort) },
    Verb { name: "DELE", syntax: "DELE PATH", help: "delete a file", feature: None, parse: |a| Ok(Command::RemoveFile(path(a)?)) },
    Verb { name: "RMD", syntax: "RMD PATH", help: "remove an empty directory", feature: None, parse: |a| Ok(Command::RemoveDirectory(path(a)?)) },
    Verb { name: "XRMD", syntax: "XRMD PATH", help: "as RMD", feature: None, parse: |a| Ok(Command::RemoveDirectory(path(a)?)) },
    Verb { name: "MKD", syntax: "MKD PATH", help: "make a directory", feature: None, parse: |a| Ok(Command::MakeDirectory(path(a)?)) },
    Verb { name: "XMKD", syntax: "XMKD PATH", help: "as MKD", feature: None, parse: |a| Ok(Command::MakeDirectory(path(a)?)) },
    Verb { name: "PWD", syntax: "PWD", help: "say the working directory", feature: None, parse: |_| Ok(Command::WorkingDirectory) },
    Verb { name: "XPWD", syntax: "XPWD", help: "as PWD", feature: None, parse: |_| Ok(Command::WorkingDirectory) },
    Verb { name: "LIST", syntax: "LIST [-t | -S] [-r] [PATH]", help: "list a directory or a file", feature: None, parse: |a| listing_with_options(a, Form::Long, Via::Lane) },
    Verb { name: "NLST", syntax: "NLST [-t | -S] [-r] [PATH]", help: "list names", feature: None, parse: |a| listing_with_options(a, Form::Names, Via::Lane) },
    Verb { name: "SITE", syntax: "SITE WORD ...", help: "do what other servers may not; SITE HELP lists it", feature: None, parse: site::parse },
    Verb { name: "SYST", syntax: "SYST", help: "say the server's kind", feature: None, parse: |_| Ok(Command::System) },
    Verb { name: "STAT", syntax: "STAT [PATH]", help: "say how things stand, or list a path", feature: None, parse: status },
    Verb { name: "HELP", syntax: "HELP [VERB]", help: "say what there is", feature: None, parse: help },
    Verb { name: "NOOP", syntax: "NOOP", help: "do nothing", feature: None, parse: |_| Ok(Command::Noop) },
    // RFC 2228, RFC 4217
    Verb { name: "AUTH", syntax: "AUTH TLS", help: "begin TLS", feature: None, parse: authenticate },
    Verb { name: "ADAT", syntax: "ADAT DATA", help: NOT_IMPLEMENTED, feature: None, parse: not_implemented },
    Verb { name: "PBSZ", syntax: "PBSZ 0", help: "say the protection buffer's size", feature: None, parse: buffer_size },
    Verb { name: "PROT", syntax: "PROT C | P", help: "choose clear or private data connections", feature: None, parse: protect },
    Verb { name: "CCC", syntax: "CCC", help: NOT_IMPLEMENTED, feature: None, parse: |a| no_argument(a, Command::Security(Security::ClearControl)) },
    Verb { name: "CONF", syntax: "CONF DATA", help: NOT_IMPLEMENTED, feature: None, parse: not_implemented },
    Verb { name: "ENC", syntax: "ENC DATA", help: NOT_IMPLEMENTED, feature: None, parse: not_implemented },
    Verb { name: "MIC", syntax: "MIC DATA", help: NOT_IMPLEMENTED, feature: None, parse: not_implemented },
    // RFC 2389
    Verb { name: "FEAT", syntax: "FEAT", help: "list what goes beyond RFC 959", feature: None, parse: |_| Ok(Command::Features) },
    Verb { name: "OPTS", syntax: "OPTS UTF8 ON | MLST [FACT;...] | HASH [ALGORITHM]", help: "choose a verb's options", feature: None, parse: options },
    // RFC 2428
    Verb { name: "EPRT", syntax: "EPRT |1 or 2|ADDRESS|PORT|", help: "connect to this address for data", feature: Some("EPRT"), parse: |a| Ok(Command::Data(DataPort::Active(extended_port(a)?))) },
    Verb { name: "EPSV", syntax: "EPSV [1 | 2 | ALL]", help: "say a port to connect to for data", feature: Some("EPSV"), parse: |a| Ok(Command::Data(extended_passive(a)?)) },
    // RFC 3659
    Verb { name: "MLST", syntax: "MLST [PATH]", help: "say a path's facts", feature: None, parse: |a| Ok(Command::Entry(optional_path(a)?)) },
    Verb { name: "MLSD", syntax: "MLSD [PATH]", help: "list a directory for programs", feature: None, parse: |a| listing(a, Form::Machine(FactSet::ALL), Via::Lane) },
    Verb { name: "SIZE", syntax: "SIZE PATH", help: "say a file's size", feature: Some("SIZE"), parse: |a| Ok(Command::Size(path(a)?)) },
    Verb { name: "MDTM", syntax: "MDTM PATH", help: "say a file's time", feature: Some("MDTM"), parse: modified_at },
    // drafts, and what other servers began
    Verb { name: "MFMT", syntax: "MFMT YYYYMMDDHHMMSS PATH", help: "set a file's time", feature: Some("MFMT"), parse: stamped_path },
    Verb { name: "HOST", syntax: "HOST NAME", help: "say which name you reached the server by", feature: Some("HOST"), parse: host },
    Verb { name: "AVBL", syntax: "AVBL [PATH]", help: "say how many bytes may be stored", feature: Some("AVBL"), parse: |a| Ok(Command::Available(optional_path(a)?)) },
    Verb { name: "HASH", syntax: "HASH PATH", help: "say a file's digest", feature: None, parse: digest },
    Verb { name: "RANG", syntax: "RANG FIRST LAST", help: "choose the bytes of the next digest; 1 0 for all", feature: Some("RANG STREAM"), parse: |a| Ok(Command::Parameter(Parameter::Range(inclusive_range(a)?))) },
    Verb { name: "XMD5", syntax: "XMD5 PATH | \"PATH\" START END", help: "say a file's MD5", feature: Some("XMD5"), parse: |a| digest_by(a, Algorithm::Md5) },
    Verb { name: "XSHA256", syntax: "XSHA256 PATH | \"PATH\" START END", help: "say a file's SHA-256", feature: Some("XSHA256"), parse: |a| digest_by(a, Algorithm::Sha256) },
    Verb { name: "XSHA512", syntax: "XSHA512 PATH | \"PATH\" START END", help: "say a file's SHA-512", feature: Some("XSHA512"), parse: |a| digest_by(a, Algorithm::Sha512) },
    Verb { name: "CLNT", syntax: "CLNT NAME", help: "say which program you are", feature: Some("CLNT"), parse: |_| Ok(only_value("CLNT")) },
];

/// Finds a verb by its name, in any case.
pub fn find(name: &str) -> Option<&'static Verb> {
    find_bytes(name.as_bytes())
}

/// Decodes one line without its end.
pub fn decode(line: &[u8]) -> Result<Command, Malformed> {
    let (head, argument) = split(without_telnet_signals(line));
    let unknown = || match is_http(line) {
        true => Malformed::OtherProtocol,
        false => Malformed::UnknownVerb,
    };
    let verb = find_bytes(head).ok_or_else(unknown)?;
    (verb.parse)(argument).map_err(|wrong| match wrong {
        ArgumentError::Arguments => Malformed::BadArguments {
            syntax: verb.syntax,
        },
        ArgumentError::Syntax(syntax) => Malformed::BadArguments { syntax },
        ArgumentError::Name => Malformed::BadName,
        ArgumentError::NotImplemented => Malformed::NotImplemented,
        ArgumentError::NotForThatArgument => Malformed::NotForThatArgument,
        ArgumentError::UnknownNetwork => Malformed::UnknownNetwork,
    })
}

/// Whether the line may overtake others during a transfer: ABOR, NOOP, or STAT without a path.
pub fn is_urgent(line: &[u8]) -> bool {
    let (head, _) = split(without_telnet_signals(line));
    head.eq_ignore_ascii_case(b"NOOP") || is_bare(line, &["ABOR", "STAT"])
}

/// Whether the line is QUIT.
pub fn is_quit(line: &[u8]) -> bool {
    is_bare(line, &["QUIT"])
}

/// Whether the line is one of `verbs` without an argument.
fn is_bare(line: &[u8], verbs: &[&str]) -> bool {
    let (head, argument) = split(without_telnet_signals(line));
    argument.trim_ascii().is_empty()
        && verbs
            .iter()
            .any(|verb| verb.as_bytes().eq_ignore_ascii_case(head))
}

/// Whether the line is an HTTP request, which a browser was tricked into sending. A person who
/// tries `get x` by hand is told of the verbs instead.
fn is_http(line: &[u8]) -> bool {
    let (head, argument) = split(line);
    let methods = [
        "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE",
    ];
    let is = |method: &&str| match names_http(argument) {
        true => method.as_bytes().eq_ignore_ascii_case(head),
        false => method.as_bytes() == head,
    };
    !argument.is_empty() && methods.iter().any(is)
}

/// Whether the line ends with `HTTP/1.1` or its like.
fn names_http(argument: &[u8]) -> bool {
    let last = argument.rsplit(|&b| b == b' ').next().unwrap_or_default();
    last.get(..5)
        .is_some_and(|word| word.eq_ignore_ascii_case(b"HTTP/"))
}

/// Drops telnet bytes before the verb. Clients send telnet's "interrupt" and "data mark" as urgent
/// data before ABOR (RFC 959 section 4.1.3); TCP takes one of those bytes out of the line, which
/// leaves the others alone. No verb begins with such a byte.
fn without_telnet_signals(line: &[u8]) -> &[u8] {
    let signals = line.iter().take_while(|&&b| b >= 0xf0).count();
    &line[signals..]
}

/// Whether HELP knows the name, a verb's or a word's of SITE.
pub(super) fn is_known(name: &str) -> bool {
    help_of(name, TlsOffer::Offered).is_some()
}

/// The syntax and help of a verb, or of a word of SITE.
pub(super) fn help_of(name: &str, tls: TlsOffer) -> Option<(&'static str, &'static str)> {
    match name.split_once(' ') {
        Some((verb, word)) if verb.eq_ignore_ascii_case("SITE") => {
            site::find(word).map(|row| (row.syntax, row.help))
        }
        _ => find(name).map(|verb| (verb.syntax, verb.help_where(tls))),
    }
}

impl Verb {
    /// The help text where TLS is offered, or is not.
    pub(super) fn help_where(&self, tls: TlsOffer) -> &'static str {
        let is_of_tls = TLS.iter().any(|(name, _)| *name == self.name);
        match tls {
            TlsOffer::Absent if is_of_tls => NOT_IMPLEMENTED,
            TlsOffer::Offered | TlsOffer::Absent => self.help,
        }
    }
}

fn find_bytes(name: &[u8]) -> Option<&'static Verb> {
    // Nearly every other row is told apart by its first letter.
    let first = name.first()?.to_ascii_uppercase();
    let mut rows = VERBS.iter().map(|verb| (verb.name.as_bytes(), verb));
    let row = rows.find(|(row, _)| row.first() == Some(&first) && row.eq_ignore_ascii_case(name));
    row.map(|(_, verb)| verb)
}

fn not_implemented(_: &[u8]) -> Parsed {
    Err(ArgumentError::NotImplemented)
}

fn only_value(name: &'static str) -> Command {
    Command::Parameter(Parameter::OnlyValue(name))
}

fn user(argument: &[u8]) -> Parsed {
    match text(argument)? {
        "" => Err(ArgumentError::Arguments),
        name => Ok(Command::User(name.to_owned())),
    }
}

fn host(argument: &[u8]) -> Parsed {
    match text(argument)? {
        "" => Err(ArgumentError::Arguments),
        name => Ok(Command::Host(name.to_owned())),
    }
}

fn help(argument: &[u8]) -> Parsed {
    let topic = text(argument)?;
    Ok(Command::Help((!topic.is_empty()).then(|| topic.to_owned())))
}

fn directory_above(argument: &[u8]) -> Parsed {
    let above = PathArg::new(*b"..").ok_or(ArgumentError::Name)?;
    no_argument(argument, Command::ChangeDirectory(above))
}

fn representation(argument: &[u8]) -> Parsed {
    let chosen = match &*text(argument)?.to_ascii_uppercase() {
        "A" | "A N" => Representation::Ascii,
        "I" | "L 8" | "L8" => Representation::Image,
        other if other.starts_with(['A', 'E', 'I', 'L']) => {
            return Err(ArgumentError::NotForThatArgument);
        }
        _ => return Err(ArgumentError::Arguments),
    };
    Ok(Command::Parameter(Parameter::Type(chosen)))
}

/// Parses one letter: one that is implemented, or one that is only known.
fn one_letter(argument: &[u8], done: &[u8], known: &[u8], name: &'static str) -> Parsed {
    let argument = argument.trim_ascii().to_ascii_uppercase();
    match argument[..] {
        [letter] if done.contains(&letter) => Ok(only_value(name)),
        [letter] if known.contains(&letter) => Err(ArgumentError::NotForThatArgument),
        _ => Err(ArgumentError::Arguments),
    }
}

fn put(argument: &[u8], start: StoreStart) -> Parsed {
    let path = path(argument)?;
    Ok(Command::StoreStream { path, start })
}

/// ALLO: a record size may follow, which has no meaning for files without records.
fn allocate(argument: &[u8]) -> Parsed {
    let (bytes, records) = split(argument.trim_ascii());
    match split(records) {
        (b"", b"") => {}
        (mark, size) if mark.eq_ignore_ascii_case(b"R") => {
            number(size)?;
        }
        _ => return Err(ArgumentError::Arguments),
    }
    Ok(Command::Parameter(Parameter::Allocate(number(bytes)?)))
}

fn listing(argument: &[u8], form: Form, via: Via) -> Parsed {
    Ok(Command::Listing(Listing {
        path: optional_path(argument)?,
        literal: None,
        options: Options::UNSORTED,
        form,
        via,
    }))
}

/// A listing whose argument may begin with options of `ls`, or with a name that looks like them.
fn listing_with_options(argument: &[u8], form: Form, via: Via) -> Parsed {
    let literal = argument.starts_with(b"-").then(|| path(argument));
    let (options, rest) = ls_options(argument);
    Ok(Command::Listing(Listing {
        path: optional_path(rest)?,
        literal: literal.transpose()?,
        options,
        form,
        via,
    }))
}

fn status(argument: &[u8]) -> Parsed {
    if argument.trim_ascii().is_empty() {
        return Ok(Command::Status);
    }
    listing_with_options(argument, Form::Long, Via::Reply)
}

fn authenticate(argument: &[u8]) -> Parsed {
    match &*text(argument)?.to_ascii_uppercase() {
        "" => Err(ArgumentError::Arguments),
        "TLS" | "TLS-C" | "SSL" => Ok(Command::Security(Security::StartTls)),
        _ => Err(ArgumentError::NotForThatArgument),
    }
}

/// PBSZ: a 32-bit number (RFC 2228 section 3).
fn buffer_size(argument: &[u8]) -> Parsed {
    let size = number(argument.trim_ascii())?;
    u32::try_from(size).map_err(|_| ArgumentError::Arguments)?;
    Ok(Command::Security(Security::BufferSize))
}

fn protect(argument: &[u8]) -> Parsed {
    let level = match &*text(argument)?.to_ascii_uppercase() {
        "C" => Protection::Clear,
        "P" => Protection::Private,
        "S" | "E" => return Err(ArgumentError::NotForThatArgument),
        _ => return Err(ArgumentError::Arguments),
    };
    Ok(Command::Security(Security::Protect(level)))
}

fn options(argument: &[u8]) -> Parsed {
    let (verb, rest) = split(argument);
    let rest = text(rest)?;
    let parameter = match &*verb.to_ascii_uppercase() {
        b"" => return Err(ArgumentError::Arguments),
        b"UTF8" | b"UTF-8" if rest.is_empty() || rest.eq_ignore_ascii_case("ON") => {
            Parameter::OnlyValue("UTF8")
        }
        b"MLST" => Parameter::Facts(facts(rest)?),
        b"HASH" if rest.is_empty() => Parameter::Algorithm(None),
        b"HASH" => Parameter::Algorithm(Some(algorithm(rest)?)),
        _ => return Err(ArgumentError::NotForThatArgument),
    };
    Ok(Command::Parameter(parameter))
}

/// OPTS MLST: unknown facts are ignored (RFC 3659 section 7.9).
fn facts(list: &str) -> Result<FactSet, ArgumentError> {
    if list.contains(' ') {
        return Err(ArgumentError::Arguments);
    }
    let known = |name: &str| {
        Fact::ALL
            .into_iter()
            .find(|fact| fact.name().eq_ignore_ascii_case(name))
    };
    let wanted = list.split(';').filter_map(known);
    Ok(wanted.fold(FactSet::NONE, FactSet::with))
}

/// The algorithm's name in HASH, from the IANA registry.
pub(super) fn algorithm_name(algorithm: Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Md5 => "MD5",
        Algorithm::Sha256 => "SHA-256",
        Algorithm::Sha512 => "SHA-512",
    }
}

pub(super) const ALGORITHMS: [Algorithm; 3] =
    [Algorithm::Md5, Algorithm::Sha256, Algorithm::Sha512];

fn algorithm(name: &str) -> Result<Algorithm, ArgumentError> {
    ALGORITHMS
        .into_iter()
        .find(|&algorithm| algorithm_name(algorithm).eq_ignore_ascii_case(name))
        .ok_or(ArgumentError::NotForThatArgument)
}

/// MDTM: some clients set a time with it, the time first.
fn modified_at(argument: &[u8]) -> Parsed {
    let (time, name) = split(argument);
    if time.len() == 14 && is_digits(time) && time.len() < argument.len() && !name.is_empty() {
        return stamped_path(argument);
    }
    Ok(Command::ModifiedAt(path(argument)?))
}

fn digest(argument: &[u8]) -> Parsed {
    Ok(Command::Digest {
        path: path(argument)?,
        algorithm: None,
        range: None,
        form: DigestForm::Full,
    })
}

fn digest_by(argument: &[u8], algorithm: Algorithm) -> Parsed {
    let (path, range) = path_and_range(argument)?;
    Ok(Command::Digest {
        path,
        algorithm: Some(algorithm),
        range,
        form: DigestForm::Bare,
    })
}

#[cfg(test)]
mod tests;
