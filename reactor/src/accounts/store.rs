//! The accounts as workers look them up: the user store, read again when its file changed.

use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use skiff_conf::{
    Account, AccountStatus, Complaint, FtpAccess, PasswordRight, Server, StoreError, UserName,
    UserStore,
};
use skiff_sessions::scram::{Binding, Verifier, check_change};
use skiff_sessions::server::job::{CloseNotify, LostControl};
use skiff_sessions::server::{Access, Rights, Standing};
use skiff_sessions::wire::command::PasswordChange;
use skiff_sessions::wire::reply::Refusal;
use skiff_vfs::{Limit, Worker};

use super::client_certificate::{MaybeShown, admits, stands_for_password};
use super::folder::make_folder;
use super::mounts::Mounts;
use super::verdict::AccountsNow;
use crate::accounts::password_cache::PasswordCache;

pub(crate) struct Accounts {
    config: Mutex<Arc<Server>>,
    /// Derives the salts of users that do not exist.
    secret: [u8; 32],
    store: Mutex<Stored>,
    password_cache: PasswordCache,
    mounts: Mounts,
}

/// The user store as it was read last.
struct Stored {
    /// The last one that could be read; `None` where none ever could.
    good: Option<Arc<UserStore>>,
    /// What was last wrong with the file, which is told once.
    complaint: Option<String>,
}

/// What an account means for a session, resolved at its login.
pub(crate) struct ResolvedAccount {
    pub(crate) root: PathBuf,
    pub(crate) limit: Limit,
    pub(crate) access: Access,
    pub(crate) rights: Rights,
    /// What a login of it is proven by.
    pub(crate) key: LoginKey,
}

/// The part of a verifier that a login is proven by: it changes with the password.
pub(crate) type LoginKey = [u8; 32];

/// Where the home of an account is, and what it may hold.
pub(crate) struct UserHome {
    pub(crate) user: String,
    pub(crate) root: PathBuf,
    pub(crate) limit: Limit,
}

impl Accounts {
    /// Reads the store, which may not be there yet.
    ///
    /// # Errors
    ///
    /// The store cannot be read, or not be understood.
    pub(crate) fn new(config: Arc<Server>, secret: [u8; 32]) -> Result<Self, Complaint> {
        let stored = Stored {
            good: read_if_there(&config.users)?.map(Arc::new),
            complaint: None,
        };
        Ok(Self {
            config: Mutex::new(config),
            secret,
            password_cache: PasswordCache::new(&secret),
            store: Mutex::new(stored),
            mounts: Mounts::open(),
        })
    }

    /// Takes over a new configuration for logins from now on.
    pub(crate) fn reload(&self, config: Arc<Server>) {
        *self.config.lock() = config;
    }

    /// The configuration in use.
    pub(crate) fn config(&self) -> Arc<Server> {
        Arc::clone(&self.config.lock())
    }

    /// The SCRAM verifier of `user`; a decoy where there is no enabled account, with as many rounds
    /// as most accounts have: the number for new ones may have been changed since.
    /// `None` where there is no store: nobody can be said to be unknown then.
    pub(crate) fn find(&self, worker: &Worker, user: &str) -> Option<(Verifier, Standing)> {
        let store = self.store(worker)?;
        Some(match store.get(user) {
            Some(account) if account.standing == AccountStatus::Enabled => {
                (verifier(account), Standing::Known)
            }
            _ => {
                let usual = store.usual_iterations();
                let iterations = usual.unwrap_or_else(|| self.config().scram_iterations);
                let decoy = Verifier::decoy(user, &self.secret, iterations.get());
                (decoy, Standing::Decoy)
            }
        })
    }

    /// Checks an FTP password: one PBKDF2, unless the password was proven within the last 60 s.
    /// `None` as with [`Self::find`].
    pub(crate) fn check(
        &self,
        worker: &Worker,
        user: &str,
        password: &[u8],
        shown: MaybeShown<'_>,
    ) -> Option<Standing> {
        let (verifier, standing) = self.find(worker, user)?;
        let tag = self.password_cache.tag(user, &verifier, password);
        let may = standing == Standing::Known
            && self.may_use_ftp(worker, user, |account| admits(account, user, shown));
        if may && self.password_cache.has(&tag) {
            return Some(Standing::Known);
        }
        let right = std::str::from_utf8(password).is_ok_and(|text| verifier.check(text).is_ok());
        if may && right {
            self.password_cache.remember(tag);
            return Some(Standing::Known);
        }
        Some(Standing::Decoy)
    }

