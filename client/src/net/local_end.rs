//! Defines the local end of a dialogue: its files, the answers to questions, and the display of
//! progress.

use skiff_sessions::client::{Decision, LocalFile, Note, Question};
use skiff_sessions::transfer::{File, Task};
use skiff_sessions::wire::stamp::Stamp;

/// The local end of a dialogue: the file that bulk data comes from or goes to, the answers to
/// questions, and the display of progress. The defaults are for dialogues without files.
pub(crate) trait LocalEnd: File {
    /// Answers a question; `None` after Ctrl-C.
    fn ask(&mut self, question: Question) -> Option<Decision> {
        let _ = question;
        Some(Decision::No)
    }

    /// Opens the file that the next tasks read or write.
    ///
    /// # Errors
    ///
    /// [`LocalFileFailed`]; the implementation keeps the cause for the message.
    fn use_file(&mut self, file: LocalFile) -> Result<(), LocalFileFailed> {
        let _ = file;
        Err(LocalFileFailed)
    }

    /// Gives the received file its final name and `modified` time.
    ///
    /// # Errors
    ///
    /// As with [`LocalEnd::use_file`].
    fn publish(&mut self, modified: Option<Stamp>) -> Result<(), LocalFileFailed> {
        let _ = modified;
        Err(LocalFileFailed)
    }

    /// Removes the part that was received.
    fn drop_part(&mut self) {}
    /// Tells the user something that is no failure.
    fn show_note(&mut self, _: Note) {}
    /// Starts the display of a task.
    fn begin_task(&mut self, _: Task) {}
    /// Shows how many bytes of the running task are done.
    fn show_bytes_moved(&mut self, _: u64) {}
    /// Takes note that the socket takes no more bytes for now.
    fn record_full(&mut self) {}
    /// Shows the server's own work (hashing, storing): done and total bytes.
    fn show_server_work(&mut self, _done: u64, _of: u64) {}
}

/// The local file could not be opened, renamed, or written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LocalFileFailed;
