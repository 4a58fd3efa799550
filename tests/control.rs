//! The control socket and the commands that use it: what the operator sees of a running daemon, and
//! how he steers it.

mod bans;
mod drain;
mod load;
mod page;
mod sessions;
mod socket;
mod upgrade;

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Daemon, PATIENCE, json_schema, until};

const SCHEMA: &str = include_str!("../conf/control.schema.json");

/// A line of an answer, which must be as the schema has it.
#[track_caller]
fn parsed(line: &str) -> Value {
    let schema = serde_json::from_str(SCHEMA).unwrap();
    let value = serde_json::from_str(line).unwrap_or_else(|why| panic!("{line}: {why}"));
    if let Some(why) = json_schema::fault(&schema, &value) {
        panic!("{line}: {why}");
    }
    value
}

/// What the command prints with `--json`; it must succeed.
#[track_caller]
fn told(daemon: &Daemon, words: &[&str]) -> Vec<Value> {
    let output = daemon.operator(&[words, &["--json"]].concat());
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {complaint}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(parsed).collect()
}

/// What the command prints for people; it must succeed.
#[track_caller]
fn shown(daemon: &Daemon, words: &[&str]) -> String {
    let output = daemon.operator(words);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words:?}: {complaint}");
    String::from_utf8(output.stdout).unwrap()
}

/// The complaint of a command that must fail.
#[track_caller]
fn refused(daemon: &Daemon, words: &[&str]) -> String {
    let output = daemon.operator(words);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// The session of whom `who` says that `key` is `value`, as soon as `holds` for it.
#[track_caller]
fn session(daemon: &Daemon, key: &str, value: &str, holds: impl Fn(&Value) -> bool) -> Value {
    until(&format!("a session whose {key} is {value}"), || {
        let mut all = told(daemon, &["who"]).into_iter();
        all.find(|row| row[key] == value && holds(row))
    })
}

fn socket_path(daemon: &Daemon) -> PathBuf {
    daemon.folder().join("state/control")
}

/// A client of the socket, as a panel would be.
struct Panel(BufReader<UnixStream>);

impl Panel {
    fn open(daemon: &Daemon) -> Self {
        let socket = UnixStream::connect(socket_path(daemon)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(socket))
    }

    /// The lines that answer, with the last.
    #[track_caller]
    fn ask(&mut self, request: &str) -> Vec<Value> {
        writeln!(self.0.get_mut(), "{request}").unwrap();
        self.answer()
    }

    #[track_caller]
    fn answer(&mut self) -> Vec<Value> {
        let mut answer = Vec::new();
        loop {
            let mut line = String::new();
            let count = self.0.read_line(&mut line).unwrap();
            assert!(count > 0, "cut after {answer:?}");
            let value = parsed(&line);
            let is_last = value["is"] == "done";
            answer.push(value);
            if is_last {
                return answer;
            }
        }
    }
}
