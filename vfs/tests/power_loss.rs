//! Tests of what a power loss leaves: the files of a home are put as a disk may hold them then, and
//! a daemon is started on them.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use skiff_vfs::{Amount, Durability, Home, Homes, Kept, NameSize, Start, VfsError, Worker};

use crate::common::{
    MEBI, StageNow, World, begin, label_of, leave, leave_cut, on_worker, put, stage_file, stage_of,
    stages_now, start,
};

const FILE: &str = "file";

/// Starts a daemon, after the last one ended without a clean stop and `damage` was done to the disk.
fn restart_after(
    world: &World,
    worker: &Worker,
    home: Arc<Home>,
    damage: impl FnOnce(),
) -> Arc<Home> {
    drop(home);
    damage();
    let home = world.open(worker);
    world.check(&home, worker);
    home
}

/// Appends zeros to a file, as a disk does that has its length and not its bytes.
fn add_zeros(path: &Path, bytes: u64) {
    let file = OpenOptions::new().append(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length + bytes).unwrap();
}

fn staged(world: &World, path: &str) -> Option<Vec<u8>> {
    stage_of(world, path).map(|(content, _)| content)
}

fn size(home: &Arc<Home>, worker: &Worker, path: &str) -> Option<NameSize> {
    match home.size(worker, Path::new(path)) {
        Ok(size) => Some(size),
        Err(VfsError::NotFound) => None,
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn a_kept_stage_is_cut_to_what_was_synced() {
    on_worker(|worker| {
        for keep in [Kept::ButLastByte, Kept::Whole] {
            let world = World::new();
            let home = world.open(worker);
            match keep {
                Kept::Nothing => panic!("nothing is looked for"),
                Kept::ButLastByte => leave_cut(&home, worker, FILE, b"part"),
                Kept::Whole => leave(&home, worker, FILE, b"part"),
            }
            let stage = stage_file(&world, FILE).unwrap();
            assert_eq!(label_of(&stage).unwrap().0, 4, "it is synced");
            let home = restart_after(&world, worker, home, || add_zeros(&stage, 5000));
            assert_eq!(staged(&world, FILE).unwrap(), b"part");
            assert_eq!(home.usage().used, Amount::new(4, 1));
            let told = if keep == Kept::Whole { 3 } else { 4 };
            assert_eq!(size(&home, worker, FILE), Some(NameSize::Staged(told)));
            let upload = begin(&home, worker, FILE, Start::End).unwrap();
            assert_eq!(upload.position(), told);
        }
    });
}

/// A daemon that is stopped cleanly believes no more than that either: the snapshot may be older
/// than the power loss.
#[test]
fn a_snapshot_does_not_vouch_for_what_was_not_synced() {
    on_worker(|worker| {
        let world = World::new();
        let homes = world.homes();
        let home = open_in(&homes, &world, worker);
        home.scan(worker).unwrap();
        leave_cut(&home, worker, FILE, b"part");
        drop(home);
        assert_eq!(homes.close_idle(worker, Duration::ZERO), 1);
        add_zeros(&stage_file(&world, FILE).unwrap(), 5000);
        let home = open_in(&world.homes(), &world, worker);
        assert!(home.is_uncounted(), "the snapshot counts what was cut");
        assert_eq!(staged(&world, FILE).unwrap(), b"part");
        home.scan(worker).unwrap();
        world.check(&home, worker);
    });
}

fn open_in(homes: &Homes, world: &World, worker: &Worker) -> Arc<Home> {
    homes
        .open(worker, "tom", &world.root(), world.limit)
        .unwrap()
}

#[test]
fn a_running_upload_leaves_what_its_last_sync_has_covered() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        let mebi = vec![5; MEBI as usize];
        let mut long = start(&home, worker, "long", None).unwrap();
        for _ in 0..70 {
            long.write(worker, &mebi).unwrap();
        }
        let mut short = start(&home, worker, "short", None).unwrap();
        for _ in 0..3 {
            short.write(worker, &mebi).unwrap();
        }
        let on_disk = stages_now(&world);
        drop((long, short));
        let home = restart_after(&world, worker, home, || {
            on_disk.iter().for_each(StageNow::put_back);
        });
        let kept = staged(&world, "long").unwrap();
        assert!(kept.len() as u64 >= 64 * MEBI && (kept.len() as u64) < 70 * MEBI);
        assert!(kept.iter().all(|byte| *byte == 5));
        assert_eq!(staged(&world, "short"), None, "it was never synced");
        assert_eq!(size(&home, worker, "short"), None);
    });
}

