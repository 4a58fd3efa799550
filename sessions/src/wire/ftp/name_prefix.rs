//! Finds what NLST writes before each name, so that a client can use the names from where it stands
//! (RFC 1123 section 4.1.2.7).

use crate::path::{PathArg, VirtualPath};

/// What a listed path was found to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// A directory, whose names are listed.
    Directory,
    /// One name; or a pattern for names, in its last component.
    Name,
}

/// What stands before the names of a listing of `path`, which the client wrote as `typed`: the
/// directory that the names are in, written as the client wrote it.
pub fn name_prefix(path: &VirtualPath, typed: Option<&PathArg>, found: Found) -> Vec<u8> {
    let Some(typed) = typed.map(PathArg::as_bytes) else {
        return Vec::new();
    };
    let directory = match found {
        Found::Directory if is_here(typed) => b"",
        Found::Directory => typed,
        Found::Name => match directory_of(without_slashes(typed)) {
            Some(directory) => directory,
            // `a/.` of a file: only the resolved path says what its directory is.
            None => directory_of(path.as_bytes()).unwrap_or_default(),
        },
    };
    match directory.last() {
        None | Some(b'/') => directory.to_vec(),
        Some(_) => [directory, b"/"].concat(),
    }
}

/// Whether a relative path stays where it begins: `.` and its like.
fn is_here(typed: &[u8]) -> bool {
    typed.first() != Some(&b'/') && typed.split(|&b| b == b'/').all(|c| matches!(c, b"" | b"."))
}

/// The path without slashes at its end.
fn without_slashes(typed: &[u8]) -> &[u8] {
    let end = typed
        .iter()
        .rposition(|&b| b != b'/')
        .map_or(0, |at| at + 1);
    &typed[..end]
}

/// The path up to its last component; `None` where that is no name.
fn directory_of(path: &[u8]) -> Option<&[u8]> {
    let cut = path.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
    let (directory, leaf) = path.split_at(cut);
    (!matches!(leaf, b"" | b"." | b"..")).then_some(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A typed path, its prefix as that of a directory, and as that of a name.
    const ROWS: &[(&str, &str, &str)] = &[
        ("", "", ""),
        ("sub", "sub/", ""),
        ("sub/", "sub/", ""),
        ("/a/sub", "/a/sub/", "/a/"),
        ("/a/sub//", "/a/sub//", "/a/"),
        ("sub/*.txt", "sub/*.txt/", "sub/"),
        ("./*", "./*/", "./"),
        (".", "", "/here/"),
        ("././/", "", "/here/"),
        ("..", "../", "/here/"),
        ("../x", "../x/", "../"),
        ("/", "/", "/here/"),
        ("a/.", "a/./", "/here/"),
        ("...", ".../", ""),
        ("-x/y", "-x/y/", "-x/"),
    ];

    #[test]
    fn names_can_be_used_from_where_the_client_stands() {
        let resolved = VirtualPath::root()
            .join(&PathArg::new("here/name").unwrap())
            .unwrap();
        for (typed, of_directory, of_name) in ROWS {
            let arg = PathArg::new(*typed);
            for (found, prefix) in [(Found::Directory, of_directory), (Found::Name, of_name)] {
                let told = name_prefix(&resolved, arg.as_ref(), found);
                assert_eq!(told, prefix.as_bytes(), "{typed} as {found:?}");
            }
        }
    }
}
