//! [`Daemon`]: the daemon of a world, started as a real one is, and its settings and accounts.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use mio::{Events, Poll};
use skiff_conf::{Account, ByteQuota, Durability, EntryQuota, Iterations, Server, UserStore};
use skiff_vfs::{Homes, Policy};

use crate::accesslog::AccessLog;
use crate::accounts::store::Accounts;
use crate::cli::verifier;
use crate::endpoints::limits::limits;
use crate::endpoints::sockets::bind_listener;
use crate::endpoints::{Endpoints, OperatorIdentity, StartedAs};
use crate::event_loop::admission::Admission;
use crate::event_loop::listener::{Listener, Protocol};
use crate::event_loop::shared::Shared;
use crate::reactor::{self, Reactor};
use crate::workers::jobs::Services;
use crate::workers::pool::Pool;
use crate::workers::pool::stepped::Steps;
use crate::workers::work_item::WorkItem;
use crate::workers::yielding::Yielding;

pub(super) const USERS: usize = 3;
/// Bytes and entries that each user may have.
pub(super) const QUOTAS: [(u64, u64); USERS] = [(200 << 10, 40), (6 << 20, 1000), (40 << 20, 1000)];

/// A daemon without threads of its own.
pub(super) struct Daemon {
    pub(super) reactor: Reactor,
    pub(super) steps: Steps<WorkItem>,
    pub(super) events: Events,
    pub(super) waker: Arc<mio::Waker>,
    pub(super) ftp: SocketAddr,
    pub(super) native: SocketAddr,
}

impl Daemon {
    pub(super) fn start(config: &Arc<Server>) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = reactor::waker(&poll)?;
        let registry = poll.registry().try_clone()?;
        let yielding = Yielding::to(poll.registry().try_clone()?);
        let (pool, steps) = Pool::stepped(&yielding);
        let policy = Policy {
            durability: match config.durability {
                Durability::Fsync => skiff_vfs::Durability::Fsync,
                Durability::None => skiff_vfs::Durability::None,
            },
            ..Policy::default()
        };
        let services = Arc::new(Services {
            homes: Homes::new(config.state.clone(), policy),
            accounts: Accounts::new(Arc::clone(config), [7; 32]).map_err(io::Error::other)?,
            hooks: None,
            watch: None,
            file: config.file.clone(),
            started_as: StartedAs::Server,
        });
        let (log, _) = AccessLog::open(&config.log).map_err(io::Error::other)?;
        let identity = OperatorIdentity::load(config).map_err(io::Error::other)?;
        let endpoints = Endpoints::load(config, identity, None).map_err(io::Error::other)?;
        let ftp = bind_listener(config.ftp.listen[0], config)?;
        let native = bind_listener(config.native.listen[0], config)?;
        let (ftp, native) = (
            Listener::of(ftp, config.ftp.listen[0], Protocol::Ftp)?,
            Listener::of(native, config.native.listen[0], Protocol::Native)?,
        );
        let listeners = vec![ftp, native];
        let (ftp, native) = (listeners[0].address, listeners[1].address);
        let shared = Shared::new(
            registry,
            pool,
            Admission::new(config.limits.clone()),
            log,
            Arc::new(limits(config, &endpoints)),
            services,
            endpoints,
        );
        let reactor = Reactor::stepped(poll, reactor::SIGNALS, listeners, shared)?;
        Ok(Self {
            reactor,
            steps,
            events: Events::with_capacity(256),
            waker,
            ftp,
            native,
        })
    }
}

pub(super) fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Makes settings, accounts and homes in `folder`.
pub(super) fn settings(folder: &Path, durability: Durability) -> Result<Arc<Server>, String> {
    let file = folder.join("server.ron");
    let text = format!(
        "(
        native: (listen: [\"127.0.0.1:0\"], tls: Off),
        ftp: (listen: [\"127.0.0.1:0\"], tls: Off),
        walls: Off,
        scram_iterations: 10000,
        durability: {durability:?},
    )"
    );
    fs::write(&file, text).map_err(told)?;
    let config = Server::load(&file).map_err(told)?;
    fs::create_dir(&config.state).map_err(told)?;
    fs::create_dir(&config.homes).map_err(told)?;
    let verifier = verifier("secret", Iterations::MIN).map_err(|why| format!("{why:?}"))?;
    UserStore::edit(&config.users, |store| {
        for (user, (bytes, entries)) in QUOTAS.into_iter().enumerate() {
            let account = Account {
                quota: Some(ByteQuota::new(bytes)),
                entries: Some(EntryQuota::new(entries)),
                ..Account::new(verifier.clone())
            };
            let name = format!("u{user}").parse().map_err(told)?;
            store.add(name, account).map_err(told)?;
        }
        Ok::<_, Failed>(())
    })
    .map_err(|failed| failed.0)?;
    for user in 0..USERS {
        fs::create_dir(config.homes.join(format!("u{user}"))).map_err(told)?;
    }
    Ok(Arc::new(config))
}

struct Failed(String);

impl From<skiff_conf::Complaint> for Failed {
    fn from(complaint: skiff_conf::Complaint) -> Self {
        Self(complaint.to_string())
    }
}

impl From<String> for Failed {
    fn from(text: String) -> Self {
        Self(text)
    }
}
