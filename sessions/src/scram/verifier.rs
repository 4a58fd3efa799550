//! Derives and checks verifiers, which a server stores instead of passwords (RFC 5802, section 3).

use std::fmt;
use std::ops::RangeInclusive;

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::keys::{Key, mac};
use super::{MAX_ITERATIONS, MIN_ITERATIONS, ScramError};

/// The iteration counts that both ends accept.
pub(super) const ITERATIONS: RangeInclusive<u32> = MIN_ITERATIONS..=MAX_ITERATIONS;

/// A user's entry in the store: proves a password, does not reveal it (RFC 5802, section 3).
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Verifier {
    /// Random bytes; 16 of them, so that a decoy looks the same.
    pub salt: Vec<u8>,
    /// Rounds of PBKDF2.
    pub iterations: u32,
    pub stored_key: [u8; 32],
    pub server_key: [u8; 32],
}

impl Verifier {
    /// Makes the verifier of `password`. Blocks for as long as `iterations` rounds of PBKDF2 take.
    ///
    /// # Errors
    ///
    /// A password that is empty or that SASLprep forbids, an empty salt, or iterations outside of
    /// [`MIN_ITERATIONS`] to [`MAX_ITERATIONS`].
    pub fn derive(password: &str, salt: Vec<u8>, iterations: u32) -> Result<Self, ScramError> {
        Self::derive_within(&ITERATIONS, password, salt, iterations)
    }

    /// The verifier of a user who is not there: `user` (as [`super::ClientFirst::user`] gives it)
    /// meets the same salt each time, and no password fits.
    pub fn decoy(user: &str, secret: &[u8], iterations: u32) -> Self {
        // No prepared name holds NUL, so these inputs never meet that of another user's salt.
        let keyed = |label: &[u8]| mac(secret, &[user.as_bytes(), b"\0", label]).0;
        Self {
            salt: mac(secret, &[user.as_bytes()]).0[..16].to_vec(),
            iterations,
            stored_key: keyed(b"stored"),
            server_key: keyed(b"server"),
        }
    }

    /// Whether `password` is the one this was made of, for dialects that send it. Blocks as
    /// [`Verifier::derive`] does, also for a decoy.
    ///
    /// # Errors
    ///
    /// A password that is empty or that SASLprep forbids.
    pub fn check(&self, password: &str) -> Result<(), ScramError> {
        let salted = Key::from_password(password, &self.salt, self.iterations)?;
        match salted
            .client_key()
            .stored_key()
            .matches(&Key(self.stored_key))
        {
            true => Ok(()),
            false => Err(ScramError::WrongProof),
        }
    }

    pub(super) fn derive_within(
        bounds: &RangeInclusive<u32>,
        password: &str,
        salt: Vec<u8>,
        iterations: u32,
    ) -> Result<Self, ScramError> {
        if salt.is_empty() {
            return Err(ScramError::EmptySalt);
        }
        if !bounds.contains(&iterations) {
            return Err(ScramError::Iterations(iterations));
        }
        let salted = Key::from_password(password, &salt, iterations)?;
        Ok(Self {
            salt,
            iterations,
            stored_key: salted.client_key().stored_key().0,
            server_key: salted.server_key().0,
        })
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("iterations", &self.iterations)
            .finish_non_exhaustive()
    }
}
