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

/// Returns the fate of each upload. The questions go one by one: an answer that does not come in time
/// leaves no others behind it.
pub(crate) fn of_uploads(session: &mut Session, uploads: &[UnderWay]) -> Vec<Fate> {
    let leave_at = Instant::now() + PATIENCE;
    let mut fates = vec![Fate::Unknown; uploads.len()];
    let mut staged = Vec::new();
    let listed = session.list_until(Command::Stages, leave_at, |path| staged.push(path.to_vec()));
    if listed.is_none() {
        return fates;
    }
    for (fate, upload) in fates.iter_mut().zip(uploads) {
        let path = absolute(session, &upload.path);
        if path.is_some_and(|path| staged.contains(&path)) {
            *fate = Fate::KeptInPart;
            continue;
        }
        let command = Command::Facts(upload.path.clone());
        *fate = match session.request_until(command, leave_at) {
            Some(found) if is_stored(&found, upload) => Fate::Stored,
            Some(_) => Fate::NotStored,
            None => break,
        };
    }
    fates
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
