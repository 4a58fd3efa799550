//! Asks the server what became of uploads whose answers were not read, as the user has stopped them.

use std::time::{Duration, Instant};

use skiff_sessions::client::PutOrder;
use skiff_sessions::path::{PathArg, VirtualPath};
use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::native::replies::ReplyLine;
use skiff_sessions::wire::reply::Kind;
use skiff_sessions::wire::stamp::Stamp;

use super::session::Session;

/// How long the server may take to tell: the user waits for the prompt.
const PATIENCE: Duration = Duration::from_millis(250);

/// What became of an upload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Stored,
    /// The server keeps what came, and the next upload of the name goes on with it.
    KeptInPart,
    NotStored,
    /// There is no connection to ask over, or no answer came in time.
    Unknown,
}

/// What was under way.
pub(crate) struct UnderWay {
    pub(crate) path: PathArg,
    pub(crate) size: u64,
    pub(crate) modified: Option<Stamp>,
}

impl From<&PutOrder> for UnderWay {
    fn from(order: &PutOrder) -> Self {
        Self {
            path: order.path.clone(),
            size: order.size,
            modified: order.modified,
        }
    }
}

/// Returns the fate of each upload.
pub(crate) fn of_uploads(session: &mut Session, uploads: &[UnderWay]) -> Vec<Fate> {
    let leave_at = Instant::now() + PATIENCE;
    let mut fates = vec![Fate::Unknown; uploads.len()];
    let Some(found) = look_up(session, uploads, leave_at) else {
        return fates;
    };
    for ((fate, upload), found) in fates.iter_mut().zip(uploads).zip(&found) {
        if is_stored(found, upload) {
            *fate = Fate::Stored;
        }
    }
    if fates.iter().all(|fate| *fate == Fate::Stored) {
        return fates;
    }
    let mut staged = Vec::new();
    let listed = session.list_until(Command::Stages, leave_at, |path| staged.push(path.to_vec()));
    if listed.is_none() {
        return fates;
    }
    for (fate, upload) in fates.iter_mut().zip(uploads) {
        if *fate == Fate::Unknown {
            let path = absolute(session, &upload.path);
            let is_kept = path.is_some_and(|path| staged.contains(&path));
            *fate = match is_kept {
                true => Fate::KeptInPart,
                false => Fate::NotStored,
            };
        }
    }
    fates
}

/// Asks what has each name; `None` where not all is answered in time.
fn look_up(
    session: &mut Session,
    uploads: &[UnderWay],
    leave_at: Instant,
) -> Option<Vec<ReplyLine>> {
    let (first, others) = uploads.split_first()?;
    // Behind its answer there is nothing left of what was stopped.
    let answered = session.request_until(Command::Facts(first.path.clone()), leave_at)?;
    for upload in others {
        session.send_ahead(&Command::Facts(upload.path.clone()));
    }
    let mut found = vec![answered];
    for _ in others {
        found.push(session.reply_until(leave_at)?);
    }
    Some(found)
}

fn is_stored(found: &ReplyLine, upload: &UnderWay) -> bool {
    found.facts.is_some_and(|facts| {
        let is_of_then = upload.modified.is_none_or(|time| time == facts.modified);
        facts.kind == Kind::File && facts.size == upload.size && is_of_then
    })
}

/// Returns the path as STAGES tells it.
pub(super) fn absolute(session: &Session, path: &PathArg) -> Option<Vec<u8>> {
    let cwd = PathArg::new(session.cwd.clone())?;
    let cwd = VirtualPath::root().join(&cwd).ok()?;
    cwd.join(path).ok().map(VirtualPath::into_bytes)
}
