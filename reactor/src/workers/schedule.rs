//! Decides which waiting work runs next: short jobs before bursts, accounts by turns, and shares of
//! threads that password checks, handshakes, any one file system and any one account cannot exceed.

mod waiting;

use std::collections::{HashMap, VecDeque};

use self::waiting::Waiting;

/// The class of a work item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// One lookup or change in a directory.
    Short,
    /// A TLS handshake or a password check: processor time, no disk.
    Crypt,
    /// A question to the authenticator: its thread waits for a program.
    Inquiry,
    /// The opening of a home, the first that touches a disk for a session.
    Opening,
    /// A burst of bulk data.
    Burst,
    /// The publication of an upload: its thread mostly waits for fsync(2), or for a client that may
    /// have broken off.
    Publication,
    /// A stream that the kernel copies between a file and a socket: its thread mostly waits for one
    /// of the two.
    KernelCopy,
    /// The first count or a sweep of a home, which may take minutes.
    Long,
    /// A recount of a home, which nobody waits for.
    Recount,
}

/// The classes, the most urgent first.
const CLASSES: [Class; 9] = [
    Class::Short,
    Class::Crypt,
    Class::Inquiry,
    Class::Opening,
    Class::Burst,
    Class::Publication,
    Class::KernelCopy,
    Class::Long,
    Class::Recount,
];

/// On whose account work is done: a user's, a network's before the login, or the daemon's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct AccountNumber(pub(crate) u64);

impl AccountNumber {
    /// What nobody in particular has asked for.
    pub(crate) const DAEMON: Self = Self(0);
}

/// The file system that a work item may hang on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Device {
    Number(u64),
    /// That of a home of which nothing is known yet: all such homes count as one file system.
    Unknown,
}

/// What a work item counts against.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WorkKind {
    pub(crate) class: Class,
    /// `None` for work that touches no home.
    pub(crate) device: Option<Device>,
    pub(crate) account: AccountNumber,
}

impl WorkKind {
    /// Work of the daemon itself.
    pub(crate) const fn of_daemon(class: Class, device: Option<Device>) -> Self {
        Self {
            class,
            device,
            account: AccountNumber::DAEMON,
        }
    }
}

/// How many threads each class, each file system and each account may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    pub(crate) threads: usize,
    /// All classes but [`Class::Short`] together.
    not_short: usize,
    crypt: usize,
    openings: usize,
    publications: usize,
    inquiries: usize,
    device: usize,
    device_bursts: usize,
    device_openings: usize,
}

impl Shares {
    /// Shares of `threads` (at least 4) worker threads, two for each processor and one more. One
    /// thread stays free for short jobs, one from any single file system, and one from the bursts
    /// of any single file system. Those bursts hold one thread more than there are processors, so
    /// that one can go on while the reactor takes a finished burst and sends the next. Openings
    /// leave two threads: one for the look-up of an account, one for the check of a password.
    pub(crate) fn of(threads: usize) -> Self {
        let openings = threads - 2;
        Self {
            threads,
            not_short: threads - 1,
            crypt: threads / 2,
            openings,
            publications: 0,
            inquiries: 0,
            device: threads - threads / 4,
            device_bursts: threads.div_ceil(2),
            device_openings: openings.div_ceil(2),
        }
    }

    /// Shares of `threads` threads that mostly wait in the kernel. One stays free from any single
    /// file system, and a quarter from publications.
    pub(crate) fn of_copiers(threads: usize) -> Self {
        Self {
            threads,
            not_short: threads,
            crypt: 0,
            openings: 0,
            publications: threads - threads / 4,
            inquiries: 0,
            device: threads - 1,
            device_bursts: 0,
            device_openings: 0,
        }
    }

    /// Shares of `threads` threads that wait for the authenticator, and do nothing else.
    pub(crate) fn of_askers(threads: usize) -> Self {
        Self {
            threads,
            not_short: threads,
            crypt: 0,
            openings: 0,
            publications: 0,
            inquiries: threads,
            device: threads,
            device_bursts: 0,
            device_openings: 0,
        }
    }

