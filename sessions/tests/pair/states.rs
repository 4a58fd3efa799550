//! Tests the state table of PROTOCOL.md section 11: every line in every state.

use skiff_sessions::digest::Algorithm;

/// A state, how to get there, and a line that only it takes.
struct State {
    name: &'static str,
    enter: Vec<u8>,
    /// The line, its codes in this state, and in *ready*.
    probe: (String, Vec<u16>, Vec<u16>),
    /// Lines of its own row: the codes, and whether the state is left.
    row: Vec<(&'static str, Vec<u16>, Then)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    Stays,
    Ready,
    /// Something else that the table tells elsewhere.
    Gone,
}
use Then::{Gone, Ready, Stays};

use super::disk::Disk;
use super::drive::Pair;
use super::local::Local;
use super::rig::{NEW, OLD};
use super::said::{END, codes_of, framed};

/// Each verb and code of the grammar, and lines outside of it.
const LINES: &[&str] = &[
    "PWD",
    "CWD d",
    "LIST",
    "RETR f",
    "RETR start=0 f",
    "RETR start=3 length=4 f",
    "LIST sort=size",
    "SETATTR mode=600 f",
    "351 replace=1 g",
    "RETR no",
    "STOR size=3 new",
    "DELE f",
    "DELE no",
    "MKD e",
    "SYMLINK target=f e",
    "READLINK f",
    "RNFR f",
    "STAT",
    "STAT f",
    "DF",
    "HASH algo=md5 f",
    "STAGES",
    "STAGES drop=1 p",
    "SYST",
    "HELP",
    "HELP RETR",
    "NOOP",
    "ABOR",
    "USER scram=",
    "PASS scram=",
    "PASSWD salt=AA== iterations=1 stored=AA== server=AA==",
    "111 done=1 of=2",
    "111",
    "200",
    "210 offset=0 md5=d41d8cd98f00b204e9800998ecf8427e",
    "211",
    "225 md5=d41d8cd98f00b204e9800998ecf8427e",
    "227",
    "351 g",
    "400",
    "401",
    "410",
    "550",
    "220",
    "WHAT",
    "STOR a",
    "CWD %zz",
    "",
    "STOR size=1 size=2 a",
];

/// Not understood, or not a matter of the dialogue: in every state the same.
const EVERYWHERE: &[(&str, &[u16], Then)] = &[
    ("220", &[221], Gone),
    ("WHAT", &[500], Stays),
    ("", &[500], Stays),
    ("STOR a", &[501], Stays),
    ("CWD %zz", &[501], Stays),
    ("STOR size=1 size=2 a", &[501], Stays),
    (
        "PASSWD salt=AA== iterations=1 stored=AA== server=AA==",
        &[501],
        Stays,
    ),
];

fn world() -> Pair {
    let disk = Disk::new()
        .with("/f", OLD)
        .with_stage("/p", &NEW[..20])
        .expecting(NEW);
    Pair::new(disk, Local::default())
}

fn states() -> Vec<State> {
    let all_sent = format!("225 md5={}\r\n", Algorithm::Md5.of(NEW));
    let receive = [b"STOR size=43 a\r\n", &framed(NEW, 9)[..], END].concat();
    let discard = [b"STOR size=43 go=1 no/a\r\n", &framed(NEW, 9)[..], END].concat();
    let state = |name, enter: Vec<u8>, probe: (&str, &[u16], &[u16]), row| State {
        name,
        enter,
        probe: (probe.0.to_owned(), probe.1.to_vec(), probe.2.to_vec()),
        row,
    };
    vec![
        state(
            "offered",
            b"RETR f\r\n".to_vec(),
            ("400\r\n", &[], &[503]),
            vec![
                ("200", vec![200, 226], Ready),
                (
                    "210 offset=0 md5=d41d8cd98f00b204e9800998ecf8427e",
                    vec![210, 226],
                    Ready,
                ),
                ("400", vec![], Ready),
                ("401", vec![], Ready),
                ("111", vec![], Stays),
                ("111 done=1 of=2", vec![], Stays),
            ],
        ),
        state(
            "partial",
            b"STOR size=43 p\r\n".to_vec(),
            ("410\r\n", &[], &[503]),
            vec![
                ("200", vec![212], Gone),
                ("211", vec![212], Gone),
                ("410", vec![], Ready),
                ("111", vec![], Stays),
                ("111 done=1 of=2", vec![], Stays),
            ],
        ),
        state(
            "received",
            receive,
            (&all_sent, &[226], &[503]),
            vec![
                ("225 md5=d41d8cd98f00b204e9800998ecf8427e", vec![550], Ready),
                ("111", vec![], Stays),
                ("111 done=1 of=2", vec![], Stays),
            ],
        ),
        state(
            "discarded",
            discard,
            (&all_sent, &[], &[503]),
            vec![("225 md5=d41d8cd98f00b204e9800998ecf8427e", vec![], Ready)],
        ),
        state(
            "renaming",
            b"RNFR f\r\n".to_vec(),
            ("351 g\r\n", &[250], &[503]),
            vec![
                ("351 g", vec![250], Ready),
                ("351 replace=1 g", vec![250], Ready),
            ],
        ),
    ]
}

fn typed(line: &str) -> String {
    format!("{line}\r\n")
}

#[test]
fn every_line_in_every_state() {
    for state in states() {
        for line in LINES {
            let own = state.row.iter().find(|(own, ..)| own == line);
            let own = own.map(|(_, codes, then)| (codes.clone(), *then));
            let everywhere = EVERYWHERE
                .iter()
                .find(|(everywhere, ..)| everywhere == line);
            let everywhere = everywhere.map(|(_, codes, then)| (codes.to_vec(), *then));
            let (codes, then) = own
                .or(everywhere)
                .unwrap_or_else(|| (in_ready(line), Ready));
            let mut pair = world();
            pair.types(&state.enter);
            assert_eq!(pair.codes(typed(line)), codes, "{line:?} in {}", state.name);
            follows(&mut pair, &state, line, then);
        }
    }
}

/// The probe tells whether the state was left.
fn follows(pair: &mut Pair, state: &State, line: &str, then: Then) {
    let (probe, here, ready) = &state.probe;
    let told = || format!("{line:?} in {}, then {probe:?}", state.name);
    match then {
        Stays => assert_eq!(&pair.codes(probe), here, "{}", told()),
        Ready if enters(line) => {}
        Ready => assert_eq!(&pair.codes(probe), ready, "{}", told()),
        Gone => {}
    }
    if then != Gone && !enters(line) {
        pair.is_ready();
    }
}

/// These lead from *ready* into another dialogue.
fn enters(line: &str) -> bool {
    ["RETR f", "STOR size=3 new", "RNFR f"].contains(&line)
}

fn in_ready(line: &str) -> Vec<u16> {
    world().codes(typed(line))
}

#[test]
fn every_line_in_ready() {
    let expected: &[(&str, &[u16])] = &[
        ("PWD", &[257]),
        ("CWD d", &[250]),
        ("LIST", &[150, 226]),
        ("RETR f", &[150]),
        ("RETR start=0 f", &[150, 226]),
        ("RETR start=3 length=4 f", &[150, 226]),
        ("LIST sort=size", &[150, 226]),
        ("SETATTR mode=600 f", &[213]),
        ("351 replace=1 g", &[503]),
        ("RETR no", &[404]),
        ("STOR size=3 new", &[150]),
        ("DELE f", &[250]),
        ("DELE no", &[404]),
        ("MKD e", &[257]),
        ("SYMLINK target=f e", &[257]),
        ("READLINK f", &[550]),
        ("RNFR f", &[350]),
        ("STAT", &[211]),
        ("STAT f", &[213]),
        ("DF", &[213]),
        ("HASH algo=md5 f", &[213]),
        ("STAGES", &[150, 226]),
        ("STAGES drop=1 p", &[250]),
        ("SYST", &[215]),
        ("HELP", &[214]),
        ("HELP RETR", &[214]),
        ("NOOP", &[200]),
        ("ABOR", &[226]),
        ("USER scram=", &[503]),
        ("PASS scram=", &[503]),
        ("111 done=1 of=2", &[]),
        ("111", &[]),
        ("200", &[503]),
        ("210 offset=0 md5=d41d8cd98f00b204e9800998ecf8427e", &[503]),
        ("211", &[503]),
        ("225 md5=d41d8cd98f00b204e9800998ecf8427e", &[503]),
        ("227", &[]),
        ("351 g", &[503]),
        ("400", &[503]),
        ("401", &[503]),
        ("410", &[503]),
        ("550", &[]),
    ];
    for (line, codes) in expected {
        assert_eq!(in_ready(line), *codes, "{line}");
    }
    for (line, codes, _) in EVERYWHERE {
        assert_eq!(in_ready(line), *codes, "{line}");
    }
    let told = expected.len() + EVERYWHERE.len();
    assert_eq!(told, LINES.len(), "each line has its row");
}

/// A dialogue that is ended by a command keeps the part, and the command is
/// handled with the file already closed.
#[test]
fn a_dialogue_ended_by_the_same_command_begins_again() {
    let mut pair = world();
    for _ in 0..3 {
        assert_eq!(pair.codes("STOR size=43 p\r\n"), [210]);
    }
    assert_eq!(pair.codes("RETR f\r\nRETR f\r\n"), [150, 150]);
    assert_eq!(pair.codes("RNFR f\r\nRNFR f\r\n351 g\r\n"), [350, 350, 250]);
    assert_eq!(pair.disk().stage("/p"), Some(&NEW[..20]));
    pair.is_ready();
}

#[test]
fn leaving_in_every_state_keeps_the_part() {
    for state in states() {
        let mut pair = world();
        pair.types(&state.enter);
        assert_eq!(
            codes_of(&pair.types("220 bye\r\n")),
            [221],
            "{}",
            state.name
        );
        assert!(pair.server.is_over());
        pair.disk().check_idle();
        assert_eq!(pair.disk().stage("/p"), Some(&NEW[..20]));
    }
}
