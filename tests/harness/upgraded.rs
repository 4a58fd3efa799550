//! A process that has taken the place of the daemon, by `skiffd upgrade`.
//!
//! It is a child of the command, which has ended; so this process adopts it (PR_SET_CHILD_SUBREAPER,
//! prctl(2)), and can wait for it as for its own.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::{Command, Output};

use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid,
};

use super::{Daemon, Running, binary};

impl Daemon {
    /// `skiffd upgrade` of this daemon with more words. Where it succeeds, this daemon is the new
    /// process from now on.
    pub(crate) fn upgrade(&mut self, words: &[&str]) -> Output {
        self.upgrade_behind(&[], words)
    }

    /// The same, run by the command `before`.
    pub(crate) fn upgrade_behind(&mut self, before: &[&str], words: &[&str]) -> Output {
        set_child_subreaper(Some(getpid())).unwrap();
        let (program, settings) = (binary("skiffd"), self.settings());
        let own = [program.to_str().unwrap(), "upgrade", "--config"];
        let all = [before, &own, &[settings.to_str().unwrap()], words].concat();
        // No pipes: a tracer may hold them.
        let [mut stdout, mut stderr] = [(); 2].map(|()| tempfile::tempfile().unwrap());
        let status = Command::new(all[0])
            .args(&all[1..])
            .stdout(stdout.try_clone().unwrap())
            .stderr(stderr.try_clone().unwrap())
            .status()
            .unwrap();
        let output = Output {
            status,
            stdout: written(&mut stdout),
            stderr: written(&mut stderr),
        };
        let said = String::from_utf8_lossy(&output.stdout);
        let number = said.strip_prefix("process ").and_then(|rest| {
            let (number, _) = rest.split_once(" serves; ")?;
            Pid::from_raw(number.parse().ok()?)
        });
        if let Some(number) = number {
            self.running.as_mut().expect("the daemon runs").successor = Some(number);
        }
        output
    }

    /// Waits for the end of the process that was replaced, which must be a good one.
    pub(crate) fn first_ends_well(&mut self) {
        let running = self.running.as_mut().expect("the daemon runs");
        let status = running.child.wait().unwrap();
        assert!(status.success(), "{status} after an upgrade");
    }

    /// Nothing of it runs any more, after other ends than those of [`Daemon::stop`].
    pub(crate) fn forget(&mut self) {
        drop(self.running.take());
    }
}

fn written(file: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

impl Running {
    /// The process that serves.
    pub(super) fn process(&self) -> Pid {
        self.successor
            .unwrap_or_else(|| Pid::from_child(&self.child))
    }

    pub(super) fn successor_ends_well(&mut self) {
        if let Some(successor) = self.successor.take() {
            let (_, status) = waitpid(Some(successor), WaitOptions::empty())
                .unwrap()
                .unwrap();
            assert_eq!(status.exit_status(), Some(0), "{status:?} after SIGTERM");
        }
    }

    pub(super) fn end_successor(&mut self) {
        if let Some(successor) = self.successor.take() {
            let _ = kill_process(successor, Signal::KILL);
            let _ = waitpid(Some(successor), WaitOptions::empty());
        }
    }
}
