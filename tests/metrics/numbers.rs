//! The numbers are those of what was moved, refused and failed, and a parser of OpenMetrics takes
//! them.

use super::http::{Door, Response};
use super::*;
use crate::harness::noise;

const CLEAR_FTP: &str = "ftp: (listen: [\"127.0.0.1:0\"], tls: Optional),";

/// The sum of what grew between two readings, by the name of a sample.
fn grown(before: &Response, after: &Response, sample: &str) -> u64 {
    after.number(sample) - before.number(sample)
}

fn bytes(dialect: &str, direction: &str) -> String {
    let labels = format!("dialect=\"{dialect}\",direction=\"{direction}\"");
    format!("skiffd_transferred_bytes_total{{{labels}}}")
}

fn transfers(dialect: &str, direction: &str) -> String {
    let labels = format!("dialect=\"{dialect}\",direction=\"{direction}\",result=\"complete\"");
    format!("skiffd_transfers_total{{{labels}}}")
}

#[test]
fn counters_grow_by_what_is_moved_in_both_dialects() {
    let folder = tempfile::tempdir().unwrap();
    write_settings(folder.path(), &format!("{TCP} {CLEAR_FTP}"));
    let daemon = Daemon::with_ftp_in(folder);
    let door = Door::of(&daemon);
    let before = door.get("/metrics");
    let content = noise(7, 300_000);
    let mut tom = daemon.login("tom");
    tom.put("", "native", &content);
    assert_eq!(tom.get("native"), content);
    assert_eq!(tom.get("native"), content);
    let mut jerry = Ftp::login(daemon.ftp_address(), "jerry");
    assert_eq!(jerry.upload("STOR ftp", &content[..70_000]), 226);
    assert_eq!(Ftp::try_login(daemon.ftp_address(), "sam", "wrong").1, 530);
    let during = door.get("/metrics");
    let grew = |sample: &str| grown(&before, &during, sample);
    assert_eq!(grew(&bytes("native", "upload")), 300_000);
    assert_eq!(grew(&bytes("native", "download")), 600_000);
    assert_eq!(grew(&bytes("ftp", "upload")), 70_000);
    assert_eq!(grew(&bytes("ftp", "download")), 0);
    assert_eq!(grew(&transfers("native", "upload")), 1);
    assert_eq!(grew(&transfers("native", "download")), 2);
    assert_eq!(grew(&transfers("ftp", "upload")), 1);
    assert_eq!(grew("skiffd_logins_total{result=\"accepted\"}"), 2);
    assert_eq!(grew("skiffd_logins_total{result=\"failed\"}"), 1);
    assert!(grew("skiffd_burst_seconds_count") > 0);
    assert!(grew("skiffd_loop_turn_seconds_count") > 0);
    assert!(during.number("skiffd_sessions{dialect=\"native\"}") >= 1);
    assert_eq!(during.number("skiffd_used_bytes"), 370_000);
    drop((tom, jerry));
    until("sessions to be over", || {
        let after = door.get("/metrics");
        let open = ["native", "ftp"]
            .map(|dialect| after.number(&format!("skiffd_sessions{{dialect=\"{dialect}\"}}")));
        (open == [0, 0]).then_some(())
    });
}

#[test]
fn the_process_and_the_certificate_are_told() {
    let daemon = Daemon::with(TCP);
    let told = Door::of(&daemon).get("/metrics");
    assert!(told.number("process_open_fds") < told.number("process_max_fds"));
    let resident = told.number("process_resident_memory_bytes");
    assert!((1 << 20..1 << 30).contains(&resident), "{resident}");
    assert!(told.number("process_threads") > 4);
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!(told.number("skiffd_certificate_expiry_timestamp_seconds") > now);
}

const PAGE: &str = include_str!("../../reactor/METRICS.md");

/// Name and kind of each family, of the manual's table and of what is told.
#[test]
fn the_manual_names_what_is_told_and_nothing_else() {
    let daemon = Daemon::with(TCP);
    let told = Door::of(&daemon).get("/metrics");
    let heads = told.body.lines().filter_map(|line| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        let ending = if kind == "counter" { "_total" } else { "" };
        Some((format!("{name}{ending}"), kind.to_owned()))
    });
    let rows = PAGE.lines().filter_map(|line| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let name = cells.get(1)?.strip_prefix('`')?.strip_suffix('`')?;
        let is_family = name.starts_with("skiffd_") || name.starts_with("process_");
        is_family.then(|| (name.to_owned(), cells[2].to_owned()))
    });
    let sorted = |mut all: Vec<_>| {
        all.sort();
        all
    };
    assert_eq!(sorted(rows.collect()), sorted(heads.collect()));
}
