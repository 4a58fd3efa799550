//! Several certificates: by the name that a client asks for, by what it can check, by HOST.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection};
use skiff_sessions::certificate::AnyCertificate;

use super::{ECDSA, RSA, ftp_addresses, said_by, self_signed};
use crate::harness::{Daemon, PATIENCE, write_settings};

const FTP: &str = "ftp: (listen: [\"127.0.0.1:0\"]),";

/// Settings with the certificates of [`make_all`], and these keys within `tls`.
fn settings(folder: &Path, more: &str) -> String {
    let file = |name: &str| format!("{:?}", folder.join(name));
    let pair = |name: &str| {
        let (pem, key) = (file(&format!("{name}.pem")), file(&format!("{name}.key")));
        format!("certificate: {pem}, key: {key}")
    };
    let (own, rsa, other) = (pair("own"), pair("rsa"), pair("other"));
    format!("{FTP} tls: ({own}, {more} others: [({rsa}), ({other}, names: [\"*.b.example\"])]),")
}

/// An ECDSA and an RSA certificate for a.example, and one for all of b.example.
fn make_all(folder: &Path) {
    self_signed(folder, "own", ECDSA, "a.example");
    self_signed(folder, "rsa", RSA, "a.example");
    self_signed(folder, "other", ECDSA, "*.b.example");
}

/// The certificate that openssl(1) gets, in PEM.
#[track_caller]
fn shown(address: SocketAddr, more: &[&str]) -> String {
    let address = address.to_string();
    let start = ["s_client", "-starttls", "ftp", "-connect", &address];
    certificate_in(&said_by("openssl", &[&start, more].concat(), "QUIT\n"))
}

/// Without its last line; all that was said where there is none.
fn certificate_in(said: &str) -> String {
    let from = said.find("-----BEGIN CERTIFICATE-----");
    let Some(from) = from else {
        return said.to_owned();
    };
    let until = said.find("-----END CERTIFICATE-----").unwrap();
    said[from..until].split_whitespace().collect()
}

#[track_caller]
fn assert_is(folder: &Path, name: &str, shown: &str) {
    let pem = std::fs::read_to_string(folder.join(format!("{name}.pem"))).unwrap();
    let until = pem.find("-----END").unwrap();
    let whole: String = pem[..until].split_whitespace().collect();
    assert!(shown == whole, "not {name}.pem: {shown}");
}

#[test]
fn openssl_gets_the_certificate_of_the_name_and_of_what_it_can_check() {
    let folder = tempfile::tempdir().unwrap();
    make_all(folder.path());
    let daemon = Daemon::configured(&settings(folder.path(), ""));
    let address = ftp_addresses(&daemon)[0];
    let old = ["-sigalgs", "RSA-PSS+SHA256:RSA+SHA256"];
    for (more, name) in [
        (&["-noservername"][..], "own"),
        (&["-servername", "a.example"], "own"),
        (&["-servername", "nobody.example"], "own"),
        (&["-servername", "x.b.example"], "other"),
        (&[&["-noservername"], &old[..]].concat(), "rsa"),
        (&[&["-noservername", "-tls1_2"], &old[..]].concat(), "rsa"),
        (&["-noservername", "-tls1_2", "-cipher", "aRSA"], "rsa"),
        (&["-noservername", "-tls1_2", "-cipher", "aECDSA"], "own"),
    ] {
        assert_is(folder.path(), name, &shown(address, more));
    }
    // The other dialect chooses by the same rule.
    let native = daemon.address().to_string();
    let asked = ["-alpn", "skiff/1", "-servername", "x.b.example"];
    let start = ["s_client", "-connect", &native];
    let said = said_by("openssl", &[&start[..], &asked].concat(), "");
    assert_is(folder.path(), "other", &certificate_in(&said));
}

