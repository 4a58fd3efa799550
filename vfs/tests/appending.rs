//! Tests of appending in place: old bytes are never written, and nothing grows unreserved.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use skiff_vfs::{Amount, Append, Home, Kept, Limit, Replace, Start, Upload, VfsError, Worker};

use crate::common::{MEBI, World, begin, digest, digests, leave, on_worker, put, stage_of};

const FILE: &str = "file";

fn limited(bytes: u64) -> World {
    let mut world = World::new();
    world.limit = Limit::new(bytes, 10);
    world
}

fn append(home: &Arc<Home>, worker: &Worker, path: &str) -> Upload {
    begin(home, worker, path, Start::End).unwrap()
}

fn content(world: &World) -> Vec<u8> {
    fs::read(world.at(FILE)).unwrap()
}

fn modified(world: &World) -> SystemTime {
    fs::metadata(world.at(FILE)).unwrap().modified().unwrap()
}

#[test]
fn over_quota_in_the_middle_it_is_cut_back_with_its_time() {
    on_worker(|worker| {
        let world = limited(100);
        let home = world.open(worker);
        put(&home, worker, FILE, &[1; 60]).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        home.set_modified(worker, Path::new(FILE), time).unwrap();
        let mut upload = append(&home, worker, FILE);
        upload.write(worker, &[2; 30]).unwrap();
        assert_eq!(home.usage().reserved, Amount::bytes(30));
        let over = upload.write(worker, &[3; 11]);
        assert!(
            matches!(over, Err(VfsError::OverQuota { needed, available })
                if (needed.bytes, available.bytes) == (11, 10)),
            "{over:?}"
        );
        assert_eq!((upload.initial_len(), upload.file_len()), (60, 90));
        assert_eq!(content(&world).len(), 90);
        upload.write(worker, &[4; 10]).unwrap();
        drop(upload);
        assert_eq!(content(&world), [1; 60]);
        assert_eq!(modified(&world), time);
        assert_eq!(home.usage().used, Amount::new(60, 1));
        world.check(&home, worker);
    });
}

#[test]
fn a_declared_size_is_reserved_at_once_and_the_last_byte_fits() {
    on_worker(|worker| {
        let world = limited(100);
        let home = world.open(worker);
        put(&home, worker, FILE, &[1; 60]).unwrap();
        let declared = |size: u64| {
            let request = skiff_vfs::UploadRequest {
                size: Some(size),
                start: Start::End,
                replace: Replace::Existing,
                append: Append::Allowed,
                keep: Kept::ButLastByte,
                owner: 1,
            };
            home.upload(worker, Path::new(FILE), &request)
        };
        assert!(matches!(declared(101), Err(VfsError::OverQuota { .. })));
        drop(declared(100).unwrap());
        // Shorter than what is there already: no error, and nothing is cut.
        drop(declared(1).unwrap());
        let skiff_vfs::UploadStart::Open(mut upload) = declared(100).unwrap() else {
            panic!("nothing is complete")
        };
        assert_eq!(home.usage().available().bytes, 0);
        upload.write(worker, &[2; 40]).unwrap();
        upload.publish(worker, None, None).unwrap();
        assert_eq!(home.usage().used, Amount::new(100, 1));
        world.check(&home, worker);
    });
}

#[test]
fn what_is_appended_is_paid_for_beside_a_stage() {
    on_worker(|worker| {
        let world = limited(105);
        let home = world.open(worker);
        put(&home, worker, FILE, &[1; 10]).unwrap();
        leave(&home, worker, FILE, &[2; 50]);
        let before = stage_of(&world, FILE);
        let mut upload = append(&home, worker, FILE);
        upload.write(worker, &[3; 40]).unwrap();
        assert_eq!(home.usage().reserved, Amount::bytes(40));
        upload.write(worker, &[3; 5]).unwrap();
        assert_eq!(home.usage().reserved, Amount::bytes(45));
        assert!(upload.write(worker, &[3; 1]).is_err(), "the quota is full");
        upload.publish(worker, None, None).unwrap();
        assert_eq!(home.usage().used, Amount::new(105, 2));
        assert_eq!(stage_of(&world, FILE), before, "the stage stays, charged");
        world.check(&home, worker);
        home.drop_stage(worker, Path::new(FILE)).unwrap();
        assert_eq!(home.usage().used, Amount::new(55, 1));
        world.check(&home, worker);
    });
}

#[test]
fn remembered_digests_go_before_the_first_byte() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        put(&home, worker, FILE, b"old").unwrap();
        let known = || home.download(worker, Path::new(FILE)).unwrap().digests();
        let mut upload = append(&home, worker, FILE);
        assert_eq!(known(), Some(digests(b"old")));
        upload.prepare(worker).unwrap();
        assert_eq!(known(), None);
        upload.write(worker, b" and new").unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(9);
        let published = upload.publish(worker, Some(digest(b"old and new")), Some(time));
        let published = published.unwrap();
        assert_eq!(
            (published.size, published.modified.system_time()),
            (11, time)
        );
        assert_eq!(known(), Some(digests(b"old and new")));
        assert_eq!(modified(&world), time);
        let again = append(&home, worker, FILE).publish(worker, None, None);
        assert_eq!(again.unwrap().size, 11);
        assert_eq!(known(), None, "an append of nothing is one too");
    });
}

