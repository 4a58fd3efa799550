//! What all connections share on the reactor thread: the poll's registry, the worker pool, limits,
//! admission, deadlines, buffers, and jobs to be retried.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::Registry;
use rustls::Connection as TlsConnection;
use skiff_sessions::scram::Binding;
use skiff_sessions::server::{DialectRules, Effect, Job, JobId, Limits, Setup};

use crate::accesslog::AccessLog;
use crate::endpoints::reload::Reloaded;
use crate::endpoints::{Endpoints, FtpEndpoint};
use crate::event_loop::admission::Admission;
use crate::event_loop::deadlines::Deadlines;
use crate::event_loop::sd_notify;
use crate::tls::Tls;
use crate::tls::ftp::SessionResumption;
use crate::transport::channel::Channel;
use crate::transport::ids::ConnectionId;
use crate::workers::inline::Inline;
use crate::workers::jobs::{Answer, CountDue, JobRequest, OpenHome, Services};
use crate::workers::pool::Pool;
use crate::workers::schedule::{Class, WorkKind};
use crate::workers::work_item::WorkItem;

/// Time between two attempts of a job that cannot be done yet.
const RETRY_EVERY: Duration = Duration::from_millis(50);
/// Bytes read from a control connection at a time.
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
    /// `None` where the native listeners speak without TLS.
    pub(crate) tls: Option<Tls>,
    /// `None` where FTP is off.
    pub(crate) ftp: Option<FtpEndpoint>,
    pub(crate) line_buffer: Vec<u8>,
    pub(crate) effects: Vec<Effect>,
    /// The answer to a job that was done inline; delivered once the other effects of the same step
    /// are performed.
    pub(crate) answered: Option<(JobId, Answer)>,
    /// Connections that have more to do than one turn of the loop allows.
    pub(crate) unfinished: Vec<ConnectionId>,
    /// Connections whose silent upload holds a name that another one wants.
    pub(crate) evicted: Vec<ConnectionId>,
    /// Jobs to be retried, by time: each waits equally long.
    retries: VecDeque<Retry>,
    /// Homes opened since the start, by the address of their `Home`.
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

    /// The TLS state of a new native connection; `None` without TLS.
    pub(crate) fn secure(&self) -> io::Result<Option<TlsConnection>> {
        self.tls
            .as_ref()
            .map(Tls::connection)
            .transpose()
            .map_err(io::Error::other)
    }

    /// Switches an FTP control connection to TLS; sets what data connections of its session resume.
    pub(crate) fn secure_ftp(
        &self,
        channel: &mut Channel,
        resumption: &mut Option<SessionResumption>,
    ) -> io::Result<()> {
        let tls = self.ftp.as_ref().and_then(|ftp| ftp.tls.as_ref());
        let tls = tls.ok_or_else(|| io::Error::other("this listener has none"))?;
        let session = resumption.insert(SessionResumption::new().map_err(io::Error::other)?);
        let (tls, fallback) = tls.control(session).map_err(io::Error::other)?;
        channel.secure_control(tls, fallback);
        Ok(())
    }

    /// What a new session is made with; `None` if the system has no random bytes.
    pub(crate) fn setup(&self, binding: Binding, dialect_rules: DialectRules) -> Option<Setup> {
        let mut seed = [0; 32];
        if let Err(error) = getrandom::fill(&mut seed) {
            log::error!("the system gives no random bytes: {error}");
            return None;
        }
        Some(Setup {
            limits: Arc::clone(&self.limits),
            binding,
            seed,
            dialect_rules,
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

    /// Has the stages of a home swept now, if it is newly opened, and regularly from now on.
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
                count: CountDue::No,
            }
        });
    }

    /// Has a home counted that was just opened, if that is due.
    pub(crate) fn count_if_due(&mut self, open_home: &OpenHome) {
        let class = match open_home.count {
            CountDue::No => return,
            CountDue::First => Class::Long,
            CountDue::Again => Class::Recount,
        };
        let kind = WorkKind {
            class,
            device: Some(open_home.device),
        };
        self.pool
            .submit(kind, WorkItem::Count(Arc::clone(&open_home.home)));
    }

    /// Has a worker read the configuration again, at SIGHUP.
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

    /// Passive ports in use stay counted.
    fn replace_ftp(&mut self, reloaded: Option<FtpEndpoint>) {
        if let (Some(old), Some(reloaded)) = (&mut self.ftp, reloaded) {
            old.tls = reloaded.tls;
            old.policy = reloaded.policy;
            old.resumption = reloaded.resumption;
            old.passive.reconfigure(reloaded.passive);
        }
    }

    /// Has all open homes swept, and counted where that is due.
    pub(crate) fn sweep(&mut self) {
        for OpenHome { home, device, .. } in self.homes.values() {
            let kind = |class| WorkKind {
                class,
                device: Some(*device),
            };
            let (swept, counted) = (Arc::clone(home), Arc::clone(home));
            self.pool.submit(kind(Class::Long), WorkItem::Sweep(swept));
            self.pool
                .submit(kind(Class::Recount), WorkItem::Count(counted));
        }
    }
}
