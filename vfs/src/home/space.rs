//! Makes room for new files: removes old stages, reserves quota, and checks the free space of the
//! disk.

use std::cmp::Ordering as Order;
use std::collections::{BinaryHeap, HashMap};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use rustix::fs::fstatvfs;
use skiff_quota::{Amount, Reservation, Usage};

use super::Home;
use super::charge::stage_charge;
use super::writers::Phase;
use crate::jail::folder::NameKey;
use crate::jail::mount::Mount;
use crate::staging::{Stage, StagingDir};
use crate::syscalls::system_now;
use crate::{VfsError, Worker};

/// What a counted home holds, and what a new upload would be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holdings {
    pub usage: Usage,
    /// Bytes of `usage.used` that are stages which no upload is writing.
    pub staged: u64,
    /// Bytes that an upload of a new name would be granted: by the quota, where the stages that go
    /// for it are gone, and by the disk.
    pub free: u64,
}

/// Stages that are removed before a reservation is tried again.
const DROP_BATCH: usize = 64;

impl Home {
    /// Removes stages without a write for the policy's `stage_ttl`; gives their number.
    pub fn sweep(&self, worker: &Worker) -> Result<u64, VfsError> {
        let _acting = self.act(worker)?;
        let mut dropped = 0;
        loop {
            let old = self.oldest_stages(self.policy.stage_ttl)?;
            let mut progress = 0;
            for found in &old {
                progress += u64::from(self.drop_if_idle(found, self.policy.stage_ttl)?);
            }
            dropped += progress;
            if progress == 0 {
                return Ok(dropped);
            }
        }
    }

    /// What the home holds; `None` before it is counted.
    pub fn holdings(&self, worker: &Worker) -> Result<Option<Holdings>, VfsError> {
        let _acting = self.act(worker)?;
        let running: HashMap<_, _> = {
            let state = self.state.lock();
            if state.phase == Phase::Uncounted {
                return Ok(None);
            }
            let charges = state.writers.iter();
            charges.map(|(key, writer)| (*key, writer.charge)).collect()
        };
        let mut staged: u64 = running.values().map(|charge| charge.staged.bytes).sum();
        let mut idle = Amount::ZERO;
        for (mount, staging) in self.staging_dirs() {
            staging.for_each(|stage| {
                let key = NameKey {
                    mount: mount.id,
                    stage: stage.key,
                };
                if !running.contains_key(&key) {
                    staged = staged.saturating_add(stage.size);
                    if is_idle(stage, self.policy.stage_idle) {
                        idle = idle.plus(stage_charge(stage.size));
                    }
                }
                Ok(())
            })?;
        }
        let usage = self.usage();
        Ok(Some(Holdings {
            usage,
            staged,
            free: self.free_for_upload(usage, idle)?,
        }))
    }

    /// Bytes that a new upload would be granted, after `idle` stages were removed for it.
    fn free_for_upload(&self, usage: Usage, idle: Amount) -> Result<u64, VfsError> {
        let taken = usage.used.plus(usage.reserved).minus(idle);
        let room = usage.limit.minus(taken);
        let on_disk = match self.policy.free_space_floor {
            0 => u64::MAX,
            floor => free_space(self.jail.handle())?.saturating_sub(floor),
        };
        Ok(match room.entries {
            0 => 0,
            _ => room.bytes.min(on_disk),
        })
    }

    /// Reserves `wanted`, and removes idle stages where that would exceed the quota.
    pub(crate) fn reserve(&self, wanted: Amount) -> Result<Reservation, VfsError> {
        let mut reservation = self.ledger.reserve(Amount::ZERO)?;
        self.retry_dropping_stages(wanted, || Ok(reservation.extend(wanted)?))?;
        Ok(reservation)
    }

