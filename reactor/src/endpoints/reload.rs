//! Reads the configuration again, at SIGHUP.

use std::path::Path;
use std::sync::Arc;

use skiff_conf::Server;
use skiff_sessions::server::Limits;
use skiff_vfs::Worker;

use super::Endpoints;
use super::limits::limits;
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
        let endpoints = Endpoints::load(&config, before);
        let endpoints = endpoints.map_err(|error| log::error!("not reloaded: {error}"));
        let limits = Arc::new(limits(&config));
        Some(Self {
            endpoints: endpoints.ok()?,
            limits,
            config: Arc::new(config),
        })
    }
}
