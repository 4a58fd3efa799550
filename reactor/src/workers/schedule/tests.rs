//! What the schedule promises, with items that are only numbers.

use super::*;

const A: AccountNumber = AccountNumber(1);
const B: AccountNumber = AccountNumber(2);
const C: AccountNumber = AccountNumber(3);

const fn kind(class: Class, device: u64) -> WorkKind {
    work_of(A, class, device)
}

const fn work_of(account: AccountNumber, class: Class, device: u64) -> WorkKind {
    WorkKind {
        class,
        device: Some(Device::Number(device)),
        account,
    }
}

const HANDSHAKE: WorkKind = WorkKind {
    class: Class::Crypt,
    device: None,
    account: A,
};

/// More of each than there are threads.
fn flooded(shares: Shares, by: &[WorkKind]) -> Schedule<u32> {
    let mut schedule = Schedule::new(shares);
    for work in 0..100 {
        for &kind in by {
            schedule.push(kind, Progress::Fresh, work);
        }
    }
    schedule
}

fn drain(schedule: &mut Schedule<u32>) -> Vec<WorkKind> {
    std::iter::from_fn(|| schedule.next())
        .map(|(kind, _)| kind)
        .collect()
}

/// From one processor to 32.
const THREADS: std::ops::Range<usize> = 4..66;

#[test]
fn short_jobs_go_before_bursts_and_find_a_thread() {
    for threads in THREADS {
        let bursts = [kind(Class::Burst, 1), kind(Class::Burst, 2)];
        let mut schedule = flooded(Shares::of(threads), &bursts);
        assert_eq!(drain(&mut schedule).len(), threads - 1);
        schedule.push(kind(Class::Short, 1), Progress::Fresh, 1000);
        assert_eq!(drain(&mut schedule), [kind(Class::Short, 1)]);
    }
}

#[test]
fn a_dead_file_system_leaves_threads_to_the_others() {
    for threads in THREADS {
        let dead = [kind(Class::Burst, 1), kind(Class::Short, 1)];
        let mut schedule = flooded(Shares::of(threads), &dead);
        assert_eq!(drain(&mut schedule).len(), threads - threads / 4);
        schedule.push(work_of(B, Class::Short, 2), Progress::Fresh, 1000);
        assert_eq!(drain(&mut schedule), [work_of(B, Class::Short, 2)]);
    }
}

#[test]
fn streams_carried_on_one_file_system_leave_a_thread_to_others() {
    let mut schedule = flooded(Shares::of_copiers(9), &[kind(Class::KernelCopy, 1)]);
    assert_eq!(drain(&mut schedule).len(), 8);
    for work in 0..100 {
        schedule.push(kind(Class::KernelCopy, 2), Progress::Fresh, work);
    }
    assert_eq!(drain(&mut schedule), [kind(Class::KernelCopy, 2)]);
}

#[test]
fn bursts_of_one_file_system_leave_threads_to_those_of_another_and_to_short_jobs() {
    for threads in THREADS {
        let mut schedule = flooded(Shares::of(threads), &[kind(Class::Burst, 1)]);
        assert_eq!(drain(&mut schedule).len(), threads.div_ceil(2));
        schedule.push(kind(Class::Burst, 2), Progress::Fresh, 1000);
        schedule.push(kind(Class::Short, 2), Progress::Fresh, 1001);
        let others = [kind(Class::Short, 2), kind(Class::Burst, 2)];
        assert_eq!(drain(&mut schedule), others, "{threads} threads");
    }
}

#[test]
fn a_count_on_a_dead_file_system_stops_none_on_another() {
    for class in [Class::Long, Class::Recount] {
        let dead = [kind(Class::Recount, 1), kind(Class::Long, 1)];
        let mut schedule = flooded(Shares::of(5), &dead);
        assert_eq!(drain(&mut schedule), [dead[1], dead[0]]);
        schedule.push(kind(class, 2), Progress::Fresh, 1000);
        assert_eq!(drain(&mut schedule), [kind(class, 2)]);
    }
}

