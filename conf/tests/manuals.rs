//! Tests that what the manuals of `conf/doc` say of settings is so.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fs;
use std::path::{Path, PathBuf};

use skiff_conf::{SERVER_SAMPLE, Server};

/// Every manual with its text.
fn manuals() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("doc");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let manuals: Vec<_> = files
        .map(|file| (file.clone(), fs::read_to_string(file).unwrap()))
        .collect();
    assert!(manuals.len() >= 7, "{manuals:?}");
    manuals
}

/// The blocks of a language; those within lists are indented.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim_start() == format!("```{language}") {
            let block = lines.by_ref().take_while(|line| line.trim_start() != "```");
            blocks.push(block.collect::<Vec<_>>().join("\n"));
        }
    }
    blocks
}

#[test]
fn every_setting_of_a_manual_is_understood() {
    for (file, text) in manuals() {
        for block in blocks(&text, "ron") {
            let parsed = Server::parse(&block, Path::new("/etc/skiff/server.ron"));
            assert!(
                parsed.is_ok(),
                "{}: {:?}\n{block}",
                file.display(),
                parsed.err()
            );
        }
    }
    let manuals = manuals();
    let all = manuals.iter().flat_map(|(_, text)| blocks(text, "ron"));
    assert_eq!(all.count(), 11);
}

/// The keys of `key: value` and `key: (key: value)` between backquotes.
fn named_keys(text: &str) -> Vec<&str> {
    let spans = text.split('`').skip(1).step_by(2);
    let keyed = spans.filter(|span| {
        let first = span.split_once(": ");
        first.is_some_and(|(key, _)| key.chars().all(is_of_key))
    });
    let words = keyed.flat_map(|span| span.split(['(', ' ', ',']));
    let keys = words.filter_map(|word| word.strip_suffix(':'));
    keys.filter(|key| key.chars().all(is_of_key)).collect()
}

fn is_of_key(c: char) -> bool {
    c.is_ascii_lowercase() || c == '_'
}

#[test]
fn every_key_that_a_manual_names_is_one() {
    let mut count = 0;
    for (file, text) in manuals() {
        let prose: Vec<_> = text.split("```").step_by(2).collect();
        for key in named_keys(&prose.concat()) {
            count += 1;
            let is_known = SERVER_SAMPLE.contains(&format!("{key}: "));
            assert!(is_known, "{}: {key} is no key", file.display());
        }
    }
    assert!(count > 30, "{count}");
}

#[test]
fn the_settings_of_the_image_are_understood() {
    let text = include_str!("../package/container.ron");
    let parsed = Server::parse(text, Path::new("/etc/skiff/server.ron")).unwrap();
    assert_eq!(parsed.homes, Path::new("/var/lib/skiff/homes"));
    assert_eq!(parsed.run_as, None);
}
