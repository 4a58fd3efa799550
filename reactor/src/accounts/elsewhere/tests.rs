//! Tests the authenticator: what it says, what it does wrong, and what its users' sessions know.

use std::net::Ipv4Addr;
use std::path::Path;

use skiff_conf::Server;
use skiff_vfs::{Retention, WhenFull};

use super::helper::{ANSWER_MAX, Program, Verdict};
use super::*;
use crate::accounts::verdict::{LoginBy, Proven, Verdict as Judgement};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

const CALLER: Caller<'static> = Caller {
    from: HERE,
    shown: None,
};

/// Longer than any of these programs needs, but for those that never end.
const DEADLINE: Duration = Duration::from_secs(20);

/// What a shell does.
fn program(script: &str, deadline: Duration) -> Program {
    let words = ["/bin/sh", "-c", script];
    Program {
        deadline,
        words: words.map(Into::into).to_vec(),
    }
}

fn verdict(script: &str, deadline: Duration) -> String {
    match program(script, deadline).ask(b"{}\n", DEADLINE) {
        Ok(Verdict::Answered(said)) => String::from_utf8(said.to_vec()).unwrap(),
        Ok(Verdict::Failed(why)) => format!("failed: {why}"),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn what_a_program_says_and_how_it_ends() {
    for (script, said) in [
        ("cat", "{}\n"),
        ("echo yes", "yes\n"),
        ("echo yes; echo strange >&2", "yes\n"),
        ("", ""),
        (
            "echo no; echo broken >&2; exit 3",
            "failed: it ended with exit status: 3: broken",
        ),
        (
            "kill -SEGV $$",
            "failed: it ended with signal: 11 (SIGSEGV) (core dumped)",
        ),
        (
            "echo no; exec >&-; printf 'a\\nb' >&2; exit 1",
            "failed: it ended with exit status: 1: a b",
        ),
    ] {
        let found = verdict(script, DEADLINE);
        assert_eq!(
            found.replace(" (core dumped)", ""),
            said.replace(" (core dumped)", ""),
            "{script}"
        );
    }
}

#[test]
fn what_is_too_long_or_too_late_is_killed() {
    let flood = verdict("exec cat /dev/zero", DEADLINE);
    assert_eq!(
        flood,
        format!("failed: it has written more than {ANSWER_MAX} bytes")
    );
    let short = Duration::from_millis(200);
    for script in [
        "sleep 1000",
        "exec >&-; sleep 1000",
        "yes >&2",
        "exec sleep 1000 <&-",
    ] {
        let late = verdict(script, short);
        assert!(
            late.starts_with("failed: it took longer than 200ms"),
            "{script}: {late}"
        );
        assert!(late.len() < 1024, "what it complains about is bounded");
    }
}

/// What a program leaves behind has its output still, and would hold the next reader.
#[test]
fn what_a_program_has_started_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!("sleep 1000 >&- & echo $! > {}; echo yes", file.display());
    assert_eq!(verdict(&script, DEADLINE), "yes\n");
    let pid = std::fs::read_to_string(file).unwrap();
    let status = Path::new("/proc").join(pid.trim()).join("stat");
    let is_gone = || {
        let stat = std::fs::read_to_string(&status);
        stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z "))
    };
    while !is_gone() {
        std::thread::yield_now();
    }
}

#[test]
fn a_program_has_a_clean_environment() {
    let said = verdict("env | sort | grep -v ^PWD= | grep -v ^_=; pwd", DEADLINE);
    let mut lines = said.lines();
    assert!(
        lines.next().unwrap().starts_with("PATH=/usr/local/sbin:"),
        "{said}"
    );
    assert!(
        lines.all(|line| line == "/" || line.starts_with("SHLVL=") || line.starts_with("OLDPWD")),
        "{said}"
    );
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let missing = Program {
        deadline: DEADLINE,
        words: vec!["/nowhere/at-all".into()],
    };
    assert!(missing.ask(b"{}\n", DEADLINE).is_err());
}

/// Accounts with the group `pupils`, tom in the store, and this authenticator.
fn with(script: &str, body: impl FnOnce(&Worker, &Accounts, &Path) + Send + 'static) {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let settings = format!(
        "(scram_iterations: 10000, authenticator: (run: [\"/bin/sh\", \"-c\", {script:?}], \
         deadline: \"20s\"))"
    );
    std::fs::write(at("server.ron"), settings).unwrap();
    std::fs::create_dir(at("homes")).unwrap();
    let users = "(groups: {\"pupils\": (quota: \"50MB\", access: ReadOnly)}, users: {\"tom\": \
                 (hash: \"$1$BLlc9VeY$anrrG4RNIRnRAfAiF/KDp/\")})";
    std::fs::write(at("users.ron"), users).unwrap();
    let private = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(at("users.ron"), private).unwrap();
    let config = Arc::new(Server::load(&at("server.ron")).unwrap());
    let broker = Broker::served_by(program(script, DEADLINE));
    let accounts = Accounts::new(config, [0; 32]).unwrap();
    let accounts = accounts.with_authenticator(Some(broker));
    let ran = Worker::spawn("test", move |worker| body(worker, &accounts, folder.path()));
    ran.unwrap().join().unwrap();
}

