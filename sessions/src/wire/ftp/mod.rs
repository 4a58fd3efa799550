//! The FTP dialect (RFC 959 and what was added to it): its verbs, codes and
//! listing lines.

mod arguments;
pub mod codes;
mod features;
pub mod lines;
mod network;
pub mod pattern;
mod site;
mod text;
pub mod verbs;
mod words;
