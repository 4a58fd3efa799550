//! The names that the server is reached by: [`HostPattern`], and the [`Hosts`] that HOST may name
//! (RFC 7151).

use core::net::IpAddr;

/// A name, or a pattern as certificates have it: `*.example.org` stands for all names with one label
/// in front of `.example.org` (RFC 6125 section 6.4.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostPattern(Box<str>);

impl HostPattern {
    pub fn new(name: &str) -> Self {
        Self(name.trim_end_matches('.').to_ascii_lowercase().into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn covers(&self, name: &str) -> bool {
        let name = name.strip_suffix('.').unwrap_or(name);
        match self.0.strip_prefix("*.") {
            None => name.eq_ignore_ascii_case(&self.0),
            Some(domain) => name.split_once('.').is_some_and(|(label, rest)| {
                !label.is_empty() && rest.eq_ignore_ascii_case(domain)
            }),
        }
    }
}

/// What HOST may name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Hosts {
    /// Every name leads to the same server.
    #[default]
    Any,
    /// Only these are served.
    Named(Vec<HostPattern>),
}

impl Hosts {
    /// An address stands for the default host (RFC 7151 section 3.1).
    pub fn include(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Named(all) => is_address(name) || all.iter().any(|host| host.covers(name)),
        }
    }
}

fn is_address(name: &str) -> bool {
    let bare = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    bare.unwrap_or(name).parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_label() {
        for (pattern, name, covers) in [
            ("ftp.example.org", "FTP.example.ORG", true),
            ("ftp.example.org", "ftp.example.org.", true),
            ("ftp.example.org", "example.org", false),
            ("*.Example.org", "a.example.org", true),
            ("*.example.org", "a.b.example.org", false),
            ("*.example.org", "example.org", false),
            ("*.example.org", ".example.org", false),
            ("*.example.org", "*.example.org", true),
            ("ftp.example.org", "", false),
        ] {
            let found = HostPattern::new(pattern).covers(name);
            assert_eq!(found, covers, "{pattern} {name}");
        }
    }

    #[test]
    fn an_address_is_the_default_host() {
        let named = Hosts::Named(vec![HostPattern::new("ftp.example.org")]);
        for (name, included) in [
            ("ftp.example.org", true),
            ("other.example.org", false),
            ("192.0.2.7", true),
            ("[2001:db8::7]", true),
            ("[nas]", false),
        ] {
            assert_eq!(named.include(name), included, "{name}");
            assert!(Hosts::Any.include(name), "{name}");
        }
    }
}
