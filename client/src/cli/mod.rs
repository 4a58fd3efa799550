//! The front ends: arguments and settings, connecting and logging in, the batch and the prompt that
//! start commands, and how the program ends. What a command does belongs in `commands`; no other
//! folder imports from here.

pub(crate) mod args;
pub(crate) mod batch;
mod completion;
pub(crate) mod error;
pub(crate) mod exit;
pub(crate) mod login;
pub(crate) mod prompt;
pub(crate) mod settings;
