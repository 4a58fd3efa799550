//! Tests of the ledger: reservations, removal of idle stages, scans, snapshots.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime};

use skiff_vfs::{Amount, Durability, Home, Homes, Limit, VfsError, Worker};

use crate::common::{MEBI, World, leave, on_worker, put, stage_file, start};

fn limited(bytes: u64, entries: u64) -> World {
    let mut world = World::new();
    world.limit = Limit::new(bytes, entries);
    world
}

/// Makes the stage of `path` look as if it had last been written `hours` ago.
fn age(world: &World, path: &str, hours: u64) {
    let then = SystemTime::now() - Duration::from_secs(hours * 3600);
    if let Some(stage) = stage_file(world, path) {
        File::open(&stage).unwrap().set_modified(then).unwrap();
    }
}

/// The targets of stages with something in them.
fn staged(home: &Home, worker: &Worker) -> Vec<PathBuf> {
    let stages = home.stages(worker).unwrap().into_iter();
    stages
        .filter(|stage| stage.size > 0)
        .map(|stage| stage.path)
        .collect()
}

fn over_quota<T>(result: Result<T, VfsError>) -> Option<(Amount, Amount)> {
    match result {
        Err(VfsError::OverQuota { needed, available }) => Some((needed, available)),
        _ => None,
    }
}

#[test]
fn a_declared_size_is_reserved_at_once_to_the_byte() {
    on_worker(|worker| {
        let world = limited(1000, 10);
        let home = world.open(worker);
        let first = start(&home, worker, "first", 600).unwrap();
        let refused = over_quota(start(&home, worker, "second", 401));
        assert_eq!(refused, Some((Amount::new(401, 1), Amount::new(400, 9))));
        let second = start(&home, worker, "second", 400).unwrap();
        assert_eq!(home.usage().available(), Amount::new(0, 8));
        assert!(over_quota(start(&home, worker, "third", 1)).is_some());
        start(&home, worker, "third", 0)
            .unwrap()
            .publish(worker, None, None)
            .unwrap();
        drop((first, second));
        assert_eq!(home.usage().used, Amount::new(0, 1));
        world.check(&home, worker);
    });
}

#[test]
fn an_undeclared_size_takes_the_last_byte_and_not_one_more() {
    on_worker(|worker| {
        let world = limited(MEBI + 10, 10);
        let home = world.open(worker);
        let mut upload = start(&home, worker, "file", None).unwrap();
        upload.write(worker, &vec![1; MEBI as usize]).unwrap();
        upload.write(worker, &[2; 10]).unwrap();
        assert!(over_quota(upload.write(worker, &[3])).is_some());
        assert_eq!(upload.file_len(), MEBI + 10);
        upload.publish(worker, None, None).unwrap();
        assert_eq!(home.usage().used.bytes, MEBI + 10);
        world.check(&home, worker);
    });
}

#[test]
fn replacing_needs_room_for_the_difference_only() {
    on_worker(|worker| {
        let world = limited(1000, 1);
        let home = world.open(worker);
        put(&home, worker, "file", &[1; 900]).unwrap();
        let mut upload = start(&home, worker, "file", 1000).unwrap();
        assert_eq!(home.usage().reserved, Amount::bytes(100));
        upload.write(worker, &[2; 1000]).unwrap();
        upload.publish(worker, None, None).unwrap();
        assert!(over_quota(start(&home, worker, "file", 1001)).is_some());
        put(&home, worker, "file", &[3; 10]).unwrap();
        assert_eq!(home.usage().used, Amount::new(10, 1));
        world.check(&home, worker);
    });
}

/// Issue: a kept stage was free beside the file that it was to replace, so that the disk held more
/// than the quota.
#[test]
fn a_kept_stage_is_charged_beside_its_file_or_not_kept() {
    on_worker(|worker| {
        for (limit, kept) in [(1500, true), (1499, false)] {
            let world = limited(limit, 10);
            let home = world.open(worker);
            put(&home, worker, "file", &[1; 900]).unwrap();
            leave(&home, worker, "file", &[2; 600]);
            let expected = if kept {
                Amount::new(1500, 2)
            } else {
                Amount::new(900, 1)
            };
            assert_eq!(home.usage().used, expected, "{limit}");
            assert_eq!(staged(&home, worker).len(), usize::from(kept), "{limit}");
            assert_eq!(fs::read(world.at("file")).unwrap(), [1; 900]);
            world.check(&home, worker);
            // What is kept is gone on with, and needs no room that it has.
            let mut upload = start(&home, worker, "file", 1000).unwrap();
            upload.restart(worker).unwrap();
            upload.write(worker, &[3; 1000]).unwrap();
            upload.publish(worker, None, None).unwrap();
            assert_eq!(home.usage().used, Amount::new(1000, 1));
            world.check(&home, worker);
        }
    });
}

