//! What all connections share: the poll's registry, the pool, the limits, the log.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Registry;
use rustls::Connection as TlsConnection;
use skiff_sessions::scram::Binding;
use skiff_sessions::server::{Effect, Job, JobId, Limits, Manners, Setup};
use skiff_vfs::Home;

use crate::accesslog::AccessLog;
use crate::endpoints::reload::Reloaded;
use crate::endpoints::{Endpoints, FtpEndpoint};
use crate::event_loop::admission::Admission;
use crate::event_loop::deadlines::Deadlines;
use crate::event_loop::sd_notify;
use crate::tls::Tls;
use crate::tls::ftp::Tag;
use crate::transport::ids::ConnectionId;
use crate::workers::inline::Inline;
use crate::workers::jobs::{Answer, JobRequest, OpenHome, Services};
use crate::workers::pool::Pool;
use crate::workers::schedule::{Class, WorkKind};
use crate::workers::work_item::WorkItem;

/// Between two tries of a job that cannot be done yet.
const RETRY_EVERY: Duration = Duration::from_millis(50);
/// Bytes read off a connection at a time for its lines.
const LINE_BUFFER: usize = 8192;

pub(crate) struct Shared {
    pub(crate) registry: Registry,
    pub(crate) pool: Pool<WorkItem>,
    pub(crate) inline: Inline,
    pub(crate) admission: Admission,
    pub(crate) log: AccessLog,
    pub(crate) deadlines: Deadlines,
    pub(crate) limits: Arc<Limits>,
    pub(crate) services: Arc<Services>,
    /// `None` where the listeners speak in clear.
    pub(crate) tls: Option<Tls>,
    /// `None` where no FTP is spoken.
    pub(crate) ftp: Option<FtpEndpoint>,
    pub(crate) line_buffer: Vec<u8>,
    pub(crate) effects: Vec<Effect>,
    /// Of a job that needed no worker, until what else its session decided is
    /// performed.
    pub(crate) answered: Option<(JobId, Answer)>,
    /// Connections with more to do than one turn allows.
    pub(crate) unfinished: Vec<ConnectionId>,
    /// Connections whose silent upload is in another's way.
    pub(crate) evicted: Vec<ConnectionId>,
    /// In the order of their times, for all wait equally long.
    retries: VecDeque<Retry>,
    /// Homes in use since the start, by their address in memory.
    homes: HashMap<usize, OpenHome>,
}

struct Retry {
    at: Instant,
    connection: ConnectionId,
    id: JobId,
    request: JobRequest,
}

impl Shared {
    pub(crate) fn new(
        registry: Registry,
        pool: Pool<WorkItem>,
        admission: Admission,
        log: AccessLog,
        limits: Arc<Limits>,
        services: Arc<Services>,
        Endpoints { tls, ftp }: Endpoints,
    ) -> Self {
        Self {
            registry,
            pool,
            inline: Inline::default(),
            admission,
            log,
            deadlines: Deadlines::default(),
            limits,
            services,
            tls,
            ftp,
            line_buffer: vec![0; LINE_BUFFER],
            effects: Vec::new(),
            answered: None,
            unfinished: Vec::new(),
            evicted: Vec::new(),
            retries: VecDeque::new(),
            homes: HashMap::new(),
        }
    }

    /// The TLS of a new connection, where there is any.
    pub(crate) fn secure(&self) -> io::Result<Option<TlsConnection>> {
        self.tls
            .as_ref()
            .map(Tls::connection)
            .transpose()
            .map_err(io::Error::other)
    }

    /// TLS of an FTP control connection, and the tag of its session.
    pub(crate) fn secure_ftp(&self, tag: &mut Option<Tag>) -> io::Result<TlsConnection> {
        let tls = self.ftp.as_ref().and_then(|ftp| ftp.tls.as_ref());
        let tls = tls.ok_or_else(|| io::Error::other("this listener has none"))?;
        let reloaded = Tag::random().map_err(io::Error::other)?;
        *tag = Some(reloaded);
        tls.control(reloaded).map_err(io::Error::other)
    }

