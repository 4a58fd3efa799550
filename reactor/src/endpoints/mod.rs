//! What stands behind the listeners of each dialect, made from the configuration at the start and
//! at each SIGHUP: TLS, FTP's policy, passive ports, limits of sessions. Open sockets and
//! connections do not belong here.

pub(crate) mod inherited;
pub(crate) mod limits;
pub(crate) mod passive_ports;
pub(crate) mod reload;
pub(crate) mod sockets;

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use skiff_conf::{PassiveAddress, ProxyProtocol, Resumption, Server};
use skiff_sessions::host::Hosts;
use skiff_sessions::server::TlsPolicy;

use self::passive_ports::{Advertised, PassivePorts};
use crate::tls::ftp::FtpTls;
use crate::tls::validity::Validities;
use crate::tls::{ServerIdentity, Tls, TlsError};

/// What the daemon was started as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartedAs {
    /// With settings, by an operator or a service manager.
    Server,
    /// With `--demo`, at a terminal, with which it ends: its addresses are those of the command line.
    Demo,
    /// The same, but the hangup of the terminal is to be ignored, as nohup(1) has it.
    DetachedDemo,
}

impl StartedAs {
    /// Puts the addresses in use into settings that were read again, where they are not from there.
    fn keep_addresses(self, config: &mut Server, in_use: &Server) {
        if self != Self::Server {
            config.native.listen.clone_from(&in_use.native.listen);
            config.ftp.listen.clone_from(&in_use.ftp.listen);
            config.ftp.implicit.clone_from(&in_use.ftp.implicit);
        }
    }
}

/// What connections of each dialect are set up with.
pub(crate) struct Endpoints {
    /// `None` where the native listeners speak without TLS.
    pub(crate) tls: Option<Tls>,
    /// `None` where FTP is off.
    pub(crate) ftp: Option<FtpEndpoint>,
    /// Whose word is taken for a client's address.
    pub(crate) proxies: ProxyProtocol,
    /// When the certificates are valid, as far as there are any.
    pub(crate) validities: Validities,
    /// What FTP clients may say that the server is.
    pub(crate) hosts: Hosts,
}

/// What FTP connections are set up with.
pub(crate) struct FtpEndpoint {
    /// `None` where FTP offers no TLS.
    pub(crate) tls: Option<FtpTls>,
    /// Who must use TLS is asked of these.
    settings: Box<skiff_conf::Ftp>,
    pub(crate) resumption: Resumption,
    pub(crate) passive: PassivePorts,
}

impl FtpEndpoint {
    /// What is demanded of a client that has connected to `listener`, an address of the settings.
    pub(crate) fn policy(&self, listener: SocketAddr, client: IpAddr) -> TlsPolicy {
        match self.settings.tls_of(listener, client) {
            skiff_conf::FtpTls::Require => TlsPolicy::Required,
            skiff_conf::FtpTls::Optional => TlsPolicy::Optional,
            skiff_conf::FtpTls::Off => TlsPolicy::NotOffered,
        }
    }

    /// Takes over changed settings; passive ports in use stay counted.
    pub(crate) fn reconfigure(&mut self, fresh: Self) {
        self.tls = fresh.tls;
        self.settings = fresh.settings;
        self.resumption = fresh.resumption;
        self.passive.reconfigure(fresh.passive);
    }
}

/// The certificates and keys that the settings name, if any dialect uses them.
pub(crate) struct OperatorIdentity(Option<ServerIdentity>);

impl OperatorIdentity {
    /// Reads the files: apart from the rest, because they may be root's alone.
    pub(crate) fn load(config: &Server) -> Result<Self, TlsError> {
        let is_used = !config.tls.identities.is_empty() && uses_tls(config);
        let identity = is_used.then(|| ServerIdentity::load(&config.tls, &config.state));
        Ok(Self(identity.transpose()?))
    }
}

impl Endpoints {
    /// Makes or reads the daemon's own certificate where the operator has none, and resolves names.
    /// `before` is the FTP TLS in use, whose tickets stay valid.
    pub(crate) fn load(
        config: &Server,
        OperatorIdentity(operators): OperatorIdentity,
        before: Option<&FtpTls>,
    ) -> Result<Self, TlsError> {
        let native = config.native.tls == skiff_conf::Tls::On;
        let speaks_ftp = speaks_ftp(config);
        let over_tls = speaks_ftp && config.ftp.offers_tls();
        let identity = match operators {
            None if uses_tls(config) => Some(ServerIdentity::load(&config.tls, &config.state)?),
            operators => operators,
        };
        for fingerprint in identity.iter().flat_map(ServerIdentity::fingerprints) {
            log::info!("certificate fingerprint {fingerprint}");
        }
        let own = identity.as_ref().filter(|_| native);
        let theirs = identity.as_ref().filter(|_| over_tls);
        let ftp_tls =
            theirs.map(|identity| FtpTls::new(identity, config.ftp.data_tls_resumption, before));
        let ftp = FtpEndpoint {
            tls: ftp_tls.transpose()?,
            settings: Box::new(config.ftp.clone()),
            resumption: config.ftp.data_tls_resumption,
            passive: PassivePorts::new(&config.ftp, advertised(&config.ftp)),
        };
        Ok(Self {
            tls: own.map(Tls::new).transpose()?,
            ftp: speaks_ftp.then_some(ftp),
            proxies: config.proxy_protocol.clone(),
            validities: identity
                .as_ref()
                .map_or_else(Validities::default, |identity| {
                    identity.validities().clone()
                }),
            hosts: theirs.map_or(Hosts::Any, |identity| identity.hosts().clone()),
        })
    }
}

fn speaks_ftp(config: &Server) -> bool {
    !config.ftp.listen.is_empty() || !config.ftp.implicit.is_empty()
}

fn uses_tls(config: &Server) -> bool {
    let ftp = speaks_ftp(config) && config.ftp.offers_tls();
    config.native.tls == skiff_conf::Tls::On || ftp
}

/// The addresses that PASV announces to clients behind a translating router. Host names are looked
/// up here, at the start and at each SIGHUP, where blocking is allowed.
fn advertised(config: &skiff_conf::Ftp) -> Advertised {
    let rules = config.passive_address_for.iter();
    let rules = rules.map(|rule| (rule.network, resolve(&rule.address)));
    Advertised::new(resolve(&config.passive_address), rules.collect())
}

/// `None` for the one that a client has called.
fn resolve(address: &PassiveAddress) -> Option<IpAddr> {
    match address {
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
