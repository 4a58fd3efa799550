//! Tests the login in clear and under TLS, its refusals, and its end.

use std::time::Duration;

use skiff_sessions::server::TlsPolicy;
use skiff_sessions::wire::reply::Refusal;

use super::cuts::at_every_cut;
use super::disk::{Disk, Faults};
use super::rig::{Noted, Rig};
use super::world::World;

fn greeted() -> World {
    World::new().greeted()
}

#[test]
fn in_clear() {
    at_every_cut(greeted, |rig| {
        rig.expect("USER tom", &[331]);
        let text = rig.text("PASS 123", 230);
        assert_eq!(text, "logged in as tom");
        assert_eq!(rig.text("PWD", 257), "\"/\"");
        rig.expect("USER tom", &[503]);
        rig.expect("PASS 123", &[503]);
        let text = rig.text("QUIT", 221);
        assert_eq!(text, "goodbye");
        assert!(rig.is_over());
    });
}

#[test]
fn the_greeting_names_the_server_and_nothing_before_it_is_needed() {
    let rig = Rig::new(greeted());
    assert_eq!(rig.transcript(), "220 pair/0 ready\r\n");
}

#[test]
fn wrong_passwords_and_unknown_names_are_one_answer() {
    at_every_cut(greeted, |rig| {
        for (attempt, user) in ["tom", "nobody", "tom"].into_iter().enumerate() {
            rig.expect(&format!("USER {user}"), &[331]);
            rig.expect("PASS wrong", &[]);
            let said = rig.waits(Duration::from_secs(2));
            assert_eq!(said[0].code, 530);
            assert_eq!(said[0].lines, ["wrong user or password"]);
            match attempt {
                2 => assert_eq!(said[1].code, 421),
                _ => assert_eq!(said.len(), 1),
            }
        }
        assert!(rig.is_over());
        let strikes = ["tom", "nobody", "tom"].map(|user| Noted::Strike(user.into()));
        assert_eq!(rig.noted, strikes);
    });
}

#[test]
fn nothing_is_read_while_a_failed_login_waits() {
    let mut rig = Rig::new(greeted());
    rig.expect("USER tom\r\nPASS wrong\r\nNOOP", &[331]);
    let said = rig.waits(Duration::from_millis(500));
    assert_eq!([said[0].code, said[1].code], [530, 200]);
    rig.expect("USER tom\r\nPASS 123", &[331, 230]);
}

#[test]
fn a_home_that_is_refused() {
    for (why, code) in [
        (Refusal::NoAccount, 530),
        (Refusal::NotReady, 450),
        (Refusal::Fault, 451),
    ] {
        let world = || {
            let mut disk = Disk::new();
            disk.faults = Faults {
                home: Some(why),
                ..Faults::default()
            };
            World::with(disk).greeted()
        };
        at_every_cut(world, |rig| {
            rig.expect("USER tom", &[331]);
            rig.expect("PASS 123", &[code]);
            rig.expect("PWD", &[530]);
            rig.disk.faults.home = None;
            rig.expect("USER tom", &[331]);
            rig.expect("PASS 123", &[230]);
        });
    }
}

/// Nothing that the client could do better: 421, and it comes again.
#[test]
fn a_home_that_is_not_available_ends_the_session() {
    for why in [
        Refusal::NoHome,
        Refusal::NoAccounts,
        Refusal::Overloaded,
        Refusal::TooManySessions,
    ] {
        let world = || {
            let mut disk = Disk::new();
            disk.faults = Faults {
                home: Some(why),
                ..Faults::default()
            };
            World::with(disk).greeted()
        };
        at_every_cut(world, |rig| {
            rig.expect("USER tom", &[331]);
            rig.expect("PASS 123", &[421]);
            assert!(rig.is_over());
        });
    }
}

#[test]
fn a_password_without_a_name() {
    let mut rig = Rig::new(greeted());
    rig.expect("PASS 123", &[503]);
    rig.expect("USER tom\r\nNOOP\r\nPASS 123", &[331, 200, 230]);
}

