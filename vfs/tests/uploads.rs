//! Tests of uploads (atomic, resumable, one per name), of downloads and of stored digests.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use skiff_vfs::{
    Amount, Digest, Home, Limit, Replace, Start, Upload, UploadStart, VfsError, Worker,
};

use crate::common::{
    World, begin, digests, give_up_override, leave, on_worker, put, request, start,
};

fn read(home: &Home, worker: &Worker, path: &str) -> Vec<u8> {
    let download = home.download(worker, Path::new(path)).unwrap();
    let mut content = vec![0; download.size() as usize];
    let mut at = 0;
    while at < content.len() {
        at += download
            .read_at(worker, at as u64, &mut content[at..])
            .unwrap();
    }
    content
}

#[test]
fn a_file_appears_whole_or_not_at_all() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        put(&home, worker, "file", b"old").unwrap();
        let reader = home.download(worker, Path::new("file")).unwrap();
        let mut upload = start(&home, worker, "file", 8).unwrap();
        upload.write(worker, b"new ").unwrap();
        assert_eq!(read(&home, worker, "file"), b"old");
        upload.write(worker, b"file").unwrap();
        assert_eq!(read(&home, worker, "file"), b"old");
        let published = upload.publish(worker, None, None).unwrap();
        assert_eq!(published.size, 8);
        assert_eq!(read(&home, worker, "file"), b"new file");
        let mut buffer = [0; 8];
        assert_eq!(
            reader.read_at(worker, 0, &mut buffer).unwrap(),
            3,
            "the reader keeps the old"
        );
        assert_eq!(fs::read_dir(world.at(".skiff-stage")).unwrap().count(), 0);
        world.check(&home, worker);
    });
}

#[test]
fn what_comes_through_a_pipe_is_appended_and_charged() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut upload = start(&home, worker, "file", None).unwrap();
        upload.write(worker, b"written, ").unwrap();
        for part in [&b"moved, "[..], b"moved again"] {
            writer.write_all(part).unwrap();
            let count = part.len() as u64;
            upload.write_from(worker, reader.as_fd(), count).unwrap();
        }
        assert_eq!(upload.file_len(), 27);
        upload.publish(worker, None, None).unwrap();
        let there = read(&home, worker, "file");
        assert_eq!(there, b"written, moved, moved again");
        world.check(&home, worker);

        writer.write_all(&[7; 100]).unwrap();
        let mut upload = start(&home, worker, "long", None).unwrap();
        let limit = home.usage().limit.bytes;
        let refused = upload.write_from(worker, reader.as_fd(), limit);
        assert!(
            matches!(refused, Err(VfsError::OverQuota { .. })),
            "{refused:?}"
        );
        assert_eq!(upload.file_len(), 0, "room comes before bytes");
        upload.suspend(worker);
        world.check(&home, worker);
    });
}

#[test]
fn what_nobody_wants_any_more_is_not_published() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        put(&home, worker, "file", b"old").unwrap();
        let mut upload = start(&home, worker, "file", 8).unwrap();
        upload.write(worker, b"new file").unwrap();
        let forsaken = Arc::new(AtomicBool::new(true));
        upload.set_stop_flag(forsaken);
        let refused = upload.publish(worker, None, None);
        assert!(matches!(refused, Err(VfsError::Stopped)), "{refused:?}");
        assert_eq!(read(&home, worker, "file"), b"old");
        let again = start(&home, worker, "file", 8).unwrap();
        assert_eq!(again.initial_len(), 8, "the stage stays");
        again.suspend(worker);
        world.check(&home, worker);
    });
}

#[test]
fn an_interrupted_upload_is_continued_after_a_restart() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        put(&home, worker, "file", b"old").unwrap();
        leave(&home, worker, "file", b"first ");
        drop(home);
        let home = world.open(worker);
        let mut upload = start(&home, worker, "file", 12).unwrap();
        assert_eq!(upload.initial_len(), 6);
        let mut prefix = [0; 16];
        assert_eq!(upload.read_at(worker, 0, &mut prefix).unwrap(), 6);
        assert_eq!(&prefix[..6], b"first ");
        upload.write(worker, b"second").unwrap();
        upload.publish(worker, None, None).unwrap();
        assert_eq!(read(&home, worker, "file"), b"first second");
        world.check(&home, worker);
    });
}

