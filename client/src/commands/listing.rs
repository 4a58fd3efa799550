//! Implements `ls` and `ldir`: the listings of directories at the server and on this machine.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::reply::{Facts, Kind};

use super::each::for_each;
use super::lexer::Word;
use super::list_style::{Entry, ListStyle};
use super::spec::ParsedArgs;
use super::targets::remote_path;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::listing::Listed;
use crate::net::session::Session;
use crate::terminal::format::{IoCause, escape_name, escape_path};
use crate::terminal::output::{OutputFormat, format, print_line};
use crate::transfer::local_file;

/// A listing of up to this many entries is printed sorted, a longer one as it arrives.
const SORTED_MAX: usize = 10_000;

/// The same for one whose names take more bytes than this.
const SORTED_BYTES_MAX: usize = 4 << 20;

/// Stands between the entries of a lost connection and those of the next one.
pub(super) const LISTED_ANEW: &str = "(the listing begins anew)";

/// `ls`: prints the entries of directories at the server.
pub(crate) fn ls(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    list_all(session, args, list_remote)
}

/// `ldir`: prints the entries of local directories.
pub(crate) fn ldir(session: &mut Session, args: &ParsedArgs) -> CommandResult {
    list_all(session, args, list_local)
}

/// Lists one word; `None` is the directory where one is.
type List = fn(&mut Session, Option<&Word>, &mut Listing<'_>) -> CommandResult;

/// Lists each word: files are gathered and printed together, behind the directories.
fn list_all(session: &mut Session, args: &ParsedArgs, list: List) -> CommandResult {
    let style = ListStyle::of(args);
    if let [] | [_] = &args.words[..] {
        let word = args.words.first();
        let mut listing = Listing::new(&style, word, Title::Omitted);
        list(session, word, &mut listing)?;
        match listing.take_file() {
            Some(file) => style.print(&[file], None),
            None => listing.finish(),
        }
        return Ok(());
    }
    let mut files = Vec::new();
    let listed = for_each(session, &args.words, |session, word| {
        let mut listing = Listing::new(&style, Some(word), Title::Word);
        list(session, Some(word), &mut listing)?;
        match listing.take_file() {
            Some(file) => files.push(file),
            None => listing.finish(),
        }
        Ok(())
    });
    style.sort(&mut files);
    style.print(&files, None);
    listed
}

fn list_remote(
    session: &mut Session,
    word: Option<&Word>,
    listing: &mut Listing<'_>,
) -> CommandResult {
    let path = word.map(remote_path).transpose()?;
    let what = word.map(Word::as_bytes).unwrap_or_default();
    let ended = session.list(what, Command::list(path), |part| match part {
        Listed::Entry(name, facts) => listing.add(name, facts),
        Listed::Anew => listing.begin_anew(),
    })?;
    listing.hidden = ended.hidden.unwrap_or_default();
    Ok(())
}

fn list_local(_: &mut Session, word: Option<&Word>, listing: &mut Listing<'_>) -> CommandResult {
    let path = word.map_or_else(|| Path::new("."), Word::as_local_path);
    let failed = |error: io::Error| CommandError::refused(escape_path(path), IoCause(&error));
    if !path.is_dir() {
        let facts = local_facts(path).map_err(failed)?;
        listing.add(path.as_os_str().as_bytes(), &facts);
        return Ok(());
    }
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // It may have been deleted meanwhile.
        if let Ok(facts) = local_facts(&entry.path()) {
            listing.add(entry.file_name().as_bytes(), &facts);
        }
    }
    Ok(())
}

fn local_facts(path: &Path) -> io::Result<Facts> {
    let found = std::fs::symlink_metadata(path)?;
    let kind = match found.file_type() {
        kind if kind.is_file() => Kind::File,
        kind if kind.is_dir() => Kind::Directory,
        kind if kind.is_symlink() => Kind::Link,
        _ => Kind::Other,
    };
    Ok(Facts {
        kind,
        size: found.len(),
        modified: local_file::modified_at(&found),
        mode: Some(found.mode()),
    })
}

/// One listing: sorted while it has few entries; beyond [`SORTED_MAX`] it keeps none.
struct Listing<'a> {
    style: &'a ListStyle,
    /// What is listed; `None` for the directory where one is.
    word: Option<&'a Word>,
    title: Title,
    kept: Vec<Entry>,
    /// Bytes of the names that are kept.
    kept_bytes: usize,
    mode: PrintMode,
    /// Entries that the server could not list.
    hidden: u64,
}

/// What stands before the entries of a directory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Title {
    /// Its name: several are listed.
    Word,
    Omitted,
}

/// Whether entries are kept to be sorted.
#[derive(PartialEq, Eq)]
enum PrintMode {
    Sorted,
    AsReceived,
}

impl<'a> Listing<'a> {
    fn new(style: &'a ListStyle, word: Option<&'a Word>, title: Title) -> Self {
        Self {
            style,
            word,
            title,
            kept: Vec::new(),
            kept_bytes: 0,
            mode: PrintMode::Sorted,
            hidden: 0,
        }
    }

    fn add(&mut self, name: &[u8], facts: &Facts) {
        let entry = Entry {
            name: name.to_vec(),
            facts: *facts,
        };
        if self.mode == PrintMode::AsReceived {
            if self.style.shows(name) {
                self.style.print_alone(&entry, self.word);
            }
            return;
        }
        self.kept_bytes += name.len();
        self.kept.push(entry);
        if self.kept.len() > SORTED_MAX || self.kept_bytes > SORTED_BYTES_MAX {
            self.flush();
            self.mode = PrintMode::AsReceived;
        }
    }

    /// Forgets what is kept; what was printed stays.
    fn begin_anew(&mut self) {
        self.kept.clear();
        self.kept_bytes = 0;
        if self.mode == PrintMode::AsReceived {
            print_line(LISTED_ANEW);
        }
    }

    /// Takes the entry of a listing that is that of a file, under the name that was typed.
    fn take_file(&mut self) -> Option<Entry> {
        let typed = self.word?.as_bytes();
        let name = typed.rsplit(|&b| b == b'/').next()?;
        let is_file = |entry: &Entry| {
            let is_named = entry.name == name || entry.name == typed;
            is_named && entry.facts.kind != Kind::Directory
        };
        match &self.kept[..] {
            [only] if is_file(only) => {}
            _ => return None,
        }
        let file = self.kept.pop()?;
        Some(Entry {
            name: typed.to_vec(),
            ..file
        })
    }

    fn finish(mut self) {
        if self.mode == PrintMode::Sorted {
            self.flush();
        }
        if self.hidden > 0 {
            print_line(format_args!(
                "{} entries are not shown: the server could not list them",
                self.hidden
            ));
        }
    }

    /// Prints the kept entries, sorted.
    fn flush(&mut self) {
        if let (Title::Word, Some(word), OutputFormat::Text) = (self.title, self.word, format()) {
            print_line(format_args!("{}:", escape_name(word.as_bytes())));
        }
        let mut entries = std::mem::take(&mut self.kept);
        entries.retain(|entry| self.style.shows(&entry.name));
        self.style.sort(&mut entries);
        self.style.print(&entries, self.word);
    }
}
