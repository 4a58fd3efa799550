//! Proves the old password when it is changed: the client proof of RFC 5802 section 3 over a
//! message that names the channel and the new verifier (PROTOCOL.md section 5).

use base64ct::{Base64, Encoding};

use super::keys::Key;
use super::{Binding, ScramError, Verifier};

/// How an account's password becomes keys (RFC 5802 section 3), as its client learns at the login.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyDerivation {
    pub salt: Vec<u8>,
    pub iterations: u32,
}

/// Proves that `old` is the password until now, for a change to `new` on the channel `binding`.
/// Blocks for as long as the rounds of PBKDF2 take.
///
/// # Errors
///
/// A password that is empty or that SASLprep forbids; [`ScramError::BindingRequired`] without a
/// channel to bind to.
pub fn prove_change(
    old: &str,
    derivation: &KeyDerivation,
    binding: &Binding,
    new: &Verifier,
) -> Result<[u8; 32], ScramError> {
    let message = auth_message(binding, new)?;
    let salted = Key::from_password(old, &derivation.salt, derivation.iterations)?;
    let client_key = salted.client_key();
    let signature = client_key.stored_key().mac(&[message.as_bytes()]);
    Ok(client_key.masked_by(&signature).0)
}

/// Checks the proof of a change from `old` to `new` on the channel `binding`.
///
/// # Errors
///
/// [`ScramError::WrongProof`] for a wrong password, another channel or another new verifier;
/// [`ScramError::BindingRequired`] without a channel to bind to.
pub fn check_change(
    old: &Verifier,
    binding: &Binding,
    new: &Verifier,
    proof: &[u8; 32],
) -> Result<(), ScramError> {
    let message = auth_message(binding, new)?;
    let stored_key = Key(old.stored_key);
    let signature = stored_key.mac(&[message.as_bytes()]);
    let client_key = Key(*proof).masked_by(&signature);
    match client_key.stored_key().matches(&stored_key) {
        true => Ok(()),
        false => Err(ScramError::WrongProof),
    }
}

/// The `AuthMessage` of a change. No login's begins like it: those begin with `n=`.
fn auth_message(binding: &Binding, new: &Verifier) -> Result<String, ScramError> {
    let Binding::TlsExporter(channel) = binding else {
        return Err(ScramError::BindingRequired);
    };
    Ok(format!(
        "skiff-passwd-1,c={},s={},i={},stored={},server={}",
        Base64::encode_string(channel),
        Base64::encode_string(&new.salt),
        new.iterations,
        Base64::encode_string(&new.stored_key),
        Base64::encode_string(&new.server_key),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scram::MIN_ITERATIONS;

    const CHANNEL: Binding = Binding::TlsExporter([7; 32]);
    const SALT: &[u8; 16] = b"0123456789abcdef";

    fn old() -> Verifier {
        Verifier::derive("123", SALT.to_vec(), MIN_ITERATIONS).unwrap()
    }

    fn new() -> Verifier {
        Verifier {
            salt: vec![1; 16],
            iterations: 600_000,
            stored_key: [2; 32],
            server_key: [3; 32],
        }
    }

    fn proof(password: &str) -> [u8; 32] {
        let derivation = KeyDerivation {
            salt: SALT.to_vec(),
            iterations: MIN_ITERATIONS,
        };
        prove_change(password, &derivation, &CHANNEL, &new()).unwrap()
    }

    /// Computed with Python's hashlib and hmac.
    #[test]
    fn the_page_and_the_code_agree() {
        let channel = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";
        let stored = "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=";
        let server = "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM=";
        assert_eq!(
            auth_message(&CHANNEL, &new()).unwrap(),
            format!(
                "skiff-passwd-1,c={channel},s=AQEBAQEBAQEBAQEBAQEBAQ==,i=600000,\
                 stored={stored},server={server}"
            )
        );
        assert_eq!(
            Base64::encode_string(&proof("123")),
            "LyTyUfw3ylKoMIom6TTRj5U4wy6kaN+WWgSDykOwXdg="
        );
    }

    #[test]
    fn the_old_password_is_proven() {
        let checked = check_change(&old(), &CHANNEL, &new(), &proof("123"));
        assert_eq!(checked, Ok(()));
    }

    #[test]
    fn a_wrong_password_is_refused() {
        let checked = check_change(&old(), &CHANNEL, &new(), &proof("124"));
        assert_eq!(checked, Err(ScramError::WrongProof));
    }

    #[test]
    fn a_proof_is_good_on_its_channel_only() {
        let other = Binding::TlsExporter([8; 32]);
        let checked = check_change(&old(), &other, &new(), &proof("123"));
        assert_eq!(checked, Err(ScramError::WrongProof));
        let unbound = check_change(&old(), &Binding::None, &new(), &proof("123"));
        assert_eq!(unbound, Err(ScramError::BindingRequired));
    }

    #[test]
    fn a_proof_is_good_for_its_new_password_only() {
        let change: [fn(&mut Verifier); 4] = [
            |new| new.salt[0] = 9,
            |new| new.iterations = 600_001,
            |new| new.stored_key[31] = 9,
            |new| new.server_key[31] = 9,
        ];
        for change in change {
            let mut other = new();
            change(&mut other);
            let checked = check_change(&old(), &CHANNEL, &other, &proof("123"));
            assert_eq!(checked, Err(ScramError::WrongProof), "{other:?}");
        }
    }

    #[test]
    fn a_proof_is_good_once() {
        let (changed, proof) = (new(), proof("123"));
        let again = check_change(&changed, &CHANNEL, &new(), &proof);
        assert_eq!(again, Err(ScramError::WrongProof));
    }

    #[test]
    fn the_stored_key_is_no_proof() {
        let old = old();
        let known = Key(old.stored_key);
        let message = auth_message(&CHANNEL, &new()).unwrap();
        let forged = known.masked_by(&known.mac(&[message.as_bytes()]));
        let checked = check_change(&old, &CHANNEL, &new(), &forged.0);
        assert_eq!(checked, Err(ScramError::WrongProof));
    }
}
