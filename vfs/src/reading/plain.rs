//! Looks for symbolic links in a path, for callers that judge paths by their names.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};
use std::sync::Arc;

use rustix::fs::AtFlags;

use crate::home::Home;
use crate::jail::check_path;
use crate::jail::descent::open_dir;
use crate::jail::folder::is_link;
use crate::syscalls::statat;
use crate::{VfsError, Worker};

/// Whether the last name of a path may be that of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastName {
    MayBeLink,
    IsNoLink,
}

impl Home {
    /// [`VfsError::Link`] where a name of `path` is a symbolic link, wherever it leads. Names that
    /// are not there are none.
    pub fn check_plain(
        &self,
        worker: &Worker,
        path: &Path,
        last: LastName,
    ) -> Result<(), VfsError> {
        let _acting = self.act(worker)?;
        check_path(path)?;
        let mut folder = Arc::clone(self.jail.handle());
        let mut names = path.components().peekable();
        while let Some(component) = names.next() {
            let Component::Normal(name) = component else {
                return Err(VfsError::Link);
            };
            let name = CString::new(name.as_bytes()).map_err(|_| VfsError::BadName)?;
            let is_last = names.peek().is_none();
            if is_last && last == LastName::MayBeLink {
                return Ok(());
            }
            match statat(&folder, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) {
                Ok(status) if is_link(&status) => return Err(VfsError::Link),
                Ok(_) if is_last => return Ok(()),
                // What is missing, or may not be looked at, is told by the operation itself.
                _ => match open_dir(&folder, &name) {
                    Ok(below) => folder = Arc::new(below),
                    Err(_) => return Ok(()),
                },
            }
        }
        Ok(())
    }
}
