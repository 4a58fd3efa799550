//! Tests the journal, the queue that reads it, and the runs of programs.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};

use rustix::fs::{FlockOperation, flock};
use skiff_conf::Durability;

use super::event::{Attempt, Destination, Digest, Name};
use super::execution::execute;
use super::journal::Journal;
use super::position::Position;
use super::queue::{Outcome, Queue, Retries};
use super::runner::Runs;
use super::segments::{Rest, encode, list, path_of, read};
use super::*;

/// Longer than any of these programs needs, but for those that never end.
const DEADLINE: Duration = Duration::from_secs(20);

const QUICK: Retries = Retries {
    tries: 3,
    first: Duration::from_millis(10),
    most: Duration::from_millis(15),
};

fn event(path: &str) -> Event {
    Event {
        event: HookEvent::Upload,
        user: "tom".to_owned(),
        path: Name::new(path),
        file: Name::new(format!("/srv/tom{path}")),
        to: None,
        size: Some(5),
        digest: None,
        address: "192.0.2.7".to_owned(),
        time: 1_700_000_000,
    }
}

/// Has the journal write these down.
fn append(journal: Arc<Journal>, paths: Vec<String>) -> Vec<Result<(), Lost>> {
    let work = move |worker: &Worker| {
        let each = paths.iter();
        each.map(|path| journal.append(worker, &event(path)))
            .collect::<Vec<_>>()
    };
    Worker::spawn("test", work).unwrap().join().unwrap()
}

fn journal(folder: &Path) -> Arc<Journal> {
    Arc::new(Journal::open(folder.to_owned(), Durability::Fsync).unwrap())
}

fn write_down(journal: &Arc<Journal>, paths: &[&str]) {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    for written in append(Arc::clone(journal), paths) {
        written.unwrap();
    }
}

fn resume(folder: &Path, now: Instant) -> Queue {
    Queue::resume(folder.to_owned(), QUICK, now).unwrap()
}

/// The paths whose turn has come.
fn turns(queue: &mut Queue, now: Instant) -> Vec<String> {
    let mut paths = Vec::new();
    loop {
        assert_eq!(queue.read_on(now).unwrap(), 0);
        let Some(turn) = queue.take(now) else {
            return paths;
        };
        paths.push(turn.event.shown_path());
        queue.ended(turn.place, true, now).unwrap();
    }
}

fn only_segment(folder: &Path) -> PathBuf {
    let numbers = list(folder).unwrap();
    assert_eq!(numbers.len(), 1);
    path_of(folder, numbers[0])
}

#[test]
fn what_is_written_down_comes_once_and_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, now) = (journal(folder.path()), Instant::now());
    let paths: Vec<_> = (0..100).map(|n| format!("/{n}")).collect();
    write_down(
        &journal,
        &paths.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    let mut queue = resume(folder.path(), now);
    assert_eq!(turns(&mut queue, now), paths);
    write_down(&journal, &["/later"]);
    assert!(queue.take(now).is_none());
    queue.wake();
    assert_eq!(turns(&mut queue, now), ["/later"]);
    assert_eq!(turns(&mut resume(folder.path(), now), now), [""; 0]);
    // Its writer may go on; without one, nothing is left.
    assert_eq!(list(folder.path()).unwrap().len(), 1);
    drop(journal);
    queue.wake();
    assert_eq!(turns(&mut queue, now), [""; 0]);
    assert_eq!(list(folder.path()).unwrap(), [0; 0]);
}

#[test]
fn events_of_two_writers_are_all_found() {
    let folder = tempfile::tempdir().unwrap();
    let (old, now) = (journal(folder.path()), Instant::now());
    write_down(&old, &["/old1"]);
    let new = journal(folder.path());
    write_down(&new, &["/new1"]);
    let mut queue = resume(folder.path(), now);
    assert_eq!(turns(&mut queue, now), ["/old1", "/new1"]);
    write_down(&new, &["/new2"]);
    write_down(&old, &["/old2"]);
    queue.wake();
    assert_eq!(turns(&mut queue, now), ["/old2", "/new2"]);
    drop(old);
    write_down(&new, &["/new3"]);
    queue.wake();
    assert_eq!(turns(&mut queue, now), ["/new3"]);
    assert_eq!(list(folder.path()).unwrap().len(), 1);
}

#[test]
fn many_workers_write_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path());
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let journal = Arc::clone(&journal);
            let paths = (0..50).map(|n| format!("/{thread}-{n}")).collect();
            thread::spawn(move || append(journal, paths))
        })
        .collect();
    for thread in threads {
        assert!(thread.join().unwrap().iter().all(Result::is_ok));
    }
    let now = Instant::now();
    let mut paths = turns(&mut resume(folder.path(), now), now);
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), 200);
}

