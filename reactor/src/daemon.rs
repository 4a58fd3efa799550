//! Starts the daemon from a checked configuration, runs its reactor, and closes the homes at the
//! end.

mod inheritance;
pub(crate) mod rehearsal;

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, lchown};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Poll;
use rustix::fs::{Access, access};
use rustix::io::Errno;
use rustix::process::{Uid, geteuid};
use skiff_conf::{Complaint, Metrics, MetricsAddress, Server};
use skiff_vfs::{Homes, Policy, Worker};

use self::inheritance::{Inheritance, ReplaceError};
use crate::accesslog::{AccessLog, LogFailed, LogThread};
use crate::accounts::elsewhere::Broker;
use crate::accounts::lock::{FolderLocks, LockError};
use crate::accounts::secret;
use crate::accounts::store::Accounts;
use crate::accounts::watch::StoreWatch;
use crate::control::server::ControlSocket;
use crate::endpoints::inherited::Inherited;
use crate::endpoints::limits::limits;
use crate::endpoints::sockets::{bind_listener, is_missing_family};
use crate::endpoints::{Endpoints, OperatorIdentity, StartedAs};
use crate::event_loop::admission::Admission;
use crate::event_loop::listener::{Listener, Protocol};
use crate::event_loop::sd_notify;
use crate::event_loop::shared::Shared;
use crate::event_loop::signals::Signals;
use crate::hooks::{self, Hooks};
use crate::metrics::listener::Listener as MetricsListener;
use crate::metrics::server::MetricsServer;
use crate::reactor::succession::Succession;
use crate::reactor::{self, Reactor};
use crate::system_users::{LookUpError, SystemUser, group_id};
use crate::tls::TlsError;
use crate::walls::run_as::{self, RunAsError, become_for_good, require_owners};
use crate::walls::{self, MissingWall};
use crate::workers::jobs::Services;
use crate::workers::pool::Pool;
use crate::workers::upkeep::watch_store;
use crate::workers::work_item::WorkItem;
use crate::workers::yielding::Yielding;

/// The addresses that the daemon listens on.
pub(crate) struct ListenAddresses {
    pub(crate) native: Vec<SocketAddr>,
    pub(crate) ftp: Vec<SocketAddr>,
    pub(crate) ftp_over_tls: Vec<SocketAddr>,
}

impl ListenAddresses {
    fn of(listeners: &[Listener]) -> Self {
        let addresses_of = |protocol| {
            let endpoints = listeners.iter().filter(|door| door.protocol == protocol);
            endpoints.map(|door| door.address).collect()
        };
        Self {
            native: addresses_of(Protocol::Native),
            ftp: addresses_of(Protocol::Ftp),
            ftp_over_tls: addresses_of(Protocol::FtpOverTls),
        }
    }

