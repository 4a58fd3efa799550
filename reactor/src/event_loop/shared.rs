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
use crate::endpoints::reload::Fresh;
use crate::endpoints::{Doors, Ftp};
use crate::event_loop::admission::Guard;
use crate::event_loop::deadlines::Deadlines;
use crate::event_loop::sd_notify;
use crate::tls::Tls;
use crate::tls::ftp::Tag;
use crate::transport::ids::ConnectionId;
use crate::workers::inline::Hand;
use crate::workers::jobs::{Answer, Lodged, Order, Services};
use crate::workers::pool::Pool;
use crate::workers::schedule::{Class, Ticket};
use crate::workers::work_item::Errand;

/// Between two tries of a job that cannot be done yet.
const RETRY_EVERY: Duration = Duration::from_millis(50);
/// Bytes read off a connection at a time for its lines.
const LINE_BUFFER: usize = 8192;

pub(crate) struct Hub {
    pub(crate) registry: Registry,
    pub(crate) pool: Pool<Errand>,
    pub(crate) hand: Hand,
    pub(crate) guard: Guard,
    pub(crate) log: AccessLog,
    pub(crate) deadlines: Deadlines,
    pub(crate) limits: Arc<Limits>,
    pub(crate) services: Arc<Services>,
    /// `None` where the listeners speak in clear.
    pub(crate) tls: Option<Tls>,
    /// `None` where no FTP is spoken.
    pub(crate) ftp: Option<Ftp>,
    pub(crate) line_buffer: Vec<u8>,
    pub(crate) effects: Vec<Effect>,
    /// Of a job that needed no worker, until what else its session decided is
    /// performed.
    pub(crate) answered: Option<(JobId, Answer)>,
    /// Connections with more to do than one turn allows.
    pub(crate) again: Vec<ConnectionId>,
    /// Connections whose silent upload is in another's way.
    pub(crate) evicted: Vec<ConnectionId>,
    /// In the order of their times, for all wait equally long.
    retries: VecDeque<Retry>,
    /// Homes in use since the start, by their address in memory.
    homes: HashMap<usize, Lodged>,
}

struct Retry {
    at: Instant,
    connection: ConnectionId,
    id: JobId,
    order: Order,
}

impl Hub {
    pub(crate) fn new(
        registry: Registry,
        pool: Pool<Errand>,
        guard: Guard,
        log: AccessLog,
        limits: Arc<Limits>,
        services: Arc<Services>,
        Doors { tls, ftp }: Doors,
    ) -> Self {
        Self {
            registry,
            pool,
            hand: Hand::default(),
            guard,
            log,
            deadlines: Deadlines::default(),
            limits,
            services,
            tls,
            ftp,
            line_buffer: vec![0; LINE_BUFFER],
            effects: Vec::new(),
            answered: None,
            again: Vec::new(),
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
        let fresh = Tag::random().map_err(io::Error::other)?;
        *tag = Some(fresh);
        tls.control(fresh).map_err(io::Error::other)
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

    pub(crate) fn submit_order(
        &mut self,
        connection: ConnectionId,
        id: JobId,
        order: Order,
        device: Option<u64>,
    ) {
        let services = Arc::clone(&self.services);
        let class = match order.job {
            Job::CheckPassword { .. } => Class::Crypt,
            _ => Class::Short,
        };
        let errand = Errand::Job {
            connection,
            id,
            order: Box::new(order),
            services,
        };
        self.pool.submit(Ticket { class, device }, errand);
    }

    pub(crate) fn retry_later(
        &mut self,
        connection: ConnectionId,
        id: JobId,
        order: Order,
        evict: Option<u64>,
        now: Instant,
    ) {
        self.evicted
            .extend(evict.and_then(ConnectionId::from_number));
        self.retries.push_back(Retry {
            at: now + RETRY_EVERY,
            connection,
            id,
            order,
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
                order,
                ..
            }) = self.retries.pop_front()
            {
                self.submit_order(connection, id, order, None);
            }
        }
    }

    /// A home whose stages are to be swept while the daemon runs.
    pub(crate) fn keep_swept(&mut self, lodged: &Lodged) {
        let address = Arc::as_ptr(&lodged.home) as usize;
        self.homes.entry(address).or_insert_with(|| {
            let home = Arc::clone(&lodged.home);
            let ticket = Ticket {
                class: Class::Long,
                device: Some(lodged.device),
            };
            self.pool.submit(ticket, Errand::Sweep(Arc::clone(&home)));
            Lodged {
                home,
                device: lodged.device,
            }
        });
    }

    /// SIGHUP: a worker reads what the operator changed.
    pub(crate) fn reload(&mut self) {
        sd_notify::reloading();
        let ticket = Ticket {
            class: Class::Short,
            device: None,
        };
        let errand = Errand::Reload {
            file: self.services.file.clone(),
            tickets: self.ftp.as_ref().and_then(|ftp| ftp.tls.clone()),
        };
        self.pool.submit(ticket, errand);
    }

    pub(crate) fn take_up(&mut self, fresh: Option<Box<Fresh>>) {
        if let Some(fresh) = fresh {
            let Fresh {
                config,
                doors,
                limits,
            } = *fresh;
            self.tls = doors.tls;
            self.take_up_ftp(doors.ftp);
            self.limits = limits;
            self.guard.set_limits(config.limits.clone());
            self.log.reopen(&config.log);
            log::info!("reloaded {}", self.services.file.display());
            self.services.accounts.reload(config);
        }
        sd_notify::ready();
    }

    /// Ports that are held stay counted.
    fn take_up_ftp(&mut self, fresh: Option<Ftp>) {
        if let (Some(old), Some(fresh)) = (&mut self.ftp, fresh) {
            old.tls = fresh.tls;
            old.policy = fresh.policy;
            old.resumption = fresh.resumption;
            old.passive.take_up(fresh.passive);
        }
    }

    pub(crate) fn sweep(&mut self) {
        for Lodged { home, device } in self.homes.values() {
            let ticket = Ticket {
                class: Class::Long,
                device: Some(*device),
            };
            self.pool
                .submit(ticket, Errand::Sweep(Arc::<Home>::clone(home)));
        }
    }
}