#[test]
fn dropping_suspends_and_an_empty_stage_does_not_stay() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        let mut upload = start(&home, worker, "kept", 100).unwrap();
        upload.write(worker, b"some").unwrap();
        drop(upload);
        drop(start(&home, worker, "empty", 100).unwrap());
        start(&home, worker, "empty", 100).unwrap().suspend(worker);
        let stages = home.stages(worker).unwrap();
        assert_eq!(stages.len(), 1);
        assert_eq!(
            (stages[0].path.as_path(), stages[0].size),
            (Path::new("kept"), 4)
        );
        world.check(&home, worker);
    });
}

#[test]
fn starting_over_cuts_and_a_longer_stage_is_of_another_file() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        leave(&home, worker, "file", b"0123456789");
        let mut upload = start(&home, worker, "file", 10).unwrap();
        upload.restart(worker).unwrap();
        assert_eq!((upload.initial_len(), upload.file_len()), (10, 0));
        upload.write(worker, b"ab").unwrap();
        drop(upload);
        let upload = start(&home, worker, "file", 1).unwrap();
        assert_eq!((upload.initial_len(), upload.file_len()), (0, 0));
        upload.discard(worker);
        world.check(&home, worker);
        assert_eq!(home.usage().used, Amount::ZERO);
    });
}

#[test]
fn without_replace_nothing_is_overwritten() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        put(&home, worker, "file", b"old").unwrap();
        let path = Path::new("file");
        let other = home.upload(worker, path, &request(4, Replace::Never));
        assert!(matches!(other, Err(VfsError::Exists)));
        let unknown = home.upload(worker, path, &request(None, Replace::Never));
        assert!(matches!(unknown, Err(VfsError::Exists)));
        let same = home
            .upload(worker, path, &request(3, Replace::Never))
            .unwrap();
        assert!(
            matches!(same, UploadStart::Complete { size: 3 }),
            "{same:?}"
        );

        // A file that appears meanwhile is not overwritten either, and the stage is not lost.
        let started = home
            .upload(worker, Path::new("new"), &request(2, Replace::Never))
            .unwrap();
        let UploadStart::Open(mut upload) = started else {
            panic!("{started:?}")
        };
        upload.write(worker, b"me").unwrap();
        fs::write(world.at("new"), "them").unwrap();
        assert!(matches!(
            upload.publish(worker, None, None),
            Err(VfsError::Exists)
        ));
        assert_eq!(read(&home, worker, "new"), b"them");
        assert_eq!(home.stages(worker).unwrap()[0].size, 2);
        home.scan(worker).unwrap();
        world.check(&home, worker);
    });
}

#[test]
fn a_replaced_file_lends_its_mode_and_a_new_one_follows_the_policy() {
    on_worker(|worker| {
        let mut world = World::new();
        world.policy.file_mode = 0o640;
        world.policy.dir_mode = 0o2750;
        let home = world.open(worker);
        let mode = |path: &str| fs::metadata(world.at(path)).unwrap().mode() & 0o7777;
        put(&home, worker, "new", b"1").unwrap();
        assert_eq!(mode("new"), 0o640);
        fs::set_permissions(world.at("new"), fs::Permissions::from_mode(0o604)).unwrap();
        put(&home, worker, "new", b"22").unwrap();
        assert_eq!(mode("new"), 0o604);
        home.make_dir(worker, Path::new("dir")).unwrap();
        assert_eq!(mode("dir") & 0o777, 0o750);
    });
}

#[test]
fn the_given_time_becomes_the_files() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 500);
        let mut upload = start(&home, worker, "file", None).unwrap();
        upload.write(worker, b"x").unwrap();
        let published = upload.publish(worker, None, Some(time)).unwrap();
        assert_eq!(published.modified.system_time(), time);
        assert_eq!(
            fs::metadata(world.at("file")).unwrap().modified().unwrap(),
            time
        );
    });
}

