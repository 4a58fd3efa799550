//! A home under any operations, by any paths, with any links in it: nothing outside of it is changed,
//! and nothing of what is outside is in any answer.

use std::fmt::Debug;
use std::fs::{self, File, FileTimes};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use skiff_vfs::{
    Amount, Append, Download, Durability, Home, Homes, Kept, Limit, Policy, Replace, Start,
    UploadRequest, UploadStart, VfsError, Worker,
};
use tempfile::TempDir;

use super::input::Input;

/// Operations of one run.
const STEPS_MAX: usize = 32;
/// What is outside, by how it begins, its size (most of it is a hole), its time, and a name that no
/// path here has: numbers that no inode has either.
const SECRET: [u8; 64] = [0xa5; 64];
const SECRET_SIZE: u64 = (1 << 40) + 4321;
const CANARY_SECONDS: u64 = 7_000_000_007;
const BEACON: &str = "beacon-of-the-outside";

pub(crate) fn jail(data: &[u8]) {
    let data = data.to_vec();
    let run = Worker::spawn("jail", move |worker| World::new().run(worker, &data)).unwrap();
    if let Err(panic) = run.join() {
        std::panic::resume_unwind(panic);
    }
}

struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["home", "home/d", "state", "outside"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        let world = Self { folder };
        for name in ["canary", BEACON] {
            fs::write(world.outside().join(name), SECRET).unwrap();
            let file = File::options()
                .write(true)
                .open(world.outside().join(name))
                .unwrap();
            file.set_len(SECRET_SIZE).unwrap();
            file.set_times(FileTimes::new().set_modified(canary_time()))
                .unwrap();
        }
        world
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    fn run(&self, worker: &Worker, data: &[u8]) {
        let mut input = Input::new(data);
        let policy = Policy {
            durability: Durability::None,
            free_space_floor: 0,
            ..Policy::default()
        };
        let homes = Homes::new(self.folder.path().join("state"), policy);
        let limit = Limit::new(1 << 20, 100);
        let home = homes.open(worker, "tom", &self.home(), limit).unwrap();
        home.scan(worker).unwrap();
        let before = self.look_outside();
        for _ in 0..STEPS_MAX {
            if input.is_empty() {
                break;
            }
            self.step(&home, worker, &mut input);
            assert_eq!(self.look_outside(), before);
        }
        let usage = home.usage();
        assert_eq!(usage.reserved, Amount::ZERO);
        assert_eq!(home.scan(worker).unwrap().used, usage.used);
    }

    /// What a change outside would change. Reading there leaves no trace but in answers.
    fn look_outside(&self) -> Vec<(PathBuf, u64, u32, i64, u64)> {
        let mut found = Vec::new();
        for folder in [self.folder.path(), &self.outside()] {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let meta = fs::symlink_metadata(&path).unwrap();
                // What is inside of those may change, and so their times and sizes.
                let is_inside = path == self.home() || path.ends_with("state");
                let (size, mode, links) = (meta.size(), meta.mode(), meta.nlink());
                let modified = meta.mtime();
                found.push(match is_inside {
                    true => (path, 0, 0, 0, 0),
                    false => (path, size, mode, modified, links),
                });
            }
        }
        for name in ["canary", BEACON] {
            let mut start = [0; SECRET.len()];
            let mut file = File::open(self.outside().join(name)).unwrap();
            file.read_exact(&mut start).unwrap();
            assert_eq!(start, SECRET);
        }
        found.sort();
        found
    }

    fn step(&self, home: &Arc<Home>, worker: &Worker, input: &mut Input<'_>) {
        let op = input.byte() % 18;
        let path = self.path(input);
        let path = path.as_path();
        match op {
            0 | 1 => {
                self.link(input, path);
                home.scan(worker).unwrap();
            }
            2 => self.answers(home.make_dir(worker, path)),
            3 | 4 => self.answers(upload(home, worker, path, input)),
            5 => self.answers(home.remove(worker, path)),
            6 => self.answers(home.remove_file(worker, path)),
            7 => self.answers(home.remove_dir(worker, path)),
            8 => {
                let to = self.path(input);
                let replace = *input.pick(&[Replace::Never, Replace::Existing]);
                self.answers(home.rename(worker, path, &to, replace));
            }
            9 => self.list(home, worker, path),
            10 => self.read(home, worker, path),
            11 => {
                self.answers(home.stat(worker, path));
                self.answers(home.stat_link(worker, path));
                self.answers(home.stat_link_permitted(worker, path));
            }
            12 => {
                self.answers(home.size(worker, path));
                self.answers(home.modified_of(worker, path));
                self.answers(home.check_enter(worker, path));
            }
            13 => self.answers(home.free_name(worker, path)),
            14 => {
                let time = SystemTime::UNIX_EPOCH + Duration::from_secs(input.number() >> 32);
                self.answers(home.set_modified(worker, path, time));
            }
            15 => self.answers(home.set_mode(worker, path, input.number() as u32 | 0o700)),
            16 => {
                self.answers(home.drop_stage(worker, path));
                self.answers(home.stages(worker));
            }
            _ => self.cached(home, path),
        }
    }

    /// A path of few names, some of which lead out; or any bytes.
    fn path(&self, input: &mut Input<'_>) -> PathBuf {
        let outside = self.outside();
        let names = [
            Path::new("a"),
            Path::new("b"),
            Path::new("d"),
            Path::new(".."),
            Path::new("."),
            Path::new("../outside"),
            Path::new("canary"),
            Path::new("home"),
            Path::new(".skiff-stage"),
            outside.as_path(),
        ];
        let mut path = PathBuf::new();
        for _ in 0..1 + input.byte() % 4 {
            match input.byte() {
                0xff => path.push(Path::new(std::ffi::OsStr::from_bytes(input.chunk()))),
                name => path.push(names[usize::from(name) % names.len()]),
            }
        }
        // Nobody inside knows that name; a fuzzer learns it from the comparisons here.
        match path.to_string_lossy().contains(BEACON) {
            true => PathBuf::from("a"),
            false => path,
        }
    }

    /// Another program makes a link in the home.
    fn link(&self, input: &mut Input<'_>, to: &Path) {
        let at = input.pick(&["a", "b", "d/a", "d/b"]);
        let folder = self.home().join(at).parent().unwrap().to_owned();
        let is_inside = fs::symlink_metadata(folder).is_ok_and(|meta| meta.is_dir());
        if is_inside && !to.as_os_str().is_empty() {
            // The name may be taken, or the target be none that a link can have.
            let _ = symlink(to, self.home().join(at));
        }
    }

    /// No answer names what is outside, nor has its size or its time.
    fn answers<T: Debug, E: Debug>(&self, answer: Result<T, E>) {
        let text = format!("{answer:?}");
        assert!(!text.contains(BEACON), "{text}");
        let numbers = unquoted(&text);
        assert!(!numbers.contains(&SECRET_SIZE.to_string()), "{text}");
        assert!(!numbers.contains(&CANARY_SECONDS.to_string()), "{text}");
        let place = self.folder.path().to_str().unwrap();
        assert!(answer.is_ok() || !text.contains(place), "{text}");
    }

    fn list(&self, home: &Arc<Home>, worker: &Worker, path: &Path) {
        let mut listing = match home.list(worker, path) {
            Ok(listing) => listing,
            Err(error) => return self.answers(Err::<(), _>(error)),
        };
        let listed = self.home().join(path);
        let folder = match listing.is_directory() {
            true => Some(&*listed),
            false => listed.parent(),
        };
        while let Some(entry) = listing.next(worker).unwrap() {
            if let (Some(target), Some(folder)) = (&entry.target, folder) {
                self.check_target(folder, Path::new(target));
            }
            self.answers(Ok::<_, VfsError>(entry));
        }
    }

    /// Where a link is said to lead is in the home, if there is anything.
    fn check_target(&self, folder: &Path, target: &Path) {
        assert!(target.is_relative(), "{target:?}");
        if let Ok(leads) = fs::canonicalize(folder.join(target)) {
            let home = fs::canonicalize(self.home()).unwrap();
            assert!(leads.starts_with(home), "{target:?} leads out");
        }
    }

    fn read(&self, home: &Arc<Home>, worker: &Worker, path: &Path) {
        match home.download(worker, path) {
            Ok(download) => {
                let mut buffer = [0; 64];
                let read = download.read_at(worker, 0, &mut buffer).unwrap();
                self.check_download(&download, &buffer[..read]);
            }
            Err(error) => self.answers(Err::<(), _>(error)),
        }
    }

    /// The same without a worker: from the caches, or not at all.
    fn cached(&self, home: &Arc<Home>, path: &Path) {
        self.answers(home.stat_cached(path).ok_or(()));
        self.answers(home.stat_permitted_cached(path).ok_or(()));
        self.answers(home.size_cached(path).ok_or(()));
        if let Some(download) = home.download_cached(path) {
            let mut buffer = [0; 64];
            let read = home.read_cached(&download, 0, &mut buffer).unwrap_or(0);
            self.check_download(&download, &buffer[..read]);
        }
        let _ = (home.may_enter_cached(path), home.is_missing_cached(path));
        if let Some(listing) = home.list_cached(path) {
            self.answers(Ok::<_, ()>(listing.entry()));
        }
    }

    fn check_download(&self, download: &Download, start: &[u8]) {
        assert!(!start.starts_with(&SECRET[..8]));
        assert_ne!(download.size(), SECRET_SIZE);
        assert_ne!(download.modified().seconds, CANARY_SECONDS as i64);
    }
}

