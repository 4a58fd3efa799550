//! Recognises what else may answer at a port where `skiffd` was expected.

use std::fmt;
use std::net::TcpStream;

use skiff_conf::DEFAULT_PORT;

/// What answers, and is no skiff server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Service {
    Ftp,
    Mail,
    Ssh,
    Web,
    /// TLS with another protocol in it.
    OtherTls,
    /// A protocol that is not known here, without TLS.
    OtherPlain,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Ftp => "this is an FTP server",
            Self::Mail => "this is a mail server",
            Self::Ssh => "this is an SSH server",
            Self::Web => "this is a web server",
            Self::OtherTls => "something answers there, but not a skiff server (no ALPN skiff/1)",
            Self::OtherPlain => "something answers there, but not a skiff server (no TLS)",
        };
        write!(f, "{what}; skiffd's own port is {DEFAULT_PORT} by default")
    }
}

impl Service {
    /// Recognises a greeting of a protocol in clear; `None` for what may be TLS.
    fn from_greeting(greeting: &[u8]) -> Option<Self> {
        match greeting {
            // The content types of RFC 8446 section 5.1.
            [] | [20..=23, ..] => None,
            [b'2', b'2', b'0', ..] => Some(match contains(greeting, b"SMTP") {
                true => Self::Mail,
                false => Self::Ftp,
            }),
            [b'S', b'S', b'H', b'-', ..] => Some(Self::Ssh),
            [b'H', b'T', b'T', b'P', b'/', ..] => Some(Self::Web),
            _ => Some(Self::OtherPlain),
        }
    }

    /// Recognises a server by the code of its first reply to a login without TLS.
    pub(crate) fn from_first_code(code: u16) -> Option<Self> {
        // 220 is the greeting of RFC 959; a skiff server waits for the client's first line.
        (code == 220).then_some(Self::Ftp)
    }
}

/// The first bytes that come during a handshake.
#[derive(Default)]
pub(super) struct FirstWords {
    seen: bool,
}

impl FirstWords {
    /// Looks at what has come, the first time that something has, and leaves it in the socket.
    pub(super) fn look(&mut self, socket: &TcpStream) -> Option<Service> {
        if self.seen {
            return None;
        }
        let mut greeting = [0; 128];
        // What the socket has to complain of, the read behind this tells.
        let count = socket.peek(&mut greeting).unwrap_or(0);
        self.seen = count > 0;
        Service::from_greeting(&greeting[..count])
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn greetings() {
        let greeted = |text: &str| Service::from_greeting(text.as_bytes());
        assert_eq!(greeted("220 ready\r\n"), Some(Service::Ftp));
        assert_eq!(greeted("220-vsFTPd"), Some(Service::Ftp));
        assert_eq!(greeted("220 mx ESMTP Postfix"), Some(Service::Mail));
        assert_eq!(greeted("SSH-2.0-OpenSSH_9.2\r\n"), Some(Service::Ssh));
        assert_eq!(greeted("HTTP/1.1 400 Bad"), Some(Service::Web));
        assert_eq!(greeted("421 why=other-protocol"), Some(Service::OtherPlain));
        assert_eq!(greeted(""), None);
        assert_eq!(Service::from_greeting(&[22, 3, 3, 0, 90]), None);
        assert_eq!(Service::from_greeting(&[21, 3, 3, 0, 2]), None);
        assert_eq!(
            Service::Ftp.to_string(),
            "this is an FTP server; skiffd's own port is 8001 by default"
        );
    }
}
