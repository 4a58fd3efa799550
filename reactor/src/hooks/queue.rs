//! [`Queue`]: the events of one hook's journal that are to be done, with what failed and is tried
//! again.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::event::Event;
use super::position::{Place, Position, Waiting};
use super::segments::{Rest, list, path_of, read};

/// Events that are read before their turn.
const AHEAD: usize = 8;
/// Events that wait for another try; where there are more, nothing new is begun.
const OPEN_MAX: usize = 256;

/// How often an event is tried, and how long after the first failure and at most.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retries {
    pub(super) tries: u32,
    pub(super) first: Duration,
    pub(super) most: Duration,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            tries: 10,
            first: Duration::from_secs(1),
            most: Duration::from_secs(300),
        }
    }
}

impl Retries {
    /// The time after so many failures.
    pub(super) fn pause(&self, failures: u32) -> Duration {
        let doubled = 1_u32.checked_shl(failures.saturating_sub(1));
        let pause = self.first.saturating_mul(doubled.unwrap_or(u32::MAX));
        pause.min(self.most)
    }
}

pub(super) struct Queue {
    folder: PathBuf,
    retries: Retries,
    segments: BTreeMap<u64, Segment>,
    open: BTreeMap<Place, Open>,
    /// Whether the journal may have more than was read.
    has_unread: bool,
}

#[derive(Default)]
struct Segment {
    read: u64,
    /// Read to an end that nobody moves.
    is_read: bool,
}

struct Open {
    event: Event,
    failures: u32,
    /// `None` while it is being done.
    due: Option<Instant>,
}

/// An event whose turn has come.
pub(super) struct Turn {
    pub(super) place: Place,
    pub(super) event: Event,
    /// From 1.
    pub(super) number: u32,
}

/// What became of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    TriedAgain { after: Duration, failures: u32 },
    GivenUp,
}

impl Queue {
    /// Goes on where the one before has ended.
    pub(super) fn resume(folder: PathBuf, retries: Retries, now: Instant) -> io::Result<Self> {
        let kept = Position::load(&folder);
        let mut queue = Self {
            folder,
            retries,
            segments: BTreeMap::new(),
            open: BTreeMap::new(),
            has_unread: true,
        };
        queue.find_segments()?;
        for (number, read) in kept.read {
            if let Some(segment) = queue.segments.get_mut(&number) {
                segment.read = read;
            }
        }
        for Waiting { place, tries } in kept.waiting {
            let Some(segment) = queue.segments.get(&place.segment) else {
                continue;
            };
            // What was not read is found again.
            if place.offset >= segment.read {
                continue;
            }
            let path = path_of(&queue.folder, place.segment);
            let found = read(&path, place.offset, 1)?.found.pop();
            if let Some(event) = found.and_then(|found| found.event) {
                queue.insert(place, event, tries, now);
            }
        }
        Ok(queue)
    }

    fn insert(&mut self, place: Place, event: Event, failures: u32, now: Instant) {
        let due = Some(now);
        self.open.insert(
            place,
            Open {
                event,
                failures,
                due,
            },
        );
    }

    fn find_segments(&mut self) -> io::Result<()> {
        for number in list(&self.folder)? {
            self.segments.entry(number).or_default();
        }
        Ok(())
    }

    /// The journal has something new.
    pub(super) fn wake(&mut self) {
        self.has_unread = true;
    }

    /// Reads on, as far as there is room; returns how many lines were damaged.
    pub(super) fn read_on(&mut self, now: Instant) -> io::Result<usize> {
        let mut damaged = 0;
        if !self.has_unread || self.room(now) == 0 {
            return Ok(damaged);
        }
        self.find_segments()?;
        let numbers: Vec<_> = self.segments.keys().copied().collect();
        for number in numbers {
            damaged += self.read_segment(number, now)?;
        }
        self.has_unread = self.room(now) == 0;
        self.remove_done()?;
        Ok(damaged)
    }

    fn read_segment(&mut self, number: u64, now: Instant) -> io::Result<usize> {
        let mut damaged = 0;
        loop {
            let room = self.room(now);
            let Some(segment) = self.segments.get_mut(&number) else {
                return Ok(damaged);
            };
            if room == 0 || segment.is_read {
                return Ok(damaged);
            }
            let portion = read(&path_of(&self.folder, number), segment.read, room)?;
            segment.read = portion.end;
            segment.is_read = matches!(portion.rest, Rest::Nothing | Rest::Torn);
            damaged += usize::from(portion.rest == Rest::Torn);
            let is_at_end = portion.rest != Rest::More;
            for found in portion.found {
                let offset = found.offset;
                let place = Place {
                    segment: number,
                    offset,
                };
                match found.event {
                    Some(event) => self.insert(place, event, 0, now),
                    None => damaged += 1,
                }
            }
            if is_at_end {
                return Ok(damaged);
            }
        }
    }

    fn room(&self, now: Instant) -> usize {
        let is_ready = |open: &&Open| open.due.is_some_and(|due| due <= now);
        let ready = self.open.values().filter(is_ready).count();
        let left = OPEN_MAX.saturating_sub(self.open.len());
        left.min(AHEAD.saturating_sub(ready))
    }

    /// The event that has been due longest.
    pub(super) fn take(&mut self, now: Instant) -> Option<Turn> {
        let due = self.open.iter_mut();
        let due = due.filter(|(_, open)| open.due.is_some_and(|due| due <= now));
        let (place, open) = due.min_by_key(|(place, open)| (open.due, **place))?;
        open.due = None;
        Some(Turn {
            place: *place,
            event: open.event.clone(),
            number: open.failures + 1,
        })
    }

    /// When the next event is due that is not yet.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.open.values().filter_map(|open| open.due).min()
    }

    /// Notes how a run has ended, on the disk too.
    pub(super) fn ended(
        &mut self,
        place: Place,
        is_done: bool,
        now: Instant,
    ) -> io::Result<Outcome> {
        let outcome = self.outcome(place, is_done, now);
        self.remove_done()?;
        self.position().save(&self.folder)?;
        Ok(outcome)
    }

    fn outcome(&mut self, place: Place, is_done: bool, now: Instant) -> Outcome {
        let Some(open) = self.open.get_mut(&place).filter(|_| !is_done) else {
            self.open.remove(&place);
            return Outcome::Done;
        };
        open.failures += 1;
        let failures = open.failures;
        if failures >= self.retries.tries {
            self.open.remove(&place);
            return Outcome::GivenUp;
        }
        let after = self.retries.pause(failures);
        open.due = Some(now + after);
        Outcome::TriedAgain { after, failures }
    }

    /// Removes the segments of which nothing is left to do.
    fn remove_done(&mut self) -> io::Result<()> {
        let is_open = |number: &u64| self.open.keys().any(|place| place.segment == *number);
        let read = self.segments.iter().filter(|(_, segment)| segment.is_read);
        let done = read.map(|(number, _)| *number).filter(|it| !is_open(it));
        for number in done.collect::<Vec<_>>() {
            match std::fs::remove_file(path_of(&self.folder, number)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.segments.remove(&number),
            };
        }
        Ok(())
    }

    fn position(&self) -> Position {
        let segments = self.segments.iter();
        let open = self.open.iter();
        Position {
            read: segments
                .map(|(number, segment)| (*number, segment.read))
                .collect(),
            waiting: open
                .map(|(place, open)| Waiting {
                    place: *place,
                    tries: open.failures,
                })
                .collect(),
        }
    }
}