#[test]
fn one_writer_per_name_also_in_place() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        put(&home, worker, FILE, b"old").unwrap();
        put(&home, worker, "other", b"x").unwrap();
        let [file, other] = [FILE, "other"].map(Path::new);
        let upload = append(&home, worker, FILE);
        let busy = |result: Result<(), VfsError>| matches!(result, Err(VfsError::Busy { .. }));
        for start in [Start::End, Start::Offset(0), Start::Offset(3), Start::Stage] {
            assert!(
                busy(begin(&home, worker, FILE, start).map(|_| ())),
                "{start:?}"
            );
        }
        assert!(busy(home.remove(worker, file)));
        assert!(busy(home.remove_file(worker, file)));
        assert!(busy(home.rename(worker, file, other, Replace::Existing)));
        assert!(busy(home.rename(worker, other, file, Replace::Existing)));
        assert!(busy(
            home.set_modified(worker, file, SystemTime::now())
                .map(|_| ())
        ));
        assert!(busy(home.set_mode(worker, file, 0o600)));
        drop(upload);
        append(&home, worker, FILE).discard(worker);
        world.check(&home, worker);
    });
}

#[test]
fn the_floor_of_free_space_holds_in_place() {
    on_worker(|worker| {
        let mut world = World::new();
        let home = world.open(worker);
        put(&home, worker, FILE, b"old").unwrap();
        drop(home);
        world.policy.free_space_floor = u64::MAX;
        let home = world.open(worker);
        let refused = begin(&home, worker, FILE, Start::End);
        assert!(matches!(refused, Err(VfsError::DiskFull)), "{refused:?}");
        world.check(&home, worker);
    });
}

#[test]
fn a_file_of_several_names_gets_one_of_its_own() {
    on_worker(|worker| {
        let world = World::new();
        fs::write(world.at(FILE), "shared").unwrap();
        fs::hard_link(world.at(FILE), world.at("twin")).unwrap();
        let home = world.open(worker);
        let mut upload = append(&home, worker, FILE);
        assert_eq!(upload.position(), 6);
        upload.write(worker, b" no more!").unwrap();
        upload.suspend(worker);
        assert_eq!(content(&world), b"shared");
        world.check(&home, worker);

        // A stage is there already, so the file cannot be copied to one.
        let refused = begin(&home, worker, FILE, Start::End);
        assert!(matches!(refused, Err(VfsError::Forbidden)), "{refused:?}");
        let upload = begin(&home, worker, FILE, Start::Offset(14)).unwrap();
        upload.publish(worker, None, None).unwrap();
        assert_eq!(content(&world), b"shared no more");
        assert_eq!(fs::read(world.at("twin")).unwrap(), b"shared");
        world.check(&home, worker);
    });
}

#[test]
fn links_inside_are_followed_and_what_is_no_file_is_refused() {
    on_worker(|worker| {
        let world = World::new();
        fs::create_dir(world.at("dir")).unwrap();
        fs::write(world.at(FILE), "real").unwrap();
        symlink("../file", world.at("dir/link")).unwrap();
        symlink("/etc/hostname", world.at("out")).unwrap();
        let home = world.open(worker);
        let mut upload = append(&home, worker, "dir/link");
        upload.write(worker, b"ly").unwrap();
        upload.publish(worker, None, None).unwrap();
        assert_eq!(content(&world), b"really");
        for (path, expected) in [("dir", "IsADirectory"), ("out", "Escapes"), ("", "TheHome")] {
            let refused = begin(&home, worker, path, Start::End).unwrap_err();
            assert_eq!(format!("{refused:?}"), expected, "{path}");
        }
        world.check(&home, worker);
    });
}

#[test]
fn what_others_did_to_the_file_meanwhile_is_not_cut() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        put(&home, worker, FILE, b"old").unwrap();
        let mut upload = append(&home, worker, FILE);
        fs::write(world.at(FILE), "theirs").unwrap();
        let refused = upload.write(worker, b"ours");
        assert!(
            matches!(refused, Err(VfsError::BadOffset { offset: 3, size: 6 })),
            "{refused:?}"
        );
        drop(upload);
        assert_eq!(content(&world), b"theirs");

        home.scan(worker).unwrap();
        let mut upload = append(&home, worker, FILE);
        upload.write(worker, b"ours").unwrap();
        fs::remove_file(world.at(FILE)).unwrap();
        let lost = upload.publish(worker, None, None);
        assert!(matches!(lost, Err(VfsError::NotFound)), "{lost:?}");
        assert!(home.needs_scan());
        home.scan(worker).unwrap();
        assert_eq!(home.usage().used, Amount::ZERO);
        world.check(&home, worker);
    });
}

#[test]
fn many_small_appends_pass_steps_and_checkpoints() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        put(&home, worker, FILE, b"0123456789").unwrap();
        let mut upload = append(&home, worker, FILE);
        let chunk = vec![7; 300_000];
        for _ in 0..64 {
            upload.write(worker, &chunk).unwrap();
        }
        // A scan meanwhile counts the name as it was.
        assert_eq!(home.scan(worker).unwrap().used, Amount::new(10, 1));
        let size = upload.publish(worker, None, None).unwrap().size;
        assert_eq!(size, 10 + 64 * 300_000);
        assert!(size > 18 * MEBI);
        let content = content(&world);
        assert_eq!(&content[..10], b"0123456789");
        assert!(content[10..].iter().all(|byte| *byte == 7));
        world.check(&home, worker);
    });
}
