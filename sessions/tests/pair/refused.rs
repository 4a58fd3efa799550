//! Tests every reason of a refusal for every verb: its code, and that nothing stays open.

use skiff_sessions::rights::Right;
use skiff_sessions::wire::reply::Refusal;

use super::disk::{Disk, Faults};
use super::drive::Pair;
use super::local::Local;
use super::rig::{NEW, OLD};
use super::said::{ABORT, Said};
use super::server::Hold;

/// Each reason with its name for programs.
#[rustfmt::skip]
const WHY: &[(Refusal, &str)] = &[
    (Refusal::NotFound, "not-found"),
    (Refusal::NotADirectory, "not-a-directory"),
    (Refusal::IsADirectory, "is-a-directory"),
    (Refusal::Exists, "exists"),
    (Refusal::NotEmpty, "not-empty"),
    (Refusal::AboveHome, "outside-home"),
    (Refusal::LeadsOut, "outside-home"),
    (Refusal::TargetLeadsOut, "target-outside-home"),
    (Refusal::NotALink, "not-a-link"),
    (Refusal::Forbidden, "permission"),
    (Refusal::ReadOnly, "read-only"),
    (Refusal::NoRight(Right::Get), "no-right"),
    (Refusal::Link, "link"),
    (Refusal::NotRegular, "not-a-file"),
    (Refusal::BadName, "bad-name"),
    (Refusal::NameTooLong, "name-too-long"),
    (Refusal::TheHome, "the-home"),
    (Refusal::IntoItself, "into-itself"),
    (Refusal::OtherDevice, "other-file-system"),
    (Refusal::OverQuota { needed: 9, available: 3 }, "quota-bytes"),
    (Refusal::TooManyEntries, "quota-entries"),
    (Refusal::DiskFull, "disk-full"),
    (Refusal::Busy, "busy"),
    (Refusal::NotReady, "counting"),
    (Refusal::NoStaging, "no-staging"),
    (Refusal::Changed, "changed"),
    (Refusal::NoAccount, "no-account"),
    (Refusal::NotNow, "not-now"),
    (Refusal::NoHome, "no-home"),
    (Refusal::NoFolder, "no-folder"),
    (Refusal::NoAccounts, "no-accounts"),
    (Refusal::Overloaded, "overloaded"),
    (Refusal::PasswordFixed, "password-fixed"),
    (Refusal::WrongPassword, "wrong-password"),
    (Refusal::Stopped, "stopped"),
    (Refusal::DiskFailed, "disk-failed"),
    (Refusal::DiskReadOnly, "disk-read-only"),
    (Refusal::Fault, "fault"),
];

/// A line whose first job is refused, and what it says for 404 and 551.
struct Verb {
    line: &'static str,
    not_found: u16,
    quota: u16,
    directory: u16,
    exists: u16,
}

const fn verb(line: &'static str) -> Verb {
    Verb {
        line,
        not_found: 404,
        quota: 550,
        directory: 550,
        exists: 550,
    }
}

const VERBS: &[Verb] = &[
    Verb {
        not_found: 550,
        ..verb("CWD d")
    },
    verb("LIST"),
    Verb {
        directory: 551,
        ..verb("RETR f")
    },
    Verb {
        directory: 551,
        ..verb("RETR start=0 f")
    },
    Verb {
        quota: 551,
        ..verb("STOR size=43 a")
    },
    Verb {
        quota: 551,
        ..verb("STOR size=43 go=1 a")
    },
    verb("DELE f"),
    verb("MKD e"),
    verb("SYMLINK target=f e"),
    verb("READLINK f"),
    verb("RNFR f"),
    verb("SETATTR mode=600 f"),
    Verb {
        directory: 551,
        ..verb("RETR start=1 length=2 f")
    },
    verb("STAT"),
    verb("STAT f"),
    verb("DF"),
    Verb {
        directory: 551,
        ..verb("HASH algo=md5 f")
    },
    verb("STAGES"),
    verb("STAGES drop=1 p"),
];

