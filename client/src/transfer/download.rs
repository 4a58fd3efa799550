//! Writes a download to `NAME.skiff-part` until all is verified, then renames it to `NAME`.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::OFlags;
use skiff_sessions::client::{Decision, LocalCopy, LocalFile, Note, Question};
use skiff_sessions::transfer::{Sink, Source, Task};
use skiff_sessions::wire::reply::Refusal;
use skiff_sessions::wire::stamp::Stamp;

use super::local_file::{self, SyncPolicy, Writeback};
use super::policy::{Resume, to_decision};
use crate::net::local_end::{LocalEnd, LocalFileFailed};
use crate::terminal::format::escape_path;
use crate::terminal::output::print_line;
use crate::terminal::progress::Progress;
use crate::terminal::questions::Asker;

/// The suffix of an unfinished download.
pub(crate) const PART_SUFFIX: &str = ".skiff-part";

/// The local end of one download.
pub(crate) struct Download {
    name: PathBuf,
    part: PathBuf,
    /// The file that the current task reads or writes.
    file: Option<File>,
    resume: Resume,
    sync: SyncPolicy,
    writeback: Writeback,
    asker: Asker,
    pub progress: Progress,
    /// The message for an outcome of `LocalFailed`.
    pub error: Option<String>,
}

impl Download {
    /// Opens no file yet: the dialogue decides which one.
    pub(crate) fn new(
        name: PathBuf,
        resume: Resume,
        sync: SyncPolicy,
        asker: Asker,
        progress: Progress,
    ) -> Self {
        let part = part_path(&name);
        Self {
            name,
            part,
            file: None,
            resume,
            sync,
            writeback: Writeback::default(),
            asker,
            progress,
            error: None,
        }
    }

    /// Opens the file that the dialogue asks for; a part is written at its end.
    fn open(&mut self, which: LocalFile) -> io::Result<()> {
        self.file = Some(match which {
            LocalFile::Whole => local_file::open_regular(&self.name)?,
            LocalFile::Part => {
                let mut part = open_part(&self.part)?;
                part.seek(SeekFrom::End(0))?;
                part
            }
            LocalFile::EmptyPart => {
                let part = open_part(&self.part)?;
                if part.metadata()?.len() > 0 {
                    part.set_len(0)?;
                }
                part
            }
        });
        Ok(())
    }

    /// Sets the time, syncs the part, renames it, and syncs the folder, so that `NAME` is never
    /// less than the whole file. With [`SyncPolicy::AtEnd`] nothing is synced here.
    fn sync_and_rename(&mut self, modified: Option<Stamp>) -> io::Result<()> {
        let file = self.file.take().ok_or(io::ErrorKind::NotFound)?;
        if let Some(Stamp(seconds)) = modified {
            let since = Duration::from_secs(seconds.try_into().unwrap_or(0));
            // A file system that keeps no times is no failure.
            let _ = file.set_modified(SystemTime::UNIX_EPOCH + since);
        }
        if self.sync == SyncPolicy::EachFile {
            file.sync_all()?;
        }
        fs::rename(&self.part, &self.name)?;
        match self.sync {
            SyncPolicy::EachFile => skiff_conf::sync_folder(local_file::parent_folder(&self.name)),
            SyncPolicy::AtEnd => Ok(()),
        }
    }

    /// Keeps the first error for the message.
    fn record_error(&mut self, path: &Path, error: &io::Error) {
        let message = || format!("{}: {error}", escape_path(path));
        self.error.get_or_insert_with(message);
    }
}

impl LocalEnd for Download {
    fn ask(&mut self, question: Question) -> Option<Decision> {
        let Question::ResumeDownload { have, of } = question else {
            return Some(Decision::No);
        };
        if self.resume == Resume::Always {
            return Some(Decision::Yes);
        }
        self.progress.finish();
        let name = escape_path(&self.name);
        let question = format!("{name}: {have} of {of} bytes are here already, resume?");
        self.asker.confirm(&question, true).map(to_decision)
    }

