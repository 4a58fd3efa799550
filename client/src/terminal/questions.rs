//! Asks the user: yes or no, a line, a password.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use zeroize::Zeroizing;

use super::interrupt::Interrupt;
use super::tty::{Hushed, Tty};

/// Who answers questions.
#[derive(Clone)]
pub(crate) enum Asker {
    /// The user at the terminal; Ctrl-C ends a question.
    Terminal(Arc<Tty>, Interrupt),
    /// Nobody: each question has a default answer.
    Nobody,
}

impl Asker {
    /// The user at the controlling terminal, if there is one.
    pub(crate) fn at_terminal(interrupt: &Interrupt) -> Self {
        Tty::open().map_or(Self::Nobody, |tty| {
            Self::Terminal(Arc::new(tty), interrupt.clone())
        })
    }

    /// Asks a yes-or-no question until it is answered. Returns `fallback` if nobody can be asked,
    /// and `None` after Ctrl-C or at the end of input.
    pub(crate) fn confirm(&self, question: &str, fallback: bool) -> Option<bool> {
        let Self::Terminal(tty, interrupt) = self else {
            return Some(fallback);
        };
        loop {
            let line = tty.read_line(&format!("{question} (y/n) "), interrupt)?;
            match line.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => return Some(true),
                "n" | "no" => return Some(false),
                _ => {}
            }
        }
    }

    /// True when a user sits at the terminal.
    pub(crate) fn can_ask(&self) -> bool {
        matches!(self, Self::Terminal(..))
    }

    /// Asks for a line. Returns `None` at the end of input, after Ctrl-C, or if nobody can be
    /// asked.
    pub(crate) fn read_line(&self, prompt: &str) -> Option<Zeroizing<String>> {
        match self {
            Self::Terminal(tty, interrupt) => tty.read_line(prompt, interrupt),
            Self::Nobody => None,
        }
    }

    /// Asks for a password, without echo; `None` as with [`Asker::read_line`].
    pub(crate) fn read_password(&self, prompt: &str) -> io::Result<Option<Zeroizing<String>>> {
        match self {
            Self::Terminal(tty, interrupt) => tty.read_secret(prompt, interrupt),
            Self::Nobody => Ok(None),
        }
    }

    /// Turns the terminal's echo off until the result is dropped; `None` where there is no
    /// terminal.
    pub(crate) fn hush(&self) -> Option<Hushed> {
        match self {
            Self::Terminal(tty, _) => tty.hush().ok(),
            Self::Nobody => None,
        }
    }
}

/// True when standard input and standard output are both a terminal: there is a prompt.
pub(crate) fn is_at_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}
