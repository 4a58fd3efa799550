//! The command line: a verb, and what it needs to know as `key=value`.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::{LoadError, Result};

pub(crate) struct Args {
    verb: String,
    values: BTreeMap<String, String>,
}

/// What protects a session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protection {
    Plain,
    Tls,
}

/// Whether data connections under TLS keep Nagle's algorithm (RFC 896), as lftp and Python's ftplib
/// leave it: the last bytes of a file wait until those before them are acknowledged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Nagle {
    Off,
    On,
}

/// Whom to talk to, and as whom.
#[derive(Clone)]
pub(crate) struct Account {
    pub(crate) address: SocketAddr,
    pub(crate) user: String,
    pub(crate) password: String,
    pub(crate) protection: Protection,
    pub(crate) nagle: Nagle,
}

impl Account {
    /// The one of that number, of accounts that are alike but for their names.
    pub(crate) fn numbered(&self, number: u64) -> Self {
        Self {
            user: format!("{}-{number}", self.user),
            ..self.clone()
        }
    }
}

impl Args {
    pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let verb = words
            .next()
            .ok_or_else(|| LoadError::Usage("usage: bench-load VERB KEY=VALUE...".to_owned()))?;
        let pairs = words.map(|word| match word.split_once('=') {
            Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
            None => Err(LoadError::Usage(format!("{word:?} is no key=value"))),
        });
        let values = pairs.collect::<Result<_>>()?;
        Ok(Self { verb, values })
    }

    pub(crate) fn verb(&self) -> &str {
        &self.verb
    }

    pub(crate) fn text(&self, key: &str) -> Result<&str> {
        let value = self.values.get(key);
        value
            .map(String::as_str)
            .ok_or_else(|| LoadError::Usage(format!("{} needs {key}=", self.verb)))
    }

    pub(crate) fn number<T: FromStr>(&self, key: &str) -> Result<T> {
        let text = self.text(key)?;
        text.parse()
            .map_err(|_| LoadError::Usage(format!("{key}={text:?} is no such number")))
    }

    pub(crate) fn number_or<T: FromStr>(&self, key: &str, default: T) -> Result<T> {
        match self.values.contains_key(key) {
            true => self.number(key),
            false => Ok(default),
        }
    }

    pub(crate) fn path(&self, key: &str) -> Result<PathBuf> {
        self.text(key).map(PathBuf::from)
    }

    pub(crate) fn account(&self) -> Result<Account> {
        Ok(Account {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, self.number("port")?)),
            user: self.text("user")?.to_owned(),
            password: self.text("password")?.to_owned(),
            protection: match self.text("mode")? {
                "plain" => Protection::Plain,
                "tls" => Protection::Tls,
                other => return Err(LoadError::Usage(format!("mode={other}: plain or tls"))),
            },
            nagle: match self.number_or("nagle", 0)? {
                0 => Nagle::Off,
                _ => Nagle::On,
            },
        })
    }
}
