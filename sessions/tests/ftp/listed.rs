//! Makes listings of the simulated disk.

use skiff_sessions::rights::Rights;
use skiff_sessions::server::job::{ListingRequest, Place};
use skiff_sessions::wire::ftp::listing_lines::{push_long, push_machine, push_name};
use skiff_sessions::wire::ftp::name_prefix::{Found, name_prefix};
use skiff_sessions::wire::ftp::pattern::{Pattern, is_pattern};
use skiff_sessions::wire::listing::{Depth, Direction, Form};
use skiff_sessions::wire::native::facts::push_entry;
use skiff_sessions::wire::reply::{Entry, Facts, Kind, Refusal};
use skiff_sessions::wire::stamp::Stamp;

use super::disk::{Disk, OLD_TIME, Path};
use super::jobs::parent;

/// A week after everything was made.
const TODAY: Stamp = Stamp(OLD_TIME.0 + 7 * 86_400);

impl Disk {
    /// The lines, and how many names would forge one.
    pub(super) fn listing(&self, request: &ListingRequest) -> Result<(Vec<u8>, u64), Refusal> {
        let ListingRequest {
            place,
            literal,
            options,
            form,
            rights,
        } = request;
        let there = |place: &&Place| self.facts(&place.path.as_bytes().to_vec()).is_ok();
        let literal = literal.as_ref().filter(there);
        if literal.is_none() && options.depth == Depth::All {
            return Err(Refusal::NotRecursive);
        }
        let place = literal.unwrap_or(place);
        let path = &place.path.as_bytes().to_vec();
        let leaf = leaf(path);
        let (mut names, pattern, found) = match self.folder(path) {
            Ok(()) => (self.inside(path), None, Found::Directory),
            Err(why @ Refusal::NotADirectory) if matches!(form, Form::Machine(_)) => {
                return Err(why);
            }
            Err(Refusal::NotADirectory) => (vec![path], None, Found::Name),
            Err(_) if form.allows_patterns() && is_pattern(leaf) => {
                let above = parent(path);
                self.folder(&above)?;
                (self.inside(&above), Some(Pattern::new(leaf)), Found::Name)
            }
            Err(why) => return Err(why),
        };
        if options.direction == Direction::Backward {
            names.reverse();
        }
        let prefix = name_prefix(&place.path, place.typed.as_ref(), found);
        let (mut text, mut hidden) = (Vec::new(), 0);
        for name in names {
            let (name, entry) = (self::leaf(name), self.entry(name)?);
            match pattern.as_ref().is_none_or(|p| p.matches(name)) {
                true if name.contains(&b'\n') => hidden += 1,
                true => push((*form, &prefix), *rights, name, &entry, &mut text),
                false => {}
            }
        }
        Ok((text, hidden))
    }

    pub(super) fn stage_lines(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (path, bytes) in &self.stages {
            let facts = Facts {
                kind: Kind::File,
                size: bytes.len() as u64,
                modified: OLD_TIME,
                mode: None,
            };
            push_entry(path, &facts, &mut text);
        }
        text
    }

    fn inside(&self, folder: &Path) -> Vec<&Path> {
        let mut names: Vec<_> = self.files.keys().chain(&self.folders).collect();
        names.retain(|name| name.len() > 1 && &parent(name) == folder);
        names.sort();
        names
    }
}

fn push(
    (form, prefix): (Form, &[u8]),
    rights: Rights,
    name: &[u8],
    entry: &Entry,
    text: &mut Vec<u8>,
) {
    match form {
        Form::Native => push_entry(name, &entry.facts, text),
        Form::Machine(set) => push_machine(name, entry, set, rights, text),
        Form::Long => push_long(name, entry, TODAY, text),
        Form::Names => push_name(&[prefix, name].concat(), text),
    }
}

fn leaf(path: &[u8]) -> &[u8] {
    path.rsplit(|&b| b == b'/').next().unwrap_or_default()
}
