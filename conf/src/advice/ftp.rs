//! Warnings about the `ftp` section of `server.ron`.

use std::net::{IpAddr, SocketAddr};

use crate::ftp::{Ftp, FtpTls, PassiveAddress};

/// Fewer passive ports get a warning: every transfer and listing takes one, so users would wait
/// for each other.
const FEW_PORTS: u16 = 10;

pub(super) fn advise(ftp: &Ftp, say: &mut impl FnMut(&'static str, String)) {
    if !ftp.is_on() {
        return;
    }
    advise_on_reach("ftp.listen", &ftp.listen, say);
    advise_on_reach("ftp.implicit", &ftp.implicit, say);
    advise_on_tls(ftp, say);
    advise_on_ports(ftp, say);
    advise_on_passive_address(ftp, say);
}

/// Notes that addresses take whatever comes to the machine.
pub(super) fn advise_on_reach(
    key: &'static str,
    listed: &[SocketAddr],
    say: &mut impl FnMut(&'static str, String),
) {
    let any = |address: &&SocketAddr| address.ip().is_unspecified();
    if let Some(all) = joined(listed.iter().filter(any)) {
        let text = format!("{all}: on every address of this machine");
        say(key, text);
    }
}

/// `a and b`; `None` of none.
pub(super) fn joined<'a>(addresses: impl Iterator<Item = &'a SocketAddr>) -> Option<String> {
    let texts: Vec<_> = addresses.map(SocketAddr::to_string).collect();
    (!texts.is_empty()).then(|| texts.join(" and "))
}

fn advise_on_tls(ftp: &Ftp, say: &mut impl FnMut(&'static str, String)) {
    let means = |tls| match tls {
        FtpTls::Require => None,
        FtpTls::Optional => Some("Optional, so passwords may cross the network in clear"),
        FtpTls::Off => Some("Off, so passwords and files cross the network in clear"),
    };
    for rule in &ftp.tls_for {
        let network = rule.network.map(|network| format!(" from {network}"));
        let listen = rule.listen.map(|listen| format!(" to {listen}"));
        if let Some(means) = means(rule.tls) {
            let whom = [network, listen].into_iter().flatten().collect::<String>();
            say("ftp.tls_for", format!("{means}{whom}"));
        }
    }
    let Some(means) = means(ftp.tls) else { return };
    let outside = |address: &&SocketAddr| !address.ip().to_canonical().is_loopback();
    if let Some(all) = joined(ftp.listen.iter().filter(outside)) {
        say("ftp.tls", format!("{means} from {all}"));
    }
}

fn advise_on_ports(ftp: &Ftp, say: &mut impl FnMut(&'static str, String)) {
    if let Some(range) = ftp.passive_ports
        && range.len() < FEW_PORTS
    {
        let text = format!(
            "{range}: every transfer and listing takes one, and there are only {}",
            range.len()
        );
        say("ftp.passive_ports", text);
    }
}

fn advise_on_passive_address(ftp: &Ftp, say: &mut impl FnMut(&'static str, String)) {
    let key = "ftp.passive_address";
    match &ftp.passive_address {
        PassiveAddress::Auto => {
            let mut listed = ftp.listen.iter().chain(&ftp.implicit);
            if let Some(address) = listed.find(|address| is_private(address.ip())) {
                let text = format!(
                    "auto, and {address} is private; behind NAT, write the address outside"
                );
                say(key, text);
            }
        }
        PassiveAddress::Address(IpAddr::V6(ip)) => say(
            key,
            format!("PASV cannot tell {ip}, only an IPv4 address (RFC 959); write one"),
        ),
        PassiveAddress::Address(_) | PassiveAddress::Host(_) => {}
    }
}

/// Whether `ip` is a private IPv4 address (RFC 1918). IPv6 does not matter: EPSV gives no address.
fn is_private(ip: IpAddr) -> bool {
    matches!(ip.to_canonical(), IpAddr::V4(ip) if ip.is_private())
}
