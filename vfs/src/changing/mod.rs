//! Changing names and attributes, no content.

mod attributes;
mod make_dir;
mod remove;
mod rename;
