//! [`Recount`]: what a count that is under way knows, kept beside the data of the home's lock.
//!
//! The walk counts one directory at a time, and takes its sum over under the lock if the daemon has
//! changed nothing in it meanwhile. From then on the directory is *counted*: whoever changes a name
//! in it posts the difference here too. Changes in other directories are seen by the walk. Names
//! that an upload is writing are left out, from its beginning to its end; so are stages, which are
//! looked at when the count ends. So the sum is exact whatever the daemon does meanwhile; what
//! other programs do meanwhile is found by the next count.

use std::collections::HashSet;

use skiff_quota::Amount;

use super::writers::HomeState;
use crate::jail::folder::NameAt;
use crate::jail::mount::FolderId;

/// Moved directories that are remembered, each by an open directory.
const MOVED_MAX: usize = 64;

/// What a count knows of a home.
#[derive(Debug, Default)]
pub(crate) struct Recount {
    counted: HashSet<FolderId>,
    current: Option<(FolderId, Current)>,
    /// Directories that were moved to a counted directory before they were counted themselves.
    moved: Vec<NameAt>,
    course: Course,
    /// Bytes and entries; signed, as other programs change the home meanwhile.
    sum: (i128, i128),
}

/// The directory that the walk is counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Current {
    Unchanged,
    Changed,
    Removed,
}

/// Whether the count can go on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Course {
    #[default]
    GoOn,
    /// Too many directories were moved: the walk would miss some.
    StartOver,
}

/// What became of the count of one directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// Its sum is in the total.
    Counted,
    /// The daemon has changed something in it: it is to be counted again.
    Again,
    /// The directory was removed.
    Gone,
}

impl Recount {
    /// Begins to count `folder`; false where it is counted already.
    pub(crate) fn begin(&mut self, folder: FolderId) -> bool {
        if self.counted.contains(&folder) {
            return false;
        }
        self.current = Some((folder, Current::Unchanged));
        true
    }

    /// Takes over the sum of the directory that was begun last, unless it was changed.
    pub(crate) fn take_over(&mut self, sum: Amount) -> Taken {
        match self.current.take() {
            Some((folder, Current::Unchanged)) => {
                self.counted.insert(folder);
                self.add(Amount::ZERO, sum);
                Taken::Counted
            }
            Some((_, Current::Changed)) => Taken::Again,
            Some((_, Current::Removed)) | None => Taken::Gone,
        }
    }

    pub(crate) fn is_counted(&self, folder: FolderId) -> bool {
        self.counted.contains(&folder)
    }

    /// A directory that was moved out of the walk's way.
    pub(crate) fn next_moved(&mut self) -> Option<NameAt> {
        self.moved.pop()
    }

    pub(crate) fn course(&self) -> Course {
        self.course
    }

    /// The sum of all counted directories, and of what was posted since.
    pub(crate) fn sum(&self) -> Amount {
        let part = |sum: i128| u64::try_from(sum.max(0)).unwrap_or(u64::MAX);
        Amount::new(part(self.sum.0), part(self.sum.1))
    }

    fn add(&mut self, before: Amount, after: Amount) {
        let change = |before: u64, after: u64| i128::from(after) - i128::from(before);
        self.sum.0 += change(before.bytes, after.bytes);
        self.sum.1 += change(before.entries, after.entries);
    }
}

impl HomeState {
    /// Tells a running count that the charge of a published name in `folder` has changed.
    pub(crate) fn post(&mut self, folder: FolderId, before: Amount, after: Amount) {
        let Some(recount) = &mut self.recount else {
            return;
        };
        match recount.current {
            Some((current, Current::Unchanged)) if current == folder => {
                recount.current = Some((current, Current::Changed));
            }
            // It is to be counted again anyway, or not at all.
            Some((current, _)) if current == folder => {}
            _ if recount.counted.contains(&folder) => recount.add(before, after),
            _ => {}
        }
    }

    /// Whether a count is under way, which wants to know of directories.
    pub(crate) fn is_counting(&self) -> bool {
        self.recount.is_some()
    }

    /// Tells a running count of a new, empty directory `made` in `folder`, after
    /// [`HomeState::post`].
    pub(crate) fn post_made(&mut self, folder: FolderId, made: FolderId) {
        if let Some(recount) = &mut self.recount
            && recount.counted.contains(&folder)
        {
            recount.counted.insert(made);
        }
    }

    /// Tells a running count that the directory `removed` is gone: another one may get its number.
    pub(crate) fn post_removed(&mut self, removed: FolderId) {
        let Some(recount) = &mut self.recount else {
            return;
        };
        recount.counted.remove(&removed);
        if let Some((current, what)) = &mut recount.current
            && *current == removed
        {
            *what = Current::Removed;
        }
    }

    /// Tells a running count that the directory `moved` is called `to` now.
    pub(crate) fn post_moved(&mut self, moved: FolderId, to: &NameAt) {
        let Some(recount) = &mut self.recount else {
            return;
        };
        if recount.counted.contains(&moved) || !recount.counted.contains(&to.folder.id) {
            return;
        }
        if recount.moved.len() < MOVED_MAX {
            recount.moved.push(to.clone());
        } else {
            recount.course = Course::StartOver;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::writers::HomeState;

    fn folder(inode: u64) -> FolderId {
        FolderId::for_tests(inode)
    }

    fn counting() -> HomeState {
        let mut state = HomeState::new();
        state.recount = Some(Recount::default());
        state
    }

    fn recount(state: &mut HomeState) -> &mut Recount {
        state.recount.as_mut().unwrap()
    }

    #[test]
    fn changes_count_where_the_walk_has_been_and_only_there() {
        let mut state = counting();
        assert!(recount(&mut state).begin(folder(1)));
        assert_eq!(
            recount(&mut state).take_over(Amount::new(10, 2)),
            Taken::Counted
        );
        assert!(!recount(&mut state).begin(folder(1)));
        state.post(folder(1), Amount::ZERO, Amount::new(5, 1));
        state.post(folder(2), Amount::ZERO, Amount::new(7, 1));
        assert_eq!(recount(&mut state).sum(), Amount::new(15, 3));
    }

    #[test]
    fn what_changes_while_it_is_counted_is_counted_again() {
        let mut state = counting();
        assert!(recount(&mut state).begin(folder(1)));
        state.post(folder(1), Amount::ZERO, Amount::new(5, 1));
        assert_eq!(
            recount(&mut state).take_over(Amount::new(10, 2)),
            Taken::Again
        );
        assert_eq!(recount(&mut state).sum(), Amount::ZERO);
        assert!(recount(&mut state).begin(folder(1)));
        state.post_removed(folder(1));
        assert_eq!(recount(&mut state).take_over(Amount::ZERO), Taken::Gone);
        assert!(!recount(&mut state).is_counted(folder(1)));
    }

    #[test]
    fn the_number_of_a_removed_directory_is_of_another_one() {
        let mut state = counting();
        assert!(recount(&mut state).begin(folder(1)));
        recount(&mut state).take_over(Amount::new(10, 2));
        state.post_removed(folder(1));
        assert!(recount(&mut state).begin(folder(1)), "it is to be counted");
    }

    #[test]
    fn a_sum_below_nothing_is_nothing() {
        let mut state = counting();
        assert!(recount(&mut state).begin(folder(1)));
        recount(&mut state).take_over(Amount::ZERO);
        state.post(folder(1), Amount::new(5, 1), Amount::ZERO);
        assert_eq!(recount(&mut state).sum(), Amount::ZERO);
    }
}
