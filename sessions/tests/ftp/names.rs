//! Tests CWD, MKD, DELE, RMD, RNFR and RNTO.

use super::cuts::at_every_cut;
use super::disk::Disk;
use super::rig::Rig;
use super::world::{NEW, OLD, World};

#[test]
fn directories() {
    at_every_cut(World::new, |rig| {
        rig.expect("CWD d", &[250]);
        assert_eq!(rig.text("PWD", 257), "\"/d\"");
        rig.expect("CDUP", &[250]);
        rig.expect("CDUP", &[250]);
        assert_eq!(rig.text("XPWD", 257), "\"/\"");
        rig.expect("XCWD d", &[250]);
        rig.expect("XCUP", &[250]);
        rig.expect("CWD no", &[550]);
        rig.expect("CWD a", &[550]);
        assert_eq!(rig.text("MKD a \"b\"", 257), "\"/a \"\"b\"\"\"");
        rig.expect("XMKD x", &[257]);
        rig.expect("MKD x", &[550]);
        rig.expect("MKD no/x", &[550]);
        rig.expect("RMD x", &[250]);
        rig.expect("XRMD d", &[550]);
        rig.expect("RMD no", &[550]);
        rig.expect("RMD a", &[550]);
        assert!(rig.disk.folders.contains(&b"/a \"b\""[..]));
    });
}

#[test]
fn names_are_bytes() {
    let name = b"\xe4\xbd\xa0 \x80\xff\xff; =x ";
    let stored = b"/\xe4\xbd\xa0 \x80\xff; =x ";
    let line = [b"MKD ", &name[..], b"\r\n"].concat();
    at_every_cut(World::new, |rig| {
        let said = rig.sends(&line);
        assert_eq!(said[0].code, 257);
        assert!(rig.disk.folders.contains(&stored[..]));
    });
}

/// Names of the code page 1251 whose bytes are telnet commands elsewhere; an IAC that a client
/// doubles is one, as telnet has it, and everything else stays as it came.
#[test]
fn telnet_has_no_say_inside_of_a_line() {
    for (sent, stored) in [
        (&b"\xef\xee\xff\xf1.txt"[..], &b"/\xef\xee\xff\xf1.txt"[..]),
        (b"\xef\xee\xff\xf2.txt", b"/\xef\xee\xff\xf2.txt"),
        (b"\xef\xee\xff\xfb\x01.txt", b"/\xef\xee\xff\xfb\x01.txt"),
        (b"a\xff\xffb", b"/a\xffb"),
        (b"\xff\xffb\xff", b"/\xffb\xff"),
        (b"c\xff\xff\xffd", b"/c\xff\xffd"),
    ] {
        let line = [b"\xff\xf4\xff\xf2MKD ", sent, b"\r\n"].concat();
        at_every_cut(World::new, |rig| {
            assert_eq!(rig.sends(&line)[0].code, 257);
            let made = rig.disk.folders.contains(stored);
            assert!(
                made,
                "{} is not {}",
                sent.escape_ascii(),
                stored.escape_ascii()
            );
        });
    }
}

#[test]
fn files_are_deleted() {
    let disk = || {
        let disk = Disk::new().with("/a", NEW).with_stage("/s", OLD);
        disk.with("/two", NEW).with_stage("/two", OLD)
    };
    at_every_cut(
        || World::with(disk()),
        |rig| {
            rig.expect("DELE d", &[550]);
            rig.expect("DELE no", &[550]);
            for name in ["a", "s", "two"] {
                rig.expect(&format!("DELE {name}"), &[250]);
                rig.expect(&format!("DELE {name}"), &[550]);
            }
            assert_eq!(rig.disk.used(), 0);
        },
    );
}

/// Above the home is the home.
#[test]
fn the_home_is_all_there_is() {
    let mut rig = Rig::new(World::new());
    rig.expect("CWD ../../d", &[250]);
    rig.expect("CWD ../../../..", &[250]);
    assert_eq!(rig.text("PWD", 257), "\"/\"");
    rig.expect("DELE ../a", &[250]);
    rig.expect("RMD /", &[550]);
}

#[test]
fn a_rename_replaces_a_file() {
    let world = || World::with(Disk::new().with("/a", NEW).with("/b", OLD));
    at_every_cut(world, |rig| {
        rig.expect("RNFR a", &[350]);
        rig.expect("RNTO b", &[250]);
        assert_eq!(rig.disk.content("/b").as_deref(), Some(NEW));
        assert_eq!(rig.disk.content("/a"), None);
        rig.expect("RNFR b", &[350]);
        rig.expect("RNTO d/c", &[250]);
        rig.expect("RNFR d", &[350]);
        rig.expect("RNTO e", &[250]);
    });
}

#[test]
fn renames_that_cannot_be() {
    at_every_cut(World::new, |rig| {
        rig.expect("RNFR no", &[550]);
        rig.expect("RNTO x", &[503]);
        for to in ["d", "no/x", "a/x"] {
            rig.expect("RNFR a", &[350]);
            rig.expect(&format!("RNTO {to}"), &[550]);
            // Both must be said again.
            rig.expect("RNTO x", &[503]);
        }
        assert_eq!(rig.disk.content("/a").as_deref(), Some(NEW));
    });
}

#[test]
fn a_rename_is_two_commands_in_a_row() {
    let mut rig = Rig::new(World::new());
    rig.expect("RNFR a", &[350]);
    rig.expect("PWD", &[257]);
    rig.expect("RNTO x", &[503]);
    rig.expect("RNFR a", &[350]);
    rig.expect("RNFR d/b", &[350]);
    rig.expect("RNTO x", &[250]);
    assert_eq!(rig.disk.content("/x").as_deref(), Some(OLD));
    rig.expect("RNFR x\r\nQUIT", &[350, 221]);
    assert!(rig.is_over());
}