#[test]
fn renewed_certificates_are_taken_up_and_wrong_ones_named() {
    let folder = tempfile::tempdir().unwrap();
    make_all(folder.path());
    let daemon = Daemon::configured(&settings(folder.path(), ""));
    let address = ftp_addresses(&daemon)[0];
    self_signed(folder.path(), "other", ECDSA, "*.b.example");
    assert!(daemon.reload().status.success());
    let asked = ["-servername", "x.b.example"];
    assert_is(folder.path(), "other", &shown(address, &asked));

    let renewed = std::fs::read(folder.path().join("other.pem")).unwrap();
    self_signed(folder.path(), "foreign", ECDSA, "*.b.example");
    std::fs::copy(
        folder.path().join("foreign.key"),
        folder.path().join("other.key"),
    )
    .unwrap();
    let told = daemon.reload();
    let told = String::from_utf8_lossy(&told.stderr).into_owned();
    let wrong = format!(
        "{} is not the key of",
        folder.path().join("other.key").display()
    );
    assert!(told.contains(&wrong), "{told}");
    std::fs::write(folder.path().join("other.pem"), renewed).unwrap();
    assert_is(folder.path(), "other", &shown(address, &asked));
    let checked = daemon.operator(&["check"]);
    let checked = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        checked.contains(&format!("wrong tls.key: {wrong}")),
        "{checked}"
    );
    for name in ["own.pem is valid until", "rsa.pem is valid until"] {
        assert!(checked.contains(name), "{checked}");
    }
}

#[test]
fn the_oldest_version_is_as_said() {
    let folder = tempfile::tempdir().unwrap();
    make_all(folder.path());
    let daemon = Daemon::configured(&settings(folder.path(), "minimum: \"1.3\","));
    let address = ftp_addresses(&daemon)[0];
    let refused = shown(address, &["-tls1_2"]);
    assert!(refused.contains("alert protocol version"), "{refused}");
    assert_is(folder.path(), "own", &shown(address, &["-tls1_3"]));
    // Where data connections must resume, too.
    let rule = settings(folder.path(), "minimum: \"1.3\",");
    let rule = rule.replace("ftp: (", "ftp: (data_tls_resumption: Require, ");
    write_settings(
        daemon.folder(),
        &format!("native: (listen: [\"127.0.0.1:0\"]), {rule}"),
    );
    assert!(daemon.reload().status.success());
    assert!(shown(address, &["-tls1_2"]).contains("alert protocol version"));
    assert_is(folder.path(), "own", &shown(address, &["-tls1_3"]));
}

#[test]
fn host_chooses_the_certificate_before_tls() {
    let folder = tempfile::tempdir().unwrap();
    make_all(folder.path());
    let daemon = Daemon::configured(&settings(folder.path(), ""));
    let address = ftp_addresses(&daemon)[0];
    for (hosts, name) in [
        (&[("y.b.example", 220)][..], "other"),
        (&[("nobody.example", 504)], "own"),
        (&[("y.b.example", 220), ("a.example", 220)], "own"),
        (&[("y.b.example", 220), ("nobody.example", 504)], "other"),
        (&[("y.b.example", 220), ("127.0.0.1", 220)], "own"),
    ] {
        let got = certificate_after(address, hosts);
        let file = folder.path().join(format!("{name}.pem"));
        let known = CertificateDer::from_pem_file(file).unwrap();
        assert!(got == known, "{hosts:?}");
    }
    // Where no names are said, every name leads here.
    let plain = Daemon::configured(FTP);
    certificate_after(ftp_addresses(&plain)[0], &[("nobody.example", 220)]);
}

/// The certificate that comes after these HOST commands, to a client that names another in its hello.
#[track_caller]
fn certificate_after(address: SocketAddr, hosts: &[(&str, u16)]) -> CertificateDer<'static> {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut lines = BufReader::new(socket.try_clone().unwrap());
    let mut heard = move || {
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        line[..3].parse::<u16>().unwrap()
    };
    assert_eq!(heard(), 220);
    for (host, code) in hosts {
        socket
            .write_all(format!("HOST {host}\r\n").as_bytes())
            .unwrap();
        assert_eq!(heard(), *code, "{host}");
    }
    socket.write_all(b"AUTH TLS\r\n").unwrap();
    assert_eq!(heard(), 234);
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from("balancer.example").unwrap();
    let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
    while tls.is_handshaking() {
        tls.complete_io(&mut socket).unwrap();
    }
    tls.peer_certificates().unwrap()[0].clone().into_owned()
}

#[test]
fn a_name_that_the_certificate_lacks_is_told() {
    let folder = tempfile::tempdir().unwrap();
    make_all(folder.path());
    let keys = settings(folder.path(), "names: [\"c.example\"],");
    let daemon = Daemon::configured(&keys);
    let checked = String::from_utf8(daemon.operator(&["check"]).stdout).unwrap();
    let told = "own.pem does not cover c.example, ";
    assert!(checked.contains(told), "{checked}");
    assert_eq!(checked.matches("wrong ").count(), 1, "{checked}");
}
