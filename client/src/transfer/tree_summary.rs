//! Counts the files of a tree transfer, shows the count meanwhile, and words the result.

use std::fmt::Display;
use std::time::Instant;

use super::file::{FileOutcome, FileResult};
use crate::net::command_error::{CommandError, CommandResult};
use crate::terminal::format::{count, escape_name, format_pace};
use crate::terminal::output::{
    OutputFormat, format, print_error, print_line, print_note, print_object, print_record,
};
use crate::terminal::progress::{ProgressPlace, ProgressStyle};
use crate::terminal::records::{Record, TREE};
use crate::terminal::tree_progress::{FoundFiles, TreeProgress};

/// The count of a tree transfer.
pub(crate) struct TreeSummary {
    name: String,
    begun: Instant,
    progress: TreeProgress,
    /// Files that were transferred.
    transferred: u64,
    /// Bytes that went over the connection.
    bytes: u64,
    /// Those of them that replaced another file.
    replaced: u64,
    /// Files that both ends had already.
    unchanged: u64,
    /// Files that differ and were not replaced.
    left: u64,
    /// Links that were not followed.
    skipped: u64,
    /// Files and directories that failed.
    failed: u64,
}

impl TreeSummary {
    pub(crate) fn new(style: ProgressStyle, name: &[u8]) -> Self {
        let name = escape_name(name);
        Self {
            progress: TreeProgress::new(style, name.clone()),
            name,
            begun: Instant::now(),
            transferred: 0,
            bytes: 0,
            replaced: 0,
            unchanged: 0,
            left: 0,
            skipped: 0,
            failed: 0,
        }
    }

    /// Counts the result of one file. One that was refused or failed locally does not end the walk.
    ///
    /// # Errors
    ///
    /// Errors that end the walk: Ctrl-C, a lost connection.
    pub(crate) fn add(&mut self, outcome: Result<FileOutcome, CommandError>) -> CommandResult {
        match outcome {
            Ok(outcome) => self.count(&outcome),
            Err(CommandError::Refused(why) | CommandError::Local(why)) => self.add_failure(why),
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// Counts and prints a failure.
    pub(crate) fn add_failure(&mut self, why: impl Display) {
        self.failed += 1;
        print_error(why);
    }

    /// Counts and prints a file that differs from the one that has its name, which stays.
    pub(crate) fn add_left(&mut self, name: impl Display) {
        self.left += 1;
        print_error(format_args!("{name}: differs, left as it is"));
    }

    /// Counts and prints what the listing of a directory leaves out: it cannot be fetched.
    pub(crate) fn add_hidden(&mut self, folder: &[u8], hidden: u64) {
        if hidden > 0 {
            let folder = escape_name(folder);
            let entries = count(hidden, "entry", "entries");
            self.add_failure(format_args!(
                "{folder}: {entries} that the server could not list, not fetched"
            ));
        }
    }

    /// Counts and prints a link that is not followed, which is no failure.
    pub(crate) fn add_skipped(&mut self, link: impl Display, why: impl Display) {
        self.skipped += 1;
        print_note(format_args!("{link}: {why}"));
    }

    /// Returns what is told of the files that are found.
    pub(crate) fn found(&self) -> FoundFiles {
        self.progress.found()
    }

    /// Returns where the progress of the tree's files is shown.
    pub(crate) fn place(&self) -> ProgressPlace {
        (&self.progress).into()
    }

    /// All is done with a file that was found, whatever became of it.
    pub(crate) fn end_file(&self, size: u64) {
        self.progress.end_file(size);
    }

    /// Prints the result. `verb` is what was done to the files.
    ///
    /// # Errors
    ///
    /// `Refused` with the result, where a file has failed or was left because it differs.
    pub(crate) fn finish(mut self, verb: &str) -> CommandResult {
        self.progress.end();
        let pace = format_pace(self.bytes, self.begun.elapsed());
        let Self {
            name,
            transferred,
            bytes,
            replaced,
            unchanged,
            left,
            skipped,
            failed,
            ..
        } = self;
        let mut line = format!(
            "{name}: {} {verb}, {} {pace}, each verified; {unchanged} unchanged",
            count(transferred, "file", "files"),
            count(bytes, "byte", "bytes"),
        );
        for (number, one, many) in [
            (replaced, "replaced", "replaced"),
            (skipped, "link not followed", "links not followed"),
            (
                left,
                "differs and was left, -f replaces it",
                "differ and were left, -f replaces them",
            ),
            (failed, "failed", "failed"),
        ] {
            if number > 0 {
                line.push_str(&format!("; {}", count(number, one, many)));
            }
        }
        let record = || {
            Record::new(&TREE)
                .shown_name("name", &name)
                .number("transferred", transferred)
                .number("bytes", bytes)
                .number("replaced", replaced)
                .number("unchanged", unchanged)
                .number("left", left)
                .number("skipped", skipped)
                .number("failed", failed)
        };
        if failed == 0 && left == 0 {
            print_record(record, || line);
            return Ok(());
        }
        print_object(record);
        Err(CommandError::Refused(line))
    }

    fn count(&mut self, outcome: &FileOutcome) {
        print_object(|| outcome.record());
        match outcome.result {
            FileResult::Transferred { bytes } => {
                self.transferred += 1;
                self.bytes += bytes;
            }
            FileResult::Replaced { bytes } => {
                self.transferred += 1;
                self.replaced += 1;
                self.bytes += bytes;
                if format() == OutputFormat::Text {
                    print_line(format_args!("{}: replaced", outcome.name));
                }
            }
            FileResult::Unchanged => self.unchanged += 1,
            FileResult::LeftDifferent => self.add_left(&outcome.name),
        }
    }
}
