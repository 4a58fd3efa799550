//! [`Validity`]: when a certificate is valid; [`Validities`] of all that are in use.
//!
//! Only the dates are parsed, by their place in the DER of X.509 (RFC 5280 section 4.1); TLS judges
//! the rest.

use base64ct::{Base64, Encoding};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime};

use super::der::{Element, SEQUENCE, content, element};

/// A certificate that expires sooner is worth a note.
const SOON: Duration = Duration::days(30);

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

const WRITTEN: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day][hour][minute][second]Z");

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) from: OffsetDateTime,
    pub(crate) until: OffsetDateTime,
}

/// What is to be said of a certificate's dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Valid,
    ExpiresSoon,
    Expired,
    NotYetValid,
}

/// When each of the certificates in use is valid, as far as their dates can be read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Validities(Vec<(String, Validity)>);

impl Validities {
    /// `what` is how the operator is told of the certificate.
    pub(crate) fn add(&mut self, what: String, validity: Validity) {
        self.0.push((what, validity));
    }

    /// What the operator is warned of.
    pub(crate) fn warnings(&self, now: OffsetDateTime) -> impl Iterator<Item = String> {
        let all = self.0.iter();
        all.filter_map(move |(what, validity)| validity.warning(what, now))
    }

    /// When the first of them expires.
    pub(crate) fn first_end(&self) -> Option<OffsetDateTime> {
        self.0.iter().map(|(_, validity)| validity.until).min()
    }
}

impl Validity {
    /// The dates of the first certificate of a PEM file.
    pub(crate) fn of_pem(pem: &str) -> Option<Self> {
        first_der(pem).and_then(|der| Self::of(&der))
    }

    pub(crate) fn standing(&self, now: OffsetDateTime) -> Standing {
        if self.until < now {
            Standing::Expired
        } else if self.from > now {
            Standing::NotYetValid
        } else if self.until - now < SOON {
            Standing::ExpiresSoon
        } else {
            Standing::Valid
        }
    }

    /// What the operator is warned of; `what` is the certificate's name.
    fn warning(&self, what: &str, now: OffsetDateTime) -> Option<String> {
        let (from, until) = (self.from.date(), self.until.date());
        match self.standing(now) {
            Standing::Valid => None,
            Standing::ExpiresSoon => Some(format!("{what} expires on {until}; renew it")),
            Standing::Expired => Some(format!(
                "{what} expired on {until}; renew it, then skiffd reload"
            )),
            Standing::NotYetValid => Some(format!("{what} is not valid before {from}")),
        }
    }

    pub(crate) fn of(der: &[u8]) -> Option<Self> {
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
            from: moment(&from)?,
            until: moment(&until)?,
        })
    }
}

/// Parses UTCTime (RFC 5280 section 4.1.2.5): two-digit years from 50 on are of the last century;
/// seconds and Z are always present.
fn moment(element: &Element<'_>) -> Option<OffsetDateTime> {
    let text = str::from_utf8(element.content).ok()?;
    let text = match (element.tag, text.as_bytes().first()?) {
        (UTC_TIME, b'0'..=b'4') => format!("20{text}"),
        (UTC_TIME, _) => format!("19{text}"),
        (GENERALIZED_TIME, _) => text.to_owned(),
        _ => return None,
    };
    PrimitiveDateTime::parse(&text, WRITTEN)
        .ok()
        .map(PrimitiveDateTime::assume_utc)
}

fn first_der(pem: &str) -> Option<Vec<u8>> {
    let (_, after) = pem.split_once(BEGIN)?;
    let (body, _) = after.split_once(END)?;
    let body: String = body.split_whitespace().collect();
    Base64::decode_vec(&body).ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

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
    fn what_is_due_is_warned_of() {
        let (from, until) = (
            datetime!(2020-01-01 0:00 UTC),
            datetime!(2030-01-01 0:00 UTC),
        );
        let validity = Validity { from, until };
        for (now, said) in [
            (datetime!(2029-11-01 0:00 UTC), None),
            (
                datetime!(2029-12-25 0:00 UTC),
                Some("expires on 2030-01-01"),
            ),
            (
                datetime!(2030-01-02 0:00 UTC),
                Some("expired on 2030-01-01"),
            ),
            (
                datetime!(2019-12-31 0:00 UTC),
                Some("not valid before 2020-01-01"),
            ),
        ] {
            let warning = validity.warning("the certificate", now);
            match said {
                None => assert_eq!(warning, None),
                Some(said) => assert!(
                    warning.as_ref().is_some_and(|w| w.contains(said)),
                    "{warning:?}"
                ),
            }
        }
    }
}
