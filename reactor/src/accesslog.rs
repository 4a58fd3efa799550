//! The log thread: what users did, who failed to log in, and what the daemon has to
//! say of itself, each event one line, and no other thread ever waiting for a disk.
//!
//! | line | goes to | form |
//! |---|---|---|
//! | event | `log.access` | `TIME ADDRESS USER VERB CODE BYTES SECONDS DIGEST PATH` |
//! | failed login | `log.access` | `TIME login failed: address=ADDRESS user=USER` |
//! | lost lines | `log.access` | `TIME log: N lines lost, ..` |
//! | message | standard error | `TIME LEVEL TARGET: TEXT` |
//! | transfer | `log.xferlog` | xferlog(5), in UTC |
//!
//! TIME is RFC 3339 in UTC. What is not known is `-`. PATH comes last and may hold
//! spaces; no other field does. Control characters, what is not UTF-8, and the
//! backslash are written `\xNN` and `\\`, so that no name can forge a line.

mod format;
mod sink;
mod xferlog;

use std::convert::Infallible;
use std::fmt;
use std::io::Write;
use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded};
use log::{LevelFilter, Metadata, SetLoggerError};
use parking_lot::Mutex;
use skiff_conf::{Level, Log, LogTarget};
use time::OffsetDateTime;

use format::{access_line, login_failed_line, message_line, stamp};
pub(crate) use sink::LogFailed;
use sink::{Output, Sink, open_sink};
use xferlog::xferlog_line;

/// Lines that may wait for the thread; the next ones are counted and lost.
const QUEUE: usize = 2048;

/// Lines that come so soon after another are written together, and nobody has to
/// wake the thread for them.
const GATHER: Duration = Duration::from_millis(10);

/// A longer message of the daemon's own is cut.
const MAX_TEXT: usize = 4096;

/// A longer user name, as only a failed login has it, is cut.
const MAX_USER: usize = 128;

/// The way to the log thread; a clone is cheap, and no call ever blocks.
#[derive(Clone)]
pub(crate) struct AccessLog {
    queue: Sender<Message>,
    shared: Arc<Shared>,
}

/// The thread itself, to be finished before the process ends.
pub(crate) struct LogThread {
    queue: Sender<Message>,
    /// Disconnected when the thread has written its last line.
    ended: Receiver<Infallible>,
}

/// One thing that a user did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) address: IpAddr,
    /// Whoever is logged in.
    pub(crate) user: Option<String>,
    pub(crate) verb: &'static str,
    /// As the user sees it, from his `/`.
    pub(crate) path: Option<Vec<u8>>,
    /// The code of the final reply.
    pub(crate) code: u16,
    /// Bytes of content that crossed the network.
    pub(crate) bytes: Option<u64>,
    pub(crate) elapsed: Option<Duration>,
    /// Algorithm and value, such as `md5=9e107d9d372bb6826bd81d3542a419d6`.
    pub(crate) digest: Option<String>,
    /// For the xferlog.
    pub(crate) transfer: Option<TransferKind>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TransferKind {
    pub(crate) direction: Direction,
    pub(crate) ending: Ending,
    /// The dialect: `ftp` or `skiff`.
    pub(crate) service: &'static str,
}

/// With the letters of xferlog(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Direction {
    Upload = b'i',
    Download = b'o',
    Deletion = b'd',
}

/// With the letters of xferlog(5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Ending {
    Complete = b'c',
    Incomplete = b'i',
}

impl AccessLog {
    /// Opens the files and starts the thread.
    pub(crate) fn start(settings: &Log) -> Result<(Self, LogThread), LogFailed> {
        let (log, writer) = Self::pair(settings, QUEUE)?;
        let (alive, ended) = bounded(0);
        let queue = log.queue.clone();
        let work = move || {
            writer.run();
            drop::<Sender<Infallible>>(alive);
        };
        let spawned = thread::Builder::new().name("log".to_owned()).spawn(work);
        spawned.map_err(|source| LogFailed::new("start", Path::new("thread"), source))?;
        Ok((log, LogThread { queue, ended }))
    }

    /// Makes this the receiver of `log::info!` and its sisters.
    pub(crate) fn install(&self, level: Level) -> Result<(), SetLoggerError> {
        log::set_boxed_logger(Box::new(self.clone()))?;
        log::set_max_level(filter(level));
        Ok(())
    }

