//! What a conversation decided, performed: jobs ordered, transfers begun, lent
//! and taken home.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use skiff_sessions::server::{Completion, DataEvent, Direction, Effect, Event, Job, JobId};
use skiff_sessions::transfer::{Burst, End, Route, Task, Transfer};
use skiff_sessions::wire::reply::Refusal;

use super::{
    Admitted, Bulk, Connection, Ending, READS_PER_TURN, Ready, Stage, Upgrade, deregister, register,
};
use crate::accesslog::record::Record;
use crate::event_loop::shared::Hub;
use crate::transport::channel::Channel;
use crate::workers::burst::Lent;
use crate::workers::jobs::{Lodged, Order, Performed, takes_file};
use crate::workers::open_file::OpenFile;
use crate::workers::schedule::{Class, Ticket};
use crate::workers::work_item::Errand;

/// How long a job waits for a home to be counted, or for a silent writer to go.
const PATIENCE: Duration = Duration::from_secs(10);

impl Connection {
    /// A lent transfer is back.
    pub(crate) fn lent_home(&mut self, lent: Lent, burst: Burst, hub: &mut Hub, now: Instant) {
        let Lent {
            channel,
            mut transfer,
            file,
            ..
        } = lent;
        let moved = transfer.moved();
        self.file = file;
        if self.route == Route::Data {
            self.transfer = Some(transfer);
            return self.data_lent_home(channel, moved, burst, hub, now);
        }
        if let Some(channel) = channel {
            self.channel = Some(channel);
        }
        if self.bulk == Bulk::LentUnwatched {
            self.reregister(hub);
        }
        match burst {
            Burst::Finished(end) => {
                let ahead = transfer.take_ahead();
                self.transfer = Some(transfer);
                self.bulk = Bulk::None;
                // The burst may have left input behind without asking to the end.
                self.ready = Ready {
                    readable: true,
                    writable: true,
                    ended: true,
                };
                self.talk(hub, now, |conversation, effects| {
                    conversation.transfer_ended(now, end, moved, &ahead, effects);
                });
            }
            unfinished => {
                self.transfer = Some(transfer);
                let stopped = self.stop.load(Ordering::Relaxed);
                self.bulk = match (unfinished, self.bulk) {
                    (_, Bulk::Hashing) | (Burst::BudgetSpent, _) => Bulk::Due,
                    // It was told to stop while it was away, perhaps too late to see it.
                    (Burst::WantsRead, _) if stopped => Bulk::Due,
                    (Burst::WantsRead, _) => Bulk::WantsRead,
                    _ => Bulk::WantsWrite,
                };
                self.tell_progress(moved, hub, now);
            }
        }
        self.drive(hub, now);
    }

    fn data_lent_home(
        &mut self,
        channel: Option<Channel>,
        moved: u64,
        burst: Burst,
        hub: &mut Hub,
        now: Instant,
    ) {
        self.bulk = Bulk::None;
        let channel = channel.filter(|channel| self.data_expects(channel));
        match (burst, channel) {
            (Burst::Finished(end), channel) => {
                let direction = self.data.direction;
                if let Some(channel) = channel {
                    self.end_data(channel, &end, hub, now);
                }
                // An ABOR, or the end of a client that broke off, comes before
                // what it cancels is published.
                let is_published = matches!(end, End::Stored { .. });
                if direction == Some(Direction::FromPeer) && !is_published {
                    self.read_all(hub, now);
                }
                self.route = Route::Nowhere;
                self.talk(hub, now, |conversation, effects| {
                    conversation.transfer_ended(now, end, moved, &[], effects);
                });
            }
            (_, None) => {
                self.route = Route::Nowhere;
                self.talk(hub, now, |conversation, effects| {
                    conversation.transfer_ended(now, End::LaneLost, moved, &[], effects);
                });
            }
            (unfinished, Some(mut channel)) => {
                if channel.is_newly_proven() {
                    self.tell(Event::Data(DataEvent::Secured), hub, now);
                }
                let stopped = self.stop.load(Ordering::Relaxed);
                match unfinished {
                    Burst::WantsRead if !stopped => {
                        self.bulk = Bulk::WantsRead;
                        self.park_data(channel, hub);
                    }
                    Burst::WantsWrite if !stopped => {
                        self.bulk = Bulk::WantsWrite;
                        self.park_data(channel, hub);
                    }
                    _ => {
                        self.bulk = Bulk::Due;
                        self.keep_data(channel);
                    }
                }
                self.tell_progress(moved, hub, now);
            }
        }
        self.drive(hub, now);
    }

    /// What the peer has said by now.
    fn read_all(&mut self, hub: &mut Hub, now: Instant) {
        self.ready.readable = true;
        for _ in 0..READS_PER_TURN {
            if !self.may_read() {
                return;
            }
            self.read(hub, now);
        }
    }

