//! A daemon on a system whose calls fail or take long, by strace.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::binary;

/// System calls that fail each time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct FailingCalls {
    /// A call and its error, such as `("flock", "ENOLCK")`.
    pub(crate) calls: &'static [(&'static str, &'static str)],
    /// The only folders that they fail on, below the daemon's own; none: everywhere.
    pub(crate) folders: &'static [&'static str],
}

/// System calls that take longer each time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delays {
    pub(crate) calls: &'static [&'static str],
    /// The only paths on which they do, below the daemon's own folder; none: everywhere.
    pub(crate) paths: &'static [&'static str],
    pub(crate) milliseconds: u32,
}

/// What is done to system calls.
#[derive(Clone, Copy)]
pub(super) enum Injected {
    Nothing,
    Errors(FailingCalls),
    Delays(Delays),
}

impl FailingCalls {
    /// `skiffd` on such a system, with `below` as the daemon's folder.
    pub(crate) fn command(self, below: &Path) -> Command {
        Injected::Errors(self).command(below)
    }
}

impl Injected {
    /// `skiffd`, its calls failing or delayed as they should be. The tracer is no parent of it (-D),
    /// so that it can be waited for and ended like any other.
    pub(super) fn command(self, below: &Path) -> Command {
        let (paths, calls) = match self {
            Self::Nothing => return traced_program(),
            Self::Errors(FailingCalls { calls, folders }) => {
                let error =
                    |(call, error): &(&'static str, &str)| (*call, format!("error={error}"));
                (folders, calls.iter().map(error).collect::<Vec<_>>())
            }
            Self::Delays(Delays {
                calls,
                paths,
                milliseconds,
            }) => {
                let delay = |call: &&'static str| (*call, format!("delay_enter={milliseconds}ms"));
                (paths, calls.iter().map(delay).collect())
            }
        };
        let mut strace = Command::new("strace");
        strace.args(["-D", "-f", "-q", "-o", "/dev/null"]);
        for path in paths {
            strace.arg("-P").arg(below.join(path));
        }
        let traced: Vec<&str> = calls.iter().map(|(call, _)| *call).collect();
        strace.arg("-e").arg(format!("trace={}", traced.join(",")));
        for (call, what) in calls {
            strace.arg("-e").arg(format!("inject={call}:{what}"));
        }
        strace.arg(binary("skiffd"));
        strace
    }
}

/// `skiffd`; `SKIFF_TRACE` is a folder for the traces of its calls (`tests/syscalls`).
fn traced_program() -> Command {
    let Some(traces) = std::env::var_os("SKIFF_TRACE") else {
        return Command::new(binary("skiffd"));
    };
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "-q", "-e", "signal=none", "-s", "0", "-o"]);
    strace.arg(new_trace(Path::new(&traces)));
    strace.arg(binary("skiffd"));
    strace
}

fn new_trace(folder: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    folder.join(format!("{}-{count}", std::process::id()))
}
