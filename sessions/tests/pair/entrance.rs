//! Tests the login: right and wrong passwords, the penalty, and who is let in.

use std::time::Duration;

use skiff_sessions::client::{Credentials, Dialogue, Outcome};
use skiff_sessions::rights::Grant;
use skiff_sessions::scram::Binding;
use skiff_sessions::wire::native::causes::Cause;
use skiff_sessions::wire::reply::Refusal;

use super::cuts::cuts;
use super::disk::Disk;
use super::drive::Pair;
use super::known::PASSWORD;
use super::local::Local;
use super::rig::{NEW, OLD, Rig};
use super::said::{END, framed};
use super::server::Hold;

const BOUND: Binding = Binding::TlsExporter([7; 32]);

fn tls() -> Rig {
    Rig {
        binding: BOUND,
        ..Rig::roomy()
    }
}

fn stranger() -> Pair {
    Pair::stranger(tls(), Disk::new().with("/f", OLD).expecting(NEW))
}

/// Up to the penalty, where there is one.
fn names(pair: &mut Pair, user: &str, password: &str, binding: Binding) {
    let credentials = Credentials {
        user: user.to_owned(),
        password: password.to_owned().into(),
        nonce: "nonce".to_owned(),
        binding,
    };
    pair.client
        .begin(|_, out| Dialogue::login(credentials, out).unwrap());
    pair.drive();
}

fn logs_in(pair: &mut Pair, user: &str, password: &str, binding: Binding) -> Outcome {
    names(pair, user, password, binding);
    if let Some(outcome) = pair.client.outcome() {
        return outcome;
    }
    pair.advance(Duration::from_secs(4));
    pair.finish()
}

/// The cause of a refused login.
fn cause(outcome: &Outcome) -> Option<Cause> {
    match outcome {
        Outcome::Replied(answered) if answered.code == 530 => answered.why,
        other => panic!("{other:?}"),
    }
}

