//! Counts the files of a tree transfer, shows the count meanwhile, and words the result.

use std::fmt::Display;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::file::{FileOutcome, FileResult};
use crate::net::command_error::{CommandError, CommandResult};
use crate::terminal::format::{escape_name, format_pace, format_size};
use crate::terminal::output::{print_error, print_line};
use crate::terminal::progress::ProgressStyle;

/// The time between two lines of progress where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// The count of a tree transfer.
pub(crate) struct TreeSummary {
    name: String,
    style: ProgressStyle,
    begun: Instant,
    printed_at: Instant,
    spinner: Option<ProgressBar>,
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
        let (name, now) = (escape_name(name), Instant::now());
        Self {
            name,
            style,
            begun: now,
            printed_at: now,
            spinner: None,
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
        self.clear_spinner();
        print_error(why);
    }

    /// Counts and prints a file that differs from the one that has its name, which stays.
    pub(crate) fn add_left(&mut self, name: impl Display) {
        self.left += 1;
        self.clear_spinner();
        print_error(format_args!("{name}: differs, left as it is"));
    }

    /// Counts and prints what the listing of a directory leaves out: it cannot be fetched.
    pub(crate) fn add_hidden(&mut self, folder: &[u8], hidden: u64) {
        if hidden > 0 {
            let folder = escape_name(folder);
            let entries = if hidden == 1 { "entry" } else { "entries" };
            self.add_failure(format_args!(
                "{folder}: {hidden} {entries} that the server could not list, not fetched"
            ));
        }
    }

    /// Counts and prints a link that is not followed, which is no failure.
    pub(crate) fn add_skipped(&mut self, link: impl Display, why: impl Display) {
        self.skipped += 1;
        self.clear_spinner();
        print_error(format_args!("{link}: {why}"));
    }

    /// Clears the spinner, so that a file's own bar can use the line.
    pub(crate) fn clear_spinner(&mut self) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
    }

    /// Prints the result. `verb` is what was done to the files.
    ///
    /// # Errors
    ///
    /// `Refused` with the result, where a file has failed or was left because it differs.
    pub(crate) fn finish(mut self, verb: &str) -> CommandResult {
        self.clear_spinner();
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
            "{name}: {transferred} files {verb}, {bytes} bytes {pace}, each verified; {unchanged} unchanged"
        );
        for (count, what) in [
            (replaced, "replaced"),
            (skipped, "links not followed"),
            (left, "differ and were left, -f replaces them"),
            (failed, "failed"),
        ] {
            if count > 0 {
                line.push_str(&format!("; {count} {what}"));
            }
        }
        if failed == 0 && left == 0 {
            print_line(format_args!("226 {line}"));
            return Ok(());
        }
        Err(CommandError::Refused(format!("550 {line}")))
    }

    fn count(&mut self, outcome: &FileOutcome) {
        match outcome.result {
            FileResult::Transferred { bytes } => {
                self.transferred += 1;
                self.bytes += bytes;
            }
            FileResult::Replaced { bytes } => {
                self.transferred += 1;
                self.replaced += 1;
                self.bytes += bytes;
                self.clear_spinner();
                print_line(format_args!("{}: replaced", outcome.name));
            }
            FileResult::Unchanged => self.unchanged += 1,
            FileResult::LeftDifferent => self.add_left(&outcome.name),
        }
        self.show();
    }

    fn show(&mut self) {
        let files = self.transferred + self.unchanged;
        match self.style {
            ProgressStyle::Bar => {
                let spinner = self.spinner.get_or_insert_with(ProgressBar::new_spinner);
                spinner.set_message(format!(
                    "{}: {files} files, {}",
                    self.name,
                    format_size(self.bytes)
                ));
                spinner.tick();
            }
            ProgressStyle::Lines if self.printed_at.elapsed() >= BETWEEN_LINES => {
                self.printed_at = Instant::now();
                print_error(format_args!("{}: {files} files", self.name));
            }
            ProgressStyle::Lines | ProgressStyle::Hidden => {}
        }
    }
}
