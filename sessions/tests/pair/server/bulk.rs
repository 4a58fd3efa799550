//! Runs the server's transfers as a worker does, in bursts.

use std::sync::atomic::Ordering;
use std::time::Instant;

use skiff_sessions::parallel_hash::ParallelHash;
use skiff_sessions::server::Event;
use skiff_sessions::transfer::{Burst, BurstResources, Task};

use super::super::disk::Disk;
use super::super::file::Lent;
use super::super::wire::Ends;
use super::{Ending, Hold, Server};

impl Server {
    pub(super) fn begin(&mut self, task: Task) {
        assert!(
            self.task.is_none(),
            "{task:?} begins while {:?} runs",
            self.task
        );
        let ahead = match task.is_framed() {
            true => self.conversation.take_ahead(),
            false => Vec::new(),
        };
        self.transfer.begin(task, ahead);
        self.stop.store(false, Ordering::Relaxed);
        self.heard = 0;
        self.task = Some(task);
    }

    pub(super) fn burst(&mut self, now: Instant, lane: &mut Ends<'_>, disk: &mut Disk) -> bool {
        let Some(task) = self.task.filter(|_| self.ending == Ending::No) else {
            return false;
        };
        let stopped = self.stop.load(Ordering::Relaxed);
        if task.is_framed() && !self.conversation.outbox().is_empty()
            || self.hold == Hold::Bursts && !stopped
        {
            return false;
        }
        let (before, moved_before) = (lane.traffic(), self.transfer.moved());
        if self.away.is_none() {
            self.away = Some(self.run(task, lane, disk));
        }
        if self.hold == Hold::Return && !task.is_framed() {
            return self.transfer.moved() != moved_before;
        }
        let burst = self.away.take().unwrap_or(Burst::BudgetSpent);
        let finished = matches!(burst, Burst::Finished(_));
        self.comes_home(now, burst);
        finished || lane.traffic() != before || self.transfer.moved() != moved_before
    }

    fn run(&mut self, task: Task, lane: &mut Ends<'_>, disk: &mut Disk) -> Burst {
        let mut file = Lent {
            disk,
            file: self.file.as_ref(),
        };
        let (scratch, parallel_hash) = (&mut self.scratch[..], &mut ParallelHash::Off);
        let resources = BurstResources {
            scratch,
            budget: self.budget,
            stop: &self.stop,
            parallel_hash,
            splice_pipe: None,
        };
        match task.is_framed() {
            true => self.transfer.burst(lane, &mut file, resources),
            false => self.transfer.burst_digest(&mut file, resources),
        }
    }

    fn comes_home(&mut self, now: Instant, burst: Burst) {
        let moved = self.transfer.moved();
        let Burst::Finished(end) = burst else {
            self.tell_progress(moved, now);
            return;
        };
        let ahead = self.transfer.take_ahead();
        self.task = None;
        self.talk(
            |conversation, effects| conversation.transfer_ended(now, end, moved, &ahead, effects),
            now,
        );
    }

    fn tell_progress(&mut self, moved: u64, now: Instant) {
        if moved != self.heard {
            self.heard = moved;
            self.event(now, Event::Progress { done: moved });
        }
    }
}