fn text(outcome: &Outcome, code: u16) -> String {
    match outcome {
        Outcome::Replied(answered) if answered.code == code => {
            String::from_utf8(answered.text.as_bytes().to_vec()).unwrap()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_right_password_at_every_cut() {
    for rig in [
        tls(),
        Rig {
            binding: BOUND,
            ..Rig::tight()
        },
        Rig::tight(),
    ] {
        let run = |rig: Rig| {
            let binding = rig.binding.clone();
            let mut pair = Pair::stranger(rig, Disk::new());
            let outcome = logs_in(&mut pair, "tom", PASSWORD, binding);
            assert!(matches!(outcome, Outcome::LoggedIn(_)), "{outcome:?}");
            let lengths = (pair.to_server.sent().len(), pair.to_client.sent().len());
            pair.is_ready();
            assert!(pair.server.strikes.is_empty());
            lengths
        };
        let lengths = run(rig.clone());
        for cut in cuts(&rig, lengths) {
            run(cut);
        }
    }
}

#[test]
fn a_wrong_password_and_then_the_right_one() {
    let mut pair = stranger();
    let wrong = logs_in(&mut pair, "tom", "124", BOUND);
    assert_eq!(cause(&wrong), Some(Cause::Credentials));
    assert_eq!(pair.server.strikes, ["tom"]);
    let outcome = logs_in(&mut pair, "tom", PASSWORD, BOUND);
    assert!(matches!(outcome, Outcome::LoggedIn(_)));
    pair.is_ready();
}

#[test]
fn who_is_unknown_is_told_the_same() {
    let mut pair = stranger();
    let known = text(&logs_in(&mut pair, "tom", "124", BOUND), 530);
    let challenge = pair.to_client.sent().len();
    let unknown = text(&logs_in(&mut pair, "nobody", PASSWORD, BOUND), 530);
    assert_eq!(known, unknown);
    assert_eq!(
        pair.to_client.sent().len(),
        2 * challenge,
        "the challenge looks the same too"
    );
    assert_eq!(pair.server.strikes, ["tom", "nobody"]);
}

#[test]
fn each_failure_waits_longer_and_the_third_is_the_last() {
    let mut pair = stranger();
    for millis in [500, 1000, 2000] {
        names(&mut pair, "tom", "124", BOUND);
        let before = pair.to_client.sent().len();
        pair.advance(Duration::from_millis(millis - 1));
        assert_eq!(
            pair.to_client.sent().len(),
            before,
            "not before {millis} ms"
        );
        pair.advance(Duration::from_millis(1));
        text(&pair.finish(), 530);
    }
    assert_eq!(pair.codes(""), [421]);
    assert!(pair.server.is_over());
    pair.server.check_at_rest();
}

/// Lines that came meanwhile wait for the penalty's end.
#[test]
fn nothing_is_answered_during_a_penalty() {
    let mut pair = stranger();
    names(&mut pair, "tom", "124", BOUND);
    let penalised = pair.to_client.sent().len();
    pair.advance(Duration::from_millis(100));
    assert_eq!(pair.to_client.sent().len(), penalised);
    pair.advance(Duration::from_millis(400));
    text(&pair.finish(), 530);

    assert_eq!(pair.codes("USER scram=Zm9v\r\nNOOP\r\n"), []);
    pair.client.type_in(b"");
    pair.advance(Duration::from_secs(1));
    assert_eq!(pair.codes(""), [530, 200]);
}

#[test]
fn a_login_bound_to_another_channel() {
    let mut pair = stranger();
    let relayed = logs_in(&mut pair, "tom", PASSWORD, Binding::TlsExporter([8; 32]));
    assert_eq!(cause(&relayed), Some(Cause::ChannelBinding));
    assert_eq!(pair.server.strikes, ["tom"]);
    // An unbound one is refused before anything is proved, and costs nothing.
    let unbound = logs_in(&mut pair, "tom", PASSWORD, Binding::None);
    assert_eq!(cause(&unbound), Some(Cause::Mechanism));
    assert!(text(&unbound, 530).contains("takes SCRAM-SHA-256-PLUS with tls-exporter only"));
    assert_eq!(pair.server.strikes, ["tom"]);
    let outcome = logs_in(&mut pair, "tom", PASSWORD, BOUND);
    assert!(matches!(outcome, Outcome::LoggedIn(_)));

    let mut plain = Pair::stranger(Rig::roomy(), Disk::new());
    let bound = logs_in(&mut plain, "tom", PASSWORD, BOUND);
    assert_eq!(cause(&bound), Some(Cause::Mechanism));
    assert!(text(&bound, 530).contains("a plain listener takes SCRAM-SHA-256 only"));
}

#[test]
fn before_the_login() {
    let lines: &[(&str, &[u16])] = &[
        ("PWD", &[530]),
        ("LIST", &[530]),
        ("RETR f", &[530]),
        ("RETR start=0 f", &[530]),
        ("RETR start=1 f", &[530]),
        ("SETATTR mode=644 f", &[530]),
        ("SYMLINK target=f e", &[530]),
        ("READLINK f", &[530]),
        ("STOR size=3 a", &[530]),
        ("DELE f", &[530]),
        ("STAT", &[530]),
        ("ABOR", &[530]),
        ("200", &[530]),
        ("227", &[530]),
        ("550", &[530]),
        ("111", &[530]),
        ("NOOP", &[200]),
        ("HELP", &[214]),
        ("HELP USER", &[214]),
        ("PASS scram=", &[503]),
        ("SYST", &[530]),
        ("STAGES drop=1 a", &[530]),
        (
            "PASSWD salt=AA== iterations=1 stored=AA== server=AA==",
            &[501],
        ),
    ];
    for (line, codes) in lines {
        let mut pair = stranger();
        assert_eq!(pair.codes(format!("{line}\r\n")), *codes, "{line}");
        assert_eq!(pair.codes("220\r\n"), [221]);
        assert!(pair.server.is_over());
        assert_eq!(pair.disk().content("/f").as_deref(), Some(OLD));
    }
}

#[test]
fn what_is_not_this_protocol_is_closed() {
    for nonsense in [
        "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\n\n\n",
        "\u{16}\u{3}\n\0\n\0\n",
    ] {
        let mut pair = stranger();
        assert_eq!(pair.codes(nonsense), [500, 500, 500, 421], "{nonsense:?}");
        assert!(pair.server.is_over());
    }
    let mut pair = stranger();
    let typed = [
        b"STOR size=43 go=1 a\r\n",
        &framed(NEW, 9)[..],
        END,
        b"\n\n\n",
    ]
    .concat();
    assert_eq!(pair.codes(typed).last(), Some(&421));
    assert_eq!(pair.disk().content("/a"), None);
}

#[test]
fn who_may_only_read() {
    let disk = Disk::new().with("/f", OLD).with_stage("/p", &NEW[..3]);
    let mut pair = Pair::new(disk.opened_to(Grant::READING), Local::default());
    let lines = [
        "STOR size=3 a",
        "DELE f",
        "MKD e",
        "SYMLINK target=f e",
        "RNFR f",
        "SETATTR mtime=20260102030405 f",
        "STAGES drop=1 p",
    ];
    for line in lines {
        assert_eq!(pair.codes(format!("{line}\r\n")), [403], "{line}");
    }
    let typed = [
        b"STOR size=43 go=1 a\r\n",
        &framed(NEW, 9)[..],
        END,
        b"225 md5=00000000000000000000000000000000\r\nPWD\r\n",
    ];
    assert_eq!(pair.codes(typed.concat()), [403, 257]);
    assert_eq!(
        pair.codes("RETR start=0 f\r\n227\r\nLIST\r\nDF\r\n"),
        [150, 226, 150, 226, 213]
    );
    pair.is_ready();
}

#[test]
fn a_home_that_cannot_be_opened() {
    let mut pair = stranger();
    names(&mut pair, "tom", PASSWORD, BOUND);
    assert!(matches!(pair.client.outcome(), Some(Outcome::LoggedIn(_))));

    for why in [Refusal::Fault, Refusal::NotFound] {
        let mut pair = stranger();
        pair.server.hold = Hold::Jobs;
        names(&mut pair, "tom", PASSWORD, BOUND);
        pair.server.hold = Hold::Nothing;
        // The account is found; the home is not.
        let lines = |pair: &Pair| {
            pair.to_server
                .sent()
                .iter()
                .filter(|&&b| b == b'\n')
                .count()
        };
        pair.until(|pair| lines(pair) == 2);
        pair.disk().faults.job = Some(why);
        let outcome = pair.finish();
        assert!(
            matches!(&outcome, Outcome::Replied(answered) if (400..600).contains(&answered.code)),
            "{outcome:?}"
        );
        assert!(matches!(
            logs_in(&mut pair, "tom", PASSWORD, BOUND),
            Outcome::LoggedIn(_)
        ));
        pair.is_ready();
    }
}

/// Nothing that the client could do better: 421, and it comes again.
#[test]
fn a_home_that_is_not_available_ends_the_session() {
    for (why, cause) in [
        (Refusal::NoHome, Cause::NoHome),
        (Refusal::NoAccounts, Cause::NoAccounts),
        (Refusal::Overloaded, Cause::Overloaded),
        (Refusal::TooManySessions, Cause::SessionsOfUser),
    ] {
        let mut pair = stranger();
        pair.server.hold = Hold::Jobs;
        names(&mut pair, "tom", PASSWORD, BOUND);
        pair.server.hold = Hold::Nothing;
        let lines = |pair: &Pair| {
            let sent = pair.to_server.sent().iter();
            sent.filter(|&&byte| byte == b'\n').count()
        };
        pair.until(|pair| lines(pair) == 2);
        pair.disk().faults.job = Some(why);
        let outcome = pair.finish();
        assert!(
            matches!(&outcome, Outcome::Closing(answered) if answered.why == Some(cause)),
            "{outcome:?}"
        );
        assert!(pair.server.is_over());
    }
}