#[test]
fn handshakes_hold_at_most_half() {
    for threads in THREADS {
        let mut schedule = flooded(Shares::of(threads), &[HANDSHAKE]);
        assert_eq!(drain(&mut schedule).len(), threads / 2);
    }
}

#[test]
fn handshakes_and_bursts_together_leave_a_thread_to_short_jobs() {
    for threads in THREADS {
        let both = [HANDSHAKE, kind(Class::Burst, 1)];
        let mut schedule = flooded(Shares::of(threads), &both);
        assert_eq!(drain(&mut schedule).len(), threads - 1);
        schedule.push(kind(Class::Short, 1), Progress::Fresh, 1000);
        assert_eq!(drain(&mut schedule), [kind(Class::Short, 1)]);
    }
}

#[test]
fn file_systems_take_turns_and_all_work_is_done_once() {
    let mut schedule = Schedule::new(Shares::of(5));
    for work in 0..10 {
        for device in 1..5 {
            schedule.push(kind(Class::Burst, device), Progress::Fresh, work);
        }
    }
    let first = drain(&mut schedule);
    let of_first: Vec<_> = (1..5).map(|device| kind(Class::Burst, device)).collect();
    assert_eq!(first, of_first);
    assert_eq!(finish_all(&mut schedule, first), 40);
}

/// Finishes what runs, and all that comes after it, the oldest first; how much it was.
fn finish_all(schedule: &mut Schedule<u32>, running: Vec<WorkKind>) -> usize {
    let (mut running, mut done) = (VecDeque::from(running), 0);
    while let Some(kind) = running.pop_front() {
        schedule.finished(kind);
        done += 1;
        running.extend(drain(schedule));
    }
    assert_eq!((schedule.running(), schedule.waiting()), (0, 0));
    done
}

/// The classes that sessions submit, and the shares of the threads that run them.
fn classes_of_sessions(threads: usize) -> [(Class, Shares); 6] {
    let workers = Shares::of(threads);
    let copiers = Shares::of_copiers(threads);
    [
        (Class::Short, workers),
        (Class::Crypt, workers),
        (Class::Opening, workers),
        (Class::Burst, workers),
        (Class::Publication, copiers),
        (Class::KernelCopy, copiers),
    ]
}

#[test]
fn one_item_of_an_account_is_next_or_the_one_after_however_much_another_has() {
    for threads in THREADS {
        for (class, shares) in classes_of_sessions(threads) {
            let mut schedule = Schedule::new(shares);
            for work in 0..1000 {
                schedule.push(work_of(A, class, 1), Progress::Fresh, work);
            }
            let mut running = VecDeque::from(drain(&mut schedule));
            schedule.push(work_of(B, class, 1), Progress::Fresh, 1000);
            running.extend(drain(&mut schedule));
            let mut finished = 0;
            while !running.contains(&work_of(B, class, 1)) {
                schedule.finished(running.pop_front().unwrap());
                finished += 1;
                running.extend(drain(&mut schedule));
            }
            assert!(finished <= 2, "{class:?}, {threads} threads: {finished}");
        }
    }
}

#[test]
fn accounts_take_turns_on_all_file_systems_together() {
    let mut schedule = Schedule::new(Shares::of(5));
    let kinds = [
        work_of(A, Class::Burst, 1),
        work_of(B, Class::Burst, 2),
        work_of(C, Class::Burst, 2),
    ];
    for kind in kinds {
        for work in 0..100 {
            schedule.push(kind, Progress::Fresh, work);
        }
    }
    let mut order = drain(&mut schedule);
    for at in 0..297 {
        schedule.finished(order[at]);
        order.extend(drain(&mut schedule));
    }
    for (at, three) in order.chunks(3).enumerate().skip(1) {
        let all = kinds.iter().all(|kind| three.contains(kind));
        assert!(three.len() < 3 || all, "{at}: {three:?}");
    }
    assert_eq!(order.len(), 300);
}