    /// A job is back.
    pub(crate) fn performed(
        &mut self,
        id: JobId,
        performed: Performed,
        hub: &mut Hub,
        now: Instant,
    ) {
        match performed {
            Performed::Later { order, why, evict } => {
                if now.duration_since(order.since) < PATIENCE {
                    hub.retry_later(self.id, id, order, evict, now);
                    return;
                }
                let refused = Event::Completed(id, Completion::Refused(why));
                self.talk(hub, now, |conversation, effects| {
                    conversation.handle(now, refused, effects);
                });
            }
            Performed::Done {
                completion,
                file,
                lodged,
            } => {
                if file.is_some() {
                    self.file = file;
                }
                self.note_lodging(lodged, &completion, hub);
                self.talk(hub, now, |conversation, effects| {
                    conversation.handle(now, Event::Completed(id, completion), effects);
                });
            }
        }
        self.drive(hub, now);
    }

    fn note_lodging(&mut self, lodged: Option<Lodged>, completion: &Completion, hub: &mut Hub) {
        match (&self.stage, lodged) {
            (_, Some(lodged)) => {
                if lodged.home.needs_scan() {
                    let ticket = Ticket {
                        class: Class::Long,
                        device: Some(lodged.device),
                    };
                    hub.pool
                        .submit(ticket, Errand::Scan(Arc::clone(&lodged.home)));
                }
                hub.keep_swept(&lodged);
                self.lodged = Some(lodged);
            }
            (Stage::Talk(conversation), None)
                if self.admitted == Admitted::Yes
                    && conversation.session().account().is_none()
                    && matches!(completion, Completion::Refused(_)) =>
            {
                hub.guard.unadmit(&self.user);
                self.admitted = Admitted::No;
            }
            _ => {}
        }
    }

    pub(super) fn perform(&mut self, effect: Effect, hub: &mut Hub, now: Instant) {
        match effect {
            Effect::Work(id, job) => self.order(id, job, hub, now),
            Effect::Begin(task) => self.begin(task, hub),
            Effect::StopTransfer => {
                self.stop.store(true, Ordering::Relaxed);
                if matches!(self.bulk, Bulk::WantsRead | Bulk::WantsWrite) {
                    self.bulk = Bulk::Due;
                }
            }
            Effect::LoginFailed { user } => {
                hub.guard.strike(self.peer.ip(), now);
                hub.log.login_failed(self.peer.ip(), user.as_bytes());
            }
            Effect::ChangedOnDisk { path } => {
                log::warn!("changed on disk: {path} of {}", self.user);
            }
            Effect::Log(line) => hub
                .log
                .record(&Record::of_command(self.peer, &self.user, &line, now)),
            Effect::StartTls => self.upgrade = Upgrade::Due,
            Effect::Listen(form) => self.listen(form, hub, now),
            Effect::OpenData(making) => self.open_data(making, hub, now),
            Effect::SecureData(direction, handshake) => {
                self.secure_data(direction, handshake, hub, now);
            }
            Effect::CloseData => self.close_data(hub),
            Effect::NoCloseNotify => log::warn!(
                "{}: an upload of {} ended without close_notify",
                self.peer,
                self.user
            ),
            Effect::Logout => self.log_out(hub),
            Effect::Close => self.end_after_words(now),
            // The conversation wrote it to its outbox.
            Effect::Reply(_) => {}
        }
    }

    /// As before the login; the connection stays.
    fn log_out(&mut self, hub: &mut Hub) {
        if self.admitted == Admitted::Yes {
            hub.guard.unadmit(&self.user);
            self.admitted = Admitted::No;
        }
        self.lodged = None;
        self.user.clear();
    }

    fn order(&mut self, id: JobId, job: Job, hub: &mut Hub, now: Instant) {
        match &job {
            Job::FindAccount { user } | Job::CheckPassword { user, .. } => {
                self.user.clone_from(user);
            }
            Job::OpenHome if !hub.guard.admit(&self.user) => {
                let completion = Completion::Refused(Refusal::TooManySessions);
                self.talk(hub, now, |conversation, effects| {
                    conversation.handle(now, Event::Completed(id, completion), effects);
                });
                return;
            }
            Job::OpenHome => self.admitted = Admitted::Yes,
            // What stopped the transfer came too late for it.
            Job::PublishStream { .. } => self.stop = Arc::default(),
            Job::OpenDownload { .. }
            | Job::OpenUpload { .. }
            | Job::OpenStream { .. }
            | Job::OpenListing { .. } => {
                self.transfer = None;
            }
            _ => {}
        }
        let file = if takes_file(&job) {
            self.file.take()
        } else {
            None
        };
        // The worker that sent it has closed it.
        if matches!(job, Job::CloseFile { .. }) && file.is_none() {
            return self.tell(Event::Completed(id, Completion::Done), hub, now);
        }
        let home = self.lodged.as_ref().map(|lodged| &lodged.home);
        if let Some(answer) = hub.hand.perform(&job, home) {
            hub.answered = Some((id, answer));
            return;
        }
        let home = home.cloned();
        let owner = self.id.number();
        let order = Order {
            job,
            user: self.user.clone(),
            home,
            file,
            stop: Arc::clone(&self.stop),
            owner,
            since: now,
        };
        hub.submit_order(self.id, id, order, self.device());
    }

