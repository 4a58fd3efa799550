//! The `authenticator` section of `server.ron`: a program that knows users whom the store does not.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::units;

/// How long the program may take: a login has no more time than `limits.login`.
const DEADLINE: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(20);

/// How long an answer may hold.
const CACHE_MAX: Duration = Duration::from_secs(3600);

/// How many of it may run.
const AT_MOST: RangeInclusive<usize> = 1..=64;

/// The `authenticator` section.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authenticator {
    /// The program and its arguments.
    pub run: Program,
    /// When it is killed.
    #[serde(default = "default_deadline", deserialize_with = "deadline")]
    pub deadline: Duration,
    /// How long a right password is not asked about again; `None`: each one is asked about.
    #[serde(default = "default_cache", deserialize_with = "cache")]
    pub cache: Option<Duration>,
    /// How many run at a time.
    #[serde(default = "default_at_most", deserialize_with = "at_most")]
    pub at_most: usize,
}

/// A program that is executed as it is, without a shell, and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Absolute.
    pub path: PathBuf,
    pub arguments: Vec<String>,
}

impl Authenticator {
    pub(crate) fn within(mut self, folder: &Path) -> Self {
        self.run.path = folder.join(&self.run.path);
        self
    }
}

impl<'de> Deserialize<'de> for Program {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        let mut words = words.into_iter();
        let wanted = "no program; write its path and its arguments, as [\"/usr/local/bin/who\"]";
        let path = words.next().filter(|path| !path.is_empty());
        let path = path.ok_or_else(|| de::Error::custom(wanted))?;
        let arguments: Vec<String> = words.collect();
        let all = arguments.iter().chain([&path]);
        if let Some(word) = all.into_iter().find(|word| word.contains('\0')) {
            return Err(de::Error::custom(format!(
                "{word:?} holds a NUL; no program takes one"
            )));
        }
        Ok(Self {
            path: path.into(),
            arguments,
        })
    }
}

fn default_deadline() -> Duration {
    Duration::from_secs(5)
}

fn default_cache() -> Option<Duration> {
    Some(Duration::from_secs(60))
}

fn default_at_most() -> usize {
    4
}

fn deadline<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    within(units::duration(deserializer)?, &DEADLINE, "100ms to 20s")
}

fn cache<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let range = Duration::ZERO..=CACHE_MAX;
    let cache = units::duration_or_never(deserializer)?;
    let cache = cache.map(|cache| within(cache, &range, "Never, or 1ms to 1h"));
    cache.transpose()
}

fn at_most<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    within(usize::deserialize(deserializer)?, &AT_MOST, "1 to 64")
}

fn within<T: PartialOrd, E: de::Error>(
    value: T,
    range: &RangeInclusive<T>,
    shown: impl Display,
) -> Result<T, E> {
    match range.contains(&value) {
        true => Ok(value),
        false => Err(E::custom(format!("it may be {shown}"))),
    }
}
