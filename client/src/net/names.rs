//! Keeps the names of listings for a few seconds, so that completion asks the server once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use skiff_sessions::wire::command::Command;
use skiff_sessions::wire::reply::Kind;

/// How long a listing is taken for fresh; other sessions may change the directory meanwhile.
const FRESH: Duration = Duration::from_secs(10);

/// Directories whose listings are kept; the oldest goes.
const DIRECTORIES_MAX: usize = 16;

/// A name of a listing and what it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ListedName {
    pub name: Vec<u8>,
    pub kind: Kind,
}

impl ListedName {
    pub(super) fn new(name: &[u8], kind: Kind) -> Self {
        let name = name.to_vec();
        Self { name, kind }
    }
}

/// The listings of the last seconds.
#[derive(Default)]
pub(crate) struct NameCache(Vec<CachedListing>);

struct CachedListing {
    path: Vec<u8>,
    listed_at: Instant,
    names: Arc<[ListedName]>,
}

impl NameCache {
    /// Returns the listing of a directory if there is a fresh one.
    pub(super) fn get(&mut self, path: &[u8], now: Instant) -> Option<Arc<[ListedName]>> {
        self.0
            .retain(|listing| now.saturating_duration_since(listing.listed_at) < FRESH);
        let found = self.0.iter().find(|listing| listing.path == path)?;
        Some(Arc::clone(&found.names))
    }

    /// Keeps a listing.
    pub(super) fn put(
        &mut self,
        path: Vec<u8>,
        names: Vec<ListedName>,
        now: Instant,
    ) -> Arc<[ListedName]> {
        self.0.retain(|listing| listing.path != path);
        if self.0.len() == DIRECTORIES_MAX {
            self.0.remove(0);
        }
        let names: Arc<[ListedName]> = names.into();
        self.0.push(CachedListing {
            path,
            listed_at: now,
            names: Arc::clone(&names),
        });
        names
    }

    /// Forgets all listings.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// What a command leaves behind at the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum CommandEffect {
    /// Nothing: sent twice it is as if it was sent once.
    None,
    /// A directory may list other names than before.
    Names,
    /// What it changes is seen in no listing.
    Unlisted,
}

pub(super) fn effect_of(command: &Command) -> CommandEffect {
    match command {
        Command::Store(_)
        | Command::Delete(_)
        | Command::MakeDirectory(_)
        | Command::MakeLink { .. }
        | Command::RenameFrom(_)
        | Command::DropStage(_) => CommandEffect::Names,
        Command::SetAttributes(_) | Command::SetPassword(_) => CommandEffect::Unlisted,
        Command::Login { .. }
        | Command::Prove { .. }
        | Command::WorkingDirectory
        | Command::ChangeDirectory(_)
        | Command::List(_)
        | Command::Retrieve(_)
        | Command::RetrieveRange(_)
        | Command::Status
        | Command::Facts(_)
        | Command::ReadLink(_)
        | Command::Usage
        | Command::Hash { .. }
        | Command::Stages
        | Command::System
        | Command::Help(_)
        | Command::Noop
        | Command::Abort
        | Command::Quit
        | Command::Answer(_) => CommandEffect::None,
        // Commands of FTP, which this client does not speak.
        _ => CommandEffect::Names,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> Vec<ListedName> {
        of.iter()
            .map(|name| ListedName::new(name.as_bytes(), Kind::File))
            .collect()
    }

    #[test]
    fn a_listing_is_fresh_for_ten_seconds_or_until_names_change() {
        let now = Instant::now();
        let mut cache = NameCache::default();
        assert!(cache.get(b"/", now).is_none());
        cache.put(b"/".to_vec(), names(&["a"]), now);
        let later = now + FRESH - Duration::from_millis(1);
        assert_eq!(*cache.get(b"/", later).unwrap(), names(&["a"]));
        assert!(cache.get(b"/docs", later).is_none());
        assert!(cache.get(b"/", now + FRESH).is_none());
        cache.put(b"/".to_vec(), names(&["b"]), now);
        cache.clear();
        assert!(cache.get(b"/", now).is_none());
    }

    #[test]
    fn few_listings_are_kept_and_each_once() {
        let now = Instant::now();
        let mut cache = NameCache::default();
        for n in 0..2 * DIRECTORIES_MAX {
            cache.put(format!("/{n}").into_bytes(), names(&["a"]), now);
            cache.put(b"/last".to_vec(), names(&["b"]), now);
        }
        assert_eq!(cache.0.len(), DIRECTORIES_MAX);
        assert!(cache.get(b"/last", now).is_some());
    }
}
