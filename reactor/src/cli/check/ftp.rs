//! Checks FTP's addresses and passive ports against this machine and the network around it.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, ToSocketAddrs, UdpSocket};
use std::ops::RangeInclusive;

use skiff_conf::{CloseNotify, DYNAMIC_PORTS, Ftp, FtpTls, LostControl, PassiveAddress, PortRange};

use super::report::Report;

const PORTS: &str = "ftp.passive_ports";
const ADDRESS: &str = "ftp.passive_address";
const ADDRESSES: &str = "ftp.passive_address_for";

/// The ephemeral ports of this machine, and the reserved ones among them (ip(7)).
const GIVEN: &str = "/proc/sys/net/ipv4/ip_local_port_range";
const KEPT_BACK: &str = "/proc/sys/net/ipv4/ip_local_reserved_ports";

pub(super) fn examine(ftp: &Ftp, report: &mut Report<'_>) {
    if !ftp.is_on() {
        return report.ok("ftp", "no address, so no FTP");
    }
    examine_tls(ftp, report);
    examine_ends(ftp, report);
    examine_ports(ftp, report);
    examine_passive_address(ftp, report);
}

/// `Server::advice` reports the rest.
fn examine_tls(ftp: &Ftp, report: &mut Report<'_>) {
    let key = "ftp.tls";
    match ftp.tls {
        FtpTls::Require => report.ok(key, "Require, so nobody logs in or transfers in clear"),
        FtpTls::Optional => report.ok(key, "Optional, so each client chooses"),
        FtpTls::Off => report.ok(key, "Off, so everything crosses in clear"),
    }
}

/// What an upload is taken for whole by.
fn examine_ends(ftp: &Ftp, report: &mut Report<'_>) {
    let key = "ftp.data_close_notify";
    match ftp.data_close_notify {
        CloseNotify::Require => report.ok(
            key,
            "Require, so an upload over TLS is stored only where TLS ends it; \
             programs on .NET never do that",
        ),
        CloseNotify::Prefer => report.ok(
            key,
            "Prefer, so an upload over TLS is stored where TLS ends it or its client lives on",
        ),
        CloseNotify::Warn => report.note(
            key,
            "Warn, so the beginning of a file is stored as if it were whole when a client is \
             killed; Prefer stores what clients without close_notify send, and not that",
        ),
    }
    let key = "ftp.publish_on_lost_control";
    match ftp.publish_on_lost_control {
        LostControl::Discard => report.ok(key, "false, so a client that hangs up has not stored"),
        LostControl::Publish => report.note(
            key,
            "true for every user, so the beginning of a file is stored in clear as if it were \
             whole when a client is killed; better for single users, by \
             skiffd user set --publish-on-lost-control on",
        ),
    }
}

fn examine_ports(ftp: &Ftp, report: &mut Report<'_>) {
    let given = Ports::given();
    let Some(range) = ftp.passive_ports else {
        let (first, last) = (DYNAMIC_PORTS.start(), DYNAMIC_PORTS.end());
        let given = match given.range {
            Some(range) => format!("from {} to {}", range.start(), range.end()),
            None => "that the system gives".to_owned(),
        };
        let text = format!(
            "any from {first} to {last}; where most of them are taken, any {given}: say a range, \
             for a firewall"
        );
        return report.ok(PORTS, &text);
    };
    if let Some(ip) = addresses(ftp).next().map(|address| address.ip()) {
        examine_range(ip, range, report);
    }
    if let Some(text) = given.overlap(range) {
        report.note(PORTS, &text);
    }
}

/// Tries to bind each port, as data connections will.
fn examine_range(ip: IpAddr, range: PortRange, report: &mut Report<'_>) {
    let mut taken = 0;
    for port in range.first()..=range.last() {
        match TcpListener::bind((ip, port)).map_err(|error| error.kind()) {
            Err(io::ErrorKind::AddrInUse) => taken += 1,
            Err(io::ErrorKind::PermissionDenied) => {
                let text = format!("{range}: the system does not let this user listen on {port}");
                return report.wrong(PORTS, &text);
            }
            // Another error concerns the address and is reported with it.
            _ => {}
        }
    }
    let all = range.len();
    match taken {
        0 => report.ok(PORTS, &format!("{range}: {all} data connections at a time")),
        _ => report.note(
            PORTS,
            &format!("{range}: {taken} of these {all} are taken at the moment"),
        ),
    }
}

/// Reads the ephemeral ports.
struct Ports {
    range: Option<RangeInclusive<u16>>,
    kept_back: Vec<RangeInclusive<u16>>,
}

