//! The access log and the daemon's own messages, one line for each event, written by a thread of
//! their own, so that no other thread waits for a disk.
//!
//! | line | goes to | form |
//! |---|---|---|
//! | command | `log.access` | `TIME ADDRESS USER VERB CODE BYTES SECONDS DIGEST SESSION PORT DIALECT TLS PATH` |
//! | failed login | `log.access` | `TIME login failed: address=ADDRESS user=USER` |
//! | other notice | `log.access` | `TIME KIND: session=N address=ADDRESS port=PORT dialect=DIALECT tls=TLS ..` |
//! | lost lines | `log.access` | `TIME log: N lines lost, ..` |
//! | message | standard error | `TIME LEVEL TARGET: TEXT` |
//! | transfer | `log.xferlog` | xferlog(5), in UTC |
//!
//! TIME is RFC 3339 in UTC. What is not known is `-`. PATH comes last and may hold
//! spaces; no other field does. A rename has both, `FROM -> TO`, in which spaces are `\x20`. Control
//! characters, what is not UTF-8, and the
//! backslash are written `\xNN` and `\\`, so that no name can forge a line. What is worth
//! logging is decided by the callers.
//!
//! With `log.format: Json` all but the xferlog are objects, as `conf/log.schema.json` says. With
//! `log.access: "syslog"` messages go there too, and the system's log knows the time.

pub(crate) mod client;
mod format;
mod json;
mod line;
pub(crate) mod notice;
mod pending;
pub(crate) mod record;
mod sink;
mod xferlog;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded};
use log::{LevelFilter, Metadata, SetLoggerError};
use parking_lot::{Condvar, Mutex};
use skiff_conf::{Level, Log, LogFormat, LogTarget};

use format::Stamp;
use line::{Line, Prefix};
use notice::Notice;
use pending::{Pending, Routes};
use record::Record;
pub(crate) use sink::LogFailed;
use sink::{Output, Sink, open_sink, open_syslog};

/// Lines that arrive within this time of another are written together, without a wake-up each.
const WRITE_DELAY: Duration = Duration::from_millis(10);

/// Bytes of one message; a longer one is cut.
const MAX_TEXT: usize = 4096;

/// Bytes of a user name; a longer one, which only a failed login can have, is cut.
pub(crate) const MAX_USER: usize = 128;

/// A text as the log has it, which no terminal and no page takes for anything else.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut out = Vec::new();
    format::escape(&mut out, bytes, format::Space::Keep);
    String::from_utf8_lossy(&out).into_owned()
}

/// A handle of the log thread, cheap to clone. No call on it waits for a disk.
#[derive(Clone)]
pub(crate) struct AccessLog(Arc<LogQueue>);

/// The log thread, to be finished before the process ends.
pub(crate) struct LogThread {
    log: AccessLog,
    /// Disconnected when the thread has written its last line.
    ended: Receiver<Infallible>,
}

impl AccessLog {
    /// Opens the files. Lines wait until the writer is started.
    pub(crate) fn open(settings: &Log) -> Result<(Self, Writer), LogFailed> {
        let Opened {
            messages,
            access,
            xferlog,
        } = Opened::open(settings)?;
        let queue = Arc::new(LogQueue::default());
        let writer = Writer {
            queue: Arc::clone(&queue),
            messages,
            access,
            xferlog,
            format: settings.format,
        };
        writer.route();
        Ok((Self(queue), writer))
    }

    /// Whether the files can be opened; makes none.
    pub(crate) fn try_out(settings: &Log) -> Result<(), LogFailed> {
        if let LogTarget::File(path) = &settings.access {
            sink::try_out(path)?;
        }
        if settings.access == LogTarget::Syslog {
            open_syslog()?;
        }
        settings.xferlog.as_deref().map_or(Ok(()), sink::try_out)
    }

    /// Installs this as the logger of the `log` crate.
    pub(crate) fn install(&self, level: Level) -> Result<(), SetLoggerError> {
        log::set_boxed_logger(Box::new(self.clone()))?;
        log::set_max_level(filter(level));
        Ok(())
    }

