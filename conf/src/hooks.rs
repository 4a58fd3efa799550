//! The list `on` of `server.ron`: programs that are run once something has happened.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, de};

use crate::authenticator::Program;
use crate::name::UserName;
use crate::units;

/// How many there may be: each has processes of its own.
const HOOKS_MAX: usize = 16;

/// How long a program may take.
const DEADLINE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

/// What a hook waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum HookEvent {
    /// A file is stored, under its final name.
    Upload,
    /// A file was sent, to its end.
    Download,
    /// A file, a link or a directory is removed.
    Delete,
    Rename,
    Login,
}

impl fmt::Display for HookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A program that is run for each event of a kind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    pub event: HookEvent,
    /// The program and its arguments.
    #[serde(deserialize_with = "absolute")]
    pub run: Program,
    /// When it is killed.
    #[serde(default = "default_deadline", deserialize_with = "deadline")]
    pub deadline: Duration,
    /// Whose events it is for; those of everybody where neither this nor `groups` names anyone.
    #[serde(default)]
    pub users: Vec<UserName>,
    /// The groups of `users.ron` whose events it is for, too.
    #[serde(default)]
    pub groups: Vec<UserName>,
}

impl Hook {
    /// Whether it is for the events of a user of this group.
    pub fn is_for(&self, user: &str, group: Option<&UserName>) -> bool {
        let is_for_all = self.users.is_empty() && self.groups.is_empty();
        let is_named = self.users.iter().any(|name| name.as_str() == user);
        is_for_all || is_named || group.is_some_and(|group| self.groups.contains(group))
    }
}

/// The hooks of the list, each of which is there once.
pub(crate) fn hooks<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Hook>, D::Error> {
    let hooks = Vec::<Hook>::deserialize(deserializer)?;
    if hooks.len() > HOOKS_MAX {
        return Err(de::Error::custom(format!(
            "there may be {HOOKS_MAX} hooks; have one program do several things"
        )));
    }
    for (index, hook) in hooks.iter().enumerate() {
        let is_same = |other: &Hook| other.event == hook.event && other.run == hook.run;
        if hooks[..index].iter().any(is_same) {
            let (event, path) = (hook.event, hook.run.path.display());
            return Err(de::Error::custom(format!(
                "{path} stands twice for {event} with the same arguments; keep one of them, with \
                 all its users and groups"
            )));
        }
    }
    Ok(hooks)
}

fn absolute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Program, D::Error> {
    let program = Program::deserialize(deserializer)?;
    match program.path.is_absolute() {
        true => Ok(program),
        false => Err(de::Error::custom(format!(
            "{:?} is no absolute path; write it from the root on, as \"/usr/bin/curl\"",
            program.path
        ))),
    }
}

fn default_deadline() -> Duration {
    Duration::from_secs(60)
}

fn deadline<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let deadline = units::duration(deserializer)?;
    match DEADLINE.contains(&deadline) {
        true => Ok(deadline),
        false => Err(de::Error::custom("it may be 1s to 10min")),
    }
}
