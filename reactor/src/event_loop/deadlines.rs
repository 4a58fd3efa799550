//! The deadlines of all connections, one entry for each: a deadline that was postponed is found later
//! than its entry when the entry comes up, and is then scheduled again.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::transport::ids::ConnectionId;

#[derive(Default)]
pub(crate) struct Deadlines {
    entries: BTreeSet<(Instant, ConnectionId)>,
}

/// When there is an entry for a connection; kept with the connection.
#[derive(Default)]
pub(crate) struct Scheduled(Option<Instant>);

impl Deadlines {
    /// Makes sure that there is an entry for the connection at `due` or before.
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
        self.forget(id, scheduled);
        scheduled.0 = Some(due);
        self.entries.insert((due, id));
    }

    /// Removes the entry of a connection that ends: sessions that come and go leave nothing.
    pub(crate) fn forget(&mut self, id: ConnectionId, scheduled: &mut Scheduled) {
        if let Some(due) = scheduled.0.take() {
            self.entries.remove(&(due, id));
        }
    }

    /// The time of the earliest entry.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.entries.first().map(|(due, _)| *due)
    }

    /// Takes an entry that is due; the connection is to be told by [`Scheduled::clear`].
    pub(crate) fn pop(&mut self, now: Instant) -> Option<ConnectionId> {
        let (due, _) = self.entries.first()?;
        if *due > now {
            return None;
        }
        self.entries.pop_first().map(|(_, id)| id)
    }
}

impl Scheduled {
    /// Notes that the entry was taken.
    pub(crate) fn clear(&mut self) {
        self.0 = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn id(index: u32) -> ConnectionId {
        ConnectionId {
            index,
            generation: 1,
        }
    }

    #[test]
    fn a_deadline_put_off_costs_one_entry() {
        let (mut deadlines, mut scheduled, start) =
            (Deadlines::default(), Scheduled::default(), Instant::now());
        for second in 1..1000 {
            let due = Some(start + Duration::from_secs(second));
            deadlines.schedule(id(1), due, &mut scheduled);
        }
        assert_eq!(deadlines.entries.len(), 1);
        assert_eq!(deadlines.pop(start), None);
        assert_eq!(deadlines.pop(start + Duration::from_secs(1)), Some(id(1)));
        assert_eq!(deadlines.next(), None);
    }

    #[test]
    fn an_earlier_deadline_takes_over() {
        let (mut deadlines, mut scheduled, start) =
            (Deadlines::default(), Scheduled::default(), Instant::now());
        let (late, early) = (
            start + Duration::from_secs(9),
            start + Duration::from_secs(2),
        );
        deadlines.schedule(id(1), Some(late), &mut scheduled);
        deadlines.schedule(id(1), Some(early), &mut scheduled);
        assert_eq!(deadlines.next(), Some(early));
        assert_eq!(deadlines.pop(late), Some(id(1)));
        assert_eq!(deadlines.pop(late), None);
    }

    /// Else each would wake the loop up once more, and memory would grow with the sessions of a
    /// quarter of an hour.
    #[test]
    fn connections_that_end_leave_nothing() {
        let (mut deadlines, start) = (Deadlines::default(), Instant::now());
        for index in 0..1000 {
            let mut scheduled = Scheduled::default();
            let due = Some(start + Duration::from_secs(900));
            deadlines.schedule(id(index), due, &mut scheduled);
            deadlines.forget(id(index), &mut scheduled);
        }
        assert_eq!(deadlines.next(), None);
    }
}
