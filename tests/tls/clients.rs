//! Certificates of clients: what accounts ask for, what was revoked, and data connections by them.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::{ftp_addresses, openssl, said_by};
use crate::harness::{Daemon, until, write_settings};

/// An authority in a folder of its own.
struct Authority(PathBuf);

impl Authority {
    #[track_caller]
    fn new(folder: &Path) -> Self {
        fs::create_dir(folder).unwrap();
        let settings = "[ca]\ndefault_ca = own\n[own]\ndatabase = index\nserial = serial\n\
                        new_certs_dir = .\ncrlnumber = crlnumber\nx509_extensions = client\ncertificate = ca.pem\nprivate_key = ca.key\n\
                        default_md = sha256\ndefault_days = 99\ndefault_crl_days = 99\n\
                        policy = any\ncopy_extensions = copy\nunique_subject = no\n\
                        [any]\ncommonName = supplied\n[client]\nextendedKeyUsage = clientAuth\n";
        fs::write(folder.join("settings"), settings).unwrap();
        fs::write(folder.join("index"), "").unwrap();
        for number in ["serial", "crlnumber"] {
            fs::write(folder.join(number), "01").unwrap();
        }
        let usage = "keyUsage=critical,keyCertSign,cRLSign";
        openssl(
            folder,
            &[
                "req",
                "-x509",
                "-nodes",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-keyout",
                "ca.key",
                "-out",
                "ca.pem",
                "-subj",
                "/CN=authority",
                "-days",
                "99",
                "-addext",
                usage,
            ],
        );
        let authority = Self(folder.to_owned());
        authority.list_revoked();
        authority
    }

    /// Makes `NAME.pem` and `NAME.key`, for a common name and further names.
    #[track_caller]
    fn issue(&self, file: &str, common: &str, more: &[&str]) {
        let (pem, key, request) = (
            format!("{file}.pem"),
            format!("{file}.key"),
            format!("{file}.csr"),
        );
        let subject = format!("/CN={common}");
        let names = format!("subjectAltName={}", more.join(","));
        let extension: &[&str] = match more {
            [] => &[],
            _ => &["-addext", &names],
        };
        let asked = [
            "req",
            "-nodes",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-keyout",
            &key,
            "-out",
            &request,
            "-subj",
            &subject,
        ];
        openssl(&self.0, &[&asked[..], extension].concat());
        openssl(
            &self.0,
            &[
                "ca", "-batch", "-notext", "-config", "settings", "-in", &request, "-out", &pem,
            ],
        );
    }

    #[track_caller]
    fn revoke(&self, file: &str) {
        let pem = format!("{file}.pem");
        openssl(&self.0, &["ca", "-config", "settings", "-revoke", &pem]);
        self.list_revoked();
    }

    fn list_revoked(&self) {
        openssl(
            &self.0,
            &["ca", "-config", "settings", "-gencrl", "-out", "crl.pem"],
        );
    }

    fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn settings(&self, more: &str) -> String {
        format!(
            "ftp: (listen: [\"127.0.0.1:0\"], {more}), tls: (client_ca: {:?}, client_crl: {:?}),
             limits: (attempts: 100, ban_after: 1000),",
            self.file("ca.pem"),
            self.file("crl.pem")
        )
    }
}

/// What curl(1) says of an upload, with the certificate of this name if there is one.
#[track_caller]
fn upload(
    server: SocketAddr,
    user: &str,
    shown: Option<(&Authority, &str)>,
    more: &[&str],
) -> String {
    let url = format!("ftp://{server}/stored");
    let fixed = [
        "-sS",
        "-k",
        "--ssl-reqd",
        "-u",
        user,
        "-T",
        "-",
        &url,
        "-w",
        "code %{response_code}",
    ];
    let certificate = shown.map_or_else(Vec::new, |(authority, name)| {
        let (pem, key) = (
            authority.file(&format!("{name}.pem")),
            authority.file(&format!("{name}.key")),
        );
        vec!["--cert".to_owned(), pem, "--key".to_owned(), key]
    });
    let certificate: Vec<&str> = certificate.iter().map(String::as_str).collect();
    said_by("curl", &[&fixed[..], &certificate, more].concat(), "bytes")
}

