//! Says where a symbolic link leads, where peers may know it.

use std::ffi::{CStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path};

use rustix::fs::readlinkat;
use rustix::io::Errno;

use crate::home::Home;
use crate::home::resolve::{Links, Resolved};
use crate::jail::folder::{Folder, is_link};
use crate::{VfsError, Worker, jail};

impl Home {
    /// The target of the link at `path`, as it was written. [`VfsError::Escapes`] where it leads
    /// out of the home, [`VfsError::NotALink`] for what is no link.
    pub fn read_link(&self, worker: &Worker, path: &Path) -> Result<Vec<u8>, VfsError> {
        let _acting = self.act(worker)?;
        match self.resolve(path, Links::NoFollow)? {
            Resolved::Name(_, None) => Err(VfsError::NotFound),
            Resolved::Name(link, Some(stat)) if is_link(&stat) => {
                inside_target(self, &link.folder, link.leaf()).map(OsString::into_vec)
            }
            Resolved::Name(..) | Resolved::Folder(_) => Err(VfsError::NotALink),
        }
    }
}

/// The target of the link `name`, as it was written. `None` where it leads out of the home, which
/// would tell a path of the host, or to a staging directory, or holds a line end.
pub(super) fn link_target(home: &Home, folder: &Folder, name: &CStr) -> Option<OsString> {
    let target = inside_target(home, folder, name).ok()?;
    (!jail::has_line_break(target.as_bytes())).then_some(target)
}

/// The target of the link `name`; [`VfsError::Escapes`] where it leads out of the home.
fn inside_target(home: &Home, folder: &Folder, name: &CStr) -> Result<OsString, VfsError> {
    let target = match readlinkat(folder, name, Vec::new()) {
        Ok(target) => OsString::from_vec(target.into_bytes()),
        Err(Errno::INVAL) => return Err(VfsError::NotALink),
        Err(e) => return Err(e.into()),
    };
    let path = folder.path.join(&target);
    jail::check_path(&path)?;
    match home.resolve(&path, Links::Follow) {
        Ok(_) => Ok(target),
        // The kernel judges what is there; what is missing is judged by its name.
        Err(VfsError::NotFound | VfsError::NotADirectory) if stays_below(&path) => Ok(target),
        Err(VfsError::NotFound | VfsError::NotADirectory) => Err(VfsError::Escapes),
        Err(e) => Err(e),
    }
}

/// Whether no `..` of the path climbs above its beginning.
fn stays_below(path: &Path) -> bool {
    let mut depth = 0_usize;
    path.components().all(|component| {
        let deeper = match component {
            Component::ParentDir => depth.checked_sub(1),
            Component::Normal(_) => Some(depth + 1),
            _ => Some(depth),
        };
        depth = deeper.unwrap_or(depth);
        deeper.is_some()
    })
}