    /// [`VfsError::DiskFull`] where `coming` more bytes would leave less than the policy's
    /// `free_space_floor` free on the file system of `disk`.
    pub(crate) fn check_free_space(&self, disk: impl AsFd, coming: u64) -> Result<(), VfsError> {
        if self.policy.free_space_floor == 0 {
            return Ok(());
        }
        if free_space(disk)? < self.policy.free_space_floor.saturating_add(coming) {
            return Err(VfsError::DiskFull);
        }
        Ok(())
    }

    /// Calls `attempt` until it succeeds or no idle stage is left to be removed.
    pub(crate) fn retry_dropping_stages(
        &self,
        wanted: Amount,
        mut attempt: impl FnMut() -> Result<(), VfsError>,
    ) -> Result<(), VfsError> {
        loop {
            let refused = match attempt() {
                Err(refused @ VfsError::OverQuota { .. }) => refused,
                other => return other,
            };
            if !self.drop_idle_stages(wanted)? {
                return Err(refused);
            }
        }
    }

    /// Removes idle stages, oldest first, until `wanted` fits; false when none was removed.
    fn drop_idle_stages(&self, wanted: Amount) -> Result<bool, VfsError> {
        let mut dropped = false;
        for found in self.oldest_stages(self.policy.stage_idle)? {
            match self.drop_if_idle(&found, self.policy.stage_idle) {
                Ok(done) => dropped |= done,
                // Before the home is counted nothing may go.
                Err(VfsError::Scanning | VfsError::Stopped) => return Ok(false),
                Err(e) => return Err(e),
            }
            if wanted.minus(self.ledger.usage().available()).is_zero() {
                break;
            }
        }
        Ok(dropped)
    }

    /// Up to [`DROP_BATCH`] stages without a write for `age`, oldest first.
    fn oldest_stages(&self, age: Duration) -> Result<Vec<IdleStage>, VfsError> {
        // A heap of the oldest stages so far; the youngest of them is on top and is popped.
        let mut oldest = BinaryHeap::new();
        for (mount, staging) in self.staging_dirs() {
            staging.for_each(|stage| {
                if is_idle(stage, age) {
                    let (mount, staging) = (Arc::clone(&mount), Arc::clone(&staging));
                    oldest.push(IdleStage {
                        mount,
                        staging,
                        stage,
                    });
                }
                if oldest.len() > DROP_BATCH {
                    oldest.pop();
                }
                Ok(())
            })?;
        }
        Ok(oldest.into_sorted_vec())
    }

    /// Removes a stage, unless it was written to or is being continued meanwhile; gives whether it
    /// was removed.
    fn drop_if_idle(&self, found: &IdleStage, age: Duration) -> Result<bool, VfsError> {
        let IdleStage {
            mount,
            staging,
            stage,
        } = found;
        let key = NameKey {
            mount: mount.id,
            stage: stage.key,
        };
        let state = self.lock()?;
        let now = staging.find(stage.key)?.filter(|now| is_idle(*now, age));
        let Some(now) = now.filter(|_| !state.writers.contains_key(&key)) else {
            return Ok(false);
        };
        staging.remove(stage.key)?;
        self.shrink_staged(&state, now.size);
        Ok(true)
    }
}

/// Bytes that are free on the file system of `disk`.
fn free_space(disk: impl AsFd) -> Result<u64, VfsError> {
    let disk = fstatvfs(disk)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn is_idle(stage: Stage, age: Duration) -> bool {
    system_now()
        .duration_since(stage.modified.system_time())
        .is_ok_and(|idle| idle >= age)
}

/// A stage without a write for some time, ordered by age: the oldest is the least.
struct IdleStage {
    mount: Arc<Mount>,
    staging: Arc<StagingDir>,
    stage: Stage,
}

impl Ord for IdleStage {
    fn cmp(&self, other: &Self) -> Order {
        self.stage.modified.cmp(&other.stage.modified)
    }
}

impl PartialOrd for IdleStage {
    fn partial_cmp(&self, other: &Self) -> Option<Order> {
        Some(self.cmp(other))
    }
}

impl PartialEq for IdleStage {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Order::Equal
    }
}

impl Eq for IdleStage {}
