//! Does what the operator says at the control socket, and answers in bounded pieces.

use std::time::{Duration, Instant, SystemTime};

use skiff_sessions::wire::reply::CloseReason;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::{Phase, Reactor};
use crate::accesslog::escaped;
use crate::connection::Connection;
use crate::control::answer::{BanRow, Line, SampleRow};
use crate::control::command::{Answer, Banned, Command, Request, Who, Whom};
use crate::event_loop::admission::Ban;
use crate::event_loop::counters::{Gauges, PoolLoad};

/// Places of connections that are looked at for one piece of an answer, and bans in one.
const PIECE: usize = 256;

impl Reactor {
    pub(super) fn command(&mut self, request: Request, now: Instant) {
        let Request {
            command,
            from,
            answer,
        } = request;
        match command {
            Command::Who {} => self.tell_sessions(from, answer, now),
            Command::Kick(whom) => self.kick(&whom, answer, now),
            Command::Bans {} => self.tell_bans(from, answer, now),
            Command::Unban(banned) => self.unban(Some(&banned), answer, now),
            Command::UnbanAll {} => self.unban(None, answer, now),
            Command::Quota { user } => self.shared.tell_quota(user, from, answer),
            Command::Stats {} => self.tell_counters(answer, now),
            Command::Drain { seconds } => self.drain_for_operator(seconds, answer, now),
            Command::Recount { user } => self.shared.recount(Who::User(user), answer),
            Command::RecountAll {} => self.shared.recount(Who::All, answer),
            Command::KeepSessions { user } => {
                self.shared.keep_sessions(user, now);
                answer.done();
            }
            Command::Reload {} => self.shared.reload(Some(answer)),
            Command::Addresses {} => {
                for &address in &self.shared.addresses {
                    answer.line(Line::Listening { address });
                }
                answer.done();
            }
            Command::HandOver {} => self.hand_over(answer),
            Command::GiveWay { process, seconds } => self.give_way(process, seconds, answer, now),
        }
    }

    fn tell_sessions(&self, from: usize, answer: Answer, now: Instant) {
        let until = from.saturating_add(PIECE);
        let all = (from..until).filter_map(|index| self.connections.get(index));
        for connection in all {
            answer.line(Line::Session(connection.row(now)));
        }
        match until < self.connections.capacity() {
            true => answer.more(until),
            false => answer.done(),
        }
    }

    fn kick(&mut self, whom: &Whom, answer: Answer, now: Instant) {
        let all = self.connections.iter().map(|(_, connection)| connection);
        let meant: Vec<_> = all
            .filter(|connection| connection.is_meant(whom))
            .map(|connection: &Connection| connection.id)
            .collect();
        let sessions = meant.len();
        for id in meant {
            self.with_connection(id, |connection, shared| {
                let client = connection.logged_as();
                log::info!("session {} ends: the operator wants it", client.session);
                connection.send_away(CloseReason::EndedByOperator, shared, now);
            });
        }
        match sessions {
            0 => answer.fail("there is no such session"),
            _ => answer.line(Line::Kicked { sessions }),
        };
        answer.done();
    }

    fn tell_bans(&self, from: usize, answer: Answer, now: Instant) {
        let mut bans = self.shared.admission.bans(now).skip(from);
        let clock = SystemTime::now();
        for (ban, why) in bans.by_ref().take(PIECE) {
            answer.line(Line::Ban(ban_row(ban, why, now, clock)));
        }
        match bans.next() {
            Some(_) => answer.more(from + PIECE),
            None => answer.done(),
        }
    }

