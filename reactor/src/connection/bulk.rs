//! Performs the effects of a conversation: submits jobs, begins transfers, lends them to workers in
//! bursts, and takes them back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use skiff_sessions::server::{Completion, DataEvent, Direction, Effect, Event, Job, JobId};
use skiff_sessions::transfer::{Burst, End, Route, Task, Transfer};
use skiff_sessions::wire::reply::{CloseReason, Refusal};

use super::account_changes::LoginProof;
use super::pace::Pace;
use super::places::note_open_folder;
use super::{
    Bulk, Connection, Ending, READS_PER_TURN, Ready, Stage, StartTls, deregister, register,
};
use crate::event_loop::admission::BanState;
use crate::event_loop::counters::LoginResult;
use crate::event_loop::shared::Shared;
use crate::transport::channel::Channel;
use crate::workers::burst::LentTransfer;
use crate::workers::hooked::watches_downloads;
use crate::workers::inquiry::CheckedBy;
use crate::workers::jobs::{JobRequest, JobResult, opens_file, takes_file};
use crate::workers::open_file::OpenFile;
use crate::workers::schedule::Class;
use crate::workers::work_item::WorkItem;

/// How long a job is retried while its home is being counted or a silent writer is being cancelled.
const PATIENCE: Duration = Duration::from_secs(10);

impl Connection {
    /// Takes a lent transfer back after a burst.
    pub(crate) fn burst_returned(
        &mut self,
        lent: LentTransfer,
        burst: Burst,
        shared: &mut Shared,
        now: Instant,
    ) {
        let LentTransfer {
            channel,
            mut transfer,
            file,
            ..
        } = lent;
        let moved = transfer.moved();
        self.note_moved(moved, shared, now);
        self.file = file;
        if self.route == Route::Data {
            self.transfer = Some(transfer);
            return self.data_burst_returned(channel, moved, burst, shared, now);
        }
        if let Some(channel) = channel {
            self.channel = Some(channel);
        }
        if self.bulk == Bulk::LentDeregistered {
            self.reregister(shared);
        }
        match burst {
            Burst::Finished(end) => {
                let ahead = transfer.take_ahead();
                self.transfer = Some(transfer);
                self.bulk = Bulk::None;
                // The burst may not have read up to `WouldBlock`.
                self.ready = Ready {
                    readable: true,
                    writable: true,
                    ended: true,
                };
                self.with_conversation(shared, now, |conversation, effects| {
                    conversation.transfer_ended(now, end, moved, &ahead, effects);
                });
            }
            unfinished => {
                self.transfer = Some(transfer);
                let stopped = self.stop.load(Ordering::Relaxed);
                self.bulk = match (unfinished, self.bulk) {
                    (_, Bulk::Hashing) | (Burst::BudgetSpent, _) => Bulk::Due,
                    // A stop that came too late for this burst is seen by the next one.
                    (Burst::WantsRead, _) if stopped => Bulk::Due,
                    (Burst::WantsRead, _) => Bulk::WantsRead,
                    _ => Bulk::WantsWrite,
                };
                self.report_progress(moved, shared, now);
            }
        }
        self.drive(shared, now);
    }

    fn data_burst_returned(
        &mut self,
        channel: Option<Channel>,
        moved: u64,
        burst: Burst,
        shared: &mut Shared,
        now: Instant,
    ) {
        self.bulk = Bulk::None;
        let mut channel = channel.filter(|channel| self.is_lent_data(channel));
        let is_stopped = burst == Burst::Finished(End::Stopped);
        if let Some(channel) = channel.take_if(|channel| channel.is_unproven() && !is_stopped) {
            self.choose_after_burst(channel, &burst, shared, now);
            return self.drive(shared, now);
        }
        if let Some(channel) = channel.as_mut() {
            self.note_if_proven(channel, &burst, shared, now);
        }
        match (burst, channel) {
            (Burst::Finished(end), channel) => {
                let direction = self.data.direction;
                if let Some(channel) = channel {
                    self.end_data(channel, &end, shared, now);
                }
                // An ABOR, or the end of a client that broke off, is handled before the upload is
                // published.
                let is_published = matches!(end, End::Stored { .. });
                if direction == Some(Direction::FromPeer) && !is_published {
                    self.read_all(shared, now);
                }
                self.route = Route::None;
                self.with_conversation(shared, now, |conversation, effects| {
                    conversation.transfer_ended(now, end, moved, &[], effects);
                });
            }
            (_, None) => {
                self.route = Route::None;
                self.with_conversation(shared, now, |conversation, effects| {
                    conversation.transfer_ended(now, End::LaneLost, moved, &[], effects);
                });
            }
            (unfinished, Some(channel)) => {
                let stopped = self.stop.load(Ordering::Relaxed);
                match unfinished {
                    Burst::WantsRead if !stopped => {
                        self.bulk = Bulk::WantsRead;
                        self.park_data(channel, shared);
                    }
                    Burst::WantsWrite if !stopped => {
                        self.bulk = Bulk::WantsWrite;
                        self.park_data(channel, shared);
                    }
                    _ => {
                        self.bulk = Bulk::Due;
                        self.hold_data(channel);
                    }
                }
                self.report_progress(moved, shared, now);
            }
        }
        self.drive(shared, now);
    }

