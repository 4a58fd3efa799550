//! What the operator sees of a connection, and how he ends it.

use std::time::{Duration, Instant};

use skiff_sessions::conversation::Conversation;
use skiff_sessions::server::Event;
use skiff_sessions::wire::reply::CloseReason;

use super::pace::Pace;
use super::{Connection, Stage};
use crate::accesslog::client::TlsVersion;
use crate::accesslog::escaped;
use crate::control::answer::SessionRow;
use crate::control::command::Whom;
use crate::event_loop::admission::Place;
use crate::event_loop::shared::Shared;

/// How long a session that is to go may take for its last replies: a peer that takes nothing would
/// keep it for ever.
const LEAVE_WAIT: Duration = Duration::from_secs(5);

impl Connection {
    pub(crate) fn is_meant(&self, whom: &Whom) -> bool {
        match whom {
            Whom::Session(number) => self.number == *number,
            Whom::User(user) => self.place == Place::LoggedIn && self.user == *user,
            Whom::Address(address) => self.peer.ip().to_canonical() == address.to_canonical(),
        }
    }

    /// Ends the session: transfers are stopped, and what came of an upload is kept.
    pub(crate) fn send_away(&mut self, reason: CloseReason, shared: &mut Shared, now: Instant) {
        self.leave_by.get_or_insert(now + LEAVE_WAIT);
        self.on_event(Event::Leave(reason), shared, now);
        self.on_event(Event::Stop, shared, now);
        self.arm_deadline(shared);
    }

    /// Its number in the log.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// How much is moved in a second by the command under way; `None` where that moves no file.
    pub(crate) fn rate(&self, now: Instant) -> Option<u64> {
        self.pace_under_way().map(|pace| pace.rate(now))
    }

    fn conversation(&self) -> Option<&Conversation> {
        match &self.stage {
            Stage::Conversing(conversation) | Stage::StartingTls(_, conversation) => {
                Some(conversation)
            }
            Stage::Handshake(..) => None,
        }
    }

    /// That of a file that the command under way moves.
    fn pace_under_way(&self) -> Option<&Pace> {
        let line = self.conversation()?.under_way()?;
        let pace = self.pace.as_ref()?;
        (pace.began >= line.since && pace.direction.is_some()).then_some(pace)
    }

    /// What it is and does.
    pub(crate) fn row(&self, now: Instant) -> SessionRow {
        let client = self.logged_as();
        let is_in = self.place == Place::LoggedIn;
        let conversation = self.conversation();
        let directory = conversation.filter(|_| is_in).map(|conversation| {
            let cwd = conversation.session().cwd().clone();
            escaped(&cwd.into_bytes())
        });
        let line = conversation.and_then(|conversation| conversation.under_way());
        let pace = self.pace_under_way();
        SessionRow {
            session: self.number,
            user: is_in.then(|| escaped(self.user.as_bytes())),
            address: client.peer.ip().to_canonical().to_string(),
            port: client.peer.port(),
            dialect: client.dialect.to_string(),
            tls: (client.tls != TlsVersion::Clear).then(|| client.tls.to_string()),
            directory,
            verb: line.map(|line| line.verb.to_owned()),
            path: line
                .filter(|line| !line.path.is_empty())
                .map(|line| escaped(&line.path)),
            bytes: pace.map(|pace| pace.moved()),
            of: pace.and_then(|pace| pace.expected()),
            percent: pace.and_then(|pace| pace.percent()),
            rate: pace.map(|pace| pace.rate(now)),
            idle: now.saturating_duration_since(self.active_at).as_secs(),
        }
    }
}
