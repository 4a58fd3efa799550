//! Session tickets (RFC 5077, RFC 8446 section 4.6.1) and session IDs (RFC 5246 section 7.4.1.2)
//! that are valid for one FTP session only.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use rustls::crypto::ring::Ticketer;
use rustls::server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions};
use rustls::{Connection, HandshakeKind, ProtocolVersion};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of a tag.
const TAG: usize = 16;

/// TLS 1.2 sessions that are remembered for each FTP session: that of its control connection.
const SESSION_IDS: usize = 1;

/// What the data connections of one FTP session can resume.
#[derive(Clone)]
pub(crate) struct SessionResumption {
    tag: Tag,
    /// For clients that take no tickets. Nobody else's are in it.
    session_ids: Arc<ServerSessionMemoryCache>,
    learnt: Arc<Learnt>,
}

/// What the control connection has told.
#[derive(Default)]
struct Learnt {
    /// What the client has named by HOST.
    host: Option<Arc<str>>,
    /// Set to TLS 1.3 where that was all the client had.
    version: OnceLock<ProtocolVersion>,
    /// The SHA-256 of the client's certificate, if it has shown one.
    certificate: OnceLock<Box<[u8; 32]>>,
}

impl SessionResumption {
    #[cfg(test)]
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        Self::of_host(None)
    }

    /// `host` is what the client has named before TLS (RFC 7151).
    pub(crate) fn of_host(host: Option<Arc<str>>) -> Result<Self, getrandom::Error> {
        Ok(Self {
            tag: Tag::random()?,
            session_ids: ServerSessionMemoryCache::new(SESSION_IDS),
            learnt: Arc::new(Learnt {
                host,
                ..Learnt::default()
            }),
        })
    }

    /// One of the same client's that resumes nothing, for data connections that are not to resume.
    pub(crate) fn apart(&self) -> Result<Self, getrandom::Error> {
        let apart = Self::of_host(self.learnt.host.clone())?;
        if let Some(certificate) = self.learnt.certificate.get() {
            apart.has_certificate(**certificate);
        }
        Ok(apart)
    }

    /// The client has shown a certificate, which its data connections are known by too.
    pub(crate) fn has_certificate(&self, fingerprint: [u8; 32]) {
        let _ = self.learnt.certificate.set(Box::new(fingerprint));
    }

    /// A gate for one of its data connections.
    pub(super) fn gate(&self) -> TicketGate {
        TicketGate(Arc::new(Gate {
            certificate: self.learnt.certificate.get().map(|own| **own),
            ..Gate::default()
        }))
    }

    pub(super) fn host(&self) -> Option<&Arc<str>> {
        self.learnt.host.as_ref()
    }

    /// The control connection has TLS 1.3 because its client has nothing else.
    pub(super) fn has_tls13(&self) {
        let _ = self.learnt.version.set(ProtocolVersion::TLSv1_3);
    }

    pub(super) fn is_without_tls12(&self) -> bool {
        self.learnt.version.get() == Some(&ProtocolVersion::TLSv1_3)
    }

    /// Where a control connection is remembered.
    pub(super) fn session_ids(&self) -> Arc<dyn StoresServerSessions> {
        Arc::clone(&self.session_ids) as Arc<_>
    }

    /// The same for data connections, which are not remembered: whoever can open one would be known
    /// by the next.
    pub(super) fn known_session_ids(&self, gate: &TicketGate) -> Arc<dyn StoresServerSessions> {
        Arc::new(KnownSessionIds {
            known: Arc::clone(&self.session_ids),
            gate: gate.clone(),
        })
    }
}

/// Session IDs that are looked up and never added to.
struct KnownSessionIds {
    known: Arc<ServerSessionMemoryCache>,
    gate: TicketGate,
}

impl KnownSessionIds {
    fn note<T>(&self, found: Option<T>) -> Option<T> {
        self.gate.note(match found {
            Some(_) => Offered::Own,
            None => Offered::Foreign,
        });
        found
    }
}