    /// Notes a handshake that the burst did. Its session is told, unless the transfer has ended well:
    /// what was lost behind the handshake is not the handshake's failure.
    fn note_if_proven(
        &mut self,
        channel: &mut Channel,
        burst: &Burst,
        shared: &mut Shared,
        now: Instant,
    ) {
        if !channel.take_newly_proven() {
            return;
        }
        let direction = self.data.direction.unwrap_or(Direction::FromPeer);
        self.note_data_handshake(channel, direction, shared);
        match burst {
            Burst::Finished(end) if *end != End::LaneLost => {}
            _ => self.notify(Event::Data(DataEvent::Secured), shared, now),
        }
    }

    /// Reads what the peer has sent by now.
    fn read_all(&mut self, shared: &mut Shared, now: Instant) {
        self.ready.readable = true;
        for _ in 0..READS_PER_TURN {
            if !self.may_read() {
                return;
            }
            self.read(shared, now);
        }
    }

    /// Delivers the result of a job to the session, or submits the job again later.
    pub(crate) fn job_finished(
        &mut self,
        id: JobId,
        result: JobResult,
        shared: &mut Shared,
        now: Instant,
    ) {
        match result {
            JobResult::Retry {
                request,
                why,
                evict,
                opened,
            } => {
                note_open_folder(opened, shared, now);
                if now.duration_since(request.since) < PATIENCE {
                    shared.retry_later(self.id, id, request, evict, now);
                    return;
                }
                let refused = Event::Completed(id, Completion::Refused(why));
                self.with_conversation(shared, now, |conversation, effects| {
                    conversation.handle(now, refused, effects);
                });
            }
            JobResult::Done {
                completion,
                file,
                hooked,
                open_home,
                opened,
            } => {
                note_open_folder(opened, shared, now);
                if file.is_some() {
                    self.file = file;
                }
                if hooked.is_some() {
                    self.hooked = hooked;
                }
                self.note_open_home(open_home, &completion, shared, now);
                self.with_conversation(shared, now, |conversation, effects| {
                    conversation.handle(now, Event::Completed(id, completion), effects);
                });
            }
        }
        self.drive(shared, now);
    }

    pub(super) fn perform(&mut self, effect: Effect, shared: &mut Shared, now: Instant) {
        match effect {
            Effect::Work(id, job) => self.submit_job(id, job, shared, now),
            Effect::Begin(task) => self.begin(task, shared, now),
            Effect::StopTransfer => {
                self.stop.store(true, Ordering::Relaxed);
                if matches!(self.bulk, Bulk::WantsRead | Bulk::WantsWrite) {
                    self.bulk = Bulk::Due;
                }
            }
            Effect::LoginFailed { user } => self.login_failed(&user, shared, now),
            Effect::LoginNeedsTls { user } => {
                shared.counters.login(LoginResult::NeedsTls);
                self.log_login_needs_tls(&user, shared);
            }
            Effect::ChangedOnDisk { path } => {
                log::warn!("changed on disk: {path} of {}", self.user);
            }
            Effect::Log(line) => self.log_line(&line, shared, now),
            Effect::Host(name) => self.data.host = Some(name.into()),
            Effect::StartTls => self.start_tls = StartTls::Due,
            Effect::Listen(form) => self.open_passive_port(form, shared, now),
            Effect::OpenData(mode) => self.open_data(mode, shared, now),
            Effect::SecureData(direction, handshake) => {
                self.secure_data(direction, handshake, shared, now);
            }
            Effect::CloseData => self.close_data(shared),
            Effect::NoCloseNotify(evidence) => self.log_no_close_notify(evidence),
            Effect::Interrupted(cause) => self.interrupted = Some(cause),
            Effect::Logout => self.log_out(shared),
            Effect::Close(unread) => self.end_after_replies(unread, now),
            // Already written to the outbox by the conversation.
            Effect::Reply(_) => {}
        }
    }

    /// Returns to the state before a login; the connection stays.
    fn log_out(&mut self, shared: &mut Shared) {
        self.withdraw(shared);
        self.open_home = None;
        self.user.clear();
    }

    pub(super) fn withdraw(&mut self, shared: &mut Shared) {
        let address = self.peer.ip();
        shared
            .admission
            .withdraw(&self.user, address, self.id, &mut self.place);
        self.account = shared.account_numbers.of_network(address);
    }

