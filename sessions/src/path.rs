//! Resolves the paths that peers send, by name only, to absolute ones below the home. The jail does
//! not trust them: they serve to be shown, and to refuse early.

use std::fmt;

/// The longest path that a client sends, in bytes: PATH_MAX of Linux, less its NUL.
pub const SENT_PATH_MAX: usize = 4095;

/// The longest target of a symbolic link that is sent, in bytes: with the longest path it fits in a
/// line whatever its bytes are.
pub const LINK_TARGET_MAX: usize = 1024;

/// A path as a peer sends it: not empty, without NUL. It may hold CR and LF, which a dialect that
/// cannot escape them cannot send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PathArg(Vec<u8>);

impl PathArg {
    /// Takes a path; `None` for an empty one and one that holds NUL.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Option<Self> {
        let bytes = bytes.into();
        (!bytes.is_empty() && !bytes.contains(&0)).then_some(Self(bytes))
    }

    /// Takes a path that is to be sent, as `new` does; `None` also for one of more than
    /// [`SENT_PATH_MAX`] bytes, which no file has and which might not fit in a line.
    pub fn to_send(bytes: impl Into<Vec<u8>>) -> Option<Self> {
        Self::new(bytes).filter(|path| path.0.len() <= SENT_PATH_MAX)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a symbolic link leads to, as it stands in the link: not empty, without NUL, and of at most
/// [`LINK_TARGET_MAX`] bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkTarget(Vec<u8>);

impl LinkTarget {
    /// Takes a target; `None` for one that no link of this protocol has.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Option<Self> {
        let bytes = bytes.into();
        let is_good = (1..=LINK_TARGET_MAX).contains(&bytes.len()) && !bytes.contains(&0);
        is_good.then_some(Self(bytes))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// An absolute, normalised path below the home: `/` or `/a/b`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VirtualPath(Vec<u8>);

/// The path climbed above `/`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AboveHome;

/// What `..` means in `/`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParentOfRoot {
    Refused,
    /// `/` again, as in the root directory of a system.
    IsRoot,
}

impl VirtualPath {
    pub fn root() -> Self {
        Self(b"/".to_vec())
    }

    /// Resolves `arg` against this directory, by name only; links are resolved later, in the jail.
    pub fn join(&self, arg: &PathArg) -> Result<Self, AboveHome> {
        self.resolve(arg, ParentOfRoot::Refused)
    }

    /// Resolves as `join` does; `parent_of_root` says what `..` means in `/`.
    pub fn resolve(&self, arg: &PathArg, parent_of_root: ParentOfRoot) -> Result<Self, AboveHome> {
        let mut path = Vec::with_capacity(self.0.len() + 1 + arg.0.len());
        let from_root = arg.0.first() == Some(&b'/');
        if !from_root && self.0 != b"/" {
            path.extend_from_slice(&self.0);
        }
        for part in arg.0.split(|&b| b == b'/') {
            match part {
                b"" | b"." => {}
                b".." => match (path.iter().rposition(|&b| b == b'/'), parent_of_root) {
                    (Some(cut), _) => path.truncate(cut),
                    (None, ParentOfRoot::IsRoot) => {}
                    (None, ParentOfRoot::Refused) => return Err(AboveHome),
                },
                name => {
                    path.push(b'/');
                    path.extend_from_slice(name);
                }
            }
        }
        if path.is_empty() {
            path.push(b'/');
        }
        Ok(Self(path))
    }

    /// The path's bytes, with the leading `/`.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The path's bytes, with the leading `/`.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Whether this is a path of something in the directory `folder`, at any depth.
    pub fn is_below(&self, folder: &Self) -> bool {
        let above = folder.0.strip_suffix(b"/").unwrap_or(&folder.0);
        match self.0.strip_prefix(above) {
            Some([b'/', rest @ ..]) => !rest.is_empty(),
            _ => false,
        }
    }

    /// The path relative to the home, without the leading `/`; empty for the home itself.
    pub fn below_home(&self) -> &[u8] {
        &self.0[1..]
    }
}

impl fmt::Display for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for VirtualPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(cwd: &str, arg: &str) -> Result<String, AboveHome> {
        let root = VirtualPath::root();
        let cwd = root.join(&PathArg::new(cwd).unwrap())?;
        cwd.join(&PathArg::new(arg).unwrap()).map(|p| p.to_string())
    }

    #[test]
    fn joins_and_normalises() {
        assert_eq!(join("/", "a").unwrap(), "/a");
        assert_eq!(join("/a/b", "../c//d/.").unwrap(), "/a/c/d");
        assert_eq!(join("/a/b", "/x/").unwrap(), "/x");
        assert_eq!(join("/a", "..").unwrap(), "/");
        assert_eq!(join("/a", "...").unwrap(), "/a/...");
    }

    #[test]
    fn climbing_above_home_is_told() {
        assert_eq!(join("/", ".."), Err(AboveHome));
        assert_eq!(join("/a", "../../b"), Err(AboveHome));
        assert_eq!(join("/a", "/b/../../a"), Err(AboveHome));
    }

    #[test]
    fn where_climbing_is_no_sin_it_stays_at_home() {
        let root = VirtualPath::root();
        for (arg, leads) in [("..", "/"), ("../../a", "/a"), ("a/../../b", "/b")] {
            let arg = PathArg::new(arg).unwrap();
            let path = root.resolve(&arg, ParentOfRoot::IsRoot).unwrap();
            assert_eq!(path.to_string(), leads);
        }
    }

    #[test]
    fn what_is_below_a_directory() {
        let path = |text: &str| {
            VirtualPath::root()
                .join(&PathArg::new(text).unwrap())
                .unwrap()
        };
        for (below, folder, is_below) in [
            ("/a", "/", true),
            ("/a/b", "/a", true),
            ("/a/b/c", "/a", true),
            ("/", "/", false),
            ("/a", "/a", false),
            ("/ab", "/a", false),
            ("/a", "/a/b", false),
        ] {
            assert_eq!(
                path(below).is_below(&path(folder)),
                is_below,
                "{below} {folder}"
            );
        }
    }

    #[test]
    fn forbidden_bytes() {
        for bad in ["", "a\0b"] {
            assert_eq!(PathArg::new(bad), None, "{bad:?}");
        }
        assert!(PathArg::new("a\r\nb").is_some());
    }
}
