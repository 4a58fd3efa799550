//! One user of a file of users: what it says, by our own grammar.

use std::collections::BTreeMap;

use skiff_conf::{Account, PasswordHash, UserName};
use zeroize::Zeroizing;

/// A user who is to be added.
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) name: UserName,
    /// Its proof is the hash, or is to be derived from `password`.
    pub(super) account: Account,
    pub(super) password: Option<Zeroizing<String>>,
}

impl Row {
    pub(super) fn with_hash(line: usize, name: UserName, hash: PasswordHash) -> Self {
        Self {
            line,
            name,
            account: Account::with_hash(hash),
            password: None,
        }
    }
}

/// A line that is wrong, and what would be right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct WrongLine {
    pub(super) line: usize,
    pub(super) what: String,
}

impl WrongLine {
    pub(super) fn new(line: usize, what: impl Into<String>) -> Self {
        Self {
            line,
            what: what.into(),
        }
    }
}

/// What a file says that accounts here have not, by kind, with the users that it is said of.
#[derive(Default)]
pub(super) struct LeftOut(BTreeMap<&'static str, Vec<String>>);

/// Names that are told of each kind.
const NAMES_TOLD: usize = 5;

impl LeftOut {
    pub(super) fn note(&mut self, kind: &'static str, user: &str) {
        self.0.entry(kind).or_default().push(user.to_owned());
    }

    /// A line for each kind.
    pub(super) fn told(&self) -> Vec<String> {
        let told = |(kind, users): (&&str, &Vec<String>)| {
            let names = users.iter().take(NAMES_TOLD);
            let names: Vec<_> = names.map(|name| name.escape_debug().to_string()).collect();
            let more = match users.len().saturating_sub(NAMES_TOLD) {
                0 => String::new(),
                count => format!(" and {count} more"),
            };
            format!("left out: {kind} (of {}{more})", names.join(", "))
        };
        self.0.iter().map(told).collect()
    }
}

/// What a file was found to say.
#[derive(Default)]
pub(super) struct Found {
    pub(super) rows: Vec<Row>,
    pub(super) wrong: Vec<WrongLine>,
    pub(super) left_out: LeftOut,
}

impl Found {
    pub(super) fn take(&mut self, line: usize, row: Result<Option<Row>, String>) {
        match row {
            Ok(row) => self.rows.extend(row),
            Err(what) => self.wrong.push(WrongLine { line, what }),
        }
    }
}
