//! [`Event`]: what has happened, as it lies in the journal and as a program is told of it.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use skiff_conf::HookEvent;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// Something that has happened. Paths are as the user sees them, files as the machine does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) event: HookEvent,
    pub(crate) user: String,
    pub(crate) path: Name,
    pub(crate) file: Name,
    /// Of a rename.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<Destination>,
    /// In bytes, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<Digest>,
    pub(crate) address: String,
    /// Seconds since 1970.
    pub(crate) time: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Destination {
    pub(crate) path: Name,
    pub(crate) file: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Digest {
    /// In lower case without a hyphen: `sha256`.
    pub(crate) algorithm: String,
    pub(crate) hex: String,
}

/// The bytes of a path, which need not be UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub(crate) struct Name(OsString);

/// JSON has no other strings than those of Unicode.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Stored {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<Stored> for Name {
    fn from(stored: Stored) -> Self {
        Self(match stored {
            Stored::Text(text) => text.into(),
            Stored::Bytes(bytes) => OsString::from_vec(bytes),
        })
    }
}

impl From<Name> for Stored {
    fn from(Name(name): Name) -> Self {
        match name.into_string() {
            Ok(text) => Self::Text(text),
            Err(name) => Self::Bytes(name.into_vec()),
        }
    }
}

impl Name {
    pub(crate) fn new(name: impl AsRef<OsStr>) -> Self {
        Self(name.as_ref().to_owned())
    }

    pub(crate) fn of_bytes(bytes: &[u8]) -> Self {
        Self::new(OsStr::from_bytes(bytes))
    }
}

/// Which run of a program it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attempt {
    /// The same each time that the event comes to this hook.
    pub(super) id: String,
    /// From 1.
    pub(super) number: u32,
}

impl Event {
    /// What a program is told, by the names of the object's keys.
    fn facts(&self, attempt: &Attempt) -> Vec<(&str, OsString)> {
        let mut facts: Vec<(&str, OsString)> = vec![
            ("event", self.event.to_string().into()),
            ("user", self.user.clone().into()),
            ("path", self.path.0.clone()),
            ("file", self.file.0.clone()),
        ];
        if let Some(to) = &self.to {
            facts.push(("to", to.path.0.clone()));
            facts.push(("to_file", to.file.0.clone()));
        }
        if let Some(size) = self.size {
            facts.push(("size", size.to_string().into()));
        }
        if let Some(digest) = &self.digest {
            facts.push((&digest.algorithm, digest.hex.clone().into()));
        }
        facts.push(("address", self.address.clone().into()));
        facts.push(("time", self.time_text().into()));
        facts.push(("id", attempt.id.clone().into()));
        facts.push(("try", attempt.number.to_string().into()));
        facts
    }

    /// The variables of the program's environment.
    pub(super) fn environment(&self, attempt: &Attempt) -> Vec<(String, OsString)> {
        let facts = self.facts(attempt).into_iter();
        facts
            .map(|(key, value)| (format!("SKIFF_{}", key.to_ascii_uppercase()), value))
            .collect()
    }

    /// The line of JSON that the program can read. What is not UTF-8 is so in the environment only.
    pub(super) fn line(&self, attempt: &Attempt) -> String {
        let facts = self.facts(attempt).into_iter();
        let object = facts.map(|(key, value)| {
            let value = value.to_string_lossy();
            let number = match key {
                "size" | "try" => value.parse::<u64>().ok(),
                _ => None,
            };
            let value = number.map_or_else(|| Value::from(value.as_ref()), Value::from);
            (key.to_owned(), value)
        });
        format!("{}\n", Value::Object(object.collect::<Map<_, _>>()))
    }

    /// The path on one line.
    pub(super) fn shown_path(&self) -> String {
        let path = self.path.0.to_string_lossy();
        path.replace(char::is_control, "?")
    }

    fn time_text(&self) -> String {
        const FORMAT: &[BorrowedFormatItem<'_>] =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
        let time = OffsetDateTime::from_unix_timestamp(self.time).ok();
        time.and_then(|time| time.format(&FORMAT).ok())
            .unwrap_or_default()
    }
}
