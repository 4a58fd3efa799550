//! Tests of what a data connection resumes, with a client of either version.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption as ClientResumption,
    Tls12ClientSessionValue, Tls12Resumption, Tls13ClientSessionValue,
};
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use rustls::{
    AlertDescription, CipherSuite, ClientConfig, ClientConnection, Error, NamedGroup,
    ProtocolVersion,
};
use skiff_conf::{Certificates, Identity};
use skiff_sessions::certificate::AnyCertificate;
use skiff_sessions::cipher_suites::Aes;

use super::Tickets::{None as NoTickets, One};
use super::*;

const BOTH: &[&SupportedProtocolVersion] = &[&TLS12, &TLS13];

#[test]
fn a_data_connection_resumes_the_session_of_its_control_connection() {
    for &version in BOTH {
        for tickets in [One, NoTickets] {
            let (server, client) = (ftp_tls(), Client::new(version));
            let session = session(&server, &client);
            let (theirs, ours) = pair(&client, data(&server, &session, tickets));
            assert!(resumed(&ours), "{version:?} {tickets:?}");
            assert_eq!(theirs.handshake_kind(), Some(HandshakeKind::Resumed));
        }
    }
}

#[test]
fn the_ticket_of_another_session_leads_to_a_full_handshake() {
    for &version in BOTH {
        let (server, client) = (ftp_tls(), Client::new(version));
        let own = session(&server, &client);
        assert!(data_resumes(&server, &client, &own, One), "{version:?}");
        let foreign = session(&server, &Client::new(version));
        let (theirs, ours) = pair(&client, data(&server, &foreign, One));
        assert!(!resumed(&ours), "{version:?}");
        assert_eq!(theirs.handshake_kind(), Some(HandshakeKind::Full));
    }
}

/// The log says which of them it was.
#[test]
fn what_a_client_offered_to_resume_is_known() {
    for &version in BOTH {
        let (server, client) = (ftp_tls(), Client::new(version));
        let own = session(&server, &client);
        let foreign = session(&server, &Client::new(version));
        let offered = |client: &Client, session: &SessionResumption| {
            let (ours, gate) = server.data(session, NoTickets).unwrap();
            pair(client, Ok(ours));
            gate.offered()
        };
        assert_eq!(offered(&client, &own), Offered::Own, "{version:?}");
        assert_eq!(offered(&client, &foreign), Offered::Foreign, "{version:?}");
        let fresh = Client::new(version);
        assert_eq!(offered(&fresh, &own), Offered::Nothing, "{version:?}");
    }
}

#[test]
fn a_second_control_connection_is_a_session_of_its_own() {
    for &version in BOTH {
        let (server, client) = (ftp_tls(), Client::new(version));
        session(&server, &client);
        let session = SessionResumption::new().unwrap();
        let (_, ours) = control(&server, &client, &session);
        assert!(!resumed(&ours), "{version:?}");
        assert!(data_resumes(&server, &client, &session, One), "{version:?}");
    }
}

#[test]
fn nothing_is_proved_before_the_handshake_is_done() {
    for &version in BOTH {
        let (server, client) = (ftp_tls(), Client::new(version));
        let session = session(&server, &client);
        let (mut theirs, mut ours) = ends(&client, data(&server, &session, One));
        carry(&mut theirs, &mut ours).unwrap();
        // That much an overheard ticket can do.
        assert_eq!(ours.handshake_kind(), Some(HandshakeKind::Resumed));
        assert!(!resumed(&ours), "{version:?}");
    }
}

#[test]
fn a_client_that_uses_a_ticket_once_has_four_in_tls_1_3() {
    let (server, client) = (ftp_tls(), Client::new(&TLS13));
    let session = session(&server, &client);
    assert_eq!(client.tickets(), 4);
    for upload in [true, true, true, true, false] {
        let resumes = data_resumes(&server, &client, &session, NoTickets);
        assert_eq!(resumes, upload);
    }
    assert_eq!(client.tickets(), 4);
}

#[test]
fn every_data_connection_resumes_in_tls_1_2() {
    let (server, client) = (ftp_tls(), Client::new(&TLS12));
    let session = session(&server, &client);
    for upload in 0..10 {
        let resumes = data_resumes(&server, &client, &session, NoTickets);
        assert!(resumes, "{upload}");
    }
}

#[test]
fn a_client_that_takes_no_tickets_resumes_by_its_session_id() {
    let (server, client) = (ftp_tls(), Client::without_tickets());
    let session = session(&server, &client);
    for tickets in [One, NoTickets, NoTickets] {
        assert!(data_resumes(&server, &client, &session, tickets));
    }
}

