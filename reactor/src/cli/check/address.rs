//! Checks whether an address of the settings can be listened on.

use std::io;
use std::net::{SocketAddr, TcpListener};

use skiff_conf::Server;

use super::report::Report;
use crate::control::client;
use crate::endpoints::sockets::{bind_listener, is_missing_family};

/// Checks all addresses as the daemon binds them.
pub(super) fn examine(config: &Server, report: &mut Report<'_>) {
    let listed = [
        ("native.listen", &config.native.listen),
        ("ftp.listen", &config.ftp.listen),
        ("ftp.implicit", &config.ftp.implicit),
    ];
    // Held until all are bound: they must be free together.
    let mut bound = Vec::new();
    let running = client::addresses(&config.state);
    for (key, addresses) in listed {
        for &address in addresses {
            if running.as_ref().is_some_and(|held| held.contains(&address)) {
                report.ok(
                    key,
                    &format!("{address} is listened on by the skiffd that runs"),
                );
            } else {
                bound.extend(examine_address(key, address, config, report));
            }
        }
    }
}

fn examine_address(
    key: &'static str,
    address: SocketAddr,
    config: &Server,
    report: &mut Report<'_>,
) -> Option<TcpListener> {
    let error = match bind_listener(address, config) {
        Ok(bound) => {
            report.ok(key, &format!("{address} is free"));
            return Some(bound);
        }
        Err(error) if is_missing_family(address, &error, config) => {
            report.note(
                key,
                &format!("{address} is left out: this machine has no IPv6"),
            );
            return None;
        }
        Err(error) => error,
    };
    examine_error(key, address, &error, report);
    None
}

fn examine_error(
    key: &'static str,
    address: SocketAddr,
    error: &io::Error,
    report: &mut Report<'_>,
) {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            let text =
                format!("{address} is taken by another program; stop it, or choose another port");
            report.wrong(key, &text);
        }
        io::ErrorKind::PermissionDenied => report.wrong(
            key,
            &format!("{address}: a port under 1024 needs root or CAP_NET_BIND_SERVICE"),
        ),
        _ => report.wrong(key, &format!("{address}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::reported;
    use super::*;

    /// Settings with these keys.
    fn settings(keys: &str) -> Server {
        Server::parse(&format!("({keys})"), std::path::Path::new("server.ron")).unwrap()
    }

    #[test]
    fn a_taken_address_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let config = settings(&format!(
            "native: (listen: [\"{address}\"]), ftp: (listen: [])"
        ));
        let (text, wrong) = reported(|report| examine(&config, report));
        let told = format!("{address} is taken by another program");
        assert!(text.contains(&told), "{text}");
        assert_eq!(wrong, ["native.listen"]);
    }

    #[test]
    fn an_address_of_another_machine_is_wrong() {
        // TEST-NET-1 (RFC 5737) is nobody's.
        let ftp = "ftp: (listen: [\"192.0.2.1:2121\"], implicit: [\"192.0.2.1:990\"])";
        let config = settings(&format!("native: (listen: [\"192.0.2.1:8001\"]), {ftp}"));
        let (text, wrong) = reported(|report| examine(&config, report));
        assert_eq!(
            wrong,
            ["native.listen", "ftp.listen", "ftp.implicit"],
            "{text}"
        );
    }

    #[test]
    fn free_addresses_are_told() {
        let ftp = "ftp: (listen: [\"127.0.0.1:0\"], implicit: [\"[::1]:0\"])";
        let config = settings(&format!("native: (listen: [\"127.0.0.1:0\"]), {ftp}"));
        let (text, wrong) = reported(|report| examine(&config, report));
        assert!(wrong.is_empty(), "{text}");
        for line in [
            "ok    native.listen: 127.0.0.1:0 is free",
            "ok    ftp.listen: 127.0.0.1:0 is free",
            "ok    ftp.implicit: [::1]:0 is free",
        ] {
            assert!(text.contains(line), "{line:?} in {text}");
        }
    }
}
