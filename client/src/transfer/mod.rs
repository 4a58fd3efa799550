//! Files and directory trees that go up or down, and their local ends.
//! How a command is typed belongs in `commands`, what carries bytes in `net`.

pub(crate) mod download;
pub(crate) mod file;
pub(crate) mod get_tree;
pub(crate) mod local_file;
pub(crate) mod policy;
pub(crate) mod put_tree;
pub(crate) mod tree;
pub(crate) mod tree_summary;
pub(crate) mod upload;

#[cfg(test)]
mod tests;
