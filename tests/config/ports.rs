//! Passive ports: how many of them a user may hold.

use std::net::TcpListener;

use crate::harness::{Daemon, Ftp, write_settings};

/// Four ports that were free a moment ago.
fn four() -> u16 {
    let first = (0..1000).find_map(|_| {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = first.local_addr().unwrap().port();
        let free = |step| TcpListener::bind(("127.0.0.1", port.checked_add(step)?)).ok();
        let others: Vec<_> = (1..4).map_while(free).collect();
        (others.len() == 3).then_some(port)
    });
    first.unwrap()
}

#[test]
fn who_holds_his_share_is_told_so_and_others_find_room() {
    let first = four();
    let keys = |share: u8| {
        format!(
            "ftp: (listen: [], tls: Optional, passive_ports: \"{first}-{}\", \
             passive_share: {share}),",
            first + 3
        )
    };
    let folder = tempfile::tempdir().unwrap();
    write_settings(folder.path(), &keys(25));
    let daemon = Daemon::with_ftp_in(folder);
    let session = |user| Ftp::login(daemon.ftp_address(), user);
    let [mut one, mut two, mut jerry] = ["tom", "tom", "jerry"].map(session);
    assert_eq!(one.ask("EPSV"), 229);
    let (code, text) = two.told("EPSV");
    assert_eq!(code, 425);
    assert!(
        text.contains("your sessions hold 1 port for data connections, all that one user may"),
        "{text}"
    );
    let told = daemon.wait_log("no port for a data connection of tom");
    assert!(
        told.ends_with("its user holds 1 of 4 ports, all that one may (ftp.passive_share: 25)"),
        "{told}"
    );
    assert_eq!(jerry.ask("EPSV"), 229);
    write_settings(daemon.folder(), &keys(50));
    assert!(daemon.reload().status.success());
    assert_eq!(two.ask("EPSV"), 229, "a reload gives more");
}
