//! How long files stay: the oldest go for a new upload, or when they were kept long enough.

use std::fs;
use std::path::Path;
use std::time::Duration;

use skiff_vfs::{Limit, Replace, Retention, UploadStart, VfsError, WhenFull, Worker};

use crate::common::{World, on_worker, put, request};

const RING: Retention = Retention {
    keep: None,
    when_full: WhenFull::RemoveOldest,
};

/// A home of 100 bytes and 50 entries.
fn small() -> World {
    World {
        limit: Limit::new(100, 50),
        ..World::new()
    }
}

/// Two files that are made one after the other differ in their ctime.
fn tick(worker: &Worker, world: &World) {
    let _ = worker;
    let mark = world.at("../mark");
    fs::write(&mark, b"").unwrap();
    let before = fs::metadata(&mark).unwrap().modified().unwrap();
    loop {
        fs::write(&mark, b"1").unwrap();
        if fs::metadata(&mark).unwrap().modified().unwrap() != before {
            return;
        }
    }
}

fn names(world: &World) -> Vec<String> {
    let mut found: Vec<_> = fs::read_dir(world.root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    found.sort();
    found
}

#[test]
fn the_oldest_files_go_for_a_new_one_and_no_more_than_are_needed() {
    on_worker(|worker| {
        let world = small();
        let home = world.open(worker);
        home.set_retention(RING);
        for name in ["d", "c", "b", "a"] {
            put(&home, worker, name, &[1; 25]).unwrap();
            tick(worker, &world);
        }
        put(&home, worker, "e", &[1; 30]).unwrap();
        assert_eq!(names(&world), ["a", "b", "e"]);
        put(&home, worker, "f", &[1; 20]).unwrap();
        assert_eq!(names(&world), ["a", "b", "e", "f"]);
        for number in 0..200 {
            put(&home, worker, &format!("x{number}"), &[1; 10]).unwrap();
        }
        world.check(&home, worker);
    });
}

/// A hook moves on what a camera has left: the ledger does not hear of it.
#[test]
fn what_other_programs_have_taken_away_is_no_reason_to_remove_anything() {
    on_worker(|worker| {
        let world = small();
        let home = world.open(worker);
        home.set_retention(RING);
        for round in 0..5 {
            for name in ["a", "b", "c"] {
                put(&home, worker, &format!("{name}{round}"), &[1; 25]).unwrap();
                tick(worker, &world);
            }
            for name in ["b", "c"] {
                fs::remove_file(world.at(&format!("{name}{round}"))).unwrap();
            }
            put(&home, worker, "new", &[1; 50]).unwrap();
            assert_eq!(names(&world), [&format!("a{round}"), "new"]);
            home.remove(worker, Path::new("new")).unwrap();
            fs::remove_file(world.at(&format!("a{round}"))).unwrap();
        }
        put(&home, worker, "whole", &[1; 100]).unwrap();
        world.check(&home, worker);
    });
}

#[test]
fn what_could_never_fit_removes_nothing() {
    on_worker(|worker| {
        let world = small();
        let home = world.open(worker);
        put(&home, worker, "a", &[1; 60]).unwrap();
        home.set_retention(RING);
        let refused = home.upload(worker, Path::new("b"), &request(101, Replace::Never));
        assert!(matches!(refused, Err(VfsError::OverQuota { .. })));
        assert_eq!(names(&world), ["a"]);
        // Another upload holds room, which no removal gives.
        let running = home.upload(worker, Path::new("c"), &request(40, Replace::Never));
        let Ok(UploadStart::Open(_running)) = running else {
            panic!("it does not begin");
        };
        let refused = home.upload(worker, Path::new("d"), &request(70, Replace::Never));
        assert!(matches!(refused, Err(VfsError::OverQuota { .. })));
        assert_eq!(names(&world), ["a"]);
    });
}

#[test]
fn what_is_being_written_stays_and_so_does_what_it_replaces() {
    on_worker(|worker| {
        let world = small();
        let home = world.open(worker);
        home.set_retention(RING);
        for name in ["a", "b"] {
            put(&home, worker, name, &[1; 40]).unwrap();
            tick(worker, &world);
        }
        let begun = home.upload(worker, Path::new("a"), &request(40, Replace::Existing));
        let Ok(UploadStart::Open(mut replacing)) = begun else {
            panic!("it does not begin");
        };
        replacing.write(worker, &[2; 40]).unwrap();
        put(&home, worker, "c", &[3; 50]).unwrap();
        assert_eq!(names(&world), ["a", "c"]);
        replacing.publish(worker, None, None).unwrap();
        assert_eq!(fs::read(world.at("a")).unwrap(), [2; 40]);
        world.check(&home, worker);
    });
}

#[test]
fn without_the_rule_nothing_goes() {
    on_worker(|worker| {
        let world = small();
        let home = world.open(worker);
        put(&home, worker, "a", &[1; 90]).unwrap();
        assert!(matches!(
            put(&home, worker, "b", &[1; 20]),
            Err(VfsError::OverQuota { .. })
        ));
        assert_eq!(home.expire(worker).unwrap(), 0);
        assert_eq!(names(&world), ["a"]);
    });
}

#[test]
fn files_go_when_they_were_kept_long_enough() {
    on_worker(|worker| {
        let world = small();
        let home = world.open(worker);
        home.make_dir(worker, Path::new("day")).unwrap();
        for name in ["a", "day/b", "day/c"] {
            put(&home, worker, name, &[1; 10]).unwrap();
        }
        let keep = |keep| Retention {
            keep: Some(keep),
            ..Retention::default()
        };
        home.set_retention(keep(Duration::from_secs(60)));
        assert_eq!(home.expire(worker).unwrap(), 0);
        home.set_retention(keep(Duration::ZERO));
        assert_eq!(home.expire(worker).unwrap(), 3);
        // Its client may have made it for what comes next.
        assert_eq!(names(&world), ["day"]);
        world.check(&home, worker);
    });
}