#[test]
fn a_stage_that_is_begun_anew_vouches_for_nothing_of_the_old() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        leave_cut(&home, worker, FILE, &[1; 5000]);
        let stage = stage_file(&world, FILE).unwrap();
        for (at, synced) in [(4000, 4000), (0, 0)] {
            let mut upload = begin(&home, worker, FILE, Start::Offset(at)).unwrap();
            upload.write(worker, &vec![2; 6000]).unwrap();
            assert_eq!(label_of(&stage).unwrap().0, synced);
            upload.suspend(worker);
            assert_eq!(label_of(&stage).unwrap().0, at + 6000 - 1);
        }
    });
}

#[test]
fn without_syncs_only_a_clean_stop_vouches_for_stages() {
    on_worker(|worker| {
        for clean in [true, false] {
            let mut world = World::new();
            world.policy.durability = Durability::None;
            let homes = world.homes();
            let home = open_in(&homes, &world, worker);
            home.scan(worker).unwrap();
            leave_cut(&home, worker, FILE, b"part");
            // One process may close a home and open it again.
            drop(home);
            assert_eq!(homes.close_idle(worker, Duration::ZERO), 1);
            let home = open_in(&homes, &world, worker);
            assert_eq!(staged(&world, FILE).unwrap(), b"part");
            if clean {
                homes.close(worker).unwrap();
            }
            let home = restart_after(&world, worker, home, || drop(homes));
            let kept = clean.then_some(NameSize::Staged(4));
            assert_eq!(size(&home, worker, FILE), kept);
        }
    });
}

#[test]
fn without_syncs_the_snapshot_of_an_idle_home_vouches_for_its_stages() {
    on_worker(|worker| {
        let mut world = World::new();
        world.policy.durability = Durability::None;
        let homes = world.homes();
        let home = open_in(&homes, &world, worker);
        home.scan(worker).unwrap();
        leave_cut(&home, worker, FILE, b"part");
        drop(home);
        assert_eq!(homes.close_idle(worker, Duration::ZERO), 1);
        let home = open_in(&world.homes(), &world, worker);
        assert_eq!(size(&home, worker, FILE), Some(NameSize::Staged(4)));
        assert!(!home.is_uncounted());
        world.check(&home, worker);
    });
}

#[test]
fn a_clean_stop_syncs_what_nobody_has_synced_yet() {
    on_worker(|worker| {
        let world = World::new();
        let homes = world.homes();
        let home = open_in(&homes, &world, worker);
        home.scan(worker).unwrap();
        let mut upload = begin(&home, worker, FILE, Start::Offset(0)).unwrap();
        upload.write(worker, b"part!").unwrap();
        drop(upload);
        let stage = stage_file(&world, FILE).unwrap();
        assert_eq!(label_of(&stage).unwrap().0, 0, "a drop waits for no disk");
        homes.close(worker).unwrap();
        assert_eq!(label_of(&stage).unwrap().0, 4);
        let home = restart_after(&world, worker, home, || drop(homes));
        assert_eq!(size(&home, worker, FILE), Some(NameSize::Staged(4)));
    });
}

#[test]
fn an_unconfirmed_append_is_cut_off_at_the_next_start() {
    on_worker(|worker| {
        for durability in [Durability::Fsync, Durability::None] {
            let mut world = World::new();
            world.policy.durability = durability;
            let home = world.open(worker);
            put(&home, worker, FILE, b"published").unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
            home.set_modified(worker, Path::new(FILE), time).unwrap();
            leave_cut(&home, worker, FILE, b"beside");
            let mut upload = begin(&home, worker, FILE, Start::End).unwrap();
            upload.write(worker, b" and more").unwrap();
            let record = record_of(&world);
            drop(upload);
            drop(home);
            // As it was in the middle, but for the bytes.
            fs::hard_link(world.at(FILE), record).unwrap();
            add_zeros(&world.at(FILE), 3000);
            fs::create_dir(world.at("elsewhere")).unwrap();
            fs::rename(world.at(FILE), world.at("elsewhere/moved")).unwrap();

            let home = world.open(worker);
            let moved = world.at("elsewhere/moved");
            assert_eq!(fs::read(&moved).unwrap(), b"published");
            let metadata = fs::metadata(&moved).unwrap();
            assert_eq!(metadata.modified().unwrap(), time);
            assert_eq!(metadata.nlink(), 1, "the record is gone");
            world.check(&home, worker);
        }
    });
}

/// The other name that a file has while it is appended to.
fn record_of(world: &World) -> PathBuf {
    let inode = fs::metadata(world.at(FILE)).unwrap().ino();
    let entries = fs::read_dir(world.at(".skiff-stage")).unwrap();
    let mut entries = entries.map(|entry| entry.unwrap());
    let record = entries.find(|entry| entry.metadata().unwrap().ino() == inode);
    record.unwrap().path()
}

