//! Reads users from lines with colons: pure-ftpd's `pureftpd.passwd`, proftpd's `AuthUserFile` as
//! ftpasswd writes it, and shadow(5).

use skiff_conf::{Account, BadHash, ByteQuota, EntryQuota, PasswordHash, UserName};
use time::OffsetDateTime;

use super::row::{Found, LeftOut, Row};

/// Which fields a line has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lines {
    /// `name:hash:uid:gid:gecos:home:` and twelve more, of which quotas, networks and times are some.
    PureFtpd,
    /// `name:hash:uid:gid:gecos:home:shell`.
    Passwd,
    /// `name:hash:` and seven more, of which the day of the end is one.
    Shadow,
}

impl Lines {
    fn fields(self) -> std::ops::RangeInclusive<usize> {
        match self {
            // Older ones lack the last fields.
            Self::PureFtpd => 6..=18,
            Self::Passwd => 7..=7,
            Self::Shadow => 2..=9,
        }
    }

    fn example(self) -> &'static str {
        match self {
            Self::PureFtpd => {
                "tom:$2y$..:1000:1000::/srv/ftp/tom/./:::::::::::: as pure-pw writes it"
            }
            Self::Passwd => "tom:$6$..:1000:1000::/srv/ftp/tom:/bin/false as ftpasswd writes it",
            Self::Shadow => "tom:$y$..:19800:0:99999:7::: as in /etc/shadow",
        }
    }
}

const OWNER: &str = "uid and gid: new files are the daemon's";
const PACE: &str = "limits of bandwidth and ratios";
const SESSIONS: &str = "the number of sessions; limits.sessions_per_user in server.ron is for all";
const INSIDE: &str = "the folder after /./ in which a session begins; it begins in the home";
const ADDRESSES: &str = "addresses of this machine to log in at";
const NETWORKS: &str = "client networks that are no addresses; write allow and deny yourself";
const LOCKED: &str = "users who are locked or have no password";
const AGEING: &str = "when a password must be changed";

pub(super) fn read(kind: Lines, text: &str) -> Found {
    let mut found = Found::default();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let fields: Vec<&str> = line.split(':').collect();
        let row = match kind.fields().contains(&fields.len()) {
            true => read_line(kind, at + 1, &fields, &mut found.left_out),
            false => Err(format!(
                "there are {} fields with colons between them; a line is {}",
                fields.len(),
                kind.example()
            )),
        };
        found.take(at + 1, row);
    }
    found
}

fn read_line(
    kind: Lines,
    line: usize,
    fields: &[&str],
    left_out: &mut LeftOut,
) -> Result<Option<Row>, String> {
    let hash = match fields[1] {
        "" => Err(BadHash::Locked(' ')),
        "x" => {
            return Err(
                "the password is in another file, often /etc/shadow; import that".to_owned(),
            );
        }
        text => text.parse::<PasswordHash>(),
    };
    let hash = match hash {
        Err(BadHash::Locked(_)) => {
            left_out.note(LOCKED, fields[0]);
            return Ok(None);
        }
        other => other.map_err(|why| why.to_string())?,
    };
    let name: UserName = fields[0].parse().map_err(|why| format!("{why}"))?;
    let mut row = Row::with_hash(line, name, hash);
    match kind {
        Lines::Shadow => of_shadow(&mut row, fields, left_out)?,
        Lines::Passwd | Lines::PureFtpd => of_passwd(&mut row, fields, left_out)?,
    }
    if kind == Lines::PureFtpd {
        of_pure_ftpd(&mut row, fields, left_out)?;
    }
    Ok(Some(row))
}

fn of_passwd(row: &mut Row, fields: &[&str], left_out: &mut LeftOut) -> Result<(), String> {
    left_out.note(OWNER, row.name.as_str());
    // chroot(2) is at /./, and the session begins behind it.
    let (home, inside) = fields[5].split_once("/./").unwrap_or((fields[5], ""));
    if !inside.is_empty() {
        left_out.note(INSIDE, row.name.as_str());
    }
    let home = match home.trim_end_matches('/') {
        "" => return Err("home: it is missing, or the root of this machine".to_owned()),
        home => home,
    };
    if !home.starts_with('/') {
        return Err(format!(
            "home: {home:?} is not absolute, as it is in such files"
        ));
    }
    row.account.set_text("home", home)
}

fn of_pure_ftpd(row: &mut Row, fields: &[&str], left_out: &mut LeftOut) -> Result<(), String> {
    let field = |at: usize| fields.get(at).copied().unwrap_or_default();
    let is_said = |at: &usize| !matches!(field(*at), "" | "0");
    let name = row.name.to_string();
    for (mut places, kind) in [(6..10, PACE), (10..11, SESSIONS), (13..15, ADDRESSES)] {
        if places.any(|at| is_said(&at)) {
            left_out.note(kind, &name);
        }
    }
    let number = |at: usize, what: &str| match is_said(&at) {
        false => Ok(None),
        true => match field(at).parse::<u64>() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(format!("{what}: {:?} is not a number", field(at))),
        },
    };
    row.account.entries = number(11, "the quota of files")?.map(EntryQuota::new);
    row.account.quota = number(12, "the quota of bytes")?.map(ByteQuota::new);
    for (at, key) in [(15, "allow"), (16, "deny")] {
        if is_said(&at) && row.account.set_text(key, field(at)).is_err() {
            left_out.note(NETWORKS, &name);
        }
    }
    match is_said(&17) {
        true => set_hours(&mut row.account, field(17)),
        false => Ok(()),
    }
}

/// `0900-1800`, on every day.
fn set_hours(account: &mut Account, text: &str) -> Result<(), String> {
    let wrong = || format!("times: {text:?} is none; write it such as 0900-1800");
    let time = |text: &str| match text.len() == 4 && text.is_ascii() {
        true => Some(format!("{}:{}", &text[..2], &text[2..])),
        false => None,
    };
    let (from, to) = text.split_once('-').ok_or_else(wrong)?;
    let (from, to) = (time(from).ok_or_else(wrong)?, time(to).ok_or_else(wrong)?);
    let hours = format!("daily {from}-{to}");
    account.set_text("hours", &hours).map_err(|_| wrong())
}

fn of_shadow(row: &mut Row, fields: &[&str], left_out: &mut LeftOut) -> Result<(), String> {
    let field = |at: usize| fields.get(at).copied().unwrap_or_default();
    // Debian writes 99999 days, which is never.
    if !matches!(field(4), "" | "99999") {
        left_out.note(AGEING, row.name.as_str());
    }
    match field(7) {
        "" => Ok(()),
        days => row.account.set_text("expires", &last_day(days)?),
    }
}

/// The day before the one on which shadow(5) has the account closed.
fn last_day(days: &str) -> Result<String, String> {
    const SECONDS: i64 = 24 * 60 * 60;
    let wrong = || format!("the day of the end, {days:?}, is no number of days since 1970");
    let number: i64 = days.parse().map_err(|_| wrong())?;
    let last = number
        .checked_sub(1)
        .and_then(|day| day.checked_mul(SECONDS));
    let time = last.and_then(|last| OffsetDateTime::from_unix_timestamp(last).ok());
    let date = time.ok_or_else(wrong)?.date();
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    Ok(format!("{year:04}-{month:02}-{day:02}"))
}
