//! The operator's settings for all homes: modes, durability, age of stages, free space to keep.

use std::time::Duration;

/// Whether a published file is synced to the disk before the caller is told of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Content, name and directory are synced first, with fsync(2).
    #[default]
    Fsync,
    /// Nothing is synced; a power loss may take files that were confirmed.
    None,
}

/// The settings of every home of one [`crate::Homes`].
#[derive(Clone, Debug)]
pub struct Policy {
    /// Permission bits of new files. A file that replaces another keeps that one's bits.
    pub file_mode: u32,
    /// Permission bits of new directories.
    pub dir_mode: u32,
    /// Group ID of new files and directories; `None` leaves it to the kernel.
    pub group: Option<u32>,
    /// Whether what is published is synced.
    pub durability: Durability,
    /// [`crate::Home::sweep`] removes a stage after this time without a write.
    pub stage_ttl: Duration,
    /// A stage without a write for this time is removed where a new upload would exceed the quota.
    pub stage_idle: Duration,
    /// A running upload without a write for this time is cancelled when a new one of the same name
    /// is asked for.
    pub writer_silence: Duration,
    /// Bytes that uploads leave free on the disk, whatever the quota allows; 0 turns the check off.
    pub free_space_floor: u64,
    /// A home is counted again at its first opening and after each such time; `None`: only where
    /// the ledger is lost or stale.
    pub recount: Option<Duration>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            file_mode: 0o644,
            dir_mode: 0o755,
            group: None,
            durability: Durability::Fsync,
            stage_ttl: Duration::from_secs(24 * 60 * 60),
            stage_idle: Duration::from_secs(10 * 60),
            writer_silence: Duration::from_secs(5),
            free_space_floor: 64 << 20,
            recount: Some(Duration::from_secs(24 * 60 * 60)),
        }
    }
}
