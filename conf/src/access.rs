//! [`Access`]: what an account may do with files, and [`FolderPath`]: where a rule of its own holds.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::units::{BadValue, from_text};

/// What an account may do with the files of its home, or of one folder in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Access {
    #[default]
    ReadWrite,
    ReadOnly,
    /// Files may be left, and nothing else: not even that a name is taken is told.
    DropBox,
    Rights(Vec<Right>),
}

/// One thing that an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    List,
    Get,
    Put,
    Replace,
    Append,
    Delete,
    Mkdir,
    Rmdir,
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
        Self::Mkdir,
        Self::Rmdir,
        Self::Rename,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "get",
            Self::Put => "put",
            Self::Replace => "replace",
            Self::Append => "append",
            Self::Delete => "delete",
            Self::Mkdir => "mkdir",
            Self::Rmdir => "rmdir",
            Self::Rename => "rename",
        }
    }
}

/// Reads what stands on a command line: `read-only`, or rights such as `list,get,put`.
impl FromStr for Access {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        match text {
            "read-write" => return Ok(Self::ReadWrite),
            "read-only" => return Ok(Self::ReadOnly),
            "drop-box" => return Ok(Self::DropBox),
            _ => {}
        }
        let right = |word| Right::ALL.into_iter().find(|right| right.name() == word);
        let rights: Option<Vec<_>> = text.split(',').map(right).collect();
        rights.map(Self::Rights).ok_or_else(|| {
            let all = Right::ALL.map(Right::name).join(" ");
            let wanted = format!(
                "an access; write read-write, read-only, drop-box, or some of {all} with commas"
            );
            BadValue::new(text, wanted)
        })
    }
}

/// Shows it as [`Access::from_str`] reads it.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadWrite => f.write_str("read-write"),
            Self::ReadOnly => f.write_str("read-only"),
            Self::DropBox => f.write_str("drop-box"),
            Self::Rights(rights) if rights.is_empty() => f.write_str("none"),
            Self::Rights(rights) => {
                let names: Vec<_> = rights.iter().map(|right| right.name()).collect();
                f.write_str(&names.join(","))
            }
        }
    }
}

/// The path of a folder as clients write it: `/in`, `/projects/2026`. Never the home itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FolderPath(String);

impl FolderPath {
    /// With the leading `/`, without one at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FolderPath {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let is_name = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
        match text.strip_prefix('/') {
            Some(below) if below.split('/').all(is_name) => Ok(Self(text.to_owned())),
            _ => Err(BadValue::new(
                text,
                "a folder of the home; write its path such as \"/in\" or \"/projects/2026\"",
            )),
        }
    }
}

impl Serialize for FolderPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for FolderPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_access_is_read_as_it_is_shown() {
        for text in [
            "read-write",
            "read-only",
            "drop-box",
            "list",
            "list,get,rename",
        ] {
            assert_eq!(text.parse::<Access>().unwrap().to_string(), text);
        }
        for bad in ["", "read", "list,", "list get", "List"] {
            let error = bad.parse::<Access>().unwrap_err().to_string();
            assert!(error.contains("read-only"), "{error}");
        }
    }

    #[test]
    fn the_paths_of_folders() {
        for good in ["/in", "/a b/c", "/ü"] {
            assert_eq!(good.parse::<FolderPath>().unwrap().as_str(), good);
        }
        for bad in ["", "/", "in", "/in/", "//in", "/./in", "/in/..", "/a\0"] {
            assert!(bad.parse::<FolderPath>().is_err(), "{bad:?}");
        }
    }
}
