//! Tests of the blocks that are preallocated for a stage, and of those that are left afterwards.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate, fstatfs};
use skiff_vfs::{Durability, Home, Worker};

use crate::common::{MEBI, World, on_worker, start};

const EXT4: i64 = 0xEF53;
/// Bytes that a file system may use for the map of a file's blocks.
const OVERHEAD: u64 = MEBI / 16;

fn blocks(path: &Path) -> u64 {
    fs::metadata(path).unwrap().blocks() * 512
}

fn stage(world: &World) -> PathBuf {
    let mut stages = fs::read_dir(world.at(".skiff-stage")).unwrap();
    stages.next().unwrap().unwrap().path()
}

/// Whether blocks are preallocated on this machine: on ext4, with enough free space.
fn are_taken(world: &World) -> bool {
    let disk = fstatfs(File::open(world.root()).unwrap()).unwrap();
    disk.f_type == EXT4 && disk.f_bavail * disk.f_bsize as u64 > 1100 * MEBI
}

/// Uploads three MiB and gives the bytes of the stage's blocks before the publication.
fn upload(world: &World, home: &Arc<Home>, worker: &Worker, size: Option<u64>) -> u64 {
    let piece = vec![7; MEBI as usize];
    let mut upload = start(home, worker, "file", size).unwrap();
    for _ in 0..3 {
        upload.write(worker, &piece).unwrap();
    }
    let most = blocks(&stage(world));
    upload.publish(worker, None, None).unwrap();
    most
}

#[test]
fn an_upload_takes_blocks_ahead_and_keeps_what_it_needs() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        let most = upload(&world, &home, worker, None);
        assert!(most >= 8 * MEBI || !are_taken(&world), "{most}");
        assert!(blocks(&world.at("file")) <= 3 * MEBI + OVERHEAD);

        let most = upload(&world, &home, worker, Some(3 * MEBI));
        assert!(most <= 3 * MEBI + OVERHEAD, "not beyond what was declared");
        assert!(blocks(&world.at("file")) <= 3 * MEBI + OVERHEAD);
        // Declared too little.
        let most = upload(&world, &home, worker, Some(MEBI + 1));
        assert!(most >= 8 * MEBI || !are_taken(&world), "{most}");
        assert!(blocks(&world.at("file")) <= 3 * MEBI + OVERHEAD);
        world.check(&home, worker);
    });
}

#[test]
fn near_the_floor_no_blocks_are_taken_ahead() {
    on_worker(|worker| {
        let mut world = World::new();
        let disk = fstatfs(File::open(world.root()).unwrap()).unwrap();
        let free = disk.f_bavail * disk.f_bsize as u64;
        world.policy.free_space_floor = free.saturating_sub(500 * MEBI);
        let home = world.open(worker);
        let most = upload(&world, &home, worker, None);
        assert!(most <= 3 * MEBI + OVERHEAD, "{most}");
    });
}

#[test]
fn an_interrupted_upload_gives_back_what_it_took_ahead() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        let piece = vec![7; MEBI as usize];
        let mut first = start(&home, worker, "file", None).unwrap();
        first.write(worker, &piece).unwrap();
        first.write(worker, &piece).unwrap();
        first.suspend(worker);
        assert!(blocks(&stage(&world)) <= 2 * MEBI + OVERHEAD);

        // A crash frees nothing: the next upload of the name does.
        let left = File::options().write(true).open(stage(&world)).unwrap();
        let more = fallocate(left, FallocateFlags::KEEP_SIZE, 2 * MEBI, 16 * MEBI);
        assert_eq!(more.is_ok(), blocks(&stage(&world)) >= 16 * MEBI);
        let mut second = start(&home, worker, "file", 3 * MEBI).unwrap();
        assert_eq!(second.initial_len(), 2 * MEBI);
        second.write(worker, &piece).unwrap();
        second.publish(worker, None, None).unwrap();
        assert!(blocks(&world.at("file")) <= 3 * MEBI + OVERHEAD);
        world.check(&home, worker);
    });
}

#[test]
fn what_replaces_a_file_without_a_sync_is_all_there() {
    on_worker(|worker| {
        let mut world = World::new();
        world.policy.durability = Durability::None;
        let home = world.open(worker);
        let odd = 2 * MEBI + 65_537;
        for (turn, size) in [MEBI, MEBI + 1, 2 * MEBI, odd, odd - 1]
            .into_iter()
            .enumerate()
        {
            let content: Vec<u8> = (turn as u8..=250).cycle().take(size as usize).collect();
            let mut upload = start(&home, worker, "file", None).unwrap();
            for piece in content.chunks(MEBI as usize) {
                upload.write(worker, piece).unwrap();
            }
            assert_eq!(upload.replaces(), turn > 0);
            let published = upload.publish(worker, None, None).unwrap();
            assert_eq!(published.size, size);
            assert!(fs::read(world.at("file")).unwrap() == content, "{size}");
            assert!(blocks(&world.at("file")) <= size + OVERHEAD);
            world.check(&home, worker);
        }
    });
}