    fn of_class(&self, class: Class) -> usize {
        match class {
            Class::Short | Class::KernelCopy => self.threads,
            Class::Crypt | Class::Long | Class::Recount => self.crypt,
            Class::Opening => self.openings,
            Class::Burst => self.not_short,
            Class::Publication => self.publications,
            Class::Inquiry => self.inquiries,
        }
    }

    /// How many threads of `class` one account may hold.
    fn of_account(&self, class: Class, reach: Reach) -> usize {
        let of_class = self.of_class(class);
        match (reach, class) {
            // An account has one home, on one file system.
            (_, Class::Opening) => (self.device_openings / 2).max(1),
            (Reach::Half, _) => (of_class / 2).max(1),
            // These wait for disks, for as long as a disk likes.
            (Reach::Most, Class::Short | Class::Publication) => self.threads.div_ceil(2),
            // These come back within milliseconds.
            (Reach::Most, Class::Crypt | Class::Burst | Class::KernelCopy) => of_class,
            // These are the daemon's.
            (Reach::Most, Class::Long | Class::Recount) => of_class,
            // These come back within the authenticator's deadline.
            (Reach::Most, Class::Inquiry) => of_class,
        }
    }
}

/// How far an account may go.
#[derive(Clone, Copy, Debug)]
enum Reach {
    /// While another account waits that can go on.
    Half,
    /// While none does.
    Most,
}

/// How far a work item's errand is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Progress {
    /// Nothing of it was done.
    Fresh,
    /// A part of it was done, and others waited meanwhile.
    Begun,
}

/// The queues of one class on one file system, one for each account that waits. An account has at
/// most one turn in `turns`, which takes the item of it that is next.
struct Queue<T> {
    class: Class,
    device: Option<Device>,
    waiting: HashMap<AccountNumber, Waiting<T>>,
    turns: VecDeque<Turn>,
}

#[derive(Clone, Copy)]
struct Turn {
    /// Turns of all queues are taken in this order.
    number: u64,
    account: AccountNumber,
}

/// The turn that is next.
struct Next {
    number: u64,
    queue: usize,
    /// Where in the queue's turns.
    at: usize,
}

/// The queues and what runs. No thread is touched here, so that the promises are tested without
/// threads.
pub(crate) struct Schedule<T> {
    shares: Shares,
    queues: Vec<Queue<T>>,
    /// As many as threads at most.
    running: Vec<WorkKind>,
    waiting: usize,
    turns: u64,
    /// Queues of accounts that wait no more, to be used again.
    spare: Vec<Waiting<T>>,
}

/// Empty queues that are kept, so that a lone session allocates none for each of its items.
const KEPT: usize = 16;

