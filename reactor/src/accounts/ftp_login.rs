//! Checks the passwords of FTP logins: those of SCRAM verifiers, and those of hashes that another
//! server has made, which become SCRAM verifiers at their first login.

use std::collections::HashMap;
use std::net::IpAddr;

use sha2::{Digest, Sha256};
use skiff_conf::{FtpAccess, Iterations, Login, PasswordHash, Proof, UserStore};
use skiff_sessions::scram::{ScramError, Verifier};
use skiff_sessions::server::Standing;
use skiff_vfs::Worker;

use super::client_certificate::{MaybeShown, admits, stands_for_password};
use super::elsewhere::Caller;
use super::hashes;
use super::store::{Accounts, LoginKey, NotChanged, admitted, verifier};

/// Bytes of random salt, as `skiffd user` makes it.
const SALT: usize = 16;

/// Hashes that are remembered because they could not be changed at a login.
const KEPT_MAX: usize = 1024;

/// What a login is proven by: it changes with the password.
pub(super) fn login_key(proof: Proof<'_>) -> LoginKey {
    match proof {
        Proof::Scram(scram) => scram.stored_key,
        Proof::Hash(hash) => Sha256::digest(hash.as_str()).into(),
    }
}

/// Hashes by which sessions have logged in that could not be changed to SCRAM then, by user: the
/// change at a later login must not end those sessions.
#[derive(Clone, Default)]
pub(super) struct KeptHashes(HashMap<String, KeptHash>);

#[derive(Clone, Copy)]
struct KeptHash {
    hash: LoginKey,
    /// Once it has become a verifier of the same password.
    scram: Option<LoginKey>,
}

impl KeptHashes {
    fn note_kept(&mut self, user: &str, hash: LoginKey) {
        if self.0.len() < KEPT_MAX {
            let kept = KeptHash { hash, scram: None };
            self.0.insert(user.to_owned(), kept);
        }
    }

    fn note_changed(&mut self, user: &str, hash: LoginKey, scram: LoginKey) {
        if let Some(kept) = self.0.get_mut(user).filter(|kept| kept.hash == hash) {
            kept.scram = Some(scram);
        }
    }

    /// Whether a session that was proven by one of `keys` is proven by `key` too.
    pub(super) fn is_proven(&self, user: &str, keys: &[LoginKey], key: &LoginKey) -> bool {
        let same = |kept: &KeptHash| kept.scram.as_ref() == Some(key) && keys.contains(&kept.hash);
        keys.contains(key) || self.0.get(user).is_some_and(same)
    }
}

/// Why a hash stays as it is.
#[derive(Debug, thiserror::Error)]
enum HashStays {
    #[error("the password is not in UTF-8, as SCRAM needs it")]
    Encoding,
    #[error(transparent)]
    Scram(#[from] ScramError),
    #[error("the system gives no random bytes: {0}")]
    Salt(getrandom::Error),
    #[error("{0}")]
    Store(String),
}

impl Accounts {
    /// Checks an FTP password: one PBKDF2 or one hash, unless the password was proven within the
    /// last 60 s. `None` as with [`Self::find`].
    pub(crate) fn check(
        &self,
        worker: &Worker,
        user: &str,
        from: IpAddr,
        password: &[u8],
        shown: MaybeShown<'_>,
    ) -> Option<Standing> {
        let store = self.store(worker)?;
        let caller = Caller { from, shown };
        if store.get(user).is_none() && self.is_known_elsewhere(worker, user, password, caller) {
            return Some(Standing::Known);
        }
        let account = admitted(&store, user, from);
        let by_ftp = account
            .filter(|account| account.ftp() == FtpAccess::Allowed && admits(account, user, shown));
        if by_ftp.is_some_and(|account| account.login == Login::Anonymous) {
            return Some(Standing::Known);
        }
        let proof = by_ftp.and_then(|account| account.proof());
        let Some(proof) = proof else {
            self.spend(worker, &store, user, password);
            spend_hash(worker, &store, password);
            return Some(Standing::Decoy);
        };
        let tag = self.password_cache.tag(user, &login_key(proof), password);
        if self.password_cache.has(&tag) {
            return Some(Standing::Known);
        }
        // All that is wrong takes as long, so that the time does not tell which users there are.
        let is_right = match proof {
            Proof::Scram(scram) => {
                let is_right = is_of(&verifier(scram), password);
                if !is_right {
                    spend_hash(worker, &store, password);
                }
                is_right
            }
            Proof::Hash(hash) => {
                let is_right = !password.is_empty() && hashes::matches(worker, hash, password);
                match is_right {
                    true => self.take_over(user, hash, password),
                    false => self.spend(worker, &store, user, password),
                }
                is_right
            }
        };
        if is_right {
            self.password_cache.remember(tag);
        }
        Some(match is_right {
            true => Standing::Known,
            false => Standing::Decoy,
        })
    }