/// A text of `Debug` without the names in it, which may look like anything.
fn unquoted(text: &str) -> String {
    text.replace(r"\\", "")
        .replace("\\\"", "")
        .split('"')
        .step_by(2)
        .collect()
}

fn canary_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(CANARY_SECONDS)
}

/// An upload that is published, suspended, discarded or dropped.
fn upload(
    home: &Arc<Home>,
    worker: &Worker,
    path: &Path,
    input: &mut Input<'_>,
) -> Result<(), VfsError> {
    let content = input.chunk();
    let starts = [Start::Stage, Start::Offset(0), Start::Offset(1), Start::End];
    let request = UploadRequest {
        size: input.pick(&[None, Some(content.len() as u64)]).to_owned(),
        start: *input.pick(&starts),
        replace: *input.pick(&[Replace::Never, Replace::Existing]),
        append: *input.pick(&[Append::Never, Append::Allowed]),
        keep: *input.pick(&[Kept::Whole, Kept::ButLastByte]),
        owner: 7,
    };
    let mut upload = match home.upload(worker, path, &request)? {
        UploadStart::Open(upload) => upload,
        UploadStart::Complete { .. } => return Ok(()),
    };
    upload.prepare(worker)?;
    upload.write(worker, content)?;
    match input.byte() % 4 {
        0 | 1 => upload.publish(worker, None, None).map(drop),
        2 => {
            upload.suspend(worker);
            Ok(())
        }
        _ => {
            upload.discard(worker);
            Ok(())
        }
    }
}
