//! Drives the control connection: handshakes, lines in, replies out, deadlines.

use std::io::{self, Read};
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use skiff_sessions::conversation::Conversation;
use skiff_sessions::digest::Algorithm;
use skiff_sessions::scram::Binding;
use skiff_sessions::server::{DialectRules, Effect, Event, Privacy, Unread};
use skiff_sessions::wire::codec;
use skiff_sessions::wire::reply::CloseReason;

use super::{
    Bulk, Connection, Ending, LEAVING_HANDSHAKE, PeerInput, READS_PER_TURN, REFUSED_HANDSHAKE,
    Ready, Route, Stage, StartTls,
};
use crate::event_loop::admission::Place;
use crate::event_loop::listener::Protocol;
use crate::event_loop::shared::Shared;
use crate::transport::channel::{Channel, Handshake};
use crate::transport::ids::Socket;
use crate::workers::work_item::WorkItem;

/// Times that the outbox is filled again in one turn of the loop.
const FLUSHES_PER_TURN: usize = 8;
/// How long input is dropped after the last reply, so that the peer can read it.
const DRAIN_WAIT: Duration = Duration::from_secs(2);
/// How long the last reply may take to be sent.
const LAST_REPLY_WAIT: Duration = Duration::from_secs(5);

impl Connection {
    /// Handles readiness of the control socket.
    pub(crate) fn on_ready(&mut self, ready: Ready, shared: &mut Shared, now: Instant) {
        self.ready.readable |= ready.readable;
        self.ready.writable |= ready.writable;
        self.ready.ended |= ready.ended;
        self.drive(shared, now);
    }

    /// Passes an event from outside the dialogue to the session.
    pub(crate) fn on_event(&mut self, event: Event, shared: &mut Shared, now: Instant) {
        match self.stage {
            Stage::Handshake(..) | Stage::StartingTls(..) => match event {
                Event::Evicted => {}
                // Said when the handshake is done.
                Event::Leave(reason) => {
                    self.leaving = Some(reason);
                    self.leave_by.get_or_insert(now + LEAVING_HANDSHAKE);
                    self.arm_deadline(shared);
                }
                _ => self.end_now(),
            },
            Stage::Conversing(_) => {
                self.with_conversation(shared, now, |conversation, effects| {
                    conversation.handle(now, event, effects);
                });
                self.drive(shared, now);
            }
        }
    }

    /// Handles the connection's entry of `Deadlines`, which is due.
    pub(crate) fn on_due(&mut self, shared: &mut Shared, now: Instant) {
        self.scheduled.clear();
        if self.leave_by.is_some_and(|by| by <= now) {
            self.end_now();
        }
        if self.data_deadline().is_some_and(|until| until <= now) {
            self.on_data_due(shared, now);
        }
        self.release_held(shared, now);
        match (&self.stage, self.ending) {
            (_, Ending::AfterReplies(until, _) | Ending::Draining(until)) if until <= now => {
                self.end_now();
            }
            (Stage::StartingTls(_, conversation), _) if conversation.is_due(now) => {
                self.no_handshake(&io::ErrorKind::TimedOut.into(), shared);
            }
            (Stage::Handshake(until, _), _) if *until <= now => {
                self.no_handshake(&io::ErrorKind::TimedOut.into(), shared);
            }
            (Stage::Conversing(conversation), _) if conversation.is_due(now) => {
                self.on_event(Event::Timeout, shared, now);
            }
            _ => {}
        }
        self.arm_deadline(shared);
    }

    pub(crate) fn handshake_returned(
        &mut self,
        channel: Channel,
        result: io::Result<Handshake>,
        shared: &mut Shared,
        now: Instant,
    ) {
        self.channel = Some(channel);
        match (result, &mut self.stage) {
            (Ok(Handshake::Done), _) => {
                self.note_tls();
                self.note_certificate();
                self.begin_conversation(shared, now);
            }
            (Ok(wanted), Stage::Handshake(_, wants) | Stage::StartingTls(wants, _)) => {
                *wants = wanted;
            }
            (Ok(_), Stage::Conversing(_)) => {}
            (Err(error), _) => self.no_handshake(&error, shared),
        }
        self.drive(shared, now);
    }

