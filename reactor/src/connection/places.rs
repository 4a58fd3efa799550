//! Where a session's jobs are done: in its home, and in the shared folders that appear there.

use std::sync::Arc;
use std::time::Instant;

use skiff_sessions::rights::Links;
use skiff_sessions::server::Job;
use skiff_vfs::Home;

use super::{Connection, Stage};
use crate::accounts::shared_folders::FolderPlace;
use crate::event_loop::shared::Shared;
use crate::workers::folders::Folders;
use crate::workers::jobs::{OpenFolder, opens_file};
use crate::workers::schedule::Device;

impl Connection {
    pub(super) fn home(&self) -> Option<Arc<Home>> {
        self.open_home.as_ref().map(|open| Arc::clone(&open.home))
    }

    /// Whether names are what they seem to be: there are no links to be refused, and no shared
    /// folders.
    pub(super) fn may_ask_caches(&self) -> bool {
        let folders = self
            .open_home
            .as_ref()
            .and_then(|open| open.folders.as_ref());
        self.links() == Links::Followed && folders.is_none()
    }

    /// The shared folders of the session, and the file system that the job is about.
    pub(super) fn folders_about(&mut self, job: &Job) -> (Option<Arc<Folders>>, Option<Device>) {
        let Some(open_home) = &mut self.open_home else {
            return (None, None);
        };
        let folders = open_home.folders.clone();
        let about = folders.as_ref().and_then(|folders| folders.device_of(job));
        if opens_file(job) {
            open_home.file_device = about;
        }
        (folders, about.or_else(|| self.device()))
    }

    /// Goes on with these shared folders: one that is gone is not reached any more.
    pub(super) fn change_folders(&mut self, places: Vec<FolderPlace>) {
        if let Some(open_home) = &mut self.open_home {
            let now = open_home.folders.as_deref();
            if !now.map_or(places.is_empty(), |folders| folders.are_at(&places)) {
                open_home.folders = Folders::of(places, |_| None);
            }
        }
    }

    /// Whether links are followed for the account.
    pub(super) fn links(&self) -> Links {
        let Stage::Conversing(conversation) = &self.stage else {
            return Links::Followed;
        };
        let account = conversation.session().account();
        account.map_or(Links::Followed, |account| account.terms.permissions.links())
    }
}

/// Has a shared folder that was opened for a session counted and swept like a home.
pub(super) fn note_open_folder(opened: Option<OpenFolder>, shared: &mut Shared, now: Instant) {
    if let Some(OpenFolder {
        home,
        device,
        count,
    }) = opened
    {
        shared.note_use(&home, device, count, now);
    }
}
