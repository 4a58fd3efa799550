//! Tests that nothing outside the home is seen or changed, and only regular files are opened.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::fs::{CWD, FileType, Mode, mknodat, stat};
use skiff_vfs::{Durability, Home, Kind, Replace, UploadStart, VfsError, Worker};

use crate::common::{World, names, on_worker, put, request, start};

/// The results of all operations on `path` that follow a link there, as text.
fn answers(home: &Arc<Home>, worker: &Worker, path: &str) -> Vec<String> {
    let path = Path::new(path);
    let upload = home
        .upload(worker, path, &request(3, Replace::Existing))
        .map(|_| ());
    vec![
        format!("{:?}", home.stat(worker, path).map(|_| ())),
        format!("{:?}", home.check_enter(worker, path)),
        format!("{:?}", home.download(worker, path).map(|_| ())),
        format!("{:?}", home.drop_stage(worker, path)),
        format!("{upload:?}"),
    ]
}

/// What a listing of `path` shows, as text: an error, or one link that is not said to lead anywhere.
fn listed(home: &Arc<Home>, worker: &Worker, path: &str) -> String {
    let mut listing = match home.list(worker, Path::new(path)) {
        Ok(listing) => listing,
        Err(error) => return format!("Err({error:?})"),
    };
    let entry = listing.next(worker).unwrap().unwrap();
    assert_eq!((entry.kind, &entry.target), (Kind::Link, &None), "{path}");
    assert!(listing.next(worker).unwrap().is_none(), "{path}");
    "the link".to_owned()
}

fn fill_outside(world: &World) {
    let outside = world.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("canary"), "alive").unwrap();
}

fn check_outside(world: &World) {
    let outside = world.folder.path().join("outside");
    let names: Vec<_> = fs::read_dir(&outside)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(names, ["canary"]);
    assert_eq!(fs::read(outside.join("canary")).unwrap(), b"alive");
}

#[test]
fn paths_that_lead_out_are_refused_by_every_operation() {
    on_worker(|worker| {
        let world = World::new();
        fill_outside(&world);
        fs::create_dir(world.at("dir")).unwrap();
        symlink(world.folder.path().join("outside"), world.at("absolute")).unwrap();
        symlink("../outside", world.at("relative")).unwrap();
        symlink("../../outside/canary", world.at("dir/file")).unwrap();
        let home = world.open(worker);
        for path in [
            "..",
            "../outside",
            "../outside/canary",
            "dir/../../outside/canary",
            "/etc/passwd",
            "/",
            "absolute/canary",
            "relative/canary",
            "absolute",
            "relative",
            "dir/file",
        ] {
            for answer in answers(&home, worker, path) {
                assert_eq!(answer, "Err(Escapes)", "{path}");
            }
            let is_link = ["absolute", "relative", "dir/file"].contains(&path);
            let itself = if is_link { "the link" } else { "Err(Escapes)" };
            assert_eq!(listed(&home, worker, path), itself, "{path}");
        }
        // Renaming and removing keep to the link itself, never to what it leads to.
        for path in ["../outside/canary", "absolute/canary", "relative/canary"] {
            let path = Path::new(path);
            assert!(matches!(home.remove(worker, path), Err(VfsError::Escapes)));
            assert!(matches!(
                home.make_dir(worker, path),
                Err(VfsError::Escapes)
            ));
            assert!(matches!(
                home.rename(worker, path, Path::new("x"), Replace::Never),
                Err(VfsError::Escapes)
            ));
            assert!(matches!(
                home.rename(worker, Path::new("dir"), path, Replace::Never),
                Err(VfsError::Escapes)
            ));
        }
        home.remove(worker, Path::new("absolute")).unwrap();
        check_outside(&world);
        world.check(&home, worker);
    });
}

