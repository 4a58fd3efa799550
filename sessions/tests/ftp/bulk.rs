//! Runs the server's transfers as a worker does, in bursts.

use std::sync::atomic::Ordering;

use skiff_sessions::lane::Lane;
use skiff_sessions::parallel_hash::ParallelHash;
use skiff_sessions::server::{DataEvent, Event};
use skiff_sessions::transfer::{AtEnd, Burst, BurstResources, End, Route, SHORT_STREAM_MAX, Task};

use super::file::{Lent, OpenFile};
use super::lane::{DataLane, Spoken};
use super::rig::{Comes, Data, Ended, Hold, Publishes, Received, Rig};

/// Small, so that small files take many reads.
const SCRATCH: usize = 20;

impl Rig {
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
        if task.route() == Route::Data {
            assert_eq!(self.data, Data::Open, "bytes need a connection");
        }
        self.transfer.begin(task, ahead);
        self.stop.store(false, Ordering::Relaxed);
        self.heard = 0;
        self.task = Some(task);
    }

    /// Runs one; `false` where nothing moved.
    pub(super) fn burst(&mut self) -> bool {
        let Some(task) = self.task else {
            return false;
        };
        let stopped = self.stop.load(Ordering::Relaxed);
        match self.hold {
            Hold::Away => return false,
            Hold::Bursts if !stopped => return false,
            _ => {}
        }
        let before = (self.lane.traffic(), self.transfer.moved());
        let burst = match self.deferred {
            Some(Comes::Later) if !stopped => return false,
            Some(comes) if comes != Comes::AtOnce(DataEvent::Secured) => {
                self.deferred = None;
                Burst::Finished(insecure(comes))
            }
            _ => self.run(task),
        };
        if self.deferred.take().is_some() && !matches!(burst, Burst::Finished(_)) {
            self.event(Event::Data(DataEvent::Secured));
        }
        match burst {
            Burst::Finished(end) => {
                let end = self.published(task, end);
                self.finish(task, end);
                true
            }
            _ => {
                self.tell_progress();
                (self.lane.traffic(), self.transfer.moved()) != before
            }
        }
    }

    fn run(&mut self, task: Task) -> Burst {
        let mut scratch = [0; SCRATCH];
        let mut file = self.file.take();
        let mut lent = Lent {
            disk: &mut self.disk,
            file: file.as_mut(),
        };
        let resources = BurstResources {
            scratch: &mut scratch,
            budget: self.step.min(1 << 20) as u64,
            stop: &self.stop,
            parallel_hash: &mut ParallelHash::Off,
            splice_pipe: None,
        };
        let burst = match task.route() {
            Route::None => self.transfer.burst_digest(&mut lent, resources),
            Route::Data => {
                self.lane.turn();
                self.transfer.burst(&mut self.lane, &mut lent, resources)
            }
            Route::Control => {
                let mut said = Vec::new();
                let burst = self
                    .transfer
                    .burst(&mut Spoken(&mut said), &mut lent, resources);
                self.said_mut().append(&mut said);
                burst
            }
        };
        self.file = file;
        burst
    }

    /// As the daemon may do it: nobody has spoken against it by then.
    fn published(&mut self, task: Task, end: End) -> End {
        let is_short = self.transfer.moved() <= SHORT_STREAM_MAX;
        let (at_end, position) = match (task, end) {
            (Task::ReceiveStream { at_end, .. }, End::Complete { position, .. })
                if is_short && self.publishes == Publishes::AtItsEnd =>
            {
                (at_end, position)
            }
            _ => return end,
        };
        match (at_end, self.file.take()) {
            (AtEnd::Publish, Some(OpenFile::Upload(upload))) => End::Stored {
                size: self.disk.publish(upload),
            },
            (AtEnd::MakeReady, file) => {
                self.file = file;
                let grace = self.disk.grace;
                End::Ready { position, grace }
            }
            (AtEnd::Publish, file) => {
                self.file = file;
                end
            }
        }
    }

    /// As the daemon does: an ABOR, or the end of a client that broke off, comes
    /// before what it cancels is published.
    fn finish(&mut self, task: Task, end: End) {
        if task.route() == Route::Data {
            self.drop_lane();
            while self.read() {}
            if self.is_over() {
                return;
            }
        }
        self.task = None;
        let (moved, ahead) = (self.transfer.moved(), self.transfer.take_ahead());
        let now = self.now;
        self.talk(|conversation, effects| {
            conversation.transfer_ended(now, end, moved, &ahead, effects);
        });
    }

    fn tell_progress(&mut self) {
        let done = self.transfer.moved();
        if done != self.heard {
            self.heard = done;
            self.event(Event::Progress { done });
        }
    }

    /// Whatever there is of a data connection.
    pub(super) fn drop_lane(&mut self) {
        if matches!(self.data, Data::Open | Data::Shaking(_)) {
            let lane = std::mem::replace(&mut self.lane, DataLane::new(self.step));
            assert!(!lane.has_buffered_input());
            let end = match lane.closed {
                true => Ended::Told,
                false => Ended::Broken,
            };
            let bytes = lane.to_client;
            self.received.push(Received { bytes, end });
        }
        self.data = Data::None;
    }
}

/// How a transfer ends whose handshake came to this.
fn insecure(comes: Comes) -> End {
    match comes {
        Comes::AtOnce(DataEvent::NotResumed) => End::NotResumed,
        Comes::AtOnce(_) => End::NotSecured,
        Comes::Later => End::Stopped,
    }
}
