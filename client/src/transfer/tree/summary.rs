//! Counts the files of a tree transfer, shows the count meanwhile, and words the result.

use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::rule::Execution;
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::fates::Fate;
use crate::terminal::format::{count, escape_name, format_pace};
use crate::terminal::output::{
    OutputFormat, format, print_error, print_line, print_note, print_object,
};
use crate::terminal::progress::{ProgressPlace, ProgressStyle};
use crate::terminal::records::{Record, TREE};
use crate::terminal::tree_progress::{FoundFiles, TreeProgress};
use crate::transfer::file::{FileOutcome, FileResult};

/// The count of a tree transfer, to which all its sessions add.
pub(crate) struct TreeSummary {
    name: String,
    begun: Instant,
    progress: TreeProgress,
    counts: Mutex<Counts>,
    execution: Execution,
}

#[derive(Clone, Copy, Default)]
struct Counts {
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
    /// Links that were made.
    links: u64,
    /// Links that were not followed.
    skipped: u64,
    /// Files and directories that were deleted.
    deleted: u64,
    /// Files that were under way when the transfer was stopped, or its connection lost, and of which
    /// the server keeps a part.
    kept_in_part: u64,
    /// Those that were not stored.
    not_stored: u64,
    /// Those of which it is not known.
    unknown: u64,
    /// Files and directories that failed.
    failed: u64,
}