const STORED: &str = "code 226";
const REFUSED: &str = "(67)";

#[test]
fn an_account_asks_for_a_certificate_or_takes_one_instead_of_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(&folder.path().join("ours"));
    ours.issue("tom", "tom", &[]);
    ours.issue("mail", "anybody", &["email:jerry@example.org", "DNS:sam"]);
    let daemon = Daemon::configured(&ours.settings(""));
    let server = ftp_addresses(&daemon)[0];
    let set = |words: &[&str]| daemon.user(&[&["set"], words].concat(), "");
    let (tom, mail) = (Some((&ours, "tom")), Some((&ours, "mail")));
    // Nothing is asked for where no rule says so.
    for shown in [None, tom, mail] {
        let said = upload(server, "tom:123", shown, &[]);
        assert!(said.contains(STORED), "{said}");
    }
    set(&["tom", "--certificate", "required"]);
    set(&["sam", "--certificate", "instead"]);
    for (user, shown, expected) in [
        ("tom:123", None, REFUSED),
        ("tom:123", mail, REFUSED),
        ("tom:wrong", tom, REFUSED),
        ("tom:123", tom, STORED),
        ("sam:123", None, STORED),
        ("sam:123", tom, STORED),
        ("sam:wrong", tom, REFUSED),
        ("sam:wrong", mail, STORED),
    ] {
        let said = upload(server, user, shown, &[]);
        assert!(
            said.contains(expected),
            "{user} {:?}: {said}",
            shown.map(|one| one.1)
        );
    }
    // The native dialect has no certificates of clients.
    assert_eq!(daemon.peer().login("tom", "123").code, 530);
    daemon.login("sam");
    // One that is named by its fingerprint alone.
    let output = said_by(
        "openssl",
        &[
            "x509",
            "-in",
            &ours.file("tom.pem"),
            "-noout",
            "-fingerprint",
            "-sha256",
        ],
        "",
    );
    let fingerprint = output.trim().split('=').nth(1).unwrap();
    set(&["sam", "--certificate-fingerprint", fingerprint]);
    assert!(upload(server, "sam:wrong", mail, &[]).contains(REFUSED));
    assert!(upload(server, "sam:wrong", tom, &[]).contains(STORED));
    daemon.wait_log("sam USER 232");
}

#[test]
fn a_certificate_opens_no_account_that_is_closed() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(&folder.path().join("ours"));
    ours.issue("sam", "sam", &[]);
    ours.issue("guest", "guest", &[]);
    let daemon = Daemon::configured(&ours.settings(""));
    let server = ftp_addresses(&daemon)[0];
    let (sam, guest) = (Some((&ours, "sam")), Some((&ours, "guest")));
    for (words, expected) in [
        (["--certificate", "instead"], STORED),
        (["--deny", "127.0.0.0/8"], REFUSED),
        (["--deny", "default"], STORED),
        (["--expires", "2001-01-01"], REFUSED),
        (["--expires", "default"], STORED),
    ] {
        daemon.user(&[&["set", "sam"], &words[..]].concat(), "");
        let said = upload(server, "sam:", sam, &[]);
        assert!(said.contains(expected), "{words:?}: {said}");
    }
    // Everybody's password is right there, but not everybody has the certificate.
    let words = "add guest --anonymous --read-write --certificate required";
    daemon.user(&words.split(' ').collect::<Vec<_>>(), "");
    assert!(upload(server, "guest:me", sam, &[]).contains(REFUSED));
    assert!(upload(server, "guest:me", guest, &[]).contains(STORED));
}

