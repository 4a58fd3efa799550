//! TLS 1.3 for a control connection that was to have TLS 1.2, and whose client has only the other.

use std::io::{self, Read};
use std::sync::Arc;

use rustls::{Connection, Error, PeerIncompatible, ServerConfig, ServerConnection};

use super::SessionResumption;

/// What rustls says of a client without TLS 1.2.
const NO_TLS12: Error = Error::PeerIncompatible(PeerIncompatible::Tls12NotOfferedOrEnabled);

/// Keeps a ClientHello until it was accepted, so that another configuration can be asked.
pub(crate) struct Tls13Fallback {
    config: Arc<ServerConfig>,
    session: SessionResumption,
    /// What came of the ClientHello; rustls bounds its length.
    came: Vec<u8>,
}

impl Tls13Fallback {
    pub(super) fn new(config: Arc<ServerConfig>, session: SessionResumption) -> Self {
        Self {
            config,
            session,
            came: Vec::new(),
        }
    }

    /// Hands through what `from` reads, and keeps it.
    pub(crate) fn record<R: Read>(&mut self, from: R) -> impl Read {
        Recorded {
            from,
            came: &mut self.came,
        }
    }

    /// The connection that goes on after `refusal`, if its reason was the version.
    pub(crate) fn after(self, refusal: Error) -> Result<Connection, Error> {
        if refusal != NO_TLS12 {
            return Err(refusal);
        }
        self.session.has_tls13();
        let mut connection = ServerConnection::new(self.config)?;
        let mut came = self.came.as_slice();
        while !came.is_empty() {
            // A slice cannot fail to be read.
            let _ = connection.read_tls(&mut came);
            connection.process_new_packets()?;
        }
        Ok(connection.into())
    }
}

struct Recorded<'a, R> {
    from: R,
    came: &'a mut Vec<u8>,
}

impl<R: Read> Read for Recorded<'_, R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buf)?;
        self.came.extend_from_slice(&buf[..count]);
        Ok(count)
    }
}
