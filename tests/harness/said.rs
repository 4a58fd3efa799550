//! What a process says, line by line, for whoever waits for a line of it.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

use super::PATIENCE;

#[derive(Default)]
pub(crate) struct Said {
    heard: Mutex<Heard>,
    news: Condvar,
}

#[derive(Default)]
struct Heard {
    lines: Vec<String>,
    ended: bool,
}

impl Said {
    /// Reads on a thread of its own, so that the process never waits to be heard.
    pub(crate) fn listen(from: impl Read + Send + 'static) -> Arc<Self> {
        let said = Arc::new(Self::default());
        let hearing = Arc::clone(&said);
        std::thread::spawn(move || hearing.hear(from));
        said
    }

    /// The first line that has `part` in it.
    #[track_caller]
    pub(crate) fn wait_line(&self, part: &str) -> String {
        let found = |heard: &Heard| heard.lines.iter().find(|l| l.contains(part)).cloned();
        self.wait(part, |heard| found(heard).ok_or(heard.ended))
    }

    /// Until the process has closed its end.
    #[track_caller]
    pub(crate) fn wait_end(&self, awaited: &str) {
        self.wait(awaited, |heard| match heard.ended {
            true => Ok(()),
            false => Err(false),
        });
    }

    pub(crate) fn tail(&self, lines: usize) -> String {
        let heard = self.heard.lock().unwrap();
        let from = heard.lines.len().saturating_sub(lines);
        heard.lines[from..].join("\n")
    }

    /// `look` finds what is awaited, or says whether it can never come.
    #[track_caller]
    fn wait<T>(&self, awaited: &str, look: impl Fn(&Heard) -> Result<T, bool>) -> T {
        let until = Instant::now() + PATIENCE;
        let mut heard = self.heard.lock().unwrap();
        loop {
            let never = match look(&heard) {
                Ok(found) => return found,
                Err(never) => never,
            };
            let left = until.saturating_duration_since(Instant::now());
            if never || left.is_zero() {
                let said = heard.lines.join("\n");
                drop(heard);
                panic!("waited for {awaited:?}; it said only:\n{said}");
            }
            heard = self.news.wait_timeout(heard, left).unwrap().0;
        }
    }

    fn hear(&self, from: impl Read) {
        for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            self.heard.lock().unwrap().lines.push(line);
            self.news.notify_all();
        }
        self.heard.lock().unwrap().ended = true;
        self.news.notify_all();
    }
}