#[test]
fn passwords_are_bytes() {
    let mut rig = Rig::new(greeted());
    rig.expect("USER tom", &[331]);
    // As it is, with its blanks: not the password.
    rig.expect("PASS  123 ", &[]);
    assert_eq!(rig.waits(Duration::from_secs(1))[0].code, 530);
}

#[test]
fn where_tls_is_asked_for_no_name_and_no_password_is_taken_in_clear() {
    let world = || greeted().asking(TlsPolicy::Required);
    at_every_cut(world, |rig| {
        let text = rig.text("USER tom", 530);
        assert_eq!(text, "log in under TLS: AUTH TLS first (explicit FTPS)");
        rig.expect("PASS 123", &[503]);
        rig.expect("PBSZ 0", &[503]);
        rig.expect("PROT P", &[503]);
        rig.expect("FEAT", &[211]);
        rig.expect("AUTH TLS", &[234]);
        rig.expect("USER tom", &[331]);
        rig.expect("PASS 123", &[230]);
        assert_eq!(rig.noted, [Noted::NeedsTls("tom".to_owned()), Noted::Tls]);
    });
}

#[test]
fn a_login_takes_no_longer_than_it_may() {
    let mut rig = Rig::new(greeted());
    assert_eq!(rig.waits(Duration::from_secs(29)), []);
    rig.expect("NOOP", &[200]);
    let said = rig.waits(Duration::from_secs(1));
    assert_eq!(said[0].code, 421);
    assert!(rig.is_over());
}

#[test]
fn an_idle_session_is_told_to_go() {
    let mut rig = Rig::new(World::new());
    assert_eq!(rig.waits(Duration::from_secs(899)), []);
    rig.expect("NOOP", &[200]);
    assert_eq!(rig.waits(Duration::from_secs(899)), []);
    assert_eq!(rig.waits(Duration::from_secs(1))[0].code, 421);
    assert!(rig.is_over());
}

#[test]
fn rein_forgets_who_it_was_and_what_he_chose() {
    at_every_cut(World::new, |rig| {
        rig.expect("TYPE I", &[200]);
        rig.expect("CWD d", &[250]);
        rig.expect("REST 5", &[350]);
        rig.expect("EPSV ALL", &[200]);
        rig.expect("EPSV", &[229]);
        rig.expect("REIN", &[220]);
        rig.expect("PWD", &[530]);
        rig.expect("RETR a", &[530]);
        rig.expect("USER tom", &[331]);
        rig.expect("PASS 123", &[230]);
        assert_eq!(rig.text("PWD", 257), "\"/\"");
        // The type is A again, EPSV ALL and the port are gone.
        rig.expect("SIZE a", &[550]);
        rig.expect("RETR a", &[425]);
        rig.expect("PASV", &[227]);
        assert_eq!(rig.noted, [Noted::Logout]);
    });
}

#[test]
fn rein_gives_a_whole_login_time() {
    let mut rig = Rig::new(World::new());
    rig.waits(Duration::from_secs(100));
    rig.expect("REIN", &[220]);
    assert_eq!(rig.waits(Duration::from_secs(29)), []);
    assert_eq!(rig.waits(Duration::from_secs(1))[0].code, 421);
}

#[test]
fn nonsense_and_other_protocols_are_not_listened_to_for_long() {
    let mut rig = Rig::new(greeted());
    rig.expect("\u{1}", &[500]);
    rig.expect("EHLO x", &[500]);
    rig.expect("", &[500, 421]);
    assert!(rig.is_over());
    for request in ["GET / HTTP/1.1", "POST /x HTTP/1.0"] {
        let mut rig = Rig::new(World::new());
        rig.expect(request, &[421]);
        assert!(rig.is_over(), "{request}");
    }
}

#[test]
fn after_the_login_nonsense_is_a_users_typing() {
    let mut rig = Rig::new(World::new());
    for _ in 0..10 {
        rig.expect("nonsense", &[500]);
    }
    rig.is_ready();
}
