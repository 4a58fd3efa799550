//! Tests every row of the FTP verb table, and lines that are no commands.

use std::collections::BTreeSet;

use super::*;
use crate::wire::command::{ByteRange, Family};
use crate::wire::stamp::Stamp;

mod site_lines;
use site_lines::sites;

fn path(name: impl Into<Vec<u8>>) -> PathArg {
    PathArg::new(name).unwrap()
}

fn secret(bytes: &[u8]) -> Command {
    Command::Password(Secret(Zeroizing::new(bytes.to_vec())))
}

fn parameter(parameter: Parameter) -> Command {
    Command::Parameter(parameter)
}

fn security(security: Security) -> Command {
    Command::Security(security)
}

fn passive(form: PassiveForm) -> Command {
    Command::Data(DataPort::Passive(form))
}

fn active(address: &str) -> Command {
    Command::Data(DataPort::Active(address.parse().unwrap()))
}

fn listed(name: Option<&str>, form: Form, via: Via) -> Command {
    Command::Listing(Listing {
        path: name.map(path),
        literal: None,
        options: match form {
            Form::Machine(_) => Options::UNSORTED,
            _ => Options::NONE,
        },
        form,
        via,
    })
}

/// A listing with options, whose whole argument is `literal`.
fn with_options(literal: &str, name: Option<&str>, form: Form, via: Via) -> Command {
    Command::Listing(Listing {
        path: name.map(path),
        literal: Some(path(literal)),
        options: Options::NONE,
        form,
        via,
    })
}

/// The latest last.
fn sorted(literal: &str, name: &str) -> Command {
    Command::Listing(Listing {
        path: Some(path(name)),
        literal: Some(path(literal)),
        options: Options::NONE.with(b't').with(b'r'),
        form: Form::Long,
        via: Via::Lane,
    })
}

fn modified(name: &str) -> Command {
    Command::SetModified {
        path: path(name),
        modified: Stamp(1_767_323_045),
    }
}

fn digest_of(name: &str, algorithm: Option<Algorithm>, range: Option<(u64, u64)>) -> Command {
    Command::Digest {
        path: path(name),
        algorithm,
        range: range.map(|(start, end)| ByteRange { start, end }),
        form: match algorithm {
            None => DigestForm::Full,
            Some(_) => DigestForm::Bare,
        },
    }
}

/// Lines, and what they mean. Each row of the table has one.
fn examples() -> Vec<(&'static str, Command)> {
    [
        people(),
        transfers(),
        names(),
        listings(),
        protection(),
        extensions(),
        sites(),
    ]
    .concat()
}

fn people() -> Vec<(&'static str, Command)> {
    vec![
        ("USER tom", Command::User("tom".into())),
        ("USER 中文", Command::User("中文".into())),
        ("PASS 123", secret(b"123")),
        ("PASS  a b ", secret(b" a b ")),
        ("PASS", secret(b"")),
        ("REIN", Command::Reinitialize),
        ("QUIT", Command::Quit),
        ("SYST", Command::System),
        ("HELP", Command::Help(None)),
        ("HELP RETR", Command::Help(Some("RETR".into()))),
        ("NOOP", Command::Noop),
        ("NOOP ", Command::Noop),
        ("NOOP x y", Command::Noop),
        ("SYST x", Command::System),
        ("PWD x", Command::WorkingDirectory),
        ("XPWD x", Command::WorkingDirectory),
        ("FEAT x", Command::Features),
    ]
}

fn transfers() -> Vec<(&'static str, Command)> {
    let put = |name, start| Command::StoreStream {
        path: path(name),
        start,
    };
    vec![
        ("PORT 192,0,2,1,7,208", active("192.0.2.1:2000")),
        ("PASV", passive(PassiveForm::Address)),
        ("TYPE A", parameter(Parameter::Type(Representation::Ascii))),
        (
            "TYPE A N",
            parameter(Parameter::Type(Representation::Ascii)),
        ),
        ("TYPE I", parameter(Parameter::Type(Representation::Image))),
        (
            "TYPE L 8",
            parameter(Parameter::Type(Representation::Image)),
        ),
        ("STRU F", only_value("STRU")),
        ("MODE S", only_value("MODE")),
        ("RETR a b", Command::RetrieveStream(path("a b"))),
        ("STOR a", put("a", StoreStart::RestartMark)),
        ("APPE a", put("a", StoreStart::FileEnd)),
        ("STOU", Command::StoreUnique(None)),
        ("STOU a", Command::StoreUnique(Some(path("a")))),
        ("ALLO 5", parameter(Parameter::Allocate(5))),
        ("ALLO 5 R 7", parameter(Parameter::Allocate(5))),
        ("REST 0", parameter(Parameter::Restart(0))),
        (
            "REST 9223372036854775807",
            parameter(Parameter::Restart(i64::MAX as u64)),
        ),
        ("ABOR", Command::Abort),
    ]
}