impl Ports {
    fn given() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        Self::parse(&read(GIVEN), &read(KEPT_BACK))
    }

    /// Parses `32768 60999`, and `8080,61000-61099`.
    fn parse(range: &str, kept_back: &str) -> Self {
        let mut ends = range.split_whitespace().filter_map(|end| end.parse().ok());
        let (first, last) = (ends.next(), ends.next());
        let kept_back = kept_back.trim().split(',').filter_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            Some(first.parse().ok()?..=last.parse().ok()?)
        });
        Self {
            range: first.zip(last).map(|(first, last)| first..=last),
            kept_back: kept_back.collect(),
        }
    }

    fn overlap(&self, wanted: PortRange) -> Option<String> {
        let range = self.range.as_ref()?;
        let is_given = |port: &u16| {
            range.contains(port) && !self.kept_back.iter().any(|kept| kept.contains(port))
        };
        (wanted.first()..=wanted.last()).find(is_given)?;
        Some(format!(
            "{wanted}: the system gives ports from {} to {} to every program, so some may be \
             taken; choose others, or keep these back with \
             sysctl net.ipv4.ip_local_reserved_ports={wanted}",
            range.start(),
            range.end()
        ))
    }
}

fn examine_passive_address(ftp: &Ftp, report: &mut Report<'_>) {
    match &ftp.passive_address {
        PassiveAddress::Auto => match private_behind(ftp) {
            None => report.ok(ADDRESS, "auto: clients are told the address they called"),
            Some(ip) => report.note(
                ADDRESS,
                &format!(
                    "auto, and this machine's {ip} is private; \
                     behind NAT, write the address outside"
                ),
            ),
        },
        PassiveAddress::Address(ip) => report.ok(ADDRESS, &format!("clients are told {ip}")),
        PassiveAddress::Host(host) => {
            examine_host(ADDRESS, host, look_up(host).as_deref(), report);
        }
    }
    for rule in &ftp.passive_address_for {
        let network = &rule.network;
        match &rule.address {
            PassiveAddress::Auto => {
                let text = format!("clients in {network} are told the address they called");
                report.ok(ADDRESSES, &text);
            }
            PassiveAddress::Address(ip) => {
                report.ok(ADDRESSES, &format!("clients in {network} are told {ip}"));
            }
            PassiveAddress::Host(host) => {
                examine_host(ADDRESSES, host, look_up(host).as_deref(), report);
            }
        }
    }
}

fn look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    let found = (host, 0).to_socket_addrs()?;
    Ok(found.map(|address| address.ip()).collect())
}

fn examine_host(
    key: &'static str,
    host: &str,
    found: Result<&[IpAddr], &io::Error>,
    report: &mut Report<'_>,
) {
    let first = |found: &[IpAddr]| found.iter().find(|ip| ip.is_ipv4()).copied();
    match found.map(first) {
        Ok(Some(ip)) => report.ok(key, &format!("{host}: clients are told {ip}")),
        Ok(None) => report.wrong(
            key,
            &format!("{host} has no IPv4 address, and PASV can tell no other (RFC 959)"),
        ),
        Err(error) => report.wrong(key, &format!("{host} cannot be resolved: {error}")),
    }
}

/// The private address (RFC 1918) that this machine uses to reach others, if FTP listens on every
/// address.
fn private_behind(ftp: &Ftp) -> Option<Ipv4Addr> {
    addresses(ftp).find(|address| address.ip().is_unspecified())?;
    match outward().ok()? {
        IpAddr::V4(ip) if ip.is_private() => Some(ip),
        _ => None,
    }
}

/// Connecting a datagram socket picks a route and sends nothing; TEST-NET-1 (RFC 5737) stands for
/// any address.
fn outward() -> io::Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
    Ok(socket.local_addr()?.ip())
}