    /// Ends bans, or all of them.
    fn unban(&mut self, banned: Option<&Banned>, answer: Answer, now: Instant) {
        let admission = &mut self.shared.admission;
        let (bans, whose) = match banned {
            Some(Banned::Address(address)) => {
                let bans = admission.unban_address(*address, now);
                (bans, address.to_string())
            }
            Some(Banned::User(user)) => {
                let bans = admission.unban_user(user, now);
                (bans, escaped(user.as_bytes()))
            }
            None => (admission.unban_all(now), "all".to_owned()),
        };
        match (bans, banned) {
            (0, Some(_)) => answer.fail(format!("{whose} is not banned")),
            _ => {
                log::info!("the operator has ended the bans of {whose}: {bans}");
                answer.line(Line::Unbanned { bans })
            }
        };
        answer.done();
    }

    fn tell_counters(&self, answer: Answer, now: Instant) {
        let gauges = self.gauges(now);
        for (family, samples) in self.shared.counters.told(&gauges) {
            for sample in samples {
                let labels = sample.labels.into_iter();
                answer.line(Line::Sample(SampleRow {
                    name: family.name.to_owned(),
                    labels: labels.map(|(key, value)| (key.to_owned(), value)).collect(),
                    value: sample.value,
                    kind: family.kind.name().to_owned(),
                    help: family.help.to_owned(),
                }));
            }
        }
        answer.done();
    }

    pub(super) fn gauges(&self, now: Instant) -> Gauges {
        let [workers, carriers] = self.shared.pool.loads();
        Gauges {
            uptime_seconds: now.saturating_duration_since(self.started).as_secs(),
            bans: self.shared.admission.bans(now).count() as u64,
            waiting: PoolLoad {
                workers: workers.0 as u64,
                carriers: carriers.0 as u64,
            },
            running: PoolLoad {
                workers: workers.1 as u64,
                carriers: carriers.1 as u64,
            },
            open_homes: self.shared.services.homes.open_count() as u64,
            certificate_expiry: self.shared.certificate_expiry(),
        }
    }

    /// As SIGTERM does. Said again, it changes how long transfers may go on.
    fn drain_for_operator(&mut self, seconds: Option<u32>, answer: Answer, now: Instant) {
        let usual = self.shared.admission.drain();
        let at_most = seconds.map_or(usual, |seconds| Duration::from_secs(seconds.into()));
        match self.phase {
            Phase::Serving => self.drain(at_most, now),
            Phase::Draining(_) => self.phase = Phase::Draining(now + at_most),
            Phase::Stopping(..) | Phase::Stopped => {}
        }
        let sessions = self.connections.len();
        let seconds = at_most.as_secs();
        answer.say(match self.phase {
            Phase::Stopping(..) | Phase::Stopped => "stopping already".to_owned(),
            _ => format!("no new sessions; {sessions} may finish their transfers for {seconds} s"),
        });
        answer.done();
    }
}

pub(super) fn ban_row(ban: Ban, why: String, now: Instant, clock: SystemTime) -> BanRow {
    BanRow {
        address: ban.network.to_string(),
        user: ban.user.map(|user| escaped(user.as_bytes())),
        since: utc(ban.since, now, clock),
        until: utc(ban.until, now, clock),
        why,
    }
}

/// The time of day, in RFC 3339, of `at`, which may be before or behind `now`.
fn utc(at: Instant, now: Instant, clock: SystemTime) -> String {
    const RFC_3339: &[BorrowedFormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");
    let time = match at.checked_duration_since(now) {
        Some(later) => clock.checked_add(later),
        None => clock.checked_sub(now.duration_since(at)),
    };
    let time = OffsetDateTime::from(time.unwrap_or(clock));
    // Only a year behind 9999 cannot be told.
    time.format(RFC_3339).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn times_of_day_are_told_before_and_behind_now() {
        let now = Instant::now();
        let clock = UNIX_EPOCH + Duration::from_secs(1_793_880_000);
        assert_eq!(utc(now, now, clock), "2026-11-05T12:00:00Z");
        let hour = Duration::from_secs(3600);
        assert_eq!(utc(now + hour, now, clock), "2026-11-05T13:00:00Z");
        assert_eq!(utc(now, now + hour, clock), "2026-11-05T11:00:00Z");
    }
}
