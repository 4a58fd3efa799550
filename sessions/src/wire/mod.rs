//! The grammars of both dialects: bytes on one side, `Command` and `Reply` on the other. Decoding
//! can fail, encoding cannot. Nothing here knows a session.

pub mod codec;
pub mod command;
mod entry;
pub mod ftp;
pub mod line;
pub mod listing;
pub mod native;
mod number;
pub mod proxy_header;
pub mod reply;
mod shared_text;
pub mod stamp;
mod usage;
