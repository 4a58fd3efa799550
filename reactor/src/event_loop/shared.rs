//! What all connections share on the reactor thread: the poll's registry, the worker pool, limits,
//! admission, deadlines, buffers, and jobs to be retried.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::iter;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use mio::Registry;
use skiff_conf::ProxyProtocol;
use skiff_sessions::scram::Binding;
use skiff_sessions::server::{DialectRules, Effect, Job, JobId, Limits, Setup};
use skiff_sessions::wire::reply::CloseReason;
use skiff_vfs::Home;

use crate::accesslog::AccessLog;
use crate::control::command::{Answer as ControlAnswer, Who};
use crate::endpoints::reload::Reloaded;
use crate::endpoints::{Endpoints, FtpEndpoint};
use crate::event_loop::account_numbers::AccountNumbers;
use crate::event_loop::admission::{Admission, CheckTurn, Refusals};
use crate::event_loop::counters::Counters;
use crate::event_loop::deadlines::Deadlines;
use crate::event_loop::named::Named;
use crate::event_loop::rates::RateLimits;
use crate::event_loop::sd_notify;
use crate::event_loop::waiting_logins::{Login, WaitingLogins};
use crate::tls::Tls;
use crate::tls::validity::Validities;
use crate::transport::ids::ConnectionId;
use crate::workers::inline::Inline;
use crate::workers::jobs::{Answer, CountDue, JobRequest, OpenHome, Services};
use crate::workers::password_check::PasswordCheck;
use crate::workers::pool::Pool;
use crate::workers::schedule::{AccountNumber, Class, Device, WorkKind};
use crate::workers::upkeep::Upkeep;
use crate::workers::work_item::WorkItem;

/// Time between two attempts of a job that cannot be done yet.
const RETRY_EVERY: Duration = Duration::from_millis(50);
/// Time between two looks for idle homes.
const CLOSE_IDLE_EVERY: Duration = Duration::from_secs(15);
/// Time between two looks at accounts that may close by themselves: their hours are in minutes.
const ACCOUNTS_EVERY: Duration = Duration::from_secs(20);
/// Time between two attempts to free descriptors.
const FREE_EVERY: Duration = Duration::from_millis(100);
/// How long a home stays open for a user who may come back: each holds some descriptors, and keeps
/// its disk from being unmounted.
const IDLE_MIN: Duration = Duration::from_secs(30);
/// How long after the operator's word to keep sessions a change of the accounts is taken for the one
/// that was meant.
const KEPT_FOR: Duration = Duration::from_secs(10);
/// Bytes read from a control connection at a time.
const LINE_BUFFER: usize = 8192;

pub(crate) struct Shared {
    pub(crate) registry: Registry,
    pub(crate) pool: Pool<WorkItem>,
    pub(crate) inline: Inline,
    pub(crate) admission: Admission,
    pub(crate) refusals: Refusals,
    pub(crate) log: AccessLog,
    pub(crate) counters: Counters,
    pub(crate) deadlines: Deadlines,
    pub(crate) limits: Arc<Limits>,
    pub(crate) services: Arc<Services>,
    /// `None` where the native listeners speak without TLS.
    pub(crate) tls: Option<Tls>,
    /// `None` where FTP is off.
    pub(crate) ftp: Option<FtpEndpoint>,
    /// Whose word is taken for a client's address.
    pub(crate) proxies: ProxyProtocol,
    /// When the certificates in use are valid.
    pub(super) validities: Validities,
    pub(crate) line_buffer: Vec<u8>,
    pub(crate) effects: Vec<Effect>,
    /// The answer to a job that was done inline; delivered once the other effects of the same step
    /// are performed.
    pub(crate) answered: Option<(JobId, Answer)>,
    /// Connections that have more to do than one turn of the loop allows.
    pub(crate) unfinished: Vec<ConnectionId>,
    /// Connections whose silent upload holds a name that another one wants.
    pub(crate) evicted: Vec<ConnectionId>,
    /// Connections that are to be ended, and what their peers are told.
    pub(crate) expelled: Vec<(ConnectionId, CloseReason)>,
    /// Clients whose data connections have not resumed TLS in their last sessions.
    pub(crate) unproven_clients: Named<(String, IpAddr)>,
    /// Those that were named in the log for that.
    pub(crate) named_clients: Named<(String, IpAddr)>,
    /// Logins whose turn has not come.
    pub(crate) waiting_logins: WaitingLogins,
    pub(crate) rates: RateLimits,
    /// Jobs to be retried, by time: each waits equally long.
    retries: VecDeque<Retry>,
    /// The homes that are open, by the address of their `Home`.
    homes: HashMap<usize, KnownHome>,
    /// Where the home of each account was last.
    home_devices: HashMap<AccountNumber, Device>,
    pub(crate) account_numbers: AccountNumbers,
    /// Users whose sessions stay when the accounts change, until when.
    kept_users: HashMap<String, Instant>,
    /// When idle homes are to be closed next; `None` while no home is open.
    close_idle_at: Option<Instant>,
    /// When accounts are looked at again that may close by themselves.
    accounts_due: Option<Instant>,
    /// When descriptors were last wanted.
    freed_at: Option<Instant>,
    /// Connections that have come.
    numbered: u64,
    /// What the daemon listens on.
    pub(crate) addresses: Vec<SocketAddr>,
}

