//! Parses the addresses in PORT, EPRT and EPSV (RFC 959, RFC 2428).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::arguments::{ArgumentError, is_digits, number, text};
use crate::wire::command::{DataPort, Family, PassiveForm};

/// Parses `h1,h2,h3,h4,p1,p2` (RFC 959 section 5.3.2).
pub(super) fn port(argument: &[u8]) -> Result<SocketAddr, ArgumentError> {
    let text = text(argument)?;
    let mut bytes = [0; 6];
    let mut words = text.split(',');
    for byte in &mut bytes {
        let word = words.next().ok_or(ArgumentError::Arguments)?;
        let value = number(word.as_bytes())?;
        *byte = u8::try_from(value).map_err(|_| ArgumentError::Arguments)?;
    }
    if words.next().is_some() {
        return Err(ArgumentError::Arguments);
    }
    let [a, b, c, d, high, low] = bytes;
    let port = u16::from_be_bytes([high, low]);
    socket(Ipv4Addr::new(a, b, c, d).into(), port)
}

/// Parses `|1|192.0.2.1|2000|` with any delimiter (RFC 2428 section 2).
pub(super) fn extended_port(argument: &[u8]) -> Result<SocketAddr, ArgumentError> {
    let text = text(argument)?;
    let delimiter = text.chars().next().filter(char::is_ascii_graphic);
    let mut parts = text.split(delimiter.ok_or(ArgumentError::Arguments)?);
    let parts = [(); 5]
        .map(|()| parts.next())
        .into_iter()
        .chain([parts.next()]);
    let parts: Vec<_> = parts.flatten().collect();
    let ["", network, address, port, ""] = parts[..] else {
        return Err(ArgumentError::Arguments);
    };
    let address: IpAddr = match family(network)? {
        Family::V4 => address.parse::<Ipv4Addr>().map_err(unreadable)?.into(),
        Family::V6 => address.parse::<Ipv6Addr>().map_err(unreadable)?.into(),
    };
    let port = u16::try_from(number(port.as_bytes())?).map_err(|_| ArgumentError::Arguments)?;
    socket(address, port)
}

/// Parses EPSV's argument: nothing, a family's number, or ALL (RFC 2428 section 3).
pub(super) fn extended_passive(argument: &[u8]) -> Result<DataPort, ArgumentError> {
    let text = text(argument)?;
    let wanted = match text {
        "" => None,
        text if text.eq_ignore_ascii_case("ALL") => return Ok(DataPort::PassiveOnly),
        text => Some(family(text)?),
    };
    Ok(DataPort::Passive(PassiveForm::PortOnly(wanted)))
}

/// The address family of a number (RFC 2428 section 2).
fn family(number: &str) -> Result<Family, ArgumentError> {
    match number {
        "1" => Ok(Family::V4),
        "2" => Ok(Family::V6),
        other if is_digits(other.as_bytes()) => Err(ArgumentError::UnknownNetwork),
        _ => Err(ArgumentError::Arguments),
    }
}

fn socket(address: IpAddr, port: u16) -> Result<SocketAddr, ArgumentError> {
    if port == 0 {
        return Err(ArgumentError::Arguments);
    }
    Ok(SocketAddr::new(address, port))
}

fn unreadable(_: core::net::AddrParseError) -> ArgumentError {
    ArgumentError::Arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_numbers() {
        let want: SocketAddr = "192.0.2.1:2000".parse().unwrap();
        assert_eq!(port(b"192,0,2,1,7,208"), Ok(want));
        for bad in [
            "",
            "192,0,2,1,7",
            "192,0,2,1,7,208,1",
            "256,0,2,1,7,208",
            "192,0,2,1,7,-1",
            "192,0,2,1,,208",
            "192,0,2,1,0,0",
            "192.0.2.1,7,208",
            "192, 0,2,1,7,208",
            "192,0,2,1,7,18446744073709551616",
        ] {
            assert_eq!(port(bad.as_bytes()), Err(ArgumentError::Arguments), "{bad}");
        }
    }

    #[test]
    fn any_delimiter() {
        for delimiter in b'!'..=b'~' {
            let delimiter = delimiter as char;
            let sample = "|2|2001:db8::1|2000|".replace('|', &delimiter.to_string());
            let clashes = "2001:db8::12000".contains(delimiter);
            let found = extended_port(sample.as_bytes());
            let want = "[2001:db8::1]:2000".parse().unwrap();
            assert_eq!(found.is_ok(), !clashes, "{sample}");
            assert!(clashes || found == Ok(want));
        }
    }

    #[test]
    fn networks() {
        assert_eq!(
            extended_port(b"|3|x|2000|"),
            Err(ArgumentError::UnknownNetwork)
        );
        assert_eq!(extended_passive(b"3"), Err(ArgumentError::UnknownNetwork));
        assert_eq!(extended_passive(b"x"), Err(ArgumentError::Arguments));
        for bad in [
            "",
            "|",
            "|||||",
            "|1|192.0.2.1|2000",
            "|1|192.0.2.1|2000|x",
            "|1|192.0.2.1|2000||",
            "|1|2001:db8::1|2000|",
            "|2|192.0.2.1|2000|",
            "|1|192.0.2.1|65536|",
            "|1|192.0.2.1|0|",
            "|1|192.0.2.1||",
            "|x|192.0.2.1|2000|",
            "||192.0.2.1|2000|",
            "\u{e9}1\u{e9}192.0.2.1\u{e9}2000\u{e9}",
        ] {
            let found = extended_port(bad.as_bytes());
            assert_eq!(found, Err(ArgumentError::Arguments), "{bad}");
        }
    }
}
