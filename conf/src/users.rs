//! [`UserStore`]: the accounts of `users.ron`, a private file that is replaced atomically.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::Metadata;
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Deserializer, Serialize, de};
use zeroize::Zeroizing;

use crate::account::{Account, Iterations};
use crate::complaint::Complaint;
use crate::document::{self, Document};
use crate::group::Group;
use crate::io_cause::IoCause;
use crate::name::UserName;
use crate::parse_error;
use crate::private_file;

/// Bytes of the largest store, enough for some two hundred thousand accounts.
const MAX_STORE: u64 = 64 << 20;

const HEADER: &str = "\
// The users of skiffd. `skiffd user` changes this file; what is changed by hand
// holds too, but comments are lost. Nobody but its owner may read it.
";

/// The accounts of `users.ron`, by name.
#[derive(Debug, Clone, Default)]
pub struct UserStore {
    /// As they are in the file.
    accounts: BTreeMap<UserName, Account>,
    groups: BTreeMap<UserName, Group>,
    /// Those that inherit from a group, with what they inherit.
    inheriting: BTreeMap<UserName, Account>,
    usual_iterations: Option<Iterations>,
    stamp: Option<FileStamp>,
}

/// Size, mtime, ctime and inode of the file, by which a change is noticed: every save makes a new
/// file, and chmod(1) changes the ctime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileStamp {
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    changed: (i64, i64),
    size: u64,
    inode: u64,
}

/// The error of a change to the store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    #[error("there is a user {0} already")]
    Exists(UserName),
    #[error("there is no user {0}")]
    Unknown(UserName),
}

