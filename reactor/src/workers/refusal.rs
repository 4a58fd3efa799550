//! Translates errors of vfs into the refusals that peers are told.

use skiff_sessions::wire::reply::Refusal;
use skiff_vfs::VfsError;

/// What a peer is told of `error`. Only the log gets the cause of an I/O error.
pub(crate) fn refusal(error: &VfsError) -> Refusal {
    match error {
        VfsError::NotFound => Refusal::NotFound,
        VfsError::NotADirectory => Refusal::NotADirectory,
        VfsError::IsADirectory => Refusal::IsADirectory,
        VfsError::Exists => Refusal::Exists,
        VfsError::NotEmpty => Refusal::NotEmpty,
        VfsError::Escapes => Refusal::LeadsOut,
        VfsError::Link => Refusal::Link,
        VfsError::TargetEscapes => Refusal::TargetLeadsOut,
        VfsError::NotALink => Refusal::NotALink,
        VfsError::Forbidden => Refusal::Forbidden,
        VfsError::NotRegular => Refusal::NotRegular,
        VfsError::BadName => Refusal::BadName,
        VfsError::NameTooLong => Refusal::NameTooLong,
        VfsError::TheHome => Refusal::TheHome,
        VfsError::IntoItself => Refusal::IntoItself,
        VfsError::OtherDevice => Refusal::OtherDevice,
        VfsError::OverQuota { needed, available } if needed.bytes <= available.bytes => {
            Refusal::TooManyEntries
        }
        VfsError::OverQuota { needed, available } => Refusal::OverQuota {
            needed: needed.bytes,
            available: available.bytes,
        },
        VfsError::DiskFull => Refusal::DiskFull,
        VfsError::ReadOnlyDisk => {
            log::error!("the disk failed: its file system is mounted read-only");
            Refusal::DiskReadOnly
        }
        VfsError::Busy { .. } => Refusal::Busy,
        VfsError::Scanning => Refusal::NotReady,
        VfsError::NoStaging => Refusal::NoStaging,
        VfsError::BadOffset { offset, size } => Refusal::BadOffset {
            offset: *offset,
            size: *size,
        },
        VfsError::InUse | VfsError::OtherOwner => Refusal::NoHome,
        VfsError::TooManyOpen => Refusal::Overloaded,
        VfsError::Stopped => Refusal::Stopped,
        VfsError::Io(error) => {
            log::error!("the disk failed: {error}");
            Refusal::DiskFailed
        }
    }
}