    /// Gives up a peer that has said nothing, or without a handshake; the log has it already why one
    /// was refused.
    fn no_handshake(&mut self, error: &io::Error, shared: &mut Shared) {
        let is_clear = self.channel.as_ref().is_some_and(Channel::is_clear);
        let is_refused = matches!(self.place, Place::Refused(_));
        if self.ending == Ending::No && !is_clear && !is_refused {
            shared.counters.handshake_failed();
            self.log_no_handshake(error, shared);
        }
        self.end_now();
    }

    pub(super) fn begin_conversation(&mut self, shared: &mut Shared, now: Instant) {
        self.ready.readable = true;
        if let Some(conversation) = self.interrupted_conversation(now) {
            self.stage = Stage::Conversing(conversation);
            self.notify(Event::Secured(self.shown_certificate()), shared, now);
        } else if let Some(conversation) = self.new_conversation(shared, now) {
            self.stage = Stage::Conversing(Box::new(conversation));
        } else {
            self.end_now();
        }
        if let Place::Refused(why) = self.place {
            self.notify(Event::Expelled(why), shared, now);
        }
        if let Some(reason) = self.leaving.take() {
            self.notify(Event::Leave(reason), shared, now);
        }
        self.arm_deadline(shared);
    }

    /// Takes the conversation that AUTH TLS interrupted.
    fn interrupted_conversation(&mut self, now: Instant) -> Option<Box<Conversation>> {
        let nothing = Stage::Handshake(now, Handshake::Done);
        match std::mem::replace(&mut self.stage, nothing) {
            Stage::StartingTls(_, conversation) => Some(conversation),
            other => {
                self.stage = other;
                None
            }
        }
    }

    fn new_conversation(&mut self, shared: &mut Shared, now: Instant) -> Option<Conversation> {
        let tls = self.channel.as_mut()?.tls();
        if self.protocol == Protocol::Native {
            let binding = match tls {
                None => Binding::None,
                Some(tls) => Binding::TlsExporter(crate::tls::binding(tls)?),
            };
            let setup = shared.setup(binding, DialectRules::native(Algorithm::cheapest()))?;
            return Some(Conversation::new(now, &codec::NATIVE, setup));
        }
        let privacy = match tls {
            None => Privacy::Clear,
            Some(_) => Privacy::Private,
        };
        let peer = self.peer.ip().to_canonical();
        let dialect_rules = DialectRules {
            certificate: self.shown_certificate(),
            ..DialectRules::ftp(self.policy, privacy, peer)
        };
        let setup = shared.setup(Binding::None, dialect_rules)?;
        Some(Conversation::new(now, &codec::FTP, setup))
    }

    /// Switches the channel to TLS (RFC 4217 section 4).
    fn begin_tls(&mut self, shared: &mut Shared, now: Instant) {
        self.start_tls = StartTls::No;
        let Some(channel) = &mut self.channel else {
            return self.end_now();
        };
        if let Err(error) =
            shared.secure_ftp(channel, self.data.host.take(), &mut self.data.resumption)
        {
            log::error!("{}: no tls: {error}", self.peer);
            return self.end_now();
        }
        let nothing = Stage::Handshake(now, Handshake::Done);
        if let Stage::Conversing(conversation) = std::mem::replace(&mut self.stage, nothing) {
            self.stage = Stage::StartingTls(Handshake::WantsRead, conversation);
        }
    }

    /// Sends, lends and reads as far as readiness allows now.
    pub(super) fn drive(&mut self, shared: &mut Shared, now: Instant) {
        if matches!(self.ending, Ending::Draining(_)) {
            return self.drain(shared);
        }
        if let Stage::Handshake(_, wants) | Stage::StartingTls(wants, _) = self.stage {
            self.drive_handshake(wants, shared, now);
            return;
        }
        self.send_small_file(shared, now);
        self.flush(shared, now);
        if self.start_tls == StartTls::Due && self.replies_are_out() {
            self.begin_tls(shared, now);
            return self.drive(shared, now);
        }
        self.continue_data(shared, now);
        self.lend_when_due(shared, now);
        let mut reads = 0;
        while self.may_read() {
            if reads == READS_PER_TURN {
                shared.unfinished.push(self.id);
                break;
            }
            reads += 1;
            self.read(shared, now);
            self.send_small_file(shared, now);
            self.flush(shared, now);
            self.lend_when_due(shared, now);
        }
        self.arm_deadline(shared);
    }