    /// Whether the certificate that the client has shown stands for the password of `user`. `None`
    /// as with [`Self::find`].
    pub(crate) fn recognize(
        &self,
        worker: &Worker,
        user: &str,
        shown: MaybeShown<'_>,
    ) -> Option<Standing> {
        let (_, standing) = self.find(worker, user)?;
        let may = standing == Standing::Known
            && self.may_use_ftp(worker, user, |account| {
                stands_for_password(account, user, shown)
            });
        Some(match may {
            true => Standing::Known,
            false => Standing::Decoy,
        })
    }

    /// As [`Self::find`], for a login by SCRAM, whose clients show no certificates.
    pub(crate) fn find_for_scram(
        &self,
        worker: &Worker,
        user: &str,
    ) -> Option<(Verifier, Standing)> {
        let (verifier, standing) = self.find(worker, user)?;
        let store = self.store(worker);
        let account = store.as_ref().and_then(|store| store.get(user));
        Some(
            match account.is_some_and(|account| !admits(account, user, None)) {
                true => (verifier, Standing::Decoy),
                false => (verifier, standing),
            },
        )
    }

    fn may_use_ftp(&self, worker: &Worker, user: &str, proves: impl Fn(&Account) -> bool) -> bool {
        let store = self.store(worker);
        let account = store.as_ref().and_then(|store| store.get(user));
        account.is_some_and(|account| account.ftp == FtpAccess::Allowed && proves(account))
    }

    /// Resolves the account of `user`. A missing home is made in the folder of the homes only,
    /// where an account that was added by hand has its own; elsewhere a disk may not be mounted,
    /// and `skiffd user add` has made the home.
    pub(crate) fn resolve(&self, worker: &Worker, user: &str) -> Result<ResolvedAccount, Refusal> {
        let store = self.store(worker).ok_or(Refusal::NoAccounts)?;
        let (name, account) = store.find(user).ok_or(Refusal::NoAccount)?;
        if account.standing != AccountStatus::Enabled {
            return Err(Refusal::NoAccount);
        }
        let config = self.config();
        let root = config.home(name, account);
        if let Err(why) = ensure_home(&config, &root) {
            log::error!("{name} cannot log in: {why}");
            return Err(Refusal::NoHome);
        }
        let (access, rights) = allowed(&config, account);
        Ok(ResolvedAccount {
            root,
            limit: limit(&config, name, account),
            access,
            rights,
            key: account.scram.stored_key,
        })
    }

    /// All accounts as they are now; `None` where there are none.
    pub(crate) fn now(&self, worker: &Worker) -> Option<AccountsNow> {
        Some(AccountsNow::new(self.store(worker)?, self.config()))
    }

    /// The homes of all accounts, or of `user`, also of those that may not log in.
    pub(crate) fn homes(&self, worker: &Worker, user: Option<&str>) -> Vec<UserHome> {
        let (store, config) = (self.store(worker), self.config());
        let all = store.iter().flat_map(|store| store.iter());
        let wanted = all.filter(|(name, _)| user.is_none_or(|user| name.as_str() == user));
        let home = |(name, account): (&UserName, &Account)| UserHome {
            user: name.to_string(),
            root: config.home(name, account),
            limit: limit(&config, name, account),
        };
        wanted.map(home).collect()
    }

    /// The file system of the home of `user`, which is not touched; `None` where that is not known.
    pub(crate) fn device_of(&self, worker: &Worker, user: &str) -> Option<u64> {
        let (store, config) = (self.store(worker)?, self.config());
        let (name, account) = store.find(user)?;
        self.mounts.device_of(&config.home(name, account))
    }

    /// What `user` may store; `None` where there is no such account.
    pub(crate) fn limit(&self, worker: &Worker, user: &str) -> Option<Limit> {
        let (store, config) = (self.store(worker)?, self.config());
        let (name, account) = store.find(user)?;
        Some(limit(&config, name, account))
    }

    /// Where the user store is.
    pub(crate) fn path(&self) -> PathBuf {
        self.config().users.clone()
    }

