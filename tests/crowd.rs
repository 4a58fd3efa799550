//! Thirty sessions of three users do anything at once, and a model says what must come of it.

mod actor;
mod model;
mod shared;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::harness::{Daemon, Peer, ask_all};

use actor::Actor;
use model::Model;

const USERS: [&str; 3] = ["tom", "jerry", "sam"];
const SESSIONS: usize = 10;
const STEPS: usize = 60;

/// So little that the quota is met again and again.
const SETTINGS: &str = r#"quota: (default: "4MB", users: {"jerry": "3MB"}),"#;

#[test]
fn a_crowd_leaves_what_the_model_says() {
    let mut daemon = Daemon::with(SETTINGS);
    daemon.user(&["set", "tom", "--quota", "2MB"], "");
    for user in USERS {
        daemon.login(user).ask("MKD shared", 257);
    }
    let models = run(&daemon);
    let refused: u32 = models.values().map(|model| model.refused).sum();
    assert!(refused > 0, "the quota was never met: nothing was tested");
    let before: Vec<String> = USERS
        .iter()
        .map(|user| settled(&daemon, user, &models))
        .collect();

    daemon.stop();
    daemon.start();
    let kept: Vec<String> = USERS
        .iter()
        .map(|user| settled(&daemon, user, &models))
        .collect();
    assert_eq!(kept, before, "a clean stop lost count");

    daemon.kill9();
    daemon.start();
    let counted: Vec<String> = USERS
        .iter()
        .map(|user| settled(&daemon, user, &models))
        .collect();
    assert_eq!(counted, before, "the ledger and a new count differ");
}

/// All sessions to their end: the model of each user's each directory.
fn run(daemon: &Daemon) -> BTreeMap<(&'static str, String), Model> {
    let act = |user: &'static str, number: usize| {
        let mut actor = Actor::enter(daemon, user, number);
        for _ in 0..STEPS {
            actor.step();
        }
        ((user, actor.folder().to_owned()), actor.leave())
    };
    let act = &act;
    std::thread::scope(|scope| {
        let crowd = USERS
            .iter()
            .flat_map(|user| (0..SESSIONS).map(move |n| (*user, n)));
        let acting: Vec<_> = crowd
            .map(|(user, n)| scope.spawn(move || act(user, n)))
            .collect();
        acting
            .into_iter()
            .map(|actor| actor.join().unwrap())
            .collect()
    })
}

/// Checks tree and account of a user; what DF says.
#[track_caller]
fn settled(
    daemon: &Daemon,
    user: &str,
    models: &BTreeMap<(&'static str, String), Model>,
) -> String {
    let mut peer = daemon.login(user);
    // A change waits until the home is counted.
    ask_all(&mut peer, &[("MKD counting", 257), ("DELE counting", 250)]);
    let own = models.iter().filter(|((who, _), _)| *who == user);
    let (mut bytes, mut entries) = shared::charge(&mut peer);
    for ((_, folder), model) in own {
        let home = daemon.home(user).join(folder);
        assert_eq!(on_disk(&home), *model.files(), "{user} in {folder}");
        assert_parts(&mut peer, folder, model);
        bytes += model.bytes();
        entries += model.entries();
    }
    let df = peer.df();
    assert_eq!(df.number("used"), bytes, "{user}: {}", df.line);
    assert_eq!(df.number("entries"), entries, "{user}: {}", df.line);
    assert!(bytes <= df.number("limit"), "{user}: {}", df.line);
    df.line
}

/// Every file below `folder`, by its path from there.
fn on_disk(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inside) = folders.pop() {
        for entry in fs::read_dir(&inside).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            found.insert(name.to_owned(), fs::read(&path).unwrap());
        }
    }
    found
}

fn assert_parts(peer: &mut Peer, folder: &str, model: &Model) {
    let below = format!("/{folder}/");
    let stages = peer.list("STAGES");
    let own = stages.iter().filter_map(|(path, facts)| {
        let size = facts.split(';').find_map(|fact| fact.strip_prefix("size="));
        Some((
            path.strip_prefix(&below)?.to_owned(),
            size?.parse().unwrap(),
        ))
    });
    let found: BTreeMap<String, usize> = own.collect();
    assert_eq!(found, model.part_sizes(), "parts in {folder}");
}