#[test]
fn the_session_id_of_another_session_leads_to_a_full_handshake() {
    let (server, client) = (ftp_tls(), Client::without_tickets());
    let own = session(&server, &client);
    let foreign = session(&server, &Client::without_tickets());
    assert!(!data_resumes(&server, &client, &foreign, One));
    let client = Client::without_tickets();
    let own_again = session(&server, &client);
    assert!(data_resumes(&server, &client, &own_again, One));
    assert!(!data_resumes(&server, &client, &own, One));
}

/// Each of its TLS 1.3 tickets would be good for one of the uploads, which bring no new ones.
#[test]
fn where_resumption_is_required_a_client_that_has_tls_1_2_gets_it() {
    let server = FtpTls::new(&identity(), Resumption::Require, None).unwrap();
    let client = Client::of(BOTH);
    let session = SessionResumption::new().unwrap();
    let (_, ours) = control(&server, &client, &session);
    assert_eq!(ours.protocol_version(), Some(ProtocolVersion::TLSv1_2));
    for upload in 0..64 {
        let resumes = data_resumes(&server, &client, &session, NoTickets);
        assert!(resumes, "{upload}");
    }
    let server = FtpTls::new(&identity(), Resumption::Prefer, None).unwrap();
    let (_, ours) = control(&server, &client, &SessionResumption::new().unwrap());
    assert_eq!(ours.protocol_version(), Some(ProtocolVersion::TLSv1_3));
}

#[test]
fn where_resumption_is_required_there_are_tickets_for_sixty_four_uploads() {
    let server = FtpTls::new(&identity(), Resumption::Require, None).unwrap();
    let client = Client::new(&TLS13);
    let session = session(&server, &client);
    for upload in 0..64 {
        let resumes = data_resumes(&server, &client, &session, NoTickets);
        assert!(resumes, "{upload}");
    }
}

#[test]
fn a_download_gives_one_ticket_which_the_next_data_connection_resumes_with() {
    let (server, client) = (ftp_tls(), Client::new(&TLS13));
    let session = session(&server, &client);
    for download in 0..10 {
        assert!(data_resumes(&server, &client, &session, One), "{download}");
        assert_eq!(client.tickets(), 5 + download);
    }
}

#[test]
fn who_has_used_all_tickets_gets_no_other() {
    let (server, client) = (ftp_tls(), Client::new(&TLS13));
    let session = session(&server, &client);
    for _ in 0..4 {
        assert!(data_resumes(&server, &client, &session, NoTickets));
    }
    // Nothing is left to resume with, so this one starts anew, as a stranger's would.
    assert!(!data_resumes(&server, &client, &session, One));
    assert_eq!(client.tickets(), 4);
}

/// Else whoever opens one data connection passes for the client with the next.
#[test]
fn a_full_handshake_gives_nothing_to_resume_with() {
    for tickets in [One, NoTickets] {
        for stranger in [
            Client::new(&TLS12),
            Client::new(&TLS13),
            Client::without_tickets(),
        ] {
            let (server, session) = (ftp_tls(), SessionResumption::new().unwrap());
            for turn in 0..3 {
                let resumes = data_resumes(&server, &stranger, &session, tickets);
                assert!(!resumes, "{tickets:?} {turn}");
            }
        }
    }
}

/// Tickets are sent in clear. One is not resumed under another name, and opens nothing more.
#[test]
fn an_overheard_ticket_gives_no_other() {
    let (server, client) = (ftp_tls(), Client::new(&TLS13));
    let session = session(&server, &client);
    let given = client.tickets();
    let name = ServerName::try_from("another.example").unwrap();
    let config = Arc::new(client.config.clone());
    let mut theirs = ClientConnection::new(config, name).unwrap().into();
    let (mut ours, gate) = server.data(&session, One).unwrap();
    carry(&mut theirs, &mut ours).unwrap();
    assert!(gate.is_open(), "the ticket was none of the session's");
    gate.close_unless_resuming(&ours);
    carry(&mut ours, &mut theirs).unwrap();
    shake(&mut theirs, &mut ours);
    carry(&mut ours, &mut theirs).unwrap();
    assert_eq!(ours.handshake_kind(), Some(HandshakeKind::Full));
    assert_eq!(client.tickets(), given);
}

#[test]
fn an_upload_has_nothing_to_say_after_its_handshake() {
    for &version in BOTH {
        let (server, fresh) = (ftp_tls(), Client::new(version));
        let known = Client::new(version);
        let session = session(&server, &known);
        let after = |client, tickets| {
            let (mut theirs, mut ours) = ends(client, data(&server, &session, tickets));
            shake(&mut theirs, &mut ours);
            carry(&mut ours, &mut theirs).unwrap()
        };
        assert_eq!(after(&known, NoTickets), 0, "{version:?}");
        assert_eq!(after(&fresh, NoTickets), 0, "{version:?}");
        // What a download says is its ticket; TLS 1.2 gave it before.
        let speaks = after(&known, One) > 0;
        assert_eq!(speaks, version.version == TLS13.version);
    }
}

