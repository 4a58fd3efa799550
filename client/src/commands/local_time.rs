//! Finds out how far local time is from UTC at a moment: TZ (tzset(3)) and the files of the time
//! zone database (RFC 8536).

use std::fs;
use std::path::Path;

use skiff_sessions::wire::stamp::Stamp;

/// Where the time zone database stands, and the file of this system's zone.
const ZONES: &str = "/usr/share/zoneinfo";
const SYSTEM_ZONE: &str = "/etc/localtime";

const DAY: i64 = 86_400;

/// The offsets of a time zone, in seconds east of UTC.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Zone {
    /// When each offset begins, in order.
    changes: Vec<(i64, i64)>,
    /// The offset before the first change.
    first: i64,
    /// What holds behind the last change.
    rule: Option<Rule>,
}

/// A TZ string: standard time, and daylight saving time between two days of each year.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Rule {
    standard: i64,
    saving: Option<Saving>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Saving {
    offset: i64,
    from: YearDay,
    to: YearDay,
}

/// A moment of each year in local time; `time` in seconds after midnight.
#[derive(Clone, PartialEq, Eq, Debug)]
struct YearDay {
    day: Day,
    time: i64,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Day {
    /// `J60`: 1 to 365, February 29 is never counted.
    Julian(i64),
    /// `59`: 0 to 365.
    Counted(i64),
    /// `M3.5.0`: month, week (5 is the last), weekday from Sunday.
    Weekday(i64, i64, i64),
}

impl Zone {
    /// The zone of whoever runs this; UTC where it cannot be found out.
    pub(crate) fn of_user() -> Self {
        let named = std::env::var("TZ").ok();
        let zone = match named.as_deref() {
            None => fs::read(SYSTEM_ZONE)
                .ok()
                .and_then(|file| Self::parse(&file)),
            Some("") => None,
            Some(name) => {
                let name = name.strip_prefix(':').unwrap_or(name);
                let file = fs::read(Path::new(ZONES).join(name)).ok();
                file.and_then(|file| Self::parse(&file))
                    .or_else(|| Self::parse_rule(name))
            }
        };
        zone.unwrap_or_default()
    }

    fn parse_rule(text: &str) -> Option<Self> {
        let rule = Rule::parse(text)?;
        Some(Self {
            first: rule.standard,
            rule: Some(rule),
            ..Self::default()
        })
    }

    /// Returns the time of day there as if it were UTC.
    pub(crate) fn to_local(&self, stamp: Stamp) -> Stamp {
        Stamp(stamp.0.saturating_add(self.offset_at(stamp.0)))
    }

    fn offset_at(&self, at: i64) -> i64 {
        let begun = self.changes.partition_point(|(from, _)| *from <= at);
        match &self.rule {
            Some(rule) if begun == self.changes.len() => rule.offset_at(at),
            _ => begun
                .checked_sub(1)
                .map_or(self.first, |index| self.changes[index].1),
        }
    }

    /// Reads a file of the database. The first part, with times of 32 bits, is skipped.
    fn parse(file: &[u8]) -> Option<Self> {
        let first = Header::parse(file)?;
        if first.version == 0 {
            return None;
        }
        let file = file.get(Header::SIZE + first.body_size(4)..)?;
        let header = Header::parse(file)?;
        let body = file.get(Header::SIZE..)?;
        let times = body.get(..header.times * 8)?;
        let kinds = body.get(header.times * 8..header.times * 9)?;
        let types = body.get(header.times * 9..)?.get(..header.types * 6)?;
        let offset = |kind: usize| {
            let bytes = types.get(kind * 6..)?.first_chunk::<4>()?;
            Some(i64::from(i32::from_be_bytes(*bytes)))
        };
        let mut changes = Vec::with_capacity(header.times);
        for (time, &kind) in times.as_chunks::<8>().0.iter().zip(kinds) {
            changes.push((i64::from_be_bytes(*time), offset(kind.into())?));
        }
        let footer = body.get(header.body_size(8)..)?;
        let footer = str::from_utf8(footer).ok()?.trim_matches('\n');
        Some(Self {
            changes,
            first: offset(0)?,
            rule: Rule::parse(footer),
        })
    }
}

/// The numbers at the beginning of a part of the file (RFC 8536 section 3.1).
struct Header {
    version: u8,
    utc_marks: usize,
    standard_marks: usize,
    leaps: usize,
    times: usize,
    types: usize,
    letters: usize,
}

impl Header {
    const SIZE: usize = 44;