#[test]
fn links_inside_the_home_are_followed() {
    on_worker(|worker| {
        let world = World::new();
        fs::create_dir(world.at("dir")).unwrap();
        fs::write(world.at("dir/real"), "content").unwrap();
        symlink("dir", world.at("to-dir")).unwrap();
        symlink("dir/real", world.at("to-file")).unwrap();
        symlink("../dir/real", world.at("dir/up-and-down")).unwrap();
        symlink("loop", world.at("loop")).unwrap();
        let home = world.open(worker);
        for path in [
            "to-file",
            "to-dir/real",
            "dir/up-and-down",
            "to-dir/../dir/real",
        ] {
            assert_eq!(
                home.stat(worker, Path::new(path)).unwrap().size,
                7,
                "{path}"
            );
        }
        home.check_enter(worker, Path::new("to-dir")).unwrap();
        assert!(matches!(
            home.download(worker, Path::new("loop")),
            Err(VfsError::NotFound)
        ));

        put(&home, worker, "to-file", b"replaced").unwrap();
        assert_eq!(fs::read(world.at("dir/real")).unwrap(), b"replaced");
        assert!(
            fs::symlink_metadata(world.at("to-file"))
                .unwrap()
                .is_symlink()
        );

        home.remove(worker, Path::new("to-dir")).unwrap();
        assert!(world.at("dir/real").exists());
        world.check(&home, worker);
    });
}

#[test]
fn what_is_no_file_never_blocks() {
    on_worker(|worker| {
        let world = World::new();
        mknodat(CWD, world.at("fifo"), FileType::Fifo, Mode::RWXU, 0).unwrap();
        symlink("fifo", world.at("link")).unwrap();
        let home = world.open(worker);
        for path in ["fifo", "link"] {
            let path = Path::new(path);
            assert!(matches!(
                home.download(worker, path),
                Err(VfsError::NotRegular)
            ));
            let refused = home.upload(worker, path, &request(1, Replace::Existing));
            assert!(matches!(refused, Err(VfsError::NotRegular)));
            assert!(matches!(
                home.check_enter(worker, path),
                Err(VfsError::NotADirectory)
            ));
            assert_eq!(home.stat(worker, path).unwrap().kind, Kind::Other);
        }
        home.rename(worker, Path::new("fifo"), Path::new("pipe"), Replace::Never)
            .unwrap();
        home.remove(worker, Path::new("pipe")).unwrap();
        world.check(&home, worker);
    });
}

#[test]
fn names_that_no_system_call_takes_are_refused() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        for name in ["a\0b", "dir/a\0b"] {
            let path = Path::new(name);
            assert!(
                matches!(home.make_dir(worker, path), Err(VfsError::BadName)),
                "{name:?}"
            );
            assert!(matches!(
                start(&home, worker, name, None),
                Err(VfsError::BadName)
            ));
            assert!(matches!(home.remove(worker, path), Err(VfsError::BadName)));
        }
        let long = "n".repeat(256);
        assert!(matches!(
            start(&home, worker, &long, None),
            Err(VfsError::NameTooLong)
        ));
        start(&home, worker, &long[1..], None)
            .unwrap()
            .discard(worker);
        for path in ["", ".", "dir/.."] {
            fs::create_dir_all(world.at("dir")).unwrap();
            assert!(matches!(
                home.remove(worker, Path::new(path)),
                Err(VfsError::TheHome)
            ));
        }
    });
}

