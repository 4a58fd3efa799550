//! Asks the user: yes or no, a line, a password.

use std::io::{self, BufRead, IsTerminal, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::PollFlags;
use zeroize::Zeroizing;

use super::interrupt::Interrupt;
use super::poll::poll_once;

/// Who answers questions.
#[derive(Clone)]
pub(crate) enum Asker {
    /// The user at the terminal; a raised interrupt ends a question.
    Terminal(Interrupt),
    /// Nobody: each question has a default answer.
    Nobody,
}

impl Asker {
    /// Asks a yes-or-no question until it is answered. Returns `fallback` if nobody can be asked,
    /// and `None` after Ctrl-C or at the end of input.
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

    /// True when a user sits at the terminal.
    pub(crate) fn can_ask(&self) -> bool {
        matches!(self, Self::Terminal(_))
    }

    /// Asks for a line. Returns `None` at the end of input, after Ctrl-C, or if nobody can be
    /// asked.
    pub(crate) fn read_line(&self, prompt: &str) -> Option<String> {
        match self {
            Self::Terminal(interrupt) => read_line(prompt, interrupt),
            Self::Nobody => None,
        }
    }
}

/// True when standard input and standard output are both a terminal.
pub(crate) fn is_at_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Asks for a password on the terminal, without echo.
pub(crate) fn read_password(prompt: &str) -> io::Result<Zeroizing<String>> {
    rpassword::prompt_password(prompt).map(Zeroizing::new)
}

/// Prints `prompt` and reads a line; `None` at the end of input and after Ctrl-C.
fn read_line(prompt: &str, interrupt: &Interrupt) -> Option<String> {
    let mut out = io::stdout().lock();
    let _ = out.write_all(prompt.as_bytes()).and_then(|()| out.flush());
    let stdin = io::stdin();
    // The handler of SIGINT restarts a read (SA_RESTART), so the read begins only when a line is
    // there.
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