    /// Logs an event.
    pub(crate) fn record(&self, record: &Record<'_>) {
        let at = SystemTime::now();
        self.0.add(|pending| pending.event(at, record));
    }

    /// Logs what is no command, if it is important enough.
    pub(crate) fn notice(&self, notice: &Notice<'_>) {
        if notice.level().is_some_and(|level| level > log::max_level()) {
            return;
        }
        let at = SystemTime::now();
        self.0.add(|pending| pending.put(at, &Line::Notice(notice)));
    }

    /// Tries whether the files of other settings can be opened; makes what is missing.
    pub(crate) fn require_openable(&self, settings: &Log) -> Result<(), LogFailed> {
        Opened::open(settings).map(drop)
    }

    /// Has the thread open the files that `settings` names, after a log rotator renamed the old
    /// ones.
    pub(crate) fn reopen(&self, settings: &Log) {
        log::set_max_level(filter(settings.level));
        self.0
            .ask(|pending| pending.reopen = Some(settings.clone()));
    }
}

impl LogThread {
    /// Has everything logged so far written; waits at most `patience` for a disk that does not
    /// answer.
    pub(crate) fn finish(self, patience: Duration) {
        self.log.0.ask(|pending| pending.ended = true);
        let _ = self.ended.recv_timeout(patience);
    }
}

/// Takes the daemon's own messages, and only warnings and errors of libraries.
impl log::Log for AccessLog {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::Level::Warn || metadata.target().starts_with("skiff")
    }

    fn log(&self, record: &log::Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let at = SystemTime::now();
        let mut text = record.args().to_string();
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        let line = Line::Message {
            level: record.level(),
            target: record.target(),
            text: &text,
        };
        self.0.add(|pending| pending.put(at, &line));
    }

    /// Nothing to do: the thread writes everything.
    fn flush(&self) {}
}

/// The lines that wait for the thread. The lock is held only to write into memory.
#[derive(Default)]
struct LogQueue {
    pending: Mutex<Pending>,
    arrived: Condvar,
}

impl LogQueue {
    /// Adds a line if there is room for it.
    fn add(&self, line: impl FnOnce(&mut Pending)) {
        self.ask(|pending| match pending.is_full() {
            false => line(pending),
            true => pending.lost += 1,
        });
    }

    fn ask(&self, change: impl FnOnce(&mut Pending)) {
        change(&mut self.pending.lock());
        self.arrived.notify_one();
    }
}

/// Whether the thread continues.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Round,
    End,
}

/// Writes the lines, on a thread of its own once it is started.
pub(crate) struct Writer {
    queue: Arc<LogQueue>,
    messages: Sink,
    /// `None` if access lines go to standard error with the messages.
    access: Option<Sink>,
    xferlog: Option<Sink>,
    format: LogFormat,
}

/// The outputs that settings name.
struct Opened {
    messages: Sink,
    access: Option<Sink>,
    xferlog: Option<Sink>,
}

impl Opened {
    fn open(settings: &Log) -> Result<Self, LogFailed> {
        let (messages, access) = match &settings.access {
            LogTarget::StandardError => (Sink::new(Output::StandardError), None),
            LogTarget::File(path) => (Sink::new(Output::StandardError), Some(open_sink(path)?)),
            LogTarget::Syslog => (open_syslog()?, None),
        };
        Ok(Self {
            messages,
            access,
            xferlog: settings.xferlog.as_deref().map(open_sink).transpose()?,
        })
    }
}

impl Writer {
    pub(crate) fn start(self) -> Result<LogThread, LogFailed> {
        let log = AccessLog(Arc::clone(&self.queue));
        let (alive, ended) = bounded(0);
        let work = move || {
            self.run();
            drop::<Sender<Infallible>>(alive);
        };
        let spawned = thread::Builder::new().name("log".to_owned()).spawn(work);
        spawned.map_err(|source| LogFailed::new("start", Path::new("thread"), source))?;
        Ok(LogThread { log, ended })
    }

