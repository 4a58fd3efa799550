//! What the commands do, a file for each kind.

pub(crate) mod account;
pub(crate) mod directories;
pub(crate) mod files;
pub(crate) mod lexer;
pub(crate) mod local;
pub(crate) mod table;
pub(crate) mod trees;

use skiff_sessions::path::PathArg;
use skiff_sessions::transfer::{Sink, Source};
use skiff_sessions::wire::reply::Refusal;

use crate::commands::lexer::Word;
use crate::net::command_error::Failure;
use crate::net::dialogue::Local;
use crate::terminal::progress::Meter;

/// A request that may take the server a while.
pub(crate) struct Waiting {
    pub meter: Meter,
}

impl Local for Waiting {
    fn working(&mut self, done: u64, of: u64) {
        self.meter.working(done, of);
    }
}

impl Source for Waiting {
    fn read_at(&mut self, _: u64, _: &mut [u8]) -> Result<usize, Refusal> {
        Err(Refusal::Fault)
    }
}

impl Sink for Waiting {
    fn write(&mut self, _: &[u8]) -> Result<(), Refusal> {
        Err(Refusal::Fault)
    }
}

/// A word as a name at the server.
fn remote(word: &Word) -> Result<PathArg, Failure> {
    word.remote().ok_or_else(|| {
        Failure::Refused("a name at the server is not empty and holds no NUL, CR or LF".into())
    })
}
