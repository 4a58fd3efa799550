//! What the listeners of each dialect serve with, made from the configuration at the start and at
//! each SIGHUP: TLS, FTP's policy, passive ports, the limits of sessions. Sockets that are open,
//! and whoever uses them, do not belong here.

pub(crate) mod limits;
pub(crate) mod passive_ports;
pub(crate) mod reload;

use std::net::{IpAddr, ToSocketAddrs};

use skiff_conf::{PassiveAddress, Resumption, Server};
use skiff_sessions::server::TlsPolicy;

use self::passive_ports::PassivePorts;
use crate::tls::ftp::FtpTls;
use crate::tls::{ServerIdentity, Tls, TlsError};

/// What is behind the listeners of each dialect.
pub(crate) struct Endpoints {
    /// `None` where the native listeners speak in clear.
    pub(crate) tls: Option<Tls>,
    /// `None` where no FTP is spoken.
    pub(crate) ftp: Option<FtpEndpoint>,
}

/// What FTP's connections share.
pub(crate) struct FtpEndpoint {
    /// `None` where no TLS is offered.
    pub(crate) tls: Option<FtpTls>,
    pub(crate) policy: TlsPolicy,
    pub(crate) resumption: Resumption,
    pub(crate) passive: PassivePorts,
}

impl Endpoints {
    /// `before`: what sessions under way hold tickets of.
    pub(crate) fn load(config: &Server, before: Option<&FtpTls>) -> Result<Self, TlsError> {
        let native = config.native.tls == skiff_conf::Tls::On;
        let speaks_ftp = !config.ftp.listen.is_empty() || !config.ftp.implicit.is_empty();
        let over_tls = speaks_ftp && config.ftp.tls != skiff_conf::FtpTls::Off;
        let identity = match native || over_tls {
            true => Some(ServerIdentity::load(config.tls.as_ref(), &config.state)?),
            false => None,
        };
        if let Some(identity) = &identity {
            log::info!("certificate fingerprint {}", identity.fingerprint());
        }
        let own = identity.as_ref().filter(|_| native);
        let theirs = identity.as_ref().filter(|_| over_tls);
        let ftp_tls = theirs.map(|identity| FtpTls::new(identity, before));
        let ftp = FtpEndpoint {
            tls: ftp_tls.transpose()?,
            policy: match config.ftp.tls {
                skiff_conf::FtpTls::Require => TlsPolicy::Required,
                skiff_conf::FtpTls::Optional => TlsPolicy::Optional,
                skiff_conf::FtpTls::Off => TlsPolicy::NotOffered,
            },
            resumption: config.ftp.data_tls_resumption,
            passive: PassivePorts::new(config.ftp.passive_ports, advertised_address(config)),
        };
        Ok(Self {
            tls: own.map(Tls::new).transpose()?,
            ftp: speaks_ftp.then_some(ftp),
        })
    }
}

/// What clients behind a translating router are told; looked up here, where it
/// may block, at the start and at each SIGHUP.
fn advertised_address(config: &Server) -> Option<IpAddr> {
    match &config.ftp.passive_address {
        PassiveAddress::Auto => None,
        PassiveAddress::Address(address) => Some(*address),
        PassiveAddress::Host(name) => {
            let found = (name.as_str(), 0).to_socket_addrs();
            let address = found.ok().and_then(|mut all| all.next());
            if address.is_none() {
                log::error!("passive_address: {name} is no known host; clients are told our own");
            }
            address.map(|address| address.ip())
        }
    }
}
