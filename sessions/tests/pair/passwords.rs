//! Tests PASSWD: the proof of the old password, its penalty, and who may not change one.

use std::time::Duration;

use base64ct::{Base64, Encoding};
use skiff_sessions::client::{Credentials, Dialogue, Outcome};
use skiff_sessions::scram::{Binding, KeyDerivation, Verifier, prove_change};
use skiff_sessions::server::Event;
use skiff_sessions::wire::command::{Command, NewVerifier, PasswordChange};
use skiff_sessions::wire::reply::{CloseReason, Refusal};

use super::disk::Disk;
use super::drive::Pair;
use super::known::PASSWORD;
use super::rig::Rig;
use super::said::Said;

const BOUND: Binding = Binding::TlsExporter([7; 32]);
const NEW_PASSWORD: &str = "a new one";

/// Logged in over TLS, with what the login told of the password.
fn inside(attempts_before: usize) -> (Pair, KeyDerivation) {
    let rig = Rig {
        binding: BOUND,
        ..Rig::roomy()
    };
    let mut pair = Pair::stranger(rig, Disk::new());
    for failure in 0..attempts_before {
        assert!(matches!(log_in(&mut pair, "124"), Outcome::Replied(_)));
        assert_eq!(pair.server.strikes.len(), failure + 1);
    }
    let outcome = log_in(&mut pair, PASSWORD);
    let Outcome::LoggedIn(welcome) = outcome else {
        panic!("{outcome:?}");
    };
    pair.server.strikes.clear();
    (pair, welcome.derivation)
}

fn log_in(pair: &mut Pair, password: &str) -> Outcome {
    let credentials = Credentials {
        user: "tom".to_owned(),
        password: password.to_owned().into(),
        nonce: "nonce".to_owned(),
        binding: BOUND,
    };
    pair.client
        .begin(|_, out| Dialogue::login(credentials, out).unwrap());
    pair.drive();
    if let Some(outcome) = pair.client.outcome() {
        return outcome;
    }
    pair.advance(Duration::from_secs(4));
    pair.finish()
}

/// A change to [`NEW_PASSWORD`] by whoever says that `old` is the password.
fn change(old: &str, derivation: &KeyDerivation, binding: &Binding) -> PasswordChange {
    let new = Verifier::derive(NEW_PASSWORD, vec![9; 16], 10_000).unwrap();
    PasswordChange {
        proof: prove_change(old, derivation, binding, &new).unwrap(),
        new: NewVerifier {
            salt: new.salt.clone(),
            iterations: new.iterations,
            stored_key: new.stored_key,
            server_key: new.server_key,
        },
    }
}

fn line(change: &PasswordChange) -> String {
    let PasswordChange { new, proof } = change;
    format!(
        "PASSWD salt={} iterations={} stored={} server={} proof={}\r\n",
        Base64::encode_string(&new.salt),
        new.iterations,
        Base64::encode_string(&new.stored_key),
        Base64::encode_string(&new.server_key),
        Base64::encode_string(proof),
    )
}

/// Nothing is said before the penalty's end; then what is.
fn after(pair: &mut Pair, typed: &str, millis: u64) -> Vec<Said> {
    assert_eq!(pair.types(typed), [], "before anything else");
    pair.client.type_in(b"");
    pair.advance(Duration::from_millis(millis - 1));
    assert_eq!(pair.hears(), [], "not before {millis} ms");
    pair.client.type_in(b"");
    pair.advance(Duration::from_millis(1));
    pair.drive();
    pair.hears()
}

fn wrong() -> Said {
    let text = "why=wrong-password the old password is wrong, or was changed since this login";
    Said::Line(403, text.to_owned())
}

#[test]
fn who_knows_the_old_password_sets_a_new_one() {
    let (mut pair, derivation) = inside(0);
    let change = change(PASSWORD, &derivation, &BOUND);
    let outcome = pair.asks(Command::SetPassword(Box::new(change)));
    assert!(
        matches!(&outcome, Outcome::Replied(answered) if answered.code == 250),
        "{outcome:?}"
    );
    assert!(pair.disk().verifier().check(NEW_PASSWORD).is_ok());
    assert!(pair.server.strikes.is_empty());
    pair.is_ready();
}

