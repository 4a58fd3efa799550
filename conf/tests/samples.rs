//! Tests that the shipped sample files have the defaults of the code.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fmt::Debug;
use std::path::Path;

use skiff_conf::{CLIENT_SAMPLE, Client, Complaint, SERVER_SAMPLE, Server};

type Parse<T> = fn(&str, &Path) -> Result<T, Complaint>;

const SERVER_SECTIONS: [&str; 9] = [
    "",
    "native",
    "ftp",
    "tls",
    "proxy_protocol",
    "quota",
    "rates",
    "limits",
    "log",
];

#[test]
fn the_server_sample_as_shipped_and_with_its_defaults_written_out() {
    same_as_nothing_said(SERVER_SAMPLE, Server::parse);
}

#[test]
fn the_client_sample_as_shipped_and_with_its_defaults_written_out() {
    same_as_nothing_said(CLIENT_SAMPLE, Client::parse);
}

#[test]
fn the_server_sample_shows_every_key() {
    let shown = shown_keys(SERVER_SAMPLE);
    let known: Vec<String> = SERVER_SECTIONS
        .iter()
        .flat_map(|section| known_keys(section, Server::parse))
        .collect();
    assert_eq!(sorted(shown), sorted(known));
}

#[test]
fn the_client_sample_shows_every_key() {
    assert_eq!(
        sorted(shown_keys(CLIENT_SAMPLE)),
        sorted(known_keys("", Client::parse))
    );
}

#[test]
fn every_example_is_right_and_differs_from_the_default() {
    assert_eq!(examples(SERVER_SAMPLE, Server::parse), 38);
    assert_eq!(examples(CLIENT_SAMPLE, Client::parse), 8);
}

fn same_as_nothing_said<T: PartialEq + Debug>(sample: &str, parse: Parse<T>) {
    let path = Path::new("/etc/skiff/sample.ron");
    let nothing = parse("()", path).unwrap();
    assert_eq!(parse(sample, path).unwrap(), nothing);
    let written_out = sample.lines().map(live).collect::<Vec<_>>().join("\n");
    assert_eq!(parse(&written_out, path).unwrap(), nothing);
}

/// Parses the sample once for each `e.g.` line put in the place of the default
/// below it, and counts them.
fn examples<T: PartialEq + Debug>(sample: &str, parse: Parse<T>) -> usize {
    let path = Path::new("/etc/skiff/sample.ron");
    let nothing = parse("()", path).unwrap();
    let lines: Vec<&str> = sample.lines().collect();
    let marked = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.contains("// e.g. "));
    marked
        .map(|(at, line)| {
            let example = line.trim_start().strip_prefix("// e.g. ").unwrap();
            let key = example.split(':').next().unwrap();
            assert!(
                lines[at + 1].trim_start().starts_with(&format!("//{key}:")),
                "{line}"
            );
            let mut changed = lines.clone();
            changed[at + 1] = example;
            assert_ne!(parse(&changed.join("\n"), path).unwrap(), nothing, "{line}");
        })
        .count()
}

/// `//key: value` without its slashes; any other line as it is.
fn live(line: &str) -> &str {
    setting(line).unwrap_or(line)
}

fn setting(line: &str) -> Option<&str> {
    line.trim_start()
        .strip_prefix("//")
        .filter(|rest| rest.starts_with(|c: char| c.is_lowercase()))
}

/// The keys of the sample, commented out or live (sections).
fn shown_keys(sample: &str) -> Vec<String> {
    let lines = sample.lines().map(|line| live(line).trim_start());
    lines
        .filter(|line| line.starts_with(|c: char| c.is_lowercase()))
        .map(|line| line.split(':').next().unwrap().to_owned())
        .collect()
}

/// The keys of a section as the code lists them to whoever writes a wrong one.
fn known_keys<T: Debug>(section: &str, parse: Parse<T>) -> Vec<String> {
    let wrong = match section {
        "" => "(no_such_key_at_all: 1)".to_owned(),
        section => format!("({section}: (no_such_key_at_all: 1))"),
    };
    let said = parse(&wrong, Path::new("x")).unwrap_err().to_string();
    let (_, listed) = said.split_once("write one of ").unwrap();
    listed.split(", ").map(str::to_owned).collect()
}

fn sorted(mut keys: Vec<String>) -> Vec<String> {
    keys.sort();
    keys
}