fn addresses(ftp: &Ftp) -> impl Iterator<Item = &SocketAddr> {
    ftp.listen.iter().chain(&ftp.implicit)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use skiff_conf::Server;

    use super::*;
    use crate::cli::check::tests::reported;

    fn ftp(keys: &str) -> Ftp {
        let text = format!("(ftp: ({keys}))");
        Server::parse(&text, Path::new("server.ron")).unwrap().ftp
    }

    fn range(text: &str) -> PortRange {
        text.parse().unwrap()
    }

    #[test]
    fn a_server_with_ftp_and_one_without() {
        let (text, wrong) = reported(|report| examine(&ftp("listen: []"), report));
        assert_eq!(
            (text.as_str(), wrong.len()),
            ("ok    ftp: no address, so no FTP\n", 0)
        );

        let keys = "passive_address: \"203.0.113.7\"";
        let (text, wrong) = reported(|report| examine(&ftp(keys), report));
        assert!(wrong.is_empty(), "{text}");
        for line in [
            "ok    ftp.tls: Require, ",
            "ok    ftp.data_close_notify: Prefer, ",
            "ok    ftp.publish_on_lost_control: false, ",
            "ok    ftp.passive_ports: any from 49152 to 65535; ",
            "ok    ftp.passive_address: clients are told 203.0.113.7",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
    }

    #[test]
    fn what_stores_cut_uploads_is_noted() {
        let keys = "data_close_notify: Warn, publish_on_lost_control: true";
        let (text, wrong) = reported(|report| examine_ends(&ftp(keys), report));
        assert_eq!(wrong.len(), 0);
        let noted = |key: &str| text.contains(&format!("note  ftp.{key}: "));
        assert!(
            noted("data_close_notify") && noted("publish_on_lost_control"),
            "{text}"
        );
    }

    #[test]
    fn taken_ports_are_counted() {
        let (taken, mine) = two_neighbours();
        let ip = IpAddr::from([127, 0, 0, 1]);
        let both = range(&format!("{taken}-{}", taken + 1));
        let (text, wrong) = reported(|report| examine_range(ip, both, report));
        let expected =
            format!("note  ftp.passive_ports: {both}: 1 of these 2 are taken at the moment\n");
        assert_eq!((text, wrong.len()), (expected, 0));
        drop(mine);
        let (text, _) = reported(|report| examine_range(ip, both, report));
        let expected = format!("ok    ftp.passive_ports: {both}: 2 data connections at a time\n");
        assert_eq!(text, expected);
    }

    /// A port that is taken as long as the listener lives, under one that is free.
    fn two_neighbours() -> (u16, TcpListener) {
        let neighbours = (20_000..30_000).find_map(|port| {
            let mine = TcpListener::bind(("127.0.0.1", port)).ok()?;
            TcpListener::bind(("127.0.0.1", port + 1)).ok()?;
            Some((port, mine))
        });
        neighbours.expect("two free ports")
    }

    #[test]
    fn ports_that_the_system_gives_to_others_are_told() {
        let ports = Ports::parse("32768\t60999\n", "8080,40000-40009\n");
        for (wanted, overlaps) in [
            ("61000-61099", false),
            ("2000-32767", false),
            ("60999-61099", true),
            ("2000-32768", true),
            ("40000-40009", false),
            ("40000-40010", true),
        ] {
            assert_eq!(ports.overlap(range(wanted)).is_some(), overlaps, "{wanted}");
        }
        let text = ports.overlap(range("50000-50099")).unwrap();
        assert!(
            text.contains("from 32768 to 60999") && text.ends_with("=50000-50099"),
            "{text}"
        );
        assert!(Ports::parse("", "").overlap(range("50000-50099")).is_none());
    }

    #[test]
    fn a_host_needs_an_address_that_pasv_can_tell() {
        let ips = |texts: &[&str]| -> Vec<IpAddr> {
            texts.iter().map(|text| text.parse().unwrap()).collect()
        };
        let both = ips(&["2001:db8::7", "203.0.113.7"]);
        let (text, wrong) =
            reported(|report| examine_host(ADDRESS, "ftp.example", Ok(&both), report));
        assert!(
            wrong.is_empty() && text.contains("clients are told 203.0.113.7"),
            "{text}"
        );
        let six = ips(&["2001:db8::7"]);
        let (text, wrong) =
            reported(|report| examine_host(ADDRESS, "ftp.example", Ok(&six), report));
        assert_eq!(wrong, [ADDRESS], "{text}");
        let error = io::Error::other("no such name");
        let (text, wrong) =
            reported(|report| examine_host(ADDRESS, "ftp.example", Err(&error), report));
        assert_eq!(wrong, [ADDRESS], "{text}");
        assert!(
            text.contains("ftp.example cannot be resolved: no such name"),
            "{text}"
        );
        let keys = "passive_address: \"203.0.113.7\", \
                    passive_address_for: [(network: \"10.0.0.0/8\", address: \"10.0.0.1\")]";
        let (text, _) = reported(|report| examine_passive_address(&ftp(keys), report));
        let told = "ok    ftp.passive_address_for: clients in 10.0.0.0/8 are told 10.0.0.1";
        assert!(text.contains(told), "{text}");
    }
}