#[test]
fn digests_are_remembered_until_the_file_changes() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        put(&home, worker, "file", b"content").unwrap();
        let known = |path: &str| home.download(worker, Path::new(path)).unwrap().digests();
        assert_eq!(known("file"), Some(digests(b"content")));
        home.rename(
            worker,
            Path::new("file"),
            Path::new("moved"),
            Replace::Never,
        )
        .unwrap();
        assert_eq!(
            known("moved"),
            Some(digests(b"content")),
            "a rename changes no content"
        );
        fs::write(world.at("moved"), "CONTENT").unwrap();
        fs::copy(world.at("moved"), world.at("copy")).unwrap();
        assert_eq!(known("moved"), None);
        assert_eq!(known("copy"), None);

        let md5 = Digest::Md5([9; 16]);
        let mut download = home.download(worker, Path::new("moved")).unwrap();
        download.store_digest(worker, md5).unwrap();
        assert_eq!(known("moved"), Some(md5.into()));
        download.remove_digests(worker).unwrap();
        assert_eq!(known("moved"), None);

        // No digest is stored with a file that changed while it was hashed.
        fs::write(world.at("moved"), "another length").unwrap();
        download.store_digest(worker, md5).unwrap();
        assert_eq!(known("moved"), None);
    });
}

fn set_mode(world: &World, path: &str, mode: u32) {
    fs::set_permissions(world.at(path), fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn what_could_not_be_published_is_refused_before_a_byte() {
    on_worker(|worker| {
        give_up_override();
        let world = World::new();
        let home = world.open(worker);
        home.make_dir(worker, Path::new("dir")).unwrap();
        put(&home, worker, "dir/file", b"old").unwrap();
        leave(&home, worker, "dir/part", b"old");
        let (used, staged) = (home.usage(), home.stages(worker).unwrap());
        for mode in [0o555, 0o577] {
            set_mode(&world, "dir", mode);
            for path in ["dir/new", "dir/file", "dir/part"] {
                let native = start(&home, worker, path, 100);
                assert!(matches!(native, Err(VfsError::Forbidden)), "{native:?}");
                for offset in [0, 2] {
                    if (path, offset) == ("dir/new", 2) {
                        continue;
                    }
                    let ftp = begin(&home, worker, path, Start::Offset(offset));
                    assert!(matches!(ftp, Err(VfsError::Forbidden)), "{ftp:?}");
                }
            }
            assert_eq!(home.usage(), used);
            assert_eq!(home.stages(worker).unwrap(), staged);
            // What is appended in place renames nothing.
            let mut appended = begin(&home, worker, "dir/file", Start::End).unwrap();
            appended.write(worker, b"!").unwrap();
            appended.discard(worker);
        }
        set_mode(&world, "dir", 0o755);
        put(&home, worker, "dir/new", b"new").unwrap();
        world.check(&home, worker);
    });
}

#[test]
fn what_can_never_be_published_is_not_kept() {
    on_worker(|worker| {
        give_up_override();
        let causes: [fn(&World); 3] = [
            |world| set_mode(world, "dir", 0o555),
            |world| fs::create_dir(world.at("dir/file")).unwrap(),
            |world| fs::remove_dir(world.at("dir")).unwrap(),
        ];
        for (number, cause) in causes.into_iter().enumerate() {
            let world = World::new();
            let home = world.open(worker);
            home.make_dir(worker, Path::new("dir")).unwrap();
            let mut upload = start(&home, worker, "dir/file", None).unwrap();
            upload.write(worker, b"all of it").unwrap();
            cause(&world);
            let refused = upload.publish(worker, None, None);
            assert!(refused.is_err(), "{number}");
            assert_eq!(home.stages(worker).unwrap(), [], "{number}: {refused:?}");
            assert_eq!(home.usage().reserved, Amount::ZERO);
            home.scan(worker).unwrap();
            world.check(&home, worker);
        }
    });
}

fn contend(home: &Arc<Home>, worker: &Worker) -> (u64, Duration) {
    match home.upload(worker, Path::new("file"), &request(1, Replace::Existing)) {
        Err(VfsError::Busy { owner, silent }) => (owner, silent),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_writer_per_name_and_a_lively_one_is_left_alone() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        let mut first = start(&home, worker, "file", None).unwrap();
        first.write(worker, b"x").unwrap();
        let (owner, silent) = contend(&home, worker);
        assert_eq!(owner, 7);
        assert!(silent < world.policy.writer_silence);
        assert!(!first.is_cancelled());
        drop(first);
        start(&home, worker, "file", None).unwrap().discard(worker);
    });
}

#[test]
fn a_silent_writer_is_asked_to_give_way() {
    on_worker(|worker| {
        let mut world = World::new();
        world.policy.writer_silence = Duration::ZERO;
        let home = world.open(worker);
        let mut first = start(&home, worker, "file", None).unwrap();
        first.write(worker, b"begun ").unwrap();
        contend(&home, worker);
        assert!(first.is_cancelled());
        contend(&home, worker);
        first.suspend(worker);
        let next = start(&home, worker, "file", None).unwrap();
        assert_eq!(next.initial_len(), 6);
        assert!(!next.is_cancelled());
    });
}

fn busy<T>(result: Result<T, VfsError>) -> bool {
    matches!(result, Err(VfsError::Busy { .. }))
}

#[test]
fn what_is_being_written_is_neither_moved_nor_removed() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        home.make_dir(worker, Path::new("dir")).unwrap();
        home.make_dir(worker, Path::new("dir/sub")).unwrap();
        put(&home, worker, "other", b"x").unwrap();
        let [file, dir, sub, other, away] =
            ["dir/sub/file", "dir", "dir/sub", "other", "away"].map(Path::new);
        let upload: Upload = start(&home, worker, "dir/sub/file", None).unwrap();
        assert!(busy(home.remove(worker, file)));
        assert!(busy(home.drop_stage(worker, file)));
        assert!(busy(home.make_dir(worker, file)));
        assert!(busy(home.rename(worker, file, away, Replace::Never)));
        assert!(busy(home.rename(worker, other, file, Replace::Never)));
        assert!(busy(home.rename(worker, dir, away, Replace::Never)));
        assert!(busy(home.rename(worker, sub, away, Replace::Never)));
        assert!(busy(home.remove(worker, sub)));
        // Names beside the upload can be changed.
        home.rename(worker, other, Path::new("dir/other"), Replace::Never)
            .unwrap();
        drop(upload);
        home.rename(worker, dir, away, Replace::Never).unwrap();
        world.check(&home, worker);
    });
}

