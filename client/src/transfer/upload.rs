//! Reads the file of an upload, as it was when it was opened.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use skiff_sessions::client::{Decision, Note, Question};
use skiff_sessions::transfer::{Sink, Source, Task};
use skiff_sessions::wire::command::Replace;
use skiff_sessions::wire::reply::Refusal;
use skiff_sessions::wire::stamp::Stamp;

use super::local_file;
use super::policy::{Overwrite, Resume, TransferPolicy, to_decision};
use crate::net::local_end::LocalEnd;
use crate::terminal::format::{IoCause, escape_path};
use crate::terminal::output::print_line;
use crate::terminal::progress::Progress;
use crate::terminal::questions::Asker;

/// The local end of one upload.
pub(crate) struct Upload {
    path: PathBuf,
    file: File,
    /// The metadata when the file was opened.
    opened: Metadata,
    policy: TransferPolicy,
    asker: Asker,
    /// Whether the server was told to replace another file.
    replaced: Replace,
    pub progress: Progress,
    /// The message for an outcome of `LocalFailed`.
    pub error: Option<String>,
}

impl Upload {
    /// Opens the file at `path`.
    ///
    /// # Errors
    ///
    /// It cannot be opened, or is not a regular file.
    pub(crate) fn open(
        path: &Path,
        policy: TransferPolicy,
        asker: Asker,
        progress: Progress,
    ) -> io::Result<Self> {
        let (file, opened) = local_file::open_regular(path)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            opened,
            policy,
            asker,
            replaced: Replace::Never,
            progress,
            error: None,
        })
    }

    /// Returns the size when the file was opened, in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.opened.len()
    }

    /// Returns the modification time when the file was opened.
    pub(crate) fn modified(&self) -> Stamp {
        local_file::modified_at(&self.opened)
    }

    /// True when the file was written to since it was opened: the server may then hold a mixture.
    pub(crate) fn has_changed(&self) -> bool {
        let times = |found: &Metadata| (found.len(), found.mtime(), found.mtime_nsec());
        self.file
            .metadata()
            .map_or(true, |now| times(&now) != times(&self.opened))
    }

    /// Whether a question about another file at the server was answered with yes.
    pub(crate) fn replaced(&self) -> Replace {
        self.replaced
    }

    /// Answers a question by the policy, or has the user answer it.
    fn decide(&mut self, question: Question) -> Option<Decision> {
        let name = self.name();
        let TransferPolicy { resume, overwrite } = self.policy;
        let (question, fallback) = match (question, resume, overwrite) {
            (Question::ResumeUpload { .. }, Resume::Always, _)
            | (Question::Replace, _, Overwrite::Always) => return Some(Decision::Yes),
            (Question::Replace, _, Overwrite::Never) | (Question::ResumeDownload { .. }, ..) => {
                return Some(Decision::No);
            }
            (Question::ResumeUpload { have, of }, Resume::Ask, _) => (
                format!("{name}: {have} of {of} bytes are there already, resume?"),
                true,
            ),
            (Question::Replace, _, Overwrite::Ask) => {
                (format!("{name}: another file is there, replace it?"), false)
            }
        };
        self.progress.finish();
        self.asker.confirm(&question, fallback).map(to_decision)
    }

    /// Keeps the first error for the message.
    fn record_error(&mut self, why: impl std::fmt::Display) {
        let name = self.name();
        self.error.get_or_insert_with(|| format!("{name}: {why}"));
    }

    /// Returns the path, escaped for the terminal.
    pub(crate) fn name(&self) -> String {
        escape_path(&self.path)
    }
}

impl LocalEnd for Upload {
    fn ask(&mut self, question: Question) -> Option<Decision> {
        let decision = self.decide(question);
        if question == Question::Replace && decision == Some(Decision::Yes) {
            self.replaced = Replace::Yes;
        }
        decision
    }

    fn show_note(&mut self, _: Note) {
        self.progress.finish();
        print_line(format_args!(
            "{}: the part there is of another file, all is sent again",
            self.name()
        ));
    }

    fn begin_task(&mut self, task: Task) {
        self.progress.begin_task(task);
    }

    fn show_bytes_moved(&mut self, bytes: u64) {
        self.progress.update(bytes);
    }

    fn record_full(&mut self) {
        self.progress.record_full();
    }

    fn show_server_work(&mut self, done: u64, of: u64) {
        self.progress.show_server_work(done, of);
    }
}

impl Source for Upload {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, Refusal> {
        match self.file.read_at(buf, offset) {
            Ok(0) if offset < self.size() => {
                self.record_error("became shorter while it was sent");
                Ok(0)
            }
            Ok(count) => Ok(count),
            Err(error) => {
                self.record_error(IoCause(&error));
                Err(Refusal::Fault)
            }
        }
    }
}

impl Sink for Upload {
    fn write(&mut self, _: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::Fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(path: &Path) -> io::Result<Upload> {
        let policy = TransferPolicy {
            resume: Resume::Ask,
            overwrite: Overwrite::Ask,
        };
        Upload::open(path, policy, Asker::Nobody, Progress::hidden())
    }

    #[test]
    fn a_file_that_changes_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "seven b").unwrap();
        let mut upload = upload(&path).unwrap();
        assert!(!upload.has_changed());
        std::fs::write(&path, "sev").unwrap();
        assert!(upload.has_changed());
        assert_eq!(upload.read_at(3, &mut [0; 8]), Ok(0));
        assert!(upload.error.unwrap().contains("shorter"));
    }

    #[test]
    fn only_regular_files_are_sent() {
        let folder = tempfile::tempdir().unwrap();
        assert!(upload(folder.path()).is_err());
        assert!(upload(&folder.path().join("none")).is_err());
        assert!(upload(Path::new("/dev/null")).is_err());
    }

    #[test]
    fn nobody_asked_means_resume_but_not_replace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "x").unwrap();
        let mut upload = upload(&path).unwrap();
        assert_eq!(
            upload.ask(Question::ResumeUpload { have: 1, of: 2 }),
            Some(Decision::Yes)
        );
        assert_eq!(upload.ask(Question::Replace), Some(Decision::No));
    }
}
