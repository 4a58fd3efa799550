//! How far a transfer is: a bar on a terminal, else a line now and then.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle as BarStyle};
use skiff_sessions::transfer::{Task, Until};

use super::format::{escape_name, format_size};
use super::output::print_error;

/// Between two lines where there is no bar.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

const TEMPLATE: &str = "{prefix} {msg}{percent:>3}% [{bar:24}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} eta {eta}";

/// How progress is shown, decided once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ProgressStyle {
    Bar,
    Lines,
    Hidden,
}

/// One file's progress, through all its tasks.
pub(crate) struct Progress {
    style: ProgressStyle,
    name: String,
    task: Option<TaskProgress>,
    /// File bytes that went through the connection, and since when: a person
    /// who thinks about a question does not slow the line.
    carried: u64,
    carrying_since: Instant,
}

/// The task under way.
struct TaskProgress {
    what: &'static str,
    from: u64,
    total: u64,
    bar: Option<ProgressBar>,
    printed_at: Instant,
    is_carrying: bool,
}

impl Progress {
    pub(crate) fn new(style: ProgressStyle, name: &[u8]) -> Self {
        let name = escape_name(name);
        Self {
            style,
            name,
            task: None,
            carried: 0,
            carrying_since: Instant::now(),
        }
    }

    pub(crate) fn begin_task(&mut self, task: Task) {
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
            self.carrying_since = Instant::now();
        }
        self.replace_task(TaskProgress {
            what,
            from,
            total,
            bar: None,
            printed_at: Instant::now(),
            is_carrying,
        });
    }

    /// Bytes of the task so far.
    pub(crate) fn update(&mut self, bytes: u64) {
        let Some(task) = &mut self.task else {
            return;
        };
        if task.is_carrying {
            self.carried = bytes;
        }
        task.show(&self.name, self.style, task.from + bytes);
    }

    /// The server's own work.
    pub(crate) fn show_server_work(&mut self, done: u64, of: u64) {
        if self
            .task
            .as_ref()
            .is_none_or(|task| task.what != SERVER_WORK)
        {
            let printed_at = Instant::now();
            self.replace_task(TaskProgress {
                what: SERVER_WORK,
                from: 0,
                total: of,
                bar: None,
                printed_at,
                is_carrying: false,
            });
        }
        if let Some(task) = &mut self.task {
            task.show(&self.name, self.style, done);
        }
    }

    /// Takes the bar off the screen.
    pub(crate) fn finish(&mut self) {
        if let Some(TaskProgress { bar: Some(bar), .. }) = self.task.take() {
            bar.finish_and_clear();
        }
    }

    /// Bytes that were carried, and how long that and what followed took.
    pub(crate) fn carried_bytes_and_time(&self) -> (u64, Duration) {
        (self.carried, self.carrying_since.elapsed())
    }

    fn replace_task(&mut self, mut task: TaskProgress) {
        self.finish();
        if self.style == ProgressStyle::Bar {
            task.bar = Some(task.new_bar(&self.name));
        }
        self.task = Some(task);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

const SERVER_WORK: &str = "the server works ";

impl TaskProgress {
    fn new_bar(&self, name: &str) -> ProgressBar {
        let bar = ProgressBar::new(self.total).with_position(self.from);
        if let Ok(style) = BarStyle::with_template(TEMPLATE) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(name.to_owned());
        bar.set_message(self.what);
        // What was there before was not fast, it was there before.
        bar.reset_eta();
        bar
    }

    fn show(&mut self, name: &str, style: ProgressStyle, at: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(at);
        } else if style == ProgressStyle::Lines && self.printed_at.elapsed() >= BETWEEN_LINES {
            self.printed_at = Instant::now();
            let percent = at
                .saturating_mul(100)
                .checked_div(self.total)
                .unwrap_or(100);
            let (at, total) = (format_size(at), format_size(self.total));
            print_error(format_args!(
                "{name}: {}{percent}% ({at} of {total})",
                self.what
            ));
        }
    }
}
