//! A RON file in memory: read within bounds, parsed, and able to say where it is wrong.

use std::fmt::Display;
use std::io::Read;
use std::path::{Path, PathBuf};

use ron::error::SpannedError;
use ron::extensions::Extensions;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::complaint::{Complaint, Place};
use crate::{key_location, parse_error, private_file};

/// No operator writes a megabyte of settings by hand.
const MAX_SETTINGS: u64 = 1 << 20;

/// The text of a file and the name it goes by in complaints.
pub(crate) struct Document {
    name: PathBuf,
    text: Zeroizing<String>,
}

impl Document {
    /// Reads a settings file of at most a megabyte.
    pub(crate) fn read(path: &Path) -> Result<Self, Complaint> {
        let file = private_file::open_plain(path)?;
        Ok(Self {
            name: path.to_owned(),
            text: read_text(path, file, MAX_SETTINGS)?,
        })
    }

    pub(crate) fn new(name: &Path, text: Zeroizing<String>) -> Self {
        Self {
            name: name.to_owned(),
            text,
        }
    }

    /// Options may be written bare: `group: "www"` as well as `group: Some("www")`.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Complaint> {
        ron::Options::default()
            .with_default_extension(Extensions::IMPLICIT_SOME)
            .from_str(&self.text)
            .map_err(|error| self.explain(&error))
    }

    /// A complaint about a value that parsed but cannot be, at the line of its key.
    pub(crate) fn complain(&self, key: &str, what: impl Display) -> Complaint {
        let what = format!("{key}: {what}");
        match key_location::find_key(&self.text, key) {
            Some(offset) => Complaint::at(
                &self.name,
                key_location::place_of_offset(&self.text, offset),
                what,
            ),
            None => Complaint::about(&self.name, what),
        }
    }

    fn explain(&self, error: &SpannedError) -> Complaint {
        let offset = self.offset(error);
        let key = key_location::innermost_key(&self.text, offset);
        let place = match error.code {
            // Noticed where its section ends; of use where it starts.
            ron::Error::MissingStructField { .. } => key.offset,
            _ => offset,
        };
        let place = key_location::place_of_offset(&self.text, place);
        Complaint::at(
            &self.name,
            place,
            parse_error::describe(&error.code, &key.path),
        )
    }

    /// Where the wrong thing starts; the end of the section that misses a key. The
    /// parser's own mark may still stand on the space before, or already behind the
    /// opening quote.
    fn offset(&self, error: &SpannedError) -> usize {
        use ron::Error::{ExpectedStringEnd, Message, MissingStructField};
        let mark = match error.code {
            MissingStructField { .. } => error.span.end,
            _ => error.span.start,
        };
        let place = Place {
            line: mark.line,
            column: mark.col,
        };
        let offset = key_location::offset_of_place(&self.text, place);
        let (before, after) = self.text.split_at(offset);
        match error.code {
            Message(_) | ExpectedStringEnd if before.ends_with('"') => offset - 1,
            MissingStructField { .. } => offset + usize::from(after.starts_with(')')),
            _ => offset + (after.len() - after.trim_start().len()),
        }
    }
}

/// The rest of `file` as text; `limit` is in bytes.
pub(crate) fn read_text(
    path: &Path,
    file: std::fs::File,
    limit: u64,
) -> Result<Zeroizing<String>, Complaint> {
    // Reserved at once: a growing buffer would leave copies of secrets behind.
    let expected = file.metadata().map_or(0, |found| found.len()).min(limit);
    let mut bytes = Zeroizing::new(Vec::with_capacity(expected as usize + 1));
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|error| Complaint::about(path, format_args!("cannot be read: {error}")))?;
    if bytes.len() as u64 > limit {
        return Err(Complaint::about(
            path,
            format_args!("is larger than {limit} bytes"),
        ));
    }
    match str::from_utf8(&bytes) {
        Ok(text) => Ok(Zeroizing::new(text.to_owned())),
        Err(error) => Err(Complaint::about(
            path,
            format_args!("is not UTF-8 text at byte {}", error.valid_up_to()),
        )),
    }
}
