//! Caches proven FTP passwords for 60 s, as HMACs under a per-process key, so that clients that
//! open many connections log in without PBKDF2.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use parking_lot::Mutex;
use sha2::Sha256;

const LIFETIME: Duration = Duration::from_secs(60);
const CAPACITY: usize = 1024;

/// The cache. It holds no password, only tags; a changed account has another stored key, and
/// misses.
pub(crate) struct PasswordCache {
    key: [u8; 32],
    entries: Mutex<HashMap<PasswordTag, Instant>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct PasswordTag([u8; 32]);

impl PasswordTag {
    pub(crate) fn into_bytes(self) -> [u8; 32] {
        self.0
    }
}

impl PasswordCache {
    /// An empty cache under a random key, or under `secret` where the system has no random bytes.
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let mut key = *secret;
        if let Err(error) = getrandom::fill(&mut key) {
            log::error!("the system gives no random bytes: {error}");
        }
        Self {
            key,
            entries: Mutex::default(),
        }
    }

    /// The tag of a password that `key` of the account proves.
    pub(crate) fn tag(&self, user: &str, key: &[u8; 32], password: &[u8]) -> PasswordTag {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length (RFC 2104)"));
        // Unambiguous: names hold no NUL, and keys have one length.
        for part in [user.as_bytes(), b"\0", key, password] {
            mac.update(part);
        }
        PasswordTag(mac.finalize().into_bytes().into())
    }

    pub(crate) fn has(&self, tag: &PasswordTag) -> bool {
        let entries = self.entries.lock();
        entries
            .get(tag)
            .is_some_and(|since| since.elapsed() < LIFETIME)
    }

    #[cfg(test)]
    pub(crate) fn forget_all(&self) {
        self.entries.lock().clear();
    }

    pub(crate) fn remember(&self, tag: PasswordTag) {
        let mut entries = self.entries.lock();
        if entries.len() >= CAPACITY {
            entries.retain(|_, since| since.elapsed() < LIFETIME);
        }
        if entries.len() < CAPACITY {
            entries.insert(tag, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_user_account_and_password_are_known() {
        let cache = PasswordCache::new(&[0; 32]);
        let account = [7; 32];
        cache.remember(cache.tag("tom", &account, b"right"));
        assert!(cache.has(&cache.tag("tom", &account, b"right")));
        assert!(!cache.has(&cache.tag("tom", &account, b"wrong")));
        assert!(!cache.has(&cache.tag("sam", &account, b"right")));
        let changed = [8; 32];
        assert!(!cache.has(&cache.tag("tom", &changed, b"right")));
    }

    #[test]
    fn the_number_is_bounded() {
        let cache = PasswordCache::new(&[0; 32]);
        for n in 0..2 * CAPACITY {
            cache.remember(PasswordTag(std::array::from_fn(|i| {
                (n >> (8 * (i % 8))) as u8
            })));
        }
        assert_eq!(cache.entries.lock().len(), CAPACITY);
    }
}