    fn run(mut self) {
        while self.round() == Next::Round {
            thread::sleep(WRITE_DELAY);
        }
    }

    /// Waits for lines or requests, and handles them.
    fn round(&mut self) -> Next {
        let queue = Arc::clone(&self.queue);
        let mut pending = queue.pending.lock();
        queue
            .arrived
            .wait_while(&mut pending, |pending| pending.is_idle());
        pending.take_lines(&mut self.messages, &mut self.access, &mut self.xferlog);
        let (reopen, ended) = (pending.reopen.take(), pending.ended);
        drop(pending);
        self.flush();
        if let Some(settings) = reopen {
            self.reopen(&settings);
        }
        match ended {
            true => Next::End,
            false => Next::Round,
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
        // There is nobody left to tell if this fails.
        let _ = self.messages.flush();
    }

    /// Opens the files again; where one cannot be opened, the old ones stay in use.
    fn reopen(&mut self, settings: &Log) {
        match Opened::open(settings) {
            Ok(opened) => {
                self.messages = opened.messages;
                self.access = opened.access;
                self.xferlog = opened.xferlog;
                self.format = settings.format;
                self.route();
            }
            Err(failed) => self.complain(format_args!("{failed}; what was open stays in use")),
        }
        let _ = self.messages.flush();
    }

    fn route(&self) {
        self.queue.pending.lock().route(&Routes {
            access: self.access.is_some(),
            xferlog: self.xferlog.is_some(),
            format: self.format,
            prefix: self.prefix(),
        });
    }

    fn prefix(&self) -> Prefix {
        match self.messages.is_syslog() {
            true => Prefix::Syslog,
            false if is_journal() => Prefix::Journal,
            false => Prefix::None,
        }
    }

    fn complain(&mut self, what: fmt::Arguments<'_>) {
        let line = Line::Message {
            level: log::Level::Error,
            target: "skiffd",
            text: &what.to_string(),
        };
        let mut words = Vec::new();
        let (format, at) = ((self.format, self.prefix()), SystemTime::now());
        line.put(&mut words, format, &mut Stamp::default(), at);
        self.messages.exchange(&mut words);
    }
}

/// Whether standard error is read by systemd-journald(8), which then says so by device and inode
/// (systemd.exec(5), JOURNAL_STREAM).
pub(crate) fn is_journal() -> bool {
    let named = std::env::var("JOURNAL_STREAM").ok();
    named.is_some_and(|named| standard_error().is_ok_and(|own| own == named))
}

fn standard_error() -> io::Result<String> {
    let found = rustix::fs::fstat(io::stderr())?;
    Ok(format!("{}:{}", found.st_dev, found.st_ino))
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

    use skiff_sessions::digest::Sum;

    use super::client::{Client, Dialect, TlsVersion};
    use super::format::line;
    use super::record::{Direction, Ending, TransferKind};

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
                format: LogFormat::Line,
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

    pub(super) fn client() -> Client {
        Client {
            session: 17,
            peer: "[::ffff:192.0.2.7]:5000".parse().unwrap(),
            dialect: Dialect::Ftp,
            tls: TlsVersion::Tls13,
        }
    }

    pub(super) fn upload() -> Record<'static> {
        Record {
            client: client(),
            user: Some("tom"),
            verb: "STOR",
            path: Some(b"/a b.txt"),
            to: None,
            code: 226,
            bytes: Some(1234),
            elapsed: Some(Duration::from_millis(2500)),
            digest: Some(Sum::Md5([0x0f; 16])),
            transfer: Some(TransferKind {
                direction: Direction::Upload,
                ending: Ending::Complete,
                service: "skiff",
            }),
        }
    }