#[test]
fn what_is_revoked_or_of_another_authority_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(&folder.path().join("ours"));
    let theirs = Authority::new(&folder.path().join("theirs"));
    for authority in [&ours, &theirs] {
        authority.issue("tom", "tom", &[]);
        authority.issue("other", "tom", &[]);
    }
    let daemon = Daemon::configured(&ours.settings(""));
    daemon.user(&["set", "tom", "--certificate", "required"], "");
    let server = ftp_addresses(&daemon)[0];
    let shown = |authority, name| upload(server, "tom:123", Some((authority, name)), &[]);
    assert!(shown(&ours, "tom").contains(STORED));
    assert!(!shown(&theirs, "tom").contains("code 2"));
    daemon.wait_log("cause=invalid peer certificate: BadSignature");
    ours.revoke("tom");
    assert!(shown(&ours, "tom").contains(STORED), "it is not read yet");
    assert!(daemon.reload().status.success());
    assert!(!shown(&ours, "tom").contains("code 2"));
    daemon.wait_log("cause=invalid peer certificate: Revoked");
    assert!(shown(&ours, "other").contains(STORED));
    // The client hears why.
    let address = server.to_string();
    let (pem, key) = (ours.file("tom.pem"), ours.file("tom.key"));
    let said = said_by(
        "openssl",
        &[
            "s_client",
            "-starttls",
            "ftp",
            "-connect",
            &address,
            "-cert",
            &pem,
            "-key",
            &key,
            "-tls1_2",
        ],
        "QUIT\n",
    );
    assert!(said.contains("alert certificate revoked"), "{said}");
    // A list that cannot be read changes nothing.
    fs::write(ours.0.join("crl.pem"), "").unwrap();
    let told = String::from_utf8(daemon.reload().stderr).unwrap();
    assert!(told.contains("crl.pem: holds no revocation list"), "{told}");
    assert!(!shown(&ours, "tom").contains("code 2"));
    let checked = String::from_utf8(daemon.operator(&["check"]).stdout).unwrap();
    assert!(checked.contains("wrong tls.client_ca: "), "{checked}");
}

#[test]
fn data_connections_resume_or_show_the_same_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(&folder.path().join("ours"));
    ours.issue("tom", "tom", &[]);
    let tom = Some((&ours, "tom"));
    for (rule, more) in [
        ("data_tls_resumption: Prefer", &[][..]),
        ("data_tls_resumption: Prefer", &["--no-sessionid"]),
        (
            "data_tls_resumption: Require",
            &["--no-sessionid", "--tls-max", "1.2"],
        ),
        ("data_tls_resumption: Off", &[]),
    ] {
        let daemon = Daemon::configured(&ours.settings(rule));
        daemon.user(&["set", "tom", "--certificate", "required"], "");
        let server = ftp_addresses(&daemon)[0];
        let said = upload(server, "tom:123", tom, more);
        assert!(said.contains(STORED), "{rule} {more:?}: {said}");
    }
}

#[test]
fn a_session_ends_when_its_account_asks_for_what_it_has_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(&folder.path().join("ours"));
    let daemon = Daemon::configured(&ours.settings(""));
    let mut peer = daemon.login("tom");
    peer.ask("PWD", 257);
    daemon.user(&["set", "tom", "--certificate", "required"], "");
    daemon.wait_log("a session of tom ends: its account was changed");
    until("the refusal", || {
        (daemon.peer().login("tom", "123").code == 530).then_some(())
    });
    // Without an authority nobody can show anything, which check says.
    let keys = "native: (listen: [\"127.0.0.1:0\"]), ftp: (listen: [\"127.0.0.1:0\"]),";
    write_settings(daemon.folder(), keys);
    let checked = String::from_utf8(daemon.operator(&["check"]).stdout).unwrap();
    let told = "tls.client_ca: clients are asked for none, but tom has a rule";
    assert!(checked.contains(told), "{checked}");
}
