//! Tests of a publication during which the machine stops, or a call fails, at each step.
//!
//! What must hold: the name has its old content or the whole new one; after a failed step it has
//! the old one; the ledger equals a fresh count of the disk; an unpublished stage can be
//! continued.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::io::Errno;

use super::Step;
use crate::{
    Append, Home, Homes, Kept, Limit, Policy, Replace, Start, Upload, UploadRequest, UploadStart,
    VfsError, Worker,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Stop,
    Fail,
    /// Somebody outside the daemon creates a file at the target.
    Intrude,
}

thread_local! {
    static PLAN: Cell<Option<(Step, Fault)>> = const { Cell::new(None) };
    static TARGET: RefCell<PathBuf> = RefCell::default();
    static TRACE: RefCell<Vec<Step>> = const { RefCell::new(Vec::new()) };
}

struct MachineStops;

pub(crate) fn before_step(step: Step) -> Result<(), VfsError> {
    TRACE.with_borrow_mut(|trace| trace.push(step));
    match PLAN.get().filter(|(at, _)| *at == step) {
        Some((_, Fault::Stop)) => resume_unwind(Box::new(MachineStops)),
        Some((_, Fault::Fail)) => Err(Errno::IO.into()),
        Some((_, Fault::Intrude)) => {
            TARGET.with_borrow(|target| std::fs::write(target, "theirs").unwrap());
            Ok(())
        }
        None => Ok(()),
    }
}

const OLD: &[u8] = b"the old content";
const NEW: &[u8] = b"new";
const NAME: &str = "file";

struct World {
    root: tempfile::TempDir,
    state: tempfile::TempDir,
}

impl World {
    fn new(before: Option<&[u8]>) -> Self {
        let world = Self {
            root: tempfile::tempdir().unwrap(),
            state: tempfile::tempdir().unwrap(),
        };
        if let Some(content) = before {
            std::fs::write(world.target(), content).unwrap();
        }
        world
    }

    fn target(&self) -> PathBuf {
        self.root.path().join(NAME)
    }

    /// Opens the home as a daemon does that was just started.
    fn boot(&self, worker: &Worker) -> Arc<Home> {
        let policy = Policy {
            free_space_floor: 0,
            ..Policy::default()
        };
        let homes = Homes::new(self.state.path(), policy);
        let home = homes
            .open(worker, "tom", self.root.path(), Limit::new(1 << 20, 100))
            .unwrap();
        home.scan(worker).unwrap();
        // A machine that stops holds no lock, and the next boot is in the same process.
        home.jail.unlock();
        home
    }

    fn content(&self) -> Option<Vec<u8>> {
        std::fs::read(self.target()).ok()
    }
}

fn open(home: &Arc<Home>, worker: &Worker) -> Upload {
    open_at(home, worker, Start::Stage)
}

fn open_at(home: &Arc<Home>, worker: &Worker, start: Start) -> Upload {
    let request = UploadRequest {
        size: (start == Start::Stage).then_some(3),
        start,
        replace: Replace::Existing,
        append: Append::Allowed,
        keep: Kept::Whole,
        owner: 1,
    };
    match home.upload(worker, Path::new(NAME), &request).unwrap() {
        UploadStart::Open(upload) => upload,
        UploadStart::Complete { .. } => panic!("nothing is complete"),
    }
}

/// An upload of all its bytes that was interrupted once, so that its stage is labelled.
fn staged(home: &Arc<Home>, worker: &Worker) -> Upload {
    let mut upload = open(home, worker);
    upload.write(worker, NEW).unwrap();
    upload.suspend(worker);
    open(home, worker)
}

fn on_worker(body: impl FnOnce(&Worker) + Send + 'static) {
    Worker::spawn("test", body).unwrap().join().unwrap();
}

const STEPS: [Step; 6] = [
    Step::SetAttributes,
    Step::SyncData,
    Step::Rename,
    Step::Charge,
    Step::SyncName,
    Step::SyncStageName,
];

#[test]
fn data_is_synced_before_the_name_and_the_name_before_the_answer() {
    on_worker(|worker| {
        let world = World::new(None);
        let upload = staged(&world.boot(worker), worker);
        upload.publish(worker, None, None).unwrap();
        TRACE.with_borrow(|trace| assert_eq!(trace[..], STEPS));
    });
}

#[test]
fn a_machine_that_stops_at_any_step_leaves_old_or_new() {
    on_worker(|worker| {
        for before in [None, Some(OLD)] {
            for step in STEPS {
                let world = World::new(before);
                let upload = staged(&world.boot(worker), worker);
                PLAN.set(Some((step, Fault::Stop)));
                let stopped = catch_unwind(AssertUnwindSafe(|| upload.publish(worker, None, None)));
                PLAN.set(None);
                assert!(stopped.is_err(), "the machine stopped");

                let home = world.boot(worker);
                let renamed = matches!(step, Step::Charge | Step::SyncName | Step::SyncStageName);
                let expected = if renamed { Some(NEW) } else { before };
                assert_eq!(world.content().as_deref(), expected, "{step:?}");
                let old = before.filter(|_| !renamed);
                let used = old.map_or(Limit::ZERO, |old| Limit::new(old.len() as u64, 1));
                let used = used.plus(Limit::new(3, 1));
                assert_eq!(home.usage().used, used, "{step:?}");
                let next = open(&home, worker);
                assert_eq!(next.initial_len(), if renamed { 0 } else { 3 }, "{step:?}");
            }
        }
    });
}

