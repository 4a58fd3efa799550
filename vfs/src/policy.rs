//! What the operator decides about files: modes, durability, stages, the floor of free space.

use std::time::Duration;

/// Whether a published file is on the disk before the caller hears of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Content, name and directory are synced first.
    #[default]
    Fsync,
    /// The kernel writes when it likes; a power loss may take what was confirmed.
    None,
}

/// What holds for every home of a [`crate::Homes`].
#[derive(Clone, Debug)]
pub struct Policy {
    /// Permission bits of new files. A replaced file's are kept.
    pub file_mode: u32,
    /// Permission bits of new directories.
    pub dir_mode: u32,
    /// Group of new files and directories; `None` leaves it to the system.
    pub group: Option<u32>,
    pub durability: Durability,
    /// Interrupted uploads are swept after this time without a write.
    pub stage_ttl: Duration,
    /// Interrupted uploads older than this make room for a new one that would not fit.
    pub stage_idle: Duration,
    /// A running upload without a write for this time gives way to a new one of the same name.
    pub writer_silence: Duration,
    /// Bytes that stay free on the disk whatever the quota allows; 0 asks for nothing.
    pub free_space_floor: u64,
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
        }
    }
}
