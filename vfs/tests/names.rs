//! Making, removing and renaming, with the ledger and the stages along.

use std::fs;
use std::path::Path;

use skiff_vfs::{Amount, VfsError};

use crate::common::{World, leave, names, on_worker, put, start};

#[test]
fn the_usual_refusals() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        put(&home, worker, "file", b"x").unwrap();
        home.make_dir(worker, Path::new("dir")).unwrap();
        put(&home, worker, "dir/inner", b"x").unwrap();
        let [file, dir, missing] = ["file", "dir", "missing"].map(Path::new);
        assert!(matches!(home.make_dir(worker, dir), Err(VfsError::Exists)));
        assert!(matches!(home.make_dir(worker, file), Err(VfsError::Exists)));
        let below = home.make_dir(worker, Path::new("missing/dir"));
        assert!(matches!(below, Err(VfsError::NotFound)));
        assert!(matches!(
            home.remove(worker, missing),
            Err(VfsError::NotFound)
        ));
        assert!(matches!(home.remove(worker, dir), Err(VfsError::NotEmpty)));
        assert!(matches!(
            home.rename(worker, missing, dir),
            Err(VfsError::NotFound)
        ));
        assert!(matches!(
            home.rename(worker, file, dir),
            Err(VfsError::Exists)
        ));
        assert!(matches!(
            home.rename(worker, dir, file),
            Err(VfsError::Exists)
        ));
        let into_itself = home.rename(worker, dir, Path::new("dir/sub"));
        assert!(matches!(into_itself, Err(VfsError::BadName)));
        assert!(matches!(
            home.enter(worker, file),
            Err(VfsError::NotADirectory)
        ));
        assert!(matches!(
            home.download(worker, dir),
            Err(VfsError::IsADirectory)
        ));
        assert!(matches!(
            start(&home, worker, "dir", None),
            Err(VfsError::IsADirectory)
        ));
        world.check(&home, worker);
    });
}

#[test]
fn renaming_a_tree_carries_its_stages() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        home.make_dir(worker, Path::new("a")).unwrap();
        home.make_dir(worker, Path::new("a/b")).unwrap();
        put(&home, worker, "a/b/both", b"published").unwrap();
        leave(&home, worker, "a/b/both", b"staged");
        leave(&home, worker, "a/b/only", b"alone");
        home.rename(worker, Path::new("a"), Path::new("z")).unwrap();
        let paths: Vec<_> = home
            .stages(worker)
            .unwrap()
            .into_iter()
            .map(|s| s.path)
            .collect();
        assert_eq!(paths, ["z/b/both", "z/b/only"].map(Path::new));
        assert_eq!(start(&home, worker, "z/b/only", None).unwrap().have(), 5);
        world.check(&home, worker);

        home.rename(worker, Path::new("z/b/both"), Path::new("both"))
            .unwrap();
        assert_eq!(start(&home, worker, "both", None).unwrap().have(), 6);
        assert_eq!(start(&home, worker, "z/b/both", None).unwrap().have(), 0);
        world.check(&home, worker);
    });
}

#[test]
fn removing_drops_stages_and_what_they_were_charged() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        home.make_dir(worker, Path::new("dir")).unwrap();
        leave(&home, worker, "dir/one", b"1");
        leave(&home, worker, "dir/two", b"22");
        leave(&home, worker, "lone", b"333");
        put(&home, worker, "both", b"x").unwrap();
        leave(&home, worker, "both", b"4444");
        assert_eq!(home.usage().used, Amount::new(10, 5));
        home.remove(worker, Path::new("lone")).unwrap();
        assert_eq!(home.usage().used, Amount::new(7, 4));
        home.remove(worker, Path::new("both")).unwrap();
        assert_eq!(home.usage().used, Amount::new(3, 3));
        home.remove(worker, Path::new("dir")).unwrap();
        assert_eq!(home.usage().used, Amount::ZERO);
        assert_eq!(fs::read_dir(world.at(".skiff-stage")).unwrap().count(), 0);
        world.check(&home, worker);
    });
}

#[test]
fn a_stage_in_the_way_of_a_rename_is_kept() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        put(&home, worker, "plain", b"x").unwrap();
        leave(&home, worker, "target", b"staged");
        home.rename(worker, Path::new("plain"), Path::new("target"))
            .unwrap();
        assert_eq!(home.usage().used, Amount::new(6, 1));
        world.check(&home, worker);

        put(&home, worker, "second", b"y").unwrap();
        leave(&home, worker, "second", b"also");
        home.remove(worker, Path::new("target")).unwrap();
        leave(&home, worker, "target", b"again");
        let refused = home.rename(worker, Path::new("second"), Path::new("target"));
        assert!(matches!(refused, Err(VfsError::Exists)));
        world.check(&home, worker);
    });
}

#[test]
fn a_directory_in_the_place_of_a_stage_is_charged_once() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        leave(&home, worker, "name", b"12345");
        home.make_dir(worker, Path::new("name")).unwrap();
        assert_eq!(home.usage().used, Amount::new(5, 1));
        world.check(&home, worker);
        home.remove(worker, Path::new("name")).unwrap();
        assert_eq!(home.usage().used, Amount::ZERO);
        assert_eq!(names(&home, worker, ""), [""; 0]);
        world.check(&home, worker);
    });
}