fn names() -> Vec<(&'static str, Command)> {
    vec![
        ("CWD a", Command::ChangeDirectory(path("a"))),
        ("CWD  a ", Command::ChangeDirectory(path(" a "))),
        ("XCWD a", Command::ChangeDirectory(path("a"))),
        ("CDUP", Command::ChangeDirectory(path(".."))),
        ("XCUP", Command::ChangeDirectory(path(".."))),
        ("PWD", Command::WorkingDirectory),
        ("XPWD", Command::WorkingDirectory),
        ("RNFR a", Command::RenameFrom(path("a"))),
        ("RNTO a", Command::RenameOver(path("a"))),
        ("DELE a", Command::RemoveFile(path("a"))),
        ("RMD a", Command::RemoveDirectory(path("a"))),
        ("XRMD a", Command::RemoveDirectory(path("a"))),
        ("MKD a", Command::MakeDirectory(path("a"))),
        ("XMKD a", Command::MakeDirectory(path("a"))),
    ]
}

fn listings() -> Vec<(&'static str, Command)> {
    let machine = Form::Machine(FactSet::ALL);
    vec![
        ("LIST", listed(None, Form::Long, Via::Lane)),
        ("LIST -a", with_options("-a", None, Form::Long, Via::Lane)),
        (
            "LIST -la d e",
            with_options("-la d e", Some("d e"), Form::Long, Via::Lane),
        ),
        ("LIST -ltr d", sorted("-ltr d", "d")),
        ("LIST *.txt", listed(Some("*.txt"), Form::Long, Via::Lane)),
        ("NLST", listed(None, Form::Names, Via::Lane)),
        (
            "NLST -1 d",
            with_options("-1 d", Some("d"), Form::Names, Via::Lane),
        ),
        ("STAT", Command::Status),
        ("STAT d", listed(Some("d"), Form::Long, Via::Reply)),
        ("STAT -l", with_options("-l", None, Form::Long, Via::Reply)),
        ("MLSD", listed(None, machine, Via::Lane)),
        ("MLSD -la", listed(Some("-la"), machine, Via::Lane)),
        ("MLST", Command::Entry(None)),
        ("MLST a", Command::Entry(Some(path("a")))),
    ]
}

fn protection() -> Vec<(&'static str, Command)> {
    vec![
        ("AUTH TLS", security(Security::StartTls)),
        ("AUTH tls-c", security(Security::StartTls)),
        ("AUTH SSL", security(Security::StartTls)),
        ("PBSZ 0", security(Security::BufferSize)),
        ("PBSZ 4294967295", security(Security::BufferSize)),
        ("PROT C", security(Security::Protect(Protection::Clear))),
        ("PROT p", security(Security::Protect(Protection::Private))),
    ]
}

