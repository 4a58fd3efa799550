//! Shows the progress of one file: a bar on a terminal, else a line every few seconds.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle as BarStyle};
use skiff_sessions::transfer::{Task, Until};

use super::format::{escape_name, format_size};
use super::output::print_error;

/// The time between two lines of progress where there is no bar.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

const TEMPLATE: &str = "{prefix} {msg}{percent:>3}% [{bar:24}] {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} eta {eta}";

/// How progress is shown; fixed for the whole session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ProgressStyle {
    Bar,
    Lines,
    Hidden,
}

/// The progress of one file through all tasks of its transfer (hashing, sending, receiving).
pub(crate) struct Progress {
    style: ProgressStyle,
    name: String,
    task: Option<TaskProgress>,
    /// Bytes of the file that went over the connection, and since when. The clock starts with each
    /// such task, so that time spent on a question does not lower the rate.
    carried: u64,
    carrying_since: Instant,
}

/// The progress of the running task.
struct TaskProgress {
    /// What is shown before the percentage; empty for sending and receiving.
    what: &'static str,
    /// The offset in the file where the task begins, in bytes.
    from: u64,
    /// The offset in the file where the task ends, in bytes.
    total: u64,
    bar: Option<ProgressBar>,
    printed_at: Instant,
    is_carrying: bool,
}

impl Progress {
    /// Shows nothing yet; `name` is escaped here.
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

    /// Starts the display of a task. Tasks without a known length are not shown.
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
            // Only FTP has these tasks, and this client does not speak FTP.
            Task::DigestRange { .. } | Task::SendStream { .. } | Task::ReceiveStream { .. } => {
                return;
            }
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

    /// Shows that `bytes` of the running task are done.
    pub(crate) fn update(&mut self, bytes: u64) {
        let Some(task) = &mut self.task else {
            return;
        };
        if task.is_carrying {
            self.carried = bytes;
        }
        task.show(&self.name, self.style, task.from + bytes);
    }

    /// Shows the server's own work (hashing, storing): `done` of `of` bytes.
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

    /// Ends the display of the running task and clears the bar.
    pub(crate) fn finish(&mut self) {
        if let Some(TaskProgress { bar: Some(bar), .. }) = self.task.take() {
            bar.finish_and_clear();
        }
    }

    /// Returns the bytes that went over the connection, and the time since that task began.
    pub(crate) fn carried_bytes_and_time(&self) -> (u64, Duration) {
        (self.carried, self.carrying_since.elapsed())
    }

    /// Ends the running task and starts `task` instead.
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
    /// Creates a bar that stands at `from`.
    fn new_bar(&self, name: &str) -> ProgressBar {
        let bar = ProgressBar::new(self.total).with_position(self.from);
        if let Ok(style) = BarStyle::with_template(TEMPLATE) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(name.to_owned());
        bar.set_message(self.what);
        // Resumed bytes must not count into the rate.
        bar.reset_eta();
        bar
    }

    /// Moves the bar to `at` bytes, or prints a line if the last one is old enough.
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
