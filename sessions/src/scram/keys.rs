//! Derives the keys of RFC 5802 (section 3) with SHA-256.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::ScramError;

/// 32 secret bytes: wiped when dropped, not printed, compared in constant time.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(super) struct Key(pub(super) [u8; 32]);

impl Key {
    /// `SaltedPassword`. Blocks for as long as `iterations` rounds of PBKDF2 take.
    pub(super) fn from_password(
        password: &str,
        salt: &[u8],
        iterations: u32,
    ) -> Result<Self, ScramError> {
        let prepared = prepare_password(password)?;
        let mut salted = Self([0; 32]);
        pbkdf2::pbkdf2::<Hmac<Sha256>>(prepared.as_bytes(), salt, iterations, &mut salted.0)
            .map_err(|_| ScramError::BadPassword)?;
        Ok(salted)
    }

    /// `ClientKey`, where `self` is the salted password.
    pub(super) fn client_key(&self) -> Self {
        self.mac(&[b"Client Key"])
    }

    /// `ServerKey`, where `self` is the salted password.
    pub(super) fn server_key(&self) -> Self {
        self.mac(&[b"Server Key"])
    }

    /// `StoredKey`, where `self` is the client key.
    pub(super) fn stored_key(&self) -> Self {
        Self(Sha256::digest(self.0).into())
    }

    /// HMAC-SHA-256 of the joined `parts` under this key.
    pub(super) fn mac(&self, parts: &[&[u8]]) -> Self {
        mac(&self.0, parts)
    }

    /// Turns a client key into a proof, and a proof back into a client key.
    pub(super) fn masked_by(&self, signature: &Self) -> Self {
        let mut masked = self.clone();
        for (byte, mask) in masked.0.iter_mut().zip(signature.0) {
            *byte ^= mask;
        }
        masked
    }

    /// Compares in constant time.
    pub(super) fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// HMAC-SHA-256 of the joined `parts` under a key of any length.
pub(super) fn mac(key: &[u8], parts: &[&[u8]]) -> Key {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("hmac takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    Key(mac.finalize().into_bytes().into())
}

/// SASLprep (RFC 4013) of a user name; an empty one is refused (RFC 5802, section 5.1, `n`).
pub(super) fn prepare_user(user: &str) -> Result<String, ScramError> {
    match stringprep::saslprep(user) {
        Ok(prepared) if !prepared.is_empty() => Ok(prepared.into_owned()),
        _ => Err(ScramError::BadUser),
    }
}

fn prepare_password(password: &str) -> Result<Zeroizing<String>, ScramError> {
    let prepared = stringprep::saslprep(password).map_err(|_| ScramError::BadPassword)?;
    // Checked after the mapping: a lone soft hyphen is an empty password too.
    match prepared.is_empty() {
        true => Err(ScramError::EmptyPassword),
        false => Ok(Zeroizing::new(prepared.into_owned())),
    }
}
