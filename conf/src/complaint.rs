//! [`Complaint`]: an error in a file, as one line that says where it is and what would be right.

use std::fmt;
use std::path::{Path, PathBuf};

/// An error in a file. It is shown as one line of lower-case text:
/// `server.ron:12:9: quota.default: "8 apples" is not a size; write ..`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    file: PathBuf,
    place: Option<Place>,
    what: String,
}

/// A place in a file. Line and column begin at 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub line: usize,
    pub column: usize,
}

impl Complaint {
    /// A complaint about a file as a whole.
    pub fn about(file: &Path, what: impl fmt::Display) -> Self {
        Self {
            file: file.to_owned(),
            place: None,
            what: one_line(&what.to_string()),
        }
    }

    /// A complaint about a place in a file.
    pub(crate) fn at(file: &Path, place: Place, what: impl fmt::Display) -> Self {
        Self {
            place: Some(place),
            ..Self::about(file, what)
        }
    }

    /// The path of the file, as the caller gave it.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The place in the file; `None` where the file as a whole is wrong.
    pub fn place(&self) -> Option<Place> {
        self.place
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&one_line(&self.file.to_string_lossy()))?;
        if let Some(Place { line, column }) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl std::error::Error for Complaint {}

/// Escapes control characters: a quoted value may hold any, and a complaint is one line.
fn one_line(text: &str) -> String {
    text.chars()
        .flat_map(|c| match c.is_control() {
            true => c.escape_default().collect::<Vec<_>>(),
            false => vec![c],
        })
        .collect()
}
