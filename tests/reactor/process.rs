//! What the kernel tells of a running process: its descriptors and its processor time.

use std::time::Duration;

use super::wait_until;

/// Ticks are hundredths of a second (proc_pid_stat(5) on every Linux of today).
const TICKS_PER_SECOND: u64 = 100;

/// Descriptors that `pid` has open, those at `limit` and above left out: they were inherited.
pub(super) fn descriptors_below(limit: usize, pid: u32) -> usize {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let numbers = open.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse());
    numbers
        .filter(|number| number.as_ref().is_ok_and(|&number: &usize| number < limit))
        .count()
}

/// What the descriptors of `pid` are.
pub(super) fn descriptors(pid: u32) -> Vec<String> {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    // One that was closed between the two looks is none.
    let links = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links
        .map(|link| link.to_string_lossy().into_owned())
        .collect()
}

/// Processor time of all threads of `pid`, in ticks.
pub(super) fn ticks(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name, in parentheses, may hold spaces; utime and stime are fields 14 and 15.
    let fields = stat.rsplit_once(')').unwrap().1;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    [11, 12]
        .iter()
        .map(|&at| fields[at].parse::<u64>().unwrap())
        .sum()
}

/// Waits for a second in which `pid` hardly runs; a process that spins never has one.
#[track_caller]
pub(super) fn wait_for_rest(pid: u32) {
    wait_until("a second in which the daemon does not spin", || {
        let before = ticks(pid);
        std::thread::sleep(Duration::from_secs(1));
        ticks(pid) - before < TICKS_PER_SECOND / 10
    });
}
