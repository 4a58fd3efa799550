//! What an account may do, folder by folder: [`Rights`], and the [`Permissions`] that give them.

use crate::path::VirtualPath;

/// Something that an account may do in a folder, or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    /// See names, sizes and times.
    List,
    /// Read files, and their sizes, times and digests.
    Get,
    /// Store files under names that are free.
    Put,
    /// Store files under names that are taken, and change times and modes.
    Replace,
    /// Append to files.
    Append,
    /// Delete files.
    Delete,
    MakeDirectory,
    RemoveDirectory,
    Rename,
}

impl Right {
    pub const ALL: [Self; 9] = [
        Self::List,
        Self::Get,
        Self::Put,
        Self::Replace,
        Self::Append,
        Self::Delete,
        Self::MakeDirectory,
        Self::RemoveDirectory,
        Self::Rename,
    ];

    /// The operator's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "get",
            Self::Put => "put",
            Self::Replace => "replace",
            Self::Append => "append",
            Self::Delete => "delete",
            Self::MakeDirectory => "mkdir",
            Self::RemoveDirectory => "rmdir",
            Self::Rename => "rename",
        }
    }

    /// What somebody who has not got it is told that he may not do.
    pub fn deed(self) -> &'static str {
        match self {
            Self::List => "list files",
            Self::Get => "read files",
            Self::Put => "store files",
            Self::Replace => "replace or change files",
            Self::Append => "append to files",
            Self::Delete => "delete files",
            Self::MakeDirectory => "make directories or links",
            Self::RemoveDirectory => "remove directories",
            Self::Rename => "rename",
        }
    }
}

/// A set of [`Right`]s.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rights(u16);

impl Rights {
    pub const NONE: Self = Self(0);
    pub const ALL: Self = Self::of(&Right::ALL);
    /// Those of an account that may only read.
    pub const READING: Self = Self::of(&[Right::List, Right::Get]);

    pub const fn of(rights: &[Right]) -> Self {
        let (mut bits, mut next) = (0, 0);
        while next < rights.len() {
            bits |= 1 << rights[next] as u16;
            next += 1;
        }
        Self(bits)
    }

    /// These and others.
    #[must_use]
    pub fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    #[must_use]
    pub fn without(self, rights: Self) -> Self {
        Self(self.0 & !rights.0)
    }

    pub fn has(self, right: Right) -> bool {
        self.0 & 1 << right as u16 != 0
    }

    /// Whether at least one right is in both.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub fn iter(self) -> impl Iterator<Item = Right> {
        Right::ALL.into_iter().filter(move |right| self.has(*right))
    }
}

/// What becomes of an upload to a name that is taken, where nothing may be replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IfTaken {
    Refused,
    /// It gets the name with a number, so that the client learns nothing of what is there.
    Numbered,
}

/// What an account may do in a folder and below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Grant {
    pub rights: Rights,
    pub if_taken: IfTaken,
}

impl Grant {
    pub const ALL: Self = Self::of(Rights::ALL);
    pub const READING: Self = Self::of(Rights::READING);
    /// Files may be left, and nothing of what is there can be told.
    pub const DROP_BOX: Self = Self {
        rights: Rights::of(&[Right::Put]),
        if_taken: IfTaken::Numbered,
    };

    pub const fn of(rights: Rights) -> Self {
        Self {
            rights,
            if_taken: IfTaken::Refused,
        }
    }
}

/// What an account may do in its home, and in folders that have rules of their own. Paths are
/// judged by their names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Permissions {
    home: Grant,
    /// The longest paths first.
    folders: Vec<(VirtualPath, Grant)>,
    links: Links,
}

/// Whether links are followed, where they stay in the home.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Links {
    Followed,
    /// What may be done is judged by names, and a link gives a file another one.
    Refused,
}

impl From<Grant> for Permissions {
    fn from(home: Grant) -> Self {
        Self {
            home,
            folders: Vec::new(),
            links: Links::Followed,
        }
    }
}

impl Permissions {
    pub fn new(home: Grant, folders: impl IntoIterator<Item = (VirtualPath, Grant)>) -> Self {
        let mut folders: Vec<_> = folders.into_iter().collect();
        folders.sort_by_key(|(folder, _)| std::cmp::Reverse(folder.as_bytes().len()));
        let links = match folders.is_empty() {
            true => Links::Followed,
            false => Links::Refused,
        };
        Self {
            home,
            folders,
            links,
        }
    }

    /// With folders beside that no link of the home leads into: each is a jail of its own. A rule
    /// that is there already for such a folder stays.
    #[must_use]
    pub fn with_jails(mut self, jails: impl IntoIterator<Item = (VirtualPath, Grant)>) -> Self {
        for (jail, grant) in jails {
            if !self.folders.iter().any(|(folder, _)| *folder == jail) {
                self.folders.push((jail, grant));
            }
        }
        self.folders
            .sort_by_key(|(folder, _)| std::cmp::Reverse(folder.as_bytes().len()));
        self
    }