/// Issue: "31 B used, 800 MB free", and then 551.
#[test]
fn what_is_told_as_free_is_granted_and_not_a_byte_more() {
    on_worker(|worker| {
        let world = limited(1000, 10);
        let home = world
            .homes()
            .open(worker, "tom", &world.root(), world.limit)
            .unwrap();
        assert_eq!(home.holdings(worker).unwrap(), None, "nobody knows yet");
        home.scan(worker).unwrap();
        let told = |worker: &Worker| home.holdings(worker).unwrap().unwrap();
        put(&home, worker, "file", &[1; 100]).unwrap();
        leave(&home, worker, "kept", &[2; 30]);
        leave(&home, worker, "old", &[2; 40]);
        age(&world, "old", 1);
        let mut running = start(&home, worker, "running", 300).unwrap();
        running.write(worker, &[3; 200]).unwrap();
        let now = told(worker);
        assert_eq!(now.usage.used, Amount::new(170, 3));
        assert_eq!(now.staged, 70, "what runs is reserved, not staged");
        assert_eq!(now.usage.reserved, Amount::new(300, 1));
        // The old stage goes for a new upload.
        assert_eq!(now.free, 1000 - 130 - 300);
        assert!(over_quota(start(&home, worker, "new", now.free + 1)).is_some());
        drop(start(&home, worker, "new", told(worker).free).unwrap());
        drop(running);
        assert_eq!(told(worker).staged, 230);
        world.check(&home, worker);
    });
}

#[test]
fn without_an_entry_or_room_on_the_disk_nothing_is_free() {
    on_worker(|worker| {
        let world = limited(1000, 1);
        let home = world.open(worker);
        put(&home, worker, "file", &[1; 100]).unwrap();
        assert_eq!(home.holdings(worker).unwrap().unwrap().free, 0);
        let mut full = limited(1000, 10);
        full.policy.free_space_floor = u64::MAX;
        let home = full.open(worker);
        assert_eq!(home.holdings(worker).unwrap().unwrap().free, 0);
    });
}

#[test]
fn entries_have_a_limit_of_their_own() {
    on_worker(|worker| {
        let world = limited(MEBI, 2);
        let home = world.open(worker);
        home.make_dir(worker, Path::new("dir")).unwrap();
        leave(&home, worker, "part", b"x");
        assert!(over_quota(home.make_dir(worker, Path::new("another"))).is_some());
        assert!(over_quota(start(&home, worker, "file", 0)).is_some());
        put(&home, worker, "part", b"whole").unwrap();
        assert_eq!(home.usage().used, Amount::new(5, 2));
        world.check(&home, worker);
    });
}

#[test]
fn idle_stages_make_room_oldest_first_and_no_more_than_needed() {
    on_worker(|worker| {
        let world = limited(1000, 100);
        let home = world.open(worker);
        leave(&home, worker, "a-younger", &[1; 300]);
        leave(&home, worker, "b-oldest", &[1; 300]);
        age(&world, "a-younger", 3);
        age(&world, "b-oldest", 6);
        leave(&home, worker, "fresh", &[1; 300]);

        let upload = start(&home, worker, "new", 400).unwrap();
        assert_eq!(
            staged(&home, worker),
            ["a-younger", "fresh"].map(PathBuf::from)
        );
        drop(upload);
        // Fresh stages are not removed: the new upload is refused instead.
        assert!(over_quota(start(&home, worker, "new", 701)).is_some());
        assert_eq!(staged(&home, worker), [PathBuf::from("fresh")]);
        world.check(&home, worker);
    });
}

