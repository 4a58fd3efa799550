//! Reads the configuration again, at SIGHUP.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use skiff_conf::{Server, UserStore};
use skiff_sessions::server::Limits;
use skiff_vfs::Worker;

use super::limits::limits;
use super::{Endpoints, OperatorIdentity};
use crate::tls::ftp::FtpTls;

/// What a reload replaces; sessions stay. Listeners, and how files are stored, need a restart.
pub(crate) struct Reloaded {
    pub(crate) config: Arc<Server>,
    pub(crate) endpoints: Endpoints,
    pub(crate) limits: Arc<Limits>,
}

impl Reloaded {
    /// `None` where something is wrong: the log says what, and the old configuration stays.
    pub(crate) fn read(_worker: &Worker, file: &Path, before: Option<&FtpTls>) -> Option<Self> {
        let config = Server::load(file).map_err(|error| log::error!("not reloaded: {error}"));
        let config = config.ok()?;
        // The accounts in use stay where those of other settings cannot be read.
        UserStore::load(&config.users)
            .map_err(|error| log::error!("not reloaded: {error}"))
            .ok()?;
        let endpoints = OperatorIdentity::load(&config)
            .and_then(|identity| Endpoints::load(&config, identity, before))
            .map_err(|error| log::error!("not reloaded: {error}{}", way_out(&config)));
        let limits = Arc::new(limits(&config));
        Some(Self {
            endpoints: endpoints.ok()?,
            limits,
            config: Arc::new(config),
        })
    }
}

/// What helps where the start could read what the running daemon may not (`run_as`, `walls`).
fn way_out(config: &Server) -> &'static str {
    let files = config
        .tls
        .iter()
        .flat_map(|tls| [&tls.certificate, &tls.key]);
    let is_denied = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    match files.map(File::open).any(|file| file.is_err_and(is_denied)) {
        true => {
            "; give skiffd's user the right to read it, or restart skiffd: only a start reads \
             files as root, and in folders that are new in the settings"
        }
        false => "",
    }
}
