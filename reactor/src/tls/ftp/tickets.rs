//! Session tickets (RFC 5077, RFC 8446 section 4.6.1) and session IDs (RFC 5246 section 7.4.1.2)
//! that are valid for one FTP session only.

use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::crypto::ring::Ticketer;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};
use rustls::{HandshakeKind, ProtocolVersion};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of a tag.
const TAG: usize = 16;

/// TLS 1.2 sessions that are remembered for each FTP session: that of the control connection, and
/// those of data connections that did not resume it.
const SESSION_IDS: usize = 4;

/// What the data connections of one FTP session can resume.
#[derive(Clone)]
pub(crate) struct SessionResumption {
    tag: Tag,
    /// For clients that take no tickets. Nobody else's are in it.
    session_ids: Arc<ServerSessionMemoryCache>,
    /// Set to TLS 1.3 where that was all the client had.
    version: Arc<OnceLock<ProtocolVersion>>,
    habit: Arc<Habit>,
}

/// How the data connections of a session began.
#[derive(Default)]
struct Habit {
    resumed: AtomicU32,
    full: AtomicU32,
}

impl SessionResumption {
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        Ok(Self {
            tag: Tag::random()?,
            session_ids: ServerSessionMemoryCache::new(SESSION_IDS),
            version: Arc::default(),
            habit: Arc::default(),
        })
    }

    /// The control connection has TLS 1.3 because its client has nothing else.
    pub(super) fn has_tls13(&self) {
        let _ = self.version.set(ProtocolVersion::TLSv1_3);
    }

    pub(super) fn is_without_tls12(&self) -> bool {
        self.version.get() == Some(&ProtocolVersion::TLSv1_3)
    }

    /// Notes how a data connection of the session began.
    pub(crate) fn note_data_connection(&self, kind: HandshakeKind) {
        let count = match kind {
            HandshakeKind::Resumed => &self.habit.resumed,
            _ => &self.habit.full,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the client has never resumed, although it could have.
    pub(crate) fn never_resumes(&self) -> bool {
        let count = |of: &AtomicU32| of.load(Ordering::Relaxed);
        count(&self.habit.resumed) == 0 && count(&self.habit.full) > 0
    }

    pub(super) fn session_ids(&self) -> Arc<dyn StoresServerSessions> {
        Arc::clone(&self.session_ids) as Arc<_>
    }
}

/// Identifies an FTP session inside its tickets, which are encrypted.
#[derive(Clone, Copy)]
struct Tag([u8; TAG]);

impl Tag {
    fn random() -> Result<Self, getrandom::Error> {
        let mut tag = [0; TAG];
        getrandom::fill(&mut tag)?;
        Ok(Self(tag))
    }
}

/// The keys that encrypt tickets, rotated every six hours; a ticket is valid until its key was
/// rotated twice.
#[derive(Clone)]
pub(super) struct TicketKeys(Arc<dyn ProducesTickets>);

impl TicketKeys {
    pub(super) fn random() -> Result<Self, rustls::Error> {
        Ticketer::new().map(Self)
    }

    /// The ticketer of this session: it accepts no other session's tickets.
    pub(super) fn of_session(&self, session: &SessionResumption) -> Arc<dyn ProducesTickets> {
        let keys = Arc::clone(&self.0);
        let tag = session.tag;
        Arc::new(SessionTickets { tag, keys })
    }

    #[cfg(test)]
    fn tagged(&self, tag: Tag) -> Arc<dyn ProducesTickets> {
        let session = SessionResumption::new().unwrap();
        self.of_session(&SessionResumption { tag, ..session })
    }
}

/// Puts the tag into each ticket. A ticket with another tag counts as none, and the handshake
/// becomes a full one.
struct SessionTickets {
    tag: Tag,
    keys: Arc<dyn ProducesTickets>,
}

impl ProducesTickets for SessionTickets {
    fn enabled(&self) -> bool {
        self.keys.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.keys.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let tagged = Zeroizing::new([&self.tag.0, plain].concat());
        self.keys.encrypt(&tagged)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let tagged = Zeroizing::new(self.keys.decrypt(cipher)?);
        let (tag, plain) = tagged.split_first_chunk::<TAG>()?;
        bool::from(self.tag.0.ct_eq(tag)).then(|| plain.to_vec())
    }
}

impl fmt::Debug for SessionTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionTickets").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_never_resumes_is_known_by_the_first_data_connection() {
        let session = SessionResumption::new().unwrap();
        assert!(!session.never_resumes(), "nobody knows yet");
        session.note_data_connection(HandshakeKind::Full);
        assert!(session.never_resumes());
        session.note_data_connection(HandshakeKind::Resumed);
        assert!(!session.never_resumes());
    }

    const PLAIN: &[u8] = b"the secrets of a session";

    #[test]
    fn a_ticket_opens_for_its_session_as_often_as_it_comes() {
        let keys = TicketKeys::random().unwrap();
        let tag = Tag::random().unwrap();
        let sealed = keys.tagged(tag).encrypt(PLAIN).unwrap();
        for _ in 0..3 {
            let opened = keys.tagged(tag).decrypt(&sealed);
            assert_eq!(opened.as_deref(), Some(PLAIN));
        }
    }

    #[test]
    fn a_tag_that_differs_anywhere_opens_nothing() {
        let keys = TicketKeys::random().unwrap();
        let tag = Tag::random().unwrap();
        let sealed = keys.tagged(tag).encrypt(PLAIN).unwrap();
        for at in 0..TAG {
            let mut other = tag;
            other.0[at] ^= 1;
            assert_eq!(keys.tagged(other).decrypt(&sealed), None, "{at}");
        }
    }

    #[test]
    fn other_keys_open_nothing() {
        let tag = Tag::random().unwrap();
        let [ours, theirs] = [(); 2].map(|()| TicketKeys::random().unwrap().tagged(tag));
        let sealed = ours.encrypt(PLAIN).unwrap();
        // They know tickets as long as this one, so that length is not the reason.
        theirs.encrypt(PLAIN).unwrap();
        assert_eq!(theirs.decrypt(&sealed), None);
    }

    #[test]
    fn what_was_cut_or_changed_opens_nothing() {
        let keys = TicketKeys::random().unwrap();
        let session = keys.tagged(Tag::random().unwrap());
        let sealed = session.encrypt(PLAIN).unwrap();
        for at in 0..sealed.len() {
            assert_eq!(session.decrypt(&sealed[..at]), None, "cut at {at}");
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(session.decrypt(&changed), None, "changed at {at}");
        }
    }

    #[test]
    fn what_is_shorter_than_a_tag_opens_nothing() {
        let keys = TicketKeys::random().unwrap();
        let session = keys.tagged(Tag::random().unwrap());
        session.encrypt(PLAIN).unwrap();
        let untagged = keys.0.encrypt(&[0; TAG - 1]).unwrap();
        assert_eq!(session.decrypt(&untagged), None);
    }
}
