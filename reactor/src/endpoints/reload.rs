//! Reads the configuration again, at SIGHUP and for `skiffd reload`.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use skiff_conf::{Server, UserStore};
use skiff_sessions::server::Limits;
use skiff_vfs::Worker;
use time::OffsetDateTime;

use super::limits::limits;
use super::{Endpoints, OperatorIdentity, StartedAs};
use crate::tls::ftp::FtpTls;

/// What a reload replaces; sessions stay. Listeners, and how files are stored, need a restart.
pub(crate) struct Reloaded {
    pub(crate) config: Arc<Server>,
    pub(crate) endpoints: Endpoints,
    pub(crate) limits: Arc<Limits>,
    /// What the operator should know, though the new configuration is in use.
    pub(crate) remarks: Vec<String>,
}

/// The configuration in use.
pub(crate) struct InUse {
    pub(crate) config: Arc<Server>,
    pub(crate) started_as: StartedAs,
    pub(crate) tickets: Option<FtpTls>,
}

impl Reloaded {
    /// Says what is wrong where the old configuration has to stay.
    pub(crate) fn read(_worker: &Worker, file: &Path, in_use: &InUse) -> Result<Self, String> {
        let mut config = Server::load(file).map_err(|error| error.to_string())?;
        in_use
            .started_as
            .keep_addresses(&mut config, &in_use.config);
        let kept = config.keep_until_restart(&in_use.config);
        // The accounts in use stay where those of other settings cannot be read.
        UserStore::load(&config.users).map_err(|error| error.to_string())?;
        let endpoints = OperatorIdentity::load(&config)
            .and_then(|identity| Endpoints::load(&config, identity, in_use.tickets.as_ref()))
            .map_err(|error| format!("{error}{}", way_out(&config)))?;
        let warnings = endpoints.validities.warnings(OffsetDateTime::now_utc());
        let warnings: Vec<_> = warnings.collect();
        let restart = (!kept.is_empty()).then(|| {
            let keys = kept.join(", ");
            format!("changed, but needs a restart of skiffd: {keys}")
        });
        Ok(Self {
            limits: Arc::new(limits(&config, &endpoints)),
            endpoints,
            config: Arc::new(config),
            remarks: restart.into_iter().chain(warnings).collect(),
        })
    }
}

/// What helps where the start could read what the running daemon may not (`run_as`, `walls`).
fn way_out(config: &Server) -> &'static str {
    let is_denied = |error: io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    let mut files = config.tls.files().map(File::open);
    match files.any(|file| file.is_err_and(is_denied)) {
        true => {
            "; give skiffd's user the right to read it, or restart skiffd: only a start reads \
             files as root, and in folders that are new in the settings"
        }
        false => "",
    }
}
