//! [`Hours`] and [`Date`]: when an account may be used, by the clock of the server's time zone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::units::{BadValue, from_text};

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const MINUTES_PER_DAY: u16 = 24 * 60;

/// A moment as a clock on the wall shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WallClock {
    pub date: Date,
    /// 0 is Monday.
    pub weekday: u8,
    /// Since midnight.
    pub minute: u16,
}

/// A day of the calendar: `2027-01-31`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Date {
    pub year: i32,
    /// From 1 to 12.
    pub month: u8,
    /// From 1 to 31.
    pub day: u8,
}

impl FromStr for Date {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let read = || {
            let (year, rest) = text.split_once('-')?;
            let (month, day) = rest.split_once('-')?;
            let number = |digits: &str, length| {
                let plain = digits.len() == length && digits.bytes().all(|b| b.is_ascii_digit());
                plain.then(|| digits.parse::<u16>().ok()).flatten()
            };
            let date = Self {
                year: number(year, 4)?.into(),
                month: number(month, 2)?.try_into().ok()?,
                day: number(day, 2)?.try_into().ok()?,
            };
            let fits =
                (1..=12).contains(&date.month) && (1..=date.days_in_month()).contains(&date.day);
            fits.then_some(date)
        };
        read().ok_or_else(|| BadValue::new(text, "a day; write it such as \"2027-01-31\""))
    }
}

impl Date {
    fn days_in_month(self) -> u8 {
        let is_leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        match self.month {
            2 if is_leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

/// Hours of some days of the week: `mon-fri 08:00-18:00`, `sat,sun 10:00-12:30`, `daily 22:00-06:00`.
/// Hours that end before they begin end on the next day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hours {
    text: String,
    /// The first is Monday.
    days: [bool; 7],
    from: u16,
    to: u16,
}

impl Hours {
    pub fn contain(&self, clock: &WallClock) -> bool {
        let today = usize::from(clock.weekday % 7);
        let yesterday = (today + 6) % 7;
        let minute = clock.minute;
        match self.from < self.to {
            true => self.days[today] && (self.from..self.to).contains(&minute),
            false => {
                self.days[today] && minute >= self.from || self.days[yesterday] && minute < self.to
            }
        }
    }
}

impl FromStr for Hours {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let read = || {
            let (days, hours) = text.trim().split_once(' ')?;
            let (from, to) = hours.trim().split_once('-')?;
            Some(Self {
                text: text.to_owned(),
                days: read_days(days)?,
                from: read_minute(from).filter(|from| *from < MINUTES_PER_DAY)?,
                to: read_minute(to)?,
            })
        };
        read().ok_or_else(|| {
            let wanted = "hours; write them such as \"mon-fri 08:00-18:00\", \"sat,sun 10:00-12:30\" \
                          or \"daily 22:00-06:00\"";
            BadValue::new(text, wanted)
        })
    }
}

fn read_days(text: &str) -> Option<[bool; 7]> {
    let day = |word: &str| DAYS.iter().position(|day| *day == word);
    let mut days = [text == "daily"; 7];
    if text == "daily" {
        return Some(days);
    }
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let mut next = first;
        loop {
            days[next] = true;
            if next == last {
                break;
            }
            next = (next + 1) % 7;
        }
    }
    Some(days)
}

/// Minutes since midnight; 24:00 is the end of the day.
fn read_minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let number = |digits: &str| {
        let plain = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute)?);
    let fits = minute < 60 && hour * 60 + minute <= MINUTES_PER_DAY;
    fits.then_some(hour * 60 + minute)
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Hours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Hours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(weekday: u8, hour: u16, minute: u16) -> WallClock {
        WallClock {
            date: "2026-11-30".parse().unwrap(),
            weekday,
            minute: hour * 60 + minute,
        }
    }

    #[test]
    fn hours_hold_on_their_days() {
        let (monday, friday, saturday, sunday) = (0, 4, 5, 6);
        for (text, clock, contained) in [
            ("mon-fri 08:00-18:00", at(monday, 8, 0), true),
            ("mon-fri 08:00-18:00", at(friday, 17, 59), true),
            ("mon-fri 08:00-18:00", at(friday, 18, 0), false),
            ("mon-fri 08:00-18:00", at(monday, 7, 59), false),
            ("mon-fri 08:00-18:00", at(saturday, 9, 0), false),
            ("sat,sun 10:00-24:00", at(sunday, 23, 59), true),
            ("fri-mon 10:00-12:00", at(sunday, 11, 0), true),
            ("fri-mon 10:00-12:00", at(3, 11, 0), false),
            ("daily 22:00-06:00", at(monday, 23, 0), true),
            ("daily 22:00-06:00", at(monday, 5, 59), true),
            ("daily 22:00-06:00", at(monday, 6, 0), false),
            ("sun 22:00-06:00", at(monday, 5, 0), true),
            ("sun 22:00-06:00", at(sunday, 5, 0), false),
        ] {
            let hours: Hours = text.parse().unwrap();
            assert_eq!(hours.contain(&clock), contained, "{text} {clock:?}");
            assert_eq!(hours.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_hours_and_no_day_is_refused() {
        for bad in [
            "",
            "mon",
            "mon 8:00-9:00",
            "mon 08:00",
            "mon 08:00-25:00",
            "mon 08:60-09:00",
            "mun 08:00-09:00",
            "mon- 08:00-09:00",
            "mon 24:00-08:00",
        ] {
            assert!(bad.parse::<Hours>().is_err(), "{bad:?}");
        }
        for bad in [
            "",
            "2026",
            "2026-1-1",
            "2026-13-01",
            "2026-02-29",
            "2026-04-31",
            "26-01-01",
        ] {
            assert!(bad.parse::<Date>().is_err(), "{bad:?}");
        }
        assert_eq!(
            "2028-02-29".parse::<Date>().unwrap().to_string(),
            "2028-02-29"
        );
    }

    #[test]
    fn days_are_in_the_order_of_the_calendar() {
        let date = |text: &str| text.parse::<Date>().unwrap();
        assert!(date("2026-12-31") < date("2027-01-01"));
        assert!(date("2026-02-01") > date("2026-01-31"));
    }
}
