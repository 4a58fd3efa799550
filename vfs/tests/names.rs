//! Tests of mkdir, remove and rename, and of the ledger and the stages after each.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use skiff_vfs::{Amount, Replace, Start, VfsError};

use crate::common::{World, begin, leave, names, on_worker, put, stage_of, start};

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
            home.rename(worker, missing, dir, Replace::Never),
            Err(VfsError::NotFound)
        ));
        assert!(matches!(
            home.rename(worker, file, dir, Replace::Never),
            Err(VfsError::Exists)
        ));
        assert!(matches!(
            home.rename(worker, dir, file, Replace::Never),
            Err(VfsError::Exists)
        ));
        let into_itself = home.rename(worker, dir, Path::new("dir/sub"), Replace::Never);
        assert!(matches!(into_itself, Err(VfsError::IntoItself)));
        assert!(matches!(
            home.check_enter(worker, file),
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
        home.rename(worker, Path::new("a"), Path::new("z"), Replace::Never)
            .unwrap();
        let paths: Vec<_> = home
            .stages(worker)
            .unwrap()
            .into_iter()
            .map(|s| s.path)
            .collect();
        assert_eq!(paths, ["z/b/both", "z/b/only"].map(Path::new));
        assert_eq!(
            start(&home, worker, "z/b/only", None)
                .unwrap()
                .initial_len(),
            5
        );
        world.check(&home, worker);

        home.rename(
            worker,
            Path::new("z/b/both"),
            Path::new("both"),
            Replace::Never,
        )
        .unwrap();
        assert_eq!(start(&home, worker, "both", None).unwrap().initial_len(), 6);
        assert_eq!(
            start(&home, worker, "z/b/both", None)
                .unwrap()
                .initial_len(),
            0
        );
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
        assert_eq!(home.usage().used, Amount::new(11, 6));
        home.remove(worker, Path::new("lone")).unwrap();
        assert_eq!(home.usage().used, Amount::new(8, 5));
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
        home.rename(
            worker,
            Path::new("plain"),
            Path::new("target"),
            Replace::Never,
        )
        .unwrap();
        assert_eq!(home.usage().used, Amount::new(7, 2));
        world.check(&home, worker);

        put(&home, worker, "second", b"y").unwrap();
        leave(&home, worker, "second", b"also");
        home.remove(worker, Path::new("target")).unwrap();
        leave(&home, worker, "target", b"again");
        let refused = home.rename(
            worker,
            Path::new("second"),
            Path::new("target"),
            Replace::Never,
        );
        assert!(matches!(refused, Err(VfsError::Exists)));
        world.check(&home, worker);
    });
}

#[test]
fn a_directory_in_the_place_of_a_stage_is_charged_beside_it() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        leave(&home, worker, "name", b"12345");
        home.make_dir(worker, Path::new("name")).unwrap();
        assert_eq!(home.usage().used, Amount::new(5, 2));
        world.check(&home, worker);
        home.remove(worker, Path::new("name")).unwrap();
        assert_eq!(home.usage().used, Amount::ZERO);
        assert_eq!(names(&home, worker, ""), [""; 0]);
        world.check(&home, worker);
    });
}

#[test]
fn a_file_may_replace_a_file_and_its_stage_and_nothing_else() {
    on_worker(|worker| {
        for (from_stage, to_stage) in [(false, false), (true, false), (false, true), (true, true)] {
            let world = World::new();
            let home = world.open(worker);
            put(&home, worker, "from", b"from").unwrap();
            put(&home, worker, "to", b"replaced").unwrap();
            if from_stage {
                leave(&home, worker, "from", b"a stage to carry");
            }
            if to_stage {
                leave(&home, worker, "to", b"a stage that is to go with its file");
            }
            let reader = home.download(worker, Path::new("to")).unwrap();
            let [from, to] = ["from", "to"].map(Path::new);
            home.rename(worker, from, to, Replace::Existing).unwrap();
            assert_eq!(fs::read(world.at("to")).unwrap(), b"from");
            assert!(!world.at("from").exists());
            let mut kept = [0; 8];
            reader.read_at(worker, 0, &mut kept).unwrap();
            assert_eq!(&kept, b"replaced", "the reader keeps the old");
            let stage = stage_of(&world, "to").map(|(content, _)| content);
            assert_eq!(stage, from_stage.then(|| b"a stage to carry".to_vec()));
            assert_eq!(home.stages(worker).unwrap().len(), usize::from(from_stage));
            let (bytes, entries) = if from_stage { (20, 2) } else { (4, 1) };
            assert_eq!(home.usage().used, Amount::new(bytes, entries));
            world.check(&home, worker);
        }
    });
}