#[test]
fn the_sweep_drops_the_old_and_leaves_the_running() {
    on_worker(|worker| {
        let world = limited(MEBI, 100);
        let home = world.open(worker);
        put(&home, worker, "both", b"published").unwrap();
        leave(&home, worker, "both", b"a longer stage of it");
        leave(&home, worker, "lone", b"x");
        leave(&home, worker, "running", b"y");
        for path in ["both", "lone", "running"] {
            age(&world, path, 25);
        }
        let mut running = start(&home, worker, "running", None).unwrap();
        leave(&home, worker, "fresh", b"z");
        assert_eq!(home.sweep(worker).unwrap(), 2);
        running.write(worker, b"y").unwrap();
        running.publish(worker, None, None).unwrap();
        assert_eq!(staged(&home, worker), [PathBuf::from("fresh")]);
        assert_eq!(fs::read(world.at("both")).unwrap(), b"published");
        world.check(&home, worker);
    });
}

#[test]
fn a_stage_can_be_dropped_by_its_path() {
    on_worker(|worker| {
        let world = limited(MEBI, 100);
        let home = world.open(worker);
        put(&home, worker, "file", b"published").unwrap();
        leave(&home, worker, "file", b"x");
        home.drop_stage(worker, Path::new("file")).unwrap();
        assert!(matches!(
            home.drop_stage(worker, Path::new("file")),
            Err(VfsError::NotFound)
        ));
        assert_eq!(fs::read(world.at("file")).unwrap(), b"published");
        world.check(&home, worker);
    });
}

#[test]
fn the_floor_of_free_space_refuses_before_a_byte() {
    on_worker(|worker| {
        let mut world = limited(MEBI, 100);
        world.policy.free_space_floor = u64::MAX;
        let home = world.open(worker);
        assert!(matches!(
            start(&home, worker, "file", 1),
            Err(VfsError::DiskFull)
        ));
        assert!(matches!(
            start(&home, worker, "file", None),
            Err(VfsError::DiskFull)
        ));
        world.check(&home, worker);
    });
}

#[test]
fn before_the_first_scan_reading_works_and_changes_wait() {
    on_worker(|worker| {
        let world = World::new();
        fs::write(world.at("file"), "content").unwrap();
        let home = world
            .homes()
            .open(worker, "tom", &world.root(), world.limit)
            .unwrap();
        assert!(home.needs_scan());
        assert_eq!(home.stat(worker, Path::new("file")).unwrap().size, 7);
        let path = Path::new("file");
        assert!(matches!(home.remove(worker, path), Err(VfsError::Scanning)));
        assert!(matches!(
            home.make_dir(worker, Path::new("d")),
            Err(VfsError::Scanning)
        ));
        assert!(matches!(
            start(&home, worker, "new", 1),
            Err(VfsError::Scanning)
        ));
        home.scan(worker).unwrap();
        assert_eq!(home.usage().used, Amount::new(7, 1));
        home.remove(worker, path).unwrap();
    });
}

#[test]
fn a_clean_stop_spares_the_scan_once_and_a_crash_does_not() {
    on_worker(|worker| {
        let world = World::new();
        let homes = world.homes();
        let home = homes
            .open(worker, "tom", &world.root(), world.limit)
            .unwrap();
        home.scan(worker).unwrap();
        put(&home, worker, "file", b"content").unwrap();
        leave(&home, worker, "part", b"half");
        let used = home.usage().used;
        homes.close(worker).unwrap();
        assert!(matches!(
            home.remove(worker, Path::new("file")),
            Err(VfsError::Stopped)
        ));

        let next = world
            .homes()
            .open(worker, "tom", &world.root(), world.limit)
            .unwrap();
        assert!(!next.is_uncounted(), "the snapshot holds for now");
        assert!(next.needs_scan(), "and is checked by a recount");
        assert_eq!(next.usage().used, used);
        world.check(&next, worker);
        drop(next);
        // The daemon ended without a clean stop.
        let last = world
            .homes()
            .open(worker, "tom", &world.root(), world.limit)
            .unwrap();
        assert!(last.is_uncounted());
    });
}

#[test]
fn a_stop_while_something_is_written_is_not_believed() {
    on_worker(|worker| {
        let world = World::new();
        let homes = world.homes();
        let home = homes
            .open(worker, "tom", &world.root(), world.limit)
            .unwrap();
        home.scan(worker).unwrap();
        let mut upload = start(&home, worker, "file", None).unwrap();
        upload.write(worker, b"x").unwrap();
        homes.close(worker).unwrap();
        drop(upload);
        let next = world
            .homes()
            .open(worker, "tom", &world.root(), world.limit)
            .unwrap();
        assert!(next.is_uncounted());
    });
}