    fn numbered(code: u16) -> Record<'static> {
        Record {
            code,
            transfer: None,
            ..upload()
        }
    }

    pub(super) fn written(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        line(&mut out, write);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn everything_logged_before_the_end_is_written_in_order() {
        let folder = Folder::new("order");
        let (log, writer) = AccessLog::open(&folder.settings()).unwrap();
        let thread = writer.start().unwrap();
        log.record(&upload());
        log.notice(&Notice::LoginFailed(client(), &[b'x'; 1000][..MAX_USER]));
        log.record(&numbered(250));
        thread.finish(Duration::from_secs(60));

        let lines = folder.lines("access.log");
        assert_eq!(
            lines[0],
            "192.0.2.7 tom STOR 226 1234 2.500 md5=0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f \
             17 5000 ftp TLSv1.3 /a b.txt"
        );
        assert_eq!(
            lines[1],
            format!(
                "login failed: address=192.0.2.7 user={}",
                "x".repeat(MAX_USER)
            )
        );
        assert_eq!(
            lines[2],
            "192.0.2.7 tom STOR 250 1234 2.500 md5=0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f \
             17 5000 ftp TLSv1.3 /a b.txt"
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
        let (log, mut writer) = AccessLog::open(&folder.settings()).unwrap();
        let full = || log.0.pending.lock().is_full();
        let fit = (1..).take_while(|_| {
            log.record(&numbered(250));
            !full()
        });
        let fit = fit.count() + 1;
        (0..3).for_each(|_| log.record(&numbered(550)));
        assert!(writer.round() == Next::Round);
        log.record(&numbered(226));
        assert!(writer.round() == Next::Round);

        let lines = folder.lines("access.log");
        let (those, rest) = lines.split_at(fit);
        assert!(those.iter().all(|line| line.contains(" STOR 250 ")));
        assert_eq!(rest[0], "log: 3 lines lost, the disk did not keep up");
        assert!(rest[1].contains(" STOR 226 "), "there is room again");
        assert_eq!(rest.len(), 2);
    }

    #[test]
    fn a_renamed_file_is_let_go_on_reopening() {
        let folder = Folder::new("reopen");
        let settings = folder.settings();
        let (log, mut writer) = AccessLog::open(&settings).unwrap();
        let mut round = || assert!(writer.round() == Next::Round);
        log.record(&numbered(1));
        round();
        fs::rename(folder.0.join("access.log"), folder.0.join("access.log.1")).unwrap();
        log.record(&numbered(2));
        log.reopen(&settings);
        round();
        log.record(&numbered(3));
        round();
        assert_eq!(folder.lines("access.log.1").len(), 2);
        assert_eq!(folder.lines("access.log").len(), 1);

        let gone = Log {
            access: LogTarget::File(folder.0.join("none/a.log")),
            ..settings
        };
        log.reopen(&gone);
        log.record(&numbered(4));
        round();
        log.record(&numbered(5));
        round();
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
        let failed = AccessLog::open(&settings).err().unwrap().to_string();
        assert!(
            failed.starts_with(&format!("cannot open the log {}: ", path.display())),
            "{failed}"
        );
    }

    #[test]
    fn own_messages_pass_and_chatter_of_libraries_does_not() {
        let folder = Folder::new("level");
        let (log, _writer) = AccessLog::open(&folder.settings()).unwrap();
        let say = |level, target: &str, text: &str| {
            let mut record = log::Record::builder();
            record.level(level).target(target);
            log::Log::log(&log, &record.args(format_args!("{text}")).build());
        };
        say(log::Level::Info, "mio::poll", "registering");
        say(log::Level::Info, "skiffd::reactor", &"é".repeat(MAX_TEXT));
        say(log::Level::Warn, "rustls", "odd");
        let said = log.0.pending.lock().messages();
        let said: Vec<&str> = said
            .lines()
            .map(|line| line.splitn(3, ' ').nth(2).unwrap())
            .collect();
        assert!(
            said[0].starts_with("skiffd::reactor: é")
                && said[0].len() <= "skiffd::reactor: ".len() + MAX_TEXT
        );
        assert_eq!(said[1..], ["rustls: odd"]);
    }
}
