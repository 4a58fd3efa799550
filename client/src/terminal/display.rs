//! Shows something that goes on by a clock of its own: drawn anew several times a second on a
//! terminal, else printed every few seconds.

use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::columns::terminal_width;
use super::figures::Figures;
use super::output::print_error;
use super::progress::ProgressStyle;
use super::status_line;
use super::tty::{Hushed, Tty};

/// The time between two drawings, and before the first: what is done sooner shows nothing.
const BETWEEN_DRAWINGS: Duration = Duration::from_millis(200);

/// The time between two lines of progress where there is no bar.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// The width of a terminal that does not know its own.
const USUAL_WIDTH: usize = 80;

/// Something that can be shown at any time.
pub(crate) trait Shown: Send + 'static {
    /// Returns the figures; `None` where there is nothing to show now.
    fn figures(&self, now: Instant) -> Option<Figures>;
}

/// Shows `T` until it is dropped.
pub(crate) struct Display<T> {
    shown: Arc<Mutex<T>>,
    ticker: Option<Ticker>,
}

/// The thread that draws. Whatever the program waits for, the line goes on.
struct Ticker {
    /// Dropped, it ends the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Keys that are pressed meanwhile are for the next prompt, and would be echoed into the line.
    _hushed: Option<Hushed>,
}

impl<T: Shown> Display<T> {
    pub(crate) fn new(style: ProgressStyle, shown: T) -> Self {
        let shown = Arc::new(Mutex::new(shown));
        let ticker = Ticker::start(style, &shown);
        Self { shown, ticker }
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
        self.ticker = None;
    }
}

impl Ticker {
    /// Starts the thread. `None` where nothing is to be shown, or the system has no thread left.
    fn start<T: Shown>(style: ProgressStyle, shown: &Arc<Mutex<T>>) -> Option<Self> {
        let (stop, stopped) = channel();
        let shown = Arc::clone(shown);
        let work: Box<dyn FnOnce() + Send> = match style {
            ProgressStyle::Hidden => return None,
            ProgressStyle::Bar => Box::new(move || draw_until(&stopped, &shown)),
            ProgressStyle::Lines => Box::new(move || print_until(&stopped, &shown)),
        };
        let hushed = match style {
            ProgressStyle::Bar => Tty::open().and_then(|tty| tty.hush_in_foreground()),
            ProgressStyle::Lines | ProgressStyle::Hidden => None,
        };
        let thread = thread::Builder::new().spawn(work).ok()?;
        Some(Self {
            stop: Some(stop),
            thread: Some(thread),
            _hushed: hushed,
        })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A thread that panicked draws nothing any more.
            let _ = thread.join();
        }
    }
}

fn figures<T: Shown>(shown: &Mutex<T>) -> Option<Figures> {
    let shown = shown.lock().unwrap_or_else(PoisonError::into_inner);
    shown.figures(Instant::now())
}

fn draw_until<T: Shown>(stopped: &Receiver<()>, shown: &Mutex<T>) {
    while stopped.recv_timeout(BETWEEN_DRAWINGS) == Err(RecvTimeoutError::Timeout) {
        match figures(shown) {
            Some(figures) => {
                // The window may have got another width. Its last column stays free: where it is
                // written to, terminals do not agree on where the cursor is.
                let width = terminal_width(io::stderr()).unwrap_or(USUAL_WIDTH);
                status_line::draw(&figures.fit(width.saturating_sub(1)));
            }
            None => status_line::clear(),
        }
    }
    status_line::clear();
}

fn print_until<T: Shown>(stopped: &Receiver<()>, shown: &Mutex<T>) {
    while stopped.recv_timeout(BETWEEN_LINES) == Err(RecvTimeoutError::Timeout) {
        if let Some(figures) = figures(shown) {
            print_error(figures.whole());
        }
    }
}
