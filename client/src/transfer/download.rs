//! Writes a download to a part until all is verified, then renames it to its name; or streams it.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use skiff_sessions::client::{Decision, LocalFile, Note, Question};
use skiff_sessions::transfer::{Sink, Source, Task};
use skiff_sessions::wire::command::Replace;
use skiff_sessions::wire::reply::Refusal;
use skiff_sessions::wire::stamp::Stamp;

use super::access;
use super::destination::FileTarget;
use super::local_file::{self, SyncPolicy, Writeback, to_system_time};
use super::part::{self, OpenError, Privacy};
use super::policy::{Resume, to_decision};
use super::stream::{Stream, StreamError};
use crate::net::local_end::{LocalEnd, LocalFileFailed};
use crate::terminal::format::{IoCause, escape_path};
use crate::terminal::output::print_line;
use crate::terminal::progress::Progress;
use crate::terminal::questions::Asker;

/// The local end of one download.
pub(crate) struct Download {
    /// The target as the user named it, for messages.
    name: PathBuf,
    output: Output,
    asker: Asker,
    pub progress: Progress,
    /// The cause of an outcome of `LocalFailed`.
    pub error: Option<LocalError>,
}

/// What takes the bytes of a download.
pub(crate) enum Output {
    Part(Box<PartOutput>),
    Stream(Stream),
}

/// A part, and the target that it is renamed to when it is whole.
pub(crate) struct PartOutput {
    target: FileTarget,
    path: PathBuf,
    /// The size of the part when it was looked for, in bytes.
    found: u64,
    /// The file that the current task reads or writes, and which it is.
    file: Option<(LocalFile, File)>,
    policy: DownloadPolicy,
    writeback: Writeback,
}

/// What a download may do with the files here, and when it is on the disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct DownloadPolicy {
    pub resume: Resume,
    pub replace: Replace,
    pub sync: SyncPolicy,
}

/// Why the local end of a download failed.
#[derive(PartialEq, Eq, Debug)]
pub(crate) enum LocalError {
    /// Ctrl-C was pressed while a stream waited for its reader.
    Interrupted,
    /// The message.
    Failed(String),
    /// The same, where the disk here is full.
    NoRoom(String),
}

impl Download {
    pub(crate) fn new(name: PathBuf, output: Output, asker: Asker, progress: Progress) -> Self {
        Self {
            name,
            output,
            asker,
            progress,
            error: None,
        }
    }

    /// True where a stream was given something.
    pub(crate) fn has_streamed(&self) -> bool {
        match &self.output {
            Output::Part(_) => false,
            Output::Stream(stream) => stream.is_begun(),
        }
    }

    /// Keeps the first error for the message.
    fn record_error(&mut self, error: LocalError) {
        self.error.get_or_insert(error);
    }
}

impl Output {
    /// The part of `target`, of which `found` bytes are here. Opens no file yet: the dialogue
    /// decides which one.
    pub(crate) fn part(target: FileTarget, found: u64, policy: DownloadPolicy) -> Self {
        Self::Part(Box::new(PartOutput {
            path: part::part_path(target.path()),
            target,
            found,
            file: None,
            policy,
            writeback: Writeback::default(),
        }))
    }
}

impl PartOutput {
    /// Opens the file that the dialogue asks for; a part is written at its end.
    fn open(&mut self, which: LocalFile) -> Result<(), OpenError> {
        // The part that is open has the lock.
        self.file = None;
        let file = match which {
            LocalFile::Whole => local_file::open_regular(self.target.path())?.0,
            LocalFile::Part => self.open_found()?,
            LocalFile::EmptyPart => {
                let part = self.open_part()?;
                if part.metadata()?.len() > 0 {
                    part.set_len(0)?;
                }
                part
            }
        };
        self.file = Some((which, file));
        Ok(())
    }

    fn open_part(&self) -> Result<File, OpenError> {
        let privacy = match self.target.old() {
            Some(_) => Privacy::Owner,
            None => Privacy::Umask,
        };
        part::open(&self.path, privacy)
    }

