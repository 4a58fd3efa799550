//! Changes names and attributes: mkdir, remove, rename, times and permission bits.
//!
//! This folder holds the operations that write no content. Those that do are in `upload/`, those
//! that change nothing in `reading/`.

mod attributes;
mod make_dir;
mod make_link;
mod path_length;
mod remove;
mod rename;
mod retention;
