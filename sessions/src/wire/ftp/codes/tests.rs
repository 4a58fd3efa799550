//! Tests the exact bytes of each FTP reply, and that all have the form of replies.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::digest::Algorithm;
use crate::path::{LinkTarget, PathArg, VirtualPath};
use crate::rights::Rights;
use crate::wire::command::{ByteRange, PassiveForm, Protection, Representation};
use crate::wire::ftp::listing_lines;
use crate::wire::listing::{Fact, FactSet};
use crate::wire::reply::{
    Allowed, Entry, Facts, Features, Held, Kind, LoginRefusal, Mismatch, Status, TlsOffer,
    Truncation, UNLIMITED, UnderWay, Usage,
};
use crate::wire::stamp::Stamp;

use refusals::refusals;

mod refusals;

type Samples = Vec<(Reply, &'static str)>;

const STAMP: Stamp = Stamp(1_767_323_045);

fn at(path: &[u8]) -> VirtualPath {
    VirtualPath::root()
        .join(&PathArg::new(path).unwrap())
        .unwrap()
}

fn entry_of(facts: Facts) -> Entry {
    Entry {
        facts,
        target: None,
        allowed: Allowed::ALL,
    }
}

fn file() -> Facts {
    Facts {
        kind: Kind::File,
        size: 12,
        modified: STAMP,
        mode: Some(0o644),
    }
}

fn usage() -> Usage {
    Usage {
        limit: 400,
        entries_limit: 1000,
        held: Some(Held {
            used: 12,
            staged: 5,
            reserved: 7,
            free: 381,
            entries: 3,
        }),
    }
}

fn uncounted() -> Usage {
    Usage {
        held: None,
        ..usage()
    }
}

fn digest(range: (u64, u64), form: DigestForm) -> Reply {
    Reply::DigestIs {
        path: at(b"a b"),
        range: ByteRange {
            start: range.0,
            end: range.1,
        },
        sum: Algorithm::Md5.of(b"hello world"),
        form,
    }
}

fn overview(tls: TlsOffer) -> Reply {
    let topic = HelpTopic::Overview;
    Reply::Help { topic, tls }
}

fn help(verb: &str) -> Reply {
    Reply::Help {
        topic: HelpTopic::Verb(verb.into()),
        tls: TlsOffer::Offered,
    }
}

fn under_way(of: Option<u64>) -> Reply {
    Reply::UnderWay(UnderWay {
        moved: 100,
        of,
        seconds: 10,
    })
}

fn features(tls: TlsOffer) -> Reply {
    Reply::Features(Features {
        tls,
        facts: FactSet::NONE.with(Fact::Type).with(Fact::Size),
        algorithm: Algorithm::Sha256,
    })
}

fn samples() -> Samples {
    [
        people(),
        names(),
        streams(),
        facts(),
        parameters(),
        protection(),
        ports(),
        errors(),
        foreign(),
    ]
    .concat()
}

#[rustfmt::skip]
fn people() -> Samples {
    let greeting = Reply::Greeting { text: "skiffd ready".into() };
    let authenticated = Reply::Authenticated { user: "tom".into() };
    let status = Reply::Status(Box::new(Status { user: "tom".into(), usage: usage(), server: "skiffd".into() }));
    vec![
        (greeting, "220 skiffd ready\r\n"),
        (Reply::NeedPassword, "331 now the password\r\n"),
        (authenticated, "230 logged in as tom\r\n"),
        (Reply::Recognized { user: "tom".into() }, "232 logged in as tom\r\n"),
        (Reply::LoginRefused(LoginRefusal::Credentials), "530 wrong user or password\r\n"),
        (Reply::NotLoggedIn, "530 log in first, with USER and PASS\r\n"),
        (Reply::LoggedInAlready, "503 logged in already; REIN begins anew\r\n"),
        (Reply::Reinitialized, "220 ready for another user\r\n"),
        (Reply::HostNoted, "220 noted; every name leads to the same files\r\n"),
        (Reply::HostUnknown, "504 this server is not known by that name\r\n"),
        (Reply::Noop, "200 ok\r\n"),
        (Reply::Goodbye, "221 goodbye\r\n"),
        (Reply::BadSequence, "503 not now: another command must come first\r\n"),
        (Reply::Platform("linux".into()), "215 UNIX Type: L8\r\n"),
        (status, "211-skiffd\r\n logged in as tom\r\n 12 of 400 bytes used, 5 of them by unfinished uploads\r\n 7 bytes reserved for uploads under way, 381 free for a new one\r\n 3 of 1000 files and directories\r\n211 end\r\n"),
        (
            Reply::Usage(Usage { limit: UNLIMITED, entries_limit: UNLIMITED, ..usage() }),
            "200-quota\r\n 12 bytes used, 5 of them by unfinished uploads\r\n 7 bytes reserved for uploads under way, 381 free for a new one\r\n 3 files and directories\r\n200 end\r\n",
        ),
        (Reply::Usage(usage()), "200-quota\r\n 12 of 400 bytes used, 5 of them by unfinished uploads\r\n 7 bytes reserved for uploads under way, 381 free for a new one\r\n 3 of 1000 files and directories\r\n200 end\r\n"),
        (Reply::Usage(uncounted()), "200-quota\r\n your home is being counted, ask again in a moment; 400 bytes and 1000 files and directories are allowed\r\n200 end\r\n"),
        (help("retr"), "214 RETR PATH: download a file\r\n"),
        (help("site quota"), "214 SITE QUOTA: say the quota and what is used\r\n"),
        (help("X"), "502 no such verb; HELP lists them\r\n"),
        (help("SITE X"), "502 no such verb; HELP lists them\r\n"),
    ]
}

#[rustfmt::skip]
fn names() -> Samples {
    vec![
        (Reply::Directory(at(b"/")), "257 \"/\"\r\n"),
        (Reply::Created(at(b"a \"b\"")), "257 \"/a \"\"b\"\"\"\r\n"),
        (Reply::DirectoryChanged(at(b"a")), "250 in /a\r\n"),
        (Reply::Deleted, "250 deleted\r\n"),
        (Reply::RenameToWhat, "350 to what? RNTO says it\r\n"),
        (Reply::Renamed, "250 renamed\r\n"),
        (Reply::ModeSet, "200 mode set\r\n"),
        (Reply::ModifiedSet { path: at(b"a b"), modified: STAMP }, "213 Modify=20260102030405; /a b\r\n"),
    ]
}

#[rustfmt::skip]
fn streams() -> Samples {
    let receiving = |from, name| Reply::Receiving { from, name };
    let stored = |name| Reply::StreamStored { size: 12, name };
    vec![
        (Reply::ListingFollows, "150 here comes the listing\r\n"),
        (Reply::ListingDone { hidden: 0 }, "226 listed\r\n"),
        (Reply::ListingDone { hidden: 1 }, "226 listed; 1 name that cannot be told is left out\r\n"),
        (Reply::ListingDone { hidden: 2 }, "226 listed; 2 names that cannot be told are left out\r\n"),
        (Reply::Sending { from: 0, size: 12 }, "150 sending the file (12 bytes)\r\n"),
        (Reply::Sending { from: 5, size: 12 }, "150 sending from byte 5 of 12 on (7 bytes)\r\n"),
        (receiving(0, None), "150 send\r\n"),
        (receiving(5, None), "150 send; it goes on at byte 5\r\n"),
        (receiving(0, Some(at(b"a.1"))), "150 FILE: /a.1\r\n"),
        (Reply::StreamSent { size: 12 }, "226 sent; the file has 12 bytes\r\n"),
        (stored(None), "226 stored, 12 bytes in all\r\n"),
        (stored(Some(at(b"a.1"))), "226 stored, 12 bytes in all, as /a.1\r\n"),
        (Reply::Aborted, "426 stopped; the data connection is closed\r\n226 aborted\r\n"),
        (Reply::Stopped, "426 stopped; the data connection is closed\r\n"),
        (Reply::NothingToAbort, "226 no transfer is under way\r\n"),
        (under_way(Some(500)), "211-a transfer is under way\r\n 100 of 500 bytes moved, 10 bytes per second\r\n211 end\r\n"),
        (under_way(None), "211-a transfer is under way\r\n 100 bytes moved, 10 bytes per second\r\n211 end\r\n"),
        (Reply::ListingInReply { about: at(b"a") }, "213-Status of /a:\r\n"),
        (Reply::ListingEnd { hidden: 0 }, "213 End\r\n"),
    ]
}

#[rustfmt::skip]
fn facts() -> Samples {
    let entry = |rights| Reply::Entry { path: at(b"a b"), entry: entry_of(file()), set: FactSet::ALL, rights };
    vec![
        (entry(Rights::ALL), "250-Listing /a b\r\n type=file;size=12;modify=20260102030405;perm=adfrw;UNIX.mode=0644; /a b\r\n250 End\r\n"),
        (entry(Rights::READING), "250-Listing /a b\r\n type=file;size=12;modify=20260102030405;perm=r;UNIX.mode=0644; /a b\r\n250 End\r\n"),
        (Reply::Size(12), "213 12\r\n"),
        (Reply::ModifiedAt(STAMP), "213 20260102030405\r\n"),
        (Reply::Available(388), "213 388\r\n"),
        (digest((0, 50), DigestForm::Full), "213 MD5 0-50 5eb63bbbe01eeed093cb22bb8f5acdc3 /a b\r\n"),
        (digest((5, 5), DigestForm::Full), "213 MD5 5-5 5eb63bbbe01eeed093cb22bb8f5acdc3 /a b\r\n"),
        (digest((0, 50), DigestForm::Bare), "250 5eb63bbbe01eeed093cb22bb8f5acdc3\r\n"),
        (features(TlsOffer::Absent), "211-features\r\n REST STREAM\r\n EPRT\r\n EPSV\r\n SIZE\r\n MDTM\r\n MFMT\r\n HOST\r\n AVBL\r\n RANG STREAM\r\n XMD5\r\n XSHA256\r\n XSHA512\r\n CLNT\r\n HASH MD5;SHA-256*;SHA-512\r\n MLST type*;size*;modify;perm;UNIX.mode;\r\n TVFS\r\n UTF8\r\n211 end\r\n"),
    ]
}

#[rustfmt::skip]
fn parameters() -> Samples {
    let range = Some(ByteRange { start: 5, end: 10 });
    let some = FactSet::NONE.with(Fact::Type).with(Fact::Mode);
    [
        (ParameterReply::Type(Representation::Ascii), "200 type is A, text\r\n"),
        (ParameterReply::Type(Representation::Image), "200 type is I, bytes\r\n"),
        (ParameterReply::OnlyValue("MODE"), "200 MODE ok\r\n"),
        (ParameterReply::Restart(5), "350 restarting at 5, with the next transfer\r\n"),
        (ParameterReply::Allocated(5), "200 room for 5 bytes\r\n"),
        (ParameterReply::Range(range), "350 range is 5 to 9\r\n"),
        (ParameterReply::Range(None), "350 range is the whole file\r\n"),
        (ParameterReply::Algorithm(Algorithm::Sha512), "200 SHA-512\r\n"),
        (ParameterReply::Facts(some), "200 MLST OPTS type;UNIX.mode;\r\n"),
        (ParameterReply::Facts(FactSet::NONE), "200 MLST OPTS\r\n"),
        (ParameterReply::NotInAscii, "550 not in type A, where bytes are not counted: TYPE I first\r\n"),
    ]
    .map(|(reply, bytes)| (Reply::Parameter(reply), bytes))
    .to_vec()
}

#[rustfmt::skip]
fn protection() -> Samples {
    [
        (SecurityReply::TlsFollows, "234 begin TLS\r\n"),
        (SecurityReply::BufferSize, "200 PBSZ=0\r\n"),
        (SecurityReply::Protects(Protection::Clear), "200 data connections are clear\r\n"),
        (SecurityReply::Protects(Protection::Private), "200 data connections are private\r\n"),
        (SecurityReply::NotOffered, "502 TLS is not offered here\r\n"),
        (SecurityReply::AlreadyInTls, "503 this connection is under TLS already\r\n"),
        (SecurityReply::ControlStaysPrivate, "533 this connection stays under TLS\r\n"),
        (SecurityReply::OutOfOrder, "503 first AUTH TLS, then PBSZ 0, then PROT, then the login\r\n"),
        (SecurityReply::LoginNeedsTls, "530 log in under TLS: AUTH TLS first (explicit FTPS)\r\n"),
        (SecurityReply::ClearDataRefused, "534 data connections stay private here\r\n"),
        (SecurityReply::DataNeedsTls, "521 data connections must be private here: PROT P first\r\n"),
    ]
    .map(|(reply, bytes)| (Reply::Security(reply), bytes))
    .to_vec()
}

#[rustfmt::skip]
fn ports() -> Samples {
    let other_family = "522 not over that network, use (1) where this connection is IPv4, (2) where it is IPv6\r\n";
    let passive = |address: &str, form| DataReply::Passive { address: address.parse().unwrap(), form };
    [
        (passive("192.0.2.1:2000", PassiveForm::Address), "227 Entering Passive Mode (192,0,2,1,7,208).\r\n"),
        (passive("[::ffff:192.0.2.1]:2000", PassiveForm::Address), "227 Entering Passive Mode (192,0,2,1,7,208).\r\n"),
        (passive("[2001:db8::1]:2000", PassiveForm::PortOnly(None)), "229 Entering Extended Passive Mode (|||2000|)\r\n"),
        (DataReply::Active, "200 ok\r\n"),
        (DataReply::PassiveOnly, "200 EPSV and nothing else from now on\r\n"),
        (DataReply::PassiveOnlyInForce, "503 after EPSV ALL there is only EPSV\r\n"),
        (DataReply::Foreign, "504 only your own address, and no port below 1024\r\n"),
        (DataReply::WrongFamily, other_family),
        (passive("[2001:db8::1]:2000", PassiveForm::Address), other_family),
        (
            DataReply::PortShareTaken { most: 50 },
            "425 your sessions hold 50 ports for data connections, all that one user may; let one end first\r\n",
        ),
        (DataReply::NoPortFree, "425 no port is free for a data connection, try again in a moment\r\n"),
        (DataReply::NotPrepared, "425 say EPSV, PASV, EPRT or PORT first\r\n"),
        (DataReply::NotOpened, "425 the data connection did not come about; a firewall may be in between\r\n"),
        (DataReply::NotSecured, "426 no TLS came about on the data connection\r\n"),
        (DataReply::NotResumed, "522 the data connection must resume this connection's TLS session\r\n"),
        (DataReply::Lost, "426 the data connection broke off\r\n"),
        (DataReply::Truncated(Truncation::Required), "426 the upload ended without TLS close_notify, which data_close_notify: Require asks for; the part is kept, REST or APPE resumes it\r\n"),
        (DataReply::Truncated(Truncation::ControlEnded), "426 the upload ended without TLS close_notify, and the control connection with it, which data_close_notify: Prefer takes for a cut; the part is kept, REST or APPE resumes it\r\n"),
        (DataReply::Truncated(Truncation::Reset), "426 the data connection was reset before its TLS close_notify, which no data_close_notify allows; the part is kept, REST or APPE resumes it\r\n"),
    ]
    .map(|(reply, bytes)| (Reply::Data(reply), bytes))
    .to_vec()
}

fn errors() -> Samples {
    let malformed = malformations().map(|(why, bytes)| (Reply::Malformed(why), bytes));
    let refused =
        refusals().map(|(operation, why, bytes)| (Reply::Refused { operation, why }, bytes));
    let closing = farewells().map(|(why, bytes)| (Reply::Closing(why), bytes));
    [&malformed[..], &refused[..], &closing[..]].concat()
}

#[rustfmt::skip]
fn malformations() -> [(Malformed, &'static str); 10] {
    [
        (Malformed::TooLong, "500 the line is over 8192 bytes\r\n"),
        (Malformed::BadLineEnd, "500 a line holds no NUL, and a CR only before its LF\r\n"),
        (Malformed::NotUtf8, "501 that must be UTF-8\r\n"),
        (Malformed::UnknownVerb, "500 unknown verb; HELP lists them\r\n"),
        (Malformed::BadArguments { syntax: "MODE S" }, "501 bad arguments; the syntax is MODE S\r\n"),
        (Malformed::BadName, "501 a name holds no NUL, CR or LF\r\n"),
        (Malformed::NotImplemented, "502 not done here\r\n"),
        (Malformed::NotForThatArgument, "504 not done with that argument\r\n"),
        (Malformed::OtherProtocol, "500 that is another protocol; this is FTP\r\n"),
        (Malformed::UnknownNetwork, "522 unknown network protocol, use (1,2)\r\n"),
    ]
}

#[rustfmt::skip]
fn farewells() -> [(CloseReason, &'static str); 22] {
    [
        (CloseReason::LoginTimeout, "421 no login in time, closing\r\n"),
        (
            CloseReason::ContentMayFollow,
            "421 what follows this upload cannot be told from commands, closing\r\n",
        ),
        (CloseReason::IdleTimeout, "421 idle for too long, closing\r\n"),
        (CloseReason::Stalled, "421 the transfer moved no byte for too long, closing\r\n"),
        (CloseReason::TooManyAttempts, "421 too many failed logins, closing\r\n"),
        (CloseReason::TooManySessions, "421 too many sessions, try again later\r\n"),
        (CloseReason::TooManyFromAddress, "421 too many sessions from your address, close one first\r\n"),
        (CloseReason::TooManyOfUser, "421 too many sessions of this user, close one first\r\n"),
        (CloseReason::MadeRoom, "421 others want to log in, and you have not; try again\r\n"),
        (CloseReason::UserUnderAttack, "421 too many failed logins of this user, try again in a moment\r\n"),
        (CloseReason::Banned, "421 too many failed logins from your address, try again later\r\n"),
        (CloseReason::UserBanned, "421 too many failed logins of this user from your address, try again later\r\n"),
        (CloseReason::NotThisProtocol, "421 this is an FTP server, closing\r\n"),
        (CloseReason::ShuttingDown, "421 the server is shutting down\r\n"),
        (CloseReason::NoHome, "421 your home is not available, try again later; the server's log says why\r\n"),
        (CloseReason::AccountChanged, "421 your account was changed, log in again\r\n"),
        (CloseReason::EndedByOperator, "421 the operator has ended your session\r\n"),
        (CloseReason::NoAccounts, "421 logins cannot be checked at the moment; the server's log says why\r\n"),
        (CloseReason::Overloaded, "421 the server has too many files open or waits for a disk, try again in a moment\r\n"),
        (CloseReason::ClearTextAfterAuthTls, "421 clear text came behind the beginning of TLS, closing\r\n"),
        (CloseReason::Asked, "221 goodbye\r\n"),
        (CloseReason::Fault, "421 internal fault, closing; the server's log says more\r\n"),
    ]
}

/// What the other dialect's commands lead to.
fn foreign() -> Samples {
    let sum = Algorithm::Md5.of(b"x");
    let (path, target) = (at(b"l"), LinkTarget::new("a").unwrap());
    [
        Reply::Challenge { scram: vec![1] },
        Reply::LoggedIn {
            scram: vec![1],
            digest: Algorithm::Md5,
            idle: Duration::from_secs(900),
        },
        Reply::Offer {
            size: 1,
            modified: STAMP,
            digest: Algorithm::Md5,
        },
        Reply::SendingAll { size: 1 },
        Reply::SendingFrom { offset: 1 },
        Reply::Sent { size: 1, sum },
        Reply::RangeSent {
            offset: 1,
            size: 1,
            sum,
        },
        Reply::LinkLeadsTo { path, target },
        Reply::SendNow,
        Reply::PartHere { have: 1, sum },
        Reply::SendFrom { offset: 1 },
        Reply::AlreadyThere { size: 1, sum },
        Reply::Stored { size: 1, sum },
        Reply::NotVerified(Mismatch::Digest),
        Reply::Working { done: 1, of: 2 },
        Reply::Facts {
            path: at(b"a"),
            facts: file(),
        },
        Reply::HashIs {
            path: at(b"a"),
            size: 1,
            sum,
        },
        Reply::StageDropped,
        Reply::PasswordChanged,
        Reply::PasswordNeedsTls,
    ]
    .map(|reply| (reply, "502 not in this dialect\r\n"))
    .to_vec()
}

fn written(reply: &Reply) -> String {
    let mut out = b"kept ".to_vec();
    let told = encode(reply, &mut out);
    let text = String::from_utf8(out).unwrap();
    let text = text.strip_prefix("kept ").unwrap().to_owned();
    assert_eq!(text[..3].parse(), Ok(told));
    text
}

/// Every line ends, and no line in the middle looks like the last one.
fn assert_replies(text: &str) {
    let mut open: Option<&str> = None;
    let lines = text.strip_suffix("\r\n").unwrap().split("\r\n");
    for line in lines {
        assert!(!line.bytes().any(|b| b.is_ascii_control()), "{line:?}");
        let mark = line.get(3..4);
        match open {
            Some(code) if line.starts_with(code) => {
                assert_eq!(mark, Some(" "), "{text}");
                open = None;
            }
            Some(_) => assert!(line.starts_with(' '), "{text}"),
            None => {
                let code: u16 = line[..3].parse().unwrap();
                assert!((100..600).contains(&code), "{text}");
                open = (mark == Some("-")).then_some(&line[..3]);
                assert!(open.is_some() || mark == Some(" "), "{text}");
            }
        }
    }
    assert_eq!(open, None, "{text}");
}

#[test]
fn exact_bytes() {
    for (reply, bytes) in samples() {
        assert_eq!(written(&reply), bytes, "{reply:?}");
    }
}

#[test]
fn all_are_replies() {
    let mut all: Vec<_> = samples().into_iter().map(|(reply, _)| reply).collect();
    all.extend([
        overview(TlsOffer::Offered),
        help("SITE"),
        features(TlsOffer::Offered),
    ]);
    for reply in all {
        match &reply {
            Reply::ListingInReply { about } => {
                let end = written(&Reply::ListingEnd { hidden: 0 });
                let mut line = Vec::new();
                listing_lines::push_long(b"213 x", &entry_of(file()), STAMP, &mut line);
                // The reader of this one tells last lines by number and blank.
                let line = String::from_utf8(line).unwrap();
                assert!(!line.starts_with("213 "));
                let text = written(&Reply::ListingInReply {
                    about: about.clone(),
                });
                assert_replies(&format!("{text} {line}{end}"));
            }
            reply => assert_replies(&written(reply)),
        }
    }
}

/// The names of an enum's variants, from its source.
fn variants(name: &str) -> BTreeSet<String> {
    let source = include_str!("../../reply.rs");
    let start = format!("pub enum {name} {{\n");
    let body = source.split(&start).nth(1).unwrap();
    let body = body.split("\n}\n").next().unwrap();
    let names = body
        .lines()
        .filter_map(|line| line.strip_prefix("    "))
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
    names.map(first_word).collect()
}

fn first_word(text: &str) -> String {
    text.chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect()
}

#[test]
fn every_meaning_has_a_sample() {
    let mut seen = BTreeSet::new();
    for (reply, _) in samples() {
        seen.insert(("Reply", first_word(&format!("{reply:?}"))));
        match reply {
            Reply::Security(inner) => seen.insert(("SecurityReply", format!("{inner:?}"))),
            Reply::Data(inner) => seen.insert(("DataReply", format!("{inner:?}"))),
            Reply::Parameter(inner) => seen.insert(("ParameterReply", format!("{inner:?}"))),
            Reply::Malformed(inner) => seen.insert(("Malformed", format!("{inner:?}"))),
            Reply::Refused { why, .. } => seen.insert(("Refusal", format!("{why:?}"))),
            Reply::Closing(inner) => seen.insert(("CloseReason", format!("{inner:?}"))),
            _ => false,
        };
    }
    for name in [
        "Reply",
        "SecurityReply",
        "DataReply",
        "ParameterReply",
        "Malformed",
        "Refusal",
        "CloseReason",
    ] {
        let shown = seen.iter().filter(|(of, _)| *of == name);
        let mut shown: BTreeSet<_> = shown.map(|(_, text)| first_word(text)).collect();
        if name == "Reply" {
            shown.insert("Help".into());
        }
        let all = variants(name);
        assert!(all.len() > 5, "{name} was not found");
        assert_eq!(shown, all, "{name}");
    }
}

#[test]
fn nothing_said_breaks_out_of_its_line() {
    let hostile = "a\r\n230 b\x1b\0";
    for reply in [
        Reply::Authenticated {
            user: hostile.into(),
        },
        Reply::Status(Box::new(Status {
            user: hostile.into(),
            usage: usage(),
            server: hostile.into(),
        })),
        help(hostile),
        Reply::Malformed(Malformed::BadArguments { syntax: hostile }),
    ] {
        assert_replies(&written(&reply));
    }
}

#[test]
fn names_go_out_as_they_are() {
    let path = at(b"\xff\x1b\xe4");
    for reply in [
        Reply::Directory(path.clone()),
        Reply::ModifiedSet {
            path: path.clone(),
            modified: STAMP,
        },
        Reply::Entry {
            path,
            entry: entry_of(file()),
            set: FactSet::NONE,
            rights: Rights::READING,
        },
    ] {
        let mut out = Vec::new();
        encode(&reply, &mut out);
        let held = out.windows(4).any(|bytes| bytes == b"/\xff\x1b\xe4");
        assert!(held, "{reply:?}");
    }
}
