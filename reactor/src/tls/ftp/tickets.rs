//! Session tickets (RFC 5077, RFC 8446 section 4.6.1) and session IDs (RFC 5246 section 7.4.1.2)
//! that are valid for one FTP session only.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::crypto::ring::Ticketer;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};
use rustls::{HandshakeKind, ProtocolVersion};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::Tickets;

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

/// What the client has done with its tickets.
#[derive(Default)]
struct Habit {
    /// Data connections that resumed.
    resumed: AtomicU32,
    /// Data connections that did not.
    full: AtomicU32,
    /// Whether the client has a ticket that it has not used, however few it keeps.
    in_hand: AtomicBool,
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

    /// Notes how a data connection of the session began, and whether it brought a new ticket.
    pub(crate) fn note_data_connection(&self, kind: HandshakeKind, tickets: Tickets) {
        let count = match kind {
            HandshakeKind::Resumed => &self.habit.resumed,
            _ => &self.habit.full,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let in_hand = tickets == Tickets::One;
        self.habit.in_hand.store(in_hand, Ordering::Relaxed);
    }

    /// Expects nothing any more: a data connection that did not resume was refused. It may have been
    /// a stranger's, and the client's next one resumes, or the client's own, whose tickets have
    /// expired.
    pub(crate) fn expect_nothing(&self) {
        self.habit.resumed.store(0, Ordering::Relaxed);
    }

    /// Whether the next data connection resumes, if it is this client's: it has done so before, and
    /// has the means. Clients may keep one ticket only, and use one of TLS 1.3 once (RFC 8446
    /// appendix C.4); `control` is the version of the control connection.
    pub(crate) fn is_expected(&self, control: Option<ProtocolVersion>) -> bool {
        let has_resumed = self.habit.resumed.load(Ordering::Relaxed) > 0;
        let has_ticket = self.habit.in_hand.load(Ordering::Relaxed);
        has_resumed && (control == Some(ProtocolVersion::TLSv1_2) || has_ticket)
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
    fn who_has_resumed_does_so_with_a_ticket_in_hand() {
        use HandshakeKind::{Full, Resumed};
        let (new, tls12) = (ProtocolVersion::TLSv1_3, ProtocolVersion::TLSv1_2);
        let session = SessionResumption::new().unwrap();
        assert!(!session.is_expected(Some(new)), "nobody knows yet");
        session.note_data_connection(Full, Tickets::One);
        assert!(session.never_resumes() && !session.is_expected(Some(new)));
        session.note_data_connection(Resumed, Tickets::One);
        assert!(session.is_expected(Some(new)) && !session.never_resumes());
        // An upload brings no ticket, and its client may have kept no other.
        session.note_data_connection(Resumed, Tickets::None);
        assert!(!session.is_expected(Some(new)));
        assert!(session.is_expected(Some(tls12)));
        session.note_data_connection(Full, Tickets::One);
        assert!(session.is_expected(Some(new)));
        session.expect_nothing();
        assert!(!session.is_expected(Some(new)) && !session.is_expected(Some(tls12)));
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
