//! What a whole directory came to, counted file by file, and shown meanwhile.

use std::fmt::Display;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::file::Fared;
use crate::net::command_error::{CommandError, CommandResult};
use crate::terminal::format::{escape_name, format_pace, format_size};
use crate::terminal::output::{print_error, print_line};
use crate::terminal::progress::ProgressStyle;

/// Between two lines where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

pub(crate) struct Tally {
    name: String,
    style: ProgressStyle,
    begun: Instant,
    told: Instant,
    spinner: Option<ProgressBar>,
    moved: u64,
    bytes: u64,
    unmoved: u64,
    failed: u64,
}

impl Tally {
    pub(crate) fn new(style: ProgressStyle, name: &[u8]) -> Self {
        let (name, now) = (escape_name(name), Instant::now());
        Self {
            name,
            style,
            begun: now,
            told: now,
            spinner: None,
            moved: 0,
            bytes: 0,
            unmoved: 0,
            failed: 0,
        }
    }

    /// One file that fails does not keep the others from being carried.
    pub(crate) fn take(&mut self, fared: Result<Fared, CommandError>) -> CommandResult {
        match fared {
            Ok(fared) => self.count(&fared),
            Err(CommandError::Refused(why) | CommandError::Local(why)) => self.fail(why),
            Err(other) => return Err(other),
        }
        Ok(())
    }

    pub(crate) fn fail(&mut self, why: impl Display) {
        self.failed += 1;
        self.hide();
        print_error(why);
    }

    /// A file's own bar wants the line.
    pub(crate) fn hide(&mut self) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
    }

    /// Says what was done; a failure where one file has failed.
    pub(crate) fn close(mut self, deed: &str) -> CommandResult {
        self.hide();
        let pace = format_pace(self.bytes, self.begun.elapsed());
        let Self {
            name,
            moved,
            bytes,
            unmoved,
            failed,
            ..
        } = self;
        let line = format!(
            "{name}: {moved} files {deed}, {bytes} bytes {pace}, each verified; {unmoved} unchanged"
        );
        if failed == 0 {
            print_line(format_args!("226 {line}"));
            return Ok(());
        }
        Err(CommandError::Refused(format!(
            "550 {line}; {failed} failed"
        )))
    }

    fn count(&mut self, fared: &Fared) {
        match fared.carried {
            Some(bytes) => {
                self.moved += 1;
                self.bytes += bytes;
            }
            None => self.unmoved += 1,
        }
        self.show();
    }

    fn show(&mut self) {
        let files = self.moved + self.unmoved;
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
            ProgressStyle::Lines if self.told.elapsed() >= BETWEEN_LINES => {
                self.told = Instant::now();
                print_error(format_args!("{}: {files} files", self.name));
            }
            ProgressStyle::Lines | ProgressStyle::Hidden => {}
        }
    }
}