    /// Whether links are followed.
    pub fn links(&self) -> Links {
        self.links
    }

    /// What may be done with the names in the directory `path`.
    pub fn within(&self, path: &VirtualPath) -> Grant {
        self.first(|folder| folder == path || path.is_below(folder))
    }

    /// What may be done with the name `path`. A folder with a rule of its own, and those above it,
    /// are neither renamed nor removed: the rule would be lost with them.
    pub fn of_name(&self, path: &VirtualPath) -> Grant {
        let grant = self.first(|folder| path.is_below(folder));
        match self.holds_a_rule(path) {
            true => Grant {
                rights: grant.rights.without(MOVING),
                ..grant
            },
            false => grant,
        }
    }

    /// Whether both names are in one folder, or in folders with the rule of one.
    pub fn are_under_one_rule(&self, one: &VirtualPath, other: &VirtualPath) -> bool {
        let rule = |path: &VirtualPath| {
            let mut folders = self.folders.iter();
            folders.position(|(folder, _)| path.is_below(folder))
        };
        rule(one) == rule(other)
    }

    fn holds_a_rule(&self, path: &VirtualPath) -> bool {
        let mut folders = self.folders.iter();
        folders.any(|(folder, _)| folder == path || folder.is_below(path))
    }

    fn first(&self, holds: impl Fn(&VirtualPath) -> bool) -> Grant {
        let mut folders = self.folders.iter();
        let found = folders.find(|(folder, _)| holds(folder));
        found.map_or(self.home, |(_, grant)| *grant)
    }
}

/// What takes a name away.
const MOVING: Rights = Rights::of(&[Right::Delete, Right::RemoveDirectory, Right::Rename]);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::PathArg;

    fn path(text: &str) -> VirtualPath {
        let arg = PathArg::new(text).unwrap();
        VirtualPath::root().join(&arg).unwrap()
    }

    #[test]
    fn the_deepest_rule_holds() {
        let reading = Grant::READING;
        let permissions = Permissions::new(
            reading,
            [
                (path("/in"), Grant::DROP_BOX),
                (path("/in/done"), reading),
                (path("/desk"), Grant::ALL),
            ],
        );
        for (at, within, of_name) in [
            ("/", reading, Some(reading)),
            ("/a", reading, Some(reading)),
            ("/inn", reading, Some(reading)),
            ("/in", Grant::DROP_BOX, Some(reading)),
            ("/in/a", Grant::DROP_BOX, Some(Grant::DROP_BOX)),
            ("/in/done", reading, None),
            ("/in/done/a/b", reading, Some(reading)),
            ("/desk", Grant::ALL, Some(reading)),
            ("/desk/a", Grant::ALL, Some(Grant::ALL)),
        ] {
            assert_eq!(permissions.within(&path(at)), within, "in {at}");
            let of_name = of_name.unwrap_or(Grant::DROP_BOX);
            assert_eq!(permissions.of_name(&path(at)), of_name, "of {at}");
        }
    }

    #[test]
    fn a_folder_with_a_rule_and_those_above_it_stay() {
        let rule = [(path("/a/b"), Grant::READING)];
        let permissions = Permissions::new(Grant::ALL, rule);
        for (at, moves) in [
            ("/", false),
            ("/a", false),
            ("/a/b", false),
            ("/a/c", true),
            ("/ab", true),
        ] {
            let rights = permissions.of_name(&path(at)).rights;
            for right in [Right::Delete, Right::RemoveDirectory, Right::Rename] {
                assert_eq!(rights.has(right), moves, "{right:?} of {at}");
            }
            assert!(rights.has(Right::MakeDirectory));
        }
    }

    #[test]
    fn names_are_under_one_rule_or_not() {
        let rules = [(path("/a"), Grant::ALL), (path("/b"), Grant::ALL)];
        let permissions = Permissions::new(Grant::ALL, rules);
        for (one, other, alike) in [
            ("/a/x", "/a/y/z", true),
            ("/x", "/y", true),
            ("/a", "/y", true),
            ("/a/x", "/y", false),
            ("/a/x", "/b/x", false),
        ] {
            let found = permissions.are_under_one_rule(&path(one), &path(other));
            assert_eq!(found, alike, "{one} {other}");
        }
    }

    #[test]
    fn sets_hold_what_was_put_in() {
        assert!(Right::ALL.iter().all(|right| Rights::ALL.has(*right)));
        assert!(Right::ALL.iter().all(|right| !Rights::NONE.has(*right)));
        let reading: Vec<_> = Rights::READING.iter().map(Right::name).collect();
        assert_eq!(reading, ["list", "get"]);
        assert!(!Rights::READING.without(Rights::READING).meets(Rights::ALL));
    }
}
