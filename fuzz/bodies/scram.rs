//! SCRAM's messages as bytes, at both ends: only the right proof of the right password logs in, only
//! the right signature is trusted, and every other message is an error.

use std::sync::LazyLock;

use skiff_sessions::scram::{
    Binding, ClientFirst, ClientLogin, ScramError, Verifier, check_change, prove_change,
};

use super::input::Input;

const CHANNEL: Binding = Binding::TlsExporter([7; 32]);
const NONCES: (&str, &str) = ("mine", "yours");
const PASSWORD: &str = "123";
/// The fewest that are taken: each costs a millisecond here.
const ITERATIONS: u32 = 10_000;
/// The most that a run computes.
const CHEAP: u32 = 20_000;

/// One login that is right, message by message.
struct Login {
    verifier: Verifier,
    first: Vec<u8>,
    challenge: Vec<u8>,
    last: Vec<u8>,
    signature: Vec<u8>,
}

static LOGIN: LazyLock<Login> = LazyLock::new(|| {
    let verifier = Verifier::derive(PASSWORD, vec![7; 16], ITERATIONS).unwrap();
    let (login, first) = ClientLogin::new("tom", NONCES.0, CHANNEL).unwrap();
    let parsed = ClientFirst::parse(&first).unwrap();
    let (proof, challenge) = parsed.challenge(&verifier, &CHANNEL, NONCES.1).unwrap();
    let (wait, last) = login.answer(&challenge, PASSWORD).unwrap();
    let signature = proof.verify(&last).unwrap();
    wait.check(&signature).unwrap();
    Login {
        verifier,
        first,
        challenge,
        last,
        signature,
    }
});

pub(crate) fn scram(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 5 {
        0 | 1 => server(&mut input),
        2 => client(&mut input),
        3 => password(&mut input),
        _ => change(&mut input),
    }
}

/// A message that somebody on the way, or no friend at the other end, made of the right one.
fn forged(right: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let mut message = right.to_vec();
    for _ in 0..input.byte() % 4 {
        let at = usize::from(input.byte()) % (message.len() + 1);
        match input.byte() % 6 {
            0 => message.truncate(at),
            1 => message.extend_from_slice(input.chunk()),
            2 => message.insert(at, input.byte()),
            3 => message = input.chunk().to_vec(),
            4 if at < message.len() => drop(message.remove(at)),
            _ if at < message.len() => message[at] = input.byte(),
            _ => {}
        }
    }
    message
}

/// What the server makes of a client's messages.
fn server(input: &mut Input<'_>) {
    let login = &*LOGIN;
    let (first, last) = (forged(&login.first, input), forged(&login.last, input));
    let bindings = [CHANNEL, Binding::None, Binding::TlsExporter([8; 32])];
    let binding = input.pick(&bindings);
    let is_right = (&first, &last, binding) == (&login.first, &login.last, &CHANNEL);
    let answered = answer(&first, &last, binding);
    assert_eq!(
        answered.as_ref().ok(),
        is_right.then_some(&login.signature),
        "{} {}",
        first.escape_ascii(),
        last.escape_ascii()
    );
}

fn answer(first: &[u8], last: &[u8], binding: &Binding) -> Result<Vec<u8>, ScramError> {
    let parsed = ClientFirst::parse(first)?;
    assert!(!parsed.user().is_empty() && !parsed.user().contains('\0'));
    let (proof, challenge) = parsed.challenge(&LOGIN.verifier, binding, NONCES.1)?;
    assert!(!challenge.iter().any(u8::is_ascii_control));
    proof.verify(last)
}

/// What the client makes of a server's messages.
fn client(input: &mut Input<'_>) {
    let login = &*LOGIN;
    let challenge = forged(&login.challenge, input);
    let signature = forged(&login.signature, input);
    if !is_cheap(&challenge) {
        return;
    }
    let (waiting, _) = ClientLogin::new("tom", NONCES.0, CHANNEL).unwrap();
    let Ok((wait, last)) = waiting.answer(&challenge, PASSWORD) else {
        assert_ne!(challenge, login.challenge);
        return;
    };
    assert_eq!(last == login.last, challenge == login.challenge);
    // Extensions may follow the signature (RFC 5802 section 7, server-final-message).
    let extension = signature.strip_prefix(&*login.signature);
    let is_signed = extension.is_some_and(|e| e.is_empty() || e.starts_with(b","));
    let is_trusted = wait.check(&signature).is_ok();
    assert!(!is_trusted || is_signed && challenge == login.challenge);
    assert!(is_trusted || signature != login.signature || challenge != login.challenge);
}

/// Whether a challenge asks for few enough iterations to be answered here.
fn is_cheap(challenge: &[u8]) -> bool {
    let text = String::from_utf8_lossy(challenge);
    let asked = text.split(',').filter_map(|part| part.strip_prefix("i="));
    let counts = asked.filter_map(|count| count.parse::<u32>().ok());
    counts.max().is_none_or(|count| count <= CHEAP)
}

/// A login with any password, beside the check of a password that was sent as it is.
fn password(input: &mut Input<'_>) {
    let login = &*LOGIN;
    let typed = String::from_utf8_lossy(input.chunk());
    let (waiting, first) = ClientLogin::new("tom", NONCES.0, CHANNEL).unwrap();
    let (proof, challenge) = ClientFirst::parse(&first)
        .and_then(|first| first.challenge(&login.verifier, &CHANNEL, NONCES.1))
        .unwrap();
    let answered = waiting.answer(&challenge, &typed);
    let logged_in = answered.and_then(|(_, last)| proof.verify(&last));
    let checked = login.verifier.check(&typed);
    assert_eq!(logged_in.is_ok(), checked.is_ok());
    let plain = typed.bytes().all(|b| b.is_ascii_graphic());
    assert!(!plain || checked.is_ok() == (typed == PASSWORD), "{typed}");
}

/// A change of the password with any proof.
fn change(input: &mut Input<'_>) {
    static CHANGE: LazyLock<(Verifier, [u8; 32])> = LazyLock::new(|| {
        let old = &LOGIN.verifier;
        let new = Verifier::derive("124", vec![8; 16], ITERATIONS).unwrap();
        let derivation = skiff_sessions::scram::KeyDerivation {
            salt: old.salt.clone(),
            iterations: old.iterations,
        };
        let proof = prove_change(PASSWORD, &derivation, &CHANNEL, &new).unwrap();
        (new, proof)
    });
    let (right, proof) = &*CHANGE;
    let mut new = right.clone();
    new.salt = forged(&new.salt, input);
    new.iterations = new.iterations.wrapping_add(u32::from(input.byte()));
    new.stored_key[usize::from(input.byte()) % 32] ^= input.byte();
    new.server_key[usize::from(input.byte()) % 32] ^= input.byte();
    let shown = forged(proof, input);
    let Ok(shown) = <[u8; 32]>::try_from(shown) else {
        return;
    };
    let is_right = shown == *proof
        && (&new.salt, new.iterations) == (&right.salt, right.iterations)
        && (new.stored_key, new.server_key) == (right.stored_key, right.server_key);
    let checked = check_change(&LOGIN.verifier, &CHANNEL, &new, &shown);
    assert_eq!(checked.is_ok(), is_right);
}