    /// Logs an event.
    pub(crate) fn record(&self, record: Record) {
        self.send(What::Event(record));
    }

    /// Logs a failed login; `user` is what the peer sent, whoever that may be.
    pub(crate) fn login_failed(&self, address: IpAddr, user: &[u8]) {
        let user = user[..user.len().min(MAX_USER)].to_vec();
        self.send(What::LoginFailed { address, user });
    }

    /// Has the thread open its files anew, where `settings` now says: what a log
    /// rotator waits for after renaming them.
    pub(crate) fn reopen(&self, settings: &Log) {
        log::set_max_level(filter(settings.level));
        *self.shared.reopen.lock() = Some(settings.clone());
        // With a full queue the thread is awake, and looks after this round.
        let _ = self.queue.try_send(Message::Wake);
    }

    fn pair(settings: &Log, capacity: usize) -> Result<(Self, Writer), LogFailed> {
        let (sender, receiver) = bounded(capacity);
        let shared = Arc::new(Shared::default());
        let writer = Writer {
            queue: receiver,
            shared: Arc::clone(&shared),
            messages: Sink::new(Output::StandardError),
            access: open_access(&settings.access)?,
            xferlog: settings.xferlog.as_deref().map(open_sink).transpose()?,
        };
        let queue = sender;
        Ok((Self { queue, shared }, writer))
    }

    fn send(&self, what: What) {
        let line = Message::Line(SystemTime::now(), Box::new(what));
        if self.queue.try_send(line).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
            // The thread may have drained the queue since, and gone to sleep.
            let _ = self.queue.try_send(Message::Wake);
        }
    }
}

impl LogThread {
    /// Has everything logged so far written; waits no longer than `patience` for a
    /// disk that does not answer.
    pub(crate) fn finish(self, patience: Duration) {
        let deadline = Instant::now() + patience;
        if self.queue.send_deadline(Message::Stop, deadline).is_ok() {
            let _ = self.ended.recv_deadline(deadline);
        }
    }
}

/// The daemon's own messages; of the libraries', only warnings.
impl log::Log for AccessLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn || metadata.target().starts_with("skiff")
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let mut text = format!("{}: {}", record.target(), record.args());
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        let level = record.level();
        self.send(What::Said { level, text });
    }

    /// Nothing to do: the thread writes whenever its queue is empty.
    fn flush(&self) {}
}

enum Message {
    /// Boxed, or each of the queue's slots would have the size of the largest.
    Line(SystemTime, Box<What>),
    /// Look at what is shared.
    Wake,
    Stop,
}

enum What {
    Event(Record),
    LoginFailed { address: IpAddr, user: Vec<u8> },
    Said { level: log::Level, text: String },
}

#[derive(Default)]
struct Shared {
    /// Lines that found the queue full and have not been told of.
    lost: AtomicU64,
    /// Asked for and not done yet; the latest wins.
    reopen: Mutex<Option<Log>>,
}

struct Writer {
    queue: Receiver<Message>,
    shared: Arc<Shared>,
    messages: Sink,
    /// `None`: with the messages.
    access: Option<Sink>,
    xferlog: Option<Sink>,
}

impl Writer {
    fn run(mut self) {
        while let Ok(first) = self.queue.recv() {
            let next = self.round(first);
            self.tell_losses();
            self.flush();
            self.reopen();
            if next.is_break() {
                return;
            }
            thread::sleep(GATHER);
        }
    }

    /// What waits in the queue, but not what comes for ever.
    fn round(&mut self, first: Message) -> ControlFlow<()> {
        self.take(first)?;
        for _ in 0..QUEUE {
            match self.queue.try_recv() {
                Ok(message) => self.take(message)?,
                Err(_) => break,
            }
        }
        ControlFlow::Continue(())
    }

