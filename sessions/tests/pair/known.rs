//! Holds the server's limits, its one account, and a login to it.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use base64ct::{Base64, Encoding};
use skiff_sessions::host::Hosts;
use skiff_sessions::scram::{Binding, ClientLogin, Verifier};
use skiff_sessions::server::Limits;

use super::disk::Disk;
use super::rig::Rig;
use super::server::Server;

pub(super) const PASSWORD: &str = "123";

pub(super) fn limits() -> Limits {
    Limits {
        login: Duration::from_secs(30),
        idle: Duration::from_secs(900),
        stall: Duration::from_secs(60),
        progress: Duration::from_secs(4),
        data: Duration::from_secs(20),
        long_work: Duration::from_secs(20),
        penalty: Duration::from_millis(500),
        attempts: 3,
        malformed_lines: 3,
        hosts: Hosts::Any,
        server: "pair/0".to_owned(),
        banner: None,
        platform: "pair".to_owned(),
    }
}

pub(super) fn verifier() -> &'static Verifier {
    static VERIFIER: LazyLock<Verifier> =
        LazyLock::new(|| Verifier::derive(PASSWORD, vec![7; 16], 10_000).unwrap());
    &VERIFIER
}

/// The two lines of one login: PBKDF2 runs once for all tests.
pub(super) static LOGIN: LazyLock<(Vec<u8>, Vec<u8>)> = LazyLock::new(|| {
    let line = |verb: &str, message: &[u8]| {
        format!("{verb} scram={}\r\n", Base64::encode_string(message)).into_bytes()
    };
    let (now, mut disk) = (Instant::now(), Disk::new());
    let mut server = Server::new(now, &Rig::roomy());
    let (login, first) = ClientLogin::new("tom", "pairnonce", Binding::None).unwrap();
    let first = line("USER", &first);
    let challenge = server.answer_to(now, &first, &mut disk);
    let (_, last) = login.answer(&challenge.scram.unwrap(), PASSWORD).unwrap();
    (first, line("PASS", &last))
});