#[test]
fn the_staging_directory_cannot_be_reached() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        let mut upload = start(&home, worker, "file", None).unwrap();
        upload.write(worker, b"secret").unwrap();
        let staging = world.at(".skiff-stage");
        assert_eq!(stat(&staging).unwrap().st_mode & 0o7777, 0o700);
        let stage = fs::read_dir(&staging)
            .unwrap()
            .next()
            .unwrap()
            .unwrap()
            .file_name();
        let stage = stage.into_string().unwrap();
        fs::create_dir(world.at("sub")).unwrap();
        symlink("../.skiff-stage", world.at("sub/door")).unwrap();
        symlink(format!(".skiff-stage/{stage}"), world.at("window")).unwrap();
        for path in [
            ".skiff-stage".to_owned(),
            ".Skiff-STAGE".to_owned(),
            format!(".skiff-stage/{stage}"),
            format!("sub/../.skiff-stage/{stage}"),
            format!("sub/door/{stage}"),
            "sub/door".to_owned(),
            "window".to_owned(),
        ] {
            for answer in answers(&home, worker, &path) {
                assert_eq!(answer, "Err(NotFound)", "{path}");
            }
            let is_link = ["sub/door", "window"].contains(&&*path);
            let itself = if is_link { "the link" } else { "Err(NotFound)" };
            assert_eq!(listed(&home, worker, &path), itself, "{path}");
        }
        for path in [".skiff-stage", ".SKIFF-STAGE"] {
            let path = Path::new(path);
            assert!(matches!(home.remove(worker, path), Err(VfsError::NotFound)));
            assert!(matches!(
                home.make_dir(worker, path),
                Err(VfsError::NotFound)
            ));
            let renamed = home.rename(worker, path, Path::new("mine"), Replace::Never);
            assert!(matches!(renamed, Err(VfsError::NotFound)));
        }
        assert_eq!(names(&home, worker, ""), ["sub", "window"]);
        upload.publish(worker, None, None).unwrap();
        assert_eq!(fs::read(world.at("file")).unwrap(), b"secret");
    });
}

/// Swaps a directory of the home with a link that leads out, until told to stop.
fn race(inside: &Path, outside: &Path, spare: &Path, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        fs::rename(inside, spare).unwrap();
        symlink(outside, inside).unwrap();
        fs::remove_file(inside).unwrap();
        fs::rename(spare, inside).unwrap();
        // The directory stays for a while, so that operations begin before the swap.
        for _ in 0..20 {
            fs::metadata(inside).unwrap();
        }
    }
}

#[test]
fn a_racer_that_swaps_directories_and_links_gets_nothing_out() {
    on_worker(|worker| {
        let mut world = World::new();
        world.policy.durability = Durability::None;
        fill_outside(&world);
        fs::create_dir(world.at("dir")).unwrap();
        let home = world.open(worker);
        let stop = Arc::new(AtomicBool::new(false));
        let racer = {
            let (inside, spare) = (world.at("dir"), world.at("spare"));
            let (outside, stop) = (world.folder.path().join("outside"), Arc::clone(&stop));
            thread::spawn(move || race(&inside, &outside, &spare, &stop))
        };
        let canary = Path::new("dir/canary");
        let (mut reached, mut refused, mut round) = (0, 0, 0);
        while reached < 50 || refused < 500 {
            round += 1;
            assert!(home.download(worker, canary).is_err());
            assert!(home.remove(worker, canary).is_err());
            let _ = home.rename(
                worker,
                Path::new("dir/file"),
                Path::new("dir/other"),
                Replace::Never,
            );
            let _ = home.rename(worker, canary, Path::new("stolen"), Replace::Never);
            let _ = home.make_dir(worker, Path::new("dir/made"));
            let _ = home.remove(worker, Path::new("dir/made"));
            let path = if round % 2 == 0 {
                "dir/file"
            } else {
                "dir/canary2"
            };
            let path = Path::new(path);
            let upload = home.upload(worker, path, &request(3, Replace::Existing));
            refused += u32::from(matches!(upload, Err(VfsError::Escapes)));
            if let Ok(UploadStart::Open(mut upload)) = upload {
                upload.write(worker, b"new").unwrap();
                reached += u32::from(upload.publish(worker, None, None).is_ok());
            }
            let _ = home.remove(worker, path);
        }
        stop.store(true, Ordering::Relaxed);
        racer.join().unwrap();
        check_outside(&world);
        assert!(!world.at("stolen").exists());
    });
}