#[test]
fn links_and_names_of_one_file_are_never_replaced() {
    on_worker(|worker| {
        let world = World::new();
        fs::create_dir(world.at("dir")).unwrap();
        fs::write(world.at("file"), "file").unwrap();
        fs::hard_link(world.at("file"), world.at("twin")).unwrap();
        symlink("file", world.at("link")).unwrap();
        let home = world.open(worker);
        let before = names(&home, worker, "");
        for (from, to) in [
            ("file", "dir"),
            ("dir", "file"),
            ("dir", "link"),
            ("link", "file"),
            ("file", "link"),
            ("file", "twin"),
        ] {
            let refused = home.rename(worker, Path::new(from), Path::new(to), Replace::Existing);
            assert!(
                matches!(refused, Err(VfsError::Exists)),
                "{from} to {to}: {refused:?}"
            );
        }
        let file = Path::new("file");
        home.rename(worker, file, file, Replace::Existing).unwrap();
        let missing = home.rename(worker, Path::new("missing"), file, Replace::Existing);
        assert!(matches!(missing, Err(VfsError::NotFound)), "{missing:?}");
        assert_eq!(names(&home, worker, ""), before);
        home.rename(worker, file, Path::new("new"), Replace::Existing)
            .unwrap();
        world.check(&home, worker);
    });
}

#[test]
fn a_directory_replaces_an_empty_one() {
    on_worker(|worker| {
        let world = World::new();
        for dir in ["empty", "other", "full", "full/inner", "target"] {
            fs::create_dir(world.at(dir)).unwrap();
        }
        let home = world.open(worker);
        put(&home, worker, "full/file", b"x").unwrap();
        for place in ["empty", "other", "full", "target"] {
            leave(&home, worker, &format!("{place}/staged"), b"stage");
        }
        let rename = |from: &str, to: &str| {
            home.rename(worker, Path::new(from), Path::new(to), Replace::Existing)
        };
        assert!(matches!(rename("empty", "full"), Err(VfsError::NotEmpty)));
        assert!(matches!(
            rename("full", "full/inner"),
            Err(VfsError::IntoItself)
        ));
        let never = home.rename(
            worker,
            Path::new("empty"),
            Path::new("other"),
            Replace::Never,
        );
        assert!(matches!(never, Err(VfsError::Exists)));
        rename("empty", "empty").unwrap();
        world.check(&home, worker);

        let running = begin(&home, worker, "other/running", Start::Offset(0)).unwrap();
        for (from, to) in [("empty", "other"), ("other", "empty")] {
            assert!(matches!(rename(from, to), Err(VfsError::Busy { .. })));
        }
        drop(running);

        // What an upload left in the replaced directory goes with it; in the renamed one it stays.
        rename("empty", "other").unwrap();
        rename("full", "target").unwrap();
        let staged: Vec<_> = home
            .stages(worker)
            .unwrap()
            .into_iter()
            .map(|s| s.path)
            .collect();
        assert_eq!(
            staged,
            [Path::new("other/staged"), Path::new("target/staged")]
        );
        assert_eq!(names(&home, worker, ""), ["other", "target"]);
        assert_eq!(names(&home, worker, "target"), ["file", "inner"]);
        world.check(&home, worker);
    });
}

#[test]
fn files_and_directories_are_removed_by_their_own_verbs() {
    on_worker(|worker| {
        let world = World::new();
        for dir in ["dir", "full"] {
            fs::create_dir(world.at(dir)).unwrap();
        }
        for link in ["link", "to-full"] {
            symlink("full", world.at(link)).unwrap();
        }
        let home = world.open(worker);
        put(&home, worker, "file", b"x").unwrap();
        put(&home, worker, "full/file", b"x").unwrap();
        leave(&home, worker, "file", b"stage");
        leave(&home, worker, "staged", b"stage");
        leave(&home, worker, "dir/staged", b"stage");
        let file = |path: &str| home.remove_file(worker, Path::new(path));
        let dir = |path: &str| home.remove_dir(worker, Path::new(path));
        assert!(matches!(file("dir"), Err(VfsError::IsADirectory)));
        assert!(matches!(file("missing"), Err(VfsError::NotFound)));
        assert!(matches!(dir("file"), Err(VfsError::NotADirectory)));
        assert!(matches!(dir("staged"), Err(VfsError::NotFound)));
        assert!(matches!(dir("full"), Err(VfsError::NotEmpty)));
        assert!(matches!(dir(""), Err(VfsError::TheHome)));
        world.check(&home, worker);
        for path in ["file", "staged", "link"] {
            file(path).unwrap();
        }
        // A link is removed by either verb, and what it leads to stays.
        for path in ["dir", "to-full"] {
            dir(path).unwrap();
        }
        assert_eq!(names(&home, worker, ""), ["full"]);
        assert_eq!(home.stages(worker).unwrap(), []);
        assert_eq!(home.usage().used, Amount::new(1, 2));
        world.check(&home, worker);
    });
}