    fn take(&mut self, message: Message) -> ControlFlow<()> {
        match message {
            Message::Line(at, what) => self.line(at.into(), &what),
            Message::Wake => {}
            Message::Stop => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn line(&mut self, at: OffsetDateTime, what: &What) {
        match what {
            What::Event(record) => {
                self.access().line(|out| access_line(out, at, record));
                if let (Some(sink), Some(kind)) = (&mut self.xferlog, record.transfer) {
                    sink.line(|out| xferlog_line(out, at, record, kind));
                }
            }
            What::LoginFailed { address, user } => {
                self.access()
                    .line(|out| login_failed_line(out, at, *address, user));
            }
            What::Said { level, text } => {
                self.messages
                    .line(|out| message_line(out, at, *level, text));
            }
        }
    }

    fn access(&mut self) -> &mut Sink {
        self.access.as_mut().unwrap_or(&mut self.messages)
    }

    fn tell_losses(&mut self) {
        let lost = self.shared.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            self.access().line(|out| {
                stamp(out, OffsetDateTime::now_utc());
                write!(out, "log: {lost} lines lost, the queue was full")
            });
        }
    }

    fn flush(&mut self) {
        let sinks = [&mut self.access, &mut self.xferlog].into_iter().flatten();
        let failed: Vec<LogFailed> = sinks.filter_map(|sink| sink.flush().err()).collect();
        for failed in failed {
            self.complain(format_args!(
                "{failed}; lines are lost until it works again"
            ));
        }
        // If this fails there is nobody left to tell.
        let _ = self.messages.flush();
    }

    /// A file that cannot be opened leaves the old one in use.
    fn reopen(&mut self) {
        let Some(settings) = self.shared.reopen.lock().take() else {
            return;
        };
        let access = open_access(&settings.access).map(|sink| self.access = sink);
        let xferlog = settings.xferlog.as_deref().map(open_sink).transpose();
        let xferlog = xferlog.map(|sink| self.xferlog = sink);
        for failed in [access, xferlog].into_iter().filter_map(Result::err) {
            self.complain(format_args!("{failed}; the one before stays in use"));
        }
        let _ = self.messages.flush();
    }

    fn complain(&mut self, what: fmt::Arguments<'_>) {
        let text = format!("skiffd: {what}");
        let now = OffsetDateTime::now_utc();
        self.messages
            .line(|out| message_line(out, now, log::Level::Error, &text));
    }
}

fn open_access(target: &LogTarget) -> Result<Option<Sink>, LogFailed> {
    match target {
        LogTarget::StandardError => Ok(None),
        LogTarget::File(path) => open_sink(path).map(Some),
    }
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::Error,
        Level::Warn => LevelFilter::Warn,
        Level::Info => LevelFilter::Info,
        Level::Debug => LevelFilter::Debug,
        Level::Trace => LevelFilter::Trace,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::{fs, io};

    use super::*;

    /// A folder of this test's own.
    pub(super) struct Folder(pub(super) PathBuf);

    impl Folder {
        pub(super) fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("skiffd-{}-{name}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        fn settings(&self) -> Log {
            Log {
                access: LogTarget::File(self.0.join("access.log")),
                level: Level::Info,
                xferlog: Some(self.0.join("xferlog")),
            }
        }

        /// The lines of a file without their times.
        fn lines(&self, name: &str) -> Vec<String> {
            let text = fs::read_to_string(self.0.join(name)).unwrap();
            assert!(text.is_empty() || text.ends_with('\n'));
            text.lines()
                .map(|line| line.split_once(' ').unwrap().1.to_owned())
                .collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    pub(super) const NOON: OffsetDateTime = time::macros::datetime!(2026-11-05 12:00:00.0456 UTC);

    pub(super) fn upload() -> Record {
        Record {
            address: "::ffff:192.0.2.7".parse().unwrap(),
            user: Some("tom".to_owned()),
            verb: "STOR",
            path: Some(b"/a b.txt".to_vec()),
            code: 226,
            bytes: Some(1234),
            elapsed: Some(Duration::from_millis(2500)),
            digest: Some("md5=00ff".to_owned()),
            transfer: Some(TransferKind {
                direction: Direction::Upload,
                ending: Ending::Complete,
                service: "skiff",
            }),
        }
    }

    fn numbered(code: u16) -> Record {
        Record {
            code,
            transfer: None,
            ..upload()
        }
    }

    pub(super) fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn everything_logged_before_the_end_is_written_in_order() {
        let folder = Folder::new("order");
        let (log, thread) = AccessLog::start(&folder.settings()).unwrap();
        log.record(upload());
        log.login_failed("192.0.2.9".parse().unwrap(), &[b'x'; 1000]);
        log.record(numbered(250));
        thread.finish(Duration::from_secs(60));

        let lines = folder.lines("access.log");
        assert_eq!(
            lines[0],
            "192.0.2.7 tom STOR 226 1234 2.500 md5=00ff /a b.txt"
        );
        assert_eq!(
            lines[1],
            format!(
                "login failed: address=192.0.2.9 user={}",
                "x".repeat(MAX_USER)
            )
        );
        assert_eq!(
            lines[2],
            "192.0.2.7 tom STOR 250 1234 2.500 md5=00ff /a b.txt"
        );
        assert_eq!(lines.len(), 3);
        assert_eq!(
            folder.lines("xferlog").len(),
            1,
            "only transfers are in the xferlog"
        );
    }

    #[test]
    fn lines_that_do_not_fit_are_counted_and_told() {
        let folder = Folder::new("lost");
        let (log, writer) = AccessLog::pair(&folder.settings(), 2).unwrap();
        for code in 1..=5 {
            log.record(numbered(code));
        }
        drop(log);
        writer.run();
        let lines = folder.lines("access.log");
        assert!(
            lines[0].contains(" STOR 1 ") && lines[1].contains(" STOR 2 "),
            "{lines:?}"
        );
        assert_eq!(lines[2], "log: 3 lines lost, the queue was full");
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn a_renamed_file_is_let_go_on_reopening() {
        let folder = Folder::new("reopen");
        let settings = folder.settings();
        let (log, mut writer) = AccessLog::pair(&settings, 9).unwrap();
        let mut round = |messages: usize| {
            for _ in 0..messages {
                let message = writer.queue.recv().unwrap();
                assert!(writer.take(message).is_continue());
            }
            writer.flush();
            writer.reopen();
        };
        log.record(numbered(1));
        round(1);
        fs::rename(folder.0.join("access.log"), folder.0.join("access.log.1")).unwrap();
        log.record(numbered(2));
        log.reopen(&settings);
        round(2);
        log.record(numbered(3));
        round(1);
        assert_eq!(folder.lines("access.log.1").len(), 2);
        assert_eq!(folder.lines("access.log").len(), 1);

        let gone = Log {
            access: LogTarget::File(folder.0.join("none/a.log")),
            ..settings
        };
        log.reopen(&gone);
        log.record(numbered(4));
        round(2);
        log.record(numbered(5));
        round(1);
        assert_eq!(
            folder.lines("access.log").len(),
            3,
            "the old file stays in use"
        );
    }

    #[test]
    fn a_log_that_cannot_be_opened_is_named_at_the_start() {
        let folder = Folder::new("start");
        let path = folder.0.join("none/a.log");
        let settings = Log {
            access: LogTarget::File(path.clone()),
            ..folder.settings()
        };
        let failed = AccessLog::start(&settings).err().unwrap().to_string();
        assert!(
            failed.starts_with(&format!("cannot open the log {}: ", path.display())),
            "{failed}"
        );
    }

    #[test]
    fn own_messages_pass_and_chatter_of_libraries_does_not() {
        let folder = Folder::new("level");
        let (log, writer) = AccessLog::pair(&folder.settings(), 9).unwrap();
        let say = |level, target: &str, text: &str| {
            let mut record = log::Record::builder();
            record.level(level).target(target);
            log::Log::log(&log, &record.args(format_args!("{text}")).build());
        };
        say(log::Level::Info, "mio::poll", "registering");
        say(log::Level::Info, "skiffd::reactor", &"é".repeat(MAX_TEXT));
        say(log::Level::Warn, "rustls", "odd");
        let said: Vec<String> = writer
            .queue
            .try_iter()
            .map(|message| match message {
                Message::Line(_, what) => match *what {
                    What::Said { text, .. } => text,
                    _ => panic!("not a message"),
                },
                _ => panic!("not a line"),
            })
            .collect();
        assert!(said[0].starts_with("skiffd::reactor: é") && said[0].len() <= MAX_TEXT);
        assert_eq!(said[1..], ["rustls: odd"]);
    }
}