    fn use_file(&mut self, which: LocalFile) -> Result<(), LocalFileFailed> {
        let opened = self.open(which);
        opened.map_err(|error| {
            let path = if which == LocalFile::Whole {
                &self.name
            } else {
                &self.part
            };
            let path = path.clone();
            self.record_error(&path, &error);
            LocalFileFailed
        })
    }

    fn publish(&mut self, modified: Option<Stamp>) -> Result<(), LocalFileFailed> {
        self.sync_and_rename(modified).map_err(|error| {
            let name = self.name.clone();
            self.record_error(&name, &error);
            LocalFileFailed
        })
    }

    fn drop_part(&mut self) {
        self.file = None;
        // Best effort: the next download empties a part that does not fit.
        let _ = fs::remove_file(&self.part);
    }

    fn show_note(&mut self, note: Note) {
        self.progress.finish();
        let name = escape_path(&self.name);
        print_line(match note {
            Note::PartDiffers => {
                format!("{name}: the part here is of another file, all is fetched again")
            }
            Note::WholeDiffers => format!("{name}: the file here is another one, it is fetched"),
        });
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
        let read = self
            .file
            .as_ref()
            .map_or(Ok(0), |file| file.read_at(buf, offset));
        read.map_err(|error| {
            let name = self.name.clone();
            self.record_error(&name, &error);
            Refusal::Fault
        })
    }
}

impl Sink for Download {
    fn write(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        let Some(file) = &mut self.file else {
            return Err(Refusal::Fault);
        };
        let written = file.write_all(bytes);
        self.writeback.record_write(file, bytes.len());
        written.map_err(|error| {
            let part = self.part.clone();
            self.record_error(&part, &error);
            Refusal::DiskFull
        })
    }
}

/// Returns what exists under `name`: size and time of the whole file, and the size of its part.
pub(crate) fn find_local_copy(name: &Path) -> LocalCopy {
    let whole = fs::metadata(name).ok().filter(fs::Metadata::is_file);
    let part = fs::symlink_metadata(part_path(name))
        .ok()
        .filter(fs::Metadata::is_file);
    LocalCopy {
        whole: whole.map(|found| (found.len(), local_file::modified_at(&found))),
        part: part.map_or(0, |found| found.len()),
    }
}

/// Returns the path of the part of `name`, in the same folder.
pub(crate) fn part_path(name: &Path) -> PathBuf {
    let mut part = OsString::from(name.file_name().unwrap_or_default());
    part.push(PART_SUFFIX);
    name.with_file_name(part)
}

/// Opens or creates a part; does not follow a symbolic link and does not block on a FIFO.
fn open_part(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let file = options.custom_flags(flags.bits() as i32).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("not a regular file")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use skiff_sessions::transfer::Sink;

    use super::*;
    use crate::terminal::progress::ProgressStyle;

    fn download(folder: &Path) -> Download {
        let progress = Progress::new(ProgressStyle::Hidden, b"a");
        Download::new(
            folder.join("a"),
            Resume::Ask,
            SyncPolicy::EachFile,
            Asker::Nobody,
            progress,
        )
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
            find_local_copy(&name).whole,
            Some((9, Stamp(1_767_323_045)))
        );
        assert!(!part_path(&name).exists());
    }

    #[test]
    fn a_part_is_written_behind_its_end_and_read_from_its_start() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.skiff-part"), "one ").unwrap();
        let mut download = download(folder.path());
        assert_eq!(
            find_local_copy(&folder.path().join("a")),
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
        assert_eq!(find_local_copy(&folder.path().join("a")).part, 0);
        assert_eq!(
            download.use_file(LocalFile::EmptyPart),
            Err(LocalFileFailed)
        );
        assert!(download.error.unwrap().contains("a.skiff-part"));
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
}
