//! The lines that answer commands of the control socket.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// A line of an answer; in JSON, `is` names its kind. Texts that a user has chosen are escaped as in
/// the log, so that a terminal can show them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub(crate) enum Line {
    Session(SessionRow),
    Kicked {
        sessions: usize,
    },
    Ban(BanRow),
    Unbanned {
        bans: usize,
    },
    Quota(QuotaRow),
    Sample(SampleRow),
    Listening {
        address: SocketAddr,
    },
    Handed(Handed),
    /// A text for people.
    Said {
        text: String,
    },
    /// Something went wrong; the command goes on with the rest.
    Failed {
        why: String,
    },
    /// The answer is over.
    Done,
}

/// A session, and what it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SessionRow {
    /// Its number, which is that of the log.
    pub(crate) session: u64,
    /// `None` before the login.
    pub(crate) user: Option<String>,
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) dialect: String,
    /// `None` in clear.
    pub(crate) tls: Option<String>,
    /// `None` before the login.
    pub(crate) directory: Option<String>,
    /// The command under way.
    pub(crate) verb: Option<String>,
    pub(crate) path: Option<String>,
    /// Bytes that the command has moved, of a transfer.
    pub(crate) bytes: Option<u64>,
    /// Bytes that it is to move, where that is known.
    pub(crate) of: Option<u64>,
    /// How much of the file is there, where its size is known.
    pub(crate) percent: Option<u8>,
    /// Bytes in a second, lately.
    pub(crate) rate: Option<u64>,
    /// Seconds since the session's peer last sent or took something.
    pub(crate) idle: u64,
}

/// Who may not log in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct BanRow {
    /// An IPv4 address, or an IPv6 network.
    pub(crate) address: String,
    /// The only user whom it meets there; `None` where it meets all.
    pub(crate) user: Option<String>,
    /// RFC 3339, UTC.
    pub(crate) since: String,
    pub(crate) until: String,
    pub(crate) why: String,
}

/// What a home holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct QuotaRow {
    pub(crate) user: String,
    /// Bytes of files and of kept parts of uploads; `None` before the home is counted, as are the
    /// others.
    pub(crate) used: Option<u64>,
    /// Bytes of `used` that are kept parts.
    pub(crate) staged: Option<u64>,
    /// Bytes that running uploads have reserved.
    pub(crate) reserved: Option<u64>,
    /// Bytes that a new upload would be granted.
    pub(crate) free: Option<u64>,
    /// `None` where there is none.
    pub(crate) limit: Option<u64>,
    /// Files, directories and links.
    pub(crate) entries: Option<u64>,
    /// `None` where there is none.
    pub(crate) entries_limit: Option<u64>,
}

/// One of the daemon's numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SampleRow {
    pub(crate) name: String,
    /// What tells it from others of its name.
    pub(crate) labels: std::collections::BTreeMap<String, String>,
    pub(crate) value: u64,
    /// `counter`, which only grows, or `gauge`.
    pub(crate) kind: String,
    pub(crate) help: String,
}

/// What is handed to the process that replaces the daemon; a descriptor comes with the line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub(crate) enum Handed {
    /// A listening socket.
    Listener {
        /// As the settings name it: its port may be 0.
        address: SocketAddr,
    },
    /// The listening socket of metrics.
    Metrics {
        /// As the settings name it.
        address: String,
    },
    /// The listening socket that this is spoken at.
    Control,
    /// The locked file of the state folder.
    StateLock,
    /// The locked folder of the homes.
    HomesLock,
    /// Standard error.
    Errors,
    /// The connection to the service manager.
    ServiceManager,
}

impl Line {
    /// As it is sent, without the line's end.
    pub(crate) fn to_json(&self) -> String {
        // Of what stands here, all can be told in JSON.
        serde_json::to_string(self).unwrap_or_else(|_| r#"{"is":"done"}"#.to_owned())
    }

    /// Parses a line; `None` for what only another version says.
    pub(super) fn parse(line: &str) -> Option<Self> {
        serde_json::from_str(line).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_a_line() {
        let line = Line::Said {
            text: "a\n{\"is\":\"done\"}".to_owned(),
        };
        let told = line.to_json();
        assert_eq!(told, r#"{"is":"said","text":"a\n{\"is\":\"done\"}"}"#);
        assert_eq!(Line::parse(&told), Some(line));
        assert_eq!(Line::parse(r#"{"is":"new"}"#), None);
        let lock = Line::Handed(Handed::StateLock);
        assert_eq!(lock.to_json(), r#"{"is":"handed","what":"state-lock"}"#);
        assert_eq!(Line::parse(&lock.to_json()), Some(lock));
    }
}
