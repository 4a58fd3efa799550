//! The user's terminal: questions, progress, output made harmless, Ctrl-C.
//! Nothing here knows of a server or of commands.

pub(crate) mod format;
pub(crate) mod interrupt;
pub(crate) mod output;
pub(crate) mod poll;
pub(crate) mod progress;
pub(crate) mod questions;