fn extensions() -> Vec<(&'static str, Command)> {
    let port_only = |family| passive(PassiveForm::PortOnly(family));
    let facts = |set| parameter(Parameter::Facts(set));
    let some = FactSet::NONE.with(Fact::Size).with(Fact::Mode);
    let range = |start, end| parameter(Parameter::Range(Some(ByteRange { start, end })));
    let chosen = |algorithm| parameter(Parameter::Algorithm(algorithm));
    vec![
        ("FEAT", Command::Features),
        ("OPTS UTF8 ON", only_value("UTF8")),
        ("OPTS utf-8", only_value("UTF8")),
        ("OPTS MLST size;unix.MODE;odd;", facts(some)),
        ("OPTS MLST", facts(FactSet::NONE)),
        ("OPTS HASH", chosen(None)),
        ("OPTS HASH sha-512", chosen(Some(Algorithm::Sha512))),
        ("OPTS HASH MD5", chosen(Some(Algorithm::Md5))),
        ("EPRT |1|192.0.2.1|2000|", active("192.0.2.1:2000")),
        ("EPRT |2|2001:db8::1|2000|", active("[2001:db8::1]:2000")),
        ("EPSV", port_only(None)),
        ("EPSV 1", port_only(Some(Family::V4))),
        ("EPSV 2", port_only(Some(Family::V6))),
        ("EPSV all", Command::Data(DataPort::PassiveOnly)),
        ("SIZE a", Command::Size(path("a"))),
        ("MDTM a", Command::ModifiedAt(path("a"))),
        (
            "MDTM 20260102030405",
            Command::ModifiedAt(path("20260102030405")),
        ),
        ("MDTM 2026 a", Command::ModifiedAt(path("2026 a"))),
        ("MDTM 20260102030405 a", modified("a")),
        ("MFMT 20260102030405 a b", modified("a b")),
        ("MFMT 20260102030405.5 a", modified("a")),
        (
            "HOST ftp.example.org",
            Command::Host("ftp.example.org".into()),
        ),
        ("AVBL", Command::Available(None)),
        ("AVBL d", Command::Available(Some(path("d")))),
        ("HASH a", digest_of("a", None, None)),
        ("RANG 5 9", range(5, 10)),
        ("RANG 1 0", parameter(Parameter::Range(None))),
        ("XMD5 a b", digest_of("a b", Some(Algorithm::Md5), None)),
        (
            "XSHA256 \"a b\" 5 9",
            digest_of("a b", Some(Algorithm::Sha256), Some((5, 9))),
        ),
        ("XSHA512 a", digest_of("a", Some(Algorithm::Sha512), None)),
        ("CLNT some client", only_value("CLNT")),
    ]
}

/// Arguments that FTP knows and we do not do.
const NOT_THAT: &[&str] = &[
    "TYPE E",
    "TYPE L 7",
    "TYPE A T",
    "TYPE A C",
    "STRU R",
    "STRU p",
    "MODE B",
    "MODE C",
    "MODE Z",
    "AUTH KERBEROS_V4",
    "PROT S",
    "PROT E",
    "OPTS UTF8 OFF",
    "OPTS X y",
    "OPTS HASH CRC32",
    "SITE EXEC x",
    "SITE CHMOD 4755 a",
];

/// Arguments that nobody knows.
const BAD_ARGUMENTS: &[&str] = &[
    "TYPE X",
    "TYPE",
    "STRU X",
    "STRU FF",
    "MODE",
    "PROT X",
    "PROT",
    "PBSZ x",
    "PBSZ",
    "PBSZ 4294967296",
    "AUTH",
    "ALLO",
    "ALLO x",
    "ALLO 5 R",
    "ALLO 5 X 7",
    "ALLO -1",
    "ALLO 5 7",
    "REST",
    "REST -1",
    "REST +1",
    "REST x",
    "REST 1 2",
    "REST 9223372036854775808",
    "REST 18446744073709551616",
    "RANG",
    "RANG 2 1",
    "RANG 0 9223372036854775807",
    "EPSV x",
    "EPRT x",
    "PORT 1,2,3",
    "MFMT a",
    "MFMT 20260102030405",
    "MFMT 20261302030405 a",
    "MDTM 20261302030405 a",
    "OPTS",
    "OPTS MLST a b",
    "XMD5 \"a\" 2 1",
    "XSHA256 \"a",
    "USER",
    "USER  ",
    "HOST",
    "SITE",
];

/// Lines whose verb is known and which are refused all the same.
fn refused() -> Vec<(&'static str, Malformed)> {
    let arguments = |verb: &str| Malformed::BadArguments {
        syntax: find(verb).unwrap().syntax,
    };
    let of_site = |word: &str| Malformed::BadArguments {
        syntax: site::find(word).unwrap().syntax,
    };
    let (not_implemented, not_that) = (Malformed::NotImplemented, Malformed::NotForThatArgument);
    let mut all = Vec::new();
    for line in ["ACCT x", "SMNT x", "ADAT x", "CONF x", "ENC x", "MIC x"] {
        all.push((line, not_implemented.clone()));
    }
    for &line in NOT_THAT {
        all.push((line, not_that.clone()));
    }
    for line in ["EPRT |3|x|2000|", "EPSV 3"] {
        all.push((line, Malformed::UnknownNetwork));
    }
    for &line in BAD_ARGUMENTS {
        let verb = line.split(' ').next().unwrap();
        all.push((line, arguments(verb)));
    }
    for (line, word) in [
        ("SITE UTIME", "UTIME"),
        ("SITE UTIME x a", "UTIME"),
        ("SITE UTIME 202601020304", "UTIME"),
        ("SITE CHMOD 8 a", "CHMOD"),
        ("SITE CHMOD 644", "CHMOD"),
        ("SITE CHMOD", "CHMOD"),
        ("SITE SYMLINK", "SYMLINK"),
        ("SITE SYMLINK x", "SYMLINK"),
        ("SITE QUOTA x", "QUOTA"),
        ("SITE STAGES x", "STAGES"),
    ] {
        all.push((line, of_site(word)));
    }
    all
}

