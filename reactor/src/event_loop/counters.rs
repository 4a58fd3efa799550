//! What the daemon counts, as plain integers, and the table of the names that it tells them by.

use skiff_sessions::server::Direction;
use skiff_sessions::wire::reply::CloseReason;

use crate::accesslog::client::Dialect;
use crate::accesslog::record::{self, Ending, TransferKind};
use crate::event_loop::admission::BanState;

/// Whether a number only grows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Counter,
    Gauge,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// All numbers of one name; named by the conventions of Prometheus.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) help: &'static str,
}

impl Family {
    /// The name without the ending of a counter's numbers, by which OpenMetrics calls the family.
    pub(crate) fn base_name(&self) -> &'static str {
        self.name.strip_suffix("_total").unwrap_or(self.name)
    }
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Counter,
        help,
    }
}

pub(crate) const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        kind: Kind::Gauge,
        help,
    }
}

const UPTIME: Family = gauge("skiffd_uptime_seconds", "seconds since the start");
const SESSIONS: Family = gauge("skiffd_sessions", "connections that are open");
const CONNECTIONS: Family = counter("skiffd_connections_total", "connections that were served");
const HANDSHAKES: Family = counter(
    "skiffd_tls_handshakes_failed_total",
    "control connections whose TLS handshake failed",
);
const LOGINS: Family = counter("skiffd_logins_total", "logins by their result");
const TRANSFERS: Family = counter(
    "skiffd_transfers_total",
    "transfers of files by their result",
);
const BYTES: Family = counter(
    "skiffd_transferred_bytes_total",
    "bytes of files that were moved",
);
const REFUSED: Family = counter(
    "skiffd_refused_total",
    "peers that were not let in, by the cause",
);
const BANS_MADE: Family = counter("skiffd_bans_total", "bans after failed logins");
// The name without _total must be free too, by which OpenMetrics calls the counter.
const BANS: Family = gauge("skiffd_active_bans", "bans that hold");
const WAITING: Family = gauge(
    "skiffd_waiting_jobs",
    "pieces of work that wait for a thread",
);
const RUNNING: Family = gauge("skiffd_running_jobs", "pieces of work that threads do");
const HOMES: Family = gauge("skiffd_open_homes", "homes that are open");

const RECOUNTS: Family = counter(
    "skiffd_recounts_total",
    "homes that were counted again in the background",
);
const DRIFT: Family = counter(
    "skiffd_recount_drift_bytes_total",
    "bytes by which ledgers were off when homes were counted again",
);
const CERTIFICATE: Family = gauge(
    "skiffd_certificate_expiry_timestamp_seconds",
    "when the first of the certificates expires, in seconds since 1970",
);

const DIALECTS: [Dialect; 2] = [Dialect::Native, Dialect::Ftp];
const DIRECTIONS: [&str; 2] = ["upload", "download"];
const ENDINGS: [&str; 2] = ["complete", "incomplete"];

/// What came of a login.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LoginResult {
    Accepted,
    /// A wrong password or user.
    Failed,
    /// In clear, where TLS is required.
    NeedsTls,
    /// The user has too many already.
    TooManySessions,
    /// The home cannot be opened.
    NoHome,
}

const LOGIN_RESULTS: [(LoginResult, &str); 5] = [
    (LoginResult::Accepted, "accepted"),
    (LoginResult::Failed, "failed"),
    (LoginResult::NeedsTls, "needs-tls"),
    (LoginResult::TooManySessions, "too-many-sessions"),
    (LoginResult::NoHome, "no-home"),
];

/// Why a peer is not let in.
const REFUSALS: [(CloseReason, &str); 6] = [
    (CloseReason::TooManySessions, "too-many-sessions"),
    (CloseReason::TooManyFromAddress, "too-many-from-address"),
    (CloseReason::Banned, "address-banned"),
    (CloseReason::UserBanned, "user-banned"),
    (CloseReason::UserUnderAttack, "user-under-attack"),
    (CloseReason::MadeRoom, "made-room"),
];

/// What is counted as it happens. All of it is an addition; nothing depends on how many sessions
/// there are.
#[derive(Default)]
pub(crate) struct Counters {
    sessions: [u64; 2],
    connections: [u64; 2],
    handshakes_failed: u64,
    logins: [u64; LOGIN_RESULTS.len()],
    /// By dialect, direction and ending.
    transfers: [[[u64; 2]; 2]; 2],
    /// By dialect and direction.
    bytes: [[u64; 2]; 2],
    refused: [u64; REFUSALS.len()],
    user_bans: u64,
    address_bans: u64,
    recounts: u64,
    drift: u64,
}

/// Sums of what the last hour is told of, in the order of [`REFUSED_NAMES`].
pub(crate) type Refused = [u64; REFUSED_NAMES.len()];

/// What the last hour is told of: bans, refusals by their cause, logins by what kept them out.
pub(crate) const REFUSED_NAMES: [&str; 2 + REFUSALS.len() + LOGIN_RESULTS.len() - 1] = [
    "bans of users",
    "bans of addresses",
    "too many sessions",
    "too many from the address",
    "address banned",
    "user banned",
    "user under attack",
    "made room for others",
    "login failed",
    "login in clear, where tls is required",
    "login of a user who has too many sessions",
    "login to a home that cannot be opened",
];

