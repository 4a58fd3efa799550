//! Says what the transfer of a tree does with files that both ends have, with links, with what only
//! the target has, and what it leaves out.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use skiff_sessions::wire::reply::Facts;
use skiff_sessions::wire::stamp::Stamp;

use crate::transfer::glob::Pattern;

/// The rule of one tree.
pub(crate) struct TreeRule {
    pub(crate) same: Sameness,
    pub(crate) changed: Changed,
    pub(crate) extra: Extra,
    pub(crate) links: Links,
    pub(crate) attributes: Attributes,
    pub(crate) excluded: Vec<Exclusion>,
    pub(crate) execution: Execution,
}

/// How it is known that both ends have the same file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sameness {
    SizeAndTime,
    SizeAndDigest,
}

/// What is done with another file that has the name at the target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Changed {
    Replaced,
    /// It is named, and stays.
    Left,
}

/// What is done with what only the target has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Extra {
    Kept,
    /// Where the listing of the source is complete.
    Deleted,
}

/// What is done with links.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Links {
    /// Those to files are transferred as these files, others not.
    ToFiles,
    /// Those to directories are walked too.
    Followed,
    /// Each is made anew at the target, and none is followed at either end.
    Remade,
    /// None is transferred.
    Skipped,
}

/// What goes along with the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Attributes {
    Time,
    TimeAndMode,
}

/// Whether anything is done, and whether it is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Execution {
    Silent,
    /// Each action is printed, in the order of the walk.
    Told,
    /// Each action is printed, and none is done.
    OnlyTold,
}

/// A pattern of names: one with a `/` is of paths below the root, others are of names anywhere.
pub(crate) struct Exclusion(Vec<Pattern>);

/// What one end has of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Version {
    pub(crate) size: u64,
    pub(crate) modified: Stamp,
}

/// What is to be done with a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Verdict {
    /// The target has none.
    New,
    /// The target has another one, which is replaced.
    Changed,
    Unchanged,
    /// The digests say whether it is [`Verdict::Unchanged`].
    Compare,
    /// The target has another one, which stays.
    Left,
}

impl TreeRule {
    /// Decides about a file by what is known of both ends without reading it.
    pub(crate) fn judge(&self, source: Version, target: Option<Version>) -> Verdict {
        let Some(target) = target else {
            return Verdict::New;
        };
        match self.same {
            Sameness::SizeAndTime if source == target => Verdict::Unchanged,
            Sameness::SizeAndDigest if source.size == target.size => Verdict::Compare,
            Sameness::SizeAndTime | Sameness::SizeAndDigest => self.of_changed(),
        }
    }

    /// What is done with a file of which the target has another.
    pub(crate) fn of_changed(&self) -> Verdict {
        match self.changed {
            Changed::Replaced => Verdict::Changed,
            Changed::Left => Verdict::Left,
        }
    }

    /// True for what is left out; `path` is below the root of the tree.
    pub(crate) fn excludes(&self, path: &Path) -> bool {
        self.excluded.iter().any(|pattern| pattern.matches(path))
    }

    pub(crate) fn is_dry(&self) -> bool {
        self.execution == Execution::OnlyTold
    }
}

impl Exclusion {
    pub(crate) fn new(pattern: &[u8]) -> Self {
        let components = pattern.split(|&byte| byte == b'/');
        let components = components.filter(|component| !component.is_empty());
        Self(
            components
                .map(|component| Pattern::compile(component, |_| true))
                .collect(),
        )
    }

    fn matches(&self, path: &Path) -> bool {
        let names: Vec<&[u8]> = path.iter().map(OsStrExt::as_bytes).collect();
        match (&self.0[..], &names[..]) {
            ([], _) => false,
            ([name], [.., last]) => name.matches(last),
            (patterns, names) => {
                patterns.len() == names.len()
                    && patterns
                        .iter()
                        .zip(names)
                        .all(|(one, name)| one.matches(name))
            }
        }
    }
}

impl From<&Facts> for Version {
    fn from(facts: &Facts) -> Self {
        Self {
            size: facts.size,
            modified: facts.modified,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(same: Sameness, changed: Changed) -> TreeRule {
        TreeRule {
            same,
            changed,
            extra: Extra::Kept,
            links: Links::ToFiles,
            attributes: Attributes::Time,
            excluded: ["*.o", "build/cache"]
                .map(|text| Exclusion::new(text.as_bytes()))
                .into(),
            execution: Execution::Silent,
        }
    }

    #[test]
    fn files_are_judged_by_what_both_ends_have() {
        let version = |size, time| Version {
            size,
            modified: Stamp(time),
        };
        let (old, newer, longer) = (version(1, 1), version(1, 2), version(2, 1));
        let sync = rule(Sameness::SizeAndTime, Changed::Replaced);
        assert_eq!(sync.judge(old, None), Verdict::New);
        assert_eq!(sync.judge(old, Some(old)), Verdict::Unchanged);
        assert_eq!(sync.judge(newer, Some(old)), Verdict::Changed);
        assert_eq!(sync.judge(old, Some(longer)), Verdict::Changed);
        let put = rule(Sameness::SizeAndDigest, Changed::Left);
        assert_eq!(put.judge(old, Some(old)), Verdict::Compare);
        assert_eq!(put.judge(newer, Some(old)), Verdict::Compare);
        assert_eq!(put.judge(longer, Some(old)), Verdict::Left);
    }

    #[test]
    fn a_pattern_without_a_slash_is_of_names_anywhere() {
        let rule = rule(Sameness::SizeAndTime, Changed::Replaced);
        let excludes = |path: &str| rule.excludes(Path::new(path));
        assert!(excludes("a.o") && excludes("deep/down/a.o"));
        assert!(excludes("build/cache") && !excludes("x/build/cache") && !excludes("cache"));
        assert!(!excludes("a.obj") && !excludes(""));
    }
}