#[test]
fn a_line_that_was_torn_anywhere_is_recognised() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (encode(&event("/1")).unwrap(), encode(&event("/2")).unwrap());
    let path = path_of(folder.path(), 7);
    let now = Instant::now();
    for cut in 1..second.len() {
        for filled in [0, 20] {
            let mut bytes = first.clone();
            bytes.extend_from_slice(&second[..cut]);
            bytes.resize(bytes.len() + filled, 0);
            std::fs::write(&path, &bytes).unwrap();
            let _ = std::fs::remove_file(folder.path().join("position"));
            let mut queue = resume(folder.path(), now);
            assert_eq!(queue.read_on(now).unwrap(), 1, "{cut}");
            let turn = queue.take(now).unwrap();
            assert_eq!(turn.event, event("/1"));
            assert!(queue.take(now).is_none());
            queue.ended(turn.place, true, now).unwrap();
            assert!(!path.exists());
        }
    }
}

#[test]
fn a_damaged_line_costs_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = Vec::new();
    for name in ["/1", "/2", "/3"] {
        bytes.extend_from_slice(&encode(&event(name)).unwrap());
    }
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path_of(folder.path(), 1), &bytes).unwrap();
    let now = Instant::now();
    let mut queue = resume(folder.path(), now);
    assert_eq!(queue.read_on(now).unwrap(), 1);
    assert_eq!(turns(&mut queue, now), ["/1", "/3"]);
}

/// A writer that is amid a line holds its lock.
#[test]
fn a_line_that_is_being_written_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = path_of(folder.path(), 1);
    let line = encode(&event("/1")).unwrap();
    let mut writer = File::create(&path).unwrap();
    flock(&writer, FlockOperation::NonBlockingLockShared).unwrap();
    writer.write_all(&line[..10]).unwrap();
    let portion = read(&path, 0, 9).unwrap();
    assert_eq!((portion.found.len(), portion.rest), (0, Rest::Unwritten));
    writer.write_all(&line[10..]).unwrap();
    let portion = read(&path, 0, 9).unwrap();
    assert_eq!((portion.found.len(), portion.rest), (1, Rest::Unwritten));
    drop(writer);
    let portion = read(&path, portion.end, 9).unwrap();
    assert_eq!((portion.found.len(), portion.rest), (0, Rest::Nothing));
}

#[test]
fn a_full_journal_loses_what_is_new_and_takes_more_once_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let open = Journal::open(folder.path().to_owned(), Durability::None);
    let journal = Arc::new(open.unwrap().bounded(2));
    let many: Vec<_> = (0..4000).map(|n| format!("/{n}")).collect();
    let written = append(Arc::clone(&journal), many.clone());
    let kept = written.iter().filter(|it| it.is_ok()).count();
    assert_eq!(kept, 3124);
    assert!(
        written[kept..]
            .iter()
            .all(|it| matches!(it, Err(Lost::Full)))
    );
    let now = Instant::now();
    assert_eq!(turns(&mut resume(folder.path(), now), now), many[..kept]);
    // It is looked at again after a while.
    let again = || {
        append(Arc::clone(&journal), vec!["/again".to_owned()])
            .remove(0)
            .is_ok()
    };
    while !again() {
        thread::yield_now();
    }
}

#[test]
fn what_failed_comes_again_later_each_time_and_not_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path());
    write_down(&journal, &["/bad", "/good"]);
    let mut now = Instant::now();
    let mut queue = resume(folder.path(), now);
    queue.read_on(now).unwrap();
    for (number, after) in [(1, 10), (2, 15), (3, 0)] {
        let turn = queue.take(now).unwrap();
        assert_eq!(
            (turn.event.shown_path().as_str(), turn.number),
            ("/bad", number)
        );
        let after = Duration::from_millis(after);
        let expected = match number {
            3 => Outcome::GivenUp,
            failures => Outcome::TriedAgain { after, failures },
        };
        assert_eq!(queue.ended(turn.place, false, now).unwrap(), expected);
        if number == 1 {
            assert_eq!(turns(&mut queue, now), ["/good"]);
        }
        if number < 3 {
            assert_eq!(queue.next_due(), Some(now + after));
            assert!(queue.take(now + after - Duration::from_millis(1)).is_none());
            // Another runner has the number of tries, and waits for nothing.
            let mut other = resume(folder.path(), now);
            assert_eq!(other.take(now).unwrap().number, number + 1);
        }
        now += after;
    }
    assert_eq!(queue.next_due(), None);
    assert_eq!(turns(&mut resume(folder.path(), now), now), [""; 0]);
}

#[test]
fn pauses_double_up_to_the_longest() {
    let retries = Retries::default();
    let pauses: Vec<_> = (1..12).map(|n| retries.pause(n).as_secs()).collect();
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    assert_eq!(retries.pause(u32::MAX), retries.most);
}

