//! Uploads small files one behind the other, without waiting for the answers in between
//! (PROTOCOL.md section 8, `go=1`).

use std::collections::VecDeque;

use skiff_sessions::client::{Dialogue, Outcome, PutOrder, SentAhead};

use crate::net::command_error::{CommandError, CommandResult};
use crate::net::link::LinkError;
use crate::net::session::Session;
use crate::transfer::file::{
    FileOutcome, FileUpload, open_upload, put_order, upload_again, upload_result,
};
use crate::transfer::upload::Upload;

/// The most files that are under way: each holds a descriptor.
const FILES_MAX: usize = 16;

/// From this many bytes under way on no further file is begun: what is stopped must not take long.
const BYTES_MAX: u64 = 4 << 20;

/// Uploads under way, and what is told of each that has ended.
pub(super) struct Ahead<'a, 'f, E> {
    session: &'a mut Session,
    under_way: VecDeque<UnderWay<'f>>,
    bytes: u64,
    on_end: E,
}

/// An upload that was sent, and whose answers were not read.
struct UnderWay<'f> {
    index: usize,
    file: FileUpload<'f>,
    order: PutOrder,
    sent: SentAhead,
    upload: Upload,
}

impl<'a, 'f, E> Ahead<'a, 'f, E>
where
    E: FnMut(usize, Result<FileOutcome, CommandError>) -> CommandResult,
{
    /// `on_end` is called with the index of each file and what became of it; its error ends all.
    pub(super) fn new(session: &'a mut Session, on_end: E) -> Self {
        Self {
            session,
            under_way: VecDeque::new(),
            bytes: 0,
            on_end,
        }
    }

    /// Uploads the files.
    pub(super) fn upload(mut self, files: Vec<FileUpload<'f>>) -> CommandResult {
        for (index, file) in files.into_iter().enumerate() {
            while self.under_way.len() >= FILES_MAX || self.bytes >= BYTES_MAX {
                self.confirm()?;
            }
            self.send(index, file)?;
        }
        while !self.under_way.is_empty() {
            self.confirm()?;
        }
        Ok(())
    }

    /// Sends one file.
    fn send(&mut self, index: usize, file: FileUpload<'f>) -> CommandResult {
        let mut upload = match open_upload(self.session, &file) {
            Ok(upload) => upload,
            Err(error) => return self.end(index, Err(error)),
        };
        let order = put_order(self.session, &file, &upload);
        let ahead = order.clone();
        let ran = self
            .session
            .run_dialogue(|out| Dialogue::put_ahead(ahead, out), &mut upload);
        match ran {
            Ok(Outcome::SentAhead(sent)) => {
                self.bytes += order.size;
                self.under_way.push_back(UnderWay {
                    index,
                    file,
                    order,
                    sent,
                    upload,
                });
                Ok(())
            }
            // Ctrl-C was pressed, maybe before it began.
            Ok(_) => {
                self.read_the_rest()?;
                Err(stopped())
            }
            Err(cause) => self.do_again(cause, vec![(index, file)]),
        }
    }

    /// Reads the answers to the oldest upload.
    fn confirm(&mut self) -> CommandResult {
        let Some(UnderWay {
            index,
            file,
            order,
            sent,
            mut upload,
        }) = self.under_way.pop_front()
        else {
            return Ok(());
        };
        self.bytes -= order.size;
        let ran = self
            .session
            .run_dialogue(|_| Dialogue::confirm_put(order, sent), &mut upload);
        match ran {
            // The answers to all that was under way are read with it.
            Ok(Outcome::Stopped) => {
                self.under_way.clear();
                Err(stopped())
            }
            Ok(outcome) => {
                let form = self.session.digest_form;
                self.end(index, upload_result(outcome, upload, (&file, form)))
            }
            Err(cause) => self.do_again(cause, vec![(index, file)]),
        }
    }

    /// Connects again, and uploads anew what was under way.
    fn do_again(
        &mut self,
        cause: LinkError,
        mut lost: Vec<(usize, FileUpload<'f>)>,
    ) -> CommandResult {
        let rest = self.under_way.drain(..);
        lost.extend(rest.map(|under_way| (under_way.index, under_way.file)));
        lost.sort_unstable_by_key(|(index, _)| *index);
        self.bytes = 0;
        self.session.restore(cause)?;
        for (index, file) in lost {
            let uploaded = upload_again(self.session, file);
            self.end(index, uploaded)?;
        }
        Ok(())
    }

    /// Tells what became of a file. Where that ends all, the answers under way are read first: they
    /// must not be taken for those of the next command.
    fn end(&mut self, index: usize, ended: Result<FileOutcome, CommandError>) -> CommandResult {
        let told = (self.on_end)(index, ended);
        if told.is_err() {
            self.read_the_rest()?;
        }
        told
    }

    fn read_the_rest(&mut self) -> CommandResult {
        while let Some(mut under_way) = self.under_way.pop_front() {
            let (order, sent) = (under_way.order, under_way.sent);
            let confirm = |_: &mut Vec<_>| Dialogue::confirm_put(order, sent);
            if self.session.run_dialogue(confirm, &mut under_way.upload)? == Outcome::Stopped {
                self.under_way.clear();
            }
        }
        Ok(())
    }
}

fn stopped() -> CommandError {
    CommandError::Stopped("stopped; put it again to go on".into())
}
