//! Every code of the native dialect is provoked on the wire, in each situation that has it.

mod client;
mod login;
mod lore;
mod transfers;
mod tree;

use std::collections::BTreeSet;

use crate::harness::Daemon;

use Who::{Client, Server};

/// Who says a code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Who {
    Server,
    Client,
}

type Row = (&'static str, Who, u16);

/// The situations and their codes, as the project was asked for them.
const ASKED_FOR: &[(&str, &[(Who, u16)])] = &[
    ("login", &[(Server, 331), (Server, 230), (Server, 530)]),
    ("list", &[(Server, 150), (Server, 226)]),
    ("cd", &[(Server, 250), (Server, 550), (Server, 403)]),
    (
        "download",
        &[
            (Client, 200),
            (Client, 210),
            (Client, 400),
            (Client, 401),
            (Server, 226),
            (Client, 227),
            (Server, 551),
            (Server, 550),
            (Server, 404),
        ],
    ),
    (
        "upload",
        &[
            (Server, 551),
            (Server, 150),
            (Server, 210),
            (Client, 211),
            (Server, 212),
            (Client, 410),
            (Client, 225),
            (Server, 226),
            (Server, 550),
            (Server, 200),
        ],
    ),
    (
        "delete",
        &[(Server, 250), (Server, 404), (Server, 550), (Server, 403)],
    ),
    ("quit", &[(Client, 220), (Server, 221)]),
    ("mkdir", &[(Server, 257), (Server, 550), (Server, 403)]),
    (
        "rename",
        &[
            (Server, 350),
            (Client, 351),
            (Server, 250),
            (Server, 401),
            (Server, 404),
        ],
    ),
    ("system", &[(Server, 215)]),
];

/// One test for each row, and the list of them.
macro_rules! provoked {
    ($($situation:literal $from:ident $code:literal: $room:ident::$test:ident;)*) => {
        const PROVOKED: &[Row] = &[$(($situation, $from, $code)),*];

        mod on_the_wire {
            $(#[test]
            fn $test() {
                super::$room::$test(&super::Daemon::demo());
            })*
        }
    };
}

provoked! {
    "login" Server 331: login::challenged;
    "login" Server 230: login::let_in;
    "login" Server 530: login::turned_away;
    "list" Server 150: tree::listing_follows;
    "list" Server 226: tree::listing_done;
    "cd" Server 250: tree::directory_changed;
    "cd" Server 550: tree::no_directory_to_change_to;
    "cd" Server 403: tree::change_above_home;
    "download" Client 200: transfers::download_from_the_start;
    "download" Client 210: transfers::download_resumed;
    "download" Client 400: transfers::have_it_already;
    "download" Client 401: transfers::download_declined;
    "download" Server 226: transfers::all_sent;
    "download" Client 227: transfers::equal;
    "download" Server 551: transfers::directories_are_not_sent;
    "download" Server 550: transfers::what_is_no_file;
    "download" Server 404: transfers::nothing_to_send;
    "upload" Server 551: transfers::over_quota;
    "upload" Server 150: transfers::send;
    "upload" Server 210: transfers::a_part_is_here;
    "upload" Client 211: transfers::upload_resumed;
    "upload" Server 212: transfers::resume_acknowledged;
    "upload" Client 410: transfers::upload_declined;
    "upload" Client 225: transfers::all_was_sent;
    "upload" Server 226: transfers::stored;
    "upload" Server 550: transfers::not_verified;
    "upload" Server 200: transfers::already_there;
    "delete" Server 250: tree::deleted;
    "delete" Server 404: tree::nothing_to_delete;
    "delete" Server 550: tree::not_empty;
    "delete" Server 403: tree::deleting_is_not_allowed;
    "quit" Client 220: login::leaving;
    "quit" Server 221: login::goodbye;
    "mkdir" Server 257: tree::created;
    "mkdir" Server 550: tree::exists_already;
    "mkdir" Server 403: tree::making_is_not_allowed;
    "rename" Server 350: tree::source_exists;
    "rename" Client 351: tree::confirmed;
    "rename" Server 250: tree::renamed;
    "rename" Server 401: tree::target_exists;
    "rename" Server 404: tree::source_is_missing;
    "system" Server 215: lore::platform;
    // What came with the native dialect.
    "work" Server 111: lore::still_working;
    "work" Client 111: lore::client_still_works;
    "download" Server 200: transfers::sending_all;
    "download" Server 210: transfers::sending_the_rest;
    "download" Client 550: transfers::different;
    "upload" Client 200: transfers::upload_from_the_start;
    "status" Server 211: lore::status;
    "facts" Server 213: lore::facts;
    "help" Server 214: lore::help;
    "list" Server 403: tree::listing_above_home;
    "farewell" Server 421: login::closing;
    "line" Server 500: lore::not_understood;
    "line" Server 501: lore::bad_arguments;
    "order" Server 503: lore::out_of_order;
}

#[test]
fn every_code_that_was_asked_for_has_a_test() {
    let provoked: BTreeSet<Row> = PROVOKED.iter().copied().collect();
    assert_eq!(provoked.len(), PROVOKED.len(), "a row stands twice");
    let rows = |&(situation, codes): &(_, &'static [(Who, u16)])| {
        codes
            .iter()
            .map(move |&(from, code)| (situation, from, code))
    };
    let asked: BTreeSet<Row> = ASKED_FOR.iter().flat_map(rows).collect();
    assert_eq!(asked.len(), 42, "rows were lost");
    let missing: Vec<_> = asked.difference(&provoked).collect();
    assert!(missing.is_empty(), "no test provokes {missing:?}");
}

/// A code that is added to the page needs a test here.
#[test]
fn every_code_of_the_protocol_page_has_a_test() {
    let page = include_str!("../sessions/PROTOCOL.md");
    let table = page.split("| code | from | meaning |").nth(1).unwrap();
    let cells = |line: &str| -> Option<(u16, String)> {
        let mut cells = line.split('|').map(str::trim).skip(1);
        Some((cells.next()?.parse().ok()?, cells.next()?.to_owned()))
    };
    let documented: Vec<_> = table
        .lines()
        .skip(2)
        .map_while(|line| line.starts_with('|').then(|| cells(line).unwrap()))
        .collect();
    assert!(documented.len() > 30, "not the table: {documented:?}");
    for (code, from) in documented {
        let said_by = |who| PROVOKED.iter().any(|row| row.1 == who && row.2 == code);
        assert!(from == "C" || said_by(Server), "S {code}");
        assert!(from == "S" || said_by(Client), "C {code}");
    }
}
