//! Settings that hold for some clients only: by the network that a client is in, and by the address
//! that it has connected to.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

use crate::address::Network;
use crate::complaint::Complaint;
use crate::document::Document;
use crate::ftp::{Ftp, FtpTls, PORT, PassiveAddress};
use crate::listen;

/// Whether clients of a network, or of a listener, must use TLS in FTP.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsRule {
    /// `None`: whatever network they are in.
    #[serde(default)]
    pub network: Option<Network>,
    /// One of `ftp.listen`; `None`: wherever they connect.
    #[serde(default, deserialize_with = "listen::some_address::<PORT, _>")]
    pub listen: Option<SocketAddr>,
    pub tls: FtpTls,
}

impl TlsRule {
    fn holds_for(&self, listener: SocketAddr, client: IpAddr) -> bool {
        self.network.is_none_or(|network| network.contains(client))
            && self.listen.is_none_or(|listen| listen == listener)
    }

    /// Of two rules that hold, the one of the smaller network counts, then the one of a listener.
    fn precedence(&self) -> (Option<u8>, bool) {
        let prefix = self.network.map(|network| network.prefix());
        (prefix, self.listen.is_some())
    }
}

/// The address that PASV tells clients of a network.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PassiveRule {
    pub network: Network,
    pub address: PassiveAddress,
}

impl Ftp {
    /// Whether this client must use TLS that has connected to `listener`, an address of the settings.
    pub fn tls_of(&self, listener: SocketAddr, client: IpAddr) -> FtpTls {
        let all = self.tls_for.iter();
        let holding = all.filter(|rule| rule.holds_for(listener, client));
        // Of equals the first.
        let rule = holding.rev().max_by_key(|rule| rule.precedence());
        rule.map_or(self.tls, |rule| rule.tls)
    }

    /// The addresses that PASV may tell.
    pub fn passive_addresses(&self) -> impl Iterator<Item = &PassiveAddress> {
        let rules = self.passive_address_for.iter().map(|rule| &rule.address);
        std::iter::once(&self.passive_address).chain(rules)
    }

    /// Whether TLS is offered to anybody.
    pub fn offers_tls(&self) -> bool {
        let rules = self.tls_for.iter().map(|rule| rule.tls);
        rules.chain([self.tls]).any(|tls| tls != FtpTls::Off)
    }

    pub(crate) fn check_rules(&self, document: &Document) -> Result<(), Complaint> {
        let key = "ftp.tls_for";
        for rule in &self.tls_for {
            let what = match rule.listen {
                None if rule.network.is_none() => {
                    "a rule names neither a network nor a listener; write network: \"10.0.5.0/24\", \
                     or listen: with an address of ftp.listen"
                        .to_owned()
                }
                Some(address) if !self.listen.contains(&address) => {
                    let texts = self.listen.iter().map(SocketAddr::to_string);
                    let near = listen::suggest(address, texts);
                    format!("{address} is no address of ftp.listen; {near}")
                }
                _ => continue,
            };
            return Err(document.complain(key, what));
        }
        Ok(())
    }
}

/// The `proxy_protocol` section: the proxies that say for whom they connect.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProxyProtocol {
    /// Addresses of the listeners to which proxies alone connect.
    #[serde(deserialize_with = "listen::addresses::<PORT, _>")]
    pub listen: Vec<SocketAddr>,
    /// Whence proxies connect; others are closed.
    pub from: Vec<Network>,
}

impl ProxyProtocol {
    pub fn is_spoken_to(&self, listener: SocketAddr) -> bool {
        self.listen.contains(&listener)
    }

    pub fn trusts(&self, proxy: IpAddr) -> bool {
        self.from.iter().any(|network| network.contains(proxy))
    }

    /// `lists` are all addresses that are listened on.
    pub(crate) fn check(
        &self,
        lists: &[&[SocketAddr]],
        document: &Document,
    ) -> Result<(), Complaint> {
        let (key, what) = match (self.listen.as_slice(), self.from.as_slice()) {
            ([], []) => return Ok(()),
            ([], _) => (
                "proxy_protocol.from",
                "no listener is for them; name some in proxy_protocol.listen",
            ),
            (_, []) => (
                "proxy_protocol.listen",
                "nobody may connect there; name the proxies in proxy_protocol.from",
            ),
            _ => return self.check_listen(lists, document),
        };
        Err(document.complain(key, what))
    }

    fn check_listen(&self, lists: &[&[SocketAddr]], document: &Document) -> Result<(), Complaint> {
        let is_unknown = |address: &&SocketAddr| !lists.iter().any(|list| list.contains(address));
        let Some(&address) = self.listen.iter().find(is_unknown) else {
            return Ok(());
        };
        let known = lists.iter().copied().flatten();
        let near = listen::suggest(address, known.map(SocketAddr::to_string));
        let what =
            format!("{address} is no address of native.listen, ftp.listen or ftp.implicit; {near}");
        Err(document.complain("proxy_protocol.listen", what))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::server::Server;

    #[test]
    fn the_smallest_network_counts_and_then_the_listener() {
        let text = "(ftp: (listen: [\"0.0.0.0:21\", \"[::]:21\"], tls: Require, tls_for: [
            (network: \"10.0.0.0/8\", tls: Optional),
            (network: \"10.0.5.0/24\", tls: Off),
            (network: \"10.0.5.7\", tls: Require),
            (listen: \"[::]:21\", tls: Optional),
            (network: \"10.0.5.0/24\", listen: \"[::]:21\", tls: Require),
            (network: \"10.0.5.0/24\", tls: Optional),
        ]))";
        let ftp = Server::parse(text, Path::new("server.ron")).unwrap().ftp;
        for (listener, client, tls) in [
            ("0.0.0.0:21", "192.0.2.1", FtpTls::Require),
            ("0.0.0.0:21", "10.1.1.1", FtpTls::Optional),
            ("0.0.0.0:21", "10.0.5.1", FtpTls::Off),
            ("0.0.0.0:21", "::ffff:10.0.5.1", FtpTls::Off),
            ("0.0.0.0:21", "10.0.5.7", FtpTls::Require),
            ("[::]:21", "2001:db8::1", FtpTls::Optional),
            ("[::]:21", "10.1.1.1", FtpTls::Optional),
            ("[::]:21", "10.0.5.1", FtpTls::Require),
        ] {
            let found = ftp.tls_of(listener.parse().unwrap(), client.parse().unwrap());
            assert_eq!(found, tls, "{listener} {client}");
        }
        assert!(ftp.offers_tls());
    }
}
