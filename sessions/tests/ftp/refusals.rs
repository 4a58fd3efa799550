//! Tests every refusal, wherever it may occur: its code, and that the session goes on.

use skiff_sessions::rights::Right;
use skiff_sessions::server::{DataEvent, Job};
use skiff_sessions::wire::reply::Refusal;

use super::disk::Disk;
use super::rig::{Comes, Hold, Rig};
use super::world::{NEW, OLD, World};

/// What the disk may answer, and what FTP calls it.
const REFUSALS: &[(Refusal, u16)] = &[
    (Refusal::NotFound, 550),
    (Refusal::NotADirectory, 550),
    (Refusal::IsADirectory, 550),
    (Refusal::Exists, 550),
    (Refusal::NotEmpty, 550),
    (Refusal::AboveHome, 550),
    (Refusal::LeadsOut, 550),
    (Refusal::TargetLeadsOut, 550),
    (Refusal::NotALink, 550),
    (Refusal::Forbidden, 550),
    (Refusal::ReadOnly, 550),
    (Refusal::NoRight(Right::Get), 550),
    (Refusal::Link, 550),
    (Refusal::NotRegular, 550),
    (Refusal::BadName, 553),
    (Refusal::OtherDevice, 550),
    (
        Refusal::OverQuota {
            needed: 2,
            available: 1,
        },
        552,
    ),
    (Refusal::TooManyEntries, 552),
    (Refusal::DiskFull, 452),
    (Refusal::Busy, 450),
    (Refusal::NotReady, 450),
    (Refusal::NoStaging, 550),
    (Refusal::Changed, 451),
    (Refusal::TooLong, 451),
    (Refusal::BadFrame, 451),
    (Refusal::BadOffset { offset: 2, size: 1 }, 554),
    (Refusal::TwoSizes, 550),
    (Refusal::Overloaded, 450),
    (Refusal::NotRecursive, 504),
    (Refusal::PasswordFixed, 550),
    (Refusal::WrongPassword, 550),
    (Refusal::Fault, 451),
];

/// Commands whose first job may be refused.
const LINES: &[&str] = &[
    "CWD d",
    "MKD x",
    "DELE a",
    "RMD d",
    "RNFR a",
    "MLST a",
    "SIZE a",
    "MDTM a",
    "MFMT 20250102030405 a",
    "SITE CHMOD 600 a",
    "SITE SYMLINK a x",
    "SITE QUOTA",
    "SITE STAGES",
    "STAT",
    "STAT d",
    "AVBL",
    "ALLO 5",
    "HASH a",
    "XMD5 a",
    "RETR a",
    "STOR x",
    "STOU",
    "APPE a",
    "LIST",
    "NLST",
    "MLSD",
];

fn disk() -> Disk {
    Disk::new().with("/a", NEW).with("/d/b", OLD)
}

/// A name that is taken is another thing for who wanted to store under it, and what is no directory
/// for who wanted the facts of its entries.
fn code_of(why: Refusal, code: u16, line: &str) -> u16 {
    let stores = ["STOR", "STOU", "ALLO"];
    match why {
        // RFC 3659 section 7.2.1.
        Refusal::NotADirectory if line == "MLSD" => 501,
        Refusal::Exists if stores.contains(&line.split(' ').next().unwrap()) => 553,
        _ => code,
    }
}

#[test]
fn of_the_first_job() {
    for &(why, code) in REFUSALS {
        for line in LINES {
            let mut rig = Rig::new(World::with(disk()));
            rig.expect("TYPE I\r\nPORT 192,0,2,1,7,208", &[200, 200]);
            let before = rig.disk.seen();
            rig.disk.faults.job = Some(why);
            rig.expect(line, &[code_of(why, code, line)]);
            assert_eq!(rig.disk.seen(), before, "{line}");
            rig.is_ready();
        }
    }
}

#[test]
fn of_the_new_name() {
    for &(why, code) in REFUSALS {
        let mut rig = Rig::new(World::with(disk()));
        rig.expect("RNFR a", &[350]);
        rig.disk.faults.job = Some(why);
        rig.expect("RNTO x", &[code]);
        rig.is_ready();
        rig.expect("RNTO x", &[503]);
    }
}

#[test]
fn between_150_and_the_first_byte() {
    for &(why, code) in REFUSALS {
        for line in ["STOR a", "APPE a"] {
            let mut rig = Rig::new(World::with(disk()));
            let before = rig.disk.seen();
            rig.opens = Comes::Later;
            rig.expect("TYPE I\r\nPORT 192,0,2,1,7,208", &[200, 200]);
            if line.starts_with("STOR") {
                rig.expect("REST 3", &[350]);
            }
            rig.expect(line, &[]);
            rig.disk.faults.job = Some(why);
            rig.data_event(DataEvent::Open);
            let said = rig.hears();
            let expected = code_of(why, code, line);
            assert_eq!([said[0].code, said[1].code], [150, expected]);
            assert_eq!(rig.disk.seen(), before);
            rig.is_ready();
        }
    }
}

#[test]
fn of_a_byte() {
    for &(why, code) in REFUSALS {
        for (line, code) in [
            ("STOR c", code_of(why, code, "STOR")),
            ("STOU", code_of(why, code, "STOU")),
            ("APPE c", code),
        ] {
            let mut rig = Rig::new(World::with(disk()));
            rig.disk.faults.write = Some((9, why));
            rig.sends_file(NEW);
            rig.expect("TYPE I\r\nPORT 192,0,2,1,7,208", &[200, 200]);
            rig.expect(line, &[150, code]);
            rig.is_ready();
        }
        let mut rig = Rig::new(World::with(disk()));
        rig.disk.faults.read = Some((9, why));
        rig.expect("TYPE I\r\nPORT 192,0,2,1,7,208", &[200, 200]);
        rig.expect("RETR a", &[150, code]);
        rig.is_ready();
        rig.expect("HASH a", &[code]);
        rig.is_ready();
    }
}

#[test]
fn of_the_name_at_the_end() {
    for &(why, code) in REFUSALS {
        for line in ["STOR a", "APPE a"] {
            let mut rig = Rig::new(World::with(disk()));
            rig.hold = Hold::Jobs(|job| matches!(job, Job::PublishStream));
            rig.expect("TYPE I\r\nPORT 192,0,2,1,7,208", &[200, 200]);
            rig.sends_file(OLD);
            rig.expect(line, &[150]);
            rig.disk.faults.job = Some(why);
            rig.hold = Hold::Nothing;
            rig.expect_hears(&[code_of(why, code, line)]);
            assert_eq!(rig.disk.content("/a").as_deref(), Some(NEW), "{line}");
            rig.is_ready();
        }
    }
}
