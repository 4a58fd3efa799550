//! `reactor/CONTROL.md` against a running daemon: each example is asked, and answered as it says.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Panel, parsed};
use crate::harness::Daemon;

const PAGE: &str = include_str!("../../reactor/CONTROL.md");

/// A request of the page, and the lines that it says answer it.
struct Example {
    request: &'static str,
    answer: Vec<Value>,
}

fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    for line in PAGE.lines() {
        if let Some(request) = line.strip_prefix("> ") {
            let answer = Vec::new();
            examples.push(Example { request, answer });
        } else if let Some(text) = line.strip_prefix("< ") {
            examples.last_mut().unwrap().answer.push(parsed(text));
        }
    }
    examples
}

/// The keys of an object, each with the type of its value, where it has one.
fn shape(line: &Value) -> BTreeSet<String> {
    let of = |value: &Value| match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    let entries = line.as_object().unwrap().iter();
    entries
        .map(|(key, value)| format!("{key}: {}", of(value)))
        .collect()
}

/// Things are as the page has them: an upload under way, a banned user.
#[test]
fn the_daemon_says_what_the_page_says() {
    let daemon = Daemon::configured("limits: (ban_after: 1, exempt: []),");
    let mut tom = daemon.login("tom");
    tom.ask("STOR size=1000 photo.jpg", 150);
    tom.frame(&[0; 250]);
    assert_eq!(daemon.peer().login("jerry", "124").code, 421);
    super::session(&daemon, "user", "tom", |row| row["bytes"] == 250);
    let mut panel = Panel::open(&daemon);
    for Example { request, answer } in examples() {
        if request.contains("\"unban\"") {
            // The one before has let him in again.
            let _ = daemon.peer().login("jerry", "124");
        }
        let told = panel.ask(request);
        let kinds = |lines: &[Value]| {
            let kinds = lines
                .iter()
                .map(|line| line["is"].as_str().unwrap().to_owned());
            kinds.collect::<BTreeSet<_>>()
        };
        assert_eq!(kinds(&told), kinds(&answer), "{request}: {told:?}");
        for line in &answer {
            let mut all = told.iter();
            let is_told = all.any(|other| other["is"] == line["is"] && shape(other) == shape(line));
            assert!(is_told, "{request}: no {:?} in {told:?}", shape(line));
        }
    }
}

#[test]
fn the_page_shows_each_command_and_each_kind_of_line() {
    let words = |source: &str, name: &str| {
        let (_, rest) = source.split_once(&format!("enum {name} {{")).unwrap();
        let (body, _) = rest.split_once("\n}").unwrap();
        let variants = body.lines().filter_map(|line| line.strip_prefix("    "));
        let variants = variants.filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()));
        let names: Vec<_> = variants
            .map(|line| {
                let end = line.find(|c: char| !c.is_ascii_alphanumeric());
                kebab(&line[..end.unwrap_or(line.len())])
            })
            .collect();
        assert!(names.len() > 2, "{names:?}");
        names
    };
    let commands = words(
        include_str!("../../reactor/src/control/command.rs"),
        "Command",
    );
    for name in commands {
        assert!(
            PAGE.contains(&format!("> {{\"do\":\"{name}\"")),
            "no {name}"
        );
    }
    let lines = words(include_str!("../../reactor/src/control/answer.rs"), "Line");
    for name in lines {
        assert!(
            PAGE.contains(&format!("< {{\"is\":\"{name}\"")),
            "no {name}"
        );
    }
}

fn kebab(name: &str) -> String {
    let mut text = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !text.is_empty() {
            text.push('-');
        }
        text.push(c.to_ascii_lowercase());
    }
    text
}
