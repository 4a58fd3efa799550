//! Parses command lines, looks commands up in a table, and runs them. How files are transferred
//! belongs in `transfer`; where command lines come from, in `cli`.

pub(crate) mod account;
mod attributes;
mod connections;
mod directories;
pub(crate) mod dispatch;
mod each;
mod edit;
mod expand;
mod files;
pub(crate) mod help;
pub(crate) mod jobs;
pub(crate) mod lexer;
mod lines;
mod list_style;
mod listing;
mod local;
mod local_time;
mod looking;
pub(crate) mod options;
mod output;
pub(crate) mod partial;
mod remove;
pub(crate) mod spec;
pub(crate) mod sync;
pub(crate) mod table;
pub(crate) mod targets;
pub(crate) mod topics;
mod trees;
