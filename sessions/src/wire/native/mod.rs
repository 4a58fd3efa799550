//! The native dialect (sessions/PROTOCOL.md): its verbs, codes, frames and facts.

pub mod answers;
pub mod codes;
pub mod commands;
pub mod facts;
pub mod frames;
pub mod line_parts;
pub mod text;
pub mod verbs;
