//! The header that a proxy sends before what its client says: the PROXY protocol, versions 1 and 2 (of
//! HAProxy's `doc/proxy-protocol.txt`).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header that is read. One of version 1 has 107 bytes at most; one of version 2 may
/// carry more about the client (TLVs), of which nothing is read.
pub const HEADER_MAX: usize = 2048;

/// The longest line of version 1, with its CRLF.
const LINE_MAX: usize = 107;
const LINE_BEGIN: &[u8] = b"PROXY ";
const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Bytes of a header of version 2 before its addresses.
const FIXED: usize = 16;

/// On whose behalf a proxy has connected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    Client {
        client: SocketAddr,
        /// What the client has connected to.
        called: SocketAddr,
    },
    /// On its own, as to see whether the server is there, or it does not know: the addresses are
    /// those of the connection.
    Proxy,
}

/// What the bytes that have come so far are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    /// The beginning of a header.
    Incomplete,
    /// A header of that many bytes; what the client says follows.
    Whole(Source, usize),
}

/// Why there is no header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadHeader {
    Missing,
    Malformed,
    TooLong,
    NotTcp,
}

impl BadHeader {
    /// What the log says.
    pub const fn cause(self) -> &'static str {
        match self {
            Self::Missing => "it sends no header of the proxy protocol",
            Self::Malformed => "its header of the proxy protocol is malformed",
            Self::TooLong => "its header of the proxy protocol is too long",
            Self::NotTcp => "its header of the proxy protocol is not about TCP",
        }
    }
}

