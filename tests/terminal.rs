//! The client as a person and as a script meets it: `skiff` in a terminal, and without one.

mod batch;
mod desk;
mod exits;
mod line;
mod login;
mod names;
mod prompt;
mod screen;
mod stopping;
mod transfers;
