//! Tells local time: by TZ (tzset(3)), else by the system's zone.

use skiff_sessions::wire::stamp::Stamp;
use tz::TimeZone;

/// A time zone; UTC by default.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Zone(TimeZone);

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::utc())
    }
}

impl Zone {
    /// The zone of whoever runs this; UTC where it cannot be found out.
    pub(crate) fn of_user() -> Self {
        Self::named(std::env::var("TZ").ok().as_deref())
    }

    /// What TZ names: a file of the time zone database, or a rule (POSIX, chapter 8). Without it the
    /// system's zone counts, and an empty one is UTC.
    fn named(name: Option<&str>) -> Self {
        let zone = match name {
            None => TimeZone::local().ok(),
            Some(name) => TimeZone::from_posix_tz(name).ok(),
        };
        zone.map(Self).unwrap_or_default()
    }

    /// Returns the time of day there as if it were UTC.
    pub(crate) fn to_local(&self, stamp: Stamp) -> Stamp {
        let found = self.0.find_local_time_type(stamp.0);
        let offset = found.map_or(0, |kind| kind.ut_offset());
        Stamp(stamp.0.saturating_add(offset.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shown(zone: &str, utc: &str, local: &str) {
        let stamp = Stamp::parse(utc).unwrap();
        let zone = Zone::named(Some(zone));
        assert_eq!(zone.to_local(stamp).to_digits(), local, "{utc}");
    }

    #[test]
    fn a_rule_changes_the_clock_twice_a_year() {
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        shown(berlin, "20260102030405", "20260102040405");
        shown(berlin, "20260329005959", "20260329015959");
        shown(berlin, "20260329010000", "20260329030000");
        shown(berlin, "20261025005959", "20261025025959");
        shown(berlin, "20261025010000", "20261025020000");
        shown(berlin, "19680701000000", "19680701020000");
        // Summer is around the new year.
        let sydney = "AEST-10AEDT,M10.1.0,M4.1.0/3";
        shown(sydney, "20260102030405", "20260102140405");
        shown(sydney, "20260702030405", "20260702130405");
        shown("<+0545>-5:45", "20261231200000", "20270101014500");
    }

    #[test]
    fn nonsense_is_utc() {
        for bad in ["", "X", "CET-1CEST,M13.1.0,M1.1.0", "CET-1x", "../x"] {
            shown(bad, "20260702030405", "20260702030405");
        }
    }
}
