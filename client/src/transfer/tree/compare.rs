//! Compares files of equal size at both ends by their digests, those of the server asked for many
//! at a time.

use std::path::Path;

use skiff_sessions::path::PathArg;

use super::requests::digests;
use super::rule::{TreeRule, Verdict};
use crate::net::command_error::{CommandError, CommandResult};
use crate::net::session::Session;
use crate::transfer::local_file::digest;

/// A file of a tree that both ends may have.
pub(super) trait Compared {
    fn verdict(&mut self) -> &mut Verdict;
    fn here(&self) -> &Path;
    /// Its path at the server, and its size.
    fn there(&self) -> (PathArg, u64);
}

/// Settles each [`Verdict::Compare`]. Where the server tells no digest it stays: whoever transfers
/// the file hears why.
pub(super) fn compare<F: Compared>(
    session: &mut Session,
    rule: &TreeRule,
    files: &mut [F],
) -> CommandResult {
    let mut unsure: Vec<&mut F> = files
        .iter_mut()
        .filter_map(|file| (*file.verdict() == Verdict::Compare).then_some(file))
        .collect();
    let there = digests(session, unsure.iter().map(|file| file.there()).collect())?;
    for (file, there) in unsure.iter_mut().zip(there) {
        let here = digest(file.here(), session.digest, &session.interrupt);
        *file.verdict() = match (here, there) {
            (Ok(here), Some(there)) if here == there => Verdict::Unchanged,
            (_, Some(_)) => rule.of_changed(),
            (_, None) => Verdict::Compare,
        };
    }
    match session.interrupt.is_stopped() {
        true => Err(CommandError::Stopped("stopped".into())),
        false => Ok(()),
    }
}
