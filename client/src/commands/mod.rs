//! What the commands do, a file for each kind.

pub(crate) mod account;
mod directories;
pub(crate) mod dispatch;
pub(crate) mod files;
pub(crate) mod lexer;
pub(crate) mod local;
pub(crate) mod table;
pub(crate) mod trees;

use skiff_sessions::path::PathArg;

use self::lexer::Word;
use crate::net::command_error::Failure;

/// A word as a name at the server.
fn remote(word: &Word) -> Result<PathArg, Failure> {
    word.remote().ok_or_else(|| {
        Failure::Refused("a name at the server is not empty and holds no NUL, CR or LF".into())
    })
}
