//! Who can be asked, and how: a question, a line, a secret.

use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::PollFlags;
use zeroize::Zeroizing;

use super::interrupt::Interrupt;
use super::poll::poll_once;

/// Whether somebody sits at the terminal.
#[derive(Clone)]
pub(crate) enum Asker {
    Terminal(Interrupt),
    Nobody,
}

impl Asker {
    /// `None` when Ctrl-C was the answer; `fallback` where nobody is there.
    pub(crate) fn confirm(&self, question: &str, fallback: bool) -> Option<bool> {
        let Self::Terminal(interrupt) = self else {
            return Some(fallback);
        };
        loop {
            let line = read_line(&format!("{question} (y/n) "), interrupt)?;
            match line.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => return Some(true),
                "n" | "no" => return Some(false),
                _ => {}
            }
        }
    }

    pub(crate) fn can_ask(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// A line from the terminal; `None` at its end, or when nobody is there.
    pub(crate) fn read_line(&self, prompt: &str) -> Option<String> {
        match self {
            Self::Terminal(interrupt) => read_line(prompt, interrupt),
            Self::Nobody => None,
        }
    }
}

/// Somebody can be asked: both ends of the talk are a terminal.
pub(crate) fn is_at_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Types nothing on the screen.
pub(crate) fn read_password(prompt: &str) -> io::Result<Zeroizing<String>> {
    rpassword::prompt_password(prompt).map(Zeroizing::new)
}

/// `None` at the end of input and after Ctrl-C.
fn read_line(prompt: &str, interrupt: &Interrupt) -> Option<String> {
    let mut out = io::stdout().lock();
    let _ = out.write_all(prompt.as_bytes()).and_then(|()| out.flush());
    let stdin = io::stdin();
    // A read would go on after Ctrl-C (SA_RESTART), so it begins when a line is there.
    while !poll_once(stdin.as_fd(), PollFlags::IN, Duration::from_millis(250)).ok()? {
        if interrupt.is_raised() {
            let _ = writeln!(out);
            return None;
        }
    }
    let mut line = String::new();
    match stdin.lock().read_line(&mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line),
    }
}
