//! Checks whether an address of the settings can be listened on.

use std::io;
use std::net::{SocketAddr, TcpListener};

use super::report::Report;

pub(super) fn examine_address(key: &'static str, address: SocketAddr, report: &mut Report<'_>) {
    let Err(error) = TcpListener::bind(address) else {
        return report.ok(key, &format!("{address} is free"));
    };
    match (error.kind(), running_daemon()) {
        (io::ErrorKind::AddrInUse, Some(process)) => report.note(
            key,
            &format!("{address} is taken; right if by the skiffd that runs as process {process}"),
        ),
        (io::ErrorKind::AddrInUse, None) => {
            let text =
                format!("{address} is taken by another program; stop it, or choose another port");
            report.wrong(key, &text);
        }
        (io::ErrorKind::PermissionDenied, _) => report.wrong(
            key,
            &format!("{address}: a port under 1024 needs root or CAP_NET_BIND_SERVICE"),
        ),
        _ => report.wrong(key, &format!("{address}: {error}")),
    }
}

/// The process id of another skiffd on this machine, as far as /proc shows it.
fn running_daemon() -> Option<u32> {
    let own = std::process::id();
    std::fs::read_dir("/proc")
        .ok()?
        .flatten()
        .find_map(|entry| {
            let process: u32 = entry.file_name().to_str()?.parse().ok()?;
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            (process != own && name.trim_end() == "skiffd").then_some(process)
        })
}