#[test]
fn a_confirmed_append_stays_and_a_stopped_one_leaves_no_record() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        put(&home, worker, FILE, b"one").unwrap();
        let mut upload = begin(&home, worker, FILE, Start::End).unwrap();
        upload.write(worker, b" two").unwrap();
        upload.publish(worker, None, None).unwrap();
        let mut upload = begin(&home, worker, FILE, Start::End).unwrap();
        upload.write(worker, b" three").unwrap();
        upload.suspend(worker);
        let left = fs::read_dir(world.at(".skiff-stage")).unwrap();
        assert_eq!(left.count(), 0, "no record is left");
        restart_after(&world, worker, home, || {
            fs::write(world.at(FILE), "one two, and others'").unwrap();
        });
        assert_eq!(fs::read(world.at(FILE)).unwrap(), b"one two, and others'");
    });
}

/// Btrfs may make a rename durable in one directory and not in the other.
#[test]
fn a_stage_that_is_its_published_file_too_is_not_written_to() {
    on_worker(|worker| {
        for restarted in [true, false] {
            for request in [Start::Stage, Start::Offset(0), Start::Offset(4)] {
                let world = World::new();
                let home = world.open(worker);
                leave_cut(&home, worker, FILE, b"whole");
                let stage = stage_file(&world, FILE).unwrap();
                let both = || fs::hard_link(&stage, world.at(FILE)).unwrap();
                let home = match restarted {
                    true => restart_after(&world, worker, home, both),
                    false => {
                        both();
                        home
                    }
                };
                let published = Some(NameSize::Published(5));
                assert_eq!(size(&home, worker, FILE), published);
                let mut upload = begin(&home, worker, FILE, request).unwrap();
                upload.prepare(worker).unwrap();
                upload.write(worker, b"-").unwrap();
                assert_eq!(fs::read(world.at(FILE)).unwrap(), b"whole", "{request:?}");
                drop(upload);
                assert_eq!(fs::metadata(world.at(FILE)).unwrap().nlink(), 1);
                home.scan(worker).unwrap();
                world.check(&home, worker);
            }
        }
    });
}

/// The inode numbers of removed directories are used again.
#[test]
fn a_stage_is_not_that_of_another_directory_with_the_same_number() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        let make = |dir: &str| {
            home.make_dir(worker, Path::new(dir)).unwrap();
            fs::metadata(world.at(dir)).unwrap().created().ok()
        };
        // A birth is told by the kernel's clock, which stands still for some milliseconds.
        let born = make("old");
        while make("new") == born && born.is_some() {
            home.remove(worker, Path::new("new")).unwrap();
        }
        leave_cut(&home, worker, "old/file", b"of the old");
        let number = |dir: &str| fs::metadata(world.at(dir)).unwrap().ino();
        let stage = stage_file(&world, "old/file").unwrap();
        let name = stage.file_name().unwrap().to_str().unwrap();
        let (was, becomes) = (number("old"), number("new"));
        let forged = name.replace(&format!("{was:016x}"), &format!("{becomes:016x}"));
        fs::rename(&stage, stage.with_file_name(forged)).unwrap();
        fs::remove_dir(world.at("old")).unwrap();

        assert_eq!(size(&home, worker, "new/file"), None);
        let refused = begin(&home, worker, "new/file", Start::Offset(10));
        assert!(matches!(refused, Err(VfsError::BadOffset { .. })));
        assert_eq!(home.usage().used, Amount::new(0, 2), "it is gone");
        put(&home, worker, "new/file", b"new").unwrap();
        assert_eq!(fs::read(world.at("new/file")).unwrap(), b"new");
        home.scan(worker).unwrap();
        world.check(&home, worker);
    });
}

#[test]
fn a_count_drops_the_stages_of_directories_that_are_gone() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        home.make_dir(worker, Path::new("dir")).unwrap();
        leave_cut(&home, worker, "dir/file", b"part");
        let stage = stage_file(&world, "dir/file").unwrap();
        // The directory is another one by the time it was made.
        let mut now = StageNow::of(&stage);
        let label = String::from_utf8(now.label).unwrap();
        let born = label.split(' ').nth(2).unwrap();
        now.label = label.replace(born, "1.5").into_bytes();
        now.put_back();
        assert_eq!(home.scan(worker).unwrap().used, Amount::new(0, 1));
        assert!(!stage.exists());
        world.check(&home, worker);
    });
}
