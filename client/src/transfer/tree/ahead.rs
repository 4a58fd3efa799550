//! Uploads small files one behind the other, without waiting for the answers in between
//! (PROTOCOL.md section 8, `go=1`).

use std::collections::VecDeque;

use skiff_sessions::client::{Dialogue, Outcome, PutOrder, SentAhead};

use crate::net::command_error::{CommandError, CommandResult};
use crate::net::fates::{self, Fate, UnderWay};
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

/// How an upload has ended.
pub(super) enum Ended {
    Told(Result<FileOutcome, CommandError>),
    /// It was stopped, or the connection did not come back.
    LeftOff(Fate),
}

/// Uploads under way, and what is told of each that has ended.
pub(super) struct Ahead<'a, 'f, E> {
    session: &'a mut Session,
    under_way: VecDeque<SentFile<'f>>,
    bytes: u64,
    on_end: E,
}

/// An upload that was sent, and whose answers were not read.
struct SentFile<'f> {
    index: usize,
    file: FileUpload<'f>,
    order: PutOrder,
    sent: SentAhead,
    upload: Upload,
}

impl<'a, 'f, E> Ahead<'a, 'f, E>
where
    E: FnMut(usize, Ended) -> CommandResult,
{
    /// `on_end` is called with the index of each file that was begun, and what became of it; its
    /// error ends all.
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
        let may_begin = !self.session.interrupt.is_stopped();
        let ran = self
            .session
            .run_dialogue(|out| Dialogue::put_ahead(ahead, out), &mut upload);
        match ran {
            Ok(Outcome::SentAhead(sent)) => {
                self.bytes += order.size;
                self.under_way.push_back(SentFile {
                    index,
                    file,
                    order,
                    sent,
                    upload,
                });
                Ok(())
            }
            // Ctrl-C was pressed.
            Ok(_) => {
                self.drain()?;
                self.leave_off(may_begin.then_some((index, order)))
            }
            Err(cause) => self.do_again(cause, (index, file, order)),
        }
    }

    /// Reads the answers to the oldest upload.
    fn confirm(&mut self) -> CommandResult {
        let Some(SentFile {
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
            .run_dialogue(|_| Dialogue::confirm_put(order.clone(), sent), &mut upload);
        match ran {
            // The answers to all that was under way are read with it.
            Ok(Outcome::Stopped) => self.leave_off(Some((index, order))),
            Ok(outcome) => {
                let form = self.session.digest_form;
                self.end(index, upload_result(outcome, upload, (&file, form)))
            }
            Err(cause) => self.do_again(cause, (index, file, order)),
        }
    }

    /// Connects again, and uploads anew what was under way.
    fn do_again(
        &mut self,
        cause: LinkError,
        (index, file, order): (usize, FileUpload<'f>, PutOrder),
    ) -> CommandResult {
        if let Err(error) = self.session.restore(cause) {
            let _ = self.leave_off(Some((index, order)));
            return Err(error);
        }
        let rest = self.under_way.drain(..);
        let rest = rest.map(|under_way| (under_way.index, under_way.file, under_way.order));
        let mut lost: Vec<_> = rest.chain([(index, file, order)]).collect();
        lost.sort_unstable_by_key(|(index, ..)| *index);
        self.bytes = 0;
        let mut lost = lost.into_iter();
        while let Some((index, file, order)) = lost.next() {
            let uploaded = upload_again(self.session, file);
            let uploaded = uploaded.map(|outcome| outcome.of_lost_upload(order.size));
            let is_left_off = matches!(
                uploaded,
                Err(CommandError::Stopped(_) | CommandError::SessionEnded(_))
            );
            if let Err(error) = (self.on_end)(index, Ended::Told(uploaded)) {
                let own = is_left_off.then_some((index, order));
                let others = lost.map(|(index, _, order)| (index, order));
                self.tell_fates(own.into_iter().chain(others).collect());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Tells what became of a file. Where that ends all, the answers under way are read first: they
    /// must not be taken for those of the next command.
    fn end(&mut self, index: usize, ended: Result<FileOutcome, CommandError>) -> CommandResult {
        let told = (self.on_end)(index, Ended::Told(ended));
        if told.is_err() {
            self.read_the_rest()?;
        }
        told
    }

    /// Reads the answers to what is under way, of which only that is of interest which was stored.
    fn read_the_rest(&mut self) -> CommandResult {
        while let Some(mut under_way) = self.under_way.pop_front() {
            let (order, sent) = (under_way.order, under_way.sent);
            let confirm = |_: &mut Vec<_>| Dialogue::confirm_put(order.clone(), sent);
            let ran = self.session.run_dialogue(confirm, &mut under_way.upload);
            let ran = match ran {
                Ok(ran) => ran,
                Err(cause) => {
                    let _ = self.leave_off(Some((under_way.index, order)));
                    return Err(cause.into());
                }
            };
            if ran == Outcome::Stopped {
                return self.leave_off(Some((under_way.index, order)));
            }
            let form = self.session.digest_form;
            let ended = match upload_result(ran, under_way.upload, (&under_way.file, form)) {
                Ok(outcome) => Ended::Told(Ok(outcome)),
                Err(_) => Ended::LeftOff(Fate::NotStored),
            };
            let _ = (self.on_end)(under_way.index, ended);
        }
        Ok(())
    }

    /// Has the answers to what is under way read after Ctrl-C, where the dialogue that was stopped
    /// had not begun and so has read none.
    fn drain(&mut self) -> CommandResult {
        let Some(first) = self.under_way.front_mut() else {
            return Ok(());
        };
        let (order, sent) = (first.order.clone(), first.sent);
        let confirm = |_: &mut Vec<_>| Dialogue::confirm_put(order, sent);
        if let Err(cause) = self.session.run_dialogue(confirm, &mut first.upload) {
            let _ = self.leave_off(None);
            return Err(cause.into());
        }
        Ok(())
    }

    /// Tells what became of all that was under way and is not waited for any more, and of one file
    /// more.
    fn leave_off(&mut self, one_more: Option<(usize, PutOrder)>) -> CommandResult {
        let rest = self.under_way.drain(..);
        let rest = rest.map(|under_way| (under_way.index, under_way.order));
        let left = rest.chain(one_more).collect();
        self.bytes = 0;
        self.tell_fates(left);
        Err(stopped())
    }

    fn tell_fates(&mut self, left: Vec<(usize, PutOrder)>) {
        let uploads: Vec<_> = left
            .iter()
            .map(|(_, order)| UnderWay::from(order))
            .collect();
        let fates = fates::of_uploads(self.session, &uploads);
        for ((index, _), fate) in left.iter().zip(fates) {
            let _ = (self.on_end)(*index, Ended::LeftOff(fate));
        }
    }
}

fn stopped() -> CommandError {
    CommandError::Stopped("stopped; put it again to go on".into())
}
