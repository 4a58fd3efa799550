//! The front ends parse arguments and settings, connect and log in, start commands from a batch or
//! a prompt, and end the program. What a command does belongs in `commands`; no other folder
//! imports from here.

pub(crate) mod args;
pub(crate) mod argv;
pub(crate) mod batch;
mod completion;
pub(crate) mod error;
pub(crate) mod exit;
mod folders;
pub(crate) mod help;
mod history;
pub(crate) mod hosts;
mod keep_alive;
pub(crate) mod login;
pub(crate) mod manual;
mod options;
mod password;
pub(crate) mod prompt;
pub(crate) mod settings;
pub(crate) mod shells;