fn world() -> Disk {
    Disk::new().with("/f", OLD).with_stage("/p", &NEW[..20])
}

fn code(verb: &Verb, why: &Refusal) -> u16 {
    match why {
        Refusal::AboveHome | Refusal::LeadsOut | Refusal::Forbidden | Refusal::ReadOnly => 403,
        Refusal::TheHome | Refusal::NoRight(_) | Refusal::Link => 403,
        Refusal::TargetLeadsOut => 403,
        Refusal::PasswordFixed | Refusal::WrongPassword => 403,
        Refusal::NotFound | Refusal::NotADirectory => verb.not_found,
        Refusal::OverQuota { .. } | Refusal::TooManyEntries => verb.quota,
        Refusal::IsADirectory => verb.directory,
        Refusal::Exists => verb.exists,
        _ => 550,
    }
}

fn tells(pair: &mut Pair, line: &str, verb: &Verb, why: (Refusal, &str)) {
    let said = pair.types(format!("{line}\r\n"));
    let [Said::Line(told, text)] = &said[..] else {
        panic!("{line} {why:?}: {said:?}");
    };
    assert_eq!(*told, code(verb, &why.0), "{line} {why:?}");
    let passing = matches!(
        why.0,
        Refusal::Busy | Refusal::NotReady | Refusal::Overloaded | Refusal::Stopped
    );
    assert_eq!(text.contains(" retry=1 "), passing, "{text}");
    let cause = text
        .split(' ')
        .next()
        .and_then(|first| first.strip_prefix("why="));
    assert_eq!(cause, Some(why.1), "{line} {why:?}: {text}");
    if line.contains("go=1") {
        let rest = [ABORT, b"PWD\r\n"].concat();
        assert_eq!(pair.codes(rest), [257]);
    }
    pair.is_ready();
}

#[test]
fn every_reason_for_every_verb() {
    for verb in VERBS {
        for &why in WHY {
            let mut pair = Pair::new(world(), Local::default());
            pair.disk().faults = Faults {
                job: Some(why.0),
                ..Faults::default()
            };
            tells(&mut pair, verb.line, verb, why);
            assert_eq!(pair.disk().content("/f").as_deref(), Some(OLD));
        }
    }
}

/// The second job of a dialogue is refused.
#[test]
fn every_reason_for_a_rename_and_a_publishing() {
    let rename = Verb {
        exists: 401,
        ..verb("351 g")
    };
    let publish = Verb {
        quota: 551,
        ..verb("225")
    };
    for &why in WHY {
        let mut pair = Pair::new(world(), Local::default());
        assert_eq!(pair.codes("RNFR f\r\n"), [350]);
        pair.disk().faults.job = Some(why.0);
        tells(&mut pair, rename.line, &rename, why);

        let md5 = skiff_sessions::digest::Algorithm::Md5.of(b"");
        assert_eq!(pair.codes(b"STOR size=0 a\r\n\0\0\0\0"), [150]);
        pair.disk().faults.job = Some(why.0);
        tells(&mut pair, &format!("225 md5={md5}"), &publish, why);
        assert_eq!(pair.disk().content("/a"), None);
    }
}

/// The file that is there cannot be opened to be compared.
#[test]
fn what_is_there_cannot_be_compared() {
    for (command, rest) in [("", &b""[..]), ("go=1 ", ABORT)] {
        let mut pair = Pair::new(world(), Local::default());
        pair.server.hold = Hold::Jobs;
        let line = format!("STOR size={} {command}f\r\n", OLD.len());
        assert_eq!(pair.codes(line), []);
        pair.server.hold = Hold::Nothing;
        // The first job says what is there; the second is to open it.
        pair.steps(1);
        pair.server.hold = Hold::Jobs;
        pair.disk().faults.job = Some(Refusal::Forbidden);
        pair.server.hold = Hold::Nothing;
        assert_eq!(pair.codes(rest), [403]);
        pair.is_ready();
    }
}