/// Of numbers that are equally frequent the largest, which new accounts are more likely to have.
fn usual_iterations(accounts: &BTreeMap<UserName, Account>) -> Option<Iterations> {
    let mut counts = BTreeMap::<Iterations, usize>::new();
    for account in accounts.values() {
        *counts.entry(account.scram.iterations).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map(|(iterations, _)| iterations)
}

impl UserStore {
    /// Reads the store. Fails unless it is a regular file that only its owner can read.
    pub fn load(path: &Path) -> Result<Self, Complaint> {
        let (file, found) = private_file::open_private(path)?;
        let text = document::read_text(path, file, MAX_STORE)?;
        let document = Document::new(path, text);
        let stored: Stored = document.parse()?;
        Ok(Self {
            usual_iterations: usual_iterations(&stored.users),
            inheriting: inheriting(&document, &stored)?,
            accounts: stored.users,
            groups: stored.groups,
            stamp: Some(FileStamp::of(&found)),
        })
    }

    /// Loads the store, calls `change`, and saves the result unless `change` fails. A missing store
    /// starts empty. The folder is locked meanwhile, so this waits for other edits and no change is
    /// lost; readers see the old file or the new one.
    pub fn edit<T, E: From<Complaint>>(
        path: &Path,
        change: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let complain =
            |error| Complaint::about(path, format_args!("cannot be changed: {}", IoCause(&error)));
        let _lock = private_file::lock_folder(path).map_err(complain)?;
        let mut store = match is_missing(path) {
            true => Self::default(),
            false => Self::load(path)?,
        };
        let outcome = change(&mut store)?;
        store.save(path).map_err(complain)?;
        Ok(outcome)
    }

    /// The account of the user `name`, which may be any text from a peer, with what it inherits.
    pub fn get(&self, name: &str) -> Option<&Account> {
        self.find(name).map(|(_, account)| account)
    }

    /// Like [`UserStore::get`], with the name from the store.
    pub fn find(&self, name: &str) -> Option<(&UserName, &Account)> {
        let inheriting = self.inheriting.get_key_value(name);
        inheriting.or_else(|| self.accounts.get_key_value(name))
    }

    /// The number of rounds that most accounts had when the store was loaded; `None` without any.
    pub fn usual_iterations(&self) -> Option<Iterations> {
        self.usual_iterations
    }

    /// Adds an account; [`StoreError::Exists`] where the name is taken.
    pub fn add(&mut self, name: UserName, account: Account) -> Result<(), StoreError> {
        if self.accounts.contains_key(&name) {
            return Err(StoreError::Exists(name));
        }
        self.accounts.insert(name, account);
        Ok(())
    }

    /// The account of `name` as the file has it, to be changed; [`StoreError::Unknown`] where there
    /// is none.
    pub fn get_mut(&mut self, name: &UserName) -> Result<&mut Account, StoreError> {
        self.accounts
            .get_mut(name)
            .ok_or_else(|| StoreError::Unknown(name.clone()))
    }

    /// Removes an account; [`StoreError::Unknown`] where there is none.
    pub fn remove(&mut self, name: &UserName) -> Result<Account, StoreError> {
        self.accounts
            .remove(name)
            .ok_or_else(|| StoreError::Unknown(name.clone()))
    }

    /// The accounts in the order of their names, with what they inherit.
    pub fn iter(&self) -> impl Iterator<Item = (&UserName, &Account)> {
        let whole = |(name, account)| (name, self.inheriting.get(name).unwrap_or(account));
        self.accounts.iter().map(whole)
    }

    /// The account with what it would inherit here.
    pub fn with_group(&self, account: &Account) -> Account {
        let group = account.group.as_ref();
        let group = group.and_then(|group| self.groups.get(group));
        group.map_or_else(|| account.clone(), |group| account.inheriting(group))
    }

    /// Whether there is a group of this name.
    pub fn has_group(&self, name: &UserName) -> bool {
        self.groups.contains_key(name)
    }

    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Whether the file at `path` is unchanged since this was loaded, by one lstat(2).
    pub fn is_current(&self, path: &Path) -> bool {
        self.stamp.is_some() && self.stamp == FileStamp::at(path)
    }

    fn save(&self, path: &Path) -> io::Result<()> {
        let format = ron::ser::PrettyConfig::new()
            .new_line("\n")
            .indentor("    ");
        let options = ron::Options::default()
            .with_default_extension(ron::extensions::Extensions::IMPLICIT_SOME);
        let mut text = Zeroizing::new(String::from(HEADER));
        let stored = StoredRef {
            groups: &self.groups,
            users: &self.accounts,
        };
        options
            .to_writer_pretty(&mut *text, &stored, format)
            .map_err(io::Error::other)?;
        text.push('\n');
        private_file::replace(path, text.as_bytes())
    }
}

impl FileStamp {
    /// The stamp of the file at `path` now; `None` where there is none.
    pub fn at(path: &Path) -> Option<Self> {
        std::fs::symlink_metadata(path)
            .ok()
            .map(|found| Self::of(&found))
    }

    fn of(found: &Metadata) -> Self {
        Self {
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
            size: found.len(),
            inode: found.ino(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Stored {
    #[serde(deserialize_with = "unique")]
    groups: BTreeMap<UserName, Group>,
    #[serde(deserialize_with = "unique")]
    users: BTreeMap<UserName, Account>,
}

#[derive(Serialize)]
struct StoredRef<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    groups: &'a BTreeMap<UserName, Group>,
    users: &'a BTreeMap<UserName, Account>,
}

/// The accounts that name a group, with what they inherit; a complaint about a group that is not
/// there.
fn inheriting(
    document: &Document,
    stored: &Stored,
) -> Result<BTreeMap<UserName, Account>, Complaint> {
    let mut inheriting = BTreeMap::new();
    for (name, account) in &stored.users {
        let Some(wanted) = &account.group else {
            continue;
        };
        let Some(group) = stored.groups.get(wanted) else {
            let known: Vec<_> = stored.groups.keys().map(UserName::as_str).collect();
            let way_out = parse_error::suggest(wanted.as_str(), &known);
            let what = format!("{name} names the group {wanted}, which is not there; {way_out}");
            return Err(document.complain(&format!("users.{name}.group"), what));
        };
        inheriting.insert(name.clone(), account.inheriting(group));
    }
    Ok(inheriting)
}

fn is_missing(path: &Path) -> bool {
    let found = std::fs::symlink_metadata(path);
    found.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Deserializes a map with names as keys. A name that is there twice is an error: serde would take
/// the last without a word.
pub(crate) fn unique<'de, K, V, D>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
    D: Deserializer<'de>,
{
    deserializer.deserialize_map(UniqueVisitor(PhantomData))
}

struct UniqueVisitor<K, V>(PhantomData<(K, V)>);

impl<'de, K, V> de::Visitor<'de> for UniqueVisitor<K, V>
where
    K: Deserialize<'de> + Ord + fmt::Display,
    V: Deserialize<'de>,
{
    type Value = BTreeMap<K, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names and values in braces: { .. }")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut unique = BTreeMap::new();
        while let Some(name) = map.next_key::<K>()? {
            if unique.contains_key(&name) {
                let twice = format!("the name \"{name}\" stands twice; keep one of them");
                return Err(de::Error::custom(twice));
            }
            unique.insert(name, map.next_value()?);
        }
        Ok(unique)
    }
}
