//! Tests PASV, EPSV, PORT and EPRT: where data goes, and where it never goes.

use std::net::SocketAddr;

use skiff_sessions::server::DataEvent;

use super::cuts::at_every_cut;
use super::rig::{Comes, Data, Noted, Rig};
use super::world::{NEW, World};

#[test]
fn passive_in_both_forms() {
    at_every_cut(World::new, |rig| {
        let text = rig.text("PASV", 227);
        assert_eq!(text, "Entering Passive Mode (192,0,2,9,7,208).");
        rig.expect("RETR a", &[150, 226]);
        let text = rig.text("EPSV", 229);
        assert_eq!(text, "Entering Extended Passive Mode (|||2000|)");
        rig.expect("RETR a", &[150, 226]);
        rig.expect("EPSV 1", &[229]);
        rig.expect("RETR a", &[150, 226]);
        assert!(rig.received.iter().all(|r| r.bytes == NEW));
        assert_eq!(rig.received.len(), 3);
    });
}

#[test]
fn a_port_is_good_for_one_transfer() {
    at_every_cut(World::new, |rig| {
        rig.expect("RETR a", &[425]);
        rig.expect("PASV", &[227]);
        rig.expect("RETR a", &[150, 226]);
        let text = rig.text("RETR a", 425);
        assert_eq!(text, "say EPSV, PASV, EPRT or PORT first");
        rig.expect("PORT 192,0,2,1,7,208", &[200]);
        rig.expect("RETR a", &[150, 226]);
        rig.expect("RETR a", &[425]);
    });
}

#[test]
fn a_new_port_closes_the_old_one() {
    let mut rig = Rig::new(World::new());
    rig.expect("PASV", &[227]);
    rig.expect("EPSV", &[229]);
    rig.expect("RETR a", &[150, 226]);
    rig.expect("PASV", &[227]);
    rig.expect("EPRT |1|192.0.2.1|2000|", &[200]);
    assert_eq!(rig.data, Data::None);
    rig.expect("RETR a", &[150, 226]);
    rig.expect("PORT 192,0,2,1,7,208", &[200]);
    rig.expect("PASV", &[227]);
    rig.expect("RETR a", &[150, 226]);
    let called = SocketAddr::new("192.0.2.1".parse().unwrap(), 2000);
    assert_eq!(rig.noted, [Noted::Called(called)]);
}

#[test]
fn epsv_all_is_for_good() {
    at_every_cut(World::new, |rig| {
        rig.expect("EPSV ALL", &[200]);
        rig.expect("PASV", &[503]);
        rig.expect("PORT 192,0,2,1,7,208", &[503]);
        rig.expect("EPRT |1|192.0.2.1|2000|", &[503]);
        rig.expect("RETR a", &[425]);
        rig.expect("EPSV", &[229]);
        rig.expect("RETR a", &[150, 226]);
    });
}

#[test]
fn only_the_client_itself_is_called() {
    at_every_cut(World::new, |rig| {
        for line in [
            "PORT 192,0,2,2,7,208",
            "PORT 127,0,0,1,7,208",
            "PORT 192,0,2,1,3,255",
            "PORT 192,0,2,1,0,21",
            "EPRT |1|192.0.2.2|2000|",
            "EPRT |1|192.0.2.1|1023|",
            "EPRT |2|2001:db8::1|2000|",
        ] {
            rig.expect(line, &[504]);
            rig.expect("RETR a", &[425]);
        }
        rig.expect("EPRT |2|::ffff:192.0.2.1|2000|", &[200]);
        rig.expect("PORT 192,0,2,1,4,0", &[200]);
        rig.expect("EPRT |1|192.0.2.1|1024|", &[200]);
        assert_eq!(rig.noted, []);
    });
}

#[test]
fn what_is_refused_leaves_the_port_there_is() {
    let mut rig = Rig::new(World::new());
    rig.expect("PASV", &[227]);
    rig.expect("PORT 192,0,2,2,7,208", &[504]);
    rig.expect("EPSV 2", &[522]);
    rig.expect("RETR no", &[550]);
    rig.expect("RETR a", &[150, 226]);
}

#[test]
fn families() {
    at_every_cut(World::new, |rig| {
        let text = rig.text("EPSV 2", 522);
        assert!(text.contains("(1)"), "{text}");
        let text = rig.text("EPSV 3", 522);
        assert!(text.contains("(1,2)"), "{text}");
        let text = rig.text("EPRT |3|x|2000|", 522);
        assert!(text.contains("(1,2)"), "{text}");
    });
    let world = || World::new().over_ipv6();
    at_every_cut(world, |rig| {
        rig.expect("PASV", &[522]);
        rig.expect("EPSV 1", &[522]);
        rig.expect("PORT 192,0,2,1,7,208", &[504]);
        rig.expect("EPRT |2|2001:db8::2|2000|", &[504]);
        rig.expect("EPSV 2", &[229]);
        rig.expect("RETR a", &[150, 226]);
        rig.expect("EPSV", &[229]);
        rig.expect("RETR a", &[150, 226]);
        rig.expect("EPRT |2|2001:db8::1|2000|", &[200]);
        rig.expect("RETR a", &[150, 226]);
    });
}

#[test]
fn addresses_that_are_none() {
    let mut rig = Rig::new(World::new());
    for line in [
        "PORT",
        "PORT 192,0,2,1,7",
        "PORT 192,0,2,1,0,0",
        "PORT 300,0,2,1,7,208",
        "EPRT",
        "EPRT |1|192.0.2.1|2000",
        "EPRT |1|192.0.2.1|65536|",
        "EPSV x",
    ] {
        rig.expect(line, &[501]);
    }
    rig.is_ready();
}

#[test]
fn no_port_is_free() {
    at_every_cut(World::new, |rig| {
        rig.port = None;
        for line in ["PASV", "EPSV"] {
            rig.expect(line, &[425]);
            rig.expect("RETR a", &[425]);
        }
        rig.port = Some(2001);
        let text = rig.text("PASV", 227);
        assert!(text.contains(",7,209)"), "{text}");
        rig.expect("RETR a", &[150, 226]);
    });
}

#[test]
fn a_connection_that_cannot_be_made() {
    for prepare in ["PASV", "EPSV", "PORT 192,0,2,1,7,208"] {
        for line in ["RETR a", "STOR c", "LIST", "NLST", "MLSD", "APPE a", "STOU"] {
            let mut rig = Rig::new(World::new());
            let before = rig.disk.seen();
            rig.opens = Comes::AtOnce(DataEvent::NotOpened);
            rig.types(prepare);
            rig.expect(line, &[425]);
            rig.is_ready();
            assert_eq!(rig.disk.seen(), before, "{line}");
            rig.expect("RETR a", &[425]);
        }
    }
}
