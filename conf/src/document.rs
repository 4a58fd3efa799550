//! [`Document`]: the text of a RON file, of limited size, which is parsed into settings or gives a
//! [`Complaint`] with the place of the error.

use std::fmt::Display;
use std::io::Read;
use std::path::{Path, PathBuf};

use ron::error::SpannedError;
use ron::extensions::Extensions;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::complaint::{Complaint, Place};
use crate::io_cause::IoCause;
use crate::{key_location, parse_error, private_file};

/// Bytes of the largest settings file: nobody writes a megabyte by hand.
const MAX_SETTINGS: u64 = 1 << 20;

/// The text of a file, and its path for complaints.
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

    /// A document with the content `text`, called `name` in complaints.
    pub(crate) fn new(name: &Path, text: Zeroizing<String>) -> Self {
        Self {
            name: name.to_owned(),
            text,
        }
    }

    /// Parses the text. The file may have options without `Some`: `group: "www"`.
    pub(crate) fn parse<T: DeserializeOwned>(&self) -> Result<T, Complaint> {
        ron::Options::default()
            .with_default_extension(Extensions::IMPLICIT_SOME)
            .from_str(&self.text)
            .map_err(|error| self.explain(&error))
    }

    /// A complaint, at the place of `key`, about a value that was parsed and is not allowed.
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

    /// The complaint about an error of the RON parser.
    fn explain(&self, error: &SpannedError) -> Complaint {
        let offset = self.offset(error);
        let key = key_location::innermost_key(&self.text, offset);
        let place = match error.code {
            // The parser reports the end of the section; people look for its start.
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

    /// The byte offset of what is wrong, or of the end of the section where a key is missing. The
    /// parser's own mark may be on the space before it, or after the opening quote.
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

/// Reads `file` to its end, as UTF-8; a complaint where it has more than `limit` bytes.
pub(crate) fn read_text(
    path: &Path,
    file: std::fs::File,
    limit: u64,
) -> Result<Zeroizing<String>, Complaint> {
    // Allocated at once: a growing buffer would leave copies of secrets in memory.
    let expected = file.metadata().map_or(0, |found| found.len()).min(limit);
    let mut bytes = Zeroizing::new(Vec::with_capacity(expected as usize + 1));
    let read = file.take(limit + 1).read_to_end(&mut bytes);
    read.map_err(|error| {
        Complaint::about(path, format_args!("cannot be read: {}", IoCause(&error)))
    })?;
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
