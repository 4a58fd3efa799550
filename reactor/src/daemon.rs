//! Starts the daemon from a checked configuration, runs its reactor, and closes the homes at the
//! end.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Poll;
use skiff_conf::Server;
use skiff_vfs::{Homes, Policy, Worker};

use crate::accesslog::{AccessLog, LogFailed};
use crate::accounts::lock::{FolderLocks, LockError};
use crate::accounts::secret;
use crate::accounts::store::Accounts;
use crate::accounts::watch::StoreWatch;
use crate::control::server::ControlSocket;
use crate::endpoints::Endpoints;
use crate::endpoints::limits::limits;
use crate::event_loop::admission::Admission;
use crate::event_loop::listener::{Listener, Protocol};
use crate::event_loop::sd_notify;
use crate::event_loop::shared::Shared;
use crate::event_loop::signals::Signals;
use crate::reactor::{self, Reactor};
use crate::tls::TlsError;
use crate::workers::jobs::Services;
use crate::workers::pool::Pool;
use crate::workers::upkeep::watch_store;
use crate::workers::yielding::Yielding;

/// The addresses that the daemon listens on.
pub(crate) struct ListenAddresses {
    pub(crate) native: Vec<SocketAddr>,
    pub(crate) ftp: Vec<SocketAddr>,
    pub(crate) ftp_over_tls: Vec<SocketAddr>,
}

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("{address} cannot be listened on: {error}")]
    Listen {
        address: SocketAddr,
        error: io::Error,
    },
    #[error("{}: {error}", path.display())]
    Path { path: PathBuf, error: io::Error },
    #[error("the group {0} of the configuration is not known to the system")]
    Group(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Log(#[from] LogFailed),
    #[error("the system gives no {what}: {error}")]
    System {
        what: &'static str,
        error: io::Error,
    },
}

fn system_error(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
    move |error| StartError::System { what, error }
}

/// Serves until SIGTERM or SIGINT; calls `ready` once the daemon serves.
pub(crate) fn run(config: Server, ready: impl FnOnce(&ListenAddresses)) -> Result<(), StartError> {
    let config = Arc::new(config);
    ensure_folder(&config.state, 0o700)?;
    // Held to the end. Before the addresses: a daemon that works on the same folders says more than
    // a taken port.
    let _locks = FolderLocks::take(&config.state, &config.homes)?;
    let listeners = bind(&config)?;
    raise_descriptors();
    let (log, log_thread) = AccessLog::start(&config.log)?;
    // In tests, a second daemon in the process keeps the first one's logger.
    let _ = log.install(config.log.level);
    let addresses_of = |protocol| {
        let endpoints = listeners.iter().filter(|door| door.protocol == protocol);
        endpoints.map(|door| door.address).collect()
    };
    let bound = ListenAddresses {
        native: addresses_of(Protocol::Native),
        ftp: addresses_of(Protocol::Ftp),
        ftp_over_tls: addresses_of(Protocol::FtpOverTls),
    };
    let reactor = assemble(&config, listeners, log)?;
    log::info!("serving on {:?}", bound.native);
    for (what, addresses) in [("ftp", &bound.ftp), ("ftp over tls", &bound.ftp_over_tls)] {
        if !addresses.is_empty() {
            log::info!("serving {what} on {addresses:?}");
        }
    }
    if !config.homes.is_dir() {
        let homes = config.homes.display();
        log::warn!("the folder of the homes, {homes}, is not there; is its disk mounted?");
    }
    ready(&bound);
    sd_notify::ready();
    let shared = reactor.run().map_err(system_error("poll"))?;
    finish(shared);
    log_thread.finish(Duration::from_secs(2));
    Ok(())
}

fn bind(config: &Server) -> Result<Vec<Listener>, StartError> {
    let endpoints = [
        (Protocol::Native, &config.native.listen),
        (Protocol::Ftp, &config.ftp.listen),
        (Protocol::FtpOverTls, &config.ftp.implicit),
    ];
    let endpoints = endpoints.into_iter().flat_map(|(protocol, addresses)| {
        let each = addresses.iter();
        each.map(move |&address| (address, protocol))
    });
    endpoints
        .map(|(address, protocol)| {
            Listener::bind(address, protocol).map_err(|error| StartError::Listen { address, error })
        })
        .collect()
}

fn assemble(
    config: &Arc<Server>,
    listeners: Vec<Listener>,
    log: AccessLog,
) -> Result<Reactor, StartError> {
    let poll = Poll::new().map_err(system_error("poll"))?;
    let waker = reactor::waker(&poll).map_err(system_error("poll"))?;
    let signals = Signals::register(poll.registry(), reactor::SIGNALS)
        .map_err(system_error("signal pipe"))?;
    let registry = poll.registry().try_clone().map_err(system_error("poll"))?;
    let yielding = Yielding::to(poll.registry().try_clone().map_err(system_error("poll"))?);
    let pool = Pool::start(&waker, &yielding).map_err(system_error("threads"))?;
    let secret = secret::load_or_make(&config.state).map_err(|error| StartError::Path {
        path: config.state.clone(),
        error,
    })?;
    let services = Arc::new(Services {
        homes: Homes::new(config.state.clone(), policy(config)?),
        accounts: Accounts::new(Arc::clone(config), secret),
        watch: watch(),
        file: config.file.clone(),
    });
    watch_store(&services);
    let control = match ControlSocket::bind(&config.state, &waker) {
        Ok(control) => Some(control),
        Err(error) => {
            log::warn!("no control socket, so that skiffd user recount does nothing: {error}");
            None
        }
    };
    let admission = Admission::new(config.limits.clone());
    let limits = Arc::new(limits(config));
    let endpoints = Endpoints::load(config, None)?;
    let shared = Shared::new(registry, pool, admission, log, limits, services, endpoints);
    Reactor::new(poll, signals, control, listeners, shared).map_err(system_error("poll"))
}

fn watch() -> Option<StoreWatch> {
    let watch = StoreWatch::new();
    watch
        .inspect_err(|error| log::warn!("changed accounts hold from the next login on: {error}"))
        .ok()
}

/// Writes the ledger of every home to the disk, within 20 s in case a disk hangs.
fn finish(shared: Shared) {
    let until = Instant::now() + Duration::from_secs(20);
    let Shared { pool, services, .. } = shared;
    pool.stop(|| Instant::now() < until);
    let closing = Worker::spawn("closing", move |worker| {
        if let Err(error) = services.homes.close(worker) {
            log::warn!("a home will be counted at the next start: {error}");
        }
    });
    let Ok(closing) = closing else { return };
    while !closing.is_finished() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn policy(config: &Server) -> Result<Policy, StartError> {
    Ok(Policy {
        file_mode: config.file_mode.bits(),
        dir_mode: config.dir_mode.bits(),
        group: config.group.as_deref().map(group_id).transpose()?,
        durability: match config.durability {
            skiff_conf::Durability::Fsync => skiff_vfs::Durability::Fsync,
            skiff_conf::Durability::None => skiff_vfs::Durability::None,
        },
        stage_ttl: config.stages.ttl,
        stage_idle: config.stages.idle,
        free_space_floor: config.stages.free_space_floor.get(),
        recount: config.recount,
        ..Policy::default()
    })
}

/// The id of a group in /etc/group; a number is taken as it is.
fn group_id(name: &str) -> Result<u32, StartError> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    let path = PathBuf::from("/etc/group");
    let table = std::fs::read_to_string(&path).map_err(|error| StartError::Path {
        path: path.clone(),
        error,
    })?;
    let row = table.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok())?
    });
    row.ok_or_else(|| StartError::Group(name.to_owned()))
}

fn ensure_folder(path: &Path, mode: u32) -> Result<(), StartError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|error| StartError::Path {
            path: path.to_owned(),
            error,
        })
}

/// Raises the limit of open files to the hard limit (setrlimit(2), RLIMIT_NOFILE).
fn raise_descriptors() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        log::warn!(
            "the limit of open files stays at {:?}: {error}",
            limit.current
        );
    }
}