/// An open home, which this does not keep open.
struct KnownHome {
    home: Weak<Home>,
    device: u64,
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
        endpoints: Endpoints,
    ) -> Self {
        let rates = services.accounts.rates();
        Self {
            registry,
            pool,
            inline: Inline::default(),
            admission,
            refusals: Refusals::default(),
            log,
            counters: Counters::default(),
            deadlines: Deadlines::default(),
            limits,
            services,
            tls: endpoints.tls,
            ftp: endpoints.ftp,
            proxies: endpoints.proxies,
            validities: endpoints.validities,
            line_buffer: vec![0; LINE_BUFFER],
            effects: Vec::new(),
            answered: None,
            unfinished: Vec::new(),
            evicted: Vec::new(),
            expelled: Vec::new(),
            unproven_clients: Named::default(),
            named_clients: Named::default(),
            waiting_logins: WaitingLogins::default(),
            rates: RateLimits::of_all(rates),
            retries: VecDeque::new(),
            homes: HashMap::new(),
            home_devices: HashMap::new(),
            account_numbers: AccountNumbers::default(),
            kept_users: HashMap::new(),
            close_idle_at: None,
            accounts_due: None,
            freed_at: None,
            numbered: 0,
            addresses: Vec::new(),
        }
    }

    /// The number of a new connection in the log.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.numbered += 1;
        self.numbered
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

    pub(crate) fn submit_job(&mut self, connection: ConnectionId, id: JobId, request: JobRequest) {
        if matches!(request.job, Job::OpenHome) {
            return self.submit_opening(connection, id, request);
        }
        let kind = request.kind();
        let item = self.job(connection, id, request, None);
        self.pool.submit(kind, item);
    }

    /// Has a home opened as work of its file system, which may hang: of the one where it was last,
    /// or of that where a worker finds it to be.
    fn submit_opening(&mut self, connection: ConnectionId, id: JobId, mut request: JobRequest) {
        let known = self.home_devices.get(&request.account).copied();
        request.device = request.device.or(known);
        if request.device.is_some() {
            let kind = request.kind();
            let item = self.job(connection, id, request, None);
            return self.pool.submit(kind, item);
        }
        let kind = WorkKind {
            class: Class::Short,
            device: None,
            account: request.account,
        };
        let item = WorkItem::LocateHome {
            connection,
            id,
            request: Box::new(request),
            services: Arc::clone(&self.services),
        };
        self.pool.submit(kind, item);
    }

    pub(super) fn job(
        &self,
        connection: ConnectionId,
        id: JobId,
        request: JobRequest,
        check: Option<PasswordCheck>,
    ) -> WorkItem {
        WorkItem::Job {
            connection,
            id,
            request: Box::new(request),
            services: Arc::clone(&self.services),
            check,
        }
    }

    /// Submits a step of a login whose turn has come. While as many passwords of its user or its
    /// network are being checked as would ban it, it waits.
    pub(crate) fn submit_login(&mut self, login: Login, now: Instant) {
        let check = match &login.request.job {
            Job::CheckPassword { user, .. } => {
                match self.admission.begin_check(login.address, user, now) {
                    CheckTurn::Now(check) => Some(check),
                    CheckTurn::Later => return self.waiting_logins.push(now + RETRY_EVERY, login),
                    CheckTurn::Never(why) => return self.expelled.push((login.connection, why)),
                }
            }
            _ => None,
        };
        let kind = login.request.kind();
        let item = self.job(login.connection, login.id, login.request, check);
        self.pool.submit(kind, item);
    }

    /// Submits the logins whose turn has come.
    pub(crate) fn submit_logins_due(&mut self, now: Instant) {
        while let Some(login) = self.waiting_logins.pop(now) {
            self.submit_login(login, now);
        }
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
                self.submit_job(connection, id, request);
            }
        }
    }

    /// Takes note of the home of a session.
    pub(crate) fn note_open_home(
        &mut self,
        open_home: &OpenHome,
        account: AccountNumber,
        now: Instant,
    ) {
        let device = open_home.device;
        self.home_devices.insert(account, Device::Number(device));
        self.note_use(&open_home.home, device, open_home.count, now);
    }

    /// Takes note of a home, or a shared folder, that is used from now on. One that is newly open has
    /// its stages swept, and is counted if that is due.
    pub(crate) fn note_use(
        &mut self,
        home: &Arc<Home>,
        device: u64,
        count: CountDue,
        now: Instant,
    ) {
        let class = match count {
            CountDue::No => None,
            CountDue::First => Some(Class::Long),
            CountDue::Again => Some(Class::Recount),
        };
        if let Some(class) = class {
            self.submit_on(class, device, Upkeep::Count(Arc::clone(home)));
        }
        let address = Arc::as_ptr(home) as usize;
        // An entry keeps the address from being used again, so it is this home's.
        if let Entry::Vacant(entry) = self.homes.entry(address) {
            entry.insert(KnownHome {
                home: Arc::downgrade(home),
                device,
            });
            self.submit_on(Class::Long, device, Upkeep::Sweep(Arc::clone(home)));
        }
        self.watch_idle(now);
    }

    /// Forgets where a home was that cannot be opened: it may have moved.
    pub(crate) fn forget_home_device(&mut self, account: AccountNumber) {
        self.home_devices.remove(&account);
    }

    /// Has idle homes closed after a while.
    pub(crate) fn watch_idle(&mut self, now: Instant) {
        self.close_idle_at.get_or_insert(now + CLOSE_IDLE_EVERY);
    }

    /// Has the accounts looked at again soon, as that of a session may close by itself.
    pub(crate) fn watch_accounts(&mut self, now: Instant) {
        self.accounts_due.get_or_insert(now + ACCOUNTS_EVERY);
    }

    /// Has open homes and sessions get what the accounts have now.
    pub(crate) fn refresh_accounts(&mut self) {
        self.accounts_due = None;
        let item = Upkeep::RefreshAccounts(Arc::clone(&self.services));
        let kind = WorkKind::of_daemon(Class::Short, None);
        self.pool.submit(kind, WorkItem::Upkeep(item));
    }

    /// Lets the sessions of `user` stay at a change of the accounts that comes soon.
    pub(crate) fn keep_sessions(&mut self, user: String, now: Instant) {
        self.kept_users.retain(|_, until| now < *until);
        self.kept_users.insert(user, now + KEPT_FOR);
    }

    /// Has a worker say what homes hold.
    pub(crate) fn tell_quota(&mut self, user: Option<String>, from: usize, answer: ControlAnswer) {
        let services = Arc::clone(&self.services);
        let kind = WorkKind::of_daemon(Class::Recount, None);
        let item = Upkeep::Holdings {
            services,
            user,
            from,
            answer,
        };
        self.pool.submit(kind, WorkItem::Upkeep(item));
    }

    /// Has a worker count homes for the operator.
    pub(crate) fn recount(&mut self, who: Who, answer: ControlAnswer) {
        let services = Arc::clone(&self.services);
        let kind = WorkKind::of_daemon(Class::Recount, None);
        let item = Upkeep::Recount {
            services,
            who,
            answer,
        };
        self.pool.submit(kind, WorkItem::Upkeep(item));
    }

    /// Whether the operator wants the sessions of `user` to stay though the account changes.
    pub(crate) fn keeps_sessions_of(&self, user: &str, now: Instant) -> bool {
        self.kept_users.get(user).is_some_and(|until| now < *until)
    }

    /// When [`Self::refresh_accounts_due`] has something to do.
    pub(crate) fn next_accounts_look(&self) -> Option<Instant> {
        self.accounts_due
    }

    /// Has accounts looked at again that may close by themselves.
    pub(crate) fn refresh_accounts_due(&mut self, now: Instant) {
        if self.accounts_due.is_some_and(|at| at <= now) {
            self.refresh_accounts();
        }
    }

    /// When [`Self::close_idle_due`] has something to do.
    pub(crate) fn next_close_idle(&self) -> Option<Instant> {
        self.close_idle_at
    }

    /// Has homes closed that no session has used for a while.
    pub(crate) fn close_idle_due(&mut self, now: Instant) {
        if self.close_idle_at.is_none_or(|at| at > now) {
            return;
        }
        self.close_idle(IDLE_MIN);
        self.homes.retain(|_, known| known.home.strong_count() > 0);
        let some_open = self.services.homes.open_count() > 0;
        self.close_idle_at = some_open.then_some(now + CLOSE_IDLE_EVERY);
    }

    /// Has all idle homes closed, as descriptors are wanted; not again and again.
    pub(crate) fn free_descriptors(&mut self, now: Instant) {
        if self.freed_at.is_none_or(|at| now >= at + FREE_EVERY) {
            self.freed_at = Some(now);
            self.close_idle(Duration::ZERO);
        }
    }

    /// Has homes closed that no session has used for `idle`.
    pub(crate) fn close_idle(&mut self, idle: Duration) {
        let services = Arc::clone(&self.services);
        let kind = WorkKind::of_daemon(Class::Short, None);
        self.pool
            .submit(kind, WorkItem::Upkeep(Upkeep::CloseIdle { services, idle }));
    }

    fn submit_on(&mut self, class: Class, device: u64, upkeep: Upkeep) {
        let kind = WorkKind::of_daemon(class, Some(Device::Number(device)));
        self.pool.submit(kind, WorkItem::Upkeep(upkeep));
    }

    /// Has a worker read the configuration again, at SIGHUP or for an operator who is answered.
    pub(crate) fn reload(&mut self, answer: Option<ControlAnswer>) {
        sd_notify::reloading();
        let kind = WorkKind::of_daemon(Class::Short, None);
        let item = WorkItem::Reload {
            services: Arc::clone(&self.services),
            tickets: self.ftp.as_ref().and_then(|ftp| ftp.tls.clone()),
            log: self.log.clone(),
            answer,
        };
        self.pool.submit(kind, item);
    }

    /// Has the log files opened again, as after a rotator renamed them.
    pub(crate) fn reopen_logs(&self) {
        self.log.reopen(&self.services.accounts.config().log);
    }

    /// Takes a new configuration into use, or says why the old one stays.
    pub(crate) fn apply(
        &mut self,
        reloaded: Result<Box<Reloaded>, String>,
        answer: Option<ControlAnswer>,
    ) {
        let file = self.services.file.display().to_string();
        match reloaded {
            Ok(reloaded) => {
                let remarks = self.take_over(*reloaded);
                log::info!("reloaded {file}");
                for remark in &remarks {
                    log::warn!("{file}: {remark}");
                }
                let told = iter::once(format!("reloaded {file}")).chain(remarks);
                let told: Vec<_> = told.collect();
                sd_notify::ready(&told.join("; "));
                if let Some(answer) = answer {
                    let _ = told.into_iter().all(|line| answer.say(line));
                    answer.done();
                }
            }
            Err(complaint) => {
                log::error!("not reloaded: {complaint}");
                sd_notify::ready(&format!("not reloaded: {complaint}"));
                if let Some(answer) = answer {
                    answer.fail(format!("not reloaded: {complaint}"));
                    answer.done();
                }
            }
        }
    }

    /// Returns what the operator should know.
    fn take_over(&mut self, reloaded: Reloaded) -> Vec<String> {
        let Reloaded {
            config,
            endpoints,
            limits,
            remarks,
        } = reloaded;
        self.tls = endpoints.tls;
        self.validities = endpoints.validities;
        self.proxies = endpoints.proxies;
        if let (Some(ftp), Some(fresh)) = (&mut self.ftp, endpoints.ftp) {
            ftp.reconfigure(fresh);
        }
        self.limits = limits;
        self.admission.set_limits(config.limits.clone());
        self.log.reopen(&config.log);
        self.services.accounts.reload(config);
        self.rates
            .set_all(self.services.accounts.rates(), Instant::now());
        self.refresh_accounts();
        remarks
    }

    /// The homes that are open, each with the device number of its file system.
    pub(crate) fn open_homes(&self) -> impl Iterator<Item = (Arc<Home>, u64)> {
        let known = self.homes.values();
        known.filter_map(|known| Some((known.home.upgrade()?, known.device)))
    }

    /// Has all open homes swept, and counted where that is due, and the files of all homes removed
    /// that were kept long enough.
    pub(crate) fn sweep(&mut self) {
        let expire = Upkeep::Expire(Arc::clone(&self.services));
        let kind = WorkKind::of_daemon(Class::Recount, None);
        self.pool.submit(kind, WorkItem::Upkeep(expire));
        let open: Vec<_> = self.open_homes().collect();
        for (home, device) in open {
            self.submit_on(Class::Long, device, Upkeep::Sweep(Arc::clone(&home)));
            self.submit_on(Class::Recount, device, Upkeep::Count(home));
        }
    }
}