impl TreeSummary {
    pub(crate) fn new(style: ProgressStyle, name: &[u8], execution: Execution) -> Self {
        let name = escape_name(name);
        Self {
            progress: TreeProgress::new(style, name.clone()),
            name,
            begun: Instant::now(),
            counts: Mutex::default(),
            execution,
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the result of one file. One that was refused or failed locally does not end the walk.
    ///
    /// # Errors
    ///
    /// Errors that end the walk: Ctrl-C, a lost connection.
    pub(crate) fn add(&self, outcome: Result<FileOutcome, CommandError>) -> CommandResult {
        match outcome {
            Ok(outcome) => self.count(&outcome),
            Err(CommandError::Refused(why) | CommandError::Local(why)) => self.add_failure(why),
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// Counts and prints a failure.
    pub(crate) fn add_failure(&self, why: impl Display) {
        self.counts().failed += 1;
        print_error(why);
    }

    /// Counts a file that both ends have.
    pub(crate) fn add_unchanged(&self, size: u64) {
        self.counts().unchanged += 1;
        self.end_file(size);
    }

    /// Counts a link that both ends have.
    pub(crate) fn add_unchanged_link(&self) {
        self.counts().unchanged += 1;
    }

    /// Counts a link that was made.
    pub(crate) fn add_made_link(&self) {
        self.counts().links += 1;
    }

    /// Counts a link that was to be made at the server.
    ///
    /// # Errors
    ///
    /// As those of [`TreeSummary::add`].
    pub(crate) fn add_link(&self, made: CommandResult) -> CommandResult {
        match made {
            Ok(()) => self.add_made_link(),
            Err(CommandError::Refused(why) | CommandError::Local(why)) => self.add_failure(why),
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// Counts a file that was under way when the transfer ended early.
    pub(crate) fn add_left_off(&self, fate: Fate, size: u64) {
        let mut counts = self.counts();
        match fate {
            Fate::Stored => {
                counts.transferred += 1;
                counts.bytes += size;
            }
            Fate::KeptInPart => counts.kept_in_part += 1,
            Fate::NotStored => counts.not_stored += 1,
            Fate::Unknown => counts.unknown += 1,
        }
    }

    /// Counts what was deleted at the target, and what could not be.
    pub(crate) fn add_deleted(&self, deleted: u64, failed: u64) {
        let mut counts = self.counts();
        counts.deleted += deleted;
        counts.failed += failed;
    }

    /// Counts and prints a file that differs from the one that has its name, which stays.
    pub(crate) fn add_left(&self, name: impl Display) {
        self.counts().left += 1;
        print_error(format_args!("{name}: differs, left as it is"));
    }

    /// Counts and prints what the listing of a directory leaves out: it cannot be fetched.
    pub(crate) fn add_hidden(&self, folder: &[u8], hidden: u64) {
        if hidden > 0 {
            let folder = escape_name(folder);
            let entries = count(hidden, "entry", "entries");
            self.add_failure(format_args!(
                "{folder}: {entries} that the server could not list, not fetched"
            ));
        }
    }

    /// Counts and prints a link that is not followed, which is no failure.
    pub(crate) fn add_skipped(&self, link: impl Display, why: impl Display) {
        self.counts().skipped += 1;
        print_note(format_args!("{link}: {why}"));
    }

    /// Returns what is told of the files that are found.
    pub(crate) fn found(&self) -> FoundFiles {
        self.progress.found()
    }

    /// Returns where the progress of the tree's files is shown.
    pub(crate) fn place(&self) -> ProgressPlace {
        ProgressPlace::InTree(self.progress.share())
    }

    /// All is done with a file that was found, whatever became of it.
    pub(crate) fn end_file(&self, size: u64) {
        self.progress.end_file(size);
    }

    /// Ends the progress, and returns the line that sums up what was `done`; `verb` is what was done
    /// to the files.
    ///
    /// # Errors
    ///
    /// What ended the transfer; `Refused` with the line where a file has failed or was left because
    /// it differs.
    pub(crate) fn finish(
        mut self,
        done: CommandResult,
        verb: &str,
    ) -> Result<String, CommandError> {
        self.progress.end();
        let counts = *self.counts();
        let mut line = self.line(counts, verb);
        print_object(|| self.record(counts));
        match done {
            Ok(()) if counts.failed == 0 && counts.left == 0 => Ok(line),
            Ok(()) => Err(CommandError::Refused(line)),
            Err(CommandError::NoRoom(why)) if counts.transferred > 0 => {
                print_error(why);
                line.push_str("; no room for the rest");
                Err(CommandError::Refused(line))
            }
            Err(CommandError::Stopped(why)) => Err(CommandError::Stopped(format!("{line}; {why}"))),
            Err(error @ CommandError::SessionEnded(_)) => {
                print_error(line);
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    fn line(&self, counts: Counts, verb: &str) -> String {
        let Counts {
            transferred,
            bytes,
            replaced,
            unchanged,
            left,
            links,
            skipped,
            deleted,
            kept_in_part,
            not_stored,
            unknown,
            failed,
        } = counts;
        let (name, pace) = (&self.name, format_pace(bytes, self.begun.elapsed()));
        let mut line = match self.execution {
            Execution::OnlyTold => format!("{name}: nothing was done (-n); {unchanged} unchanged"),
            Execution::Silent | Execution::Told => format!(
                "{name}: {} {verb}, {} {pace}, each verified; {unchanged} unchanged",
                count(transferred, "file", "files"),
                count(bytes, "byte", "bytes"),
            ),
        };
        for (number, one, many) in [
            (links, "link made", "links made"),
            (replaced, "replaced", "replaced"),
            (deleted, "deleted", "deleted"),
            (skipped, "link not followed", "links not followed"),
            (
                left,
                "differs and was left, -f replaces it",
                "differ and were left, -f replaces them",
            ),
            (kept_in_part, "kept in part", "kept in part"),
            (
                not_stored,
                "was under way and is not stored",
                "were under way and are not stored",
            ),
            (
                unknown,
                "was under way, and may be stored",
                "were under way, and may be stored",
            ),
            (failed, "failed", "failed"),
        ] {
            if number > 0 {
                line.push_str(&format!("; {}", count(number, one, many)));
            }
        }
        line
    }

    fn record(&self, counts: Counts) -> Record {
        Record::new(&TREE)
            .shown_name("name", &self.name)
            .number("transferred", counts.transferred)
            .number("bytes", counts.bytes)
            .number("replaced", counts.replaced)
            .number("unchanged", counts.unchanged)
            .number("left", counts.left)
            .number("links", counts.links)
            .number("skipped", counts.skipped)
            .number("deleted", counts.deleted)
            .number("kept_in_part", counts.kept_in_part)
            .number("not_stored", counts.not_stored)
            .number("unknown", counts.unknown)
            .number("failed", counts.failed)
    }

    fn count(&self, outcome: &FileOutcome) {
        print_object(|| outcome.record());
        match outcome.result {
            FileResult::Transferred { bytes } => {
                let mut counts = self.counts();
                counts.transferred += 1;
                counts.bytes += bytes;
            }
            FileResult::Replaced { bytes } => {
                let mut counts = self.counts();
                counts.transferred += 1;
                counts.replaced += 1;
                counts.bytes += bytes;
                drop(counts);
                if self.execution == Execution::Silent && format() == OutputFormat::Text {
                    print_line(format_args!("{}: replaced", outcome.name));
                }
            }
            FileResult::Unchanged => self.counts().unchanged += 1,
            FileResult::LeftDifferent => self.add_left(&outcome.name),
        }
    }
}
