//! Tests TLS: how it begins, what may not come with it, and where it is demanded.

use std::time::Duration;

use skiff_sessions::server::terms::CloseNotify;
use skiff_sessions::server::{ClientCertificate, DataEvent, Direction, HandshakeTiming, TlsPolicy};

use super::cuts::at_every_cut;
use super::lane::Gone;
use super::rig::{Comes, Noted, Rig, Shakes};
use super::world::{NEW, World};

fn required() -> World {
    World::new().greeted().asking(TlsPolicy::Required)
}

/// In, under TLS.
fn private() -> World {
    World::new().asking(TlsPolicy::Required).private()
}

#[test]
fn auth_pbsz_prot_in_their_order() {
    at_every_cut(required, |rig| {
        rig.expect("PBSZ 0", &[503]);
        rig.expect("PROT P", &[503]);
        rig.expect("CCC", &[503]);
        rig.expect("AUTH GSSAPI", &[504]);
        rig.expect("AUTH", &[501]);
        assert_eq!(rig.text("AUTH TLS", 234), "begin TLS");
        rig.expect("AUTH TLS", &[503]);
        rig.expect("PROT P", &[503]);
        assert_eq!(rig.text("PBSZ 0", 200), "PBSZ=0");
        rig.expect("PROT P", &[200]);
        rig.expect("CCC", &[533]);
        rig.expect("USER tom", &[331]);
        rig.expect("PASS 123", &[230]);
        rig.expect("PROT C", &[534]);
        rig.expect("PROT S", &[504]);
        rig.expect("PROT E", &[504]);
        rig.expect("PROT X", &[501]);
        rig.expect("PROT P", &[200]);
    });
}

#[test]
fn host_before_auth_says_whose_certificate() {
    let mut rig = Rig::new(required().named(&["ftp.example.org"]));
    rig.expect("HOST other.example", &[504]);
    assert_eq!(rig.noted, []);
    rig.expect("HOST FTP.example.org", &[220]);
    assert_eq!(rig.noted, [Noted::Host("FTP.example.org".to_owned())]);
    rig.expect("AUTH TLS", &[234]);
    // Behind AUTH there is nothing to choose, and behind the login nothing to say.
    rig.expect("HOST other.example", &[504]);
    rig.expect("HOST ftp.example.org", &[220]);
    assert_eq!(rig.noted[1..], [Noted::Tls]);
    rig.expect("USER tom", &[331]);
    rig.expect("PASS 123", &[230]);
    rig.expect("HOST ftp.example.org", &[503]);
    let mut any = Rig::new(required());
    any.expect("HOST whatever", &[220]);
}

/// Clients ask for one way after another (RFC 2228 section 3).
#[test]
fn what_is_asked_for_in_vain_is_not_nonsense() {
    let mut rig = Rig::new(required());
    for line in ["AUTH GSSAPI", "AUTH KERBEROS_V4", "OPTS UTF8 OFF"] {
        rig.expect(line, &[504]);
    }
    rig.expect("AUTH TLS", &[234]);
}

#[test]
fn a_certificate_may_stand_for_the_password() {
    for certificate in [ClientCertificate::Shown, ClientCertificate::None] {
        let mut rig = Rig::new(required());
        rig.certificate = certificate;
        rig.expect("AUTH TLS", &[234]);
        match certificate {
            ClientCertificate::Shown => {
                // Nobody else's certificate makes a difference.
                rig.expect("USER tom", &[331]);
                rig.expect("PASS wrong", &[]);
                assert_eq!(rig.waits(Duration::from_secs(1)).len(), 1);
                rig.expect("USER robot", &[232]);
                rig.expect("PWD", &[257]);
                rig.expect("REIN", &[220]);
                rig.expect("USER tom", &[331]);
                rig.expect("PASS 123", &[230]);
            }
            ClientCertificate::None => drop(rig.expect("USER robot", &[331])),
        }
    }
}

#[test]
fn words_of_auth() {
    for word in ["TLS", "tls", "TLS-C", "SSL"] {
        let mut rig = Rig::new(required());
        rig.expect(&format!("AUTH {word}"), &[234]);
    }
}

