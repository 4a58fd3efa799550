//! Checks the certificate of the settings: that it can be read, and when it expires.

use std::path::Path;
use std::time::SystemTime;

use skiff_conf::{HostName, Identity, Server};
use skiff_sessions::host::HostPattern;
use time::OffsetDateTime;

use super::report::Report;
use crate::tls;
use crate::tls::validity::{Standing, Validity};

pub(super) fn examine(config: &Server, report: &mut Report<'_>) {
    for identity in &config.tls.identities {
        examine_certificate(&identity.certificate, SystemTime::now().into(), report);
        examine_pair(identity, report);
    }
    let Some(clients) = &config.tls.clients else {
        return;
    };
    match (tls::try_clients(clients), &clients.crl) {
        (Err(error), _) => report.wrong("tls.client_ca", &error.to_string()),
        (Ok(()), Some(_)) => report.ok("tls.client_ca", "clients may show certificates"),
        (Ok(()), None) => report.ok(
            "tls.client_ca",
            "clients may show certificates, of which none can be revoked (client_crl)",
        ),
    }
}

fn examine_pair(identity: &Identity, report: &mut Report<'_>) {
    let names = match tls::try_pair(identity) {
        Ok(names) => names,
        Err(error) => return report.wrong("tls.key", &error.to_string()),
    };
    let shown = identity.certificate.display();
    let served = match names.hosts.as_slice() {
        [] => "no name".to_owned(),
        hosts => hosts.join(", "),
    };
    report.ok(
        "tls",
        &format!("{shown} and its key go together: for {served}"),
    );
    let is_covered = |name: &&HostName| {
        let mut hosts = names.hosts.iter();
        hosts.any(|host| host == name.as_str() || HostPattern::new(host).covers(name.as_str()))
    };
    for name in identity.names.iter().filter(|name| !is_covered(name)) {
        let text = format!(
            "{shown} does not cover {name}, so that clients which ask for it refuse the \
             certificate; it is for {served}"
        );
        report.wrong("tls.names", &text);
    }
}

fn examine_certificate(path: &Path, now: OffsetDateTime, report: &mut Report<'_>) {
    let key = "tls.certificate";
    let shown = path.display();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return report.wrong(key, &format!("{shown}: {error}")),
    };
    let Some(validity) = Validity::of_pem(&text) else {
        let text = format!("{shown} does not begin with a PEM certificate");
        return report.wrong(key, &text);
    };
    let (from, until) = (validity.from.date(), validity.until.date());
    match validity.standing(now) {
        Standing::Expired => report.wrong(key, &format!("{shown} expired on {until}")),
        Standing::NotYetValid => report.wrong(key, &format!("{shown} is not valid before {from}")),
        Standing::ExpiresSoon => {
            report.note(key, &format!("{shown} expires on {until}; renew it"));
        }
        Standing::Valid => report.ok(key, &format!("{shown} is valid until {until}")),
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::cli::check::tests::{reported, server};

    fn certificate(from: OffsetDateTime, until: OffsetDateTime) -> String {
        let mut wanted = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        wanted.not_before = from;
        wanted.not_after = until;
        let key = rcgen::KeyPair::generate().unwrap();
        wanted.self_signed(&key).unwrap().pem()
    }

    #[test]
    fn an_end_that_is_near_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cert.pem");
        let pem = certificate(
            datetime!(2020-01-01 0:00 UTC),
            datetime!(2030-01-01 0:00 UTC),
        );
        std::fs::write(&path, pem).unwrap();
        for (now, verdict, said) in [
            (
                datetime!(2029-11-01 0:00 UTC),
                "ok ",
                "valid until 2030-01-01",
            ),
            (
                datetime!(2029-12-25 0:00 UTC),
                "note ",
                "expires on 2030-01-01",
            ),
            (
                datetime!(2030-01-02 0:00 UTC),
                "wrong ",
                "expired on 2030-01-01",
            ),
            (
                datetime!(2019-12-31 0:00 UTC),
                "wrong ",
                "not valid before 2020-01-01",
            ),
        ] {
            let (text, _) = reported(|report| examine_certificate(&path, now, report));
            assert!(text.starts_with(verdict) && text.contains(said), "{text}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cert.pem");
        let now = datetime!(2029-11-01 0:00 UTC);
        for text in [
            "",
            "hello",
            "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n",
        ] {
            std::fs::write(&path, text).unwrap();
            let (_, wrong) = reported(|report| examine_certificate(&path, now, report));
            assert_eq!(wrong, ["tls.certificate"], "{text:?}");
        }
    }

    #[test]
    fn a_foreign_key_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = server(folder.path());
        let identity = Identity {
            certificate: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
            names: vec!["LOCALHOST".parse().unwrap()],
        };
        let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let [own, foreign] = [(); 2].map(|()| rcgen::KeyPair::generate().unwrap());
        let pem = params.self_signed(&own).unwrap().pem();
        std::fs::write(&identity.certificate, pem).unwrap();
        config.tls.identities = vec![identity.clone()];
        for (key, expected) in [(own, [].as_slice()), (foreign, &["tls.key"])] {
            std::fs::write(&identity.key, key.serialize_pem()).unwrap();
            let (text, wrong) = reported(|report| examine(&config, report));
            assert_eq!(wrong, expected, "{text}");
        }
    }
    #[test]
    fn names_that_no_certificate_covers_are_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let params = rcgen::CertificateParams::new(["*.example.org".to_owned()]).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut identity = Identity {
            certificate: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
            names: Vec::new(),
        };
        let pem = params.self_signed(&key).unwrap().pem();
        std::fs::write(&identity.certificate, pem).unwrap();
        std::fs::write(&identity.key, key.serialize_pem()).unwrap();
        for (names, missing) in [
            (vec!["ftp.example.org"], None),
            (vec!["*.example.org"], None),
            (vec!["a.b.example.org"], Some("a.b.example.org")),
            (vec!["ftp.example.org", "example.org"], Some("example.org")),
        ] {
            identity.names = names.iter().map(|name| name.parse().unwrap()).collect();
            let (text, wrong) = reported(|report| examine_pair(&identity, report));
            assert_eq!(wrong.len(), usize::from(missing.is_some()), "{text}");
            let told = missing.map(|name| format!("does not cover {name}, "));
            assert!(told.is_none_or(|told| text.contains(&told)), "{text}");
        }
    }
}
