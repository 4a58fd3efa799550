//! Converts the configured limits into those of sessions.

use std::time::Duration;

use skiff_conf::Server;
use skiff_sessions::server::Limits;

use super::Endpoints;

pub(crate) fn limits(config: &Server, endpoints: &Endpoints) -> Limits {
    let limits = &config.limits;
    let system = rustix::system::uname();
    Limits {
        login: limits.login,
        idle: limits.idle,
        stall: limits.stall,
        progress: Duration::from_secs(4),
        data: config.ftp.data_timeout,
        long_work: Duration::from_secs(20),
        penalty: Duration::from_millis(500),
        attempts: limits.attempts,
        malformed_lines: 3,
        hosts: endpoints.hosts.clone(),
        server: format!("skiffd/{}", env!("CARGO_PKG_VERSION")),
        banner: config.ftp.banner.as_ref().map(ToString::to_string),
        platform: format!(
            "{} {}",
            system.sysname().to_string_lossy(),
            system.machine().to_string_lossy()
        ),
    }
}
