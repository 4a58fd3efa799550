//! Uploads and downloads files and directory trees, and words the results. What a command's words
//! mean belongs in `commands`, what carries the bytes in `net`.

mod access;
pub(crate) mod destination;
pub(crate) mod download;
pub(crate) mod file;
pub(crate) mod get_tree;
pub(crate) mod local_file;
mod local_walk;
pub(crate) mod part;
pub(crate) mod policy;
pub(crate) mod put_tree;
mod remote_walk;
pub(crate) mod remove_tree;
mod screen_text;
mod stream;
pub(crate) mod tree;
pub(crate) mod tree_summary;
pub(crate) mod upload;
pub(crate) mod walk;

#[cfg(test)]
mod tests;