    fn parse(file: &[u8]) -> Option<Self> {
        let head = file.strip_prefix(b"TZif")?.first_chunk::<40>()?;
        let numbers = head[16..].as_chunks::<4>().0;
        let number = |index: usize| u32::from_be_bytes(numbers[index]) as usize;
        Some(Self {
            version: head[0],
            utc_marks: number(0),
            standard_marks: number(1),
            leaps: number(2),
            times: number(3),
            types: number(4),
            letters: number(5),
        })
    }

    /// The bytes behind the header, where a time has `time` bytes.
    fn body_size(&self, time: usize) -> usize {
        self.times * (time + 1)
            + self.types * 6
            + self.letters
            + self.leaps * (time + 4)
            + self.standard_marks
            + self.utc_marks
    }
}

impl Rule {
    /// Reads a TZ string such as `CET-1CEST,M3.5.0,M10.5.0/3`.
    fn parse(text: &str) -> Option<Self> {
        let mut rest = skip_name(text)?;
        let standard = -take_time(&mut rest)?;
        if rest.is_empty() {
            let saving = None;
            return Some(Self { standard, saving });
        }
        rest = skip_name(rest)?;
        let offset = match rest.starts_with(',') {
            true => standard + 3600,
            false => -take_time(&mut rest)?,
        };
        let from = YearDay::take(&mut rest)?;
        let to = YearDay::take(&mut rest)?;
        let saving = Some(Saving { offset, from, to });
        rest.is_empty().then_some(Self { standard, saving })
    }

    fn offset_at(&self, at: i64) -> i64 {
        let Some(saving) = &self.saving else {
            return self.standard;
        };
        let year = year_of((at + self.standard).div_euclid(DAY));
        let from = saving.from.in_year(year) - self.standard;
        let to = saving.to.in_year(year) - saving.offset;
        let saves = match from < to {
            true => (from..to).contains(&at),
            false => !(to..from).contains(&at),
        };
        match saves {
            true => saving.offset,
            false => self.standard,
        }
    }
}

impl YearDay {
    /// Takes `,M3.5.0/2` off the text; without a time it is two o'clock.
    fn take(rest: &mut &str) -> Option<Self> {
        *rest = rest.strip_prefix(',')?;
        let day = if let Some(behind) = rest.strip_prefix('J') {
            *rest = behind;
            Day::Julian(take_number(rest)?)
        } else if let Some(behind) = rest.strip_prefix('M') {
            *rest = behind;
            let month = take_number(rest)?;
            *rest = rest.strip_prefix('.')?;
            let week = take_number(rest)?;
            *rest = rest.strip_prefix('.')?;
            let weekday = take_number(rest)?;
            let is_right = (1..=12).contains(&month) && (1..=5).contains(&week) && weekday <= 6;
            is_right.then_some(Day::Weekday(month, week, weekday))?
        } else {
            Day::Counted(take_number(rest)?)
        };
        let time = match rest.strip_prefix('/') {
            Some(behind) => {
                *rest = behind;
                take_time(rest)?
            }
            None => 2 * 3600,
        };
        Some(Self { day, time })
    }

    /// The seconds since 1970 of this moment of local time.
    fn in_year(&self, year: i64) -> i64 {
        let first = days_before(year, 1);
        let is_leap = days_before(year, 3) - first == 60;
        let day = match self.day {
            Day::Counted(day) => first + day,
            Day::Julian(day) => first + day - 1 + i64::from(is_leap && day >= 60),
            Day::Weekday(month, week, weekday) => {
                let month_from = days_before(year, month);
                let month_to = match month {
                    12 => days_before(year + 1, 1),
                    month => days_before(year, month + 1),
                };
                // 1970 began on a Thursday.
                let ahead = (weekday - month_from - 4).rem_euclid(7);
                let day = month_from + ahead + 7 * (week - 1);
                if day < month_to { day } else { day - 7 }
            }
        };
        day * DAY + self.time
    }
}

/// The days from 1970 to the first of a month, in the Gregorian calendar.
fn days_before(year: i64, month: i64) -> i64 {
    // Years that begin in March end with the leap day.
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        month => (year, month - 3),
    };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (153 * month + 2) / 5 - 719_468
}

fn year_of(day: i64) -> i64 {
    // The mean year has 146,097 days in 400.
    let near = 1970 + (day * 400).div_euclid(146_097);
    let begins = |year: &i64| days_before(*year, 1) <= day;
    (near - 1..=near + 1).rev().find(begins).unwrap_or(near)
}