#[test]
fn after_a_login_in_clear_it_is_too_late() {
    let mut rig = Rig::new(World::new());
    rig.expect("AUTH TLS", &[503]);
    assert_eq!(rig.noted, []);
    rig.is_ready();
}

#[test]
fn between_the_name_and_the_password_it_begins_anew() {
    let mut rig = Rig::new(World::new().greeted());
    rig.expect("USER tom", &[331]);
    rig.expect("AUTH TLS", &[234]);
    rig.expect("PASS 123", &[503]);
    rig.expect("USER tom\r\nPASS 123", &[331, 230]);
}

#[test]
fn where_there_is_none_it_is_not_told_of() {
    let world = || World::new().greeted().asking(TlsPolicy::NotOffered);
    at_every_cut(world, |rig| {
        rig.expect("AUTH TLS", &[502]);
        rig.expect("PBSZ 0", &[503]);
        let features = rig.expect("FEAT", &[211]);
        assert!(
            !features[0].lines.iter().any(|line| line.contains("AUTH")),
            "{features:?}"
        );
        rig.expect("USER tom", &[331]);
        rig.expect("PASS 123", &[230]);
    });
    let features = Rig::new(required()).expect("FEAT", &[211]);
    for line in [" AUTH TLS", " PBSZ", " PROT"] {
        assert!(features[0].lines.iter().any(|l| l == line), "{line}");
    }
}

/// CVE-2011-0411: whoever can write into the clear part is not obeyed in the
/// private one.
#[test]
fn what_comes_with_auth_is_never_run() {
    let behind: [&[u8]; 5] = [
        b"USER tom\r\nPASS 123\r\n",
        b"\n",
        b"\xff",
        b"\xff\xfb",
        b"\x16\x03\x01",
    ];
    for behind in behind {
        let mut rig = Rig::new(required());
        let said = rig.sends(&[b"AUTH TLS\r\n", behind].concat());
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(said[0].code, 421);
        assert!(rig.is_over());
        assert_eq!(rig.noted, []);
    }
}

/// The same where the line came in two parts: the last one decides.
#[test]
fn what_comes_with_the_end_of_auth_is_never_run_either() {
    let (auth, behind) = ("AUTH TLS\r\n", "USER tom\r\n");
    for at in 1..auth.len() {
        let mut rig = Rig::new(required());
        assert_eq!(rig.sends(&auth.as_bytes()[..at]), []);
        let rest = [&auth.as_bytes()[at..], behind.as_bytes()].concat();
        let said = rig.sends(&rest);
        assert_eq!(said.len(), 1, "split at {at}: {said:?}");
        assert_eq!(said[0].code, 421);
        assert!(rig.is_over());
    }
}

const TRANSFERS: [&str; 7] = ["RETR a", "STOR c", "APPE c", "STOU", "LIST", "NLST", "MLSD"];

#[test]
fn where_tls_is_asked_for_data_is_not_clear() {
    for line in TRANSFERS {
        let mut rig = Rig::new(required());
        rig.expect("AUTH TLS", &[234]);
        rig.expect("USER tom\r\nPASS 123", &[331, 230]);
        rig.expect("PASV", &[227]);
        let text = rig.text(line, 521);
        assert_eq!(text, "data connections must be private here: PROT P first");
        rig.is_ready();
        assert_eq!(rig.received, [], "{line}");
    }
}

/// Whoever asks for clear data where that is not to be is told at once, and stays private.
#[test]
fn clear_data_is_refused_when_it_is_asked_for() {
    at_every_cut(private, |rig| {
        rig.expect("PROT C", &[534]);
        rig.expect("PASV", &[227]);
        rig.expect("RETR a", &[150, 226]);
        rig.expect("PROT P", &[200]);
    });
    let mut rig = Rig::new(required());
    rig.expect("PROT C", &[503]);
    rig.expect("AUTH TLS", &[234]);
    rig.expect("PROT C", &[503]);
    rig.expect("PBSZ 0\r\nPROT C", &[200, 534]);
}

