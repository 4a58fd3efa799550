//! Tests events from outside in each state: the session must close, stop, give way, or loses its
//! peer.

use std::cell::RefCell;
use std::rc::Rc;

use skiff_sessions::digest::Algorithm;
use skiff_sessions::server::Event;
use skiff_sessions::wire::reply::CloseReason;

/// A place to be in when something happens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    New,
    Ready,
    Offered,
    Partial,
    Receiving,
    Received,
    Discarding,
    Renaming,
    Sending,
    Listing,
    Hashing,
    Working,
    Storing,
}

use At::*;

use super::disk::Disk;
use super::drive::Pair;
use super::local::Local;
use super::rig::{NEW, OLD, Rig};
use super::said::{END, Said, codes_of, framed};
use super::server::Hold;
use super::wire::{Cut, Pipe};

const ALL: [At; 13] = [
    New, Ready, Offered, Partial, Receiving, Received, Discarding, Renaming, Sending, Listing,
    Hashing, Working, Storing,
];

fn world() -> Disk {
    Disk::new()
        .with("/a", OLD)
        .with("/f", &[b'x'; 600])
        .with_stage("/p", &NEW[..20])
        .expecting(NEW)
}

/// The upload that is under way where there is one.
fn uploads(at: At) -> bool {
    matches!(at, Receiving | Received | Storing)
}

fn reach(at: At) -> Pair {
    let pipe = Pipe {
        holds: 300,
        each_turn: 40,
    };
    let cut = if matches!(at, Sending | Listing) {
        Cut::At(70)
    } else {
        Cut::Whole
    };
    let rig = Rig {
        pipe,
        budget: 30,
        to_client: cut,
        ..Rig::roomy()
    };
    if at == New {
        return Pair::stranger(rig, world());
    }
    let mut pair = Pair::rigged(rig, Rc::new(RefCell::new(world())), Local::default());
    if at == Listing {
        let names = (0..20).map(|n| format!("/d/{n}"));
        let disk = names.fold(world(), |disk, name| disk.with(&name, b""));
        *pair.disk() = disk;
    }
    pair.server.hold = match at {
        Hashing => Hold::Bursts,
        Working => Hold::Jobs,
        _ => Hold::Nothing,
    };
    let frames = framed(NEW, 9);
    let typed = match at {
        New => Vec::new(),
        Ready => b"NOOP\r\n".to_vec(),
        Offered => b"RETR f\r\n".to_vec(),
        Partial => b"STOR size=43 p\r\n".to_vec(),
        Receiving => [b"STOR size=43 replace=1 a\r\n", &frames[..34]].concat(),
        Received | Storing => [b"STOR size=43 replace=1 a\r\n", &frames[..], END].concat(),
        Discarding => [b"STOR size=43 go=1 no/a\r\n", &frames[..34]].concat(),
        Renaming => b"RNFR a\r\n".to_vec(),
        Sending => b"RETR start=0 f\r\n".to_vec(),
        Listing => b"LIST d\r\n".to_vec(),
        Hashing => b"HASH algo=md5 f\r\n".to_vec(),
        Working => b"DF\r\n".to_vec(),
    };
    pair.client.type_in(&typed);
    pair.drive_shut();
    if at == Storing {
        pair.server.hold = Hold::Jobs;
        pair.client.type_in(all_sent().as_bytes());
        pair.drive_shut();
    }
    if !matches!(at, Sending | Listing) {
        pair.hears();
    }
    pair.client.type_in(b"");
    pair
}

fn all_sent() -> String {
    format!("225 md5={}\r\n", Algorithm::Md5.of(NEW))
}

/// What a client does to bring the dialogue to its end, and what it is told;
/// frames between the codes are not shown.
fn ending(at: At) -> (Vec<u8>, Vec<u16>) {
    let frames = framed(NEW, 9);
    let all_sent = all_sent().into_bytes();
    match at {
        New | Ready => (Vec::new(), Vec::new()),
        Offered => (b"400\r\n".to_vec(), vec![]),
        Partial => (b"410\r\n".to_vec(), vec![]),
        Receiving => ([&frames[34..], END, &all_sent].concat(), vec![226]),
        Received => (all_sent, vec![226]),
        Discarding => ([&frames[34..], END, &all_sent].concat(), vec![]),
        Renaming => (b"351 g\r\n".to_vec(), vec![250]),
        Sending | Listing => (Vec::new(), vec![150, 226]),
        Hashing | Working => (Vec::new(), vec![213]),
        Storing => (Vec::new(), vec![226]),
    }
}