    /// Counts the session as one of the user's, who has proven the password; false if there are too
    /// many.
    fn admit(&mut self, shared: &mut Shared, now: Instant) -> bool {
        let address = self.peer.ip();
        shared.admission.record_login(address, &self.user, now);
        let is_admitted = shared.admission.admit(&self.user, address, &mut self.place);
        if is_admitted {
            self.account = shared.account_numbers.of_user(&self.user);
        } else {
            shared.counters.login(LoginResult::TooManySessions);
        }
        is_admitted
    }

    /// Counts a failed login. One that bans its network ends the other sessions from there that have
    /// not logged in.
    fn login_failed(&mut self, user: &str, shared: &mut Shared, now: Instant) {
        let address = self.peer.ip();
        self.log_login_failed(user, shared);
        shared.counters.login(LoginResult::Failed);
        let state = shared.admission.record_failed_login(address, user, now);
        shared.counters.ban(state);
        shared.admission.log_ban(state, address, user, &shared.log);
        if state == BanState::NetworkBannedNow {
            let sessions = shared.admission.take_before_login(address);
            let expelled = sessions.into_iter().map(|id| (id, CloseReason::Banned));
            shared.expelled.extend(expelled);
        }
    }

    fn submit_job(&mut self, id: JobId, job: Job, shared: &mut Shared, now: Instant) {
        match &job {
            Job::FindAccount { user } | Job::CheckPassword { user, .. } => {
                self.begin_login(user, LoginProof::Password);
            }
            Job::CheckCertificate { user } => self.begin_login(user, LoginProof::Certificate),
            Job::OpenHome if !self.admit(shared, now) => {
                let completion = Completion::Refused(Refusal::TooManySessions);
                self.with_conversation(shared, now, |conversation, effects| {
                    conversation.handle(now, Event::Completed(id, completion), effects);
                });
                return;
            }
            Job::SetPassword { change, .. } => self.standing.changes_to(change.new.stored_key),
            // A stop of the transfer must not stop its publication.
            Job::PublishStream => self.stop = Arc::default(),
            job if opens_file(job) => {
                self.transfer = None;
                self.hooked = None;
            }
            _ => {}
        }
        let file = if takes_file(&job) {
            self.file.take()
        } else {
            None
        };
        // The worker that sent the file has closed it.
        if matches!(job, Job::CloseFile { .. }) && file.is_none() {
            return self.notify(Event::Completed(id, Completion::Done), shared, now);
        }
        let (home, links) = (self.home(), self.links());
        // The kernel's caches are asked for names, and follow links.
        let is_hooked =
            matches!(job, Job::OpenDownload { .. }) && watches_downloads(&shared.services);
        let cached = home.as_ref();
        let cached = cached.filter(|_| !is_hooked && self.may_ask_caches());
        if let Some(answer) = shared.inline.perform(&job, cached) {
            shared.answered = Some((id, answer));
            return;
        }
        let (folders, device) = self.folders_about(&job);
        let owner = self.id.number();
        let request = JobRequest {
            job,
            user: self.user.clone(),
            home,
            folders,
            file,
            hooked: self.hooked.clone(),
            stop: Arc::clone(&self.stop),
            owner,
            peer: self.peer.ip(),
            links,
            device,
            account: self.account,
            certificate: self.certificate.clone(),
            since: now,
            came_by: self.came_by(),
            checked_by: CheckedBy::Store,
        };
        match request.job {
            Job::FindAccount { .. } | Job::CheckPassword { .. } | Job::CheckCertificate { .. } => {
                self.submit_login(id, request, shared, now);
            }
            _ => shared.submit_job(self.id, id, request),
        }
    }

    fn begin(&mut self, task: Task, shared: &mut Shared, now: Instant) {
        let Stage::Conversing(conversation) = &mut self.stage else {
            return;
        };
        let ahead = if task.is_framed() {
            conversation.take_ahead()
        } else {
            Vec::new()
        };
        self.route = task.route();
        self.data.direction = match task {
            Task::ReceiveStream { .. } => Some(Direction::FromPeer),
            _ => Some(Direction::ToPeer),
        };
        let pace = Pace::of(&task, now);
        match &mut self.pace {
            Some(latest) => **latest = pace,
            None => self.pace = Some(Box::new(pace)),
        }
        self.refresh_rates(shared, now);
        self.transfer.get_or_insert_default().begin(task, ahead);
        self.stop = Arc::default();
        self.bulk = Bulk::Due;
        if self.route == Route::None {
            self.lend_digest(shared);
        }
    }

