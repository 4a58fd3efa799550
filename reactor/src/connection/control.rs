//! The control connection driven: handshakes, lines in, replies out, deadlines.

use std::io;
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use skiff_sessions::conversation::Conversation;
use skiff_sessions::digest::Algorithm;
use skiff_sessions::scram::Binding;
use skiff_sessions::server::{Channel as Privacy, Effect, Event, Manners};
use skiff_sessions::wire::codec;

use super::{Bulk, Connection, Ending, Hearing, READS_PER_TURN, Ready, Route, Stage, Upgrade};
use crate::event_loop::listener::Speech;
use crate::event_loop::shared::Hub;
use crate::transport::channel::{Channel, Handshake};
use crate::transport::ids::Socket;
use crate::workers::schedule::{Class, Ticket};
use crate::workers::work_item::Errand;

/// Fillings of the outbox per wake-up, likewise.
const FLUSHES_PER_TURN: usize = 8;
/// For a peer that does not take its last reply.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl Connection {
    /// The socket can be read or written.
    pub(crate) fn on_ready(&mut self, ready: Ready, hub: &mut Hub, now: Instant) {
        self.ready.readable |= ready.readable;
        self.ready.writable |= ready.writable;
        self.ready.ended |= ready.ended;
        self.drive(hub, now);
    }

    /// Something outside happened to the session.
    pub(crate) fn on_event(&mut self, event: Event, hub: &mut Hub, now: Instant) {
        match self.stage {
            Stage::Handshake(..) | Stage::Shaking(..) => {
                if !matches!(event, Event::Evicted) {
                    self.end_now();
                }
            }
            Stage::Talk(_) => {
                self.talk(hub, now, |conversation, effects| {
                    conversation.handle(now, event, effects);
                });
                self.drive(hub, now);
            }
        }
    }

    /// The deadline that stands in `Deadlines` came up.
    pub(crate) fn on_due(&mut self, due: Instant, hub: &mut Hub, now: Instant) {
        if !self.asked.heard(due) {
            return;
        }
        if self.goodbye_due().is_some_and(|until| until <= now) {
            self.close_data(hub);
        }
        match (&self.stage, self.ending) {
            (_, Ending::AfterWords(until)) if until <= now => self.end_now(),
            (Stage::Shaking(_, conversation), _) if conversation.is_due(now) => self.end_now(),
            (Stage::Handshake(until, _), _) if *until <= now => self.end_now(),
            (Stage::Talk(conversation), _) if conversation.is_due(now) => {
                self.on_event(Event::Timeout, hub, now);
            }
            _ => {}
        }
        self.arm(hub);
    }

    pub(crate) fn handshake_home(
        &mut self,
        channel: Channel,
        result: io::Result<Handshake>,
        hub: &mut Hub,
        now: Instant,
    ) {
        self.channel = Some(channel);
        match (result, &mut self.stage) {
            (Ok(Handshake::Done), _) => self.begin_talk(hub, now),
            (Ok(wanted), Stage::Handshake(_, wants) | Stage::Shaking(wants, _)) => *wants = wanted,
            (Ok(_), Stage::Talk(_)) => {}
            (Err(error), _) => {
                log::debug!("{}: no handshake: {error}", self.peer);
                self.end_now();
            }
        }
        self.drive(hub, now);
    }

    pub(super) fn begin_talk(&mut self, hub: &mut Hub, now: Instant) {
        self.ready.readable = true;
        if let Some(conversation) = self.shaken(now) {
            self.stage = Stage::Talk(conversation);
            self.tell(Event::Secured, hub, now);
        } else if let Some(conversation) = self.converse(hub, now) {
            self.stage = Stage::Talk(Box::new(conversation));
        } else {
            self.end_now();
        }
        self.arm(hub);
    }

    /// The conversation that a handshake interrupted.
    fn shaken(&mut self, now: Instant) -> Option<Box<Conversation>> {
        let nothing = Stage::Handshake(now, Handshake::Done);
        match std::mem::replace(&mut self.stage, nothing) {
            Stage::Shaking(_, conversation) => Some(conversation),
            other => {
                self.stage = other;
                None
            }
        }
    }

    fn converse(&mut self, hub: &mut Hub, now: Instant) -> Option<Conversation> {
        let tls = self.channel.as_mut()?.tls();
        if self.speech == Speech::Native {
            let binding = match tls {
                None => Binding::None,
                Some(tls) => Binding::TlsExporter(crate::tls::binding(tls)?),
            };
            let setup = hub.setup(binding, Manners::native(Algorithm::cheapest()))?;
            return Some(Conversation::new(now, &codec::NATIVE, setup));
        }
        let privacy = match tls {
            None => Privacy::Clear,
            Some(_) => Privacy::Private,
        };
        let peer = self.peer.ip().to_canonical();
        let manners = Manners::ftp(hub.ftp.as_ref()?.policy, privacy, peer);
        let setup = hub.setup(Binding::None, manners)?;
        Some(Conversation::new(now, &codec::FTP, setup))
    }

    /// Everything from here on is TLS (RFC 4217 section 4).
    fn begin_tls(&mut self, hub: &mut Hub, now: Instant) {
        self.upgrade = Upgrade::No;
        let secured = hub.secure_ftp(&mut self.data.tag);
        match (secured, &mut self.channel) {
            (Ok(tls), Some(channel)) => channel.secure(tls),
            (Err(error), _) => {
                log::error!("{}: no tls: {error}", self.peer);
                return self.end_now();
            }
            (Ok(_), None) => return self.end_now(),
        }
        let nothing = Stage::Handshake(now, Handshake::Done);
        if let Stage::Talk(conversation) = std::mem::replace(&mut self.stage, nothing) {
            self.stage = Stage::Shaking(Handshake::WantsRead, conversation);
        }
    }

    /// Does all that can be done now.
    pub(super) fn drive(&mut self, hub: &mut Hub, now: Instant) {
        if let Stage::Handshake(_, wants) | Stage::Shaking(wants, _) = self.stage {
            self.drive_handshake(wants, hub, now);
            return;
        }
        self.hand_out(hub, now);
        self.flush(hub, now);
        if self.upgrade == Upgrade::Due && self.replies_are_out() {
            self.begin_tls(hub, now);
            return self.drive(hub, now);
        }
        self.go_on_with_data(hub, now);
        self.lend_when_due(hub, now);
        let mut reads = 0;
        while self.may_read() {
            if reads == READS_PER_TURN {
                hub.again.push(self.id);
                break;
            }
            reads += 1;
            self.read(hub, now);
            self.hand_out(hub, now);
            self.flush(hub, now);
            self.lend_when_due(hub, now);
        }
        self.arm(hub);
    }

    fn drive_handshake(&mut self, wants: Handshake, hub: &mut Hub, now: Instant) {
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
            self.begin_talk(hub, now);
            self.drive(hub, now);
            return;
        }
        self.ready = Ready::default();
        let ticket = Ticket {
            class: Class::Crypt,
            device: None,
        };
        hub.pool.submit(
            ticket,
            Errand::Handshake {
                connection: self.id,
                socket: Socket::Control,
                channel,
            },
        );
    }

    pub(super) fn may_read(&self) -> bool {
        let Stage::Talk(conversation) = &self.stage else {
            return false;
        };
        self.ready.readable
            && self.ending == Ending::No
            && self.upgrade == Upgrade::No
            && self.hearing == Hearing::Open
            && self.channel.is_some()
            && (matches!(self.bulk, Bulk::None | Bulk::Hashing) || self.route == Route::Data)
            && conversation.wants_input()
    }

    pub(super) fn read(&mut self, hub: &mut Hub, now: Instant) {
        let Some(channel) = &mut self.channel else {
            return;
        };
        let mut buf = std::mem::take(&mut hub.line_buffer);
        let result = channel.read(&mut buf);
        match result {
            Ok(0) => self.peer_closed(hub, now),
            Ok(count) => {
                // In clear, less than there was room for is all there is (epoll(7)),
                // unless it stops short of urgent data, which is inside of a line.
                let whole = buf[..count].ends_with(b"\n") && count < buf.len();
                if whole && !self.ready.ended && channel.tls().is_none() {
                    self.ready.readable = false;
                }
                self.talk(hub, now, |conversation, effects| {
                    conversation.receive(now, &buf[..count], effects);
                });
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.ready.readable = false,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.peer_closed(hub, now),
        }
        hub.line_buffer = buf;
    }

    fn peer_closed(&mut self, hub: &mut Hub, now: Instant) {
        self.tell(Event::PeerClosed, hub, now);
        self.hearing = Hearing::Ended;
        match &self.stage {
            // An upload may be worth ending well without anyone to tell.
            Stage::Talk(conversation) if !conversation.session().is_closed() => {
                self.ready.readable = false;
            }
            _ => self.end_now(),
        }
    }

    /// Something happened that is not from the peer's lines.
    pub(super) fn tell(&mut self, event: Event, hub: &mut Hub, now: Instant) {
        self.talk(hub, now, |conversation, effects| {
            conversation.handle(now, event, effects);
        });
    }

    fn flush(&mut self, hub: &mut Hub, now: Instant) {
        for _ in 0..FLUSHES_PER_TURN {
            let (Some(channel), Stage::Talk(conversation)) = (&mut self.channel, &mut self.stage)
            else {
                return;
            };
            match channel.write_out(conversation.outbox()) {
                Ok(()) if matches!(self.ending, Ending::AfterWords(_)) => {
                    channel.close();
                    return self.end_now();
                }
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.ready.writable = false;
                    return;
                }
                Err(_) => return self.peer_closed(hub, now),
            }
            // Lines may have waited for room, and their answers fill it again.
            self.talk(hub, now, |conversation, effects| {
                conversation.resume(now, effects);
            });
            if self.replies_are_out() && self.ending == Ending::No {
                return;
            }
        }
        hub.again.push(self.id);
    }

    /// Lets the conversation decide, and performs what it decided.
    pub(super) fn talk(
        &mut self,
        hub: &mut Hub,
        now: Instant,
        decide: impl FnOnce(&mut Conversation, &mut Vec<Effect>),
    ) {
        let Stage::Talk(conversation) = &mut self.stage else {
            return;
        };
        let mut effects = std::mem::take(&mut hub.effects);
        decide(conversation, &mut effects);
        loop {
            for effect in effects.drain(..) {
                self.perform(effect, hub, now);
            }
            let Some((id, (completion, file))) = hub.answered.take() else {
                break;
            };
            if file.is_some() {
                self.file = file;
            }
            if let Stage::Talk(conversation) = &mut self.stage {
                conversation.handle(now, Event::Completed(id, completion), &mut effects);
            }
        }
        hub.effects = effects;
    }

    pub(super) fn end_after_words(&mut self, now: Instant) {
        if self.ending == Ending::No {
            self.ending = Ending::AfterWords(now + LAST_WORDS);
        }
        match self.bulk {
            Bulk::LentWatched | Bulk::LentUnwatched => self.end_now(),
            Bulk::Hashing => self.stop.store(true, Ordering::Relaxed),
            _ => {}
        }
    }

    /// What is lent comes home soon: its lane is dead.
    pub(super) fn end_now(&mut self) {
        self.ending = Ending::Now;
        self.stop.store(true, Ordering::Relaxed);
        if self.channel.is_none() {
            let _ = self.socket.shutdown(Shutdown::Both);
        }
        self.shut_data();
    }

    pub(super) fn arm(&mut self, hub: &mut Hub) {
        let due = match (&self.stage, self.ending) {
            (_, Ending::Now) => None,
            (_, Ending::AfterWords(until)) => Some(until),
            (Stage::Handshake(until, _), Ending::No) => Some(*until),
            (Stage::Talk(conversation) | Stage::Shaking(_, conversation), Ending::No) => {
                conversation.session().deadline()
            }
        };
        let due = [due, self.goodbye_due()].into_iter().flatten().min();
        hub.deadlines.want(self.id, due, &mut self.asked);
    }
}
