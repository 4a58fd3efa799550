//! Tells the operator of uploads that are kept instead of published: how many bytes, why, and which
//! setting decides it.

use skiff_sessions::server::job::KeptBecause;
use skiff_sessions::wire::reply::Truncation;
use skiff_vfs::Upload;

/// What stops an upload that waits for its name: ABOR, or the end of its client.
pub(crate) const STOPPED: &str = "it was stopped before it had its name, by ABOR or because its \
     control connection ended without QUIT (ftp.publish_on_lost_control: false)";

/// Logs that `upload`, which is about to be suspended, is kept. `None`: the session ended without a
/// cause of its own.
pub(crate) fn log_kept(upload: &Upload, cause: Option<KeptBecause>) {
    let bytes = upload.suspended_len();
    if bytes == 0 {
        return;
    }
    let level = match cause {
        Some(KeptBecause::NoCloseNotify(_) | KeptBecause::ControlLost) => log::Level::Warn,
        _ => log::Level::Info,
    };
    log::log!(
        level,
        "{}: {bytes} bytes of an upload to {:?} are kept and not published: {}",
        upload.user(),
        upload.path(),
        cause.map_or("its session ended", explained)
    );
}

fn explained(cause: KeptBecause) -> &'static str {
    match cause {
        KeptBecause::ByClient => "its client stopped it",
        KeptBecause::ByServer => {
            "the session was to end, or the user began the upload in another one"
        }
        KeptBecause::Stalled => "no byte came for too long (limits.stall)",
        KeptBecause::DataLost => "its data connection broke off",
        KeptBecause::NoCloseNotify(Truncation::Required) => {
            "it ended without TLS close_notify (ftp.data_close_notify: Require)"
        }
        KeptBecause::NoCloseNotify(Truncation::ControlEnded) => {
            "it ended without TLS close_notify, and its control connection with it \
             (ftp.data_close_notify: Prefer)"
        }
        KeptBecause::NoCloseNotify(Truncation::Reset) => {
            "its data connection was reset before TLS close_notify, which no value of \
             ftp.data_close_notify takes for an end"
        }
        KeptBecause::ControlLost => {
            "its control connection ended without QUIT (ftp.publish_on_lost_control: false)"
        }
        KeptBecause::Refused(_) => "the server could not store more of it, as its reply says",
    }
}