impl fmt::Debug for KnownSessionIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownSessionIds").finish_non_exhaustive()
    }
}

impl StoresServerSessions for KnownSessionIds {
    fn put(&self, _: Vec<u8>, _: Vec<u8>) -> bool {
        false
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.note(self.known.get(key))
    }

    fn take(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.note(self.known.take(key))
    }

    fn can_cache(&self) -> bool {
        false
    }
}

/// Whether a data connection may give tickets: one that resumes its session may, since only the
/// session's client can finish it. A full handshake can be made by anybody, who would resume with
/// the ticket the next time, and pass for the client.
#[derive(Clone)]
pub(crate) struct TicketGate(Arc<Gate>);

#[derive(Default)]
struct Gate {
    /// What the client has shown on its control connection.
    certificate: Option<[u8; 32]>,
    is_open: AtomicBool,
    offered: AtomicU8,
}

/// What a client has offered to resume, for the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Offered {
    Nothing,
    /// A ticket that does not open, or a session ID that is not known.
    Foreign,
    Own,
}

impl Offered {
    /// Why a handshake that did not resume has not.
    pub(crate) fn why_not(self) -> &'static str {
        match self {
            Self::Nothing => "its client offered none",
            Self::Foreign => {
                "what its client offered is another session's, or has expired, or was used before"
            }
            Self::Own => "its client offered the session's with another host name or cipher",
        }
    }
}

impl TicketGate {
    /// The SHA-256 of the certificate that the session's client has shown.
    pub(crate) fn certificate(&self) -> Option<[u8; 32]> {
        self.0.certificate
    }

    /// A ticket of the session came with the client's hello.
    fn open(&self) {
        self.0.is_open.store(true, Ordering::Relaxed);
        self.note(Offered::Own);
    }

    fn note(&self, offered: Offered) {
        self.0.offered.fetch_max(offered as u8, Ordering::Relaxed);
    }

    pub(crate) fn offered(&self) -> Offered {
        match self.0.offered.load(Ordering::Relaxed) {
            0 => Offered::Nothing,
            1 => Offered::Foreign,
            _ => Offered::Own,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.is_open.load(Ordering::Relaxed)
    }

    /// To be called between the flights of a handshake: a ticket that opens is refused all the same
    /// where the client's name or cipher is another, and then it may be an overheard one.
    pub(crate) fn close_unless_resuming(&self, connection: &Connection) {
        let kind = connection.handshake_kind();
        if kind.is_some_and(|kind| kind != HandshakeKind::Resumed) {
            self.0.is_open.store(false, Ordering::Relaxed);
        }
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

    /// The ticketer of this session's control connection: it accepts no other session's tickets.
    pub(super) fn of_session(&self, session: &SessionResumption) -> Arc<dyn ProducesTickets> {
        Arc::new(self.tagged(session.tag))
    }

    /// That of one of its data connections.
    pub(super) fn of_data(
        &self,
        session: &SessionResumption,
        gate: &TicketGate,
    ) -> Arc<dyn ProducesTickets> {
        Arc::new(GatedTickets {
            tickets: self.tagged(session.tag),
            gate: gate.clone(),
        })
    }

    fn tagged(&self, tag: Tag) -> SessionTickets {
        let keys = Arc::clone(&self.0);
        SessionTickets { tag, keys }
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

/// [`SessionTickets`] of a data connection: none are given while the gate is shut.
struct GatedTickets {
    tickets: SessionTickets,
    gate: TicketGate,
}

impl ProducesTickets for GatedTickets {
    fn enabled(&self) -> bool {
        self.tickets.enabled()
    }

    fn lifetime(&self) -> u32 {
        self.tickets.lifetime()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.gate.is_open().then(|| self.tickets.encrypt(plain))?
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let plain = self.tickets.decrypt(cipher);
        match plain {
            Some(_) => self.gate.open(),
            None => self.gate.note(Offered::Foreign),
        }
        plain
    }
}

impl fmt::Debug for GatedTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatedTickets").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