    /// Whether the certificate that the client has shown stands for the password of `user`. `None`
    /// as with [`Self::find`].
    pub(crate) fn recognize(
        &self,
        worker: &Worker,
        user: &str,
        from: IpAddr,
        shown: MaybeShown<'_>,
    ) -> Option<Standing> {
        let store = self.store(worker)?;
        let may = admitted(&store, user, from).is_some_and(|account| {
            account.ftp() == FtpAccess::Allowed && stands_for_password(account, user, shown)
        });
        Some(match may {
            true => Standing::Known,
            false => Standing::Decoy,
        })
    }

    /// Takes as long as a wrong password of an account with a verifier.
    fn spend(&self, worker: &Worker, store: &UserStore, user: &str, password: &[u8]) {
        let decoy = self.decoy(worker, store, user);
        is_of(&decoy, password);
    }

    /// Puts a SCRAM verifier in the place of a hash that has just proven the password.
    fn take_over(&self, user: &str, hash: &PasswordHash, password: &[u8]) {
        let old = login_key(Proof::Hash(hash));
        match self.change_hash(user, hash, password) {
            Ok(Some(new)) => {
                self.kept_hashes.lock().note_changed(user, old, new);
                let tag = self.password_cache.tag(user, &new, password);
                self.password_cache.remember(tag);
                log::info!("{user} has logged in with the hash of another server, now a verifier");
            }
            // Another session was faster, or the operator.
            Ok(None) => {}
            Err(why) => {
                self.kept_hashes.lock().note_kept(user, old);
                log::warn!("the hash of {user} stays one, by which only FTP can log in: {why}");
            }
        }
    }

    /// Stores a verifier of `password`, whose key it returns, where the account has still this hash.
    fn change_hash(
        &self,
        user: &str,
        hash: &PasswordHash,
        password: &[u8],
    ) -> Result<Option<LoginKey>, HashStays> {
        let text = std::str::from_utf8(password).map_err(|_| HashStays::Encoding)?;
        let iterations = self.config().scram_iterations;
        let scram = derive(text, iterations)?;
        let key = scram.stored_key;
        let changed = UserStore::edit(&self.path(), |store| {
            let name = store.find(user).map(|(name, _)| name.clone());
            let name = name.ok_or(NotChanged::Outdated)?;
            let account = store.get_mut(&name)?;
            if account.hash.as_ref() != Some(hash) {
                return Err(NotChanged::Outdated);
            }
            account.set_password(scram);
            Ok(())
        });
        match changed {
            Ok(()) => Ok(Some(key)),
            Err(NotChanged::Outdated | NotChanged::Refused(_)) => Ok(None),
            Err(NotChanged::Failed(why)) => Err(HashStays::Store(why)),
        }
    }
}

/// Takes as long as a wrong password of an account with a hash, where there is one.
fn spend_hash(worker: &Worker, store: &UserStore, password: &[u8]) {
    if let Some(hash) = store.usual_hash() {
        hashes::matches(worker, hash, password);
    }
}

fn is_of(verifier: &Verifier, password: &[u8]) -> bool {
    std::str::from_utf8(password).is_ok_and(|text| verifier.check(text).is_ok())
}

fn derive(password: &str, iterations: Iterations) -> Result<skiff_conf::Verifier, HashStays> {
    let mut salt = vec![0; SALT];
    getrandom::fill(&mut salt).map_err(HashStays::Salt)?;
    let derived = Verifier::derive(password, salt, iterations.get())?;
    Ok(skiff_conf::Verifier {
        salt: derived.salt.clone(),
        iterations,
        stored_key: derived.stored_key,
        server_key: derived.server_key,
    })
}

#[cfg(test)]
mod tests;
