//! Tests of symbolic links that are made and read: none leads out, and each is charged.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use skiff_vfs::{Amount, VfsError};

use crate::common::{World, leave, on_worker, put, start};

#[test]
fn a_link_is_stored_as_it_was_given_and_charged() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        home.make_dir(worker, Path::new("a")).unwrap();
        home.make_dir(worker, Path::new("a/b")).unwrap();
        put(&home, worker, "file", b"x").unwrap();
        let before = home.usage().used;
        let made = [
            ("near", "file"),
            ("dot", "./file"),
            ("self", "."),
            ("dangling", "not/there"),
            ("circle", "circle"),
            ("a/up", ".."),
            ("a/b/top", "../../file"),
            ("a/b/mixed", ".././../a//b/"),
            ("odd", "a \u{fc}\n\\"),
        ];
        for (name, target) in made {
            home.make_link(worker, Path::new(name), target.as_bytes())
                .unwrap();
            assert_eq!(fs::read_link(world.at(name)).unwrap(), Path::new(target));
            let read = home.read_link(worker, Path::new(name));
            match name {
                "circle" => assert_eq!(read.unwrap(), b"circle"),
                _ => assert_eq!(read.unwrap(), target.as_bytes(), "{name}"),
            }
        }
        let entries = before.entries + made.len() as u64;
        assert_eq!(home.usage().used, Amount::new(before.bytes, entries));
        home.remove(worker, Path::new("a/up")).unwrap();
        world.check(&home, worker);
    });
}

#[test]
fn a_target_that_could_lead_out_is_refused() {
    on_worker(|worker| {
        let world = World::new();
        fs::create_dir_all(world.at("a/b")).unwrap();
        // A name of three components in the home itself, and one of one component two below it.
        symlink("../..", world.at("a/b/home")).unwrap();
        symlink("a/b", world.at("deep")).unwrap();
        let home = world.open(worker);
        for (name, target) in [
            ("x", "/"),
            ("x", "/etc/passwd"),
            ("x", "//file"),
            ("x", ".."),
            ("x", "./../x"),
            ("x", "../home/file"),
            ("a/x", "../.."),
            ("a/b/x", "../../.."),
            ("a/b/home/x", ".."),
            ("a/b/home/x", "../../.."),
            ("deep/x", "../../../x"),
            // Behind a name it would climb from wherever that leads, now or later.
            ("x", "a/.."),
            ("x", "a/b/home/../x"),
        ] {
            let made = home.make_link(worker, Path::new(name), target.as_bytes());
            assert!(
                matches!(made, Err(VfsError::TargetEscapes)),
                "{name} -> {target}: {made:?}"
            );
        }
        home.make_link(worker, Path::new("deep/x"), b"../../file")
            .unwrap();
        assert!(world.at("a/b/x").is_symlink());
        world.check(&home, worker);
    });
}

#[test]
fn names_that_are_taken_or_none_are_refused() {
    on_worker(|worker| {
        let world = World::new();
        symlink("/etc", world.at("out")).unwrap();
        let home = world.open(worker);
        home.make_dir(worker, Path::new("dir")).unwrap();
        put(&home, worker, "file", b"x").unwrap();
        leave(&home, worker, "staged", b"part");
        let running = start(&home, worker, "running", None).unwrap();
        let make = |name: &str, target: &str| {
            let made = home.make_link(worker, Path::new(name), target.as_bytes());
            format!("{made:?}")
        };
        for name in ["dir", "file", "out"] {
            assert_eq!(make(name, "file"), "Err(Exists)", "{name}");
        }
        assert!(make("running", "file").starts_with("Err(Busy"));
        for (name, target, answer) in [
            ("missing/x", "file", "Err(NotFound)"),
            ("file/x", "file", "Err(NotADirectory)"),
            ("out/x", "file", "Err(Escapes)"),
            ("../x", "file", "Err(Escapes)"),
            ("", "file", "Err(TheHome)"),
            (".skiff-stage/x", "file", "Err(NotFound)"),
            ("x", ".skiff-stage", "Err(NotFound)"),
            ("x", "dir/.SKIFF-stage/y", "Err(NotFound)"),
        ] {
            assert_eq!(make(name, target), answer, "{name} -> {target}");
        }
        for (name, answer) in [
            ("dir", "Err(NotALink)"),
            ("file", "Err(NotALink)"),
            ("", "Err(NotALink)"),
            ("missing", "Err(NotFound)"),
            ("staged", "Err(NotFound)"),
            ("out", "Err(Escapes)"),
        ] {
            let read = home.read_link(worker, Path::new(name));
            assert_eq!(format!("{read:?}"), answer, "{name}");
        }
        assert_eq!(make("staged", "file"), "Ok(())");
        running.suspend(worker);
        world.check(&home, worker);
    });
}

#[test]
fn a_link_over_the_quota_of_entries_is_refused() {
    on_worker(|worker| {
        let mut world = World::new();
        world.limit = Amount::new(1000, 2);
        let home = world.open(worker);
        for name in ["one", "two"] {
            home.make_link(worker, Path::new(name), b"x").unwrap();
        }
        let third = home.make_link(worker, Path::new("three"), b"x");
        assert!(
            matches!(third, Err(VfsError::OverQuota { .. })),
            "{third:?}"
        );
        home.remove(worker, Path::new("one")).unwrap();
        home.make_link(worker, Path::new("three"), b"x").unwrap();
        world.check(&home, worker);
    });
}
