//! Tests of what is told of permissions: what access(2) says, which is not asked.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use skiff_vfs::Permission;

use crate::common::{World, become_ordinary, on_worker};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn may(path: &Path, access: Access) -> bool {
    accessat(CWD, path, access, AtFlags::empty()).is_ok()
}

/// What the kernel says of the same.
fn expected(path: &Path, is_directory: bool) -> [(Permission, bool); 4] {
    let (read, write, search) = match is_directory {
        true => (
            Access::READ_OK | Access::EXEC_OK,
            Access::WRITE_OK | Access::EXEC_OK,
            Access::EXEC_OK,
        ),
        false => (Access::READ_OK, Access::WRITE_OK, Access::EXEC_OK),
    };
    let folder = path.parent().unwrap();
    [
        (Permission::Read, may(path, read)),
        (Permission::Write, may(path, write)),
        (Permission::Search, may(path, search)),
        (
            Permission::Rename,
            may(folder, Access::WRITE_OK | Access::EXEC_OK),
        ),
    ]
}

#[test]
fn permissions_are_what_the_kernel_grants() {
    on_worker(|worker| {
        let world = World::new();
        fs::create_dir_all(world.at("outer/dir")).unwrap();
        fs::write(world.at("outer/file"), "content").unwrap();
        become_ordinary(world.folder.path());
        let home = world.open(worker);
        let modes = [0o000, 0o400, 0o200, 0o100, 0o500, 0o600, 0o755, 0o077];
        // Names in the directory must be found for anything to be told of them.
        for outer in [0o100, 0o500, 0o700, 0o1777] {
            for mode in modes {
                for name in ["dir", "file"] {
                    let path = PathBuf::from("outer").join(name);
                    let there = world.root().join(&path);
                    set_mode(&world.at("outer"), 0o700);
                    set_mode(&there, mode);
                    set_mode(&world.at("outer"), outer);
                    let (entry, told) = home.stat_link_permitted(worker, &path).unwrap();
                    assert_eq!(entry.mode, mode);
                    for (permission, granted) in expected(&there, name == "dir") {
                        let what = format!("{permission:?} of {name}, {mode:o} in {outer:o}");
                        assert_eq!(told.has(permission), granted, "{what}");
                    }
                }
            }
        }
        set_mode(&world.at("outer"), 0o700);
        // A listing tells the same, and of the home itself no name can be changed.
        let mut listing = home.list(worker, Path::new("outer")).unwrap();
        let folder = listing.folder(worker).unwrap();
        while listing.advance(worker).unwrap() {
            let entry = listing.entry();
            let path = Path::new("outer").join(&entry.name);
            let (_, told) = home.stat_link_permitted(worker, &path).unwrap();
            assert_eq!(listing.permissions(entry, folder.as_ref()), told);
            let cached = home.stat_permitted_cached(&path);
            assert!(cached.is_none_or(|(_, cached)| cached == told), "{path:?}");
        }
        let (_, told) = home.stat_link_permitted(worker, Path::new("")).unwrap();
        assert!(told.has(Permission::Write) && !told.has(Permission::Rename));
    });
}