#[test]
fn an_account_holds_half_of_a_class_while_another_waits() {
    for threads in THREADS {
        for (class, shares) in classes_of_sessions(threads) {
            // On two file systems, so that neither is full.
            let both = [work_of(A, class, 1), work_of(B, class, 2)];
            let mut schedule = flooded(shares, &both);
            let running = drain(&mut schedule);
            let half = shares.of_account(class, Reach::Half);
            for kind in both {
                let held = running.iter().filter(|other| **other == kind).count();
                // One thread may be left over.
                let is_half = held == half || held == half + 1;
                assert!(is_half, "{class:?}, {threads} threads: {held}");
            }
        }
    }
}

#[test]
fn work_that_hangs_on_a_file_system_leaves_a_thread_of_it_to_other_accounts() {
    for threads in THREADS {
        for (class, shares) in classes_of_sessions(threads) {
            if !matches!(class, Class::Short | Class::Opening | Class::Publication) {
                continue;
            }
            // Openings on four threads: the file system has one in all.
            if class == Class::Opening && threads < 5 {
                continue;
            }
            let mut schedule = flooded(shares, &[work_of(A, class, 1)]);
            assert!(!drain(&mut schedule).is_empty());
            schedule.push(work_of(B, class, 1), Progress::Fresh, 1000);
            let of_b = [work_of(B, class, 1)];
            assert_eq!(drain(&mut schedule), of_b, "{class:?}, {threads} threads");
        }
    }
}

#[test]
fn publications_that_hang_leave_threads_to_streams() {
    for threads in 9..66 {
        let publications = [A, B, C].map(|account| work_of(account, Class::Publication, 1));
        let mut schedule = flooded(Shares::of_copiers(threads), &publications);
        drain(&mut schedule);
        schedule.push(work_of(A, Class::KernelCopy, 1), Progress::Fresh, 1000);
        assert_eq!(drain(&mut schedule), [work_of(A, Class::KernelCopy, 1)]);
    }
}

/// Homes of many accounts, all of which hang.
fn hanging_homes(device: Device) -> Vec<WorkKind> {
    let accounts = (10..30).map(AccountNumber);
    let opening = |account| WorkKind {
        class: Class::Opening,
        device: Some(device),
        account,
    };
    accounts.map(opening).collect()
}

#[test]
fn homes_that_hang_hold_up_no_look_up_no_password_and_no_other_home() {
    for threads in THREADS {
        let lookup = WorkKind {
            class: Class::Short,
            device: None,
            account: B,
        };
        let check = WorkKind {
            class: Class::Crypt,
            ..lookup
        };
        let other = work_of(B, Class::Opening, 3);
        for device in [Device::Number(1), Device::Unknown] {
            let mut schedule = flooded(Shares::of(threads), &hanging_homes(device));
            let hanging = drain(&mut schedule);
            assert!(hanging.len() <= threads / 2, "{threads} threads");
            for kind in [lookup, check, other] {
                schedule.push(kind, Progress::Fresh, 1000);
                assert_eq!(drain(&mut schedule), [kind], "{threads} threads");
                schedule.finished(kind);
            }
        }
        // On two file systems: nobody comes in, but the look-up and the check are done.
        let mut both = hanging_homes(Device::Number(1));
        both.extend(hanging_homes(Device::Number(2)));
        both.extend(hanging_homes(Device::Unknown));
        let mut schedule = flooded(Shares::of(threads), &both);
        assert_eq!(drain(&mut schedule).len(), threads - 2);
        for kind in [lookup, check] {
            schedule.push(kind, Progress::Fresh, 1000);
            assert_eq!(drain(&mut schedule), [kind], "{threads} threads");
        }
    }
}

#[test]
fn a_home_that_hangs_again_and_again_holds_one_of_the_openings_of_its_file_system() {
    let again = work_of(A, Class::Opening, 1);
    let mut schedule = flooded(Shares::of(5), &[again]);
    assert_eq!(drain(&mut schedule), [again]);
    let other = work_of(B, Class::Opening, 1);
    schedule.push(other, Progress::Fresh, 1000);
    assert_eq!(drain(&mut schedule), [other]);
}