#[test]
fn a_step_that_fails_leaves_the_old_and_an_exact_ledger() {
    on_worker(|worker| {
        for before in [None, Some(OLD)] {
            for step in [
                Step::SetAttributes,
                Step::SyncData,
                Step::Rename,
                Step::SyncName,
                Step::SyncStageName,
            ] {
                let world = World::new(before);
                let home = world.boot(worker);
                let upload = staged(&home, worker);
                PLAN.set(Some((step, Fault::Fail)));
                let failed = upload.publish(worker, None, None);
                PLAN.set(None);
                assert!(
                    matches!(failed, Err(VfsError::Io(_))),
                    "{step:?}: {failed:?}"
                );

                let renamed = matches!(step, Step::SyncName | Step::SyncStageName);
                let expected = if renamed { Some(NEW) } else { before };
                assert_eq!(world.content().as_deref(), expected, "{step:?}");
                assert_eq!(home.usage().reserved, Limit::ZERO);
                assert_eq!(
                    home.usage().used,
                    world.boot(worker).usage().used,
                    "{step:?}"
                );
                // Whatever a failed sync left in the stage is not to be continued.
                let kept = matches!(step, Step::SetAttributes | Step::Rename);
                assert_eq!(
                    open(&home, worker).initial_len(),
                    if kept { 3 } else { 0 },
                    "{step:?}"
                );
            }
        }
    });
}

#[test]
fn a_file_that_appears_at_the_last_moment_is_not_overwritten() {
    on_worker(|worker| {
        let world = World::new(None);
        let home = world.boot(worker);
        let upload = staged(&home, worker);
        TARGET.set(world.target());
        PLAN.set(Some((Step::Rename, Fault::Intrude)));
        let refused = upload.publish(worker, None, None);
        PLAN.set(None);
        assert!(matches!(refused, Err(VfsError::Exists)), "{refused:?}");
        assert_eq!(world.content().as_deref(), Some(&b"theirs"[..]));
        assert_eq!(open(&home, worker).initial_len(), 3);
    });
}

#[test]
fn a_stage_that_a_crash_leaves_unlabelled_goes() {
    on_worker(|worker| {
        for before in [None, Some(OLD)] {
            let world = World::new(before);
            let home = world.boot(worker);
            let mut upload = open(&home, worker);
            upload.write(worker, NEW).unwrap();
            // A crash drops nothing.
            std::mem::forget(upload);
            let home = world.boot(worker);
            assert_eq!(home.stages(worker).unwrap(), []);
            assert_eq!(open(&home, worker).initial_len(), 0);
            assert_eq!(world.content().as_deref(), before);
        }
    });
}

#[test]
fn what_is_appended_is_synced_before_it_is_posted() {
    on_worker(|worker| {
        let world = World::new(Some(OLD));
        let mut upload = open_at(&world.boot(worker), worker, Start::End);
        upload.write(worker, NEW).unwrap();
        upload.publish(worker, None, None).unwrap();
        let expected = [
            Step::SetAttributes,
            Step::SyncData,
            Step::RemoveRecord,
            Step::Charge,
        ];
        TRACE.with_borrow(|trace| assert_eq!(trace[..], expected));
        assert_eq!(world.content(), Some([OLD, NEW].concat()));
    });
}

#[test]
fn a_failed_append_is_cut_off_and_the_ledger_says_so() {
    on_worker(|worker| {
        for beside in [None, Some(&b"an interrupted upload of the same name"[..])] {
            for step in [
                Step::SetAttributes,
                Step::SyncData,
                Step::RemoveRecord,
                Step::Charge,
            ] {
                let world = World::new(Some(OLD));
                let home = world.boot(worker);
                if let Some(staged) = beside {
                    let mut upload = open_at(&home, worker, Start::Offset(0));
                    upload.write(worker, staged).unwrap();
                    upload.suspend(worker);
                }
                let before = home.usage();
                let mut upload = open_at(&home, worker, Start::End);
                upload.write(worker, NEW).unwrap();
                PLAN.set(Some((step, Fault::Fail)));
                let failed = upload.publish(worker, None, None);
                PLAN.set(None);
                assert!(
                    matches!(failed, Err(VfsError::Io(_))),
                    "{step:?}: {failed:?}"
                );
                assert_eq!(world.content().as_deref(), Some(OLD), "{step:?}");
                assert_eq!(home.usage(), before, "{step:?}");
                assert_eq!(world.boot(worker).usage().used, before.used, "{step:?}");
            }
        }
    });
}
