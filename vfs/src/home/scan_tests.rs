//! Tests of a count that is interrupted, wherever the lock is free, by changes of the daemon's own:
//! whatever they are, the sum is what is there in the end.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use crate::{
    Append, Counted, Durability, Home, Homes, Kept, Limit, Policy, Replace, Start, UploadRequest,
    UploadStart, VfsError, Worker,
};

/// Asks the thread that changes the home for its next change, and waits for it.
struct Changer {
    ask: Sender<()>,
    done: Receiver<()>,
}

thread_local! {
    static CHANGER: RefCell<Option<Changer>> = const { RefCell::new(None) };
}

/// Lets the other thread change the home, if the test has one.
pub(super) fn pause() {
    CHANGER.with_borrow(|changer| {
        if let Some(Changer { ask, done }) = changer {
            ask.send(()).unwrap();
            done.recv().unwrap();
        }
    });
}

/// A small generator (xorshift64*), so that every failure can be had again by its seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % n
    }

    /// A path of one to five names, which are few.
    fn path(&mut self) -> PathBuf {
        let depth = 1 + self.below(4);
        (0..depth)
            .map(|_| ["a", "b"][self.below(2) as usize])
            .collect()
    }
}

/// Any change; what cannot be done is not done.
fn change(worker: &Worker, home: &Arc<Home>, random: &mut Random) {
    let (path, to) = (random.path(), random.path());
    let _ = match random.below(8) {
        0..2 => home.make_dir(worker, &path),
        2 => home.rename(worker, &path, &to, Replace::Never),
        3..5 => home.remove(worker, &path),
        5..7 => upload(worker, home, &path, random.below(100), Ending::Publish),
        _ => upload(worker, home, &path, random.below(100), Ending::Suspend),
    };
}

enum Ending {
    Publish,
    Suspend,
}

fn upload(
    worker: &Worker,
    home: &Arc<Home>,
    path: &Path,
    size: u64,
    ending: Ending,
) -> Result<(), VfsError> {
    let request = UploadRequest {
        size: None,
        start: Start::Offset(0),
        replace: Replace::Existing,
        append: Append::Allowed,
        owner: 1,
        keep: Kept::Whole,
    };
    let UploadStart::Open(mut upload) = home.upload(worker, path, &request)? else {
        return Ok(());
    };
    upload.prepare(worker)?;
    upload.write(worker, &vec![1; size as usize])?;
    match ending {
        Ending::Publish => upload.publish(worker, None, None).map(|_| ()),
        Ending::Suspend => {
            upload.suspend(worker);
            Ok(())
        }
    }
}

/// Counts once while changes go on, and gives what a second, quiet count finds.
fn count_among_changes(worker: &Worker, home: &Arc<Home>, seed: u64) -> Option<Counted> {
    let (ask, asked) = mpsc::channel();
    let (finished, done) = mpsc::channel();
    let changed = Arc::clone(home);
    let changing = Worker::spawn("changes", move |worker| {
        let mut random = Random(seed);
        let mut left = 200;
        while asked.recv().is_ok() {
            for _ in 0..random.below(8).min(left) {
                left -= 1;
                change(worker, &changed, &mut random);
            }
            finished.send(()).unwrap();
        }
    });
    CHANGER.set(Some(Changer { ask, done }));
    let counted = home.scan(worker);
    CHANGER.set(None);
    changing.unwrap().join().unwrap();
    match counted {
        Ok(_) => Some(home.scan(worker).unwrap()),
        // Directories were moved faster than they could be counted.
        Err(VfsError::Scanning) => None,
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn whatever_changes_while_it_counts_the_sum_is_right() {
    let run = |worker: &Worker| {
        let mut counts = 0;
        for seed in 1..=80 {
            let place = tempfile::tempdir().unwrap();
            let (root, state) = (place.path().join("home"), place.path().join("state"));
            for folder in [&root, &state] {
                std::fs::create_dir(folder).unwrap();
            }
            let policy = Policy {
                free_space_floor: 0,
                durability: Durability::None,
                ..Policy::default()
            };
            let limit = Limit::new(1 << 30, 1 << 20);
            let homes = Homes::new(state, policy);
            let home = homes.open(worker, "tom", &root, limit).unwrap();
            home.scan(worker).unwrap();
            let mut random = Random(seed + 10_000);
            // Nobody has told the ledger.
            (0..6).for_each(|_| std::fs::create_dir_all(root.join(random.path())).unwrap());
            std::fs::write(root.join("beside"), [0; 1000]).unwrap();
            if let Some(Counted { used, before, .. }) = count_among_changes(worker, &home, seed) {
                assert_eq!(before, Some(used), "seed {seed}");
                counts += 1;
            }
        }
        assert!(counts > 60, "only {counts} counts came to an end");
    };
    if let Err(panic) = Worker::spawn("test", run).unwrap().join() {
        std::panic::resume_unwind(panic);
    }
}
