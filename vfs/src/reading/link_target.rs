//! Says where a symbolic link leads, where peers may know it.

use std::ffi::{CStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path};

use rustix::fs::readlinkat;

use crate::home::Home;
use crate::home::resolve::Links;
use crate::jail::folder::Folder;
use crate::{VfsError, jail};

/// The target of the link `name`, as it was written. `None` where it leads out of the home, which
/// would tell a path of the host, or to a staging directory, or holds a line end.
pub(super) fn link_target(home: &Home, folder: &Folder, name: &CStr) -> Option<OsString> {
    let target = readlinkat(folder, name, Vec::new()).ok()?.into_bytes();
    if jail::has_line_break(&target) {
        return None;
    }
    let target = OsString::from_vec(target);
    let path = folder.path.join(&target);
    jail::check_path(&path).ok()?;
    let is_inside = match home.resolve(&path, Links::Follow) {
        Ok(_) => true,
        // The kernel judges what is there; what is missing is judged by its name.
        Err(VfsError::NotFound | VfsError::NotADirectory) => stays_below(&path),
        Err(_) => false,
    };
    is_inside.then_some(target)
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