fn ask(
    accounts: &Accounts,
    worker: &Worker,
    user: &str,
    password: &str,
) -> Result<Standing, Refusal> {
    let inquiry = Inquiry {
        user,
        password: password.as_bytes(),
        caller: CALLER,
        came_by: CameBy::Tls,
        since: Instant::now(),
    };
    accounts.ask_elsewhere(worker, &inquiry)
}

/// Lets ann in with any password.
const ANN: &str = r#"read -r line; case "$line" in
    *'"user":"ann"'*) echo '{"ok": true, "group": "pupils", "home": "a/ann"}' ;;
    *) echo '{"ok": false}' ;; esac"#;

#[test]
fn an_answer_becomes_an_account_with_what_its_group_says() {
    with(ANN, |worker, accounts, folder| {
        std::fs::create_dir(folder.join("homes/a")).unwrap();
        assert!(accounts.asks_elsewhere(worker, "ann", b"x"));
        assert!(
            !accounts.asks_elsewhere(worker, "tom", b"x"),
            "the store has him"
        );
        assert!(
            !accounts.asks_elsewhere(worker, "../ann", b"x"),
            "no name of ours"
        );
        assert_eq!(ask(accounts, worker, "bob", "x"), Ok(Standing::Decoy));
        assert_eq!(ask(accounts, worker, "ann", "x"), Ok(Standing::Known));
        assert!(
            !accounts.asks_elsewhere(worker, "ann", b"x"),
            "it is remembered"
        );
        assert!(accounts.asks_elsewhere(worker, "ann", b"y"));
        assert_eq!(
            accounts.check(worker, "ann", HERE, b"x", None),
            Some(Standing::Known)
        );
        assert_eq!(
            accounts.check(worker, "ann", HERE, b"y", None),
            Some(Standing::Decoy)
        );
        let (_, native) = accounts.find(worker, "ann", HERE).unwrap();
        assert_eq!(native, Standing::Decoy);
        let resolved = accounts.resolve(worker, "ann").ok().unwrap();
        assert_eq!(resolved.root, folder.join("homes/a/ann"));
        assert!(resolved.root.is_dir());
        assert_eq!(resolved.rules.limit.bytes, 50_000_000);
        assert_eq!(
            accounts.rules(worker, "ann").unwrap().limit.bytes,
            50_000_000
        );
        assert_eq!(accounts.homes(worker, Some("ann")).len(), 1);
        assert_eq!(accounts.homes(worker, None).len(), 2);
        assert!(accounts.device_of(worker, "ann").is_some());
        assert!(accounts.resolve(worker, "bob").is_err());
    });
}

