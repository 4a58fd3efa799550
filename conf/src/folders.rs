//! [`SharedFolder`]: a folder of the `folders` section of `server.ron`, which appears in homes.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use crate::access::Access;
use crate::account::Account;
use crate::file_owner::FileOwner;
use crate::name::UserName;
use crate::quota::ByteQuota;
use crate::retention::{Age, WhenFull};
use crate::units::{BadValue, from_text};

/// A folder of the host that appears in the homes of those who may use it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SharedFolder {
    /// Where it is on the host; a relative one is relative to the folder of `server.ron`.
    pub path: PathBuf,
    #[serde(default)]
    pub access: Access,
    /// Who has it. Without users and groups, everybody.
    #[serde(default)]
    pub users: Vec<UserName>,
    /// The groups of the user store whose accounts have it.
    #[serde(default)]
    pub groups: Vec<UserName>,
    #[serde(default)]
    pub quota: FolderQuota,
    /// Files go that were not changed for so long; only where the folder has a quota of its own.
    #[serde(default)]
    pub keep: Option<Age>,
    /// The same holds for this.
    #[serde(default)]
    pub ring: WhenFull,
    /// Whose its files are, whoever uploads them; only where the folder has a quota of its own.
    /// `None`: the daemon's user.
    #[serde(default, deserialize_with = "one_owner")]
    pub owner: Option<FileOwner>,
}

/// What the files of a shared folder count against.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub enum FolderQuota {
    /// A limit of the folder's own.
    Own(ByteQuota),
    /// The quota of this user, in whose home the folder lies.
    Owner(UserName),
}

impl Default for FolderQuota {
    fn default() -> Self {
        Self::Own(ByteQuota::UNLIMITED)
    }
}

impl SharedFolder {
    /// Whether the account of `name` has it.
    pub fn is_for(&self, name: &UserName, account: &Account) -> bool {
        let everybody = self.users.is_empty() && self.groups.is_empty();
        let group = account.group.as_ref();
        everybody
            || self.users.contains(name)
            || group.is_some_and(|group| self.groups.contains(group))
    }
}

/// A folder is not of one account, whose name could be put in.
fn one_owner<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<FileOwner>, D::Error> {
    let owner = Option::<FileOwner>::deserialize(deserializer)?;
    match owner
        .as_ref()
        .is_some_and(|owner| owner.to_string().contains('%'))
    {
        true => Err(de::Error::custom(
            "the owner of a shared folder has no %u; name one user",
        )),
        false => Ok(owner),
    }
}

/// The name of a shared folder, under which it appears in homes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FolderName(String);

impl FolderName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FolderName {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let is_plain = |c: char| !c.is_control() && c != '/';
        let fits = (1..=255).contains(&text.len()) && text.chars().all(is_plain);
        match fits && !text.starts_with('.') {
            true => Ok(Self(text.to_owned())),
            false => Err(BadValue::new(
                text,
                "the name of a folder; write one such as \"media\", not starting with a dot",
            )),
        }
    }
}

impl fmt::Display for FolderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for FolderName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

/// Shared folders by their names.
pub type SharedFolders = BTreeMap<FolderName, SharedFolder>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_folders() {
        for good in ["media", "Team A", "ü", "a.b"] {
            assert_eq!(good.parse::<FolderName>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", ".skiff-stage", "a/b", "a\nb"] {
            assert!(bad.parse::<FolderName>().is_err(), "{bad:?}");
        }
    }
}
