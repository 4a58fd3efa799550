//! TLS as connections get it, who must use it, and what is told of the certificates' dates.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::Connection as TlsConnection;
use skiff_sessions::server::TlsPolicy;
use time::OffsetDateTime;

use super::listener::Protocol;
use super::shared::Shared;
use crate::tls::Tls;
use crate::tls::ftp::SessionResumption;
use crate::transport::channel::Channel;

impl Shared {
    /// The TLS state of a new native connection; `None` without TLS.
    pub(crate) fn secure(&self) -> io::Result<Option<TlsConnection>> {
        self.tls
            .as_ref()
            .map(Tls::connection)
            .transpose()
            .map_err(io::Error::other)
    }

    /// Whether peers of these listeners speak TLS from the first byte.
    pub(crate) fn is_under_tls(&self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Native => self.tls.is_some(),
            Protocol::Ftp => false,
            Protocol::FtpOverTls => true,
        }
    }

    /// What is demanded of a client that has connected to `listener`, an address of the settings.
    /// Under TLS from the first byte, data in clear is all that there is to demand or not.
    pub(crate) fn tls_policy(
        &self,
        protocol: Protocol,
        listener: SocketAddr,
        client: IpAddr,
    ) -> TlsPolicy {
        let ftp = self.ftp.as_ref();
        let policy = ftp.map_or(TlsPolicy::NotOffered, |ftp| ftp.policy(listener, client));
        match (protocol, policy) {
            (Protocol::Native, _) => TlsPolicy::NotOffered,
            (Protocol::FtpOverTls, TlsPolicy::NotOffered) => TlsPolicy::Optional,
            (Protocol::Ftp | Protocol::FtpOverTls, policy) => policy,
        }
    }

    /// Switches an FTP control connection to TLS, as the host that its client has named; sets what
    /// data connections of its session resume.
    pub(crate) fn secure_ftp(
        &self,
        channel: &mut Channel,
        host: Option<Arc<str>>,
        resumption: &mut Option<SessionResumption>,
    ) -> io::Result<()> {
        let tls = self.ftp.as_ref().and_then(|ftp| ftp.tls.as_ref());
        let tls = tls.ok_or_else(|| io::Error::other("this listener has none"))?;
        let session = SessionResumption::of_host(host).map_err(io::Error::other)?;
        let session = resumption.insert(session);
        let (tls, fallback) = tls.control(session).map_err(io::Error::other)?;
        channel.secure_control(tls, fallback);
        Ok(())
    }

    /// Warns of certificates that have expired or are about to.
    pub(crate) fn warn_of_certificate(&self) {
        for warning in self.validities.warnings(OffsetDateTime::now_utc()) {
            log::warn!("{warning}");
        }
    }

    /// Of the first one that expires, in seconds since 1970.
    pub(crate) fn certificate_expiry(&self) -> Option<u64> {
        let until = self.validities.first_end()?.unix_timestamp();
        u64::try_from(until).ok()
    }
}