    /// Changes the password of `user` if the account allows it and the old one is proven. All is
    /// decided by the store as it is on the disk, under the lock of its change: what an operator has
    /// changed meanwhile counts, and of two changes at once the second proves the first one's.
    pub(crate) fn set_password(
        &self,
        _worker: &Worker,
        user: &str,
        change: &PasswordChange,
        binding: &Binding,
    ) -> Result<(), Refusal> {
        let new = Verifier::from(&change.new);
        let iterations = skiff_conf::Iterations::new(new.iterations).map_err(|_| Refusal::Fault)?;
        let changed = UserStore::edit(&self.config().users, |store| {
            let found = store.find(user);
            let name = found.map(|(name, _)| name.clone());
            let account = store.get_mut(&name.ok_or(NotChanged::Refused(Refusal::NoAccount))?)?;
            check_right(account)?;
            check_change(&verifier(account), binding, &new, &change.proof)
                .map_err(|_| NotChanged::Refused(Refusal::WrongPassword))?;
            account.scram = skiff_conf::Verifier {
                salt: new.salt.clone(),
                iterations,
                stored_key: new.stored_key,
                server_key: new.server_key,
            };
            Ok(())
        });
        changed.map_err(|why| match why {
            NotChanged::Refused(why) => why,
            NotChanged::Failed(why) => {
                log::error!("the password of {user} was not changed: {why}");
                Refusal::Fault
            }
        })
    }

    /// The store as it is now. Where it cannot be read, the last one holds, and the log says why:
    /// no password is wrong because of a slip in a file.
    fn store(&self, _worker: &Worker) -> Option<Arc<UserStore>> {
        let users = &self.config().users;
        let mut stored = self.store.lock();
        let good = stored.good.as_ref();
        if !good.is_some_and(|store| store.is_current(users)) {
            match UserStore::load(users) {
                Ok(fresh) => {
                    *stored = Stored {
                        good: Some(Arc::new(fresh)),
                        complaint: None,
                    };
                }
                Err(complaint) => stored.complain(&complaint),
            }
        }
        stored.good.clone()
    }
}

/// What the account may do.
pub(super) fn allowed(config: &Server, account: &Account) -> (Access, Rights) {
    let access = match account.access {
        skiff_conf::Access::ReadWrite => Access::ReadWrite,
        skiff_conf::Access::ReadOnly => Access::ReadOnly,
    };
    let close_notify = account
        .data_close_notify
        .unwrap_or(config.ftp.data_close_notify);
    let lost_control = account
        .publish_on_lost_control
        .unwrap_or(config.ftp.publish_on_lost_control);
    let rights = Rights {
        close_notify: match close_notify {
            skiff_conf::CloseNotify::Require => CloseNotify::Required,
            skiff_conf::CloseNotify::Prefer => CloseNotify::Preferred,
            skiff_conf::CloseNotify::Warn => CloseNotify::Optional,
        },
        lost_control: match lost_control {
            skiff_conf::LostControl::Discard => LostControl::SuspendUpload,
            skiff_conf::LostControl::Publish => LostControl::PublishUpload,
        },
    };
    (access, rights)
}

impl Stored {
    fn complain(&mut self, complaint: &Complaint) {
        let text = complaint.to_string();
        if self.complaint.as_ref() == Some(&text) {
            return;
        }
        match self.good {
            Some(_) => log::error!("{text}; the accounts stay as they were before"),
            None => log::error!("{text}; nobody can log in"),
        }
        self.complaint = Some(text);
    }
}

/// The store at `path`; `None` where there is no file yet.
fn read_if_there(path: &Path) -> Result<Option<UserStore>, Complaint> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => UserStore::load(path).map(Some),
    }
}

fn limit(config: &Server, name: &UserName, account: &Account) -> Limit {
    let allowance = config.allowance(name, account);
    Limit::new(allowance.bytes.get(), allowance.entries.get())
}

/// Makes the home `root` if it is missing and may be made; otherwise says why it is not there.
fn ensure_home(config: &Server, root: &Path) -> Result<(), String> {
    if root.is_dir() {
        return require_opening(root);
    }
    let below = root.strip_prefix(&config.homes).ok();
    let is_own = below.is_some_and(|below| {
        let mut parts = below.components();
        parts.all(|part| matches!(part, Component::Normal(_)))
    });
    if !is_own {
        return Err(format!(
            "the home {} is not there; is its disk mounted? a new one is made by skiffd user add",
            root.display()
        ));
    }
    make_folder(root, config.dir_mode.bits()).map_err(|error| error.to_string())?;
    Ok(())
}

