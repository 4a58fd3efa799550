//! Homes of users of the system: what is made there is theirs, and what is not theirs is closed.
//! By root only, as others may not work as another user.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use rustix::process::{getegid, geteuid};
use skiff_vfs::{Home, HomeRules, Homes, Owner, Permission, Replace, VfsError, Worker};

use crate::common::{World, on_worker, put, start};

const ANN: u32 = 54_321;
const BOB: u32 = 54_322;
const GROUP: u32 = 54_400;

fn rules(world: &World, uid: u32) -> HomeRules {
    HomeRules {
        owner: Owner::new(uid, GROUP, &[]).map(Arc::new),
        ..world.limit.into()
    }
}

/// A world whose home is ann's.
fn anns() -> Option<World> {
    if !geteuid().is_root() {
        return None;
    }
    let world = World::new();
    chown(world.root(), Some(ANN), Some(GROUP)).unwrap();
    fs::set_permissions(world.root(), fs::Permissions::from_mode(0o700)).unwrap();
    Some(world)
}

fn open(homes: &Homes, worker: &Worker, world: &World) -> Arc<Home> {
    let opened = homes.open(worker, "ann", &world.root(), rules(world, ANN));
    opened.unwrap()
}

fn owners_below(folder: &Path, found: &mut Vec<(PathBuf, u32, u32)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            owners_below(&path, found);
        }
        found.push((path, meta.uid(), meta.gid()));
    }
}

/// The thread is the daemon's again.
fn is_back() -> bool {
    geteuid().is_root() && getegid().as_raw() == 0
}

#[test]
fn all_that_is_made_in_a_home_is_its_owners() {
    on_worker(|worker| {
        let Some(world) = anns() else { return };
        let homes = world.homes();
        let home = open(&homes, worker, &world);
        home.scan(worker).unwrap();
        put(&home, worker, "file", b"content").unwrap();
        put(&home, worker, "file", b"new content").unwrap();
        home.make_dir(worker, Path::new("dir")).unwrap();
        home.make_link(worker, Path::new("link"), b"file").unwrap();
        home.set_mode(worker, Path::new("file"), 0o640).unwrap();
        home.set_modified(worker, Path::new("file"), SystemTime::UNIX_EPOCH)
            .unwrap();
        home.rename(
            worker,
            Path::new("file"),
            Path::new("dir/file"),
            Replace::Never,
        )
        .unwrap();
        let mut upload = start(&home, worker, "half", 100).unwrap();
        upload.write(worker, b"half").unwrap();
        upload.suspend(worker);
        assert_eq!(home.stages(worker).unwrap().len(), 1);
        let mut found = Vec::new();
        owners_below(&world.root(), &mut found);
        // Two directories (one of the stages), two files, a link.
        assert!(found.len() >= 5, "{found:?}");
        for (path, uid, gid) in found {
            assert_eq!((uid, gid), (ANN, GROUP), "{}", path.display());
        }
        world.check(&home, worker);
        assert!(is_back());
        let used = home.usage().used;
        drop(home);
        homes.close(worker).unwrap();
        // The snapshot lies where no user may look.
        let again = open(&world.homes(), worker, &world);
        assert!(!again.is_uncounted());
        assert_eq!(again.usage().used, used);
        assert!(is_back());
    });
}

#[test]
fn what_is_anothers_is_closed_to_the_server_too() {
    on_worker(|worker| {
        let Some(world) = anns() else { return };
        let bobs = |path: &str, mode| {
            chown(world.at(path), Some(BOB), Some(BOB)).unwrap();
            fs::set_permissions(world.at(path), fs::Permissions::from_mode(mode)).unwrap();
        };
        fs::write(world.at("secret"), "bob's").unwrap();
        bobs("secret", 0o600);
        fs::create_dir(world.at("closed")).unwrap();
        fs::write(world.at("closed/file"), "bob's").unwrap();
        bobs("closed", 0o700);
        let home = open(&world.homes(), worker, &world);
        home.scan(worker).unwrap();
        let path = Path::new;
        let forbidden = |result: Result<(), VfsError>| {
            assert!(matches!(result, Err(VfsError::Forbidden)), "{result:?}");
            assert!(is_back());
        };
        forbidden(home.download(worker, path("secret")).map(drop));
        forbidden(home.set_mode(worker, path("secret"), 0o666));
        forbidden(home.stat(worker, path("closed/file")).map(drop));
        forbidden(home.list(worker, path("closed")).map(drop));
        forbidden(home.check_enter(worker, path("closed")));
        forbidden(home.make_dir(worker, path("closed/dir")));
        forbidden(home.remove_file(worker, path("closed/file")));
        forbidden(put(&home, worker, "closed/new", b"x").map(drop));
        assert!(home.stat_cached(path("secret")).is_none());
        assert!(home.download_cached(path("secret")).is_none());
        let (_, may) = home.stat_link_permitted(worker, path("secret")).unwrap();
        assert!(!may.has(Permission::Read) && may.has(Permission::Rename));
        // The name is in ann's directory, so it is hers to give.
        put(&home, worker, "secret", b"ann's").unwrap();
        assert_eq!(fs::metadata(world.at("secret")).unwrap().uid(), ANN);
    });
}

#[test]
fn a_home_has_one_owner_at_a_time() {
    on_worker(|worker| {
        let Some(world) = anns() else { return };
        fs::set_permissions(world.root(), fs::Permissions::from_mode(0o755)).unwrap();
        let homes = world.homes();
        let home = open(&homes, worker, &world);
        let as_bob = || homes.open(worker, "bob", &world.root(), rules(&world, BOB));
        assert!(matches!(as_bob(), Err(VfsError::OtherOwner)));
        let as_daemon = homes.open(worker, "tom", &world.root(), world.limit);
        assert!(matches!(as_daemon, Err(VfsError::OtherOwner)));
        drop(home);
        let bobs = as_bob().unwrap();
        bobs.scan(worker).unwrap();
        let refused = put(&bobs, worker, "file", b"x").map(drop);
        assert!(
            matches!(refused, Err(VfsError::NoStaging | VfsError::Forbidden)),
            "{refused:?}"
        );
        assert!(is_back());
        drop(bobs);
        open(&homes, worker, &world);
    });
}

#[test]
fn a_process_without_the_right_says_so_and_stays_who_it_is() {
    on_worker(|worker| {
        let Some(world) = anns() else { return };
        crate::common::become_ordinary(world.folder.path());
        let own = geteuid();
        let refused = world
            .homes()
            .open(worker, "ann", &world.root(), rules(&world, ANN));
        assert!(matches!(refused, Err(VfsError::Forbidden)), "{refused:?}");
        assert_eq!(geteuid(), own);
    });
}
