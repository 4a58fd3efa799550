//! The deadlines of all connections, in a heap with one entry per connection: a deadline that was
//! postponed is found later than its entry when the entry comes up, and is then scheduled again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::transport::ids::ConnectionId;

#[derive(Default)]
pub(crate) struct Deadlines {
    heap: BinaryHeap<Reverse<(Instant, ConnectionId)>>,
}

/// When the heap has an entry for a connection; kept with the connection.
#[derive(Default)]
pub(crate) struct Scheduled(Option<Instant>);

impl Deadlines {
    /// Makes sure that the heap has an entry for the connection at `due` or before.
    pub(crate) fn schedule(
        &mut self,
        id: ConnectionId,
        due: Option<Instant>,
        scheduled: &mut Scheduled,
    ) {
        let Some(due) = due else { return };
        if scheduled.0.is_some_and(|already| already <= due) {
            return;
        }
        scheduled.0 = Some(due);
        self.heap.push(Reverse((due, id)));
    }

    /// The time of the earliest entry.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((due, _))| *due)
    }

    /// An entry that is due; the connection passes its time to [`Scheduled::take_if_current`].
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Instant, ConnectionId)> {
        let Reverse((due, _)) = *self.heap.peek()?;
        if due > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

impl Scheduled {
    /// True if `due` is the connection's current entry, which is taken; false if an earlier one has
    /// replaced it.
    pub(crate) fn take_if_current(&mut self, due: Instant) -> bool {
        let current = self.0 == Some(due);
        if current {
            self.0 = None;
        }
        current
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_deadline_put_off_costs_one_entry() {
        let id = ConnectionId {
            index: 1,
            generation: 1,
        };
        let (mut deadlines, mut scheduled, start) =
            (Deadlines::default(), Scheduled::default(), Instant::now());
        for second in 1..1000 {
            deadlines.schedule(
                id,
                Some(start + Duration::from_secs(second)),
                &mut scheduled,
            );
        }
        assert_eq!(deadlines.heap.len(), 1);
        assert_eq!(deadlines.pop(start), None);
        let (due, popped) = deadlines.pop(start + Duration::from_secs(1)).unwrap();
        assert_eq!(popped, id);
        assert!(scheduled.take_if_current(due));
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn an_earlier_deadline_takes_over() {
        let id = ConnectionId {
            index: 1,
            generation: 1,
        };
        let (mut deadlines, mut scheduled, start) =
            (Deadlines::default(), Scheduled::default(), Instant::now());
        let (late, early) = (
            start + Duration::from_secs(9),
            start + Duration::from_secs(2),
        );
        deadlines.schedule(id, Some(late), &mut scheduled);
        deadlines.schedule(id, Some(early), &mut scheduled);
        let (due, _) = deadlines.pop(late).unwrap();
        assert_eq!(due, early);
        assert!(scheduled.take_if_current(due));
        let (due, _) = deadlines.pop(late).unwrap();
        assert!(!scheduled.take_if_current(due));
    }
}