#[test]
fn who_does_not_changes_nothing_and_stays() {
    let (mut pair, derivation) = inside(0);
    let guess = line(&change("124", &derivation, &BOUND));
    assert_eq!(after(&mut pair, &guess, 500), [wrong()]);
    assert_eq!(pair.server.strikes, ["tom"]);
    assert!(pair.disk().verifier().check(PASSWORD).is_ok());
    pair.is_ready();
    let right = line(&change(PASSWORD, &derivation, &BOUND));
    assert_eq!(pair.codes(right), [250]);
    pair.is_ready();
}

#[test]
fn each_wrong_proof_waits_longer_and_the_third_is_the_last() {
    let (mut pair, derivation) = inside(0);
    let guess = line(&change("124", &derivation, &BOUND));
    for millis in [500, 1000] {
        assert_eq!(after(&mut pair, &guess, millis), [wrong()]);
    }
    let said = after(&mut pair, &guess, 2000);
    assert_eq!(said[0], wrong());
    assert!(matches!(said[1..], [Said::Line(421, _)]), "{said:?}");
    assert!(pair.server.is_over());
    assert_eq!(pair.server.strikes, ["tom"; 3]);
    pair.server.check_at_rest();
}

/// Who guesses at the login and then within has no more guesses than who stays outside.
#[test]
fn failed_logins_count_too() {
    let (mut pair, derivation) = inside(2);
    let guess = line(&change("124", &derivation, &BOUND));
    let said = after(&mut pair, &guess, 2000);
    assert_eq!(said[0], wrong());
    assert!(matches!(said[1..], [Said::Line(421, _)]), "{said:?}");
}

#[test]
fn lines_wait_for_the_end_of_the_penalty() {
    let (mut pair, derivation) = inside(0);
    let guess = line(&change("124", &derivation, &BOUND));
    let said = after(&mut pair, &format!("{guess}PWD\r\n"), 500);
    assert_eq!(said[0], wrong());
    assert!(matches!(said[1..], [Said::Line(257, _)]), "{said:?}");
}

#[test]
fn a_session_that_is_to_end_ends_after_the_penalty() {
    let (mut pair, derivation) = inside(0);
    let guess = line(&change("124", &derivation, &BOUND));
    assert_eq!(pair.types(guess), []);
    pair.client.type_in(b"");
    pair.server_hears(Event::Leave(CloseReason::ShuttingDown));
    pair.advance(Duration::from_millis(500));
    pair.drive();
    let said = pair.hears();
    assert_eq!(said[0], wrong());
    assert!(matches!(said[1..], [Said::Line(421, _)]), "{said:?}");
    assert!(pair.server.is_over());
}

/// A proof that was made for another channel, or for another new password.
#[test]
fn a_proof_is_good_for_one_change_only() {
    let (mut pair, derivation) = inside(0);
    let relayed = change(PASSWORD, &derivation, &Binding::TlsExporter([8; 32]));
    assert_eq!(after(&mut pair, &line(&relayed), 500), [wrong()]);
    let mut swapped = change(PASSWORD, &derivation, &BOUND);
    swapped.new.stored_key[0] ^= 1;
    assert_eq!(after(&mut pair, &line(&swapped), 1000), [wrong()]);
    assert!(pair.disk().verifier().check(PASSWORD).is_ok());
}

#[test]
fn an_account_whose_password_is_the_operators() {
    let (mut pair, derivation) = inside(0);
    let right = line(&change(PASSWORD, &derivation, &BOUND));
    pair.disk().faults.job = Some(Refusal::PasswordFixed);
    let text =
        "why=password-fixed the password of this account is changed by the server's operator";
    let said = [Said::Line(403, text.to_owned())];
    assert_eq!(pair.types(right), said);
    assert!(pair.server.strikes.is_empty());
    assert!(pair.disk().verifier().check(PASSWORD).is_ok());
    pair.is_ready();
}

#[test]
fn without_a_proof_the_syntax_is_told() {
    let (mut pair, derivation) = inside(0);
    let right = line(&change(PASSWORD, &derivation, &BOUND));
    let (without, proof) = right.split_once(" proof=").unwrap();
    for (said, which) in [
        (format!("{without}\r\n"), "none"),
        (format!("{without} proof=AAAA\r\n"), "too short"),
        (format!("{without} proof=!{proof}"), "no base64"),
    ] {
        let told = pair.types(said);
        let [Said::Line(501, text)] = &told[..] else {
            panic!("{which}: {told:?}");
        };
        assert!(text.contains("proof=B64"), "{which}: {text}");
    }
    assert!(pair.server.strikes.is_empty());
    pair.is_ready();
}
