//! Parses and writes the parts of the four SCRAM messages (RFC 5802, section 7).

use std::fmt;
use std::str::Split;

use base64ct::{Base64, Encoding};

use super::keys::Key;
use super::{Binding, MAX_MESSAGE, ScramError};

/// One of the four messages, to name it in errors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    ClientFirst,
    ServerFirst,
    ClientFinal,
    ServerFinal,
}

impl Message {
    /// The text of a peer's message: bounded, UTF-8, without NUL.
    pub(super) fn text(self, bytes: &[u8]) -> Result<&str, ScramError> {
        if bytes.len() > MAX_MESSAGE {
            return Err(ScramError::TooLong(self));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\0') => Ok(text),
            _ => Err(ScramError::Malformed(self)),
        }
    }

    pub(super) fn decode_key(self, base64: &str) -> Result<Key, ScramError> {
        let mut key = Key([0; 32]);
        match Base64::decode(base64, &mut key.0) {
            Ok(decoded) if decoded.len() == 32 => Ok(key),
            _ => Err(ScramError::Malformed(self)),
        }
    }

    pub(super) fn decode_bytes(self, base64: &str) -> Result<Vec<u8>, ScramError> {
        Base64::decode_vec(base64).map_err(|_| ScramError::Malformed(self))
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientFirst => "client-first-message",
            Self::ServerFirst => "server-first-message",
            Self::ClientFinal => "client-final-message",
            Self::ServerFinal => "server-final-message",
        })
    }
}

/// Reads `letter=value` pairs, which come in a fixed order.
pub(super) struct Attributes<'a> {
    message: Message,
    rest: Split<'a, char>,
}

impl<'a> Attributes<'a> {
    pub(super) fn of(message: Message, text: &'a str) -> Self {
        Self {
            message,
            rest: text.split(','),
        }
    }

    /// The value of the next attribute, which must be `letter`.
    pub(super) fn expect(&mut self, letter: char) -> Result<&'a str, ScramError> {
        match self.next()? {
            Some((found, value)) if found == letter => Ok(value),
            _ => Err(ScramError::Malformed(self.message)),
        }
    }

    /// The next attribute, whichever it is.
    pub(super) fn next(&mut self) -> Result<Option<(char, &'a str)>, ScramError> {
        let Some(pair) = self.rest.next() else {
            return Ok(None);
        };
        match pair.split_once('=') {
            // "its presence in a client or a server message MUST cause authentication failure"
            // (RFC 5802, section 5.1, `m`).
            Some(("m", _)) => Err(ScramError::MandatoryExtension(self.message)),
            Some((name, value)) if is_letter(name) && !value.is_empty() => {
                Ok(name.chars().next().map(|letter| (letter, value)))
            }
            _ => Err(ScramError::Malformed(self.message)),
        }
    }

    /// Skips optional extensions: unknown ones are ignored, but must be well formed.
    pub(super) fn finish(mut self) -> Result<(), ScramError> {
        while self.next()?.is_some() {}
        Ok(())
    }
}

/// What the client says about channel binding; the first part of the GS2 header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BindingFlag {
    /// `n`: the client cannot bind.
    Unable,
    /// `y`: the client could, and believes that the server cannot.
    Unoffered,
    /// `p=tls-exporter`.
    TlsExporter,
}

impl BindingFlag {
    pub(super) fn for_binding(binding: &Binding) -> Self {
        match binding {
            Binding::None => Self::Unable,
            Binding::TlsExporter(_) => Self::TlsExporter,
        }
    }

    pub(super) fn parse(flag: &str) -> Result<Self, ScramError> {
        match flag {
            "n" => Ok(Self::Unable),
            "y" => Ok(Self::Unoffered),
            "p=tls-exporter" => Ok(Self::TlsExporter),
            _ if flag.starts_with("p=") => Err(ScramError::BindingUnsupported),
            _ => Err(ScramError::Malformed(Message::ClientFirst)),
        }
    }

    /// The whole GS2 header: there is no authzid.
    pub(super) fn header(self) -> &'static str {
        match self {
            Self::Unable => "n,,",
            Self::Unoffered => "y,,",
            Self::TlsExporter => "p=tls-exporter,,",
        }
    }

    /// `cbind-input`: what `c=` holds in base64.
    pub(super) fn input(self, binding: &Binding) -> Vec<u8> {
        let mut input = self.header().as_bytes().to_vec();
        if let Binding::TlsExporter(material) = binding {
            input.extend_from_slice(material);
        }
        input
    }
}

/// Checks a nonce: printable ASCII but the comma (RFC 5802, section 7, `printable`).
pub(super) fn check_nonce(nonce: &str) -> Result<(), ScramError> {
    match !nonce.is_empty()
        && nonce
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b',')
    {
        true => Ok(()),
        false => Err(ScramError::BadNonce),
    }
}

/// Parses a `posit-number`: neither sign nor leading zero.
pub(super) fn parse_count(digits: &str) -> Option<u32> {
    let plain = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

pub(super) fn encode_saslname(name: &str) -> String {
    name.replace('=', "=3D").replace(',', "=2C")
}

/// Undoes [`encode_saslname`]; any other `=` is an error (RFC 5802, section 5.1, `n`).
pub(super) fn decode_saslname(encoded: &str) -> Option<String> {
    let mut parts = encoded.split('=');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (escaped, plain) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(plain), _) => (',', plain),
            (_, Some(plain)) => ('=', plain),
            _ => return None,
        };
        name.push(escaped);
        name.push_str(plain);
    }
    Some(name)
}

fn is_letter(name: &str) -> bool {
    matches!(name.as_bytes(), [letter] if letter.is_ascii_alphabetic())
}
