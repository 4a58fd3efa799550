//! Formats directory entries as listing lines while they are sent, in bounded memory.

use std::ffi::OsString;
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use skiff_sessions::rights::Rights;
use skiff_sessions::wire::ftp::listing_lines::{push_long, push_machine, push_name};
use skiff_sessions::wire::ftp::pattern::Pattern;
use skiff_sessions::wire::listing::{self, Form, Options};
use skiff_sessions::wire::native::facts::push_entry;
use skiff_sessions::wire::reply::{self, Allowed, Facts, Kind, Right};
use skiff_sessions::wire::stamp::Stamp;
use skiff_vfs::{
    Direction, Entry, LineBreaks, Listing, Permission, Permissions, SortKey, StageInfo, VfsError,
    Worker,
};

/// Bytes of text made ahead of what is sent.
const TEXT_AHEAD: usize = 64 * 1024;
/// Entries between two looks at the clock.
const ENTRIES_PER_LOOK: u32 = 16;

/// A listing whose entries become lines as they are read.
pub(crate) struct ListingText {
    entries: Entries,
    style: ListingStyle,
    /// The directory that is listed, once its permissions are needed.
    folder: Option<Entry>,
    text: Vec<u8>,
    /// The offset of the first byte of `text` in the whole listing.
    start: u64,
    /// Why there is no more, behind `text`.
    failure: Option<VfsError>,
}

/// How far the text is that is to be sent next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NextText {
    /// There is some, or nothing more comes.
    Ready,
    NotYet,
}

/// The format of the lines, and which names are listed.
pub(crate) struct ListingStyle {
    pub(crate) form: Form,
    pub(crate) rights: Rights,
    /// Names that do not match are left out; `None` lists all.
    pub(crate) pattern: Option<Pattern>,
    /// The order of the entries.
    pub(crate) options: Options,
    /// What stands before each name of `Form::Names`.
    pub(crate) prefix: Vec<u8>,
    /// Shared folders that stand beside what is in the directory, and before all that has the
    /// name of one.
    pub(crate) folders: Vec<OsString>,
    /// The time of the listing: entries older than half a year show a year instead of a time.
    now: Stamp,
}

impl ListingStyle {
    /// A style that lists all names, bare.
    pub(crate) fn new(form: Form, rights: Rights) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = now.map_or(0, |since| since.as_secs());
        Self {
            form,
            rights,
            pattern: None,
            options: Options::UNSORTED,
            prefix: Vec::new(),
            folders: Vec::new(),
            now: Stamp(i64::try_from(seconds).unwrap_or(0)),
        }
    }

    /// The format of the native dialect, all names.
    fn native() -> Self {
        Self::new(Form::Native, Rights::ALL)
    }

    fn lists(&self, name: &[u8]) -> bool {
        self.pattern.as_ref().is_none_or(|p| p.matches(name))
    }

    /// Sorts the entries to come, where the form asks for that and they are few enough.
    fn sort(&self, worker: &Worker, listing: &mut Listing) -> Result<(), VfsError> {
        let key = match self.options.key {
            listing::SortKey::Unsorted => return Ok(()),
            listing::SortKey::Name => SortKey::Name,
            listing::SortKey::Modified => SortKey::Modified,
            listing::SortKey::Size => SortKey::Size,
        };
        let direction = match self.options.direction {
            listing::Direction::Forward => Direction::Forward,
            listing::Direction::Backward => Direction::Backward,
        };
        listing.sort(worker, key, direction, |name| self.lists(name))
    }

    fn push(&self, entry: &Entry, permissions: Option<Permissions>, text: &mut Vec<u8>) {
        let name = entry.name.as_bytes();
        if !self.lists(name) {
            return;
        }
        match self.form {
            Form::Native => push_entry(name, &facts(entry), text),
            Form::Machine(set) => {
                let allowed = permissions.map_or(Allowed::NOTHING, allowed);
                push_machine(name, &listed(entry, allowed), set, self.rights, text);
            }
            // The lines of `ls -l` tell the mode as it is.
            Form::Long => push_long(name, &listed(entry, Allowed::NOTHING), self.now, text),
            Form::Names => {
                text.extend_from_slice(&self.prefix);
                push_name(name, text);
            }
        }
    }
}

enum Entries {
    /// A directory of which no entry was read yet.
    Unread(Listing),
    Directory(Listing),
    Stages(std::vec::IntoIter<StageInfo>),
    Done,
}

impl Entries {
    fn listing(&self) -> Option<&Listing> {
        match self {
            Self::Unread(listing) | Self::Directory(listing) => Some(listing),
            Self::Stages(_) | Self::Done => None,
        }
    }
}

impl ListingText {
    pub(crate) fn of_directory(mut listing: Listing, style: ListingStyle) -> Self {
        listing.set_line_breaks(match style.form {
            Form::Native => LineBreaks::Listed,
            // These forms have no way to escape a name.
            Form::Machine(_) | Form::Long | Form::Names => LineBreaks::Hidden,
        });
        Self {
            entries: Entries::Unread(listing),
            style,
            folder: None,
            text: Vec::new(),
            start: 0,
            failure: None,
        }
    }