#[test]
fn where_aes_is_software_the_servers_cheapest_cipher_counts_and_else_the_clients_first() {
    let state = tempfile::tempdir().unwrap();
    ServerIdentity::load(&Certificates::default(), state.path()).unwrap();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| state.path().join(name));
    let chosen = |aes, version| {
        let own = Identity {
            certificate: certificate.clone(),
            key: key.clone(),
            names: Vec::new(),
        };
        let settings = Certificates::default();
        let identity = ServerIdentity::from_files(&settings, &[own], aes).unwrap();
        let server = FtpTls::new(&identity, Resumption::Prefer, None).unwrap();
        let session = SessionResumption::new().unwrap();
        let (_, ours) = control(&server, &Client::new(version), &session);
        ours.negotiated_cipher_suite().unwrap().suite()
    };
    assert_eq!(
        chosen(Aes::Instructions, &TLS13),
        CipherSuite::TLS13_AES_256_GCM_SHA384
    );
    assert_eq!(
        chosen(Aes::Software, &TLS13),
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256
    );
    assert_eq!(
        chosen(Aes::Software, &TLS12),
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256
    );
}

#[test]
fn sessions_outlive_a_change_of_the_certificate() {
    for &version in BOTH {
        let (old, client) = (ftp_tls(), Client::new(version));
        let session = session(&old, &client);
        let new = FtpTls::new(&identity(), Resumption::Prefer, Some(&old)).unwrap();
        assert!(data_resumes(&new, &client, &session, One), "{version:?}");
        assert!(
            !data_resumes(&ftp_tls(), &client, &session, One),
            "{version:?}"
        );
    }
}

#[test]
fn a_client_may_name_the_protocol_or_not() {
    for &version in BOTH {
        for (on_control, on_data) in [
            (&[b"ftp".as_slice()][..], &[b"ftp".as_slice()][..]),
            (&[b"ftp"], &[b"ftp-data"]),
            (&[b"http/1.1", b"ftp"], &[b"ftp", b"ftp-data"]),
            (&[], &[]),
        ] {
            let (server, session) = (ftp_tls(), SessionResumption::new().unwrap());
            let client = Client::new(version).speaking(on_control);
            let (theirs, _) = control(&server, &client, &session);
            assert_eq!(theirs.alpn_protocol(), on_control.last().copied());
            let client = client.speaking(on_data);
            let (theirs, ours) = pair(&client, data(&server, &session, One));
            assert!(resumed(&ours), "{version:?} {on_data:?}");
            assert_eq!(theirs.alpn_protocol(), on_data.last().copied());
        }
    }
}

#[test]
fn a_client_of_another_protocol_is_refused() {
    for &version in BOTH {
        let (server, session) = (ftp_tls(), SessionResumption::new().unwrap());
        let control = || server.control(&session).map(|(connection, _)| connection);
        for (ours, theirs) in [
            (control(), b"http/1.1".as_slice()),
            (control(), b"ftp-data"),
            (data(&server, &session, One), b"http/1.1"),
            (data(&server, &session, NoTickets), b"http/1.1"),
        ] {
            let client = Client::new(version).speaking(&[theirs]);
            let (mut theirs, mut ours) = ends(&client, ours);
            let refusal = carry(&mut theirs, &mut ours).unwrap_err();
            assert_eq!(refusal, Error::NoApplicationProtocol);
            let told = carry(&mut ours, &mut theirs).unwrap_err();
            let alert = AlertDescription::NoApplicationProtocol;
            assert_eq!(told, Error::AlertReceived(alert));
        }
    }
}

fn identity() -> ServerIdentity {
    let state = tempfile::tempdir().unwrap();
    ServerIdentity::load(&Certificates::default(), state.path()).unwrap()
}

fn ftp_tls() -> FtpTls {
    FtpTls::new(&identity(), Resumption::Prefer, None).unwrap()
}

/// What a control connection of this client leaves behind.
#[track_caller]
fn session(server: &FtpTls, client: &Client) -> SessionResumption {
    let session = SessionResumption::new().unwrap();
    let before = client.tickets();
    let (_, ours) = control(server, client, &session);
    assert!(!resumed(&ours));
    assert!(client.tickets() > before);
    session
}

#[track_caller]
fn data_resumes(
    server: &FtpTls,
    client: &Client,
    session: &SessionResumption,
    tickets: Tickets,
) -> bool {
    resumed(&pair(client, data(server, session, tickets)).1)
}

/// The server's end of a data connection.
fn data(
    server: &FtpTls,
    session: &SessionResumption,
    tickets: Tickets,
) -> Result<Connection, TlsError> {
    server
        .data(session, tickets)
        .map(|(connection, _)| connection)
}