fn head(line: &str) -> String {
    line.split(' ').next().unwrap().to_ascii_uppercase()
}

#[test]
fn examples_mean_what_they_mean_in_any_case() {
    for (line, meaning) in examples() {
        assert_eq!(decode(line.as_bytes()), Ok(meaning.clone()), "{line}");
        let (verb, rest) = line.split_at(head(line).len());
        let line = format!("{}{rest}", verb.to_ascii_lowercase());
        assert_eq!(decode(line.as_bytes()), Ok(meaning), "{line}");
    }
}

#[test]
fn every_row_has_an_example() {
    let refused = refused().into_iter().map(|(line, _)| line);
    let shown: BTreeSet<_> = examples().into_iter().map(|(line, _)| head(line)).collect();
    let not_implemented: BTreeSet<_> = refused
        .filter(|line| decode(line.as_bytes()) == Err(Malformed::NotImplemented))
        .map(head)
        .collect();
    let rows = |done: bool| {
        let rows = VERBS
            .iter()
            .filter(|verb| (verb.help != NOT_IMPLEMENTED) == done);
        rows.map(|verb| verb.name.to_owned())
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(shown, rows(true));
    // CCC is understood, so that it can be refused for what it is.
    assert_eq!(decode(b"CCC"), Ok(security(Security::ClearControl)));
    let refused: BTreeSet<_> = not_implemented.into_iter().chain(["CCC".into()]).collect();
    assert_eq!(refused, rows(false));
    let words: BTreeSet<_> = sites()
        .into_iter()
        .map(|(line, _)| head(&line["SITE ".len()..]))
        .collect();
    let rows = site::ROWS.iter().map(|row| row.name.to_owned());
    assert_eq!(words, rows.collect());
}

/// A number for each command of this dialect: a new one has to be placed.
fn place(command: &Command) -> Option<usize> {
    Some(match command {
        Command::WorkingDirectory => 0,
        Command::ChangeDirectory(_) => 1,
        Command::MakeDirectory(_) => 2,
        Command::RenameFrom(_) => 3,
        Command::Status => 4,
        Command::Usage => 5,
        Command::StagesInReply => 6,
        Command::System => 7,
        Command::Help(_) => 8,
        Command::Noop => 9,
        Command::Abort => 10,
        Command::Quit => 11,
        Command::User(_) => 12,
        Command::Password(_) => 13,
        Command::Reinitialize => 14,
        Command::Security(_) => 15,
        Command::Data(_) => 16,
        Command::Parameter(_) => 17,
        Command::RetrieveStream(_) => 18,
        Command::StoreStream { .. } => 19,
        Command::StoreUnique(_) => 20,
        Command::Listing(_) => 21,
        Command::Entry(_) => 22,
        Command::Size(_) => 23,
        Command::ModifiedAt(_) => 24,
        Command::SetModified { .. } => 25,
        Command::SetMode { .. } => 26,
        Command::RemoveFile(_) => 27,
        Command::RemoveDirectory(_) => 28,
        Command::RenameOver(_) => 29,
        Command::Digest { .. } => 30,
        Command::Available(_) => 31,
        Command::Features => 32,
        Command::Host(_) => 33,
        Command::MakeLink { .. } => 34,
        Command::Login { .. } | Command::Prove { .. } | Command::List(_) => return None,
        Command::RetrieveRange(_) | Command::SetAttributes(_) => return None,
        Command::Retrieve { .. } | Command::Store(_) | Command::Delete(_) => return None,
        Command::Facts(_) | Command::Hash { .. } | Command::DropStage(_) => return None,
        Command::SetPassword(_) | Command::Answer(_) | Command::Stages => return None,
        Command::ReadLink(_) => return None,
    })
}

#[test]
fn every_command_of_the_dialect_is_produced() {
    let places = examples().into_iter().map(|(_, command)| place(&command));
    let produced: BTreeSet<_> = places.collect();
    assert_eq!(produced, (0..35).map(Some).collect());
}

#[test]
fn malformed_lines_of_each_verb() {
    for (line, wrong) in refused() {
        assert_eq!(decode(line.as_bytes()), Err(wrong), "{line}");
    }
    for line in ["", " ", "LANG en", "X", " PWD", "PWDX", "\u{e9}", "USERtom"] {
        assert_eq!(
            decode(line.as_bytes()),
            Err(Malformed::UnknownVerb),
            "{line:?}"
        );
    }
}

#[test]
fn arguments_are_neither_missing_nor_too_many() {
    for verb in VERBS.iter().filter(|verb| verb.help != NOT_IMPLEMENTED) {
        let wrong = Err(Malformed::BadArguments {
            syntax: verb.syntax,
        });
        let takes_none = verb.syntax == verb.name;
        let wants_some = verb.syntax.len() > verb.name.len()
            && verb.syntax.as_bytes()[verb.name.len() + 1] != b'[';
        if takes_none {
            let line = format!("{} x", verb.name);
            // What only tells something does so whatever stands behind it.
            let only_tells = ["NOOP", "SYST", "PWD", "XPWD", "FEAT"].contains(&verb.name);
            let want = match only_tells {
                true => decode(verb.name.as_bytes()),
                false => wrong.clone(),
            };
            assert_eq!(decode(line.as_bytes()), want, "{line}");
        }
        if wants_some && !matches!(verb.name, "PASS" | "CLNT") {
            let bare = decode(verb.name.as_bytes());
            assert_eq!(bare, wrong, "{}", verb.name);
            let blank = decode(format!("{} ", verb.name).as_bytes());
            assert_eq!(blank, wrong, "{} and a blank", verb.name);
        }
    }
}

#[test]
fn names_are_bytes_but_three() {
    let with_path: Vec<_> = examples()
        .into_iter()
        .filter(|(line, command)| command.subject() == Some(&path("a")) && line.ends_with(" a"))
        .map(|(line, _)| line.strip_suffix('a').unwrap())
        .collect();
    assert!(with_path.len() > 20);
    for line in with_path {
        for good in [&b"\xff\xfe"[..], b"\x01\x1b", b" \"%", "中文".as_bytes()] {
            let command = decode(&[line.as_bytes(), b"x", good].concat()).unwrap();
            let kept = [b"x", good].concat();
            assert_eq!(command.subject().unwrap().as_bytes(), kept, "{line}");
        }
        for bad in [0, b'\r', b'\n'] {
            let wrong = decode(&[line.as_bytes(), &[b'x', bad]].concat());
            assert_eq!(wrong, Err(Malformed::BadName), "{line}");
        }
    }
}

#[test]
fn what_ends_a_session() {
    assert!(is_quit(b"QUIT") && is_quit(b"quit "));
    assert!(!is_quit(b"QUIT now") && !is_urgent(b"QUIT"));
}

#[test]
fn what_does_not_wait_for_a_transfer() {
    for line in ["ABOR", "abor", "NOOP", "noop x", "STAT", "STAT  "] {
        assert!(is_urgent(line.as_bytes()), "{line}");
    }
    // With "interrupt" and "data mark" before it, or what TCP left of them.
    for line in [&b"\xff\xf4\xff\xf2ABOR"[..], b"\xf2ABOR", b"\xff\xf2STAT"] {
        assert!(is_urgent(line));
        assert!(decode(line).is_ok());
    }
    for line in ["STAT d", "PWD", "", "ABORT", " ABOR", "RETR a", "HELP"] {
        assert!(!is_urgent(line.as_bytes()), "{line}");
    }
}

#[test]
fn requests_of_browsers_are_known() {
    for line in [
        "GET / HTTP/1.1",
        "GET /",
        "OPTIONS * HTTP/1.1",
        "get / http/1.1",
    ] {
        let wrong = decode(line.as_bytes());
        assert_eq!(wrong, Err(Malformed::OtherProtocol), "{line}");
    }
    for line in ["GET", "OPTS UTF8 ON", "get x", "HOST example.org", ""] {
        assert!(!is_http(line.as_bytes()), "{line}");
    }
    let known = |name| find(name).is_some();
    assert!(
        !["GET", "HEAD", "POST", "PUT", "DELETE"]
            .into_iter()
            .any(known)
    );
}

#[test]
fn a_password_is_never_shown() {
    let command = decode(b"PASS hunter2").unwrap();
    assert!(!format!("{command:?}").contains("hunter2"));
}