/// Skips the name of a zone: letters, or anything in `<>`.
fn skip_name(text: &str) -> Option<&str> {
    if let Some(quoted) = text.strip_prefix('<') {
        return quoted.split_once('>').map(|(_, behind)| behind);
    }
    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    (text.len() - rest.len() >= 3).then_some(rest)
}

/// Takes `[+-]hh[:mm[:ss]]` off the text, in seconds.
fn take_time(rest: &mut &str) -> Option<i64> {
    let sign = match rest.strip_prefix('-') {
        Some(behind) => {
            *rest = behind;
            -1
        }
        None => {
            *rest = rest.strip_prefix('+').unwrap_or(rest);
            1
        }
    };
    let mut seconds = take_number(rest)? * 3600;
    for unit in [60, 1] {
        if let Some(behind) = rest.strip_prefix(':') {
            *rest = behind;
            seconds += take_number(rest)? * unit;
        }
    }
    Some(sign * seconds)
}

/// Takes at most three digits off the text.
fn take_number(rest: &mut &str) -> Option<i64> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let number = (1..=3).contains(&digits).then(|| &rest[..digits])?;
    let number = number.parse().ok()?;
    *rest = &rest[digits..];
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn shown(zone: &Zone, utc: &str, local: &str) {
        let stamp = Stamp::parse(utc).unwrap();
        assert_eq!(zone.to_local(stamp).to_digits(), local, "{utc}");
    }

    #[test]
    fn a_rule_changes_the_clock_twice_a_year() {
        let berlin = Zone::parse_rule("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        shown(&berlin, "20260102030405", "20260102040405");
        shown(&berlin, "20260329005959", "20260329015959");
        shown(&berlin, "20260329010000", "20260329030000");
        shown(&berlin, "20261025005959", "20261025025959");
        shown(&berlin, "20261025010000", "20261025020000");
        shown(&berlin, "19680701000000", "19680701020000");
        // Summer is around the new year.
        let sydney = Zone::parse_rule("AEST-10AEDT,M10.1.0,M4.1.0/3").unwrap();
        shown(&sydney, "20260102030405", "20260102140405");
        shown(&sydney, "20260702030405", "20260702130405");
        let kathmandu = Zone::parse_rule("<+0545>-5:45").unwrap();
        shown(&kathmandu, "20261231200000", "20270101014500");
        let julian = Zone::parse_rule("AAA3BBB,J60/0,300").unwrap();
        shown(&julian, "20240301025959", "20240229235959");
        shown(&julian, "20240301030000", "20240301010000");
    }

    #[test]
    fn nonsense_is_no_rule() {
        for bad in [
            "",
            "X",
            "CET",
            "CET-1CEST",
            "CET-1CEST,M13.1.0,M1.1.0",
            "CET-1x",
            "../x",
        ] {
            assert_eq!(Zone::parse_rule(bad), None, "{bad}");
        }
    }

    /// A part of version 2 with two changes, behind an empty one.
    #[test]
    fn a_file_of_the_database() {
        let header = |times: u32, types: u32, letters: u32| {
            let mut head = b"TZif2".to_vec();
            head.extend([0; 15]);
            for number in [0, 0, 0, times, types, letters] {
                head.extend(number.to_be_bytes());
            }
            head
        };
        let mut file = header(0, 1, 1);
        file.extend([0; 7]);
        file.extend(header(2, 2, 4));
        for time in [1000_i64, 2000] {
            file.extend(time.to_be_bytes());
        }
        file.extend([1, 0]);
        for offset in [60_i32, 120] {
            file.extend(offset.to_be_bytes());
            file.extend([0, 0]);
        }
        file.extend(b"ABC\0\nABC-1\n");
        let zone = Zone::parse(&file).unwrap();
        let offsets = [999, 1000, 1999, 2000].map(|at| zone.offset_at(at));
        assert_eq!(offsets, [60, 120, 120, 3600]);
        for cut in 0..file.len() - 7 {
            let zone = Zone::parse(&file[..cut]);
            assert_eq!(zone, None, "{cut}");
        }
    }

    #[test]
    fn every_day_is_in_its_year() {
        for (day, year) in [
            (0, 1970),
            (-1, 1969),
            (364, 1970),
            (365, 1971),
            (-719_468, 0),
        ] {
            assert_eq!(year_of(day), year, "{day}");
        }
        for year in 1800..2400 {
            assert_eq!(year_of(days_before(year, 1)), year);
            assert_eq!(year_of(days_before(year, 1) - 1), year - 1);
        }
    }
}
