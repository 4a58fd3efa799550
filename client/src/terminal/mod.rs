//! Talks to the user's terminal: asks questions, shows progress, prints lines with harmless names,
//! and notices Ctrl-C. Nothing here opens a connection or a transferred file, and nothing knows the
//! commands.

pub(crate) mod columns;
mod display;
mod figures;
pub(crate) mod format;
pub(crate) mod input;
pub(crate) mod interrupt;
pub(crate) mod job_output;
pub(crate) mod lines;
pub(crate) mod nearest;
pub(crate) mod output;
pub(crate) mod pager;
pub(crate) mod poll;
pub(crate) mod progress;
pub(crate) mod questions;
mod rate;
pub(crate) mod records;
pub(crate) mod redirect;
mod status_line;
pub(crate) mod tree_progress;
mod tty;
