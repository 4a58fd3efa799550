//! What the process gives up before it serves: root (`run_as`), then, as `walls` says, new rights by
//! executing programs, core dumps, all files but its own (Landlock), and all system calls but its
//! own (seccomp). What a session may do is no part of this.
//!
//! All but the core dumps hold for a thread and what it starts, so that the daemon must have one
//! thread when they are raised, and `check` and tests can try them on a thread that ends.

mod files;
pub(crate) mod run_as;
#[cfg(all(
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod syscalls;
#[cfg(not(all(
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
mod syscalls {
    /// Numbers and arguments of system calls are each processor's own.
    pub(super) fn restrict(_: skiff_conf::FileOwners) -> Result<(), String> {
        Err("has no table of system calls for this processor".to_owned())
    }
}

use std::fmt;

use rustix::process::{DumpableBehavior, geteuid, set_dumpable_behavior};
use rustix::thread::set_no_new_privs;
use skiff_conf::{FileOwners, Server, UserStore, Walls};

use self::files::Reach;
use self::run_as::{keep_only, needed_for};

/// A restriction of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wall {
    /// Executed programs give no rights (prctl(2), PR_SET_NO_NEW_PRIVS).
    NoNewPrivs,
    /// No core dump can hold a secret, and no process of the same user can read this one's memory
    /// (prctl(2), PR_SET_DUMPABLE).
    NoCoreDumps,
    Landlock,
    Seccomp,
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNewPrivs => "no_new_privs",
            Self::NoCoreDumps => "no core dumps",
            Self::Landlock => "landlock",
            Self::Seccomp => "seccomp",
        })
    }
}

/// A wall that cannot be had, where all must be.
#[derive(Debug, thiserror::Error)]
#[error("walls: Strict, but {wall} {why}; Best does without it")]
pub(crate) struct MissingWall {
    wall: Wall,
    why: String,
}

/// Which walls stand, and why others do not.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    walls: Vec<(Wall, Result<String, String>)>,
}

impl Standing {
    #[cfg(test)]
    pub(crate) fn of(walls: Vec<(Wall, Result<String, String>)>) -> Self {
        Self { walls }
    }

    /// Fails where all are asked for and one is missing.
    pub(crate) fn require(&self, asked: Walls) -> Result<(), MissingWall> {
        match (asked, self.missing().next()) {
            (Walls::Strict, Some((wall, why))) => Err(MissingWall {
                wall,
                why: why.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// The walls that do not stand, each with the reason.
    pub(crate) fn missing(&self) -> impl Iterator<Item = (Wall, &str)> {
        let walls = self.walls.iter();
        walls.filter_map(|(wall, raised)| Some((*wall, raised.as_ref().err()?.as_str())))
    }
}

/// `no_new_privs, landlock (ABI 7), seccomp`: those that stand.
impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let standing = self
            .walls
            .iter()
            .filter_map(|(wall, raised)| Some((wall, raised.as_ref().ok()?)));
        for (index, (wall, detail)) in standing.enumerate() {
            f.write_str(if index == 0 { "" } else { ", " })?;
            match detail.is_empty() {
                true => write!(f, "{wall}")?,
                false => write!(f, "{wall} ({detail})")?,
            }
        }
        Ok(())
    }
}

/// Raises what the settings ask for, around a process that has one thread still, and logs which
/// walls stand.
pub(crate) fn raise(config: &Server) -> Result<(), MissingWall> {
    if !geteuid().is_root()
        && let Err(error) = keep_only(needed_for(config.file_owners))
    {
        log::warn!("capabilities that skiffd was given stay with it: {error}");
    }
    if config.walls == Walls::Off {
        let _ = set_no_new_privs(true);
        log::info!("walls: off");
        return Ok(());
    }
    let reach = reach(config);
    let dumps = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let mut standing = raise_around_thread(&reach, config.file_owners);
    standing.walls.insert(1, (Wall::NoCoreDumps, told(dumps)));
    standing.require(config.walls)?;
    log::info!("walls: {standing}");
    for (wall, why) in standing.missing() {
        log::warn!("walls: {wall} {why}");
    }
    for folder in reach.missing() {
        log::warn!(
            "{} is not there; what comes to be there is reached after a restart only, unless \
             walls is Off",
            folder.display()
        );
    }
    Ok(())
}

/// Which walls a daemon with these settings would have, tried on a thread of its own.
pub(crate) fn rehearse(config: &Server) -> Standing {
    let reach = reach(config);
    let owners = config.file_owners;
    let trial = std::thread::Builder::new().spawn(move || raise_around_thread(&reach, owners));
    // The process that checks may leave cores; the daemon can always refuse them.
    let standing = trial.ok().and_then(|thread| thread.join().ok());
    standing.unwrap_or_default()
}

fn reach(config: &Server) -> Reach {
    // A store that cannot be read has no homes; the first login says why.
    let users = UserStore::load(&config.users).unwrap_or_default();
    Reach::of(config, &users)
}

fn raise_around_thread(reach: &Reach, owners: FileOwners) -> Standing {
    let walls = vec![
        (Wall::NoNewPrivs, told(set_no_new_privs(true))),
        (Wall::Landlock, files::restrict(reach)),
        // Last: Landlock's calls are none of the daemon's.
        (
            Wall::Seccomp,
            syscalls::restrict(owners).map(|()| String::new()),
        ),
    ];
    Standing { walls }
}

fn told(result: rustix::io::Result<()>) -> Result<String, String> {
    result
        .map(|()| String::new())
        .map_err(|error| format!("was refused: {error}"))
}
