//! [`FileOwner`]: the user of the system to whom the files of a home or of a shared folder belong,
//! and [`FileOwners`], whether there are such.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::name::UserName;
use crate::units::{BadValue, from_text};

/// Whose the files of the homes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum FileOwners {
    /// The daemon's user has all of them.
    #[default]
    Daemon,
    /// Accounts, groups and shared folders may name a user of the system (`owner`).
    Accounts,
}

/// A user of the system, and a group if it is not that user's own, by names or numbers:
/// `"ann"`, `"ann:media"`, as chown(1) has them. In a group of accounts `%u` stands for the name of
/// each account's user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileOwner {
    user: String,
    group: Option<String>,
}

impl FileOwner {
    /// With the name of the account in place of each `%u`.
    pub fn of_account(&self, name: &UserName) -> Self {
        let named = |text: &str| text.replace("%u", name.as_str());
        Self {
            user: named(&self.user),
            group: self.group.as_deref().map(named),
        }
    }

    /// The user's name or number.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// `None`: the user's own.
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }
}

impl FromStr for FileOwner {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        if ![Some(user), group].into_iter().flatten().all(is_name) {
            return Err(BadValue::new(
                text,
                "a user of the system other than root; write it such as \"ann\", \"1000\" or \
                 \"ann:media\"",
            ));
        }
        Ok(Self {
            user: user.to_owned(),
            group: group.map(str::to_owned),
        })
    }
}

/// Whether the system may have a user or group of this name; root's files are no user's.
fn is_name(text: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_alphanumeric() || b"._-@$%+\\".contains(&c);
    !text.is_empty()
        && text.len() <= 256
        && text.bytes().all(allowed)
        && !text.starts_with('-')
        && !["root", "0"].contains(&text)
}

impl fmt::Display for FileOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.user)?;
        match &self.group {
            Some(group) => write!(f, ":{group}"),
            None => Ok(()),
        }
    }
}

impl Serialize for FileOwner {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FileOwner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_is_a_user_and_perhaps_a_group() {
        let name: UserName = "tom".parse().unwrap();
        for (text, user, group) in [
            ("ann", "ann", None),
            ("1000", "1000", None),
            ("ann:media", "ann", Some("media")),
            ("%u", "tom", None),
            ("lab-%u:lab", "lab-tom", Some("lab")),
            ("DOMAIN\\ann", "DOMAIN\\ann", None),
        ] {
            let owner: FileOwner = text.parse().unwrap();
            let own = owner.of_account(&name);
            assert_eq!((own.user(), own.group()), (user, group));
            assert_eq!(owner.to_string(), text);
        }
        for bad in [
            "", ":", "ann:", ":media", "root", "0", "0:0", "-u", "a b", "a:b:c", "a\n",
        ] {
            assert!(bad.parse::<FileOwner>().is_err(), "{bad}");
        }
    }
}
