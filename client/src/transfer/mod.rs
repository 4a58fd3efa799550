//! Uploads and downloads files and directory trees, and words the results. What a command's words
//! mean belongs in `commands`, what carries the bytes in `net`.

mod access;
pub(crate) mod destination;
pub(crate) mod download;
pub(crate) mod file;
pub(crate) mod glob;
pub(crate) mod local_file;
pub(crate) mod part;
pub(crate) mod policy;
mod screen_text;
mod stream;
pub(crate) mod tree;
pub(crate) mod upload;

#[cfg(test)]
mod tests;