/// A home that is there may be another user's, or outside of what the process left itself (`walls`).
fn require_opening(root: &Path) -> Result<(), String> {
    match std::fs::File::open(root) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Err(format!(
            "the home {} may not be opened: {error}; is it the property of skiffd's user? outside \
             of the folder of the homes, one that is new since skiffd started, or whose disk was \
             mounted since, is reached after a restart",
            root.display()
        )),
        _ => Ok(()),
    }
}

fn verifier(account: &Account) -> Verifier {
    let scram = &account.scram;
    Verifier {
        salt: scram.salt.clone(),
        iterations: scram.iterations.get(),
        stored_key: scram.stored_key,
        server_key: scram.server_key,
    }
}

/// Whether the account's user may change its password now.
fn check_right(account: &Account) -> Result<(), NotChanged> {
    match (account.standing, account.password_right()) {
        (AccountStatus::Enabled, PasswordRight::Changeable) => Ok(()),
        (AccountStatus::Enabled, PasswordRight::Fixed) => {
            Err(NotChanged::Refused(Refusal::PasswordFixed))
        }
        (AccountStatus::Disabled, _) => Err(NotChanged::Refused(Refusal::NoAccount)),
    }
}

/// Why a password stays.
enum NotChanged {
    Refused(Refusal),
    /// For the log only.
    Failed(String),
}

impl From<Complaint> for NotChanged {
    fn from(complaint: Complaint) -> Self {
        Self::Failed(complaint.to_string())
    }
}

impl From<StoreError> for NotChanged {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use skiff_sessions::scram::{KeyDerivation, prove_change};
    use skiff_sessions::wire::command::NewVerifier;

    use super::*;

    const BINDING: Binding = Binding::TlsExporter([7; 32]);
    const ROUNDS: u32 = 10_000;

    /// A store with tom, whose password is "old"; `body` runs where it may block.
    fn with_tom(body: impl FnOnce(&Worker, &Accounts) + Send + 'static) {
        let folder = tempfile::tempdir().unwrap();
        let settings = folder.path().join("server.ron");
        std::fs::write(&settings, "(scram_iterations: 10000)").unwrap();
        let config = Arc::new(Server::load(&settings).unwrap());
        UserStore::edit(&config.users, |store| {
            let new = derived("old", [1; 16]);
            let scram = skiff_conf::Verifier {
                salt: new.salt.clone(),
                iterations: skiff_conf::Iterations::new(ROUNDS).unwrap(),
                stored_key: new.stored_key,
                server_key: new.server_key,
            };
            let added = store.add("tom".parse().unwrap(), Account::new(scram));
            added.map_err(NotChanged::from)
        })
        .unwrap_or_else(|_| panic!("no store"));
        let accounts = Accounts::new(config, [0; 32]).unwrap();
        let ran = Worker::spawn("test", move |worker| body(worker, &accounts));
        ran.unwrap().join().unwrap();
    }

    #[test]
    fn where_a_home_is_is_known_before_it_is_made() {
        with_tom(|worker, accounts| {
            let root = accounts.homes(worker, Some("tom")).remove(0).root;
            assert!(!root.exists());
            let device = accounts.device_of(worker, "tom");
            let above = root.ancestors().find(|above| above.exists()).unwrap();
            let expected = std::os::unix::fs::MetadataExt::dev(&above.metadata().unwrap());
            assert_eq!(device, Some(expected));
            assert_eq!(accounts.device_of(worker, "nobody"), None);
        });
    }

    fn derived(password: &str, salt: [u8; 16]) -> Verifier {
        Verifier::derive(password, salt.to_vec(), ROUNDS).unwrap()
    }

    /// A change to "new" by whoever says that the password is `old`, under the salt `salt`.
    fn change(old: &str, salt: [u8; 16]) -> PasswordChange {
        let new = derived("new", [2; 16]);
        let derivation = KeyDerivation {
            salt: salt.to_vec(),
            iterations: ROUNDS,
        };
        PasswordChange {
            proof: prove_change(old, &derivation, &BINDING, &new).unwrap(),
            new: NewVerifier {
                salt: new.salt.clone(),
                iterations: new.iterations,
                stored_key: new.stored_key,
                server_key: new.server_key,
            },
        }
    }