fn over(pair: &Pair, at: At) {
    assert!(pair.server.is_over(), "{at:?}");
    pair.server.check_at_rest();
    pair.disk().check_idle();
}

#[test]
fn a_session_leaves_when_its_dialogue_is_done() {
    for at in ALL {
        let mut pair = reach(at);
        pair.server_hears(Event::Leave(CloseReason::ShuttingDown));
        assert_eq!(pair.server.is_over(), matches!(at, New | Ready), "{at:?}");
        let (typed, mut codes) = ending(at);
        pair.server.hold = Hold::Nothing;
        codes.push(421);
        assert_eq!(pair.codes(typed), codes, "{at:?}");
        over(&pair, at);
        if uploads(at) {
            assert_eq!(pair.disk().content("/a").as_deref(), Some(NEW));
        }
    }
}

#[test]
fn a_leaving_session_takes_no_next_command() {
    let mut pair = reach(Hashing);
    pair.client.type_in(b"DELE a\r\n");
    pair.server_hears(Event::Leave(CloseReason::ShuttingDown));
    pair.server.hold = Hold::Nothing;
    assert_eq!(pair.codes(""), [213, 421]);
    assert_eq!(pair.disk().content("/a").as_deref(), Some(OLD));
    over(&pair, Hashing);
}

/// Told to leave and then stopped: transfers end early, with a word; what was
/// received stays.
#[test]
fn a_leaving_session_is_stopped() {
    for at in ALL {
        let mut pair = reach(at);
        pair.server_hears(Event::Leave(CloseReason::ShuttingDown));
        pair.server_hears(Event::Stop);
        pair.server.hold = Hold::Nothing;
        let said = pair.types("");
        let expected: &[u16] = match at {
            Receiving | Hashing => &[550, 421],
            Sending | Listing => &[150, 550, 421],
            Storing => &[226, 421],
            Working => &[213, 421],
            _ => &[421],
        };
        assert_eq!(codes_of(&said), expected, "{at:?}: {said:?}");
        if matches!(at, Sending | Listing) {
            assert!(matches!(said[1], Said::Aborted(_)), "{said:?}");
        }
        over(&pair, at);
        let part = match at {
            Receiving => Some(&NEW[..22]),
            Received => Some(NEW),
            _ => None,
        };
        assert_eq!(pair.disk().stage("/a"), part, "{at:?}");
        assert_eq!(pair.disk().stage("/p"), Some(&NEW[..20]));
    }
}

/// Another session of the user takes over the name that this one writes.
#[test]
fn a_session_gives_way() {
    for at in ALL {
        let mut pair = reach(at);
        pair.server_hears(Event::Evicted);
        pair.server.hold = Hold::Nothing;
        let (typed, mut codes) = ending(at);
        match at {
            // Told at once, and what still comes is dropped.
            Receiving => codes = vec![550],
            // It was put away in silence: the next word of the dialogue has none any more.
            Partial | Received => codes = vec![503],
            _ => {}
        }
        assert_eq!(pair.codes(typed), codes, "{at:?}");
        if at != New {
            pair.is_ready();
        }
        let part = match at {
            Receiving => Some(&NEW[..22]),
            Received => Some(NEW),
            _ => None,
        };
        assert_eq!(pair.disk().stage("/a"), part, "{at:?}");
        assert_eq!(pair.disk().stage("/p"), Some(&NEW[..20]));
    }
}

#[test]
fn the_peer_is_gone() {
    for at in ALL {
        let mut pair = reach(at);
        pair.to_server.cut_off();
        pair.to_client.cut_off();
        pair.drive();
        pair.server.hold = Hold::Nothing;
        pair.drive();
        over(&pair, at);
        let stored = at == Storing;
        let content = if stored { NEW } else { OLD };
        assert_eq!(
            pair.disk().content("/a").as_deref(),
            Some(content),
            "{at:?}"
        );
        let part = match at {
            Receiving => Some(&NEW[..22]),
            Received => Some(NEW),
            _ => None,
        };
        assert_eq!(pair.disk().stage("/a"), part, "{at:?}");
    }
}

/// What it asked for before is done: it may read the answer, for all that is known.
#[test]
fn the_peer_goes_while_a_job_or_a_hash_is_under_way() {
    for at in [Hashing, Working, Storing] {
        let mut pair = reach(at);
        pair.to_server.cut_off();
        pair.to_client.cut_off();
        pair.drive();
        assert!(!pair.server.is_over(), "{at:?}");
        pair.server.hold = Hold::Nothing;
        pair.drive();
        over(&pair, at);
    }
}
