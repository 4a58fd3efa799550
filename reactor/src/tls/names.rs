//! [`CertificateNames`]: whom a certificate names, by its place in the DER of X.509 (RFC 5280 section
//! 4.1).

use super::der::{BOOLEAN, Elements, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, SET, content};

/// id-at-commonName, 2.5.4.3.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// id-ce-subjectAltName, 2.5.29.17.
const ALTERNATIVE_NAMES: &[u8] = &[0x55, 0x1d, 0x11];

const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// rfc822Name [1] and dNSName [2] of GeneralName (RFC 5280 section 4.2.1.6).
const MAIL_ADDRESS: u8 = 0x81;
const DNS_NAME: u8 = 0x82;

/// The texts of UTF8String, PrintableString, T61String and IA5String, all of them ASCII or UTF-8
/// here; others are no names that anybody could type.
const TEXTS: [u8; 4] = [0x0c, 0x13, 0x14, 0x16];

/// The names of a certificate's subject.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CertificateNames {
    pub(crate) common: Vec<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) mail: Vec<String>,
}

impl CertificateNames {
    /// Of a certificate in DER; those before the place that cannot be read.
    pub(crate) fn of(certificate: &[u8]) -> Self {
        let mut names = Self::default();
        let _ = names.read(certificate);
        names
    }

    /// Whether one of the names is this one.
    pub(crate) fn include(&self, name: &str) -> bool {
        let mut all = self.common.iter().chain(&self.hosts).chain(&self.mail);
        all.any(|known| known == name)
    }

    fn read(&mut self, certificate: &[u8]) -> Option<()> {
        let (certificate, _) = content(certificate, SEQUENCE)?;
        let (signed, _) = content(certificate, SEQUENCE)?;
        let mut parts = Elements(signed).filter(|part| part.tag != VERSION);
        // Behind serial number, algorithm, issuer and dates.
        let subject = parts.nth(4)?;
        self.read_subject(subject.content);
        let extensions = parts.find(|part| part.tag == EXTENSIONS)?;
        let (extensions, _) = content(extensions.content, SEQUENCE)?;
        Elements(extensions)
            .filter_map(|one| alternative_names(one.content))
            .for_each(|names| self.read_alternatives(names));
        Some(())
    }

    fn read_subject(&mut self, subject: &[u8]) {
        let sets = Elements(subject).filter(|part| part.tag == SET);
        let attributes = sets.flat_map(|set| Elements(set.content));
        let common = attributes.filter_map(|attribute| common_name(attribute.content));
        self.common.extend(common);
    }

    fn read_alternatives(&mut self, names: &[u8]) {
        for name in Elements(names) {
            match (name.tag, str::from_utf8(name.content)) {
                (DNS_NAME, Ok(host)) => self.hosts.push(host.to_owned()),
                (MAIL_ADDRESS, Ok(address)) => self.mail.push(address.to_owned()),
                _ => {}
            }
        }
    }
}

fn common_name(attribute: &[u8]) -> Option<String> {
    let (kind, value) = content(attribute, OBJECT_IDENTIFIER)?;
    let value = Elements(value).next()?;
    let is_name = kind == COMMON_NAME && TEXTS.contains(&value.tag);
    let text = str::from_utf8(value.content).ok().filter(|_| is_name)?;
    Some(text.to_owned())
}

/// The value of an extension, if it is that one.
fn alternative_names(extension: &[u8]) -> Option<&[u8]> {
    let (kind, rest) = content(extension, OBJECT_IDENTIFIER)?;
    let mut rest = Elements(rest).skip_while(|part| part.tag == BOOLEAN);
    let value = rest.next().filter(|part| part.tag == OCTET_STRING)?;
    let (names, _) = content(value.content, SEQUENCE).filter(|_| kind == ALTERNATIVE_NAMES)?;
    Some(names)
}

#[cfg(test)]
mod tests {
    use rcgen::{DnType, KeyPair, SanType};

    use super::*;

    fn certificate() -> Vec<u8> {
        let mut wanted =
            rcgen::CertificateParams::new(["a.example".to_owned(), "*.b.example".to_owned()])
                .unwrap();
        let mail = SanType::Rfc822Name("tom@example.org".try_into().unwrap());
        wanted.subject_alt_names.push(mail);
        wanted.distinguished_name.push(DnType::CommonName, "tom");
        wanted.is_ca = rcgen::IsCa::ExplicitNoCa;
        wanted.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().unwrap();
        wanted.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn names_are_found_where_they_stand() {
        let names = CertificateNames::of(&certificate());
        let texts = |all: &[&str]| all.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        assert_eq!(names.hosts, texts(&["a.example", "*.b.example"]));
        assert_eq!(names.mail, texts(&["tom@example.org"]));
        assert!(names.common.contains(&"tom".to_owned()), "{names:?}");
        for (name, included) in [
            ("tom", true),
            ("tom@example.org", true),
            ("a.example", true),
            ("Tom", false),
            ("", false),
        ] {
            assert_eq!(names.include(name), included, "{name}");
        }
    }

    #[test]
    fn no_cut_and_no_changed_byte_is_a_panic() {
        let der = certificate();
        for end in 0..der.len() {
            let _ = CertificateNames::of(&der[..end]);
            let mut changed = der.clone();
            changed[end] = changed[end].wrapping_add(0x81);
            let _ = CertificateNames::of(&changed);
        }
    }
}
