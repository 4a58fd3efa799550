//! Short stories on a simulated disk, whose power is cut before each of their calls in turn.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests may unwrap as tests do"
)]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use skiff_vfs::simulated::{Disk, FileSystem, install, with_disk};
use skiff_vfs::{
    Append, Home, Homes, Kept, Limit, Policy, Replace, Start, Upload, UploadRequest, UploadStart,
    Worker,
};

const OLD: &[u8] = b"what was there before";
const FILE_SYSTEMS: [FileSystem; 3] = [FileSystem::Ext4, FileSystem::Xfs, FileSystem::Btrfs];
/// Worlds for each file system: what reaches the disk by itself follows from the seed.
const SEEDS: u64 = 40;

/// There is one simulated disk in a process.
static ONE: Mutex<()> = Mutex::new(());

fn open(worker: &Worker, folder: &Path) -> Arc<Home> {
    let homes = Homes::new(folder.join("state"), Policy::default());
    let limit = Limit::new(1 << 30, 1000);
    let home = homes
        .open(worker, "tom", &folder.join("home"), limit)
        .unwrap();
    home.scan(worker).unwrap();
    home
}

fn upload(home: &Arc<Home>, worker: &Worker, name: &str, start: Start) -> Option<Upload> {
    let request = UploadRequest {
        size: None,
        start,
        replace: Replace::Existing,
        append: Append::Allowed,
        keep: Kept::ButLastByte,
        owner: 1,
    };
    match home.upload(worker, Path::new(name), &request) {
        Ok(UploadStart::Open(upload)) => Some(upload),
        Ok(UploadStart::Complete { .. }) | Err(_) => None,
    }
}

fn has_power() -> bool {
    with_disk(|disk| !disk.is_cut()).unwrap()
}

/// Another file is stored, which syncs the staging directory.
fn store_another(home: &Arc<Home>, worker: &Worker) {
    if let Some(mut other) = upload(home, worker, "other", Start::Offset(0)) {
        let _ = other.write(worker, b"of another");
        let _ = other.publish(worker, None, None);
    }
}

/// Tells `story` for each cut and seed, and lets `holds` look at the file afterwards. The story gives
/// whether its change was confirmed.
fn with_every_cut(story: fn(&Arc<Home>, &Worker) -> bool, holds: fn(&[u8], bool) -> bool) {
    let _one = ONE.lock();
    let body = move |worker: &Worker| {
        for file_system in FILE_SYSTEMS {
            for seed in 0..SEEDS {
                for cut in 0.. {
                    if !tell(worker, file_system, seed, cut, story, holds) {
                        break;
                    }
                }
            }
        }
    };
    Worker::spawn("test", body).unwrap().join().unwrap();
}

/// Whether the story had so many calls.
fn tell(
    worker: &Worker,
    file_system: FileSystem,
    seed: u64,
    cut: u64,
    story: fn(&Arc<Home>, &Worker) -> bool,
    holds: fn(&[u8], bool) -> bool,
) -> bool {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    for made in ["state", "home"] {
        fs::create_dir(folder.path().join(made)).unwrap();
    }
    let file = folder.path().join("home/file");
    fs::write(&file, OLD).unwrap();
    let home = folder.path().join("home");
    install(Some(Disk::new(&home, file_system, seed).unwrap()));
    let home = open(worker, folder.path());
    with_disk(|disk| disk.cut_after(cut));
    let confirmed = story(&home, worker);
    let was_cut = with_disk(|disk| disk.is_cut()).unwrap();
    with_disk(|disk| {
        disk.cut();
        disk.detach();
    });
    drop(home);
    with_disk(|disk| {
        disk.attach();
        disk.restart().unwrap();
    });
    drop(open(worker, folder.path()));
    install(None);
    let found = fs::read(&file).unwrap();
    assert!(
        holds(&found, confirmed),
        "{file_system:?}, seed {seed}, cut {cut}: {} bytes, confirmed: {confirmed}",
        found.len()
    );
    was_cut
}

#[test]
fn an_append_that_is_given_up_leaves_what_was_there() {
    with_every_cut(
        |home, worker| {
            let mut upload = upload(home, worker, "file", Start::End).unwrap();
            let _ = upload.write(worker, &[b'+'; 3000]);
            upload.suspend(worker);
            store_another(home, worker);
            false
        },
        |found, _| found == OLD,
    );
}

#[test]
fn an_append_is_there_whole_or_not_at_all() {
    with_every_cut(
        |home, worker| {
            let mut upload = upload(home, worker, "file", Start::End).unwrap();
            let _ = upload.write(worker, &[b'+'; 3000]);
            let published = upload.publish(worker, None, None);
            let confirmed = published.is_ok() && has_power();
            store_another(home, worker);
            confirmed
        },
        |found, confirmed| {
            let appended = [OLD, &[b'+'; 3000]].concat();
            found == appended || (!confirmed && found == OLD)
        },
    );
}

#[test]
fn a_file_is_the_old_one_or_the_new_one() {
    with_every_cut(
        |home, worker| {
            let mut upload = upload(home, worker, "file", Start::Offset(0)).unwrap();
            let _ = upload.write(worker, &[b'n'; 3000]);
            let published = upload.publish(worker, None, None);
            let confirmed = published.is_ok() && has_power();
            store_another(home, worker);
            confirmed
        },
        |found, confirmed| found == [b'n'; 3000] || (!confirmed && found == OLD),
    );
}
