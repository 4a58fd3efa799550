//! Joins the two halves of a dialect, decoder and encoder, in one value, so that a conversation
//! serves either dialect.

use super::command::Command;
use super::line::Rules;
use super::reply::{Malformed, Reply};
use super::{ftp, native};

/// A dialect: how lines are found, decoded and encoded.
pub struct Codec {
    /// How bytes are cut into lines.
    pub rules: Rules,
    /// Decodes one line without its end.
    pub decode: fn(&[u8]) -> Result<Command, Malformed>,
    /// Appends a reply's lines to the buffer and returns its code.
    pub encode: fn(&Reply, &mut Vec<u8>) -> u16,
    /// Whether the line may overtake others while a transfer runs.
    pub is_urgent: fn(&[u8]) -> bool,
    /// Whether the line ends the session, so that its client may close without waiting for the
    /// answer.
    pub is_quit: fn(&[u8]) -> bool,
    /// Whether content may follow the line without waiting for its answer. The line may break every
    /// other rule.
    pub announces_content: fn(&[u8], Extent) -> bool,
}

/// How much of a line is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    Whole,
    /// It is too long, or its end may not be where it seems to be.
    Beginning,
}

/// The native dialect (PROTOCOL.md).
pub static NATIVE: Codec = Codec {
    rules: Rules::Strict,
    decode: native::verbs::decode,
    encode: native::codes::encode,
    is_urgent: native::verbs::is_abort,
    is_quit: |_| false,
    announces_content: native::verbs::announces_content,
};

/// FTP with its extensions.
pub static FTP: Codec = Codec {
    rules: Rules::Telnet,
    decode: ftp::verbs::decode,
    encode: ftp::codes::encode,
    is_urgent: ftp::verbs::is_urgent,
    is_quit: ftp::verbs::is_quit,
    // Content has a connection of its own.
    announces_content: |_, _| false,
};
