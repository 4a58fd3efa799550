//! [`Survey`]: looks through a home, beside the daemon that has it open, for what no count can read
//! and no client can reach.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::jail::descent::{Descent, Next, open_dir};
use crate::jail::subfolders::Subfolders;
use crate::jail::{Jail, PATH_LEN_MAX};
use crate::owner::act_as;
use crate::{Owner, VfsError, Worker};

/// What was found in a home.
#[derive(Debug, Default)]
pub struct Survey {
    /// Directories that cannot be read: what is in them is not counted.
    pub unread: u64,
    /// The first of them, relative to the home, and why.
    pub first_unread: Option<(PathBuf, VfsError)>,
    /// A directory with a name whose path is too long for any program to use.
    pub too_long: Option<PathBuf>,
    /// Whether there are more names than were asked for, so that some were not looked at.
    pub is_partial: bool,
}

impl Survey {
    /// Looks at up to `names` names in the home at `root`, as its owner. Nothing is locked or changed.
    pub fn of(
        _worker: &Worker,
        root: &Path,
        owner: Option<&Arc<Owner>>,
        names: u64,
    ) -> Result<Self, VfsError> {
        let jail = Jail::open(root, owner)?;
        let _acting = act_as(owner)?;
        let mut survey = Self::default();
        let mut descent = Descent::new(Path::new(""));
        let mut left = names;
        let mut next = Some(Arc::clone(jail.handle()));
        loop {
            if let Some(fd) = next.take() {
                match Subfolders::read(&fd, &mut left) {
                    Ok(names) => {
                        survey.note_length(descent.path(), names.longest);
                        descent.enter(fd, names.id, names.below);
                    }
                    Err(e) => survey.note_unread(descent.path(), e),
                }
            }
            if left == 0 {
                survey.is_partial = true;
                return Ok(survey);
            }
            match descent.next() {
                Next::Below { parent, name } => match open_dir(parent, &name) {
                    Ok(fd) => next = Some(Arc::new(fd)),
                    Err(e) => survey.note_unread(descent.path(), e.into()),
                },
                Next::Lost => survey.is_partial = true,
                Next::End => return Ok(survey),
            }
        }
    }

    fn note_length(&mut self, folder: &Path, longest: usize) {
        let above = folder.as_os_str().len();
        if longest > 0 && above + 1 + longest > PATH_LEN_MAX && self.too_long.is_none() {
            self.too_long = Some(folder.to_owned());
        }
    }

    fn note_unread(&mut self, folder: &Path, why: VfsError) {
        // It was just removed.
        if matches!(why, VfsError::NotFound | VfsError::NotADirectory) {
            return;
        }
        self.unread += 1;
        self.first_unread
            .get_or_insert_with(|| (folder.to_owned(), why));
    }
}
