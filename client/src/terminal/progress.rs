//! How far a transfer is: a bar on a terminal, else a line now and then.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use skiff_sessions::transfer::{Task, Until};

use super::format;
use super::output;

/// Between two lines where there is no bar.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

const TEMPLATE: &str = "{prefix} {msg}{percent:>3}% [{bar:24}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} eta {eta}";

/// How progress is shown, decided once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Look {
    Bar,
    Lines,
    Nothing,
}

/// One file's progress, through all its tasks.
pub(crate) struct Meter {
    look: Look,
    name: String,
    task: Option<Stretch>,
    /// File bytes that went through the connection, and since when: a person
    /// who thinks about a question does not slow the line.
    carried: u64,
    since: Instant,
}

/// The task under way.
struct Stretch {
    what: &'static str,
    from: u64,
    total: u64,
    bar: Option<ProgressBar>,
    told: Instant,
    is_carrying: bool,
}

impl Meter {
    pub(crate) fn new(look: Look, name: &[u8]) -> Self {
        let name = format::name(name);
        Self {
            look,
            name,
            task: None,
            carried: 0,
            since: Instant::now(),
        }
    }

    pub(crate) fn began(&mut self, task: Task) {
        self.finish();
        let (what, from, total) = match task {
            Task::Digest { to, .. } => ("hashing ", 0, to),
            Task::Send {
                from,
                until: Until::Offset(end),
                ..
            } => ("", from, end),
            Task::Receive { from, at_most, .. } => ("", from, at_most),
            Task::Send { .. } | Task::Discard => return,
            // Of a dialect that this client does not speak.
            Task::DigestRange { .. } | Task::Stream { .. } | Task::Take { .. } => return,
        };
        let is_carrying = !matches!(task, Task::Digest { .. });
        if is_carrying {
            self.since = Instant::now();
        }
        self.begin(Stretch {
            what,
            from,
            total,
            bar: None,
            told: Instant::now(),
            is_carrying,
        });
    }

    /// Bytes of the task so far.
    pub(crate) fn moved(&mut self, bytes: u64) {
        let Some(task) = &mut self.task else {
            return;
        };
        if task.is_carrying {
            self.carried = bytes;
        }
        task.show(&self.name, self.look, task.from + bytes);
    }

    /// The server's own work.
    pub(crate) fn working(&mut self, done: u64, of: u64) {
        if self.task.as_ref().is_none_or(|task| task.what != SERVER) {
            let told = Instant::now();
            self.begin(Stretch {
                what: SERVER,
                from: 0,
                total: of,
                bar: None,
                told,
                is_carrying: false,
            });
        }
        if let Some(task) = &mut self.task {
            task.show(&self.name, self.look, done);
        }
    }

    /// Takes the bar off the screen.
    pub(crate) fn finish(&mut self) {
        if let Some(Stretch { bar: Some(bar), .. }) = self.task.take() {
            bar.finish_and_clear();
        }
    }

    /// Bytes that were carried, and how long that and what followed took.
    pub(crate) fn result(&self) -> (u64, Duration) {
        (self.carried, self.since.elapsed())
    }

    fn begin(&mut self, mut task: Stretch) {
        self.finish();
        if self.look == Look::Bar {
            task.bar = Some(task.draw(&self.name));
        }
        self.task = Some(task);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.finish();
    }
}

const SERVER: &str = "the server works ";

impl Stretch {
    fn draw(&self, name: &str) -> ProgressBar {
        let bar = ProgressBar::new(self.total).with_position(self.from);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(name.to_owned());
        bar.set_message(self.what);
        // What was there before was not fast, it was there before.
        bar.reset_eta();
        bar
    }

    fn show(&mut self, name: &str, look: Look, at: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(at);
        } else if look == Look::Lines && self.told.elapsed() >= BETWEEN_LINES {
            self.told = Instant::now();
            let percent = at
                .saturating_mul(100)
                .checked_div(self.total)
                .unwrap_or(100);
            let (at, total) = (format::size(at), format::size(self.total));
            output::complain(format_args!(
                "{name}: {}{percent}% ({at} of {total})",
                self.what
            ));
        }
    }
}