    /// What a service manager shows.
    fn status(&self) -> String {
        let shown = |addresses: &[SocketAddr]| {
            let texts: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
            texts.join(", ")
        };
        let mut status = format!("serving on {}", shown(&self.native));
        for (what, addresses) in [("ftp", &self.ftp), ("ftp over tls", &self.ftp_over_tls)] {
            if !addresses.is_empty() {
                status += &format!("; {what} on {}", shown(addresses));
            }
        }
        status
    }
}

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("{address} cannot be listened on: {error}")]
    Listen {
        address: SocketAddr,
        error: io::Error,
    },
    #[error("metrics: {address} cannot be listened on: {error}")]
    Metrics {
        address: MetricsAddress,
        error: io::Error,
    },
    #[error("{}: {error}", path.display())]
    Path { path: PathBuf, error: io::Error },
    #[error(transparent)]
    RunAs(#[from] RunAsError),
    #[error("group: {0}")]
    Group(#[from] LookUpError),
    #[error("{}: the user {user} of run_as may not {doing} it: {error}", path.display())]
    NotTheirs {
        path: PathBuf,
        user: String,
        doing: &'static str,
        error: io::Error,
    },
    #[error(transparent)]
    Wall(#[from] MissingWall),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Accounts(#[from] Complaint),
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
pub(crate) fn run(
    config: Server,
    started_as: StartedAs,
    ready: impl FnOnce(&ListenAddresses),
) -> Result<(), StartError> {
    let started = start(&Arc::new(config), started_as, None)?;
    started.log();
    ready(&started.bound);
    started.serve()
}

/// Takes the place of the daemon that runs with these settings, which may finish its sessions for
/// that many seconds, and serves; calls `ready` with what the other says.
pub(crate) fn replace(
    config: Server,
    seconds: Option<u32>,
    ready: impl FnOnce(&str),
) -> Result<(), ReplaceError> {
    inheritance::leave_terminal();
    let config = Arc::new(config);
    let user = system_user(&config)?;
    let user = user.map_or_else(geteuid, |user| Uid::from_raw(user.uid));
    let mut before = Inheritance::receive(&config, user)?;
    let started = start(&config, StartedAs::Server, Some(&mut before))?;
    let said = before.give_way(seconds)?;
    if let Err(error) = started.locks.sign(&config.state) {
        log::warn!("{error}");
    }
    started.log();
    ready(&said);
    Ok(started.serve()?)
}

/// A daemon that is about to serve.
struct Started {
    reactor: Reactor,
    bound: ListenAddresses,
    metrics: Option<String>,
    log_thread: LogThread,
    /// Held to the end.
    locks: Arc<FolderLocks>,
}

impl Started {
    fn log(&self) {
        let bound = &self.bound;
        log::info!("serving on {:?}", bound.native);
        for (what, addresses) in [("ftp", &bound.ftp), ("ftp over tls", &bound.ftp_over_tls)] {
            if !addresses.is_empty() {
                log::info!("serving {what} on {addresses:?}");
            }
        }
        if let Some(address) = &self.metrics {
            log::info!("serving metrics on {address}");
        }
    }

    fn serve(self) -> Result<(), StartError> {
        sd_notify::ready(&self.bound.status());
        let shared = self.reactor.run().map_err(system_error("poll"))?;
        finish(shared);
        self.log_thread.finish(Duration::from_secs(2));
        Ok(())
    }
}

/// Does all that may fail. What another daemon hands over comes `before` what the system gives.
fn start(
    config: &Arc<Server>,
    started_as: StartedAs,
    mut before: Option<&mut Inheritance>,
) -> Result<Started, StartError> {
    // What root may have to do comes first: ports under 1024, the operator's private key.
    let (mut inherited, mut warnings) = match &mut before {
        Some(before) => (before.take_listeners(), Vec::new()),
        None => Inherited::from_manager(),
    };
    let listeners: Result<Vec<_>, _> = bind_all(config, &[], &mut inherited).collect();
    warnings.extend(inherited.close());
    let identity = OperatorIdentity::load(config);
    sd_notify::connect();
    give_up_root(config)?;
    ensure_folder(&config.state, 0o700)?;
    // It says more than a taken port, which the daemon that has it causes as well.
    let locks = Arc::new(match &mut before {
        Some(before) => before.take_locks(config)?,
        None => FolderLocks::take(&config.state, &config.homes)?,
    });
    let listeners = listeners?;
    // Whoever holds the state folder may replace a Unix socket that is left over.
    let metrics = bind_metrics(config, before.as_deref_mut())?;
    let (log, log_writer) = AccessLog::open(&config.log)?;
    // In tests, a second daemon in the process keeps the first one's logger.
    let _ = log.install(config.log.level);
    for warning in warnings {
        log::warn!("{warning}");
    }
    let broker = start_authenticator(config)?;
    let hooks = start_hooks(config, before.is_some())?;
    raise_descriptors();
    let policy = policy(config)?;
    walls::raise(config)?;
    // The first thread besides this one.
    let log_thread = log_writer.start()?;
    let bound = ListenAddresses::of(&listeners);
    let metrics_address = metrics.as_ref().and_then(|door| door.address().ok());
    let predecessor = before.as_ref().map(|before| before.process()).transpose()?;
    let control = before.map(|before| before.control()).transpose()?;
    let sockets = Sockets {
        listeners,
        metrics,
        control: control.flatten(),
    };
    let given = Given {
        sockets,
        identity: identity?,
        policy,
        log,
        broker,
        hooks,
    };
    let succession = Succession::new(Arc::clone(&locks), predecessor);
    let reactor = assemble(config, started_as, given, succession)?;
    if !config.homes.is_dir() {
        let homes = config.homes.display();
        log::warn!("the folder of the homes, {homes}, is not there; is its disk mounted?");
    }
    Ok(Started {
        reactor,
        bound,
        metrics: metrics_address,
        log_thread,
        locks,
    })
}

/// Binds all addresses but those that a running daemon holds; what the service manager has bound is
/// taken from it.
fn bind_all<'a>(
    config: &'a Server,
    held: &'a [SocketAddr],
    inherited: &'a mut Inherited,
) -> impl Iterator<Item = Result<Listener, StartError>> + 'a {
    let endpoints = [
        (Protocol::Native, &config.native.listen),
        (Protocol::Ftp, &config.ftp.listen),
        (Protocol::FtpOverTls, &config.ftp.implicit),
    ];
    let endpoints = endpoints.into_iter().flat_map(|(protocol, addresses)| {
        let each = addresses.iter();
        each.map(move |&address| (address, protocol))
    });
    let free = endpoints.filter(|(address, _)| !held.contains(address));
    free.filter_map(|(address, protocol)| {
        let socket = match inherited.take(address) {
            Some(socket) => Ok(socket),
            None if inherited.covers(address) => return None,
            None => bind_listener(address, config),
        };
        let bound = socket.and_then(|socket| Listener::of(socket, address, protocol));
        match bound {
            Err(error) if is_missing_family(address, &error, config) => None,
            Err(error) => Some(Err(StartError::Listen { address, error })),
            Ok(listener) => Some(Ok(listener)),
        }
    })
}

/// What the system gives to every daemon.
struct Machinery {
    poll: Poll,
    waker: Arc<mio::Waker>,
    signals: Signals<mio::unix::pipe::Receiver>,
    pool: Pool<WorkItem>,
}

fn machinery(config: &Server) -> Result<Machinery, StartError> {
    let poll = Poll::new().map_err(system_error("poll"))?;
    let waker = reactor::waker(&poll).map_err(system_error("poll"))?;
    let signals = Signals::register(poll.registry(), reactor::SIGNALS)
        .map_err(system_error("signal pipe"))?;
    let yielding = Yielding::to(poll.registry().try_clone().map_err(system_error("poll"))?);
    let askers = config.authenticator.as_ref().map_or(0, |said| said.at_most);
    let pool = Pool::start(&waker, &yielding, askers).map_err(system_error("threads"))?;
    Ok(Machinery {
        poll,
        waker,
        signals,
        pool,
    })
}

/// The listening sockets of a daemon.
struct Sockets {
    listeners: Vec<Listener>,
    metrics: Option<MetricsListener>,
    /// `None` where it is to be made.
    control: Option<UnixListener>,
}

/// What was made before the walls were raised.
struct Given {
    sockets: Sockets,
    identity: OperatorIdentity,
    policy: Policy,
    log: AccessLog,
    broker: Option<Broker>,
    hooks: Option<Arc<Hooks>>,
}

fn assemble(
    config: &Arc<Server>,
    started_as: StartedAs,
    given: Given,
    succession: Succession,
) -> Result<Reactor, StartError> {
    let Given {
        sockets,
        identity,
        policy,
        log,
        broker,
        hooks,
    } = given;
    if let Some(hooks) = &hooks {
        hooks.listen().map_err(system_error("threads"))?;
    }
    let Machinery {
        poll,
        waker,
        signals,
        pool,
    } = machinery(config)?;
    let registry = poll.registry().try_clone().map_err(system_error("poll"))?;
    let secret = secret::load_or_make(&config.state).map_err(|error| StartError::Path {
        path: config.state.clone(),
        error,
    })?;
    let services = Arc::new(Services {
        homes: Homes::new(config.state.clone(), policy),
        accounts: Accounts::new(Arc::clone(config), secret)?.with_authenticator(broker),
        hooks,
        watch: watch(),
        file: config.file.clone(),
        started_as,
    });
    if succession.has_predecessor() {
        services.homes.begin_handover();
    }
    watch_store(&services);
    let control = match sockets.control {
        Some(handed) => ControlSocket::of(handed, &config.state, &waker),
        None => ControlSocket::bind(&config.state, &waker),
    };
    let control = control.inspect_err(|error| {
        log::warn!(
            "no control socket, so that skiffd who, reload and the like do nothing: {error}"
        );
    });
    let admission = Admission::new(config.limits.clone());
    let endpoints = Endpoints::load(config, identity, None)?;
    let limits = Arc::new(limits(config, &endpoints));
    let shared = Shared::new(registry, pool, admission, log, limits, services, endpoints);
    let metrics = sockets.metrics.zip(config.metrics.as_ref());
    let metrics = metrics.map(|(listener, Metrics { listen })| {
        Box::new(MetricsServer::new(listener, listen.clone()))
    });
    let listeners = sockets.listeners;
    Reactor::new(
        poll,
        signals,
        control.ok(),
        metrics,
        listeners,
        shared,
        succession,
    )
    .map_err(system_error("poll"))
}

/// Starts what runs the authenticator, which the daemon itself cannot once its walls are up.
fn start_authenticator(config: &Server) -> Result<Option<Broker>, StartError> {
    let started = config.authenticator.as_ref().map(Broker::start);
    let started = started.transpose();
    started.map_err(system_error("process for the authenticator"))
}

/// Starts what runs the programs of hooks, and opens the journals that it reads.
fn start_hooks(config: &Server, has_predecessor: bool) -> Result<Option<Arc<Hooks>>, StartError> {
    let start = match has_predecessor {
        true => hooks::Start::Successor,
        false => hooks::Start::Alone,
    };
    let started = Hooks::start(config, start);
    let hooks = started.map_err(system_error("process or journal for hooks"))?;
    Ok(hooks.map(Arc::new))
}

fn bind_metrics(
    config: &Server,
    before: Option<&mut Inheritance>,
) -> Result<Option<MetricsListener>, StartError> {
    let Some(Metrics { listen }) = &config.metrics else {
        return Ok(None);
    };
    let failed = |error| StartError::Metrics {
        address: listen.clone(),
        error,
    };
    let handed = before.and_then(|before| before.take_metrics(listen));
    let listener = handed.unwrap_or_else(|| MetricsListener::bind(listen));
    Ok(Some(listener.map_err(failed)?))
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

/// Becomes the user of `run_as`, after making the state folder for it.
fn give_up_root(config: &Server) -> Result<(), StartError> {
    let Some(user) = system_user(config)? else {
        return Ok(require_owners(config.file_owners)?);
    };
    if geteuid().is_root() && root_makes_state(config) {
        make_state_for(&user, &config.state)?;
    }
    become_for_good(&user, config.file_owners)?;
    require_owners(config.file_owners)?;
    require_access(config, &user)
}

/// The user of `run_as`.
fn system_user(config: &Server) -> Result<Option<SystemUser>, StartError> {
    let find = |run_as| run_as::find(run_as, config.group.as_deref());
    Ok(config.run_as.as_ref().map(find).transpose()?)
}

/// Whether only root can make the state folder. A folder above it that is not root's may be changed
/// at any time: what is missing there, its owner makes.
fn root_makes_state(config: &Server) -> bool {
    let state = &config.state;
    let parent = state.parent().unwrap_or(state);
    let is_roots = parent.metadata().is_ok_and(|found| found.uid() == 0);
    config.run_as.is_some() && state.symlink_metadata().is_err() && is_roots
}

fn make_state_for(user: &SystemUser, state: &Path) -> Result<(), StartError> {
    ensure_folder(state, 0o700)?;
    lchown(state, Some(user.uid), Some(user.gid)).map_err(|error| StartError::Path {
        path: state.to_owned(),
        error,
    })
}

/// What the user of `run_as` may not use would fail the first login, or the next reload.
fn require_access(config: &Server, user: &SystemUser) -> Result<(), StartError> {
    let (read, enter) = (Access::READ_OK, Access::EXEC_OK);
    for (path, needed, doing) in [
        (&config.file, read, "read"),
        (&config.users, read, "read"),
        (&config.homes, enter, "enter"),
    ] {
        // What is not there is told elsewhere.
        if let Err(error) = access(path, needed)
            && error == Errno::ACCESS
        {
            return Err(StartError::NotTheirs {
                path: path.clone(),
                user: user.name.clone(),
                doing,
                error: error.into(),
            });
        }
    }
    Ok(())
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
