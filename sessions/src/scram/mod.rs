//! SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, 7677) with the channel binding `tls-exporter`
//! (RFC 9266): both ends, as values that are consumed step by step.
//!
//! No clock, no randomness, no IO: nonces and the binding are arguments, messages are bytes before
//! base64.
//!
//! ```text
//! ClientLogin::new ----- client-first ----> ClientFirst::parse
//! ClientLogin::answer <- server-first ----- ClientFirst::challenge
//!                     -- client-final ----> ServerProof::verify
//! AwaitSignature::check <- server-final ---
//! ```
//!
//! [`prove_change`] and [`check_change`] are for a later change of the password.

mod change;
mod client;
mod keys;
mod message;
mod server;
#[cfg(test)]
mod tests;
mod verifier;

use std::fmt;

use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

pub use change::{KeyDerivation, check_change, prove_change};
pub use client::{AwaitSignature, ClientLogin};
pub use message::Message;
pub use server::{ClientFirst, ServerProof};
pub use verifier::Verifier;

/// The fewest PBKDF2 rounds made or answered; a man in the middle who asks for fewer wants a proof
/// that is cheap to guess from.
pub const MIN_ITERATIONS: u32 = 10_000;

/// The most PBKDF2 rounds made or answered, so that no server can hold a client for minutes.
pub const MAX_ITERATIONS: u32 = 10_000_000;

/// The longest message read from a peer, in bytes before base64.
pub const MAX_MESSAGE: usize = 4096;

/// The channel that a login is tied to.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub enum Binding {
    /// No TLS: plain SCRAM-SHA-256.
    None,
    /// 32 bytes of keying material with the label `EXPORTER-Channel-Binding` and an empty context
    /// (RFC 9266, section 2).
    TlsExporter([u8; 32]),
}

impl fmt::Debug for Binding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::TlsExporter(_) => "TlsExporter(..)",
        })
    }
}

/// Why a login ended; holds nothing secret and nothing that the peer wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ScramError {
    #[error("the {0} is longer than {MAX_MESSAGE} bytes")]
    TooLong(Message),
    #[error("the {0} does not follow the grammar of RFC 5802")]
    Malformed(Message),
    #[error("the {0} demands an extension that is not known here")]
    MandatoryExtension(Message),
    #[error("logging in on behalf of another user is not supported: leave the authzid empty")]
    Authzid,
    #[error("this connection demands the channel binding tls-exporter: log in with it")]
    BindingRequired,
    #[error("the channel binding asked for is not offered on this connection")]
    BindingUnsupported,
    #[error("the login is bound to another channel: someone may stand in between")]
    BindingMismatch,
    #[error("a nonce must be printable ascii without a comma, and not empty")]
    BadNonce,
    #[error("the nonce of the {0} does not continue this login")]
    NonceMismatch(Message),
    #[error("the salt is empty")]
    EmptySalt,
    #[error(
        "{0} iterations are outside of what is safe: give {MIN_ITERATIONS} to {MAX_ITERATIONS}"
    )]
    Iterations(u32),
    #[error("the user name is empty or holds characters that SASLprep forbids")]
    BadUser,
    #[error("the password is empty")]
    EmptyPassword,
    #[error("the password holds characters that SASLprep forbids, such as control characters")]
    BadPassword,
    #[error("the user name or the password is wrong")]
    WrongProof,
    #[error("the server refused the login: check the user name and the password")]
    Refused,
    #[error("the server did not prove that it knows this account: do not trust it")]
    WrongSignature,
}
