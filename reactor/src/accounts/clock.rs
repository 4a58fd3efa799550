//! Tells the time of day where the server is, by which accounts are open or closed.

use std::time::{SystemTime, UNIX_EPOCH};

use skiff_conf::{Date, WallClock};
use tz::{DateTime, TimeZone};

/// The clock of the server's time zone, which is read once.
pub(crate) struct Clock(TimeZone);

impl Clock {
    /// The clock of TZ (tzset(3)), else of the system's zone, else UTC.
    pub(crate) fn of_system() -> Self {
        let zone = match std::env::var("TZ") {
            Ok(name) => TimeZone::from_posix_tz(&name),
            Err(_) => TimeZone::local(),
        };
        Self(zone.unwrap_or_else(|_| TimeZone::utc()))
    }

    pub(crate) fn now(&self) -> WallClock {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        let seconds = since.map_or(0, |since| since.as_secs());
        self.at(i64::try_from(seconds).unwrap_or(0))
    }

    /// What it shows at this second of Unix time; the epoch where a zone does not know.
    fn at(&self, seconds: i64) -> WallClock {
        let shown = DateTime::from_timespec(seconds, 0, self.0.as_ref());
        let (date, weekday, minute) = shown.map_or((EPOCH, 4, 0), |time| {
            let date = Date {
                year: time.year(),
                month: time.month(),
                day: time.month_day(),
            };
            let minute = u16::from(time.hour()) * 60 + u16::from(time.minute());
            (date, time.week_day(), minute)
        });
        WallClock {
            date,
            // There 0 is Sunday.
            weekday: (weekday + 6) % 7,
            minute,
        }
    }
}

const EPOCH: Date = Date {
    year: 1970,
    month: 1,
    day: 1,
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_that_of_the_zone() {
        let berlin = TimeZone::from_posix_tz("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        // 2026-11-30 23:30 UTC, a Monday.
        let late = 1_796_081_400;
        let shown = |zone: TimeZone| Clock(zone).at(late);
        let utc = shown(TimeZone::utc());
        assert_eq!(utc.date.to_string(), "2026-11-30");
        assert_eq!((utc.weekday, utc.minute), (0, 23 * 60 + 30));
        let berlin = shown(berlin);
        assert_eq!(berlin.date.to_string(), "2026-12-01");
        assert_eq!((berlin.weekday, berlin.minute), (1, 30));
    }
}
