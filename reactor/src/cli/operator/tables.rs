//! What a person sees of an answer: a table for each kind of rows, and texts.

use super::table::{Align, lay_out};
use crate::control::amounts::{size, time};
use crate::control::answer::{BanRow, Line, QuotaRow, SampleRow, SessionRow};
use crate::control::command::Command;

const SESSIONS: &[(&str, Align)] = &[
    ("SESSION", Align::Right),
    ("USER", Align::Left),
    ("ADDRESS", Align::Left),
    ("DIALECT", Align::Left),
    ("TLS", Align::Left),
    ("IDLE", Align::Right),
    ("VERB", Align::Left),
    ("BYTES", Align::Right),
    ("RATE", Align::Right),
    ("%", Align::Right),
    ("DIRECTORY", Align::Cut),
    ("PATH", Align::Cut),
];

const BANS: &[(&str, Align)] = &[
    ("ADDRESS", Align::Left),
    ("USER", Align::Left),
    ("SINCE", Align::Left),
    ("UNTIL", Align::Left),
    ("WHY", Align::Left),
];

const QUOTAS: &[(&str, Align)] = &[
    ("USER", Align::Left),
    ("USED", Align::Right),
    ("STAGED", Align::Right),
    ("RESERVED", Align::Right),
    ("FREE", Align::Right),
    ("LIMIT", Align::Right),
    ("ENTRIES", Align::Right),
];

const SAMPLES: &[(&str, Align)] = &[
    ("WHAT", Align::Left),
    ("OF", Align::Left),
    ("NUMBER", Align::Right),
];

/// An answer, laid out: lines of text, then a table where the command has one.
pub(super) struct Table {
    texts: Vec<String>,
    columns: &'static [(&'static str, Align)],
    rows: Vec<Vec<String>>,
    /// Said below the table.
    hint: Option<&'static str>,
}

const NOT_COUNTED: &str = "homes are counted when they are first used after the start; skiffd user recount does it at once";

impl Table {
    pub(super) fn of(command: &Command, mut lines: Vec<Line>) -> Self {
        let columns = match command {
            Command::Who {} => SESSIONS,
            Command::Bans {} => BANS,
            Command::Quota { .. } => QUOTAS,
            Command::Stats {} => SAMPLES,
            _ => &[],
        };
        // Sessions come in the order of the daemon's memory, and bans in none.
        lines.sort_by(|a, b| match (a, b) {
            (Line::Session(a), Line::Session(b)) => a.session.cmp(&b.session),
            (Line::Ban(a), Line::Ban(b)) => {
                (&a.since, &a.address, &a.user).cmp(&(&b.since, &b.address, &b.user))
            }
            _ => std::cmp::Ordering::Equal,
        });
        Self::from_lines(columns, lines)
    }

    /// Sessions, those first that move most.
    pub(super) fn busiest_first(mut lines: Vec<Line>) -> Self {
        lines.sort_by_key(|line| match line {
            Line::Session(row) => (std::cmp::Reverse(row.rate), row.session),
            _ => (std::cmp::Reverse(None), 0),
        });
        Self::from_lines(SESSIONS, lines)
    }

    fn from_lines(columns: &'static [(&'static str, Align)], lines: Vec<Line>) -> Self {
        let mut table = Self {
            texts: Vec::new(),
            columns,
            rows: Vec::new(),
            hint: None,
        };
        for line in lines {
            table.add(line);
        }
        table
    }

    fn add(&mut self, line: Line) {
        match line {
            Line::Session(row) => self.rows.push(session(row)),
            Line::Ban(row) => self.rows.push(ban(row)),
            Line::Quota(row) => {
                if row.used.is_none() {
                    self.hint = Some(NOT_COUNTED);
                }
                self.rows.push(quota(row));
            }
            Line::Sample(row) => self.rows.push(sample(row)),
            Line::Kicked { sessions: 1 } => self.texts.push("one session ends".to_owned()),
            Line::Kicked { sessions } => self.texts.push(format!("{sessions} sessions end")),
            Line::Unbanned { bans: 1 } => self.texts.push("one ban has ended".to_owned()),
            Line::Unbanned { bans } => self.texts.push(format!("{bans} bans have ended")),
            Line::Handed(_) => {}
            Line::Listening { address } => self.texts.push(address.to_string()),
            Line::Said { text } | Line::Failed { why: text } => self.texts.push(text),
            Line::Done => {}
        }
    }

    pub(super) fn lines(mut self, width: Option<usize>) -> Vec<String> {
        if !self.columns.is_empty() {
            let table = lay_out(self.columns, &self.rows, width);
            self.texts.extend(table);
        }
        self.texts.extend(self.hint.map(str::to_owned));
        self.texts
    }
}

fn or_dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

fn session(row: SessionRow) -> Vec<String> {
    vec![
        row.session.to_string(),
        or_dash(row.user),
        row.address,
        row.dialect,
        or_dash(row.tls),
        time(row.idle),
        or_dash(row.verb),
        or_dash(row.bytes.map(size)),
        or_dash(row.rate.map(|rate| size(rate) + "/s")),
        or_dash(row.percent.map(|percent| percent.to_string())),
        or_dash(row.directory),
        or_dash(row.path),
    ]
}

fn ban(row: BanRow) -> Vec<String> {
    let user = row.user.unwrap_or_else(|| "(all)".to_owned());
    vec![row.address, user, row.since, row.until, row.why]
}

fn quota(row: QuotaRow) -> Vec<String> {
    let unlimited = || "unlimited".to_owned();
    let known = |bytes: Option<u64>| bytes.map_or_else(|| "not counted".to_owned(), size);
    let entries = or_dash(row.entries.map(|entries| entries.to_string()));
    let most = row.entries_limit.map(|most| most.to_string());
    vec![
        row.user,
        known(row.used),
        or_dash(row.staged.map(size)),
        or_dash(row.reserved.map(size)),
        or_dash(row.free.map(size)),
        row.limit.map_or_else(unlimited, size),
        format!("{entries} of {}", most.unwrap_or_else(unlimited)),
    ]
}

fn sample(row: SampleRow) -> Vec<String> {
    let of: Vec<_> = row.labels.into_values().collect();
    vec![row.help, of.join(" "), row.value.to_string()]
}
