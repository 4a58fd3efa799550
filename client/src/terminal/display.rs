//! Shows something that goes on by a clock of its own: drawn anew several times a second on a
//! terminal, else printed every few seconds.

use std::fmt::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressState, ProgressStyle as BarStyle};

use super::figures::Figures;
use super::job_output;
use super::output::print_note;
use super::progress::ProgressStyle;
use super::status_line::{line_width, lines};
use super::tty::{Hushed, Tty};

/// The time between two drawings, and before the first: what is done sooner shows nothing.
const BETWEEN_DRAWINGS: Duration = Duration::from_millis(200);

/// The time between two lines of progress where there is no bar.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Something that can be shown at any time.
pub(crate) trait Shown: Send + 'static {
    fn figures(&self, now: Instant) -> Figures;
}

/// Shows `T` until it is dropped.
pub(crate) struct Display<T> {
    shown: Arc<Mutex<T>>,
    line: Option<DrawnLine>,
    printer: Option<Printer>,
}

/// A line on the terminal. indicatif's thread draws it, whatever the program waits for.
struct DrawnLine {
    bar: ProgressBar,
    /// Keys that are pressed meanwhile are for the next prompt, and would be echoed into the line.
    _hushed: Option<Hushed>,
}

/// The thread that prints.
struct Printer {
    /// Dropped, it ends the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Shown> Display<T> {
    pub(crate) fn new(style: ProgressStyle, shown: T) -> Self {
        let shown = Arc::new(Mutex::new(shown));
        if let Some(job) = job_output::current() {
            let asked = Arc::clone(&shown);
            job.show(move || figures(&asked).whole());
            return Self::silent(shown);
        }
        let line = || DrawnLine::begin(Arc::clone(&shown), hush());
        let printer = || Printer::begin(Arc::clone(&shown));
        Self {
            line: (style == ProgressStyle::Bar).then(line),
            printer: (style == ProgressStyle::Lines).then(printer).flatten(),
            shown,
        }
    }

    /// One of which nothing is drawn or printed.
    fn silent(shown: Arc<Mutex<T>>) -> Self {
        Self {
            shown,
            line: None,
            printer: None,
        }
    }

    /// One that is shown besides another, where there are lines that are drawn.
    pub(crate) fn beside(style: ProgressStyle, shown: T) -> Self {
        let shown = Arc::new(Mutex::new(shown));
        if job_output::current().is_some() {
            return Self::silent(shown);
        }
        let line = || DrawnLine::begin(Arc::clone(&shown), None);
        Self {
            line: (style == ProgressStyle::Bar).then(line),
            printer: None,
            shown,
        }
    }

    /// Gives access to what is shown.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns another handle to what is shown.
    pub(crate) fn share(&self) -> Arc<Mutex<T>> {
        Arc::clone(&self.shown)
    }

    /// Takes it from the screen for good.
    pub(crate) fn end(&mut self) {
        self.line.take();
        self.printer.take();
    }
}

impl DrawnLine {
    fn begin<T: Shown>(shown: Arc<Mutex<T>>, hushed: Option<Hushed>) -> Self {
        let bar = lines().add(ProgressBar::no_length());
        let begun = Instant::now();
        let figures = move |_: &ProgressState, line: &mut dyn Write| {
            if begun.elapsed() >= BETWEEN_DRAWINGS {
                // A line that cannot be formatted is not drawn.
                let _ = line.write_str(&figures(&shown).fit(line_width()));
            }
        };
        if let Ok(style) = BarStyle::with_template("{figures}") {
            bar.set_style(style.with_key("figures", figures));
        }
        bar.enable_steady_tick(BETWEEN_DRAWINGS);
        Self {
            bar,
            _hushed: hushed,
        }
    }
}

impl Drop for DrawnLine {
    fn drop(&mut self) {
        self.bar.disable_steady_tick();
        self.bar.finish_and_clear();
        lines().remove(&self.bar);
    }
}

impl Printer {
    /// Starts the thread. `None` where the system has no thread left.
    fn begin<T: Shown>(shown: Arc<Mutex<T>>) -> Option<Self> {
        let (stop, stopped) = channel();
        let print = move || print_until(&stopped, &shown);
        let thread = thread::Builder::new().spawn(print).ok()?;
        Some(Self {
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Printer {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked prints nothing any more.
            let _ = thread.join();
        }
    }
}

fn hush() -> Option<Hushed> {
    Tty::open().and_then(|tty| tty.hush_in_foreground())
}

fn figures<T: Shown>(shown: &Mutex<T>) -> Figures {
    let shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
    shown.figures(Instant::now())
}

fn print_until<T: Shown>(stopped: &Receiver<()>, shown: &Mutex<T>) {
    while stopped.recv_timeout(BETWEEN_LINES) == Err(RecvTimeoutError::Timeout) {
        print_note(figures(shown).whole());
    }
}
