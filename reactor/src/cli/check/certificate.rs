//! Checks the certificate of the settings: that it can be read, and when it expires.
//!
//! Only the dates are parsed, by their place in the DER of X.509 (RFC 5280 section 4.1); TLS judges
//! the rest.

use std::path::Path;
use std::time::SystemTime;

use base64ct::{Base64, Encoding};
use skiff_conf::Server;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use super::report::Report;
use crate::tls::ServerIdentity;

/// A certificate that expires sooner is worth a note.
const SOON: Duration = Duration::days(30);

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

const WRITTEN: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day][hour][minute][second]Z");

pub(super) fn examine(config: &Server, report: &mut Report<'_>) {
    let Some(identity) = &config.tls else {
        return;
    };
    examine_certificate(&identity.certificate, SystemTime::now().into(), report);
    match ServerIdentity::load(Some(identity), &config.state) {
        Ok(_) => report.ok("tls", "the certificate and its key go together"),
        Err(error) => report.wrong("tls.key", &error.to_string()),
    }
}

fn examine_certificate(path: &Path, now: OffsetDateTime, report: &mut Report<'_>) {
    let key = "tls.certificate";
    let shown = path.display();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return report.wrong(key, &format!("{shown}: {error}")),
    };
    let Some(validity) = first_der(&text).and_then(|der| Validity::of(&der)) else {
        let text = format!("{shown} does not begin with a PEM certificate");
        return report.wrong(key, &text);
    };
    let (from, until) = (validity.from.date(), validity.until.date());
    if validity.until < now {
        report.wrong(key, &format!("{shown} expired on {until}"));
    } else if validity.from > now {
        report.wrong(key, &format!("{shown} is not valid before {from}"));
    } else if validity.until - now < SOON {
        report.note(key, &format!("{shown} expires on {until}; renew it"));
    } else {
        report.ok(key, &format!("{shown} is valid until {until}"));
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Validity {
    from: OffsetDateTime,
    until: OffsetDateTime,
}

impl Validity {
    fn of(der: &[u8]) -> Option<Self> {
        let (certificate, _) = content(der, SEQUENCE)?;
        let (mut rest, _) = content(certificate, SEQUENCE)?;
        if rest.first() == Some(&VERSION) {
            rest = element(rest)?.rest;
        }
        // After the serial number, the algorithm and the issuer.
        for _ in 0..3 {
            rest = element(rest)?.rest;
        }
        let (dates, _) = content(rest, SEQUENCE)?;
        let from = element(dates)?;
        let until = element(from.rest)?;
        Some(Self {
            from: from.moment()?,
            until: until.moment()?,
        })
    }
}

struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    rest: &'a [u8],
}

impl Element<'_> {
    /// Parses UTCTime (RFC 5280 section 4.1.2.5): two-digit years from 50 on are of the last
    /// century; seconds and Z are always present.
    fn moment(&self) -> Option<OffsetDateTime> {
        let text = str::from_utf8(self.content).ok()?;
        let text = match (self.tag, text.as_bytes().first()?) {
            (UTC_TIME, b'0'..=b'4') => format!("20{text}"),
            (UTC_TIME, _) => format!("19{text}"),
            (GENERALIZED_TIME, _) => text.to_owned(),
            _ => return None,
        };
        PrimitiveDateTime::parse(&text, WRITTEN)
            .ok()
            .map(PrimitiveDateTime::assume_utc)
    }
}

fn content(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(der)
        .filter(|found| found.tag == tag)
        .map(|found| (found.content, found.rest))
}

/// Splits the first element off `der`; a length has at most four bytes (X.690 section 8.1.3).
fn element(der: &[u8]) -> Option<Element<'_>> {
    let (&[tag, first], rest) = der.split_first_chunk()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            let length = digits
                .iter()
                .fold(0, |sum, &digit| sum << 8 | usize::from(digit));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some(Element { tag, content, rest })
}

fn first_der(pem: &str) -> Option<Vec<u8>> {
    let (_, after) = pem.split_once(BEGIN)?;
    let (body, _) = after.split_once(END)?;
    let body: String = body.split_whitespace().collect();
    Base64::decode_vec(&body).ok()
}

#[cfg(test)]
mod tests {
    use skiff_conf::Identity;
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
    fn dates_are_found_in_both_forms() {
        for (from, until) in [
            (
                datetime!(1999-12-31 23:59:59 UTC),
                datetime!(2049-12-31 0:00 UTC),
            ),
            (
                datetime!(2020-01-01 0:00 UTC),
                datetime!(2077-02-03 4:05:06 UTC),
            ),
        ] {
            let der = first_der(&certificate(from, until)).unwrap();
            assert_eq!(Validity::of(&der), Some(Validity { from, until }));
        }
    }

    #[test]
    fn every_cut_is_an_error_and_no_panic() {
        let pem = certificate(
            datetime!(2020-01-01 0:00 UTC),
            datetime!(2030-01-01 0:00 UTC),
        );
        let der = first_der(&pem).unwrap();
        for end in 0..der.len() {
            assert_eq!(Validity::of(&der[..end]), None, "{end}");
        }
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
        };
        let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let [own, foreign] = [(); 2].map(|()| rcgen::KeyPair::generate().unwrap());
        let pem = params.self_signed(&own).unwrap().pem();
        std::fs::write(&identity.certificate, pem).unwrap();
        config.tls = Some(identity.clone());
        for (key, expected) in [(own, [].as_slice()), (foreign, &["tls.key"])] {
            std::fs::write(&identity.key, key.serialize_pem()).unwrap();
            let (text, wrong) = reported(|report| examine(&config, report));
            assert_eq!(wrong, expected, "{text}");
        }
    }
}
