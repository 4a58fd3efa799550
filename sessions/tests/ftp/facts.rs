//! Tests SIZE, MDTM, MFMT, CHMOD, AVBL, HASH and its like, HELP, FEAT, SITE and OPTS.

use skiff_sessions::digest::{Algorithm, Running};
use skiff_sessions::wire::stamp::Stamp;

use super::cuts::at_every_cut;
use super::disk::{Counting, Disk};
use super::rig::Rig;
use super::world::{NEW, OLD, World};

#[test]
fn sizes() {
    let disk = || {
        let disk = Disk::new().with("/a", NEW).with_stage("/s", OLD);
        disk.with("/two", NEW).with_stage("/two", OLD)
    };
    at_every_cut(
        || World::with(disk()),
        |rig| {
            rig.expect("SIZE a", &[550]);
            rig.expect("TYPE I", &[200]);
            assert_eq!(rig.text("SIZE a", 213), "43");
            assert_eq!(rig.text("SIZE s", 213), "21");
            rig.expect("SIZE two", &[550]);
            rig.expect("SIZE d", &[550]);
            rig.expect("SIZE no", &[550]);
            rig.expect("SIZE", &[501]);
        },
    );
}

#[test]
fn times() {
    at_every_cut(World::new, |rig| {
        assert_eq!(rig.text("MDTM a", 213), "20260102030405");
        // The time that the disk has stored, which knows even seconds only.
        let text = rig.text("MFMT 20250102030405 a", 213);
        assert_eq!(text, "Modify=20250102030404; /a");
        assert_eq!(rig.text("MDTM a", 213), "20250102030404");
        let text = rig.text("MDTM 20240102030405 a", 213);
        assert_eq!(text, "Modify=20240102030404; /a");
        rig.expect("MDTM d", &[550]);
        rig.expect("SITE UTIME 202301020304 a", &[213]);
        assert_eq!(rig.text("MDTM a", 213), "20230102030400");
        let three = "SITE UTIME a 20200101000000 20220102030405 20200101000000 UTC";
        rig.expect(three, &[213]);
        assert_eq!(rig.disk.files[&b"/a"[..]].modified, Stamp(1_641_092_644));
        rig.expect("MFMT 20251302030405 a", &[501]);
        rig.expect("MFMT 20250102030405 no", &[550]);
        rig.expect("MDTM no", &[550]);
        rig.expect("SITE UTIME x", &[501]);
    });
}

#[test]
fn the_time_of_a_stage_is_told() {
    let disk = || Disk::new().with_stage("/s", OLD);
    let mut rig = Rig::new(World::with(disk()));
    assert_eq!(rig.text("MDTM s", 213), "20260102030405");
}

#[test]
fn modes() {
    at_every_cut(World::new, |rig| {
        rig.expect("SITE CHMOD 600 a", &[200]);
        assert_eq!(rig.disk.files[&b"/a"[..]].mode, 0o600);
        rig.expect("SITE CHMOD 4755 a", &[504]);
        rig.expect("SITE CHMOD 888 a", &[501]);
        rig.expect("SITE CHMOD 600", &[501]);
        rig.expect("SITE CHMOD 600 no", &[550]);
        assert_eq!(rig.disk.files[&b"/a"[..]].mode, 0o600);
    });
}

#[test]
fn room() {
    let disk = || {
        let mut disk = Disk::new().with("/a", NEW).with_stage("/s", b"12345");
        disk.limit = 100;
        disk
    };
    at_every_cut(
        || World::with(disk()),
        |rig| {
            assert_eq!(rig.text("AVBL", 213), "52");
            assert_eq!(rig.text("AVBL d", 213), "52");
            rig.expect("AVBL no", &[550]);
            rig.expect("AVBL a", &[550]);
            let quota = rig.expect("SITE QUOTA", &[200]);
            let line = " 48 of 100 bytes used, 5 of them by unfinished uploads";
            assert_eq!(quota[0].lines[1], line);
            let free = " 0 bytes reserved for uploads under way, 52 free for a new one";
            assert_eq!(quota[0].lines[2], free);
            let status = rig.expect("STAT", &[211]);
            assert_eq!(status[0].lines[1], " logged in as tom");
            assert_eq!(status[0].lines[2], line);
        },
    );
}

/// Nobody is told 0 while a home is counted.
#[test]
fn a_home_that_is_being_counted() {
    let world = || {
        let mut disk = Disk::new();
        disk.faults.counting = Some(Counting);
        World::with(disk)
    };
    at_every_cut(world, |rig| {
        let counting = "your home is being counted, ask again in a moment";
        assert!(rig.text("AVBL", 450).contains("still being counted"));
        for (line, code, at) in [("SITE QUOTA", 200, 1), ("STAT", 211, 2)] {
            let said = rig.expect(line, &[code]);
            assert!(
                said[0].lines[at].trim_start().starts_with(counting),
                "{said:?}"
            );
            assert_eq!(said[0].lines.len(), at + 2, "nothing else is told");
        }
        rig.expect("ALLO 5", &[200]);
    });
}

