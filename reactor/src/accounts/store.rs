//! The accounts as workers look them up: the user store, read again when its file changed.

use std::io;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::process::geteuid;
use skiff_conf::{
    Account, AccountStatus, Complaint, FileOwner, PasswordRight, Proof, Server, StoreError,
    UserName, UserStore,
};
use skiff_sessions::scram::{Binding, Verifier, check_change};
use skiff_sessions::server::terms::Rates;
use skiff_sessions::server::{Standing, Terms};
use skiff_sessions::wire::command::PasswordChange;
use skiff_sessions::wire::reply::Refusal;
use skiff_vfs::{Home, HomeRules, Homes, Limit, Owner, VfsError, Worker};

use super::client_certificate::admits;
use super::clock::Clock;
use super::elsewhere::{Described, Elsewhere};
use super::folder::make_new_home;
use super::ftp_login::{KeptHashes, login_key};
use super::mounts::Mounts;
use super::owners::{named_owner, owned};
use super::shared_folders::{FolderPlace, homes_of_folders, places, rules, rules_of_folder};
use super::terms::{rates, terms};
use super::verdict::{AccountsNow, Timing};
use crate::accounts::password_cache::PasswordCache;

pub(crate) struct Accounts {
    config: Mutex<Arc<Server>>,
    /// Derives the salts of users that do not exist.
    secret: [u8; 32],
    store: Mutex<Stored>,
    pub(super) password_cache: PasswordCache,
    pub(super) kept_hashes: Mutex<KeptHashes>,
    /// `None` where the settings name no authenticator.
    pub(super) elsewhere: Option<Elsewhere>,
    mounts: Mounts,
    clock: Clock,
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
    pub(crate) rules: HomeRules,
    pub(crate) terms: Terms,
    pub(crate) folders: Vec<FolderPlace>,
    /// What a login of it is proven by.
    pub(crate) key: LoginKey,
    pub(crate) timing: Timing,
    /// The account where it is none of the store's.
    pub(crate) elsewhere: Option<Described>,
}

/// The part of a verifier that a login is proven by: it changes with the password.
pub(crate) type LoginKey = [u8; 32];

/// Where the home of an account is, and what it may hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UserHome {
    pub(crate) user: String,
    pub(crate) root: PathBuf,
    pub(crate) rules: HomeRules,
    pub(crate) owner: Option<FileOwner>,
}