    fn begin(&mut self, task: Task, hub: &mut Hub) {
        let Stage::Talk(conversation) = &mut self.stage else {
            return;
        };
        let ahead = if task.needs_lane() {
            conversation.take_ahead()
        } else {
            Vec::new()
        };
        self.route = task.route();
        self.data.direction = match task {
            Task::Take { .. } => Some(Direction::FromPeer),
            _ => Some(Direction::ToPeer),
        };
        self.transfer.get_or_insert_default().begin(task, ahead);
        self.stop = Arc::default();
        self.heard = 0;
        self.bulk = Bulk::Due;
        if self.route == Route::Nowhere {
            self.lend_digest(hub);
        }
    }

    pub(super) fn lend_when_due(&mut self, hub: &mut Hub, now: Instant) {
        let ready = match self.route {
            Route::Data => self.data.ready,
            Route::Control | Route::Nowhere => self.ready,
        };
        let due = match self.bulk {
            Bulk::Due => true,
            Bulk::WantsRead => ready.readable,
            // Input may be the line that stops it, and an error reads as input.
            Bulk::WantsWrite => ready.writable || ready.readable,
            Bulk::None | Bulk::LentWatched | Bulk::LentUnwatched | Bulk::Hashing => false,
        };
        if !due || self.ending == Ending::Now {
            return;
        }
        if self
            .transfer
            .as_ref()
            .is_some_and(|transfer| transfer.is_digesting())
        {
            self.lend_digest(hub);
        } else if self.route == Route::Data {
            self.lend_stream(hub, now);
        } else if self.replies_are_out() {
            self.lend(hub);
        }
    }

    /// A file in hand goes out before the reply that announces it: its peer is then
    /// woken once for both replies.
    pub(super) fn hand_out(&mut self, hub: &mut Hub, now: Instant) {
        let in_hand = matches!(self.file, Some(OpenFile::InHand(_)));
        if in_hand && self.bulk == Bulk::Due && self.route == Route::Data {
            self.lend_when_due(hub, now);
        }
    }

    pub(super) fn replies_are_out(&mut self) -> bool {
        match &mut self.stage {
            Stage::Talk(conversation) => conversation.outbox().is_empty(),
            Stage::Handshake(..) | Stage::Shaking(..) => false,
        }
    }

    fn lend(&mut self, hub: &mut Hub) {
        let (Some(channel), Some(transfer)) = (self.channel.take(), self.transfer.take()) else {
            return;
        };
        self.ready = Ready::default();
        self.bulk = if transfer.is_reading() {
            deregister(&hub.registry, &self.socket);
            Bulk::LentUnwatched
        } else {
            Bulk::LentWatched
        };
        let lent = self.lent(Some(channel), transfer);
        self.submit(lent, hub);
    }

    /// The control connection stays, and is heard.
    fn lend_stream(&mut self, hub: &mut Hub, now: Instant) {
        if !self.data_is_home() {
            return;
        }
        let Some(transfer) = self.transfer.take() else {
            return;
        };
        if let Some(channel) = self.lend_data(hub) {
            self.bulk = Bulk::LentUnwatched;
            let mut lent = self.lent(Some(channel), transfer);
            match lent.send_in_hand() {
                Some(burst) => self.lent_home(lent, burst, hub, now),
                None => self.submit(lent, hub),
            }
        }
    }

    fn lend_digest(&mut self, hub: &mut Hub) {
        if let Some(transfer) = self.transfer.take() {
            self.bulk = Bulk::Hashing;
            let lent = self.lent(None, transfer);
            self.submit(lent, hub);
        }
    }

    fn lent(&mut self, channel: Option<Channel>, transfer: Box<Transfer>) -> Lent {
        Lent {
            channel,
            transfer,
            file: self.file.take(),
            stop: Arc::clone(&self.stop),
            control: Arc::clone(&self.socket),
        }
    }

    fn submit(&mut self, lent: Lent, hub: &mut Hub) {
        let lent = Box::new(lent);
        let class = match lent.is_carried() {
            true => Class::Carry,
            false => Class::Burst,
        };
        let ticket = self.ticket(class);
        hub.pool.submit(
            ticket,
            Errand::Burst {
                connection: self.id,
                lent,
            },
        );
    }

    fn tell_progress(&mut self, moved: u64, hub: &mut Hub, now: Instant) {
        if moved == self.heard {
            return;
        }
        self.heard = moved;
        self.talk(hub, now, |conversation, effects| {
            conversation.handle(now, Event::Progress { done: moved }, effects);
        });
    }

    /// A socket that was taken out reports anew what it is when it is put in.
    fn reregister(&mut self, hub: &mut Hub) {
        if let Err(error) = register(&hub.registry, &self.socket, self.id) {
            log::error!("{}: cannot be watched: {error}", self.peer);
            self.end_now();
        }
    }
}