#[test]
fn what_was_begun_or_waits_comes_again_after_a_kill_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path());
    write_down(&journal, &["/1", "/2", "/3", "/4"]);
    let now = Instant::now();
    let mut queue = resume(folder.path(), now);
    queue.read_on(now).unwrap();
    let mut take = || queue.take(now).unwrap();
    let (_running, failed, done) = (take(), take(), take());
    queue.ended(failed.place, false, now).unwrap();
    queue.ended(done.place, true, now).unwrap();
    assert_eq!(
        turns(&mut resume(folder.path(), now), now),
        ["/1", "/2", "/4"]
    );
}

#[test]
fn without_a_position_all_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let journal = journal(folder.path());
    write_down(&journal, &["/1", "/2"]);
    let now = Instant::now();
    assert_eq!(turns(&mut resume(folder.path(), now), now).len(), 2);
    assert_ne!(Position::load(folder.path()), Position::default());
    for lost in ["", "\0\0\0\0", "{\"read\":"] {
        std::fs::write(folder.path().join("position"), lost).unwrap();
        assert_eq!(turns(&mut resume(folder.path(), now), now).len(), 2);
    }
}

/// A full disk may leave half a line behind, which the writer takes away.
#[test]
fn a_segment_is_never_named_as_one_before() {
    let folder = tempfile::tempdir().unwrap();
    let now = Instant::now();
    let mut numbers = Vec::new();
    for _ in 0..20 {
        let journal = journal(folder.path());
        write_down(&journal, &["/1"]);
        numbers.extend(list(folder.path()).unwrap());
        drop(journal);
        assert_eq!(turns(&mut resume(folder.path(), now), now), ["/1"]);
    }
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}

#[test]
fn leftovers_of_a_crash_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let left = folder.path().join("00000000000000000007.new");
    File::create(&left).unwrap();
    let _journal = journal(folder.path());
    assert!(!left.exists());
}

fn words(script: &str) -> Vec<std::ffi::OsString> {
    ["/bin/sh", "-c", script].map(Into::into).to_vec()
}

fn first() -> Attempt {
    Attempt {
        id: "7-0".to_owned(),
        number: 1,
    }
}

fn ran(script: &str, deadline: Duration, event: &Event) -> String {
    let ended = execute(&words(script), deadline, event, &first());
    ended.err().unwrap_or_default()
}

#[test]
fn how_a_program_ends() {
    let short = Duration::from_millis(200);
    for (script, deadline, said) in [
        ("exit 0", DEADLINE, ""),
        ("echo out; echo strange >&2", DEADLINE, ""),
        (
            "echo broken >&2; exit 3",
            DEADLINE,
            "it ended with exit status: 3: broken",
        ),
        (
            "kill -TERM $$",
            DEADLINE,
            "it ended with signal: 15 (SIGTERM)",
        ),
        ("exec sleep 1000", short, "it took longer than 200ms"),
        ("sleep 1000 & wait", short, "it took longer than 200ms"),
        ("exec cat /dev/zero", short, "it took longer than 200ms"),
    ] {
        assert_eq!(ran(script, deadline, &event("/a")), said, "{script}");
    }
    let flood = ran("exec yes no >&2", short, &event("/a"));
    assert!(
        flood.starts_with("it took longer than 200ms: no no") && flood.len() < 600,
        "{flood}"
    );
    let missing = execute(&["/no/such".into()], DEADLINE, &event("/a"), &first());
    assert!(missing.unwrap_err().starts_with("it cannot be run: "));
}

#[test]
fn what_a_program_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let told = |event: &Event| {
        let script = format!("{{ env | grep ^SKIFF_ | sort; cat; }} > {}", out.display());
        assert_eq!(ran(&script, DEADLINE, event), "");
        std::fs::read(&out).unwrap()
    };
    let mut whole = event("/a b");
    whole.digest = Some(Digest {
        algorithm: "md5".to_owned(),
        hex: "00ff".to_owned(),
    });
    let text = String::from_utf8(told(&whole)).unwrap();
    let expected = "SKIFF_ADDRESS=192.0.2.7\nSKIFF_EVENT=Upload\nSKIFF_FILE=/srv/tom/a b\n\
                    SKIFF_ID=7-0\nSKIFF_MD5=00ff\nSKIFF_PATH=/a b\nSKIFF_SIZE=5\n\
                    SKIFF_TIME=2023-11-14T22:13:20Z\nSKIFF_TRY=1\nSKIFF_USER=tom\n";
    let object = text
        .strip_prefix(expected)
        .unwrap_or_else(|| panic!("{text}"));
    let object: serde_json::Value = serde_json::from_str(object).unwrap();
    let expected = serde_json::json!({
        "event": "Upload", "user": "tom", "path": "/a b", "file": "/srv/tom/a b", "size": 5,
        "md5": "00ff", "address": "192.0.2.7", "time": "2023-11-14T22:13:20Z", "id": "7-0",
        "try": 1
    });
    assert_eq!(object, expected);
    let mut renamed = event("/caf");
    renamed.to = Some(Destination {
        path: Name::of_bytes(b"/caf\xe9"),
        file: Name::of_bytes(b"/srv/tom/caf\xe9"),
    });
    let stored: Event = serde_json::from_slice(&serde_json::to_vec(&renamed).unwrap()).unwrap();
    assert_eq!(stored, renamed);
    let told = told(&stored);
    let whole = b"SKIFF_TO=/caf\xe9\n";
    assert!(told.windows(whole.len()).any(|part| part == whole));
    assert!(String::from_utf8(told).is_err());
}

