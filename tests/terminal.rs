//! The client as a person and as a script meets it: `skiff` in a terminal, and without one.

mod batch;
mod desk;
mod exits;
mod liar;
mod lies;
mod line;
mod login;
mod names;
mod passwords;
mod prompt;
mod screen;
mod stopping;
mod transfers;
