//! What metrics tell that only a worker may look at: the process in /proc, and what open homes use.

use rustix::process::{Resource, getrlimit};
use skiff_vfs::{Homes, Usage, Worker};

/// The client whom an observation is made for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Asker {
    pub(crate) slot: usize,
    /// Tells clients that had the same slot apart.
    pub(crate) number: u64,
}

pub(crate) struct Observation {
    pub(crate) process: Process,
    /// The users of open homes, and what these use, as far as they are counted.
    pub(crate) homes: Vec<(String, Usage)>,
}

/// What the kernel tells of the process; `None` where it does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) open_descriptors: Option<u64>,
    pub(crate) most_descriptors: Option<u64>,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) virtual_bytes: Option<u64>,
    pub(crate) threads: Option<u64>,
}

impl Observation {
    pub(super) fn of(worker: &Worker, homes: &Homes) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        // The one that reads the folder is none of them.
        let descriptors = std::fs::read_dir("/proc/self/fd").map(Iterator::count);
        Self {
            process: Process {
                open_descriptors: descriptors.ok().map(|count| count.saturating_sub(1) as u64),
                most_descriptors: getrlimit(Resource::Nofile).current,
                ..Process::of_status(&status)
            },
            homes: homes.usages(worker),
        }
    }
}

impl Process {
    /// Parses `/proc/PID/status` (proc_pid_status(5)), whose kB are KiB.
    fn of_status(status: &str) -> Self {
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            let number = line.strip_prefix(':')?.split_whitespace().next()?;
            number.parse::<u64>().ok()
        };
        let bytes = |key| number(key).map(|kib| kib.saturating_mul(1024));
        Self {
            resident_bytes: bytes("VmRSS"),
            virtual_bytes: bytes("VmSize"),
            threads: number("Threads"),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_tells_is_parsed_and_what_it_does_not_tell_is_none() {
        let status = "Name:\tskiffd\nVmSize:\t  20480 kB\nVmRSS:\t    12 kB\nThreads:\t14\n";
        let process = Process {
            resident_bytes: Some(12 * 1024),
            virtual_bytes: Some(20 << 20),
            threads: Some(14),
            ..Process::default()
        };
        assert_eq!(Process::of_status(status), process);
        assert_eq!(Process::of_status("VmRSS\n"), Process::default());
    }
}