#[test]
fn a_session_goes_on_with_what_its_group_says_until_the_group_is_gone() {
    with(ANN, |worker, accounts, folder| {
        std::fs::create_dir(folder.join("homes/a")).unwrap();
        assert_eq!(ask(accounts, worker, "ann", "x"), Ok(Standing::Known));
        let resolved = accounts.resolve(worker, "ann").ok().unwrap();
        let judge = || {
            let keys = [resolved.key];
            let proven = Proven {
                keys: &keys,
                elsewhere: resolved.elsewhere.as_ref(),
            };
            let now = accounts.now(worker).unwrap();
            now.judge("ann", HERE, proven, LoginBy::Password(None))
        };
        assert!(matches!(judge(), Judgement::Stays { ref terms, .. } if *terms == resolved.terms));
        let edit = |from: &str, to: &str| {
            let text = std::fs::read_to_string(accounts.path()).unwrap();
            std::fs::write(accounts.path(), text.replace(from, to)).unwrap();
        };
        edit("ReadOnly", "ReadWrite");
        assert!(matches!(judge(), Judgement::Stays { ref terms, .. } if *terms != resolved.terms));
        edit("ReadWrite", "ReadOnly, ftp: false");
        assert_eq!(judge(), Judgement::Ends);
        edit("ftp: false", "");
        assert!(matches!(judge(), Judgement::Stays { .. }));
        edit("\"tom\"", "\"ann\"");
        assert_eq!(
            judge(),
            Judgement::Ends,
            "the store has another one of that name"
        );
        edit("\"ann\"", "\"tom\"");
        edit("\"pupils\"", "\"others\"");
        assert_eq!(judge(), Judgement::Ends);
    });
}

#[test]
fn what_a_program_does_wrong_is_no_wrong_password() {
    for script in [
        "exit 1",
        "echo nonsense",
        "echo '[]'",
        "echo '{}'",
        r#"echo '{"ok": "yes"}'"#,
        r#"echo '{"ok": true, "scram": "x"}'"#,
        r#"echo '{"ok": true, "quota": "much"}'"#,
        r#"echo '{"ok": true, "home": "../etc"}'"#,
        r#"echo '{"ok": true, "group": "teachers"}'"#,
        r#"echo '{"ok": true}{"ok": false}'"#,
    ] {
        with(script, |worker, accounts, _| {
            let said = ask(accounts, worker, "ann", "x");
            assert_eq!(said, Err(Refusal::NoAccounts));
            assert!(accounts.resolve(worker, "ann").is_err());
        });
    }
}

#[test]
fn an_answer_says_what_would_be_right() {
    for (said, complaint) in [
        (
            "{\"ok\": true, \"qouta\": 1}",
            "its answer is not right: unknown key \"qouta\"; did you mean \"quota\"?",
        ),
        (
            "{\"ok\": true, \"quota\": \"800\"}",
            "its answer is not right: quota: 800 bytes? write \"800MB\"",
        ),
        ("{\"quota\": \"1GB\"}", "its answer has no \"ok\""),
        ("", "its answer is not understood: "),
    ] {
        let wrong = answer::read(said.as_bytes()).unwrap_err();
        assert!(wrong.starts_with(complaint), "{wrong}");
    }
    assert!(matches!(
        answer::read(b"{\"ok\": false, \"why\": 1}"),
        Ok(Answer::Unknown)
    ));
}

#[test]
fn networks_and_hours_of_an_answer_hold() {
    let script = r#"echo '{"ok": true, "deny": ["127.0.0.0/8"]}'"#;
    with(script, |worker, accounts, _| {
        assert_eq!(ask(accounts, worker, "ann", "x"), Ok(Standing::Decoy));
    });
    with(
        r#"echo '{"ok": true, "expires": "2020-01-01"}'"#,
        |worker, accounts, _| {
            assert_eq!(ask(accounts, worker, "ann", "x"), Ok(Standing::Known));
            let refused = accounts.resolve(worker, "ann").err();
            assert_eq!(refused, Some(Refusal::NotNow));
        },
    );
}

#[test]
fn a_question_that_waited_too_long_is_not_asked() {
    with("echo '{\"ok\": true}'", |worker, accounts, _| {
        let since = Instant::now().checked_sub(2 * DEADLINE).unwrap();
        let inquiry = Inquiry {
            user: "ann",
            password: b"x",
            caller: CALLER,
            came_by: CameBy::Clear,
            since,
        };
        let said = accounts.ask_elsewhere(worker, &inquiry);
        assert_eq!(said, Err(Refusal::NoAccounts));
    });
}