    /// What a new session is made with; `None` when the system has no randomness.
    pub(crate) fn setup(&self, binding: Binding, manners: Manners) -> Option<Setup> {
        let mut seed = [0; 32];
        if let Err(error) = getrandom::fill(&mut seed) {
            log::error!("the system gives no random bytes: {error}");
            return None;
        }
        Some(Setup {
            limits: Arc::clone(&self.limits),
            binding,
            seed,
            manners,
        })
    }

    pub(crate) fn submit_job(
        &mut self,
        connection: ConnectionId,
        id: JobId,
        request: JobRequest,
        device: Option<u64>,
    ) {
        let services = Arc::clone(&self.services);
        let class = match request.job {
            Job::CheckPassword { .. } => Class::Crypt,
            _ => Class::Short,
        };
        let item = WorkItem::Job {
            connection,
            id,
            request: Box::new(request),
            services,
        };
        self.pool.submit(WorkKind { class, device }, item);
    }

    pub(crate) fn retry_later(
        &mut self,
        connection: ConnectionId,
        id: JobId,
        request: JobRequest,
        evict: Option<u64>,
        now: Instant,
    ) {
        self.evicted
            .extend(evict.and_then(ConnectionId::from_number));
        self.retries.push_back(Retry {
            at: now + RETRY_EVERY,
            connection,
            id,
            request,
        });
    }

    pub(crate) fn next_retry(&self) -> Option<Instant> {
        self.retries.front().map(|retry| retry.at)
    }

    pub(crate) fn retry_due(&mut self, now: Instant) {
        while self.retries.front().is_some_and(|retry| retry.at <= now) {
            if let Some(Retry {
                connection,
                id,
                request,
                ..
            }) = self.retries.pop_front()
            {
                self.submit_job(connection, id, request, None);
            }
        }
    }

    /// A home whose stages are to be swept while the daemon runs.
    pub(crate) fn keep_swept(&mut self, open_home: &OpenHome) {
        let address = Arc::as_ptr(&open_home.home) as usize;
        self.homes.entry(address).or_insert_with(|| {
            let home = Arc::clone(&open_home.home);
            let kind = WorkKind {
                class: Class::Long,
                device: Some(open_home.device),
            };
            self.pool.submit(kind, WorkItem::Sweep(Arc::clone(&home)));
            OpenHome {
                home,
                device: open_home.device,
            }
        });
    }

    /// SIGHUP: a worker reads what the operator changed.
    pub(crate) fn reload(&mut self) {
        sd_notify::reloading();
        let kind = WorkKind {
            class: Class::Short,
            device: None,
        };
        let item = WorkItem::Reload {
            file: self.services.file.clone(),
            tickets: self.ftp.as_ref().and_then(|ftp| ftp.tls.clone()),
        };
        self.pool.submit(kind, item);
    }

    pub(crate) fn apply(&mut self, reloaded: Option<Box<Reloaded>>) {
        if let Some(reloaded) = reloaded {
            let Reloaded {
                config,
                endpoints,
                limits,
            } = *reloaded;
            self.tls = endpoints.tls;
            self.replace_ftp(endpoints.ftp);
            self.limits = limits;
            self.admission.set_limits(config.limits.clone());
            self.log.reopen(&config.log);
            log::info!("reloaded {}", self.services.file.display());
            self.services.accounts.reload(config);
        }
        sd_notify::ready();
    }

    /// Ports that are held stay counted.
    fn replace_ftp(&mut self, reloaded: Option<FtpEndpoint>) {
        if let (Some(old), Some(reloaded)) = (&mut self.ftp, reloaded) {
            old.tls = reloaded.tls;
            old.policy = reloaded.policy;
            old.resumption = reloaded.resumption;
            old.passive.reconfigure(reloaded.passive);
        }
    }

    pub(crate) fn sweep(&mut self) {
        for OpenHome { home, device } in self.homes.values() {
            let kind = WorkKind {
                class: Class::Long,
                device: Some(*device),
            };
            self.pool
                .submit(kind, WorkItem::Sweep(Arc::<Home>::clone(home)));
        }
    }
}