    pub(crate) fn of_stages(stages: Vec<StageInfo>) -> Self {
        Self {
            entries: Entries::Stages(stages.into_iter()),
            style: ListingStyle::native(),
            folder: None,
            text: Vec::new(),
            start: 0,
            failure: None,
        }
    }

    /// Makes text until there are `wanted` bytes behind the first `sent` ones of the listing, or
    /// until that time. Without it a directory whose names are all left out, or are sorted first,
    /// would hold its worker until its end.
    pub(super) fn prepare(
        &mut self,
        worker: &Worker,
        sent: u64,
        wanted: usize,
        until: Instant,
    ) -> NextText {
        self.drop_sent(sent);
        // For all entries at once; who may not is told by the first of them.
        let _acting = self.entries.listing().map(|listing| listing.act(worker));
        let wanted = wanted.min(TEXT_AHEAD);
        let mut entries = 0;
        while self.text.len() < wanted {
            if !self.push_next(worker) {
                return NextText::Ready;
            }
            entries += 1;
            // The first step may be a long one: it sorts.
            if entries % ENTRIES_PER_LOOK == 1 && Instant::now() >= until {
                break;
            }
        }
        match self.text.is_empty() {
            true => NextText::NotYet,
            false => NextText::Ready,
        }
    }

    /// Reads what [`Self::prepare`] has made, or the next entry where that is all sent.
    pub(super) fn read_at(
        &mut self,
        worker: &Worker,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, VfsError> {
        self.drop_sent(offset);
        while self.text.is_empty() && self.push_next(worker) {}
        match self.failure.take() {
            Some(failure) if self.text.is_empty() => return Err(failure),
            failure => self.failure = failure,
        }
        let count = self.text.len().min(buf.len());
        buf[..count].copy_from_slice(&self.text[..count]);
        Ok(count)
    }

    fn drop_sent(&mut self, sent: u64) {
        let of_text = usize::try_from(sent - self.start).unwrap_or(usize::MAX);
        self.text.drain(..of_text.min(self.text.len()));
        self.start = sent;
    }

    /// Makes the next entry's text; false once there is no more.
    fn push_next(&mut self, worker: &Worker) -> bool {
        self.try_push_next(worker).unwrap_or_else(|failure| {
            self.entries = Entries::Done;
            self.failure = Some(failure);
            false
        })
    }

    fn try_push_next(&mut self, worker: &Worker) -> Result<bool, VfsError> {
        match &mut self.entries {
            Entries::Unread(_) => self.begin(worker)?,
            Entries::Directory(listing) => {
                if !listing.advance(worker)? {
                    return Ok(false);
                }
                if self.style.folders.contains(&listing.entry().name) {
                    return Ok(true);
                }
                let (entry, folder) = (listing.entry(), self.folder.as_ref());
                let permissions = folder.map(|folder| listing.permissions(entry, Some(folder)));
                self.style.push(entry, permissions, &mut self.text);
            }
            Entries::Stages(stages) => match stages.next() {
                Some(stage) => push_stage(&stage, &mut self.text),
                None => {
                    self.entries = Entries::Done;
                    return Ok(false);
                }
            },
            Entries::Done => return Ok(false),
        }
        Ok(true)
    }

    /// Does what is done once, on a worker, before the first entry.
    fn begin(&mut self, worker: &Worker) -> Result<(), VfsError> {
        if let Entries::Unread(mut listing) = mem::replace(&mut self.entries, Entries::Done) {
            if matches!(self.style.form, Form::Machine(_)) {
                self.folder = listing.folder(worker)?;
            }
            self.style.sort(worker, &mut listing)?;
            self.push_folders(worker, &mut listing)?;
            self.entries = Entries::Directory(listing);
        }
        Ok(())
    }

    /// Lists the shared folders. Their own disks are not asked: one may hang, or be gone.
    fn push_folders(&mut self, worker: &Worker, listing: &mut Listing) -> Result<(), VfsError> {
        if self.style.folders.is_empty() {
            return Ok(());
        }
        let Some(home) = listing.folder(worker)? else {
            return Ok(());
        };
        let permissions = listing.permissions(&home, None);
        for name in self.style.folders.clone() {
            let entry = Entry {
                name,
                ..home.clone()
            };
            self.style.push(&entry, Some(permissions), &mut self.text);
        }
        Ok(())
    }

    pub(super) fn left_out(&self) -> u64 {
        match &self.entries {
            Entries::Unread(listing) | Entries::Directory(listing) => listing.hidden(),
            Entries::Stages(_) | Entries::Done => 0,
        }
    }
}

fn push_stage(stage: &StageInfo, text: &mut Vec<u8>) {
    let mut path = b"/".to_vec();
    path.extend_from_slice(stage.path.as_os_str().as_bytes());
    let modified = Stamp(stage.modified.seconds);
    let facts = Facts {
        kind: Kind::File,
        size: stage.size,
        modified,
        mode: None,
    };
    push_entry(&path, &facts, text);
}

/// Converts an entry of vfs into what FTP's listings show.
pub(crate) fn listed(entry: &Entry, allowed: Allowed) -> reply::Entry {
    let target = entry.target.as_ref();
    reply::Entry {
        facts: facts(entry),
        target: target.map(|target| target.as_bytes().to_vec()),
        allowed,
    }
}

pub(crate) fn allowed(permissions: Permissions) -> Allowed {
    let rights = [
        (Permission::Read, Right::Read),
        (Permission::Write, Right::Write),
        (Permission::Search, Right::Search),
        (Permission::Rename, Right::Rename),
    ];
    let granted = rights.into_iter().filter(|(p, _)| permissions.has(*p));
    granted.fold(Allowed::NOTHING, |all, (_, right)| all.with(right))
}

/// Converts an entry of vfs into the facts that listings show.
pub(crate) fn facts(entry: &Entry) -> Facts {
    let kind = match entry.kind {
        skiff_vfs::Kind::File => Kind::File,
        skiff_vfs::Kind::Directory => Kind::Directory,
        skiff_vfs::Kind::Link => Kind::Link,
        _ => Kind::Other,
    };
    Facts {
        kind,
        size: entry.size,
        modified: Stamp(entry.modified.seconds),
        mode: Some(entry.mode & 0o7777),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;
    use std::sync::Arc;
    use std::time::Duration;

    use skiff_vfs::{Home, Homes, Limit, Policy};

    use super::*;

    const NAMES: usize = 500;

    /// Has a worker do something with a home of [`NAMES`] names.
    fn in_home<T: Send + 'static>(
        act: impl FnOnce(&Worker, &Arc<Home>) -> T + Send + 'static,
    ) -> T {
        let folder = tempfile::tempdir().unwrap();
        let (state, root) = (folder.path().join("state"), folder.path().join("home"));
        for made in [&state, &root] {
            std::fs::create_dir(made).unwrap();
        }
        for name in 0..NAMES {
            File::create(root.join(format!("{name:04}"))).unwrap();
        }
        let work = move |worker: &Worker| {
            let homes = Homes::new(state, Policy::default());
            let home = homes.open(worker, "tom", &root, Limit::new(1, 1)).unwrap();
            act(worker, &home)
        };
        Worker::spawn("test", work).unwrap().join().unwrap()
    }

    /// Lists it in turns of no time at all; the text of each turn.
    fn turns_of(style: fn() -> ListingStyle) -> Vec<Vec<u8>> {
        in_home(move |worker, home| turns(worker, home, style()))
    }

    fn turns(worker: &Worker, home: &Arc<Home>, style: ListingStyle) -> Vec<Vec<u8>> {
        let listing = home.list(worker, Path::new("")).unwrap();
        let mut text = ListingText::of_directory(listing, style);
        let (mut turns, mut sent, mut buf) = (Vec::new(), 0, [0; 4096]);
        let over = Instant::now();
        loop {
            if text.prepare(worker, sent, buf.len(), over) == NextText::NotYet {
                turns.push(Vec::new());
                continue;
            }
            let count = text.read_at(worker, sent, &mut buf).unwrap();
            if count == 0 {
                return turns;
            }
            turns.push(buf[..count].to_vec());
            sent += count as u64;
        }
    }

    fn names() -> ListingStyle {
        ListingStyle::new(Form::Names, Rights::ALL)
    }

    #[test]
    fn a_turn_ends_after_a_few_entries_and_all_turns_are_the_listing() {
        let turns = turns_of(names);
        assert!(turns.len() >= NAMES / ENTRIES_PER_LOOK as usize);
        let text = String::from_utf8(turns.concat()).unwrap();
        let mut names: Vec<_> = text.lines().collect();
        names.sort_unstable();
        let all: Vec<_> = (0..NAMES).map(|name| format!("{name:04}")).collect();
        assert_eq!(names, all);
    }

    #[test]
    fn turns_end_where_all_names_are_left_out_too() {
        let turns = turns_of(|| ListingStyle {
            pattern: Some(Pattern::new(b"nothing*")),
            ..names()
        });
        assert!(turns.len() >= NAMES / ENTRIES_PER_LOOK as usize);
        assert!(turns.concat().is_empty());
    }

    #[test]
    fn sorting_is_a_turn_of_its_own() {
        let turns = turns_of(|| ListingStyle {
            options: Options {
                key: listing::SortKey::Name,
                ..Options::UNSORTED
            },
            ..names()
        });
        assert!(turns[0].is_empty());
        let text = String::from_utf8(turns.concat()).unwrap();
        assert_eq!(text.lines().count(), NAMES);
        assert!(text.lines().is_sorted());
    }

    #[test]
    fn with_time_enough_a_turn_makes_all_that_is_wanted() {
        let made = in_home(|worker, home| {
            let listing = home.list(worker, Path::new("")).unwrap();
            let mut text = ListingText::of_directory(listing, names());
            let later = Instant::now() + Duration::from_secs(600);
            assert_eq!(text.prepare(worker, 0, usize::MAX, later), NextText::Ready);
            text.text.len()
        });
        assert_eq!(made, NAMES * "0000\r\n".len());
    }
}