/// Without the shorter time this would not end.
#[test]
fn a_wait_for_a_turn_is_of_the_same_deadline() {
    let (hours, left) = (Duration::from_secs(7200), Duration::from_millis(200));
    let said = program("exec sleep 7000", hours).ask(b"{}\n", left);
    assert!(matches!(said, Ok(Verdict::Failed(why)) if why.starts_with("it took longer")));
    with("exec sleep 7000", |worker, accounts, _| {
        let since = Instant::now().checked_sub(DEADLINE.mul_f64(0.99)).unwrap();
        let inquiry = Inquiry {
            user: "ann",
            password: b"x",
            caller: CALLER,
            came_by: CameBy::Clear,
            since,
        };
        let said = accounts.ask_elsewhere(worker, &inquiry);
        assert_eq!(said, Err(Refusal::NoAccounts));
    });
}

#[test]
fn a_remembered_password_opens_no_door_that_the_group_has_closed() {
    with(ANN, |worker, accounts, _| {
        assert_eq!(ask(accounts, worker, "ann", "x"), Ok(Standing::Known));
        let check = || accounts.check(worker, "ann", HERE, b"x", None);
        let edit = |from: &str, to: &str| {
            let text = std::fs::read_to_string(accounts.path()).unwrap();
            std::fs::write(accounts.path(), text.replace(from, to)).unwrap();
        };
        assert_eq!(check(), Some(Standing::Known));
        for closed in [
            "deny: [\"127.0.0.0/8\"]",
            "ftp: false",
            "certificate: Required",
        ] {
            let with_it = format!("access: ReadOnly, {closed}");
            edit("access: ReadOnly", &with_it);
            assert_eq!(check(), Some(Standing::Decoy), "{closed}");
            assert_eq!(
                ask(accounts, worker, "ann", "x"),
                Ok(Standing::Decoy),
                "{closed}"
            );
            edit(&with_it, "access: ReadOnly");
            assert_eq!(check(), Some(Standing::Known));
        }
        // Nobody's password is wrong because of a slip in a file.
        edit("\"pupils\"", "\"others\"");
        assert_eq!(check(), Some(Standing::Known));
        let refused = accounts.resolve(worker, "ann").err();
        assert_eq!(refused, Some(Refusal::NoAccounts));
    });
}

#[test]
fn an_answer_has_the_keys_of_an_account() {
    let script = r#"echo '{"ok": true, "group": "pupils", "access": "read-write", "keep": "14d",
        "ring": true, "rates": {"upload": "1MB"}, "session_rates": {"download": "2MB"},
        "folders": {"/in": "drop-box"}, "entries": 1000}'"#;
    with(script, |worker, accounts, _| {
        assert_eq!(ask(accounts, worker, "ann", "x"), Ok(Standing::Known));
        let resolved = accounts.resolve(worker, "ann").ok().unwrap();
        let Retention { keep, when_full } = resolved.rules.retention;
        assert_eq!(keep, Some(Duration::from_secs(14 * 86_400)));
        assert_eq!(when_full, WhenFull::RemoveOldest);
        let limit = resolved.rules.limit;
        assert_eq!((limit.bytes, limit.entries), (50_000_000, 1000));
        let rates = (resolved.terms.user_rates, resolved.terms.session_rates);
        assert_eq!(rates.0.upload.map(|rate| rate.get()), Some(1_000_000));
        assert_eq!(rates.1.download.map(|rate| rate.get()), Some(2_000_000));
        let expiring = accounts.expiring_homes(worker);
        let users: Vec<_> = expiring.iter().map(|home| home.user.as_str()).collect();
        assert_eq!(users, ["ann"], "its files go too");
    });
}

#[test]
fn those_who_are_gone_are_forgotten_and_those_who_are_there_are_kept() {
    with("", |_, accounts, _| {
        let elsewhere = accounts.elsewhere.as_ref().unwrap();
        let elsewhere = Elsewhere {
            broker: Broker::served_by(program("", DEADLINE)),
            cache: Duration::ZERO,
            deadline: elsewhere.deadline,
            known: Mutex::default(),
        };
        let name = |number: usize| -> UserName { format!("u{number}").parse().unwrap() };
        let mut held = Vec::new();
        for number in 0..3 * KEPT {
            let account = Account::proven_elsewhere();
            assert!(elsewhere.remember(name(number), account, [1; 32]));
            if number % 3 == 0 {
                held.extend(elsewhere.find(name(number).as_str()));
            }
        }
        assert!(elsewhere.all().len() <= 2 * KEPT);
        for number in (0..3 * KEPT).step_by(3) {
            assert!(elsewhere.find(name(number).as_str()).is_some(), "{number}");
        }
    });
}