    fn set(accounts: &Accounts, change: impl FnOnce(&mut Account)) {
        let edited: Result<(), NotChanged> = UserStore::edit(&accounts.path(), |store| {
            change(store.get_mut(&"tom".parse().unwrap())?);
            Ok(())
        });
        assert!(edited.is_ok());
    }

    fn knows(accounts: &Accounts, worker: &Worker, password: &str) -> bool {
        accounts.check(worker, "tom", password.as_bytes(), None) == Some(Standing::Known)
    }

    #[test]
    fn a_slip_in_the_file_changes_no_account() {
        use std::os::unix::fs::PermissionsExt;
        with_tom(|worker, accounts| {
            let (path, right) = (accounts.path(), std::fs::read(accounts.path()).unwrap());
            let is_unchanged = || knows(accounts, worker, "old") && !knows(accounts, worker, "no");
            std::fs::write(&path, "(users: {\"tom\": (scramm: 1)})").unwrap();
            assert!(is_unchanged(), "a mistyped key");
            std::fs::remove_file(&path).unwrap();
            assert!(is_unchanged(), "no file");
            std::fs::write(&path, &right).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o644)).unwrap();
            assert!(is_unchanged(), "a file that others may read");
            std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
            set(accounts, |account| {
                account.standing = AccountStatus::Disabled;
            });
            assert!(!knows(accounts, worker, "old"), "a good file counts again");
        });
    }

    /// The cache of proven passwords knows it for a minute.
    #[test]
    fn the_old_password_is_wrong_at_once_although_it_was_cached() {
        with_tom(|worker, accounts| {
            assert!(knows(accounts, worker, "old"));
            let (old, _) = accounts.find(worker, "tom").unwrap();
            let tag = accounts.password_cache.tag("tom", &old, b"old");
            assert!(accounts.password_cache.has(&tag), "it is not cached");
            let changed = accounts.set_password(worker, "tom", &change("old", [1; 16]), &BINDING);
            assert_eq!(changed, Ok(()));
            assert!(!knows(accounts, worker, "old"));
            assert!(knows(accounts, worker, "new"));
        });
    }

    #[test]
    fn a_wrong_proof_changes_nothing() {
        with_tom(|worker, accounts| {
            let wrong = Err(Refusal::WrongPassword);
            let guess = change("guess", [1; 16]);
            let other = Binding::TlsExporter([8; 32]);
            assert_eq!(
                accounts.set_password(worker, "tom", &guess, &BINDING),
                wrong
            );
            let right = change("old", [1; 16]);
            assert_eq!(accounts.set_password(worker, "tom", &right, &other), wrong);
            assert!(knows(accounts, worker, "old") && !knows(accounts, worker, "new"));
            // The operator was faster: the proof is of a password that is no more.
            set(accounts, |tom| tom.scram.stored_key[0] ^= 1);
            assert_eq!(
                accounts.set_password(worker, "tom", &right, &BINDING),
                wrong
            );
        });
    }

    #[test]
    fn what_the_operator_says_holds_at_once() {
        with_tom(|worker, accounts| {
            let right = change("old", [1; 16]);
            let asked = || accounts.set_password(worker, "tom", &right, &BINDING);
            let fixed = Err(Refusal::PasswordFixed);
            set(accounts, |tom| tom.access = skiff_conf::Access::ReadOnly);
            assert_eq!(asked(), fixed);
            set(accounts, |tom| tom.access = skiff_conf::Access::ReadWrite);
            set(accounts, |tom| tom.passwd = Some(PasswordRight::Fixed));
            assert_eq!(asked(), fixed);
            // Nothing is told of the proof either.
            let guess = change("guess", [1; 16]);
            assert_eq!(
                accounts.set_password(worker, "tom", &guess, &BINDING),
                fixed
            );
            set(accounts, |tom| tom.standing = AccountStatus::Disabled);
            assert_eq!(asked(), Err(Refusal::NoAccount));
            set(accounts, |tom| {
                tom.standing = AccountStatus::Enabled;
                tom.access = skiff_conf::Access::ReadOnly;
                tom.passwd = Some(PasswordRight::Changeable);
            });
            assert_eq!(asked(), Ok(()));
            assert!(knows(accounts, worker, "new"));
        });
    }
}
