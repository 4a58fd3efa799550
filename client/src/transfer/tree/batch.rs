//! Collects the files that one session is given at once.

/// From so many files, or so many bytes, it is given.
const FILES_MAX: usize = 64;
const BYTES_MAX: u64 = 8 << 20;

/// Files for one session.
pub(super) struct Batch<J> {
    jobs: Vec<J>,
    bytes: u64,
}

impl<J> Default for Batch<J> {
    fn default() -> Self {
        Self {
            jobs: Vec::new(),
            bytes: 0,
        }
    }
}

impl<J> Batch<J> {
    /// Adds a file of `bytes`; true where no more belongs to it.
    pub(super) fn add(&mut self, job: J, bytes: u64) -> bool {
        self.jobs.push(job);
        self.bytes = self.bytes.saturating_add(bytes);
        self.jobs.len() >= FILES_MAX || self.bytes >= BYTES_MAX
    }

    /// Takes all of it; `None` where it is empty.
    pub(super) fn take(&mut self) -> Option<Vec<J>> {
        self.bytes = 0;
        let jobs = std::mem::take(&mut self.jobs);
        (!jobs.is_empty()).then_some(jobs)
    }
}