impl Header {
    /// Parses the beginning of what a proxy sends.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadHeader> {
        let begins_as = |whole: &[u8]| {
            let common = whole.len().min(bytes.len());
            bytes[..common] == whole[..common]
        };
        if begins_as(SIGNATURE) {
            return version_2(bytes);
        }
        match begins_as(LINE_BEGIN) {
            true => version_1(bytes),
            false => Err(BadHeader::Missing),
        }
    }
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n`
fn version_1(bytes: &[u8]) -> Result<Header, BadHeader> {
    let within = &bytes[..bytes.len().min(LINE_MAX)];
    let Some(end) = within.windows(2).position(|pair| pair == b"\r\n") else {
        return match bytes.len() < LINE_MAX {
            true => Ok(Header::Incomplete),
            false => Err(BadHeader::TooLong),
        };
    };
    let line = str::from_utf8(&bytes[LINE_BEGIN.len()..end]).map_err(|_| BadHeader::Malformed)?;
    let source = line_source(line).ok_or(BadHeader::Malformed)?;
    Ok(Header::Whole(source, end + 2))
}

fn line_source(line: &str) -> Option<Source> {
    let (family, rest) = line.split_once(' ').unwrap_or((line, ""));
    let mut words = rest.split(' ');
    let mut addresses = || -> Option<[&str; 4]> {
        let four = [words.next()?, words.next()?, words.next()?, words.next()?];
        words.next().is_none().then_some(four)
    };
    let [client, called, client_port, called_port] = match family {
        // What follows, if anything, is to be ignored.
        "UNKNOWN" => return Some(Source::Proxy),
        "TCP4" | "TCP6" => addresses()?,
        _ => return None,
    };
    let is_of_family = |ip: &IpAddr| ip.is_ipv4() == (family == "TCP4");
    let ip = |text: &str| text.parse::<IpAddr>().ok().filter(is_of_family);
    client_of(
        SocketAddr::new(ip(client)?, port(client_port)?),
        SocketAddr::new(ip(called)?, port(called_port)?),
    )
}

/// A port in decimal digits, without a zero or a sign in front.
fn port(text: &str) -> Option<u16> {
    let number: u16 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}

fn version_2(bytes: &[u8]) -> Result<Header, BadHeader> {
    let Some((fixed, rest)) = bytes.split_first_chunk::<FIXED>() else {
        return Ok(Header::Incomplete);
    };
    let [.., version_and_command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > HEADER_MAX - FIXED {
        return Err(BadHeader::TooLong);
    }
    let is_local = match version_and_command {
        0x20 => true,
        0x21 => false,
        _ => return Err(BadHeader::Malformed),
    };
    let Some(body) = rest.get(..length) else {
        return Ok(Header::Incomplete);
    };
    let source = match (is_local, family) {
        // The family of what is local says nothing, and what is unspecified is not known.
        (true, _) | (false, 0x00) => Source::Proxy,
        (false, 0x11) => pair::<4>(body).ok_or(BadHeader::Malformed)?,
        (false, 0x21) => pair::<16>(body).ok_or(BadHeader::Malformed)?,
        (false, 0x12 | 0x22 | 0x31 | 0x32) => return Err(BadHeader::NotTcp),
        _ => return Err(BadHeader::Malformed),
    };
    Ok(Header::Whole(source, FIXED + length))
}

/// Two addresses of this many bytes, then their ports.
fn pair<const LENGTH: usize>(body: &[u8]) -> Option<Source>
where
    [u8; LENGTH]: ToIp,
{
    let (client, rest) = body.split_first_chunk::<LENGTH>()?;
    let (called, rest) = rest.split_first_chunk::<LENGTH>()?;
    let (client_port, rest) = rest.split_first_chunk()?;
    let (called_port, _) = rest.split_first_chunk()?;
    client_of(
        SocketAddr::new(client.to_ip(), u16::from_be_bytes(*client_port)),
        SocketAddr::new(called.to_ip(), u16::from_be_bytes(*called_port)),
    )
}

trait ToIp {
    fn to_ip(&self) -> IpAddr;
}

impl ToIp for [u8; 4] {
    fn to_ip(&self) -> IpAddr {
        Ipv4Addr::from(*self).into()
    }
}

impl ToIp for [u8; 16] {
    fn to_ip(&self) -> IpAddr {
        Ipv6Addr::from(*self).into()
    }
}

/// `None` where the client's address is nobody's.
fn client_of(client: SocketAddr, called: SocketAddr) -> Option<Source> {
    let [client, called] = [client, called].map(canonical);
    let ip = client.ip();
    let is_nobodys = ip.is_unspecified() || ip.is_multicast();
    (!is_nobodys).then_some(Source::Client { client, called })
}

/// An IPv4 address as one, however it was written.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(client: &str, called: &str) -> Source {
        Source::Client {
            client: client.parse().unwrap(),
            called: called.parse().unwrap(),
        }
    }

    fn version_2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u16).to_be_bytes();
        [&SIGNATURE[..], &[command, family], &length, body].concat()
    }

    const FOUR: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 1, 0x12, 0x34, 0, 21];

    #[test]
    fn lines_as_the_specification_has_them() {
        for (line, source) in [
            (
                "PROXY TCP4 192.0.2.1 198.51.100.1 56324 21\r\n",
                client("192.0.2.1:56324", "198.51.100.1:21"),
            ),
            (
                "PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n",
                client("[2001:db8::1]:1", "[2001:db8::2]:65535"),
            ),
            (
                "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:198.51.100.1 1 2\r\n",
                client("192.0.2.1:1", "198.51.100.1:2"),
            ),
            ("PROXY UNKNOWN\r\n", Source::Proxy),
            ("PROXY UNKNOWN ff:: whatever 1\r\n", Source::Proxy),
        ] {
            let with_more = format!("{line}USER tom\r\n");
            let whole = Header::Whole(source, line.len());
            assert_eq!(Header::parse(with_more.as_bytes()), Ok(whole), "{line}");
            for end in 0..line.len() {
                let cut = Header::parse(&line.as_bytes()[..end]);
                assert_eq!(cut, Ok(Header::Incomplete), "{line} {end}");
            }
        }
    }

    #[test]
    fn lines_that_are_none() {
        for (line, why) in [
            ("USER tom\r\n", BadHeader::Missing),
            ("PROXYTCP4 192.0.2.1 192.0.2.2 1 2\r\n", BadHeader::Missing),
            ("proxy UNKNOWN\r\n", BadHeader::Missing),
            ("PROXY \r\n", BadHeader::Malformed),
            ("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n", BadHeader::Malformed),
            (
                "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
                BadHeader::Malformed,
            ),
            (
                "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
                BadHeader::Malformed,
            ),
            (
                "PROXY TCP4 192.0.2.1 192.0.2.2 1 70000\r\n",
                BadHeader::Malformed,
            ),
            (
                "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
                BadHeader::Malformed,
            ),
            (
                "PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
                BadHeader::Malformed,
            ),
            ("PROXY TCP4 ::1 ::1 1 2\r\n", BadHeader::Malformed),
            (
                "PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
                BadHeader::Malformed,
            ),
            ("PROXY TCP4 0.0.0.0 192.0.2.2 1 2\r\n", BadHeader::Malformed),
            (
                "PROXY TCP4 224.0.0.1 192.0.2.2 1 2\r\n",
                BadHeader::Malformed,
            ),
            (
                "PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
                BadHeader::Malformed,
            ),
            ("PROXY \u{e9}\r\n", BadHeader::Malformed),
        ] {
            assert_eq!(Header::parse(line.as_bytes()), Err(why), "{line}");
        }
        let endless = format!("PROXY UNKNOWN {}", "x".repeat(93));
        assert_eq!(endless.len(), 107);
        assert_eq!(Header::parse(endless.as_bytes()), Err(BadHeader::TooLong));
        let late = format!("PROXY UNKNOWN {}\r\n", "x".repeat(92));
        assert_eq!(Header::parse(late.as_bytes()), Err(BadHeader::TooLong));
        let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(91));
        let whole = Header::Whole(Source::Proxy, 107);
        assert_eq!(Header::parse(longest.as_bytes()), Ok(whole));
    }

    #[test]
    fn binary_headers() {
        let six = [[0x20; 16], [0x21; 16]].concat();
        let six = [&six[..], &[0, 7, 0, 21]].concat();
        let with_more = [FOUR, &[3, 0, 4, 1, 2, 3, 4]].concat();
        let four = client("192.0.2.1:4660", "198.51.100.1:21");
        for (command, family, body, source) in [
            (0x21, 0x11, FOUR, four),
            (0x21, 0x11, &with_more, four),
            (
                0x21,
                0x21,
                &six,
                client(
                    "[2020:2020:2020:2020:2020:2020:2020:2020]:7",
                    "[2121:2121:2121:2121:2121:2121:2121:2121]:21",
                ),
            ),
            (0x21, 0x00, b"", Source::Proxy),
            (0x21, 0x00, b"whatever", Source::Proxy),
            (0x20, 0x00, b"", Source::Proxy),
            (0x20, 0x11, FOUR, Source::Proxy),
            (0x20, 0x7f, b"whatever", Source::Proxy),
        ] {
            let header = version_2(command, family, body);
            let whole = Header::Whole(source, header.len());
            let with_more = [&header[..], b"\x16\x03\x01"].concat();
            assert_eq!(Header::parse(&with_more), Ok(whole), "{header:?}");
            for end in 0..header.len() {
                let cut = Header::parse(&header[..end]);
                assert_eq!(cut, Ok(Header::Incomplete), "{header:?} {end}");
            }
        }
    }

    #[test]
    fn binary_headers_that_are_none() {
        for (command, family, body, why) in [
            (0x11, 0x11, FOUR, BadHeader::Malformed),
            (0x22, 0x11, FOUR, BadHeader::Malformed),
            (0x21, 0x10, FOUR, BadHeader::Malformed),
            (0x21, 0x41, FOUR, BadHeader::Malformed),
            (0x21, 0x11, &FOUR[..11], BadHeader::Malformed),
            (0x21, 0x21, FOUR, BadHeader::Malformed),
            (0x21, 0x12, FOUR, BadHeader::NotTcp),
            (0x21, 0x31, &[0; 216], BadHeader::NotTcp),
            (0x21, 0x00, &[0; HEADER_MAX], BadHeader::TooLong),
        ] {
            let header = version_2(command, family, body);
            assert_eq!(Header::parse(&header), Err(why), "{header:?}");
        }
        let zero = [&[0; 4][..], &FOUR[4..]].concat();
        let header = version_2(0x21, 0x11, &zero);
        assert_eq!(Header::parse(&header), Err(BadHeader::Malformed));
    }
}