/// Both ends of a connection that works.
#[track_caller]
fn pair(client: &Client, server: Result<Connection, TlsError>) -> (Connection, Connection) {
    let (theirs, ours) = ends(client, server);
    settled(theirs, ours)
}

#[track_caller]
fn settled(mut theirs: Connection, mut ours: Connection) -> (Connection, Connection) {
    shake(&mut theirs, &mut ours);
    carry(&mut ours, &mut theirs).unwrap();
    say(&mut ours, &mut theirs);
    say(&mut theirs, &mut ours);
    (theirs, ours)
}

/// Both ends of a control connection that works.
#[track_caller]
fn control(
    server: &FtpTls,
    client: &Client,
    session: &SessionResumption,
) -> (Connection, Connection) {
    let mut theirs = client.connection();
    let (mut ours, fallback) = server.control(session).unwrap();
    let mut hello = Vec::new();
    theirs.write_tls(&mut hello).unwrap();
    let mut rest = hello.as_slice();
    let mut fallback = fallback;
    let read = match &mut fallback {
        Some(fallback) => ours.read_tls(&mut fallback.record(&mut rest)),
        None => ours.read_tls(&mut rest),
    };
    assert_eq!(read.unwrap(), hello.len());
    if let Err(refusal) = ours.process_new_packets() {
        ours = fallback.unwrap().after(refusal).unwrap();
    }
    carry(&mut ours, &mut theirs).unwrap();
    settled(theirs, ours)
}

fn ends(client: &Client, server: Result<Connection, TlsError>) -> (Connection, Connection) {
    (client.connection(), server.unwrap())
}

/// Up to the last word of the client's.
#[track_caller]
fn shake(theirs: &mut Connection, ours: &mut Connection) {
    while ours.is_handshaking() {
        assert!(carry(theirs, ours).unwrap() > 0, "the client is stuck");
        if theirs.is_handshaking() {
            assert!(carry(ours, theirs).unwrap() > 0, "the server is stuck");
        }
    }
}

/// Everything that `from` has to say; in bytes.
fn carry(from: &mut Connection, to: &mut Connection) -> Result<usize, Error> {
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).unwrap();
    }
    let mut rest = wire.as_slice();
    while !rest.is_empty() {
        to.read_tls(&mut rest).unwrap();
        to.process_new_packets()?;
    }
    Ok(wire.len())
}

#[track_caller]
fn say(from: &mut Connection, to: &mut Connection) {
    from.writer().write_all(b"word").unwrap();
    carry(from, to).unwrap();
    let mut heard = [0; 4];
    to.reader().read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"word");
}

struct Client {
    config: ClientConfig,
    store: Arc<Store>,
}

impl Client {
    fn new(version: &'static SupportedProtocolVersion) -> Self {
        Self::of(&[version])
    }

    fn of(versions: &[&'static SupportedProtocolVersion]) -> Self {
        let provider = Arc::new(ring::default_provider());
        let verifier = Arc::new(AnyCertificate(Arc::clone(&provider)));
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        let store = Arc::new(Store {
            memory: ClientSessionMemoryCache::new(8),
            unused: Mutex::default(),
            tickets: AtomicUsize::new(0),
        });
        config.resumption = ClientResumption::store(Arc::clone(&store) as Arc<_>);
        Self { config, store }
    }

    fn without_tickets() -> Self {
        let mut client = Self::new(&TLS12);
        let resumption = client.config.resumption.clone();
        client.config.resumption = resumption.tls12_resumption(Tls12Resumption::SessionIdOnly);
        client
    }

    fn speaking(mut self, protocols: &[&[u8]]) -> Self {
        self.config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        self
    }

    fn connection(&self) -> Connection {
        let name = ServerName::try_from("ftp.example").unwrap();
        let config = Arc::new(self.config.clone());
        ClientConnection::new(config, name).unwrap().into()
    }

    /// So many were received, used or not.
    fn tickets(&self) -> usize {
        self.store.tickets.load(Ordering::Relaxed)
    }
}

/// rustls's own for TLS 1.2; keeps all TLS 1.3 tickets, gives each once, and counts.
#[derive(Debug)]
struct Store {
    memory: ClientSessionMemoryCache,
    unused: Mutex<Vec<Tls13ClientSessionValue>>,
    tickets: AtomicUsize,
}

impl ClientSessionStore for Store {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        self.memory.set_kx_hint(name, group);
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.memory.kx_hint(name)
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.tickets.fetch_add(1, Ordering::Relaxed);
        self.memory.set_tls12_session(name, value);
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.memory.tls12_session(name)
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        self.memory.remove_tls12_session(name);
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.tickets.fetch_add(1, Ordering::Relaxed);
        self.unused.lock().push(value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.unused.lock().pop()
    }
}