    /// Opens the part that was found, to go on behind its last byte. What another process has
    /// added since is cut off: only the bytes that were found are compared with the server's.
    fn open_found(&self) -> Result<File, OpenError> {
        let mut part = self.open_part()?;
        let size = part.metadata()?.len();
        if size < self.found {
            return Err(io::Error::other("changed meanwhile, get it again").into());
        }
        if size > self.found {
            part.set_len(self.found)?;
        }
        part.seek(SeekFrom::End(0))?;
        Ok(part)
    }

    /// Sets time and permissions, syncs the part, renames it, and syncs the folder, so that the
    /// name is never less than the whole file. With [`SyncPolicy::AtEnd`] nothing is synced here.
    fn publish(&mut self, modified: Option<Stamp>) -> io::Result<()> {
        let (_, file) = self.file.take().ok_or(io::ErrorKind::NotFound)?;
        if let Some(time) = modified.and_then(to_system_time) {
            // A file system that keeps no times is no failure.
            let _ = file.set_modified(time);
        }
        let may_replace = self.target.old().is_some() || self.policy.replace == Replace::Yes;
        if may_replace && let Ok(old) = fs::symlink_metadata(self.target.path()) {
            access::take_from(&file, self.target.path(), &old)?;
        }
        if self.policy.sync == SyncPolicy::EachFile {
            file.sync_all()?;
        }
        self.target.rename_to(&self.path, self.policy.replace)?;
        match self.policy.sync {
            SyncPolicy::EachFile => skiff_conf::sync_folder(self.target.folder()),
            SyncPolicy::AtEnd => Ok(()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (_, file) = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let written = file.write_all(bytes);
        self.writeback.record_write(file, bytes.len());
        written
    }
}

/// Words a failure of the file at `path`.
fn failed(path: &Path, error: &io::Error) -> LocalError {
    let why = format!("{}: {}", escape_path(path), IoCause(error));
    match error.kind() {
        io::ErrorKind::StorageFull
        | io::ErrorKind::QuotaExceeded
        | io::ErrorKind::ReadOnlyFilesystem => LocalError::NoRoom(why),
        _ => LocalError::Failed(why),
    }
}

impl LocalEnd for Download {
    fn ask(&mut self, question: Question) -> Option<Decision> {
        let (Question::ResumeDownload { have, of }, Output::Part(part)) = (question, &self.output)
        else {
            return Some(Decision::No);
        };
        if part.policy.resume == Resume::Always {
            return Some(Decision::Yes);
        }
        self.progress.finish();
        let name = escape_path(&self.name);
        let question = format!("{name}: {have} of {of} bytes are here already, resume?");
        self.asker.confirm(&question, true).map(to_decision)
    }

    fn use_file(&mut self, which: LocalFile) -> Result<(), LocalFileFailed> {
        let opened = match (&mut self.output, which) {
            (Output::Part(part), which) => part.open(which).map_err(|error| match error {
                OpenError::Locked => LocalError::Failed(format!(
                    "another skiff is fetching to {}",
                    escape_path(&self.name)
                )),
                OpenError::Io(error) if which == LocalFile::Whole => failed(&self.name, &error),
                OpenError::Io(error) => failed(&part.path, &error),
            }),
            (Output::Stream(_), LocalFile::EmptyPart) => Ok(()),
            (Output::Stream(_), LocalFile::Whole | LocalFile::Part) => {
                let name = escape_path(&self.name);
                Err(LocalError::Failed(format!("{name}: cannot be resumed")))
            }
        };
        opened.map_err(|error| {
            self.record_error(error);
            LocalFileFailed
        })
    }

    fn publish(&mut self, modified: Option<Stamp>) -> Result<(), LocalFileFailed> {
        let published = match &mut self.output {
            Output::Part(part) => part.publish(modified),
            Output::Stream(stream) => stream.finish(),
        };
        published.map_err(|error| {
            self.record_error(failed(&self.name, &error));
            LocalFileFailed
        })
    }

    fn drop_part(&mut self) {
        let Output::Part(part) = &mut self.output else {
            return;
        };
        // Without an open part there is no lock, and the part may be another process's.
        if let Some((LocalFile::Part | LocalFile::EmptyPart, _open)) = part.file.take() {
            // Best effort: the next download empties a part that does not fit.
            let _ = fs::remove_file(&part.path);
        }
    }

    fn show_note(&mut self, note: Note) {
        match note {
            Note::PartDiffers => {
                self.progress.finish();
                let name = escape_path(&self.name);
                print_line(format_args!(
                    "{name}: the part here is of another file, all is fetched again"
                ));
            }
            // It was the user who said that the file is replaced.
            Note::WholeDiffers => {}
        }
    }

    fn begin_task(&mut self, task: Task) {
        self.progress.begin_task(task);
    }

    fn show_bytes_moved(&mut self, bytes: u64) {
        self.progress.update(bytes);
    }

    fn show_server_work(&mut self, done: u64, of: u64) {
        self.progress.show_server_work(done, of);
    }
}

impl Source for Download {
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize, Refusal> {
        let file = match &self.output {
            Output::Part(part) => part.file.as_ref().map(|(_, file)| file),
            Output::Stream(_) => None,
        };
        let read = file.map_or(Ok(0), |file| file.read_at(buf, offset));
        read.map_err(|error| {
            self.record_error(failed(&self.name, &error));
            Refusal::Fault
        })
    }
}

impl Sink for Download {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let written = match &mut self.output {
            Output::Part(part) => part
                .write(bytes)
                .map_err(|error| failed(&part.path, &error)),
            Output::Stream(stream) => stream.write_all(bytes).map_err(|error| match error {
                StreamError::Interrupted => LocalError::Interrupted,
                StreamError::Io(error) => failed(&self.name, &error),
            }),
        };
        written.map_err(|error| {
            self.record_error(error);
            Refusal::DiskFull
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use skiff_sessions::client::LocalCopy;

    use super::*;
    use crate::transfer::destination::Destination;

    fn download(folder: &Path) -> Download {
        download_with(folder, Replace::Yes)
    }

    fn download_with(folder: &Path, replace: Replace) -> Download {
        let policy = DownloadPolicy {
            resume: Resume::Ask,
            replace,
            sync: SyncPolicy::EachFile,
        };
        let name = folder.join("a");
        let target = target(&name);
        let found = target.local_copy().part;
        let output = Output::part(target, found, policy);
        let progress = Progress::hidden();
        Download::new(name, output, Asker::Nobody, progress)
    }

    fn target(name: &Path) -> FileTarget {
        match Destination::find(name).unwrap() {
            Destination::File(target) => target,
            other => panic!("{other:?}"),
        }
    }

    fn failure(download: Download) -> String {
        match download.error {
            Some(LocalError::Failed(why)) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_name_shows_the_old_file_until_all_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a");
        fs::write(&name, "old").unwrap();
        let mut download = download(folder.path());
        download.use_file(LocalFile::EmptyPart).unwrap();
        download.write(b"new ").unwrap();
        download.write(b"bytes").unwrap();
        assert_eq!(fs::read(&name).unwrap(), b"old");
        download.publish(Some(Stamp(1_767_323_045))).unwrap();
        assert_eq!(fs::read(&name).unwrap(), b"new bytes");
        assert_eq!(
            target(&name).local_copy().whole,
            Some((9, Stamp(1_767_323_045)))
        );
        assert!(!folder.path().join("a.skiff-part").exists());
    }

    #[test]
    fn a_part_is_written_behind_its_end_and_read_from_its_start() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.skiff-part"), "one ").unwrap();
        let mut download = download(folder.path());
        assert_eq!(
            target(&folder.path().join("a")).local_copy(),
            LocalCopy {
                whole: None,
                part: 4
            }
        );
        download.use_file(LocalFile::Part).unwrap();
        let mut start = [0; 3];
        assert_eq!(download.read_at(0, &mut start), Ok(3));
        assert_eq!(&start, b"one");
        download.write(b"two").unwrap();
        download.publish(None).unwrap();
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"one two");
    }

    #[test]
    fn a_link_in_the_parts_place_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = folder.path().join("victim");
        fs::write(&victim, "precious").unwrap();
        symlink(&victim, folder.path().join("a.skiff-part")).unwrap();
        let mut download = download(folder.path());
        assert_eq!(
            download.use_file(LocalFile::EmptyPart),
            Err(LocalFileFailed)
        );
        assert!(failure(download).contains("a.skiff-part"));
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
    }

    #[test]
    fn a_wrong_part_goes() {
        let folder = tempfile::tempdir().unwrap();
        let mut download = download(folder.path());
        download.use_file(LocalFile::EmptyPart).unwrap();
        download.drop_part();
        assert!(!folder.path().join("a.skiff-part").exists());
    }

    #[test]
    fn nobody_asked_means_resume() {
        let folder = tempfile::tempdir().unwrap();
        let question = Question::ResumeDownload { have: 1, of: 2 };
        assert_eq!(download(folder.path()).ask(question), Some(Decision::Yes));
    }

    #[test]
    fn times_before_1970_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for seconds in [-1, -86_400 * 365 * 40] {
            let mut download = download(folder.path());
            download.use_file(LocalFile::EmptyPart).unwrap();
            download.publish(Some(Stamp(seconds))).unwrap();
            let found = folder.path().join("a").metadata().unwrap();
            assert_eq!(found.mtime(), seconds);
        }
    }

    #[test]
    fn a_replaced_file_leaves_its_mode() {
        let folder = tempfile::tempdir().unwrap();
        let (name, part) = (folder.path().join("a"), folder.path().join("a.skiff-part"));
        fs::write(&name, "old").unwrap();
        for mode in [0o600, 0o755, 0o400] {
            fs::set_permissions(&name, fs::Permissions::from_mode(mode)).unwrap();
            let mut download = download(folder.path());
            download.use_file(LocalFile::EmptyPart).unwrap();
            assert_eq!(part.metadata().unwrap().mode() & 0o777, 0o600);
            download.publish(None).unwrap();
            assert_eq!(name.metadata().unwrap().mode() & 0o777, mode);
        }
    }

    #[test]
    fn a_second_download_to_the_name_is_refused_and_harms_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = download(folder.path());
        first.use_file(LocalFile::EmptyPart).unwrap();
        first.write(b"first").unwrap();
        for which in [LocalFile::Part, LocalFile::EmptyPart] {
            let mut second = download(folder.path());
            assert_eq!(second.use_file(which), Err(LocalFileFailed));
            second.drop_part();
            assert!(failure(second).starts_with("another skiff is fetching to "));
        }
        first.publish(None).unwrap();
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"first");
    }

    /// Only what was found is compared with the server's file before it is gone on with.
    #[test]
    fn a_part_that_grew_meanwhile_is_cut_to_what_was_found() {
        let folder = tempfile::tempdir().unwrap();
        let part = folder.path().join("a.skiff-part");
        fs::write(&part, "one ").unwrap();
        let mut longer = download(folder.path());
        fs::write(&part, "one and another ").unwrap();
        let mut shorter = download(folder.path());
        longer.use_file(LocalFile::Part).unwrap();
        longer.write(b"two").unwrap();
        assert_eq!(fs::read(&part).unwrap(), b"one two");
        drop(longer);
        assert_eq!(shorter.use_file(LocalFile::Part), Err(LocalFileFailed));
        assert_eq!(fs::read(&part).unwrap(), b"one two");
    }

    #[test]
    fn a_file_that_appears_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let mut download = download_with(folder.path(), Replace::Never);
        download.use_file(LocalFile::EmptyPart).unwrap();
        fs::write(folder.path().join("a"), "own").unwrap();
        assert_eq!(download.publish(None), Err(LocalFileFailed));
        assert_eq!(fs::read(folder.path().join("a")).unwrap(), b"own");
    }
}