/// What is known when it is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gauges {
    pub(crate) uptime_seconds: u64,
    pub(crate) bans: u64,
    pub(crate) waiting: PoolLoad,
    pub(crate) running: PoolLoad,
    pub(crate) open_homes: u64,
    /// `None` where there is no certificate.
    pub(crate) certificate_expiry: Option<u64>,
}

/// A number for each group of threads.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PoolLoad {
    pub(crate) workers: u64,
    pub(crate) carriers: u64,
}

/// One number, with what tells it from others of its name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Sample {
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: u64,
}

impl Counters {
    pub(crate) fn session_began(&mut self, dialect: Dialect) {
        self.sessions[dialect as usize] += 1;
        self.connections[dialect as usize] += 1;
    }

    pub(crate) fn session_ended(&mut self, dialect: Dialect) {
        self.sessions[dialect as usize] -= 1;
    }

    pub(crate) fn handshake_failed(&mut self) {
        self.handshakes_failed += 1;
    }

    pub(crate) fn login(&mut self, result: LoginResult) {
        self.logins[result as usize] += 1;
    }

    pub(crate) fn ban(&mut self, state: BanState) {
        match state {
            BanState::UserBannedNow => self.user_bans += 1,
            BanState::NetworkBannedNow => self.address_bans += 1,
            BanState::NotBanned | BanState::BannedBefore => {}
        }
    }

    pub(crate) fn refused(&mut self, why: CloseReason) {
        if let Some(at) = REFUSALS.iter().position(|(reason, _)| *reason == why) {
            self.refused[at] += 1;
        }
    }

    pub(crate) fn moved(&mut self, dialect: Dialect, direction: Direction, bytes: u64) {
        let direction = match direction {
            Direction::FromPeer => 0,
            Direction::ToPeer => 1,
        };
        self.bytes[dialect as usize][direction] += bytes;
    }

    pub(crate) fn transfer_ended(&mut self, dialect: Dialect, transfer: &TransferKind) {
        let direction = match transfer.direction {
            record::Direction::Upload => 0,
            record::Direction::Download => 1,
            record::Direction::Deletion => return,
        };
        let ending = match transfer.ending {
            Ending::Complete => 0,
            Ending::Incomplete => 1,
        };
        self.transfers[dialect as usize][direction][ending] += 1;
    }

    pub(crate) fn recounted(&mut self, drift: u64) {
        self.recounts += 1;
        self.drift += drift;
    }

    /// The sums of what the last hour is told of.
    pub(crate) fn refused_so_far(&self) -> Refused {
        let [_accepted, not_accepted @ ..] = &self.logins;
        let bans = [self.user_bans, self.address_bans];
        let all = bans.iter().chain(&self.refused).chain(not_accepted);
        let mut sums = Refused::default();
        for (sum, found) in sums.iter_mut().zip(all) {
            *sum = *found;
        }
        sums
    }

    /// All numbers, by their families. Each field has its row: one that is forgotten does not
    /// compile without a warning.
    pub(crate) fn told(&self, gauges: &Gauges) -> Vec<(&'static Family, Vec<Sample>)> {
        let Self {
            sessions,
            connections,
            handshakes_failed,
            logins,
            transfers,
            bytes,
            refused,
            user_bans,
            address_bans,
            recounts,
            drift,
        } = self;
        let &Gauges {
            uptime_seconds,
            bans,
            waiting,
            running,
            open_homes,
            certificate_expiry,
        } = gauges;
        let results = LOGIN_RESULTS.map(|(_, name)| name);
        let causes = REFUSALS.map(|(_, name)| name);
        let bans_made = [*user_bans, *address_bans];
        vec![
            (&UPTIME, one(uptime_seconds)),
            (&SESSIONS, by_dialect(sessions)),
            (&CONNECTIONS, by_dialect(connections)),
            (&HANDSHAKES, one(*handshakes_failed)),
            (&LOGINS, by("result", &results, logins)),
            (&TRANSFERS, transfers_told(transfers)),
            (&BYTES, bytes_told(bytes)),
            (&REFUSED, by("cause", &causes, refused)),
            (&BANS_MADE, by("of", &["user", "address"], &bans_made)),
            (&BANS, one(bans)),
            (&WAITING, by_group(waiting)),
            (&RUNNING, by_group(running)),
            (&HOMES, one(open_homes)),
            (&RECOUNTS, one(*recounts)),
            (&DRIFT, one(*drift)),
            (
                &CERTIFICATE,
                certificate_expiry.map(one).unwrap_or_default(),
            ),
        ]
    }
}

fn transfers_told(transfers: &[[[u64; 2]; 2]; 2]) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (dialect, by_direction) in DIALECTS.iter().zip(transfers) {
        for (direction, by_ending) in DIRECTIONS.iter().zip(by_direction) {
            for (ending, value) in ENDINGS.iter().zip(by_ending) {
                let labels = [
                    ("dialect", dialect.to_string()),
                    ("direction", (*direction).to_owned()),
                    ("result", (*ending).to_owned()),
                ];
                samples.push(sample(labels, *value));
            }
        }
    }
    samples
}

