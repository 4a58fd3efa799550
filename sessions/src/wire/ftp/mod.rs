//! The FTP dialect (RFC 959 and its extensions): verbs, codes, reply text and listing lines.

mod arguments;
pub mod codes;
mod data_address;
mod features;
pub mod listing_lines;
pub mod name_prefix;
pub mod pattern;
mod reply_line;
mod reply_text;
mod site;
pub mod verbs;