fn sum(algorithm: Algorithm, bytes: &[u8]) -> String {
    let mut running = Running::new(algorithm);
    running.update(bytes);
    running.sum().to_string()
}

#[test]
fn digests() {
    at_every_cut(World::new, |rig| {
        let sha256 = sum(Algorithm::Sha256, NEW);
        let md5 = Algorithm::Md5.of(NEW).to_string();
        assert_eq!(rig.text("HASH a", 213), format!("SHA-256 0-43 {sha256} /a"));
        assert_eq!(rig.text("XMD5 a", 250), md5);
        assert_eq!(rig.text("XMD5 \"a\"", 250), md5);
        assert_eq!(rig.text("XSHA256 a", 250), sha256);
        assert_eq!(rig.text("XSHA512 a", 250), sum(Algorithm::Sha512, NEW));
        assert_eq!(rig.text("OPTS HASH", 200), "SHA-256");
        assert_eq!(rig.text("OPTS HASH md5", 200), "MD5");
        assert_eq!(rig.text("HASH a", 213), format!("MD5 0-43 {md5} /a"));
        rig.expect("OPTS HASH CRC32", &[504]);
        for line in ["HASH no", "HASH d", "XMD5 no"] {
            rig.expect(line, &[550]);
        }
        rig.expect("HASH", &[501]);
    });
}

#[test]
fn digests_of_a_range() {
    at_every_cut(World::new, |rig| {
        let part = sum(Algorithm::Md5, &NEW[5..10]);
        rig.expect("OPTS HASH MD5", &[200]);
        rig.expect("RANG 5 9", &[350]);
        assert_eq!(rig.text("HASH a", 213), format!("MD5 5-10 {part} /a"));
        // It was for one digest.
        let whole = sum(Algorithm::Md5, NEW);
        assert_eq!(rig.text("HASH a", 213), format!("MD5 0-43 {whole} /a"));
        assert_eq!(rig.text("XMD5 \"a\" 5 10", 250), part);
        rig.expect("RANG 5 9", &[350]);
        rig.expect("RANG 1 0", &[350]);
        assert_eq!(rig.text("HASH a", 213), format!("MD5 0-43 {whole} /a"));
        rig.expect("RANG 9 5", &[501]);
        rig.expect("RANG 0 43", &[350]);
        rig.expect("HASH a", &[554]);
        rig.expect("XMD5 \"a\" 0 44", &[554]);
        assert_eq!(rig.text("XMD5 \"a\" 43 43", 250), sum(Algorithm::Md5, b""));
    });
}

#[test]
fn help() {
    at_every_cut(World::new, |rig| {
        let all = rig.expect("HELP", &[214]);
        assert!(all[0].lines.len() > 5);
        assert_eq!(rig.text("HELP retr", 214), "RETR PATH: download a file");
        rig.expect("HELP SITE", &[214]);
        rig.expect("SITE HELP", &[214]);
        rig.expect("SITE HELP CHMOD", &[214]);
        rig.expect("SITE HELP NO", &[502]);
        rig.expect("HELP NO", &[502]);
        rig.expect("SITE", &[501]);
        rig.expect("SITE NO", &[504]);
    });
}

#[test]
fn features_and_options() {
    at_every_cut(World::new, |rig| {
        let features = rig.expect("FEAT", &[211]);
        for line in [
            " UTF8",
            " MDTM",
            " SIZE",
            " REST STREAM",
            " TVFS",
            " HASH MD5;SHA-256*;SHA-512",
        ] {
            assert!(features[0].lines.iter().any(|l| l == line), "{line}");
        }
        rig.expect("OPTS UTF8 ON", &[200]);
        rig.expect("OPTS utf8", &[200]);
        rig.expect("OPTS UTF8 OFF", &[504]);
        rig.expect("OPTS RETR x", &[504]);
        rig.expect("OPTS", &[501]);
        rig.expect("MODE S", &[200]);
        rig.expect("MODE Z", &[504]);
        rig.expect("STRU F", &[200]);
        rig.expect("STRU R", &[504]);
        rig.expect("TYPE E", &[504]);
        rig.expect("TYPE L 8", &[200]);
        rig.expect("CLNT x", &[200]);
        assert_eq!(rig.text("SYST", 215), "UNIX Type: L8");
    });
}
