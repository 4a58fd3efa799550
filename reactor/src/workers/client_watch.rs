//! Decides how long the client of an upload in clear is watched before the file gets its name.

use std::time::Duration;

use skiff_vfs::Upload;

/// When a client dies its connections close in any order, within microseconds of each other, and
/// more slowly on a busy machine. After the end of an upload's data connection, its control
/// connection is watched for this long (a sync counts) before the file gets its name.
const GRACE: Duration = Duration::from_millis(1);
/// The same for a large file: its client is most often one that was killed while it sent, and the
/// wait is little beside the transfer.
const GRACE_FOR_LARGE: Duration = Duration::from_millis(5);
/// The same, where it would replace an existing file.
const GRACE_FOR_OLD: Duration = Duration::from_millis(50);
/// The same, where nothing is synced: the operator wants speed.
const GRACE_UNSYNCED: Duration = Duration::from_micros(250);
/// Bytes of what is large.
const LARGE: u64 = 16 * 1024;

/// How long the client of an upload whose stream has ended is watched.
pub(super) fn grace(upload: &Upload) -> Duration {
    let is_large = upload.file_len() > LARGE;
    match (upload.is_to_be_synced(), is_large) {
        (false, _) => GRACE_UNSYNCED,
        (true, false) => GRACE,
        (true, true) if upload.replaces() => GRACE_FOR_OLD,
        (true, true) => GRACE_FOR_LARGE,
    }
}
