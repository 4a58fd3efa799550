//! Runs the server's transfers as a worker does, in bursts.

use std::sync::atomic::Ordering;
use std::time::Instant;

use skiff_sessions::aside::Aside;
use skiff_sessions::server::Event;
use skiff_sessions::transfer::{Burst, Means, Task};

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
        let ahead = match task.needs_lane() {
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
        if task.needs_lane() && !self.conversation.outbox().is_empty()
            || self.hold == Hold::Bursts && !stopped
        {
            return false;
        }
        let (before, moved_before) = (lane.traffic(), self.transfer.moved());
        if self.away.is_none() {
            self.away = Some(self.run(task, lane, disk));
        }
        if self.hold == Hold::Return && !task.needs_lane() {
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
        let (scratch, aside) = (&mut self.scratch[..], &mut Aside::InPlace);
        let means = Means {
            scratch,
            budget: self.budget,
            stop: &self.stop,
            aside,
            conduit: None,
        };
        match task.needs_lane() {
            true => self.transfer.burst(lane, &mut file, means),
            false => self.transfer.burst_digest(&mut file, means),
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