#[test]
fn many_small_writes_end_where_they_should() {
    on_worker(|worker| {
        let world = World::new();
        let home = world.open(worker);
        let mut upload = start(&home, worker, "file", None).unwrap();
        let chunk: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        // Past the first labels, steps and writebacks.
        for _ in 0..64 {
            upload.write(worker, &chunk).unwrap();
        }
        assert_eq!(home.stages(worker).unwrap()[0].path, Path::new("file"));
        let size = upload.publish(worker, None, None).unwrap().size;
        assert_eq!(size, 64 * chunk.len() as u64);
        let content = fs::read(world.at("file")).unwrap();
        assert!(content.chunks(chunk.len()).all(|part| part == chunk));
        world.check(&home, worker);
    });
}

/// Each writes the first half before any has written its second.
#[test]
fn many_uploads_at_once_fit_into_just_the_room_that_they_need() {
    const UPLOADS: u64 = 30;
    const HALF: usize = 50_000;
    on_worker(|worker| {
        let world = World {
            limit: Limit::new(UPLOADS * 2 * HALF as u64, 1000),
            ..World::new()
        };
        let home = world.open(worker);
        let names: Vec<_> = (0..UPLOADS).map(|n| format!("file-{n}")).collect();
        let begun = names.iter().map(|name| start(&home, worker, name, None));
        let mut uploads: Vec<_> = begun.map(Result::unwrap).collect();
        for _ in 0..2 {
            for upload in &mut uploads {
                upload.write(worker, &[7; HALF]).unwrap();
            }
        }
        for upload in uploads {
            upload.publish(worker, None, None).unwrap();
        }
        assert_eq!(home.usage().available().bytes, 0);
        world.check(&home, worker);
    });
}
