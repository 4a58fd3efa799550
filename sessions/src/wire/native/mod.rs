//! The native dialect (sessions/PROTOCOL.md): verbs, codes, frames, listing lines, and both ends'
//! decoders and encoders.

pub mod causes;
pub mod codes;
pub mod commands;
pub mod facts;
pub mod frames;
pub mod line_parts;
pub mod path_escape;
pub mod replies;
pub mod verbs;
