//! What waits of one account: errands that nothing was done of before those that had their share.
//!
//! A small file needs one burst, a large one hundreds. With one queue for both, each small one
//! would wait for a burst of every large one.

use std::collections::VecDeque;

use super::Progress;

/// Fresh items that go before one that was begun: so those go on, however many come.
const FRESH_IN_A_ROW: u8 = 3;

#[derive(Debug)]
pub(super) struct Waiting<T> {
    fresh: VecDeque<T>,
    begun: VecDeque<T>,
    /// Fresh items since the last one that was begun.
    in_a_row: u8,
}

impl<T> Default for Waiting<T> {
    fn default() -> Self {
        Self {
            fresh: VecDeque::new(),
            begun: VecDeque::new(),
            in_a_row: 0,
        }
    }
}

impl<T> Waiting<T> {
    pub(super) fn push(&mut self, progress: Progress, work: T) {
        match progress {
            Progress::Fresh => self.fresh.push_back(work),
            Progress::Begun => self.begun.push_back(work),
        }
    }

    /// The next item.
    pub(super) fn pop(&mut self) -> Option<T> {
        let is_fresh_next = self.begun.is_empty() || self.in_a_row < FRESH_IN_A_ROW;
        if is_fresh_next && let Some(work) = self.fresh.pop_front() {
            self.in_a_row = self.in_a_row.saturating_add(1);
            return Some(work);
        }
        self.in_a_row = 0;
        self.begun.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.fresh.is_empty() && self.begun.is_empty()
    }

    /// Takes out what is `wanted`; the rest keeps its order.
    pub(super) fn take_out(&mut self, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let mut taken = Vec::new();
        for queue in [&mut self.fresh, &mut self.begun] {
            for _ in 0..queue.len() {
                match queue.pop_front() {
                    Some(work) if wanted(&work) => taken.push(work),
                    kept => queue.extend(kept),
                }
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_items_go_first_and_begun_ones_go_on() {
        let mut waiting = Waiting::default();
        for work in 0..4 {
            waiting.push(Progress::Begun, work);
        }
        for work in 10..18 {
            waiting.push(Progress::Fresh, work);
        }
        let order: Vec<_> = std::iter::from_fn(|| waiting.pop()).collect();
        assert_eq!(order, [10, 11, 12, 0, 13, 14, 15, 1, 16, 17, 2, 3]);
        assert!(waiting.is_empty());
    }

    #[test]
    fn what_is_taken_out_leaves_the_order() {
        let mut waiting = Waiting::default();
        for work in 0..6 {
            let progress = [Progress::Fresh, Progress::Begun][work % 2];
            waiting.push(progress, work);
        }
        assert_eq!(waiting.take_out(|work| *work < 2), [0, 1]);
        let order: Vec<_> = std::iter::from_fn(|| waiting.pop()).collect();
        assert_eq!(order, [2, 4, 3, 5]);
    }
}
