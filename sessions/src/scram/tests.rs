//! Tests both ends of SCRAM with the vectors of RFC 7677, with each other, and with forgers.

use std::ops::RangeInclusive;

use base64ct::{Base64, Encoding};

use super::keys::prepare_user;
use super::message::{decode_saslname, encode_saslname, parse_count};
use super::*;

const CHANNEL: Binding = Binding::TlsExporter([7; 32]);
const OTHER_CHANNEL: Binding = Binding::TlsExporter([8; 32]);
const SALT: &[u8; 16] = b"0123456789abcdef";

/// The example of RFC 7677, section 3, is below [`MIN_ITERATIONS`].
const RFC_BOUNDS: RangeInclusive<u32> = 4096..=4096;
const RFC_FIRST: &[u8] = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const RFC_NONCES: (&str, &str) = ("rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
const RFC_CHALLENGE: &[u8] = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
    s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const RFC_FINAL: &[u8] = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
    p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const RFC_SIGNATURE: &[u8] = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

fn rfc_verifier() -> Verifier {
    let salt = Base64::decode_vec("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
    Verifier::derive_within(&RFC_BOUNDS, "pencil", salt, 4096).unwrap()
}

fn verifier(password: &str) -> Verifier {
    Verifier::derive(password, SALT.to_vec(), MIN_ITERATIONS).unwrap()
}

/// A login up to the client's proof.
fn proved(
    verifier: &Verifier,
    password: &str,
    client: Binding,
    server: &Binding,
) -> (ServerProof, AwaitSignature, Vec<u8>) {
    let (login, first) = ClientLogin::new("tom", "mine", client).unwrap();
    let first = ClientFirst::parse(&first).unwrap();
    let (proof, challenge) = first.challenge(verifier, server, "yours").unwrap();
    let (wait, last) = login.answer(&challenge, password).unwrap();
    (proof, wait, last)
}

fn log_in(verifier: &Verifier, password: &str, client: Binding) -> Result<(), ScramError> {
    let (proof, wait, last) = proved(verifier, password, client.clone(), &client);
    wait.check(&proof.verify(&last)?).map(drop)
}

fn challenge_for(first: &[u8], binding: &Binding) -> Result<Vec<u8>, ScramError> {
    let decoy = Verifier::decoy("tom", b"secret", MIN_ITERATIONS);
    let (_, challenge) = ClientFirst::parse(first)?.challenge(&decoy, binding, "yours")?;
    Ok(challenge)
}

fn answer_to(challenge: &str) -> Result<Vec<u8>, ScramError> {
    let (login, _) = ClientLogin::new("tom", "mine", Binding::None)?;
    let (_, last) = login.answer(challenge.as_bytes(), "123")?;
    Ok(last)
}

#[test]
fn server_follows_rfc_7677() {
    let first = ClientFirst::parse(RFC_FIRST).unwrap();
    assert_eq!(first.user(), "user");
    let (proof, challenge) = first
        .challenge(&rfc_verifier(), &Binding::None, RFC_NONCES.1)
        .unwrap();
    assert_eq!(challenge, RFC_CHALLENGE);
    assert_eq!(proof.verify(RFC_FINAL).unwrap(), RFC_SIGNATURE);
}

#[test]
fn client_follows_rfc_7677() {
    let (login, first) = ClientLogin::new("user", RFC_NONCES.0, Binding::None).unwrap();
    assert_eq!(first, RFC_FIRST);
    let (wait, last) = login
        .answer_within(&RFC_BOUNDS, RFC_CHALLENGE, "pencil")
        .unwrap();
    assert_eq!(last, RFC_FINAL);
    let derivation = wait.check(RFC_SIGNATURE).unwrap();
    let verifier = rfc_verifier();
    assert_eq!(
        (derivation.salt, derivation.iterations),
        (verifier.salt.clone(), verifier.iterations)
    );
}

#[test]
fn public_client_refuses_the_iterations_of_the_rfc() {
    let (login, _) = ClientLogin::new("user", RFC_NONCES.0, Binding::None).unwrap();
    let refused = login.answer(RFC_CHALLENGE, "pencil").unwrap_err();
    assert_eq!(refused, ScramError::Iterations(4096));
}

#[test]
fn right_password_logs_in_bound_and_plain() {
    let verifier = verifier("123");
    assert_eq!(log_in(&verifier, "123", CHANNEL), Ok(()));
    assert_eq!(log_in(&verifier, "123", Binding::None), Ok(()));
}

#[test]
fn bound_messages_carry_the_exporter() {
    let (_, first) = ClientLogin::new("tom", "mine", CHANNEL).unwrap();
    assert_eq!(first, b"p=tls-exporter,,n=tom,r=mine");
    let (_, _, last) = proved(&verifier("123"), "123", CHANNEL, &CHANNEL);
    let bound = Base64::encode_string(&[&b"p=tls-exporter,,"[..], &[7; 32]].concat());
    assert!(last.starts_with(format!("c={bound},r=mineyours,p=").as_bytes()));
}

#[test]
fn wrong_password_is_refused() {
    assert_eq!(
        log_in(&verifier("123"), "124", CHANNEL),
        Err(ScramError::WrongProof)
    );
}

#[test]
fn relayed_login_is_refused() {
    let (proof, _, last) = proved(&verifier("123"), "123", OTHER_CHANNEL, &CHANNEL);
    assert_eq!(proof.verify(&last), Err(ScramError::BindingMismatch));
}

#[test]
fn rewriting_the_binding_breaks_the_proof() {
    let (proof, _, last) = proved(&verifier("123"), "123", OTHER_CHANNEL, &CHANNEL);
    let input = |byte: u8| Base64::encode_string(&[&b"p=tls-exporter,,"[..], &[byte; 32]].concat());
    let forged = String::from_utf8(last)
        .unwrap()
        .replace(&input(8), &input(7));
    assert_eq!(proof.verify(forged.as_bytes()), Err(ScramError::WrongProof));
}

#[test]
fn header_changed_on_the_way_is_refused() {
    // The client said `n`; someone made `y` of it.
    let (login, first) = ClientLogin::new("tom", "mine", Binding::None).unwrap();
    let forged = [b"y", &first[1..]].concat();
    let (proof, challenge) = ClientFirst::parse(&forged)
        .unwrap()
        .challenge(&verifier("123"), &Binding::None, "yours")
        .unwrap();
    let (_, last) = login.answer(&challenge, "123").unwrap();
    assert_eq!(proof.verify(&last), Err(ScramError::BindingMismatch));
}

#[test]
fn downgrade_is_refused() {
    for flag in ["n", "y"] {
        let first = format!("{flag},,n=tom,r=mine");
        let refused = challenge_for(first.as_bytes(), &CHANNEL);
        assert_eq!(refused, Err(ScramError::BindingRequired), "{flag}");
        assert!(
            challenge_for(first.as_bytes(), &Binding::None).is_ok(),
            "{flag}"
        );
    }
}

#[test]
fn binding_that_is_not_offered_is_refused() {
    let plus = b"p=tls-exporter,,n=tom,r=mine";
    assert_eq!(
        challenge_for(plus, &Binding::None),
        Err(ScramError::BindingUnsupported)
    );
    let unique = b"p=tls-unique,,n=tom,r=mine";
    assert_eq!(
        challenge_for(unique, &CHANNEL),
        Err(ScramError::BindingUnsupported)
    );
}

#[test]
fn foreign_nonce_is_refused_by_the_server() {
    let verifier = verifier("123");
    for nonce in ["mineyour", "mineyourss", "mine", "yours"] {
        let (proof, _, last) = proved(&verifier, "123", Binding::None, &Binding::None);
        let forged = String::from_utf8(last).unwrap().replace("mineyours", nonce);
        let refused = proof.verify(forged.as_bytes());
        assert_eq!(
            refused,
            Err(ScramError::NonceMismatch(Message::ClientFinal)),
            "{nonce}"
        );
    }
}

#[test]
fn nonce_that_adds_nothing_is_refused_by_the_client() {
    for nonce in ["mine", "yours", "min", "yoursmine"] {
        let refused = answer_to(&format!("r={nonce},s=c2FsdA==,i=10000"));
        assert_eq!(
            refused,
            Err(ScramError::NonceMismatch(Message::ServerFirst)),
            "{nonce}"
        );
    }
    assert_eq!(
        answer_to("r=mine yours,s=c2FsdA==,i=10000"),
        Err(ScramError::BadNonce)
    );
}

#[test]
fn nonces_are_printable_without_comma() {
    for nonce in ["", "a,b", "a b", "a\nb", "a\u{7f}", "ä"] {
        let login = ClientLogin::new("tom", nonce, Binding::None);
        assert_eq!(login.unwrap_err(), ScramError::BadNonce, "{nonce:?}");
        let first = ClientFirst::parse(b"n,,n=tom,r=mine").unwrap();
        let challenge = first.challenge(&verifier("123"), &Binding::None, nonce);
        assert_eq!(challenge.unwrap_err(), ScramError::BadNonce, "{nonce:?}");
    }
    assert_eq!(
        ClientFirst::parse(b"n,,n=tom,r=a b").unwrap_err(),
        ScramError::BadNonce
    );
}

#[test]
fn iterations_outside_of_the_bounds_are_refused() {
    for iterations in [1, MIN_ITERATIONS - 1, MAX_ITERATIONS + 1, u32::MAX] {
        let challenge = format!("r=mineyours,s=c2FsdA==,i={iterations}");
        assert_eq!(
            answer_to(&challenge),
            Err(ScramError::Iterations(iterations))
        );
        let made = Verifier::derive("123", SALT.to_vec(), iterations);
        assert_eq!(made.unwrap_err(), ScramError::Iterations(iterations));
    }
    assert!(answer_to("r=mineyours,s=c2FsdA==,i=10000").is_ok());
}

#[test]
fn counts_have_neither_sign_nor_leading_zero() {
    for count in [
        "",
        "0",
        "010000",
        "+10000",
        "-1",
        "1e5",
        " 10000",
        "4294967296",
        "٣",
    ] {
        assert_eq!(parse_count(count), None, "{count:?}");
    }
    assert_eq!(parse_count("10000"), Some(10_000));
}

#[test]
fn tampered_signature_is_refused() {
    let (proof, wait, last) = proved(&verifier("123"), "123", CHANNEL, &CHANNEL);
    let mut signed = proof.verify(&last).unwrap();
    signed[2] = if signed[2] == b'A' { b'B' } else { b'A' };
    assert_eq!(wait.check(&signed), Err(ScramError::WrongSignature));
}

#[test]
fn server_that_knows_only_the_stored_key_is_found_out() {
    let mut stolen = verifier("123");
    stolen.server_key = [0; 32];
    assert_eq!(
        log_in(&stolen, "123", CHANNEL),
        Err(ScramError::WrongSignature)
    );
}

#[test]
fn refusals_and_strange_ends_are_told_apart() {
    let malformed = ScramError::Malformed(Message::ServerFinal);
    let signature = Base64::encode_string(&[0; 32]);
    let cases = [
        ("e=invalid-proof".to_owned(), ScramError::Refused),
        (
            format!("m=x,v={signature}"),
            ScramError::MandatoryExtension(Message::ServerFinal),
        ),
        (
            format!("v={signature},x=ignored"),
            ScramError::WrongSignature,
        ),
        (format!("v={signature},"), malformed),
        ("v=AAAA".to_owned(), malformed),
        ("v=".to_owned(), malformed),
        (String::new(), malformed),
    ];
    for (end, error) in cases {
        let (_, wait, _) = proved(&verifier("123"), "123", CHANNEL, &CHANNEL);
        assert_eq!(wait.check(end.as_bytes()), Err(error), "{end}");
    }
}

#[test]
fn tampered_proof_is_refused() {
    let (_, _, last) = proved(&verifier("123"), "123", CHANNEL, &CHANNEL);
    let last = String::from_utf8(last).unwrap();
    let (unproved, _) = last.rsplit_once(",p=").unwrap();
    let zeros = format!("{unproved},p={}", Base64::encode_string(&[0; 32]));
    let short = format!("{unproved},p={}", Base64::encode_string(&[0; 31]));
    let long = format!("{unproved},p={}", Base64::encode_string(&[0; 33]));
    let malformed = ScramError::Malformed(Message::ClientFinal);
    for (forged, error) in [
        (zeros.as_str(), ScramError::WrongProof),
        (&short, malformed),
        (&long, malformed),
        (unproved, malformed),
        (&format!("{last},x=after"), malformed),
    ] {
        let (proof, _, _) = proved(&verifier("123"), "123", CHANNEL, &CHANNEL);
        assert_eq!(proof.verify(forged.as_bytes()), Err(error), "{forged}");
    }
}

#[test]
fn first_messages_that_break_the_grammar_are_refused() {
    let malformed = ScramError::Malformed(Message::ClientFirst);
    let mandatory = ScramError::MandatoryExtension(Message::ClientFirst);
    for (first, error) in [
        ("", malformed),
        ("n", malformed),
        ("n,,", malformed),
        ("n,n=tom,r=mine", malformed),
        ("x,,n=tom,r=mine", malformed),
        ("N,,n=tom,r=mine", malformed),
        ("n,,n=tom", malformed),
        ("n,,r=mine,n=tom", malformed),
        ("n,,n=,r=mine", malformed),
        ("n,,n=tom,r=", malformed),
        ("n,,n=tom,r=mine,", malformed),
        ("n,,n=tom,r=mine,1=x", malformed),
        ("n,,n=tom,r=mine,xx=x", malformed),
        ("n,,n=to=2cm,r=mine", malformed),
        ("n,,n=to=m,r=mine", malformed),
        ("n,,n=tom=,r=mine", malformed),
        ("n,,n=to\0m,r=mine", malformed),
        ("n,,m=x,n=tom,r=mine", mandatory),
        ("n,,n=tom,r=mine,m=x", mandatory),
        ("n,a=jerry,n=tom,r=mine", ScramError::Authzid),
        ("n,,n=to\u{7}m,r=mine", ScramError::BadUser),
        ("n,,n=\u{ad},r=mine", ScramError::BadUser),
    ] {
        assert_eq!(
            ClientFirst::parse(first.as_bytes()).unwrap_err(),
            error,
            "{first:?}"
        );
    }
    assert_eq!(
        ClientFirst::parse(b"n,,n=t\xffm,r=mine").unwrap_err(),
        malformed
    );
}

#[test]
fn optional_extensions_are_ignored_but_signed() {
    let verifier = verifier("123");
    let (login, first) = ClientLogin::new("tom", "mine", Binding::None).unwrap();
    let extended = [&first[..], b",x=new"].concat();
    let first = ClientFirst::parse(&extended).unwrap();
    assert_eq!(first.user(), "tom");
    let (proof, challenge) = first.challenge(&verifier, &Binding::None, "yours").unwrap();
    let (_, last) = login.answer(&challenge, "123").unwrap();
    // The client never sent `x`, so its proof covers another exchange.
    assert_eq!(proof.verify(&last), Err(ScramError::WrongProof));
    assert!(answer_to("r=mineyours,s=c2FsdA==,i=10000,x=new").is_ok());
}

#[test]
fn challenges_that_break_the_grammar_are_refused() {
    let malformed = ScramError::Malformed(Message::ServerFirst);
    let mandatory = ScramError::MandatoryExtension(Message::ServerFirst);
    for (challenge, error) in [
        ("", malformed),
        ("r=mineyours", malformed),
        ("r=mineyours,s=c2FsdA==", malformed),
        ("r=mineyours,s=c2FsdA,i=10000", malformed),
        ("r=mineyours,s=,i=10000", malformed),
        ("r=mineyours,i=10000,s=c2FsdA==", malformed),
        ("r=mineyours,s=c2FsdA==,i=+10000", malformed),
        ("r=mineyours,s=c2FsdA==,i=10000,", malformed),
        ("m=x,r=mineyours,s=c2FsdA==,i=10000", mandatory),
        ("e=unknown-user", malformed),
    ] {
        assert_eq!(answer_to(challenge), Err(error), "{challenge:?}");
    }
}

#[test]
fn messages_are_bounded() {
    let first = |nonce: usize| format!("n,,n=tom,r={}", "x".repeat(nonce));
    let head = first(0).len();
    assert!(ClientFirst::parse(first(MAX_MESSAGE - head).as_bytes()).is_ok());
    let refused = ClientFirst::parse(first(MAX_MESSAGE - head + 1).as_bytes()).unwrap_err();
    assert_eq!(refused, ScramError::TooLong(Message::ClientFirst));

    let long = "x".repeat(MAX_MESSAGE + 1);
    assert_eq!(
        answer_to(&long),
        Err(ScramError::TooLong(Message::ServerFirst))
    );
    let (proof, wait, _) = proved(&verifier("123"), "123", CHANNEL, &CHANNEL);
    let refused = proof.verify(long.as_bytes());
    assert_eq!(refused, Err(ScramError::TooLong(Message::ClientFinal)));
    let refused = wait.check(long.as_bytes());
    assert_eq!(refused, Err(ScramError::TooLong(Message::ServerFinal)));
}

#[test]
fn empty_and_forbidden_passwords_are_refused() {
    for (password, error) in [
        ("", ScramError::EmptyPassword),
        ("\u{ad}", ScramError::EmptyPassword),
        ("a\u{7}b", ScramError::BadPassword),
        ("a\u{85}b", ScramError::BadPassword),
        ("\u{627}1", ScramError::BadPassword),
    ] {
        let made = Verifier::derive(password, SALT.to_vec(), MIN_ITERATIONS);
        assert_eq!(made.unwrap_err(), error, "{password:?}");
        assert_eq!(verifier("123").check(password), Err(error), "{password:?}");
        let (login, _) = ClientLogin::new("tom", "mine", Binding::None).unwrap();
        let answer = login.answer(b"r=mineyours,s=c2FsdA==,i=10000", password);
        assert_eq!(answer.unwrap_err(), error, "{password:?}");
    }
    let made = Verifier::derive("123", Vec::new(), MIN_ITERATIONS);
    assert_eq!(made.unwrap_err(), ScramError::EmptySalt);
}

#[test]
fn saslprep_makes_spellings_one() {
    // The examples of RFC 4013, section 3, and letters of double width.
    for (spelled, prepared) in [
        ("I\u{ad}X", "IX"),
        ("user", "user"),
        ("USER", "USER"),
        ("\u{aa}", "a"),
        ("\u{2168}", "IX"),
        ("\u{ff34}\u{ff4f}\u{ff4d}", "Tom"),
        ("a\u{a0}b", "a b"),
    ] {
        assert_eq!(
            prepare_user(spelled).as_deref(),
            Ok(prepared),
            "{spelled:?}"
        );
        assert_eq!(
            log_in(&verifier(prepared), spelled, CHANNEL),
            Ok(()),
            "{spelled:?}"
        );
    }
    let first = "n,,n=\u{ff34}o\u{ad}m,r=mine";
    assert_eq!(ClientFirst::parse(first.as_bytes()).unwrap().user(), "Tom");
    assert_eq!(prepare_user("\u{7}"), Err(ScramError::BadUser));
    assert_eq!(prepare_user("\u{627}1"), Err(ScramError::BadUser));
    assert_eq!(
        log_in(&verifier("user"), "USER", CHANNEL),
        Err(ScramError::WrongProof)
    );
}

#[test]
fn commas_and_equal_signs_in_names_survive() {
    for name in ["a,b", "a=b", ",=,=", "=2C", "=3D2C"] {
        let (_, first) = ClientLogin::new(name, "mine", Binding::None).unwrap();
        assert_eq!(ClientFirst::parse(&first).unwrap().user(), name);
    }
    assert_eq!(encode_saslname("a,b=c"), "a=2Cb=3Dc");
    assert_eq!(decode_saslname("a=2Cb=3Dc").as_deref(), Some("a,b=c"));
    // A full-width comma becomes a plain one before it is escaped, not after.
    let (_, first) = ClientLogin::new("a\u{ff0c}b", "mine", Binding::None).unwrap();
    assert_eq!(first, b"n,,n=a=2Cb,r=mine");
}

#[test]
fn decoy_never_accepts_and_keeps_its_salt() {
    let decoy = Verifier::decoy("ghost", b"secret", MIN_ITERATIONS);
    for password in ["123", "ghost", "secret"] {
        assert_eq!(
            log_in(&decoy, password, CHANNEL),
            Err(ScramError::WrongProof)
        );
        assert_eq!(decoy.check(password), Err(ScramError::WrongProof));
    }
    assert_eq!(
        decoy.salt,
        Verifier::decoy("ghost", b"secret", MIN_ITERATIONS).salt
    );
    assert_eq!(decoy.salt.len(), 16);
    assert_ne!(
        decoy.salt,
        Verifier::decoy("ghosu", b"secret", MIN_ITERATIONS).salt
    );
    assert_ne!(
        decoy.salt,
        Verifier::decoy("ghost", b"secreu", MIN_ITERATIONS).salt
    );
    assert_ne!(decoy.stored_key, decoy.server_key);
}

#[test]
fn password_in_clear_is_checked() {
    let verifier = verifier("I\u{ad}X");
    assert_eq!(verifier.check("IX"), Ok(()));
    assert_eq!(verifier.check("ix"), Err(ScramError::WrongProof));
}

#[test]
fn debug_shows_no_secrets() {
    let verifier = verifier("123");
    let (proof, wait, _) = proved(&verifier, "123", CHANNEL, &CHANNEL);
    let shown = format!("{verifier:?} {proof:?} {wait:?} {CHANNEL:?}");
    for secret in [
        &verifier.stored_key[..4],
        &verifier.server_key[..4],
        &[7; 4],
    ] {
        let listed = format!("{secret:?}");
        let listed = listed.trim_matches(['[', ']']);
        assert!(!shown.contains(listed), "{shown}");
    }
}

#[test]
fn garbage_is_refused_without_panic() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let verifier = rfc_verifier();
    for _ in 0..20_000 {
        let first = random.mangle(RFC_FIRST);
        if let Ok(first) = ClientFirst::parse(&first) {
            let _ = first.challenge(&verifier, &Binding::None, "yours");
        }
        let (login, _) = ClientLogin::new("user", RFC_NONCES.0, Binding::None).unwrap();
        let challenge = random.mangle(b"r=rOprNGfwEbeRWgbNEkqOx,s=c2FsdA==,i=1");
        let answer = login.answer_within(&(1..=9), &challenge, "pencil");
        let last = random.mangle(RFC_FINAL);
        let (proof, _) = ClientFirst::parse(RFC_FIRST)
            .unwrap()
            .challenge(&verifier, &Binding::None, RFC_NONCES.1)
            .unwrap();
        assert_eq!(proof.verify(&last).is_ok(), last == RFC_FINAL);
        if let Ok((wait, _)) = answer {
            assert!(wait.check(&random.mangle(RFC_SIGNATURE)).is_err());
        }
    }
}

/// Xorshift: the same garbage in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }

    /// `message` with up to three bytes changed, inserted or dropped, or its tail cut.
    fn mangle(&mut self, message: &[u8]) -> Vec<u8> {
        const BYTES: &[u8] = b",=nryapcsivme0123456789A+/ \0\x7f\xc2\xad\xff";
        let mut mangled = message.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(mangled.len() + 1);
            let byte = BYTES[self.below(BYTES.len())];
            match self.below(8) {
                0 => mangled.truncate(at),
                1..=3 => mangled.insert(at, byte),
                4 if at < mangled.len() => drop(mangled.remove(at)),
                _ if at < mangled.len() => mangled[at] = byte,
                _ => {}
            }
        }
        mangled
    }
}