#[test]
fn before_prot_data_is_clear_and_refused() {
    at_every_cut(required, |rig| {
        rig.expect("AUTH TLS", &[234]);
        rig.expect("USER tom", &[331]);
        rig.expect("PASS 123", &[230]);
        rig.expect("EPSV", &[229]);
        rig.expect("RETR a", &[521]);
        rig.expect("PBSZ 0", &[200]);
        rig.expect("PROT P", &[200]);
        rig.expect("RETR a", &[150, 226]);
        assert_eq!(rig.received[0].bytes, NEW);
    });
}

#[test]
fn the_handshake_comes_behind_150_and_its_tickets_go_one_way() {
    for (line, direction, handshake) in [
        ("RETR a", Direction::ToPeer, HandshakeTiming::BeforeTransfer),
        ("LIST", Direction::ToPeer, HandshakeTiming::BeforeTransfer),
        ("STOR c", Direction::FromPeer, HandshakeTiming::WithTransfer),
        (
            "APPE a",
            Direction::FromPeer,
            HandshakeTiming::BeforeTransfer,
        ),
    ] {
        let mut rig = Rig::new(private());
        rig.secures = Comes::Later;
        rig.sends_file(b"x");
        rig.expect("EPSV", &[229]);
        rig.expect(line, &[150]);
        let noted = [Noted::Secured(direction, handshake)];
        assert_eq!(rig.noted, noted, "{line}");
        rig.data_event(DataEvent::Secured);
        rig.expect_hears(&[226]);
        rig.is_ready();
    }
}

#[test]
fn data_that_does_not_come_under_tls_touches_nothing() {
    for (shakes, event, code) in [
        (Shakes::First, DataEvent::NotSecured, 426),
        (Shakes::First, DataEvent::NotResumed, 522),
        (Shakes::WhenItMay, DataEvent::NotSecured, 426),
        (Shakes::WhenItMay, DataEvent::NotResumed, 522),
    ] {
        for line in TRANSFERS {
            let mut rig = Rig::new(private());
            rig.shakes = shakes;
            let before = rig.disk.seen();
            rig.secures = Comes::AtOnce(event);
            rig.sends_file(b"never taken");
            rig.expect("EPSV", &[229]);
            rig.expect(line, &[150, code]);
            assert_eq!(rig.disk.seen(), before, "{line}");
            rig.is_ready();
        }
    }
}

#[test]
fn clear_data_where_it_may_be() {
    let world = || World::new().private();
    at_every_cut(world, |rig| {
        rig.expect("PROT C", &[200]);
        rig.expect("EPSV", &[229]);
        rig.expect("RETR a", &[150, 226]);
        assert_eq!(rig.noted, []);
        rig.expect("PROT P", &[200]);
        rig.expect("EPSV", &[229]);
        rig.expect("RETR a", &[150, 226]);
        let noted = Noted::Secured(Direction::ToPeer, HandshakeTiming::BeforeTransfer);
        assert_eq!(rig.noted, [noted]);
    });
}

#[test]
fn a_private_upload_ends_with_its_goodbye() {
    let strict = || {
        let mut world = private();
        world.disk.terms.streams.close_notify = CloseNotify::Required;
        world
    };
    at_every_cut(strict, |rig| {
        rig.sends_file(NEW);
        rig.expect("TYPE I", &[200]);
        rig.expect("EPSV", &[229]);
        rig.expect("STOR c", &[150, 226]);
        assert_eq!(rig.disk.content("/c").as_deref(), Some(NEW));
        let noted = Noted::Secured(Direction::FromPeer, HandshakeTiming::WithTransfer);
        assert_eq!(rig.noted, [noted]);
        rig.feeds(NEW);
        rig.ends_data(Gone::Truncated);
        rig.expect("EPSV", &[229]);
        rig.expect("STOR e", &[150, 426]);
    });
}

/// What holds behind REIN is what held behind AUTH: data in clear.
#[test]
fn rein_is_as_the_beginning() {
    let mut rig = Rig::new(World::new().greeted());
    rig.expect("AUTH TLS", &[234]);
    rig.expect("REIN", &[220]);
    rig.expect("PROT P", &[503]);
    rig.expect("USER tom", &[331]);
    rig.expect("PASS 123", &[230]);
    rig.expect("EPSV", &[229]);
    rig.expect("LIST", &[150, 226]);
    assert_eq!(rig.noted, [Noted::Tls]);
}
