//! A dialect's two halves in one value, so that a conversation is of either.

use super::command::Command;
use super::line::Rules;
use super::reply::{Malformed, Reply};
use super::{ftp, native};

pub struct Codec {
    /// How bytes become lines.
    pub rules: Rules,
    /// One line, its end taken off.
    pub decode: fn(&[u8]) -> Result<Command, Malformed>,
    /// Appends a reply's lines and tells its code.
    pub encode: fn(&Reply, &mut Vec<u8>) -> u16,
    /// What is looked for while something else goes on.
    pub is_urgent: fn(&[u8]) -> bool,
    /// Whose connection may end before it is answered.
    pub is_quit: fn(&[u8]) -> bool,
}

pub static NATIVE: Codec = Codec {
    rules: Rules::Strict,
    decode: native::verbs::decode,
    encode: native::codes::encode,
    is_urgent: native::verbs::is_abort,
    is_quit: |_| false,
};

pub static FTP: Codec = Codec {
    rules: Rules::Telnet,
    decode: ftp::verbs::decode,
    encode: ftp::codes::encode,
    is_urgent: ftp::verbs::is_urgent,
    is_quit: ftp::verbs::is_quit,
};
