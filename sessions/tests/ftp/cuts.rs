//! Tests that every dialogue has the same result however its bytes are cut.

use super::disk::Seen;
use super::rig::{Cut, Noted, Rig};
use super::world::World;

/// Bytes that a data connection takes or gives in one burst.
const STEPS: [usize; 3] = [usize::MAX, 1, 7];

/// What a dialogue came to.
#[derive(PartialEq, Eq, Debug)]
struct Came {
    transcript: String,
    disk: Seen,
    received: Vec<Vec<u8>>,
    logged: Vec<(&'static str, String, u16, Option<u64>)>,
    noted: Vec<Noted>,
}

/// Runs `act` with what is typed delivered whole, byte by byte, and split at
/// every position, with data connections of each appetite.
pub(super) fn at_every_cut(world: impl Fn() -> World, act: impl Fn(&mut Rig)) {
    let (came, length) = run(&world, &act, Cut::Whole, usize::MAX);
    let cuts = [Cut::Whole, Cut::Every(1)].into_iter();
    for cut in cuts.chain((1..length).map(Cut::At)) {
        for step in STEPS {
            let (other, _) = run(&world, &act, cut, step);
            assert_eq!(other, came, "{cut:?}, {step} at a time");
        }
    }
}

fn run(world: impl Fn() -> World, act: impl Fn(&mut Rig), cut: Cut, step: usize) -> (Came, usize) {
    let mut rig = Rig::cut(world(), cut, step);
    act(&mut rig);
    rig.hears();
    if !rig.is_over() {
        rig.is_idle();
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let logged = rig.logged.iter();
    let came = Came {
        transcript: rig.transcript(),
        disk: rig.disk.seen(),
        received: rig.received.iter().map(|r| r.bytes.clone()).collect(),
        logged: logged
            .map(|line| {
                // How much of what was refused had been taken is the cut's affair.
                let bytes = (line.code == 226).then_some(line.bytes);
                (line.verb, text(&line.path), line.code, bytes)
            })
            .collect(),
        noted: rig.noted.clone(),
    };
    (came, rig.taken())
}
