//! The front ends: arguments, settings, login, batch, prompt, and how the program ends.
//! Nothing below imports from here; what commands do belongs in `commands`.

pub(crate) mod args;
pub(crate) mod batch;
mod completion;
pub(crate) mod error;
pub(crate) mod exit;
pub(crate) mod login;
pub(crate) mod prompt;
pub(crate) mod settings;