#[test]
fn one_root_is_one_home() {
    on_worker(|worker| {
        let world = World::new();
        let homes = world.homes();
        let tom = homes
            .open(worker, "tom", &world.root(), world.limit)
            .unwrap();
        let alias = world.root().join("../home");
        let jerry = homes
            .open(worker, "jerry", &alias, Limit::new(5, 5))
            .unwrap();
        assert!(Arc::ptr_eq(&tom, &jerry));
        assert_eq!(tom.usage().limit, Limit::new(5, 5));
        let missing = homes.open(worker, "sam", &world.at("missing"), world.limit);
        assert!(matches!(missing, Err(VfsError::NotFound)));
    });
}

/// Issue: four descriptors for each user who ever came were kept for ever.
#[test]
fn a_home_that_nobody_uses_is_closed_and_opened_again_as_it_was() {
    on_worker(|worker| {
        let world = World::new();
        let homes = world.homes();
        let open = |worker: &Worker| {
            homes
                .open(worker, "tom", &world.root(), world.limit)
                .unwrap()
        };
        let home = open(worker);
        home.scan(worker).unwrap();
        put(&home, worker, "file", b"content").unwrap();
        leave(&home, worker, "part", b"half");
        let used = home.usage().used;
        let upload = start(&home, worker, "running", None).unwrap();
        drop(home);
        assert_eq!(
            homes.close_idle(worker, Duration::ZERO),
            0,
            "an upload runs"
        );
        assert!(descriptors(&world) > 0);
        drop(upload);
        let hour = Duration::from_secs(3600);
        assert_eq!(homes.close_idle(worker, hour), 0, "not for an hour");
        assert_eq!(homes.close_idle(worker, Duration::ZERO), 1);
        assert_eq!(descriptors(&world), 0);

        let again = open(worker);
        assert!(!again.needs_scan(), "its last count is not a day ago");
        assert_eq!(again.usage().used, used);
        world.check(&again, worker);
    });
}

/// Open files of this process in the home of `world`.
fn descriptors(world: &World) -> usize {
    let root = world.root();
    let open = fs::read_dir("/proc/self/fd").unwrap();
    let links = open.filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
    links.filter(|link| link.starts_with(&root)).count()
}

#[test]
fn many_homes_one_after_the_other_need_few_descriptors() {
    on_worker(|worker| {
        let world = World::new();
        let homes = world.homes();
        for n in 0..300 {
            let root = world.at(&n.to_string());
            fs::create_dir(&root).unwrap();
            drop(homes.open(worker, "tom", &root, world.limit).unwrap());
            assert!(descriptors(&world) <= 4 * 65, "{n}");
        }
    });
}

/// Issue: with two daemons on one home both ran, and a stage was destroyed.
#[test]
fn a_home_is_open_in_one_registry_at_a_time() {
    on_worker(|worker| {
        let world = World::new();
        let (first, second) = (world.homes(), world.homes());
        let open =
            |homes: &Homes, worker: &Worker| homes.open(worker, "tom", &world.root(), world.limit);
        let home = open(&first, worker).unwrap();
        assert!(matches!(open(&second, worker), Err(VfsError::InUse)));
        drop(open(&first, worker).unwrap());
        first.close(worker).unwrap();
        let theirs = open(&second, worker).unwrap();
        drop(home);
        assert!(matches!(open(&world.homes(), worker), Err(VfsError::InUse)));
        drop(theirs);
        second.close_idle(worker, Duration::ZERO);
        open(&world.homes(), worker).unwrap();
    });
}

