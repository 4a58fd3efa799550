//! The commands: how a line of them is read, the table of them, and what each does.
//! How files are carried belongs in `transfer`; who types the lines, in `cli`.

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
