//! The commands: the syntax of a command line, the table of commands, and what each command does.
//! How files are transferred belongs in `transfer`; where command lines come from, in `cli`.

pub(crate) mod account;
mod directories;
pub(crate) mod dispatch;
mod files;
pub(crate) mod lexer;
mod local;
pub(crate) mod spec;
pub(crate) mod table;
mod targets;
mod trees;