/// A hook whose reports come back.
fn hook(folder: &Path, script: &str) -> (Arc<Runs>, Receiver<String>) {
    let hook = Hook {
        event: HookEvent::Upload,
        run: skiff_conf::Program {
            path: "/bin/sh".into(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
        },
        deadline: DEADLINE,
        users: Vec::new(),
        groups: Vec::new(),
    };
    let (sender, reports) = channel();
    let tell = move |report: &Report| {
        let (Report::Failed(text) | Report::Lost(text)) = report;
        let _ = sender.send(text.clone());
    };
    let journal = journal(&folder_of(folder, &hook));
    write_down(&journal, &["/a", "/b"]);
    let runs = Runs::of(folder, Spec::of(&hook), QUICK, Box::new(tell));
    (runs.unwrap(), reports)
}

#[test]
fn a_hook_runs_until_it_has_given_up_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, reports) = hook(
        folder.path(),
        "test $SKIFF_PATH = /a || { echo no >&2; exit 1; }",
    );
    let thread = thread::spawn({
        let runs = Arc::clone(&runs);
        move || runs.work()
    });
    let told: Vec<_> = (0..3)
        .map(|_| reports.recv_timeout(DEADLINE).unwrap())
        .collect();
    let begin = "hook /bin/sh for Upload: /b of tom: it ended with exit status: 1: no; ";
    let expected = [
        "try 2 comes in 10ms",
        "try 3 comes in 15ms",
        "given up after 3 tries",
    ];
    assert_eq!(told, expected.map(|it| format!("{begin}{it}")));
    runs.stop();
    thread.join().unwrap();
}

#[test]
fn a_hook_that_fails_all_the_time_does_not_fill_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let (runs, reports) = hook(folder.path(), "exit 1");
    let journal = journal(&runs_folder(folder.path()));
    let paths: Vec<_> = (0..30).map(|n| format!("/{n}")).collect();
    write_down(
        &journal,
        &paths.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    runs.wake();
    let thread = thread::spawn({
        let runs = Arc::clone(&runs);
        move || runs.work()
    });
    // All are given up: nothing is left of what their writer has finished.
    drop(journal);
    let segments = || list(&runs_folder(folder.path())).unwrap().len();
    while segments() > 0 {
        runs.wake();
        thread::yield_now();
    }
    runs.stop();
    thread.join().unwrap();
    drop(runs);
    assert_eq!(reports.iter().count(), 20);
}

/// The one folder in the folder of hooks.
fn runs_folder(folder: &Path) -> PathBuf {
    let mut entries = std::fs::read_dir(folder).unwrap();
    entries.next().unwrap().unwrap().path()
}

#[test]
fn reports_cross_the_socket() {
    for report in [
        Report::Failed("a".to_owned()),
        Report::Lost("b".repeat(9000)),
    ] {
        let message = report.message();
        assert!(message.len() <= REPORT_MAX);
        let read = Report::read(&message).unwrap();
        assert_eq!(read.message(), message);
    }
    assert!(Report::read(b"").is_none() && Report::read(b"x").is_none());
}

/// Nobody hears of an event before it can be lost no more.
#[test]
fn a_journal_that_cannot_be_written_is_told_and_goes_on_where_it_can() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("journal");
    let journal = journal(&inner);
    std::fs::remove_dir(&inner).unwrap();
    let lost = append(Arc::clone(&journal), vec!["/1".to_owned()]);
    assert!(matches!(lost[0], Err(Lost::Unwritten(_))));
    std::fs::create_dir(&inner).unwrap();
    write_down(&journal, &["/2"]);
    let segment = only_segment(&inner);
    let mut bad = OpenOptions::new().append(true).open(&segment).unwrap();
    bad.write_all(b"half a li").unwrap();
    drop(journal);
    let now = Instant::now();
    let mut queue = resume(&inner, now);
    assert_eq!(queue.read_on(now).unwrap(), 1);
    assert_eq!(queue.take(now).unwrap().event, event("/2"));
}
