//! The dashboard that is shipped asks for what is told, by labels that it has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::http::{Door, Response};
use super::{Daemon, TCP};

const DASHBOARD: &str = include_str!("../../conf/grafana/skiff.json");

/// Labels that a scraper adds.
const SCRAPERS: [&str; 2] = ["job", "instance"];

#[test]
fn every_query_names_a_metric_that_exists_and_every_metric_is_shown() {
    let daemon = Daemon::with(TCP);
    let told = samples(&Door::of(&daemon).get("/metrics"));
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut queries = Vec::new();
    collect(&dashboard, &mut queries);
    assert!(queries.len() > 20, "{queries:?}");
    let mut shown = BTreeSet::new();
    for query in &queries {
        let names = metrics_of(query);
        assert!(!names.is_empty(), "{query} asks for nothing");
        let labels: BTreeSet<&str> = names
            .iter()
            .flat_map(|name| {
                told.get(*name)
                    .unwrap_or_else(|| panic!("{query}: no {name}"))
            })
            .map(String::as_str)
            .chain(SCRAPERS)
            .collect();
        for label in labels_of(query) {
            assert!(labels.contains(label), "{query}: no label {label}");
        }
        shown.extend(names);
    }
    let is_shown = |name: &String| {
        let base = name.trim_end_matches("_sum").trim_end_matches("_count");
        shown.contains(name.as_str()) || shown.contains(format!("{base}_bucket").as_str())
    };
    let hidden: Vec<_> = told.keys().filter(|name| !is_shown(name)).collect();
    let nobodys = [
        "process_threads",
        "process_virtual_memory_bytes",
        "skiffd_open_homes",
    ];
    assert_eq!(hidden, nobodys, "told and not shown");
}

#[test]
fn panels_lie_beside_each_other() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in at("x")..at("x") + at("w") {
            assert!(x < 24, "{panel}");
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{panel}");
            }
        }
    }
}

/// The names of samples, each with its labels.
fn samples(told: &Response) -> BTreeMap<String, BTreeSet<String>> {
    let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in told.body.lines().filter(|line| !line.starts_with('#')) {
        let (name, _) = line.rsplit_once(' ').unwrap();
        let (name, labels) = name.split_once('{').unwrap_or((name, ""));
        let labels = labels
            .split("\",")
            .filter_map(|label| label.split_once('='));
        let labels = labels.map(|(label, _)| label.to_owned());
        names.entry(name.to_owned()).or_default().extend(labels);
    }
    names
}

/// All queries: of panels, and of variables.
fn collect(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(entries) => {
            for (key, inner) in entries {
                match (key.as_str(), inner) {
                    ("expr", Value::String(query)) => into.push(query.clone()),
                    ("query", Value::String(query)) if query.contains("skiffd_") => {
                        into.push(query.clone());
                    }
                    _ => collect(inner, into),
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|inner| collect(inner, into)),
        _ => {}
    }
}

/// The words of a query that are names of ours.
fn metrics_of(query: &str) -> BTreeSet<&str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = query.split(move |c| !is_word(c));
    words
        .filter(|word| word.starts_with("skiffd_") || word.starts_with("process_"))
        .collect()
}

/// The labels by which a query groups and selects.
fn labels_of(query: &str) -> BTreeSet<&str> {
    let grouped = query.split("by (").skip(1);
    let grouped = grouped.filter_map(|rest| rest.split(')').next());
    let selected = query.split('{').skip(1);
    let selected = selected.filter_map(|rest| rest.split('}').next());
    let listed = grouped.chain(selected).flat_map(|list| list.split(','));
    listed
        .map(|label| label.split('=').next().unwrap().trim())
        .filter(|label| !label.is_empty())
        .collect()
}