/// SplitMix64: the same on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize % bound
    }
}

#[test]
fn nothing_is_lost_nothing_is_done_twice_and_no_share_is_exceeded() {
    for threads in [4, 5, 9, 33] {
        let mut random = Random(threads as u64);
        let (workers, copiers) = (Shares::of(threads), Shares::of_copiers(threads));
        for (shares, classes) in [(workers, 0..4), (copiers, 4..6)] {
            let classes: Vec<_> = classes
                .map(|at| classes_of_sessions(threads)[at].0)
                .collect();
            let mut schedule = Schedule::new(shares);
            let (mut pushed, mut done, mut running) = (0, Vec::new(), Vec::new());
            for _ in 0..3000 {
                if random.below(2) == 0 {
                    let account = AccountNumber(random.below(40) as u64);
                    let class = classes[random.below(classes.len())];
                    schedule.push(
                        work_of(account, class, random.below(30) as u64),
                        Progress::Fresh,
                        pushed,
                    );
                    pushed += 1;
                } else if !running.is_empty() {
                    let (kind, work) = running.swap_remove(random.below(running.len()));
                    schedule.finished(kind);
                    done.push(work);
                }
                running.extend(std::iter::from_fn(|| schedule.next()));
                assert!(running.len() <= threads);
                assert_eq!(schedule.running(), running.len());
            }
            while let Some((kind, work)) = running.pop() {
                schedule.finished(kind);
                done.push(work);
                running.extend(std::iter::from_fn(|| schedule.next()));
            }
            done.sort_unstable();
            assert_eq!(done, (0..pushed).collect::<Vec<u32>>());
            assert_eq!(schedule.waiting(), 0);
            assert!(schedule.queues.len() <= KEPT);
        }
    }
}

#[test]
fn what_is_taken_out_is_not_run_and_the_rest_is_in_its_order() {
    let mut schedule = Schedule::new(Shares::of(5));
    for work in 0..100 {
        let account = if work % 2 == 0 { A } else { B };
        schedule.push(work_of(account, Class::Short, 1), Progress::Fresh, work);
    }
    schedule.push(work_of(C, Class::Short, 1), Progress::Fresh, 100);
    let taken = schedule.take_out(|kind, work| kind.account == C || work % 4 == 0);
    assert_eq!(taken.len(), 26);
    assert_eq!(schedule.waiting(), 75);
    let mut order = Vec::new();
    while let Some((kind, work)) = schedule.next() {
        schedule.finished(kind);
        order.push(work);
    }
    let of = |account: u32| order.iter().filter(move |work| **work % 2 == account);
    assert!(of(0).copied().eq((0..100).filter(|work| work % 4 == 2)));
    assert!(of(1).copied().eq((0..100).filter(|work| work % 2 == 1)));
    assert_eq!(order.len(), 75);
}

#[test]
fn a_lone_session_makes_no_new_queue_for_each_item() {
    let mut schedule = Schedule::new(Shares::of(5));
    for work in 0..100 {
        let class = [Class::Short, Class::Burst][work as usize % 2];
        schedule.push(kind(class, 1), Progress::Fresh, work);
        let (kind, _) = schedule.next().unwrap();
        schedule.finished(kind);
    }
    assert_eq!(schedule.queues.len(), 2);
    assert_eq!(schedule.spare.len(), 1);
}

#[test]
fn all_threads_of_the_authenticator_are_for_questions_and_one_account_leaves_some_to_others() {
    let inquiry = |account| WorkKind {
        class: Class::Inquiry,
        device: None,
        account,
    };
    for threads in [1, 2, 4, 64] {
        let mut schedule = flooded(Shares::of_askers(threads), &[inquiry(A)]);
        assert_eq!(drain(&mut schedule).len(), threads);
        let mut schedule = flooded(Shares::of_askers(threads), &[inquiry(A), inquiry(B)]);
        let held = drain(&mut schedule);
        let of_a = held.iter().filter(|kind| kind.account == A).count();
        assert_eq!((held.len(), of_a), (threads, threads.div_ceil(2)));
    }
}