fn bytes_told(bytes: &[[u64; 2]; 2]) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (dialect, by_direction) in DIALECTS.iter().zip(bytes) {
        for (direction, value) in DIRECTIONS.iter().zip(by_direction) {
            let labels = [
                ("dialect", dialect.to_string()),
                ("direction", (*direction).to_owned()),
            ];
            samples.push(sample(labels, *value));
        }
    }
    samples
}

fn sample<const N: usize>(labels: [(&'static str, String); N], value: u64) -> Sample {
    Sample {
        labels: labels.into(),
        value,
    }
}

fn one(value: u64) -> Vec<Sample> {
    vec![sample([], value)]
}

fn by(label: &'static str, names: &[&str], values: &[u64]) -> Vec<Sample> {
    let each = names.iter().zip(values);
    each.map(|(name, value)| sample([(label, (*name).to_owned())], *value))
        .collect()
}

fn by_dialect(values: &[u64; 2]) -> Vec<Sample> {
    let each = DIALECTS.iter().zip(values);
    each.map(|(dialect, value)| sample([("dialect", dialect.to_string())], *value))
        .collect()
}

fn by_group(load: PoolLoad) -> Vec<Sample> {
    let PoolLoad { workers, carriers } = load;
    by("threads", &["worker", "carrier"], &[workers, carriers])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_family_has_numbers_a_text_and_a_name_by_the_conventions() {
        let counters = Counters::default();
        let mut names = BTreeSet::new();
        let gauges = Gauges {
            certificate_expiry: Some(1),
            ..Gauges::default()
        };
        for (family, samples) in counters.told(&gauges) {
            assert!(!samples.is_empty(), "{} has no number", family.name);
            let told: BTreeSet<_> = samples
                .iter()
                .map(|one| format!("{:?}", one.labels))
                .collect();
            assert_eq!(told.len(), samples.len(), "{}: labels twice", family.name);
            let name = family.base_name();
            assert!(names.insert(name), "{name} stands twice");
            assert!(family.name.starts_with("skiffd_"));
            assert_eq!(
                family.name.ends_with("_total"),
                family.kind == Kind::Counter
            );
            assert!(!family.help.is_empty() && !family.help.ends_with('.'));
        }
    }

    #[test]
    fn numbers_stand_where_their_tables_say() {
        for (at, (result, _)) in LOGIN_RESULTS.iter().enumerate() {
            assert_eq!(*result as usize, at);
        }
        for (at, dialect) in DIALECTS.iter().enumerate() {
            assert_eq!(*dialect as usize, at);
        }
    }

    #[test]
    fn the_last_hour_is_told_of_all_that_kept_peers_out() {
        let mut counters = Counters::default();
        for (cause, _) in REFUSALS {
            counters.refused(cause);
        }
        for (result, _) in LOGIN_RESULTS {
            counters.login(result);
        }
        counters.ban(BanState::UserBannedNow);
        counters.ban(BanState::NetworkBannedNow);
        assert_eq!(counters.refused_so_far(), [1; REFUSED_NAMES.len()]);
        counters.login(LoginResult::Accepted);
        assert_eq!(counters.refused_so_far(), [1; REFUSED_NAMES.len()]);
        counters.login(LoginResult::NoHome);
        assert_eq!(counters.refused_so_far().last(), Some(&2));
    }

    #[test]
    fn what_happens_is_counted_once_and_in_its_place() {
        let mut counters = Counters::default();
        counters.session_began(Dialect::Ftp);
        counters.session_began(Dialect::Ftp);
        counters.session_ended(Dialect::Ftp);
        counters.moved(Dialect::Native, Direction::ToPeer, 7);
        counters.refused(CloseReason::UserBanned);
        counters.refused(CloseReason::Asked);
        let transfer = |direction| TransferKind {
            direction,
            ending: Ending::Incomplete,
            service: "ftp",
        };
        counters.transfer_ended(Dialect::Ftp, &transfer(record::Direction::Upload));
        counters.transfer_ended(Dialect::Ftp, &transfer(record::Direction::Deletion));
        let gauges = Gauges::default();
        let told: Vec<_> = counters
            .told(&gauges)
            .into_iter()
            .flat_map(|(family, samples)| samples.into_iter().map(|one| (family.name, one)))
            .filter(|(_, one)| one.value > 0)
            .map(|(name, one)| {
                let labels: Vec<_> = one.labels.iter().map(|(_, value)| value.as_str()).collect();
                format!("{name} {} {}", labels.join(" "), one.value)
            })
            .collect();
        assert_eq!(
            told,
            [
                "skiffd_sessions ftp 1",
                "skiffd_connections_total ftp 2",
                "skiffd_transfers_total ftp upload incomplete 1",
                "skiffd_transferred_bytes_total native download 7",
                "skiffd_refused_total user-banned 1",
            ]
        );
    }
}
