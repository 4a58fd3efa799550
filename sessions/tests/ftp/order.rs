//! Tests that lines sent without waiting are answered in their order.

use super::cuts::at_every_cut;
use super::rig::{Hold, Rig};
use super::world::World;

#[test]
fn commands_of_every_kind() {
    at_every_cut(World::new, |rig| {
        let lines = "TYPE I\r\nSIZE a\r\nCWD d\r\nMDTM b\r\nREST 5\r\nnonsense\r\n\
            MKD x\r\nRNFR x\r\nRNTO y\r\nHASH b\r\nSTAT .\r\nPWD\r\nDELE b\r\nSIZE b";
        let codes = [
            200, 213, 250, 213, 350, 500, 257, 350, 250, 213, 213, 257, 250, 550,
        ];
        rig.expect(lines, &codes);
    });
}

#[test]
fn a_whole_login() {
    at_every_cut(
        || World::new().greeted(),
        |rig| {
            let lines = "FEAT\r\nUSER tom\r\nPASS 123\r\nOPTS UTF8 ON\r\nPWD\r\nQUIT\r\nPWD";
            rig.expect(lines, &[211, 331, 230, 200, 257, 221]);
            assert!(rig.is_over());
        },
    );
}

#[test]
fn transfers() {
    at_every_cut(World::new, |rig| {
        let lines = "PORT 192,0,2,1,7,208\r\nRETR a\r\nPORT 192,0,2,1,7,208\r\nLIST\r\nPWD";
        rig.expect(lines, &[200, 150, 226, 200, 150, 226, 257]);
    });
}

/// lftp does so where `ftp:sync-mode` is off.
#[test]
fn a_passive_port() {
    at_every_cut(World::new, |rig| {
        rig.expect("EPSV\r\nPWD", &[229, 257]);
        rig.expect("PASV\r\nNOOP", &[227, 200]);
        rig.expect(
            "TYPE I\r\nEPSV\r\nRETR a\r\nPWD",
            &[200, 229, 150, 226, 257],
        );
    });
}

#[test]
fn bare_line_ends_and_blanks() {
    at_every_cut(World::new, |rig| {
        let said = rig.sends(b"pwd\nNoop \r\nnoop\n");
        let codes: Vec<u16> = said.iter().map(|said| said.code).collect();
        assert_eq!(codes, [257, 200, 200]);
    });
}

#[test]
fn lines_that_are_none() {
    at_every_cut(World::new, |rig| {
        let said = rig.sends(b"PW\0D\r\nPW\rD\r\n\r\nPWD\r\n");
        let codes: Vec<u16> = said.iter().map(|said| said.code).collect();
        assert_eq!(codes, [500, 500, 500, 257]);
    });
    let mut rig = Rig::new(World::new());
    let long = [&b"MKD "[..], &[b'x'; 17_000], b"\r\nPWD\r\n"].concat();
    let said = rig.sends(&long);
    assert_eq!([said[0].code, said[1].code], [500, 257]);
}

// while a digest is computed, which is no transfer

fn hashing() -> Rig {
    let mut rig = Rig::new(World::new());
    rig.hold = Hold::Bursts;
    rig.expect("HASH a", &[]);
    rig
}

#[test]
fn what_comes_behind_a_digest_waits() {
    let mut rig = hashing();
    rig.expect("PWD\r\nSIZE a", &[]);
    rig.hold = Hold::Nothing;
    rig.expect_hears(&[213, 257, 550]);
    rig.is_ready();
}

#[test]
fn noop_and_stat_behind_a_digest_are_answered() {
    for (line, code) in [("NOOP", 200), ("STAT", 211)] {
        let mut rig = hashing();
        let mut said = rig.types(line);
        rig.hold = Hold::Nothing;
        said.extend(rig.hears());
        let mut codes: Vec<u16> = said.iter().map(|said| said.code).collect();
        codes.sort_unstable();
        let mut expected = [code, 213];
        expected.sort_unstable();
        assert_eq!(codes, expected, "{line}");
    }
}

#[test]
fn quit_behind_a_digest_lets_it_finish() {
    let mut rig = hashing();
    rig.types("QUIT");
    rig.hold = Hold::Nothing;
    let told = rig.transcript();
    rig.hears();
    let all = rig.transcript();
    assert!(all.contains("213 SHA-256"), "{told} {all}");
    assert!(all.ends_with("221 goodbye\r\n"));
}

#[test]
fn the_log_has_the_digest_whatever_was_asked_meanwhile() {
    for line in ["NOOP", "STAT"] {
        let mut rig = hashing();
        rig.types(line);
        rig.hold = Hold::Nothing;
        rig.hears();
        let hashed = rig.logged.iter().find(|logged| logged.verb == "HASH");
        assert_eq!(hashed.map(|logged| logged.code), Some(213), "{line}");
    }
}

// the access log

#[test]
fn one_line_for_each_dialogue() {
    let mut rig = Rig::new(World::new());
    rig.sends_file(b"x");
    rig.expect("CWD d\r\nRNFR b\r\nRNTO c", &[250, 350, 250]);
    rig.expect("TYPE I\r\nPASV", &[200, 227]);
    rig.expect("STOR e", &[150, 226]);
    rig.expect("PASV", &[227]);
    rig.expect("RETR /a", &[150, 226]);
    rig.expect("DELE no", &[550]);
    let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    let logged = rig.logged.iter();
    let logged: Vec<_> = logged
        .map(|line| (line.verb, text(&line.path), line.code, line.bytes))
        .collect();
    let line = |verb, path: &str, code, bytes| (verb, path.to_owned(), code, bytes);
    let expected = [
        line("CWD", "/d", 250, 0),
        line("RENAME", "/d/b", 250, 0),
        line("STOR", "/d/e", 226, 1),
        line("RETR", "/a", 226, 43),
        line("DELE", "/d/no", 550, 0),
    ];
    assert_eq!(logged, expected);
    let told: Vec<_> = rig
        .logged
        .iter()
        .filter_map(|line| line.to.as_deref())
        .collect();
    assert_eq!(told, [b"/d/c"]);
    assert_eq!(rig.logged[1].to.as_deref(), Some(&b"/d/c"[..]));
}