#[test]
fn a_new_limit_reaches_a_running_upload_at_its_next_step() {
    on_worker(|worker| {
        let world = limited(MEBI, 10);
        let homes = world.homes();
        let home = homes
            .open(worker, "tom", &world.root(), world.limit)
            .unwrap();
        home.scan(worker).unwrap();
        let mut upload = start(&home, worker, "file", None).unwrap();
        upload.write(worker, &vec![1; MEBI as usize]).unwrap();
        assert!(over_quota(upload.write(worker, &[1])).is_some());
        homes.refresh_rules(worker, |user| {
            (user == "tom").then_some(Limit::new(2 * MEBI, 10))
        });
        upload.write(worker, &[1]).unwrap();
        homes.refresh_rules(worker, |_| None::<Limit>);
        upload.write(worker, &vec![1; MEBI as usize / 2]).unwrap();
        homes.refresh_rules(worker, |_| Some(Limit::new(1, 10)));
        assert!(over_quota(upload.write(worker, &vec![1; MEBI as usize])).is_some());
    });
}

#[test]
fn a_stop_ends_counts_and_the_snapshot_is_stored_all_the_same() {
    on_worker(|worker| {
        let world = World::new();
        put(&world.open(worker), worker, "file", b"content").unwrap();
        let homes = world.homes();
        let home = homes
            .open(worker, "tom", &world.root(), world.limit)
            .unwrap();
        home.scan(worker).unwrap();
        homes.stop_counts();
        assert!(matches!(home.scan(worker), Err(VfsError::Stopped)));
        homes.close(worker).unwrap();
        let next = world
            .homes()
            .open(worker, "tom", &world.root(), world.limit)
            .unwrap();
        assert_eq!(next.usage().used, Amount::new(7, 1));
    });
}

#[test]
fn a_rescan_heals_changes_made_behind_our_back() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        home.make_dir(worker, Path::new("gone")).unwrap();
        home.make_dir(worker, Path::new("moved")).unwrap();
        leave(&home, worker, "gone/part", b"orphan");
        leave(&home, worker, "moved/part", b"carried");
        fs::remove_dir(world.at("gone")).unwrap();
        fs::rename(world.at("moved"), world.at("there")).unwrap();
        fs::write(world.at("there/big"), [0; 5000]).unwrap();
        let used = home.scan(worker).unwrap().used;
        assert_eq!(used, Amount::new(5007, 3));
        let stages = home.stages(worker).unwrap();
        assert_eq!(stages.len(), 1);
        assert_eq!(
            stages[0].path,
            Path::new("there/part"),
            "its label was put right"
        );
        world.check(&home, worker);
    });
}

#[test]
fn a_rescan_counts_running_uploads_right_however_they_end() {
    on_worker(|worker| {
        for end in 0..4 {
            let world = World::new();
            let home = world.open(worker);
            put(&home, worker, "file", &[1; 100]).unwrap();
            leave(&home, worker, "file", &[2; 200]);
            let mut upload = start(&home, worker, "file", 500).unwrap();
            upload.write(worker, &[3; 50]).unwrap();
            assert_eq!(home.scan(worker).unwrap().used, Amount::new(300, 2));
            assert_eq!(home.usage().reserved, Amount::bytes(200));
            match end {
                0 => drop(upload.publish(worker, None, None).unwrap()),
                1 => upload.suspend(worker),
                2 => upload.discard(worker),
                _ => {
                    upload.restart(worker).unwrap();
                    drop(upload);
                }
            }
            world.check(&home, worker);
        }
    });
}

#[test]
fn uploads_that_end_during_scans_are_counted() {
    on_worker(|worker| {
        let mut world = World::new();
        world.policy.durability = Durability::None;
        let home = world.open(worker);
        for n in 0..300 {
            fs::write(world.at(&format!("{n}")), "x").unwrap();
        }
        home.scan(worker).unwrap();
        let (begun, ready) = mpsc::channel();
        let uploader = {
            let home = Arc::clone(&home);
            Worker::spawn("uploader", move |worker| {
                for n in 0..200 {
                    let path = format!("{}", n % 5);
                    let mut upload = start(&home, worker, &path, None).unwrap();
                    upload.write(worker, &vec![1; 1 + n]).unwrap();
                    begun.send(()).unwrap();
                    match n % 3 {
                        0 => upload.suspend(worker),
                        1 => upload.discard(worker),
                        _ => drop(upload.publish(worker, None, None).unwrap()),
                    }
                }
            })
        };
        let uploader = uploader.unwrap();
        // A scan for each upload, begun while it runs and ended before or after it.
        while ready.recv().is_ok() {
            home.scan(worker).unwrap();
        }
        uploader.join().unwrap();
        world.check(&home, worker);
    });
}