impl<T> Schedule<T> {
    pub(crate) fn new(shares: Shares) -> Self {
        Self {
            shares,
            queues: Vec::new(),
            running: Vec::new(),
            waiting: 0,
            turns: 0,
            spare: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, kind: WorkKind, progress: Progress, work: T) {
        let WorkKind {
            class,
            device,
            account,
        } = kind;
        let same = |queue: &Queue<T>| queue.class == class && queue.device == device;
        let index = self.queues.iter().position(same).unwrap_or_else(|| {
            self.queues.push(Queue {
                class,
                device,
                waiting: HashMap::new(),
                turns: VecDeque::new(),
            });
            self.queues.len() - 1
        });
        let number = self.turns;
        let queue = &mut self.queues[index];
        let spare = &mut self.spare;
        let waiting = queue.waiting.entry(account).or_insert_with(|| {
            queue.turns.push_back(Turn { number, account });
            spare.pop().unwrap_or_default()
        });
        waiting.push(progress, work);
        self.turns += 1;
        self.waiting += 1;
    }

    pub(crate) fn finished(&mut self, kind: WorkKind) {
        if let Some(at) = self.running.iter().position(|running| *running == kind) {
            self.running.swap_remove(at);
        }
        if self.queues.len() > KEPT {
            self.queues.retain(|queue| !queue.turns.is_empty());
        }
    }

    pub(crate) fn next(&mut self) -> Option<(WorkKind, T)> {
        if self.waiting == 0 || self.running.len() >= self.shares.threads {
            return None;
        }
        let next = CLASSES.into_iter().find_map(|class| self.ready(class))?;
        let (kind, work) = self.take(&next)?;
        self.running.push(kind);
        self.waiting -= 1;
        Some((kind, work))
    }

    /// Takes the next item of the account whose turn it is, and gives the account its next turn.
    fn take(&mut self, next: &Next) -> Option<(WorkKind, T)> {
        let queue = &mut self.queues[next.queue];
        let Turn { account, .. } = queue.turns.remove(next.at)?;
        let waiting = queue.waiting.get_mut(&account)?;
        let work = waiting.pop()?;
        if waiting.is_empty() {
            let has_room = self.spare.len() < KEPT;
            let emptied = queue.waiting.remove(&account).filter(|_| has_room);
            self.spare.extend(emptied);
        } else {
            let number = self.turns;
            self.turns += 1;
            queue.turns.push_back(Turn { number, account });
        }
        let kind = WorkKind {
            class: queue.class,
            device: queue.device,
            account,
        };
        Some((kind, work))
    }

    fn ready(&self, class: Class) -> Option<Next> {
        let reaches = [Reach::Half, Reach::Most];
        reaches
            .into_iter()
            .find_map(|reach| self.ready_within(class, reach))
    }

    /// The oldest turn of an account that may hold one thread more. Those that are passed over hold
    /// threads, so they are not many.
    fn ready_within(&self, class: Class, reach: Reach) -> Option<Next> {
        let most = self.shares.of_account(class, reach);
        let may = |turn: &Turn| {
            self.count(|kind| kind.class == class && kind.account == turn.account) < most
        };
        let queues = self.queues.iter().enumerate();
        let turns = queues.filter_map(|(index, queue)| {
            if queue.class != class || queue.turns.is_empty() || !self.fits(class, queue.device) {
                return None;
            }
            let at = queue.turns.iter().position(may)?;
            Some(Next {
                number: queue.turns[at].number,
                queue: index,
                at,
            })
        });
        turns.min_by_key(|next| next.number)
    }

    fn count(&self, counts: impl Fn(&WorkKind) -> bool) -> usize {
        self.running.iter().filter(|kind| counts(kind)).count()
    }

    /// Whether the class and the file system may hold one thread more.
    fn fits(&self, class: Class, device: Option<Device>) -> bool {
        let is_bulk = |class: Class| matches!(class, Class::Burst | Class::Long | Class::Recount);
        let same = |kind: &WorkKind| device.is_some() && kind.device == device;
        let same_class = |kind: &WorkKind| same(kind) && kind.class == class;
        let shares = &self.shares;
        let class_fits = match class {
            Class::Short | Class::KernelCopy | Class::Crypt | Class::Publication => true,
            Class::Inquiry => true,
            Class::Opening => self.count(same_class) < shares.device_openings,
            Class::Burst => true,
            // One for each file system: a dead one stops no other.
            Class::Long | Class::Recount => {
                self.count(|kind| kind.class == class && kind.device == device) < 1
            }
        };
        let leaves_one = class == Class::Short
            || self.count(|kind| kind.class != Class::Short) < shares.not_short;
        class_fits
            && leaves_one
            && self.count(|kind| kind.class == class) < shares.of_class(class)
            && self.count(same) < shares.device
            && (!is_bulk(class)
                || self.count(|kind| same(kind) && is_bulk(kind.class)) < shares.device_bursts)
    }

    /// Takes out the waiting items that are `wanted`.
    pub(crate) fn take_out(&mut self, wanted: impl Fn(WorkKind, &T) -> bool) -> Vec<(WorkKind, T)> {
        let mut taken = Vec::new();
        for queue in &mut self.queues {
            let (class, device) = (queue.class, queue.device);
            queue.waiting.retain(|&account, waiting| {
                let kind = WorkKind {
                    class,
                    device,
                    account,
                };
                let of_account = waiting.take_out(|work| wanted(kind, work));
                taken.extend(of_account.into_iter().map(|work| (kind, work)));
                !waiting.is_empty()
            });
            let waiting = &queue.waiting;
            queue
                .turns
                .retain(|turn| waiting.contains_key(&turn.account));
        }
        self.waiting -= taken.len();
        taken
    }

    pub(crate) fn running(&self) -> usize {
        self.running.len()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests;
