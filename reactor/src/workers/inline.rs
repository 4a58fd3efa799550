//! Answers jobs on the reactor thread where the kernel has everything in memory (names, small
//! files, directories in the page cache), because a trip to a worker and back costs more than the
//! call. Whatever might block is left to a worker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use skiff_sessions::path::VirtualPath;
use skiff_sessions::server::{Completion, Job, Reading};
use skiff_sessions::wire::stamp::Stamp;
use skiff_vfs::{Download, Home, Kind};

use super::in_home::download_facts;
use super::jobs::{Answer, below};
use super::listing_text::{allowed, facts, listed};
use super::open_file::OpenFile;
use super::open_listing::open_listing_cached;
use super::small_file::{SMALL_FILE_MAX, SmallFile};

/// Jobs answered inline in one turn of the loop: a peer that pipelines a thousand commands must not
/// delay the other sessions.
const JOBS_PER_TURN: u32 = 128;
/// An open that took longer had to wait for somebody's permission (fanotify(7), used by virus
/// scanners), and the next ones may too.
const SLOW: Duration = Duration::from_millis(2);
/// After a slow open, inline opens are suspended for this many times its duration, so that the loop
/// loses less than 1 % of its time to them.
const PAUSE: u32 = 128;

/// Counts the jobs answered in this turn and remembers when opens were slow.
#[derive(Default)]
pub(crate) struct Inline {
    done: u32,
    /// No file is opened inline before this time.
    paused_until: Option<Instant>,
}

impl Inline {
    pub(crate) fn begin_turn(&mut self) {
        self.done = 0;
    }

    /// Answers `job` if that cannot block; `None` leaves it to a worker. Errors are left to a
    /// worker as well.
    pub(crate) fn perform(&mut self, job: &Job, home: Option<&Arc<Home>>) -> Option<Answer> {
        let home = home?;
        if self.done == JOBS_PER_TURN {
            return None;
        }
        let answer = match job {
            Job::OpenDownload { .. } | Job::OpenListing(_) => self.open(job, home)?,
            _ => (look(job, home)?, None),
        };
        self.done += 1;
        Some(answer)
    }

    fn open(&mut self, job: &Job, home: &Arc<Home>) -> Option<Answer> {
        let before = Instant::now();
        if !self.may_open(before) {
            return None;
        }
        let answer = open(job, home);
        self.note_opening(before, Instant::now());
        answer
    }

    fn may_open(&self, now: Instant) -> bool {
        self.paused_until.is_none_or(|until| until <= now)
    }

    fn note_opening(&mut self, before: Instant, after: Instant) {
        let took = after.duration_since(before);
        if took > SLOW {
            self.paused_until = Some(after + PAUSE * took);
        }
    }
}

fn look(job: &Job, home: &Home) -> Option<Completion> {
    Some(match job {
        Job::Size { path } => Completion::Size(home.size_cached(below(path))?),
        Job::ModifiedAt { path } => {
            let entry = home.stat_cached(below(path))?;
            if entry.kind != Kind::File {
                return None;
            }
            Completion::ModifiedAt(Stamp(entry.modified.seconds))
        }
        Job::Facts { path } => Completion::Facts(facts(&home.stat_cached(below(path))?)),
        // A link is in no cache: that job is left to a worker.
        Job::Entry { path } => {
            let (entry, permissions) = home.stat_permitted_cached(below(path))?;
            Completion::Entry(listed(&entry, allowed(permissions)))
        }
        Job::ChangeDirectory { to } if home.may_enter_cached(below(to)) => Completion::Done,
        _ => return None,
    })
}

fn open(job: &Job, home: &Arc<Home>) -> Option<Answer> {
    match job {
        Job::OpenDownload {
            path,
            reading: Reading::Once,
        } => open_download(home, path),
        Job::OpenListing(request) => open_listing_cached(home, request),
        _ => None,
    }
}

fn open_download(home: &Home, path: &VirtualPath) -> Option<Answer> {
    let file = home.download_cached(below(path))?;
    let facts = Completion::Download(download_facts(&file));
    let file = match read_whole(home, &file) {
        Some(whole) => OpenFile::Small(whole),
        None => OpenFile::Download(Box::new(file)),
    };
    Some((facts, Some(file)))
}

/// Reads a small file whole if all its bytes are in the page cache.
fn read_whole(home: &Home, file: &Download) -> Option<SmallFile> {
    let size = usize::try_from(file.size()).ok()?;
    if size > SMALL_FILE_MAX {
        return None;
    }
    let mut bytes = vec![0; size];
    let count = home.read_cached(file, 0, &mut bytes)?;
    (count == size).then_some(SmallFile(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use skiff_vfs::{Homes, Limit, Policy, Worker};

    #[test]
    fn after_a_slow_opening_the_workers_do_them_for_a_while() {
        let (mut inline, start) = (Inline::default(), Instant::now());
        inline.note_opening(start, start + SLOW);
        assert!(inline.may_open(start + SLOW));
        for took in [SLOW + Duration::from_nanos(1), Duration::from_secs(1)] {
            let end = start + took;
            inline.note_opening(start, end);
            assert!(!inline.may_open(end + PAUSE * took - Duration::from_nanos(1)));
            assert!(inline.may_open(end + PAUSE * took));
        }
    }

    #[test]
    fn a_turn_has_so_many_jobs_and_no_more() {
        let folder = tempfile::tempdir_in("/dev/shm").unwrap();
        let (state, root) = (folder.path().join("state"), folder.path().join("home"));
        for made in [&state, &root] {
            std::fs::create_dir(made).unwrap();
        }
        let home = Worker::spawn("test", move |worker| {
            let homes = Homes::new(state, Policy::default());
            homes.open(worker, "tom", &root, Limit::new(1, 1)).unwrap()
        });
        let home = home.unwrap().join().unwrap();
        let to = VirtualPath::root();
        let (mut inline, job) = (Inline::default(), Job::ChangeDirectory { to });
        for _ in 0..2 {
            inline.begin_turn();
            for _ in 0..JOBS_PER_TURN {
                assert!(inline.perform(&job, Some(&home)).is_some());
            }
            assert!(inline.perform(&job, Some(&home)).is_none());
        }
    }
}
