//! The client as a person and as a script meets it: `skiff` in a terminal, and without one.

mod arguments;
mod batch;
mod desk;
mod exits;
mod hosts;
mod json;
mod liar;
mod lies;
mod line;
mod lines;
mod listings;
mod local_files;
mod login;
mod looking;
mod names;
mod options;
mod overwrite;
mod passwords;
mod prompt;
mod screen;
mod several;
mod staying;
mod stopping;
mod transfers;
mod widths;
mod words;