    fn drive_handshake(&mut self, wants: Handshake, shared: &mut Shared, now: Instant) {
        let ready = match wants {
            Handshake::WantsWrite => self.ready.writable,
            _ => self.ready.readable,
        };
        if !ready || self.ending != Ending::No {
            return;
        }
        let Some(mut channel) = self.channel.take() else {
            return;
        };
        if channel.tls().is_none() {
            self.channel = Some(channel);
            self.begin_conversation(shared, now);
            self.drive(shared, now);
            return;
        }
        self.ready = Ready::default();
        let kind = self.handshake_kind();
        shared.pool.submit(
            kind,
            WorkItem::Handshake {
                connection: self.id,
                socket: Socket::Control,
                channel,
            },
        );
    }

    pub(super) fn may_read(&self) -> bool {
        let Stage::Conversing(conversation) = &self.stage else {
            return false;
        };
        self.ready.readable
            && self.ending == Ending::No
            && self.start_tls == StartTls::No
            && self.peer_input == PeerInput::Open
            && self.channel.is_some()
            && (matches!(self.bulk, Bulk::None | Bulk::Hashing) || self.route == Route::Data)
            && conversation.wants_input()
    }

    pub(super) fn read(&mut self, shared: &mut Shared, now: Instant) {
        // A ban counts for sessions that were there before.
        let ban = match self.place {
            Place::BeforeLogin(_) => {
                let user = (!self.user.is_empty()).then_some(&*self.user);
                shared.admission.ban(self.peer.ip(), user, now)
            }
            _ => None,
        };
        shared.expelled.extend(ban.map(|why| (self.id, why)));
        let Some(channel) = &mut self.channel else {
            return;
        };
        let mut buf = std::mem::take(&mut shared.line_buffer);
        let result = match ban {
            Some(_) => Err(io::ErrorKind::WouldBlock.into()),
            None => channel.read(&mut buf),
        };
        match result {
            Ok(0) => self.input_ended(shared, now),
            Ok(count) => {
                self.active_at = now;
                // In clear, a short read means that the socket is drained (epoll(7)), unless it
                // stopped before urgent data, which is in the middle of a line.
                let whole = buf[..count].ends_with(b"\n") && count < buf.len();
                if whole && !self.ready.ended && channel.tls().is_none() {
                    self.ready.readable = false;
                }
                self.with_conversation(shared, now, |conversation, effects| {
                    conversation.receive(now, &buf[..count], effects);
                });
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.ready.readable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.input_ended(shared, now),
        }
        shared.line_buffer = buf;
    }

    /// Handles the end of the peer's input, by FIN, close_notify or an error. What came before it is
    /// done and answered first; the session closes when it has nothing left to do.
    fn input_ended(&mut self, shared: &mut Shared, now: Instant) {
        self.peer_input = PeerInput::Ended;
        self.ready.readable = false;
        self.notify(Event::PeerClosed, shared, now);
    }

    /// Passes an event to the conversation, and performs the effects.
    pub(super) fn notify(&mut self, event: Event, shared: &mut Shared, now: Instant) {
        self.with_conversation(shared, now, |conversation, effects| {
            conversation.handle(now, event, effects);
        });
    }

    fn flush(&mut self, shared: &mut Shared, now: Instant) {
        for _ in 0..FLUSHES_PER_TURN {
            let (Some(channel), Stage::Conversing(conversation)) =
                (&mut self.channel, &mut self.stage)
            else {
                return;
            };
            match channel.write_out(conversation.outbox()) {
                Ok(()) => {
                    if let Ending::AfterReplies(_, unread) = self.ending {
                        channel.close();
                        return self.end_or_drain(unread, shared, now);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready.writable = false;
                    return;
                }
                Err(_) if self.ending != Ending::No => return self.end_now(),
                // Nobody reads replies any more; what the peer sent before is here to be read.
                Err(_) => {
                    conversation.outbox().clear();
                    self.ready.readable = true;
                }
            }
            // Lines may have waited for room in the outbox, and their replies fill it again.
            self.with_conversation(shared, now, |conversation, effects| {
                conversation.resume(now, effects);
            });
            if self.replies_are_out() && self.ending == Ending::No {
                return;
            }
        }
        shared.unfinished.push(self.id);
    }

    /// Runs `decide` on the conversation and performs the effects, including those of jobs that are
    /// answered inline.
    pub(super) fn with_conversation(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        decide: impl FnOnce(&mut Conversation, &mut Vec<Effect>),
    ) {
        let Stage::Conversing(conversation) = &mut self.stage else {
            return;
        };
        let mut effects = std::mem::take(&mut shared.effects);
        decide(conversation, &mut effects);
        loop {
            for effect in effects.drain(..) {
                self.perform(effect, shared, now);
            }
            let Some((id, (completion, file))) = shared.answered.take() else {
                break;
            };
            if file.is_some() {
                self.file = file;
            }
            if let Stage::Conversing(conversation) = &mut self.stage {
                conversation.handle(now, Event::Completed(id, completion), &mut effects);
            }
        }
        shared.effects = effects;
    }

    pub(super) fn end_after_replies(&mut self, unread: Unread, now: Instant) {
        if self.ending == Ending::No {
            self.ending = Ending::AfterReplies(now + LAST_REPLY_WAIT, unread);
        }
        match self.bulk {
            Bulk::LentRegistered | Bulk::LentDeregistered => self.end_now(),
            Bulk::Hashing => self.stop.store(true, Ordering::Relaxed),
            _ => {}
        }
    }

    /// Ends a session that has not logged in; says why if that is possible at once. Who is amid a
    /// handshake can hear it behind that only, and is given a while, unless room is wanted.
    pub(crate) fn expel(&mut self, reason: CloseReason, shared: &mut Shared, now: Instant) {
        if !matches!(self.place, Place::BeforeLogin(_)) {
            return;
        }
        let is_amid_handshake = !matches!(self.stage, Stage::Conversing(_));
        if is_amid_handshake && reason != CloseReason::MadeRoom {
            let address = self.peer.ip();
            if shared.admission.turn_away(address, &mut self.place, reason) {
                if let Stage::Handshake(until, _) = &mut self.stage {
                    *until = (*until).min(now + REFUSED_HANDSHAKE);
                }
                return self.arm_deadline(shared);
            }
        }
        self.notify(Event::Expelled(reason), shared, now);
        self.flush(shared, now);
        self.end_now();
    }

    fn end_or_drain(&mut self, unread: Unread, shared: &mut Shared, now: Instant) {
        match unread {
            Unread::Nothing => self.end_now(),
            Unread::MayCome => {
                self.ending = Ending::Draining(now + DRAIN_WAIT);
                shared.unfinished.push(self.id);
            }
        }
    }

    /// Drops what the peer still sends.
    fn drain(&mut self, shared: &mut Shared) {
        for _ in 0..READS_PER_TURN {
            let mut socket = &*self.socket;
            match socket.read(&mut shared.line_buffer) {
                Ok(count) if count > 0 => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.arm_deadline(shared);
                }
                Ok(_) | Err(_) => return self.end_now(),
            }
        }
        shared.unfinished.push(self.id);
        self.arm_deadline(shared);
    }

    /// Ends the connection; what is lent comes back soon, because its socket is shut down.
    pub(super) fn end_now(&mut self) {
        self.ending = Ending::Now;
        self.stop.store(true, Ordering::Relaxed);
        if self.channel.is_none() {
            let _ = self.socket.shutdown(Shutdown::Both);
        }
        self.shut_down_data();
    }

    pub(super) fn arm_deadline(&mut self, shared: &mut Shared) {
        let due = match (&self.stage, self.ending) {
            (_, Ending::Now) => None,
            (_, Ending::AfterReplies(until, _) | Ending::Draining(until)) => Some(until),
            (Stage::Handshake(until, _), Ending::No) => Some(*until),
            (Stage::Conversing(conversation) | Stage::StartingTls(_, conversation), Ending::No) => {
                conversation.session().deadline()
            }
        };
        let leave_by = self.leave_by.filter(|_| self.ending != Ending::Now);
        let due = [due, leave_by, self.data_deadline(), self.held_until()]
            .into_iter()
            .flatten()
            .min();
        shared.deadlines.schedule(self.id, due, &mut self.scheduled);
    }
}
