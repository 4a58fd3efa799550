//! Parses lists of listening addresses, and finds addresses that cannot be bound together.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Deserializer, de};

use crate::parse_error;
use crate::units::BadValue;

/// Parses a list of `IP:PORT`; complaints show `PORT` as an example.
pub(crate) fn addresses<'de, const PORT: u16, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<SocketAddr>, D::Error> {
    let listed = Vec::<Listen<PORT>>::deserialize(deserializer)?;
    Ok(listed.into_iter().map(|Listen(address)| address).collect())
}

/// Parses one `IP:PORT`.
pub(crate) fn some_address<'de, const PORT: u16, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SocketAddr>, D::Error> {
    let listed = Option::<Listen<PORT>>::deserialize(deserializer)?;
    Ok(listed.map(|Listen(address)| address))
}

/// What to write instead of an address that is not listened on.
pub(crate) fn suggest(address: SocketAddr, known: impl Iterator<Item = String>) -> String {
    let known: Vec<String> = known.collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    parse_error::suggest(&address.to_string(), &known)
}

/// This port on all addresses of both families.
pub(crate) fn everywhere(port: u16) -> Vec<SocketAddr> {
    let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    any.map(|ip| SocketAddr::new(ip, port)).into()
}

/// The first address that is in the list twice.
pub(crate) fn find_repeated(listed: &[SocketAddr]) -> Option<SocketAddr> {
    let mut numbered = listed.iter().enumerate();
    numbered
        .find(|(i, address)| listed[..*i].contains(address))
        .map(|(_, &address)| address)
}

/// The first address of `ours` that cannot be bound together with one of `theirs`, and that one.
pub(crate) fn find_clash(
    ours: &[SocketAddr],
    theirs: &[SocketAddr],
) -> Option<(SocketAddr, SocketAddr)> {
    ours.iter().find_map(|&our| {
        let same = theirs.iter().find(|&&their| collide(our, their));
        same.map(|&their| (our, their))
    })
}

/// Whether two addresses cannot be bound together. Port 0 is another port each time. An
/// unspecified address takes its port on every address of its family, see ip(7); whether `::`
/// takes it for IPv4 too depends on the machine.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let all = a.ip().is_unspecified() || b.ip().is_unspecified();
    let overlap = a.ip() == b.ip() || (all && a.is_ipv4() == b.is_ipv4());
    a.port() == b.port() && a.port() != 0 && overlap
}

/// One address of a list.
struct Listen<const PORT: u16>(SocketAddr);

impl<'de, const PORT: u16> Deserialize<'de> for Listen<PORT> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Listen).map_err(|_| {
            let wanted =
                format!("an address; write IP:PORT such as \"0.0.0.0:{PORT}\" or \"[::]:{PORT}\"");
            de::Error::custom(BadValue::new(&text, wanted))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn two_doors_need_two_ports_where_they_share_an_address() {
        for (ours, theirs, expected) in [
            ("127.0.0.1:1", "127.0.0.1:1", true),
            ("127.0.0.1:1", "0.0.0.0:1", true),
            ("[::]:1", "[::1]:1", true),
            ("127.0.0.1:1", "127.0.0.2:1", false),
            ("127.0.0.1:1", "127.0.0.1:2", false),
            ("127.0.0.1:0", "127.0.0.1:0", false),
            ("0.0.0.0:1", "[::]:1", false),
        ] {
            let found = find_clash(&list(&["127.0.0.1:9", ours]), &list(&[theirs]));
            let pair = (ours.parse().unwrap(), theirs.parse().unwrap());
            assert_eq!(found, expected.then_some(pair), "{ours} {theirs}");
        }
    }

    #[test]
    fn what_stands_twice_is_found() {
        assert_eq!(find_repeated(&list(&["[::]:1", "[::]:2"])), None);
        let twice = list(&["[::]:1", "[::]:2", "[::0]:1"]);
        assert_eq!(find_repeated(&twice), Some(twice[0]));
    }
}
