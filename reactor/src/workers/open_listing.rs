//! Opens listings, on a worker or from the kernel's caches: both decide alike what is listed, and how.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use skiff_sessions::server::Completion;
use skiff_sessions::server::job::{ListingRequest, Place};
use skiff_sessions::wire::ftp::name_prefix::{Found, name_prefix};
use skiff_sessions::wire::ftp::pattern::{Pattern, is_pattern};
use skiff_sessions::wire::listing::{Depth, Form};
use skiff_sessions::wire::reply::Refusal;
use skiff_vfs::{Home, Listing, VfsError, Worker};

use super::folders::Folders;
use super::jobs::{Answer, below};
use super::listing_text::{ListingStyle, ListingText};
use super::open_file::OpenFile;

/// Opens a listing. A last component that does not exist may be a pattern for the names of its
/// directory. MLSD lists directories only.
pub(super) fn open_listing(
    worker: &Worker,
    home: &Arc<Home>,
    folders: Option<&Folders>,
    request: &ListingRequest,
) -> Result<Answer, VfsError> {
    let place = match &request.literal {
        Some(literal) if home.stat_link(worker, below(&literal.path)).is_ok() => literal,
        _ if request.options.depth == Depth::All => {
            return Ok((Completion::Refused(Refusal::NotRecursive), None));
        }
        _ => &request.place,
    };
    let path = below(&place.path);
    let leaf = path.file_name().map(OsStr::as_bytes);
    let pattern = leaf.filter(|leaf| request.form.allows_patterns() && is_pattern(leaf));
    match (home.list(worker, path), pattern) {
        (Err(VfsError::NotFound), Some(pattern)) => {
            let folder = path.parent().unwrap_or_else(|| Path::new(""));
            let mut style = style(request, place, Found::Name);
            style.pattern = Some(Pattern::new(pattern));
            style.folders = folders_in(folders, folder);
            Ok(opened(home.list(worker, folder)?, style))
        }
        // The path leads through a file: there is nothing at all.
        (Err(VfsError::NotADirectory), _) => Err(VfsError::NotFound),
        (listing, _) => {
            let listing = listing?;
            let found = match listing.is_directory() {
                true => Found::Directory,
                false if matches!(request.form, Form::Machine(_)) => {
                    return Err(VfsError::NotADirectory);
                }
                false => Found::Name,
            };
            let mut style = style(request, place, found);
            if listing.is_directory() {
                style.folders = folders_in(folders, path);
            }
            Ok(opened(listing, style))
        }
    }
}

/// The names of the shared folders in a directory: all are in the home itself.
fn folders_in(folders: Option<&Folders>, path: &Path) -> Vec<OsString> {
    let names = folders.filter(|_| path.as_os_str().is_empty());
    let names = names.into_iter().flat_map(Folders::names);
    names.map(|name| name.as_os_str().to_owned()).collect()
}

/// Opens a listing of a directory that is in the caches; `None` leaves it to a worker.
pub(super) fn open_listing_cached(home: &Arc<Home>, request: &ListingRequest) -> Option<Answer> {
    let place = &request.place;
    if request.options.depth == Depth::All {
        return None;
    }
    if let Some(literal) = &request.literal
        && !home.is_missing_cached(below(&literal.path))
    {
        return None;
    }
    let listing = home.list_cached(below(&place.path))?;
    Some(opened(listing, style(request, place, Found::Directory)))
}

fn opened(listing: Listing, style: ListingStyle) -> Answer {
    let text = ListingText::of_directory(listing, style);
    (Completion::Listing, Some(OpenFile::Listing(Box::new(text))))
}

/// The style of all names of what was found.
fn style(request: &ListingRequest, place: &Place, found: Found) -> ListingStyle {
    let mut style = ListingStyle::new(request.form, request.rights);
    style.options = request.options;
    if request.form == Form::Names {
        let Place { path, typed } = place;
        style.prefix = name_prefix(path, typed.as_ref(), found);
    }
    style
}
