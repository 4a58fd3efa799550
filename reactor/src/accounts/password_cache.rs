//! Passwords that were right a moment ago: clients that open many connections
//! log in at once, and the processor hashes for each only once a minute.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;
use skiff_sessions::scram::Verifier;

const KEPT: Duration = Duration::from_secs(60);
const MOST: usize = 1024;

/// Holds no password: a seal of user, stored key and password, under a key that
/// never leaves the process. A changed account has another stored key, and misses.
pub(crate) struct Known {
    key: [u8; 32],
    seals: Mutex<HashMap<Seal, Instant>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Seal([u8; 32]);

impl Known {
    /// `secret` stands in where the system has no randomness.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let mut key = *secret;
        if let Err(error) = getrandom::fill(&mut key) {
            log::error!("the system gives no random bytes: {error}");
        }
        Self {
            key,
            seals: Mutex::default(),
        }
    }

    pub(crate) fn seal(&self, user: &str, verifier: &Verifier, password: &[u8]) -> Seal {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length (RFC 2104)"));
        // Names hold no NUL, and a stored key has one length: no two inputs meet.
        for part in [user.as_bytes(), b"\0", &verifier.stored_key, password] {
            mac.update(part);
        }
        Seal(mac.finalize().into_bytes().into())
    }

    pub(crate) fn has(&self, seal: &Seal) -> bool {
        let seals = self.seals.lock();
        seals.get(seal).is_some_and(|since| since.elapsed() < KEPT)
    }

    pub(crate) fn remember(&self, seal: Seal) {
        let mut seals = self.seals.lock();
        if seals.len() >= MOST {
            seals.retain(|_, since| since.elapsed() < KEPT);
        }
        if seals.len() < MOST {
            seals.insert(seal, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verifier(password: &str) -> Verifier {
        Verifier::derive(password, vec![7; 16], 10_000).unwrap()
    }

    #[test]
    fn only_the_same_user_account_and_password_are_known() {
        let known = Known::new(&[0; 32]);
        let account = verifier("right");
        known.remember(known.seal("tom", &account, b"right"));
        assert!(known.has(&known.seal("tom", &account, b"right")));
        assert!(!known.has(&known.seal("tom", &account, b"wrong")));
        assert!(!known.has(&known.seal("sam", &account, b"right")));
        let changed = verifier("other");
        assert!(!known.has(&known.seal("tom", &changed, b"right")));
    }

    #[test]
    fn the_number_is_bounded() {
        let known = Known::new(&[0; 32]);
        for n in 0..2 * MOST {
            known.remember(Seal(std::array::from_fn(|i| (n >> (8 * (i % 8))) as u8)));
        }
        assert_eq!(known.seals.lock().len(), MOST);
    }
}