    pub(super) fn lend_when_due(&mut self, shared: &mut Shared, now: Instant) {
        let ready = match self.route {
            Route::Data => self.data.ready,
            Route::Control | Route::None => self.ready,
        };
        let due = match self.bulk {
            Bulk::Due => true,
            Bulk::WantsRead => ready.readable,
            // Input may be the line that stops the transfer, and an error reads as input.
            Bulk::WantsWrite => ready.writable || ready.readable,
            Bulk::None | Bulk::LentRegistered | Bulk::LentDeregistered | Bulk::Hashing => false,
        };
        if !due || self.ending == Ending::Now || self.is_held(now) {
            return;
        }
        if self
            .transfer
            .as_ref()
            .is_some_and(|transfer| transfer.is_digesting())
        {
            self.lend_digest(shared);
        } else if self.route == Route::Data {
            self.lend_stream(shared, now);
        } else if self.replies_are_out() {
            self.lend(shared);
        }
    }

    /// Sends a small file before the reply that announces it, so that the peer is woken once for
    /// both replies.
    pub(super) fn send_small_file(&mut self, shared: &mut Shared, now: Instant) {
        let is_small = matches!(self.file, Some(OpenFile::Small(_)));
        if is_small && self.bulk == Bulk::Due && self.route == Route::Data {
            self.lend_when_due(shared, now);
        }
    }

    pub(super) fn replies_are_out(&mut self) -> bool {
        match &mut self.stage {
            Stage::Conversing(conversation) => conversation.outbox().is_empty(),
            Stage::Handshake(..) | Stage::StartingTls(..) => false,
        }
    }

    fn lend(&mut self, shared: &mut Shared) {
        let (Some(channel), Some(transfer)) = (self.channel.take(), self.transfer.take()) else {
            return;
        };
        self.ready = Ready::default();
        self.bulk = if transfer.is_reading() {
            deregister(&shared.registry, &self.socket);
            Bulk::LentDeregistered
        } else {
            Bulk::LentRegistered
        };
        let mut lent = self.lent(Some(channel), transfer);
        lent.allowance = self.take_allowance();
        self.submit(lent, shared);
    }

    /// Lends the data channel; the control connection stays here and is read.
    fn lend_stream(&mut self, shared: &mut Shared, now: Instant) {
        if !self.is_data_open() {
            return self.stop_choosing(shared, now);
        }
        let Some(transfer) = self.transfer.take() else {
            return;
        };
        if let Some(channel) = self.lend_data(shared) {
            self.bulk = Bulk::LentDeregistered;
            let mut lent = self.lent(Some(channel), transfer);
            lent.allowance = self.take_allowance();
            match lent.send_if_small() {
                Some(burst) => self.burst_returned(lent, burst, shared, now),
                None => self.submit(lent, shared),
            }
        }
    }

    fn lend_digest(&mut self, shared: &mut Shared) {
        if let Some(transfer) = self.transfer.take() {
            self.bulk = Bulk::Hashing;
            let lent = self.lent(None, transfer);
            self.submit(lent, shared);
        }
    }

    fn lent(&mut self, channel: Option<Channel>, transfer: Box<Transfer>) -> LentTransfer {
        LentTransfer {
            channel,
            transfer,
            file: self.file.take(),
            hooked: self.hooked.clone(),
            stop: Arc::clone(&self.stop),
            control: Arc::clone(&self.socket),
            allowance: None,
        }
    }

    fn submit(&mut self, lent: LentTransfer, shared: &mut Shared) {
        let lent = Box::new(lent);
        let class = match lent.is_kernel_copied() {
            true => Class::KernelCopy,
            false => Class::Burst,
        };
        let kind = self.kind(class);
        shared.pool.submit(
            kind,
            WorkItem::Burst {
                connection: self.id,
                lent,
            },
        );
    }

    /// Counts what the transfer has moved.
    fn note_moved(&mut self, moved: u64, shared: &mut Shared, now: Instant) {
        let Some(pace) = &mut self.pace else { return };
        let new = pace.note(moved, now);
        if new > 0 {
            self.active_at = now;
        }
        if let Some(direction) = pace.direction {
            self.settle_allowance(new, now);
            let dialect = self.dialect();
            shared.counters.moved(dialect, direction, new);
        }
    }

    fn report_progress(&mut self, moved: u64, shared: &mut Shared, now: Instant) {
        if self
            .pace
            .as_mut()
            .is_none_or(|pace| pace.is_reported(moved))
        {
            return;
        }
        self.with_conversation(shared, now, |conversation, effects| {
            conversation.handle(now, Event::Progress { done: moved }, effects);
        });
    }

    /// Registers the socket again; epoll then reports its readiness anew.
    fn reregister(&mut self, shared: &mut Shared) {
        if let Err(error) = register(&shared.registry, &self.socket, self.id) {
            log::error!("{}: cannot be watched: {error}", self.peer);
            self.end_now();
        }
    }
}
