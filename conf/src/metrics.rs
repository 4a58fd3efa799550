//! The `metrics` section of `server.ron`: where the daemon's numbers can be read.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use crate::units::BadValue;

/// The `metrics` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    pub listen: MetricsAddress,
}

/// An address that only this machine reaches; written `127.0.0.1:9121` or `unix:/run/metrics.sock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricsAddress {
    /// A loopback address.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Metrics {
    pub(crate) fn within(self, folder: &Path) -> Self {
        let listen = match self.listen {
            MetricsAddress::Unix(path) => MetricsAddress::Unix(folder.join(path)),
            tcp @ MetricsAddress::Tcp(_) => tcp,
        };
        Self { listen }
    }
}

impl FromStr for MetricsAddress {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        const WANTED: &str = "an address for metrics; write one of this machine alone, such as \
                              \"127.0.0.1:9121\", or \"unix:/run/skiff/metrics.sock\"";
        if let Some(path) = text.strip_prefix("unix:") {
            return match path.len() {
                1..=PATH_MAX => Ok(Self::Unix(PathBuf::from(path))),
                _ => Err(BadValue::new(
                    text,
                    "the path of a Unix socket, which has 1 to 107 bytes (unix(7)); write one \
                     such as \"unix:/run/skiff/metrics.sock\"",
                )),
            };
        }
        match text.parse::<SocketAddr>() {
            Ok(address) if address.ip().to_canonical().is_loopback() => Ok(Self::Tcp(address)),
            Ok(_) => Err(BadValue::new(
                text,
                "an address of this machine alone, and metrics ask nobody for a password; write \
                 \"127.0.0.1:9121\" or \"unix:/run/skiff/metrics.sock\", and let a web server \
                 with TLS and a login pass them on",
            )),
            Err(_) => Err(BadValue::new(text, WANTED)),
        }
    }
}

/// Bytes of the path of a Unix socket, without the NUL at its end.
const PATH_MAX: usize = 107;

impl fmt::Display for MetricsAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl<'de> Deserialize<'de> for MetricsAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_this_machine_alone() {
        for text in [
            "127.0.0.1:9121",
            "127.1.2.3:0",
            "[::1]:9121",
            "unix:/run/skiff/metrics.sock",
            "unix:metrics.sock",
        ] {
            let address: MetricsAddress = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
        }
        let long = format!("unix:/{}", "x".repeat(107));
        for text in [
            "",
            "9121",
            "127.0.0.1",
            "localhost:9121",
            "0.0.0.0:9121",
            "[::]:9121",
            "192.0.2.7:9121",
            "[::ffff:192.0.2.7]:9121",
            "unix:",
            &long,
        ] {
            assert!(text.parse::<MetricsAddress>().is_err(), "{text}");
        }
        assert!(long[..112].parse::<MetricsAddress>().is_ok());
    }
}