impl UserHome {
    /// Opens it for whoever has no session.
    pub(crate) fn open(
        &self,
        worker: &Worker,
        homes: &Homes,
        config: &Server,
    ) -> Result<Arc<Home>, VfsError> {
        let rules = owned(config, &self.rules, self.owner.as_ref()).map_err(|error| {
            log::error!("the home of {} cannot be opened: {error}", self.user);
            VfsError::Forbidden
        })?;
        homes.open(worker, &self.user, &self.root, rules)
    }
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
            kept_hashes: Mutex::default(),
            elsewhere: None,
            store: Mutex::new(stored),
            mounts: Mounts::open(),
            clock: Clock::of_system(),
        })
    }

    /// Takes over a new configuration for logins from now on.
    pub(crate) fn reload(&self, config: Arc<Server>) {
        *self.config.lock() = config;
    }

    /// The rates of all users together.
    pub(crate) fn rates(&self) -> Rates {
        rates(self.config().rates.all)
    }

    /// The configuration in use.
    pub(crate) fn config(&self) -> Arc<Server> {
        Arc::clone(&self.config.lock())
    }

    /// The SCRAM verifier of `user`; a decoy where there is no enabled account with one, or none that
    /// may log in from the address `from`, with as many rounds as most accounts have: the number for
    /// new ones may have been changed since.
    /// `None` where there is no store: nobody can be said to be unknown then.
    pub(crate) fn find(
        &self,
        worker: &Worker,
        user: &str,
        from: IpAddr,
    ) -> Option<(Verifier, Standing)> {
        let store = self.store(worker)?;
        let proof = admitted(&store, user, from).and_then(Account::proof);
        Some(match proof {
            Some(Proof::Scram(scram)) => (verifier(scram), Standing::Known),
            // There is nothing to make a challenge of, and whoever asks learns no more than of an
            // unknown user.
            Some(Proof::Hash(_)) => {
                log::info!(
                    "{user} has the hash of another server, by which only FTP can log in: the first \
                     such login, or skiffd user passwd, makes it one for skiff too"
                );
                (self.decoy(worker, &store, user), Standing::Decoy)
            }
            None => (self.decoy(worker, &store, user), Standing::Decoy),
        })
    }

    /// As [`Self::find`], for a login by SCRAM, whose clients show no certificates.
    pub(crate) fn find_for_scram(
        &self,
        worker: &Worker,
        user: &str,
        from: IpAddr,
    ) -> Option<(Verifier, Standing)> {
        let (verifier, standing) = self.find(worker, user, from)?;
        let store = self.store(worker);
        let account = store.as_ref().and_then(|store| store.get(user));
        Some(
            match account.is_some_and(|account| !admits(account, user, None)) {
                true => (verifier, Standing::Decoy),
                false => (verifier, standing),
            },
        )
    }

    /// A verifier that no password fits, with as many rounds as most accounts have.
    pub(super) fn decoy(&self, _worker: &Worker, store: &UserStore, user: &str) -> Verifier {
        let usual = store.usual_iterations();
        let iterations = usual.unwrap_or_else(|| self.config().scram_iterations);
        Verifier::decoy(user, &self.secret, iterations.get())
    }

    /// Resolves the account of `user`. A missing home is made in the folder of the homes only,
    /// where an account that was added by hand has its own; elsewhere a disk may not be mounted,
    /// and `skiffd user add` has made the home.
    pub(crate) fn resolve(&self, worker: &Worker, user: &str) -> Result<ResolvedAccount, Refusal> {
        let store = self.store(worker).ok_or(Refusal::NoAccounts)?;
        if let Some((name, account)) = store.find(user) {
            let key = login_key(account.proof().ok_or(Refusal::NoAccount)?);
            return self.resolve_account(&store, name, account, key);
        }
        let described = self.described(user).ok_or(Refusal::NoAccount)?;
        let account = store.whole(&described.account);
        let account = account.map_err(|why| {
            log::error!("{user} cannot log in: {why}");
            Refusal::NoAccounts
        })?;
        let resolved = self.resolve_account(&store, &described.name, &account, described.key)?;
        Ok(ResolvedAccount {
            elsewhere: Some(described),
            ..resolved
        })
    }

    fn resolve_account(
        &self,
        store: &UserStore,
        name: &UserName,
        account: &Account,
        key: LoginKey,
    ) -> Result<ResolvedAccount, Refusal> {
        if account.standing != AccountStatus::Enabled {
            return Err(Refusal::NoAccount);
        }
        if !account.is_open_at(&self.clock.now()) {
            log::info!("{name} may not log in at this time (expires, hours)");
            return Err(Refusal::NotNow);
        }
        let config = self.config();
        let root = config.home(name, account);
        let owner = named_owner(name, account);
        let owned = owned(&config, &rules(&config, name, account), owner.as_ref());
        let made = owned
            .map_err(|error| error.to_string())
            .and_then(|rules| ensure_home(&config, &root, rules.owner.as_deref()).map(|()| rules));
        let rules = made.map_err(|why| {
            log::error!("{name} cannot log in: {why}");
            Refusal::NoHome
        })?;
        Ok(ResolvedAccount {
            root,
            rules,
            terms: terms(&config, name, account),
            folders: places(&config, store, name, account),
            key,
            timing: Timing::of(account),
            elsewhere: None,
        })
    }

    /// What the authenticator has said of `user`.
    fn described(&self, user: &str) -> Option<Described> {
        self.elsewhere.as_ref()?.find(user)
    }

    /// Calls `tell` for the account of `user`, if the store or the authenticator knows it.
    pub(super) fn with_account<T>(
        &self,
        worker: &Worker,
        user: &str,
        tell: impl FnOnce(&UserName, &Account) -> T,
    ) -> Option<T> {
        let store = self.store(worker)?;
        if let Some((name, account)) = store.find(user) {
            return Some(tell(name, account));
        }
        let described = self.described(user)?;
        let account = store.whole(&described.account).ok()?;
        Some(tell(&described.name, &account))
    }

    /// The device number of the file system of a path, which is not touched.
    pub(crate) fn device_at(&self, _worker: &Worker, path: &Path) -> Option<u64> {
        self.mounts.device_of(path)
    }

    /// All accounts as they are now; `None` where there are none.
    pub(crate) fn now(&self, worker: &Worker) -> Option<AccountsNow> {
        let (store, kept) = (self.store(worker)?, self.kept_hashes.lock().clone());
        let now = AccountsNow::new(store, self.config(), self.clock.now(), kept);
        Some(now)
    }

    /// The homes of all accounts, or of `user`, also of those that may not log in.
    pub(crate) fn homes(&self, worker: &Worker, user: Option<&str>) -> Vec<UserHome> {
        let (store, config) = (self.store(worker), self.config());
        let home = |name: &UserName, account: &Account| UserHome {
            user: name.to_string(),
            root: config.home(name, account),
            rules: rules(&config, name, account),
            owner: named_owner(name, account),
        };
        let is_wanted = |name: &UserName| user.is_none_or(|user| name.as_str() == user);
        let all = store.iter().flat_map(|store| store.iter());
        let stored = all.filter(|(name, _)| is_wanted(name));
        let mut homes: Vec<_> = stored.map(|(name, account)| home(name, account)).collect();
        let described = self.elsewhere.iter().flat_map(Elsewhere::all);
        for (name, account) in described.filter(|(name, _)| is_wanted(name)) {
            let unknown = store
                .as_ref()
                .filter(|store| store.get(name.as_str()).is_none());
            let whole = unknown.and_then(|store| store.whole(&account).ok());
            homes.extend(whole.map(|account| home(&name, &account)));
        }
        homes
    }

    /// The homes and shared folders whose files go when they were kept long enough.
    pub(crate) fn expiring_homes(&self, worker: &Worker) -> Vec<UserHome> {
        let mut homes = self.homes(worker, None);
        homes.extend(homes_of_folders(&self.config()));
        homes.retain(|home| home.rules.retention.keep.is_some());
        homes
    }

    /// The file system of the home of `user`, which is not touched; `None` where that is not known.
    pub(crate) fn device_of(&self, worker: &Worker, user: &str) -> Option<u64> {
        let config = self.config();
        let home = self.with_account(worker, user, |name, account| config.home(name, account))?;
        self.mounts.device_of(&home)
    }

    /// Where the home of `user` is, and the group of the account.
    pub(crate) fn home_and_group(
        &self,
        worker: &Worker,
        user: &str,
    ) -> Option<(PathBuf, Option<UserName>)> {
        let config = self.config();
        self.with_account(worker, user, |name, account| {
            (config.home(name, account), account.group.clone())
        })
    }

    /// What `user`, or the holder of a shared folder, may store; `None` where there is no such
    /// account or folder.
    pub(crate) fn rules(&self, worker: &Worker, user: &str) -> Option<HomeRules> {
        let config = self.config();
        let known = self.with_account(worker, user, |name, account| rules(&config, name, account));
        known.or_else(|| rules_of_folder(&config, user))
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
            let found = store
                .find(user)
                .ok_or(NotChanged::Refused(Refusal::NoAccount))?;
            let (name, inheriting) = (found.0.clone(), found.1);
            check_right(inheriting)?;
            let account = store.get_mut(&name)?;
            let wrong = NotChanged::Refused(Refusal::WrongPassword);
            let scram = account.scram.as_ref().ok_or(wrong)?;
            check_change(&verifier(scram), binding, &new, &change.proof)
                .map_err(|_| NotChanged::Refused(Refusal::WrongPassword))?;
            account.set_password(skiff_conf::Verifier {
                salt: new.salt.clone(),
                iterations,
                stored_key: new.stored_key,
                server_key: new.server_key,
            });
            Ok(())
        });
        changed.map_err(|why| match why {
            NotChanged::Refused(why) => why,
            NotChanged::Outdated => Refusal::NoAccount,
            NotChanged::Failed(why) => {
                log::error!("the password of {user} was not changed: {why}");
                Refusal::Fault
            }
        })
    }

    /// The store as it is now. Where it cannot be read, the last one holds, and the log says why:
    /// no password is wrong because of a slip in a file.
    pub(super) fn store(&self, _worker: &Worker) -> Option<Arc<UserStore>> {
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

pub(super) fn limit(config: &Server, name: &UserName, account: &Account) -> Limit {
    let allowance = config.allowance(name, account);
    Limit::new(allowance.bytes.get(), allowance.entries.get())
}

/// Makes the home `root` if it is missing and may be made; otherwise says why it is not there.
fn ensure_home(config: &Server, root: &Path, owner: Option<&Owner>) -> Result<(), String> {
    if root.is_dir() {
        // Whether its owner may use it is seen when it is opened as the owner's.
        return owner.map_or_else(|| require_opening(root), |_| Ok(()));
    }
    let below = root.strip_prefix(&config.homes).ok();
    let is_own = below.is_some_and(|below| {
        let mut parts = below.components();
        parts.all(|part| matches!(part, Component::Normal(_)))
    });
    if !is_own || owner.is_some() && !geteuid().is_root() {
        return Err(format!(
            "the home {} is not there; is its disk mounted? a new one is made by skiffd user add",
            root.display()
        ));
    }
    make_new_home(config, root, owner).map_err(|error| error.to_string())?;
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

/// The account of `user`, if it is enabled and open to the address `from`.
pub(super) fn admitted<'a>(store: &'a UserStore, user: &str, from: IpAddr) -> Option<&'a Account> {
    let account = store.get(user);
    let enabled = account.filter(|account| account.standing == AccountStatus::Enabled);
    let admitted = enabled.filter(|account| account.admits(from));
    if enabled.is_some() && admitted.is_none() {
        log::info!("{user} may not log in from {from} (allow, deny)");
    }
    admitted
}

pub(super) fn verifier(scram: &skiff_conf::Verifier) -> Verifier {
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
pub(super) enum NotChanged {
    Refused(Refusal),
    /// The account is another one meanwhile.
    Outdated,
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
mod tests;
